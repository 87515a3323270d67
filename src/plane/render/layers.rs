//! The layers of one panel, one over the other.

use super::colour::Colours;
use super::{Panel, Shot, nearest, trails};
use crate::plane::{Arrows, Known, Marginals, Point, View};
use plotters::coord::Shift;
use plotters::prelude::*;

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Particles whose trails, and paths beside the density, are drawn.
const TRAILS: usize = 150;
const PATHS: usize = 24;

/// A panel with its view.
struct Canvas<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    /// Pixels of its sides.
    size: [f64; 2],
    view: View,
}

/// Draws all layers of a panel, from the back to the front.
pub(super) fn draw<B: DrawingBackend>(
    shot: &Shot<'_>,
    panel: &Panel,
    area: &DrawingArea<B, Shift>,
    colours: &Colours,
    shades: u32,
) -> Drawn<B> {
    let (width, height) = area.dim_in_pixel();
    let canvas = Canvas { area, size: [f64::from(width), f64::from(height)], view: shot.scene.view };
    let layers = shot.scene.layers;
    if let (true, Some(marginals)) = (layers.marginals, &shot.course.marginals) {
        return canvas.marginals(shot, panel, marginals, colours, shades);
    }
    if let Some(field) = &shot.fields.density {
        let values: Vec<f64> = field.values.iter().map(|value| f64::from(*value)).collect();
        canvas.shades(&values, field.side, colours, shades)?;
    }
    for line in &shot.fields.streamlines {
        canvas.line(line, colours.ink.mix(0.45), 1)?;
    }
    for line in &shot.fields.flow {
        canvas.line(line, colours.flow.mix(0.7), 1)?;
    }
    if let Some(cloud) = &shot.course.solutions {
        for line in trails(&cloud.frames, -1.0, usize::MAX) {
            canvas.line(&line, colours.solutions.mix(0.6), 1)?;
        }
    }
    canvas.dots(&shot.fields.data, 1.3, colours.data.mix(0.8))?;
    if layers.trails {
        for line in trails(&panel.frames, shot.scene.time, TRAILS) {
            canvas.line(&line, colours.particles.mix(0.3), 1)?;
        }
    }
    if let (true, Some(frame)) = (layers.particles, nearest(&panel.frames, shot.scene.time)) {
        canvas.dots(&frame.points, 1.5, colours.particles.mix(0.85))?;
    }
    if let Some(arrows) = &shot.fields.score {
        canvas.arrows(arrows, colours.ink.mix(0.8))?;
    }
    if let Some(arrows) = &shot.fields.difference {
        canvas.arrows(arrows, colours.errors.mix(0.9))?;
    }
    if let (true, Some(errors)) = (layers.errors, &panel.errors) {
        for (exact, found) in errors.exact.iter().zip(&errors.found) {
            canvas.line(&[*exact, *found], colours.errors.mix(0.9), 1)?;
            canvas.dots(&[*found], 2.0, colours.errors.mix(0.9))?;
        }
    }
    if let Some(known) = &shot.scene.known {
        canvas.known(known, colours)?;
    }
    let frame = Rectangle::new([(0, 0), (width as i32 - 1, height as i32 - 1)], colours.ink.mix(0.25));
    area.draw(&frame)
}

