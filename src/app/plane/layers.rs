//! The layers of a picture, one over the other.

use super::ink::{Ink, Sheet};
use super::learning::Drawn;
use super::screen::Screen;
use super::work::{Work, of_cloud, places};
use crate::app::theme::Theme;
use crate::engine::PaneShown;
use crate::plane::{Arrows, Course, Errors, Fields, Frame, Known, Lines, Marginals, Point, Scene, Start};
use eframe::egui_wgpu::RenderState;
use egui::{Align2, Color32, ColorImage, FontId, Painter, Pos2, Rect, Stroke, pos2};
use std::sync::Arc;

/// Particles whose trails are drawn, and solutions and paths beside the density.
const TRAILS: usize = 160;
const PATHS: usize = 40;
/// Frames that a trail goes back.
const TRAIL: usize = 24;

/// A picture of what was computed, in these colours.
type Shaded<T> = Option<(Arc<T>, [Color32; 2], Arc<ColorImage>)>;

/// What pictures are drawn with, and the newest shades.
pub struct Look {
    /// Without a device there is no picture.
    ink: Option<Ink>,
    density: Shaded<Fields>,
    marginals: Shaded<Course>,
}

impl Look {
    /// On the window's device.
    pub fn new(state: Option<&RenderState>) -> Look {
        Look { ink: state.map(Ink::new), density: None, marginals: None }
    }
}

/// The picture of `of`, made where the last was of something else.
fn shaded<T>(
    last: &mut Shaded<T>,
    of: &Arc<T>,
    ground: [Color32; 2],
    make: impl FnOnce() -> ColorImage,
) -> Arc<ColorImage> {
    match last {
        Some((shown, colours, image)) if Arc::ptr_eq(shown, of) && *colours == ground => image.clone(),
        _ => {
            let image = Arc::new(make());
            *last = Some((of.clone(), ground, image.clone()));
            image
        }
    }
}

/// Colours of a picture.
#[derive(Clone, Copy)]
pub struct Colours {
    /// Without density, and where that is highest.
    pub ground: [Color32; 2],
    pub particles: Color32,
    pub forward: Color32,
    pub score: Color32,
    pub flow: Color32,
    pub data: Color32,
    pub weak: Color32,
    pub known: Color32,
}

impl Colours {
    /// Those of a scene in a theme.
    pub fn of(theme: &Theme, scene: &Scene) -> Colours {
        let family = theme.family(scene.family.kind());
        let term = |name| theme.term(name).unwrap_or(theme.text);
        Colours {
            ground: [theme.surround, theme.surround.lerp_to_gamma(family, 0.72)],
            particles: theme.text,
            forward: term("noise"),
            score: term("score"),
            flow: term("drift"),
            data: term("denoised"),
            weak: theme.weak,
            known: theme.bad,
        }
    }
}

/// All that a picture is made of.
pub struct Picture<'a> {
    pub screen: Screen,
    pub scene: &'a Scene,
    pub work: &'a Work,
    pub pane: Option<&'a PaneShown>,
    /// The solver's ends against those of the exact flow.
    pub errors: Option<&'a Errors>,
    pub colours: Colours,
}

