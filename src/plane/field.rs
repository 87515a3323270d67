//! Density and score over a part of the plane, and lines along the score.

use super::exact::{images_of, points_of};
use super::{Plane, Point};
use crate::Image;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Level, Sde};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// A square part of the plane.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Its middle.
    #[serde(default)]
    pub centre: [f64; 2],
    /// Half of its side.
    pub half: f64,
}

impl Default for View {
    fn default() -> Self {
        View { centre: [0.0, 0.0], half: 1.5 }
    }
}

impl View {
    /// The middles of `side`×`side` equal cells, row by row from the top left.
    pub fn cells(&self, side: usize) -> Vec<Point> {
        let step = 2.0 * self.half / side.max(1) as f64;
        let place = |k: usize| (k as f64 + 0.5) * step - self.half;
        let row = |row: usize| {
            (0..side).map(move |column| [self.centre[0] + place(column), self.centre[1] - place(row)].map(|x| x as f32))
        };
        (0..side).flat_map(row).collect()
    }
}

/// Figures of the cells of a view.
#[derive(Clone, Debug, PartialEq)]
pub struct Field<T> {
    pub view: View,
    /// Cells of a side.
    pub side: usize,
    /// Row by row from the top left.
    pub values: Vec<T>,
}

/// Vectors at the middles of cells, such as scores.
pub type Arrows = Field<Point>;

/// Lines through points.
pub type Lines = Vec<Vec<Point>>;

/// The density p_t over a view, noised to `at`.
pub fn density(plane: &Plane, at: Level, view: View, side: usize) -> Field<f32> {
    let logs = plane.log_density(&view.cells(side), &[at]);
    Field { view, side, values: logs.into_iter().map(|log| log.exp() as f32).collect() }
}

/// What a model answers at the cells of a view: its score there.
///
/// # Errors
/// Whatever the model answers.
pub fn scores(model: &dyn ScoreModel, at: Level, view: View, side: usize) -> Result<Arrows, ScoreError> {
    let x = on_host(&view.cells(side));
    Ok(Field { view, side, values: points_of(&model.score(&x, &[at])?)? })
}

/// Points as a batch of images on the CPU.
pub(super) fn on_host(points: &[Point]) -> Image {
    images_of(points, &Image::zeros([1, 2, 1, 1], &Device::flex()))
}

impl Arrows {
    /// These vectors less others of the same cells.
    #[must_use]
    pub fn less(&self, others: &Arrows) -> Arrows {
        let less = |(a, b): (&Point, &Point)| [a[0] - b[0], a[1] - b[1]];
        Field { values: self.values.iter().zip(&others.values).map(less).collect(), ..self.clone() }
    }

    /// The velocity f·x − ½g²·s of the probability-flow ODE, downwards from noise to data, where these are the scores at `t`.
    #[must_use]
    pub fn velocities(&self, sde: &dyn Sde, t: f64) -> Arrows {
        let (drift, half) = (sde.drift(t), 0.5 * sde.diffusion(t).powi(2));
        let velocity = |(x, s): (&Point, &Point)| {
            [0, 1].map(|axis| (half * f64::from(s[axis]) - drift * f64::from(x[axis])) as f32)
        };
        let values = self.view.cells(self.side).iter().zip(&self.values).map(velocity).collect();
        Field { values, ..self.clone() }
    }

    /// Between the cells, linear along both axes; `None` outside the view.
    fn at(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let View { centre, half } = self.view;
        let step = 2.0 * half / self.side as f64;
        let (column, row) = ((x - centre[0] + half) / step - 0.5, (centre[1] + half - y) / step - 0.5);
        let last = self.side.checked_sub(2)? as f64;
        if !(-0.5..=last + 1.5).contains(&column) || !(-0.5..=last + 1.5).contains(&row) {
            return None;
        }
        let (left, top) = (column.floor().clamp(0.0, last), row.floor().clamp(0.0, last));
        let (across, down) = ((column - left).clamp(0.0, 1.0), (row - top).clamp(0.0, 1.0));
        let corner = |dx: usize, dy: usize| self.values.get((top as usize + dy) * self.side + left as usize + dx);
        let [a, b, c, d] = [corner(0, 0)?, corner(1, 0)?, corner(0, 1)?, corner(1, 1)?];
        let mixed = |axis: usize| {
            let [a, b, c, d] = [a, b, c, d].map(|vector| f64::from(vector[axis]));
            (1.0 - down) * ((1.0 - across) * a + across * b) + down * ((1.0 - across) * c + across * d)
        };
        Some([mixed(0), mixed(1)])
    }

