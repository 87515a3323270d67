//! What a training showed, in memory that does not grow: neighbouring steps are merged.

use super::StepReport;
use serde::{Deserialize, Serialize};

/// Noise levels that losses are told apart by.
pub const LEVELS: usize = 24;
/// Points that are kept, at most.
const MOST: usize = 1024;

/// Where the noise levels of a training lie: equal steps of log σ/α.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    /// σ/α of the least noise and of the most.
    pub ratios: [f64; 2],
}

impl Levels {
    /// The step that a ratio belongs to.
    pub fn place(&self, ratio: f64) -> usize {
        let [low, high] = self.ratios.map(f64::ln);
        let share = (ratio.ln() - low) / (high - low);
        ((share * LEVELS as f64).max(0.0) as usize).min(LEVELS - 1)
    }

    /// The ratio in the middle of a step.
    pub fn ratio(&self, place: usize) -> f64 {
        let [low, high] = self.ratios.map(f64::ln);
        (low + (high - low) * (place as f64 + 0.5) / LEVELS as f64).exp()
    }
}

/// Sums over some steps of a training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps that were summed, and images seen after the last of them.
    pub steps: u32,
    pub images: u64,
    pub loss: f64,
    /// Norms of the gradient.
    pub gradient: f64,
    /// For each noise level the sum of the losses, and their number.
    pub levels: Vec<(f32, u32)>,
}

impl Point {
    /// One step.
    pub fn of(report: &StepReport, levels: &Levels) -> Point {
        let mut by_level = vec![(0.0, 0); LEVELS];
        for &(ratio, loss) in &report.losses {
            let (sum, count) = &mut by_level[levels.place(ratio)];
            *sum += loss as f32;
            *count += 1;
        }
        let StepReport { images, loss, gradient, .. } = *report;
        Point { steps: 1, images, loss, gradient, levels: by_level }
    }

    /// Mean loss of a step.
    pub fn mean_loss(&self) -> f64 {
        self.loss / f64::from(self.steps.max(1))
    }

    /// Mean norm of the gradient.
    pub fn mean_gradient(&self) -> f64 {
        self.gradient / f64::from(self.steps.max(1))
    }

    /// Mean loss at a noise level, where an image had it.
    pub fn mean_at(&self, level: usize) -> Option<f32> {
        self.levels.get(level).filter(|(_, count)| *count > 0).map(|(sum, count)| sum / *count as f32)
    }

    fn add(&mut self, other: &Point) {
        self.steps += other.steps;
        self.images = other.images;
        self.loss += other.loss;
        self.gradient += other.gradient;
        for (own, other) in self.levels.iter_mut().zip(&other.levels) {
            *own = (own.0 + other.0, own.1 + other.1);
        }
    }
}

/// The course of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    pub levels: Levels,
    /// The oldest first. All but the last have the same number of steps.
    pub points: Vec<Point>,
    each: u32,
}

impl History {
    /// Nothing yet.
    pub fn new(levels: Levels) -> Self {
        History { levels, points: Vec::new(), each: 1 }
    }

    /// Takes in the next steps.
    pub fn add(&mut self, point: Point) {
        match self.points.last_mut().filter(|last| last.steps < self.each) {
            Some(last) => last.add(&point),
            None => self.points.push(point),
        }
        if self.points.len() > MOST {
            let merged = self.points.chunks(2).map(|pair| {
                let mut sum = pair[0].clone();
                pair.iter().skip(1).for_each(|other| sum.add(other));
                sum
            });
            self.points = merged.collect();
            self.each *= 2;
        }
    }
}