impl Picture<'_> {
    /// Draws it in its place among the pictures of a frame.
    pub fn paint(&self, painter: &Painter, look: &mut Look, place: usize) {
        let mut sheet = Sheet::new(self.screen, self.colours.ground[0]);
        if self.scene.layers.marginals {
            self.beside(&mut sheet, look);
        } else {
            self.layers(&mut sheet, look);
        }
        if let Some(ink) = &mut look.ink {
            ink.paint(painter, place, &sheet);
        }
        if self.scene.layers.marginals {
            self.times(painter);
        } else {
            self.marks(painter);
        }
    }

    fn layers(&self, sheet: &mut Sheet, look: &mut Look) {
        let Picture { scene, work, colours, .. } = self;
        let layers = scene.layers;
        if let Some(fields) = work.fields() {
            if layers.density {
                self.density(sheet, look, fields);
            }
            if layers.data {
                sheet.dots(&fields.data, self.radius(fields.data.len()), colours.data.gamma_multiply(0.7));
            }
            streams(sheet, &fields.streamlines, colours.score);
            streams(sheet, &fields.flow, colours.flow);
            let score = if work.drawn == Drawn::Difference { &fields.difference } else { &fields.score };
            if let Some(score) = score {
                // A difference is as long as it is beside the score.
                let scale = fields.score.as_ref().filter(|_| work.drawn == Drawn::Difference).map(usual);
                let colour = if work.drawn == Drawn::Exact { colours.score } else { colours.forward };
                arrows(sheet, score, scale.unwrap_or_else(|| usual(score)), colour);
            }
        }
        self.solutions(sheet);
        self.particles(sheet);
    }

    /// Dots are smaller where there are many, and where the picture is small.
    fn radius(&self, count: usize) -> f32 {
        let room = self.screen.rect.width() / 600.0;
        let crowd = (1_000.0 / count.max(1) as f32).powf(0.2);
        (2.6 * room.clamp(0.55, 1.4) * crowd).clamp(1.0, 4.5)
    }

    fn density(&self, sheet: &mut Sheet, look: &mut Look, fields: &Arc<Fields>) {
        let Some(density) = &fields.density else { return };
        let ground = self.colours.ground;
        let image = shaded(&mut look.density, fields, ground, || shades(&density.values, density.side, ground));
        // While the view moves, the picture of the one before is where it belongs.
        let [x, y] = density.view.centre;
        let corner = |sign: f64| self.screen.at_f64([x + sign * density.view.half, y - sign * density.view.half]);
        sheet.picture(image, Rect::from_min_max(corner(-1.0), corner(1.0)));
    }

    fn solutions(&self, sheet: &mut Sheet) {
        let Picture { scene, work, colours, .. } = self;
        let solutions = work.course().and_then(|course| course.solutions.as_ref()).filter(|_| scene.layers.solutions);
        let Some(cloud) = solutions else { return };
        let past = cloud.frames.iter().take_while(|frame| frame.t >= scene.time).count();
        for index in 0..cloud.last().len() {
            let way = cloud.frames.iter().filter_map(|frame| frame.points.get(index).copied());
            // What is still to come is weaker.
            sheet.path(way, 1.2, |step| colours.flow.gamma_multiply(if step < past { 0.85 } else { 0.3 }));
        }
        sheet.dots(&of_cloud(cloud, scene.time), 3.0, colours.flow);
    }

    fn particles(&self, sheet: &mut Sheet) {
        let Picture { scene, pane, colours, .. } = self;
        let (layers, t) = (scene.layers, scene.time);
        if let Some(errors) = self.errors {
            self.ends(sheet, errors);
        }
        let Some(pane) = pane else { return };
        if layers.trails {
            trails(sheet, &pane.frames, t, colours.particles);
        }
        if layers.particles {
            let points = places(&pane.frames, t);
            sheet.dots(&points, self.radius(points.len()), colours.particles);
        }
    }

    /// Where the solver ends, and from there to where the exact flow does.
    fn ends(&self, sheet: &mut Sheet, errors: &Errors) {
        let Picture { screen, colours, .. } = self;
        for (found, exact) in errors.found.iter().zip(&errors.exact) {
            let ends = [screen.at(*found), screen.at(*exact)];
            if ends.iter().any(|at| screen.rect.contains(*at)) {
                sheet.line(ends, 1.6, [colours.known; 2]);
                sheet.dot(ends[0], 2.2, colours.known);
            }
        }
    }

    /// What is known, and starting points.
    fn marks(&self, painter: &Painter) {
        let Picture { screen, scene, colours, .. } = self;
        let painter = painter.with_clip_rect(screen.rect.intersect(painter.clip_rect()));
        let stroke = Stroke::new(2.0, colours.known);
        let line = |direction: [f64; 2], value: f64| {
            let length = direction[0].hypot(direction[1]).max(1e-9);
            let [a, b] = direction.map(|x| x / length);
            let far = 4.0 * scene.view.half + value.abs();
            [1.0, -1.0].map(|side| screen.at_f64([a * value - b * side * far, b * value + a * side * far]))
        };
        match scene.known {
            Some(Known::Line { direction, value, .. }) => drop(painter.line_segment(line(direction, value), stroke)),
            Some(Known::HalfPlane { direction, value, noise }) => {
                painter.line_segment(line(direction, value), stroke);
                // A thin line on the side where the point is.
                let inside = line(direction, value + noise.max(0.02 * scene.view.half));
                painter.line_segment(inside, Stroke::new(1.0, colours.known.gamma_multiply(0.6)));
            }
            Some(Known::Point { at, noise }) => {
                let at = screen.at_f64(at);
                painter.circle_filled(at, 4.0, colours.known);
                painter.circle_stroke(at, noise as f32 * screen.scale(), Stroke::new(1.5, colours.known));
            }
            None => {}
        }
        if let Start::Points(points) = &scene.start {
            let std = scene.family.sde().prior_std();
            for point in points.iter().take(500) {
                let at = screen.at_f64(point.map(|x| x * std));
                painter.circle_stroke(at, 4.0, Stroke::new(1.5, colours.forward));
            }
        }
    }

    /// Where a coordinate is at a time: t to the right, from data to noise, and the first coordinate upwards.
    fn beside_at(&self, t: f64, x: f32) -> Pos2 {
        let rect = self.screen.rect;
        pos2(rect.left() + t as f32 * rect.width(), self.screen.at([0.0, x]).y)
    }

    /// Paths beside the density of all times.
    fn beside(&self, sheet: &mut Sheet, look: &mut Look) {
        let Picture { screen, work, colours, pane, .. } = self;
        let Some(course) = work.course() else { return };
        let Some(marginals) = &course.marginals else { return };
        let image = shaded(&mut look.marginals, course, colours.ground, || strip(marginals, colours.ground));
        sheet.picture(image, screen.rect);
        let Some(pane) = pane else { return };
        let colour = colours.particles.gamma_multiply(0.7);
        let count = pane.frames.first().map_or(0, |frame| frame.points.len().min(PATHS));
        for index in 0..count {
            let at = |frame: &Arc<Frame>| Some(self.beside_at(frame.t, frame.points.get(index)?[0]));
            let way: Vec<Pos2> = pane.frames.iter().filter_map(at).collect();
            way.windows(2).for_each(|ends| sheet.line([ends[0], ends[1]], 1.0, [colour; 2]));
        }
    }

    /// The time that is shown among all times, and what is on the left and the right.
    fn times(&self, painter: &Painter) {
        let Picture { screen, scene, colours, .. } = self;
        let now = self.beside_at(scene.time, 0.0).x;
        painter.vline(now, screen.rect.y_range(), Stroke::new(1.5, colours.score));
        let font = FontId::proportional(crate::app::theme::SMALL);
        painter.text(screen.rect.left_bottom(), Align2::LEFT_BOTTOM, " t = 0", font.clone(), colours.weak);
        painter.text(screen.rect.right_bottom(), Align2::RIGHT_BOTTOM, "t = 1 ", font, colours.weak);
    }
}