    /// Evenly spaced lines along the vectors (Jobard and Lefer 1997), about `apart` from each other, in the units of the
    /// plane. Each runs the way that the vectors point.
    pub fn streamlines(&self, apart: f64) -> Lines {
        let mut room = Room::new(self.view, apart);
        let mut lines = Lines::new();
        for seed in self.view.cells((2.0 * self.view.half / apart).ceil().clamp(1.0, 200.0) as usize) {
            let seed = seed.map(f64::from);
            if !room.is_free(seed) {
                continue;
            }
            let mut back = self.trace(seed, -0.25 * apart, &room);
            back.reverse();
            back.pop();
            back.extend(self.trace(seed, 0.25 * apart, &room));
            // Shorter ones are but dots.
            if back.len() >= 6 {
                back.iter().for_each(|&place| room.take(place));
                lines.push(back.into_iter().map(|place| place.map(|x| x as f32)).collect());
            }
        }
        lines
    }

    /// A line from a place on, by steps of this length, until it comes near another one, leaves the view, or turns round.
    fn trace(&self, start: [f64; 2], step: f64, room: &Room) -> Vec<[f64; 2]> {
        const MOST: usize = 400;
        let unit = |place: [f64; 2]| {
            let [x, y] = self.at(place)?;
            let length = x.hypot(y);
            (length > 1e-12 && length.is_finite()).then(|| [x / length, y / length])
        };
        let moved = |[x, y]: [f64; 2], [u, v]: [f64; 2], by: f64| [x + by * u, y + by * v];
        let (mut line, mut last): (Vec<[f64; 2]>, Option<[f64; 2]>) = (vec![start], None);
        while let (Some(&place), true) = (line.last(), line.len() < MOST) {
            // The midpoint rule.
            let Some(next) = unit(place).and_then(|way| unit(moved(place, way, 0.5 * step))) else { break };
            let turns = last.is_some_and(|[u, v]| u * next[0] + v * next[1] < 0.0);
            let place = moved(place, next, step);
            if turns || !room.is_free(place) || self.at(place).is_none() {
                break;
            }
            last = Some(next);
            line.push(place);
        }
        line
    }
}

/// Where lines are already.
struct Room {
    view: View,
    /// Cells of half the distance of lines, each taken or not.
    side: usize,
    taken: Vec<bool>,
}

impl Room {
    fn new(view: View, apart: f64) -> Self {
        let side = (2.0 * view.half / apart).ceil().clamp(1.0, 400.0) as usize;
        Room { view, side, taken: vec![false; side * side] }
    }

    fn index(&self, [x, y]: [f64; 2]) -> Option<usize> {
        let place = |x: f64| ((x + self.view.half) / (2.0 * self.view.half) * self.side as f64).floor();
        let (column, row) = (place(x - self.view.centre[0]), place(y - self.view.centre[1]));
        let inside = |k: f64| k >= 0.0 && k < self.side as f64;
        (inside(column) && inside(row)).then(|| row as usize * self.side + column as usize)
    }

    fn is_free(&self, place: [f64; 2]) -> bool {
        self.index(place).is_some_and(|index| !self.taken[index])
    }

    fn take(&mut self, place: [f64; 2]) {
        if let Some(index) = self.index(place) {
            self.taken[index] = true;
        }
    }
}

/// The density of one coordinate over time: for each of `times` that of all `places`, for the picture of paths beside
/// the whole density (Song et al. 2021, figure 2).
pub fn marginals(plane: &Plane, sde: &dyn Sde, axis: usize, times: &[f64], places: &[f64]) -> Vec<Vec<f64>> {
    times.iter().map(|&t| plane.marginal(axis, places, sde.level(t))).collect()
}