impl<B: DrawingBackend> Canvas<'_, B> {
    /// The pixel of a place in the view.
    fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let View { centre, half } = self.view;
        [(x - centre[0] + half) / (2.0 * half) * self.size[0], (centre[1] + half - y) / (2.0 * half) * self.size[1]]
    }

    /// Values of square cells, row by row from the top, as shades of their root: tails are seen, too. Runs of one shade are
    /// one rectangle.
    fn shades(&self, values: &[f64], columns: usize, colours: &Colours, shades: u32) -> Drawn<B> {
        let most = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
        if most <= 0.0 || columns == 0 {
            return Ok(());
        }
        let rows = values.len() / columns;
        let last = f64::from(shades - 1);
        let edge = |k: usize, count: usize, axis: usize| (k as f64 / count as f64 * self.size[axis]).round() as i32;
        for (row, values) in values.chunks(columns).enumerate() {
            let shade: Vec<u32> =
                values.iter().map(|value| ((value / most).max(0.0).sqrt() * last).round() as u32).collect();
            let mut start = 0;
            for run in shade.chunk_by(|a, b| a == b) {
                let end = start + run.len();
                if run[0] > 0 {
                    let corners = [
                        (edge(start, columns, 0), edge(row, rows, 1)),
                        (edge(end, columns, 0), edge(row + 1, rows, 1)),
                    ];
                    let colour = colours.density(f64::from(run[0]) / last);
                    self.area.draw(&Rectangle::new(corners, colour.filled()))?;
                }
                start = end;
            }
        }
        Ok(())
    }

    /// The parts of a line that are inside.
    fn line(&self, points: &[Point], colour: RGBAColor, width: u32) -> Drawn<B> {
        let places = points.iter().map(|point| self.place(point.map(f64::from)));
        self.path(places, colour, width)
    }

    fn path(&self, places: impl Iterator<Item = [f64; 2]>, colour: RGBAColor, width: u32) -> Drawn<B> {
        let inside =
            |[x, y]: &[f64; 2]| (0.0..=self.size[0] - 1.0).contains(x) && (0.0..=self.size[1] - 1.0).contains(y);
        let places: Vec<[f64; 2]> = places.collect();
        for part in places.chunk_by(|a, b| inside(a) && inside(b)).filter(|part| part.len() > 1) {
            let pixels: Vec<(i32, i32)> = part.iter().map(|[x, y]| (x.round() as i32, y.round() as i32)).collect();
            self.area.draw(&PathElement::new(pixels, colour.stroke_width(width)))?;
        }
        Ok(())
    }

    fn dots(&self, points: &[Point], radius: f64, colour: RGBAColor) -> Drawn<B> {
        // In larger panels dots are larger.
        let radius = (radius * (self.size[0] / 480.0).clamp(0.7, 3.0)).round().max(1.0) as i32;
        for point in points {
            let [x, y] = self.place(point.map(f64::from));
            if (0.0..self.size[0]).contains(&x) && (0.0..self.size[1]).contains(&y) {
                self.area.draw(&Circle::new((x as i32, y as i32), radius, colour.filled()))?;
            }
        }
        Ok(())
    }

    /// Arrows whose lengths grow with their vectors, up to that of a cell.
    fn arrows(&self, field: &Arrows, colour: RGBAColor) -> Drawn<B> {
        let length = |[x, y]: &Point| f64::from(*x).hypot(f64::from(*y));
        let mut lengths: Vec<f64> = field.values.iter().map(length).filter(|length| length.is_finite()).collect();
        lengths.sort_by(f64::total_cmp);
        let Some(&typical) = lengths.get(lengths.len() / 2).filter(|typical| **typical > 0.0) else { return Ok(()) };
        let cell = 2.0 * field.view.half / field.side as f64;
        for (from, vector) in field.view.cells(field.side).iter().zip(&field.values) {
            let long = length(vector);
            if !(long > 0.0 && long.is_finite()) {
                continue;
            }
            let scale = cell * 0.95 / (long + 0.5 * typical);
            let from = from.map(f64::from);
            let to = [0, 1].map(|axis| from[axis] + scale * f64::from(vector[axis]));
            let ([x0, y0], [x1, y1]) = (self.place(from), self.place(to));
            let (dx, dy) = (x1 - x0, y1 - y0);
            let barb = |turn: f64| [x1 - 0.35 * (dx + turn * 0.6 * dy), y1 - 0.35 * (dy - turn * 0.6 * dx)];
            self.path([[x0, y0], [x1, y1]].into_iter(), colour, 1)?;
            self.path([barb(1.0), [x1, y1], barb(-1.0)].into_iter(), colour, 1)?;
        }
        Ok(())
    }

    /// A measurement: its line, point or edge, and its noise.
    fn known(&self, known: &Known, colours: &Colours) -> Drawn<B> {
        let across = |direction: [f64; 2], value: f64, width: u32| {
            let length = direction[0].hypot(direction[1]);
            let [a, b] = direction.map(|x| x / length);
            let far = 4.0 * self.view.half + self.view.centre[0].hypot(self.view.centre[1]) + value.abs();
            let at = |along: f64| self.place([a * value - b * along, b * value + a * along]);
            let places = (0..=800).map(|k| at(far * (f64::from(k) / 400.0 - 1.0)));
            self.path(places, colours.known.mix(0.9), width)
        };
        match *known {
            Known::Line { direction, value, noise } => {
                across(direction, value, 2)?;
                [value - noise, value + noise].into_iter().try_for_each(|value| across(direction, value, 1))
            }
            Known::HalfPlane { direction, value, .. } => across(direction, value, 2),
            Known::Point { at, noise } => {
                let round = (0..=60).map(|k| {
                    let (sin, cos) = (std::f64::consts::TAU * f64::from(k) / 60.0).sin_cos();
                    self.place([at[0] + noise * cos, at[1] + noise * sin])
                });
                self.path(round, colours.known.mix(0.9), 1)?;
                self.dots(&[at.map(|x| x as f32)], 3.0, colours.known.mix(0.9))
            }
        }
    }

    /// Paths beside the whole density: t to the right, the first coordinate upwards (Song et al. 2021, figure 2).
    fn marginals(&self, shot: &Shot<'_>, panel: &Panel, all: &Marginals, colours: &Colours, shades: u32) -> Drawn<B> {
        let (columns, rows) = (all.times.len(), all.places.len());
        // Each time by its own densest place, so that late times are seen, too.
        let peaks: Vec<f64> =
            all.values.iter().map(|row| row.iter().copied().fold(f64::MIN_POSITIVE, f64::max)).collect();
        let value = |index: usize| {
            let (row, column) = (index / columns, index % columns);
            all.values[column][rows - 1 - row] / peaks[column]
        };
        let values: Vec<f64> = (0..columns * rows).map(value).collect();
        self.shades(&values, columns, colours, shades)?;
        let View { centre, half } = self.view;
        let place = |t: f64, x: f64| [t * (self.size[0] - 1.0), (centre[0] + half - x) / (2.0 * half) * self.size[1]];
        let count = panel.frames.first().map_or(0, |frame| frame.points.len().min(PATHS));
        for particle in 0..count {
            let states =
                panel.frames.iter().filter_map(|frame| Some(place(frame.t, f64::from(frame.points.get(particle)?[0]))));
            self.path(states, colours.particles.mix(0.9), 1)?;
        }
        let time = shot.scene.time;
        self.path([place(time, centre[0] - half), place(time, centre[0] + half)].into_iter(), colours.ink.mix(0.6), 1)
    }
}