/// Densities as shades between two colours, so that also what is a hundredth of the highest is seen.
fn shades(values: &[f32], side: usize, ground: [Color32; 2]) -> ColorImage {
    let most = values.iter().copied().filter(|value| value.is_finite()).fold(f32::MIN_POSITIVE, f32::max);
    let shade = |value: &f32| ground[0].lerp_to_gamma(ground[1], (value / most).clamp(0.0, 1.0).sqrt());
    ColorImage::new([side, side], values.iter().map(shade).collect())
}

/// The same of the first coordinate, each time by itself: t = 0 on the left, large values at the top.
fn strip(marginals: &Marginals, ground: [Color32; 2]) -> ColorImage {
    let (columns, rows) = (marginals.times.len(), marginals.places.len());
    let mut image = ColorImage::filled([columns, rows], ground[0]);
    for (column, values) in marginals.values.iter().enumerate() {
        let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        for (place, value) in values.iter().enumerate() {
            let share = (value / most).clamp(0.0, 1.0).sqrt() as f32;
            let pixel = image.pixels.get_mut((rows - 1 - place) * columns + column);
            pixel.into_iter().for_each(|pixel| *pixel = ground[0].lerp_to_gamma(ground[1], share));
        }
    }
    image
}

/// The length of most vectors.
fn usual(field: &Arrows) -> f32 {
    let lengths = field.values.iter().map(|[x, y]| x.hypot(*y));
    let mut lengths: Vec<f32> = lengths.filter(|length| length.is_finite()).collect();
    lengths.sort_unstable_by(f32::total_cmp);
    lengths.get(lengths.len() / 2).copied().unwrap_or(1.0).max(1e-9)
}

/// Vectors at the middles of cells: as long as a cell where they are as long as is usual.
fn arrows(sheet: &mut Sheet, field: &Arrows, usual: f32, colour: Color32) {
    let length = |[x, y]: &Point| x.hypot(*y);
    let screen = sheet.screen();
    let cell = 2.0 * field.view.half as f32 * screen.scale() / field.side.max(1) as f32;
    for (cell_middle, vector) in field.view.cells(field.side).into_iter().zip(&field.values) {
        let size = length(vector);
        if size > 0.0 && size.is_finite() {
            let reach = 0.85 * cell * (size / usual).tanh().max(0.15) / size;
            let step = egui::vec2(vector[0], -vector[1]) * reach;
            let middle = screen.at(cell_middle);
            sheet.arrow([middle - 0.5 * step, middle + 0.5 * step], 1.4, colour);
        }
    }
}

/// Lines with an arrow in their middle.
fn streams(sheet: &mut Sheet, lines: &Lines, colour: Color32) {
    for line in lines {
        sheet.path(line.iter().copied(), 1.2, |_| colour.gamma_multiply(0.85));
        let middle = line.len() / 2;
        if let [a, b] = line.get(middle.saturating_sub(1)..=middle).unwrap_or_default() {
            let screen = sheet.screen();
            sheet.arrow([screen.at(*a), screen.at(*b)], 1.4, colour);
        }
    }
}

/// Where particles have been, fading into the past.
fn trails(sheet: &mut Sheet, frames: &[Arc<Frame>], t: f64, colour: Color32) {
    let past: Vec<&Arc<Frame>> = frames.iter().filter(|frame| frame.t > t).collect();
    let past = &past[past.len().saturating_sub(TRAIL)..];
    let now = places(frames, t);
    let count = now.len().min(TRAILS);
    for (index, end) in now.into_iter().take(count).enumerate() {
        let way = past.iter().filter_map(|frame| frame.points.get(index).copied()).chain([end]);
        let fade = |step: usize| colour.gamma_multiply(0.45 * (step + 1) as f32 / (past.len() + 1) as f32);
        sheet.path(way, 1.1, fade);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_density_has_the_full_colour_and_none_the_ground() {
        let ground = [Color32::BLACK, Color32::WHITE];
        let image = shades(&[0.0, 4.0, 1.0, f32::NAN], 2, ground);
        assert_eq!((image.pixels[0], image.pixels[1]), (Color32::BLACK, Color32::WHITE));
        // A quarter of the highest is half as bright.
        assert!((i32::from(image.pixels[2].r()) - 128).abs() <= 1);
    }

    #[test]
    fn the_strip_has_data_on_the_left_and_large_values_at_the_top() {
        let values = vec![vec![1.0, 0.0], vec![0.0, 1.0]];
        let marginals = Marginals { times: vec![0.0, 1.0], places: vec![-1.0, 1.0], values };
        let image = strip(&marginals, [Color32::BLACK, Color32::WHITE]);
        // At t = 1 all is at the larger place, at t = 0 at the smaller.
        assert_eq!(image.pixels, [Color32::BLACK, Color32::WHITE, Color32::WHITE, Color32::BLACK]);
    }
}
