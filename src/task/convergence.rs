//! How fast a solver's error falls with the number of its steps, on data whose score is exact.

use crate::Image;
use crate::registry::Choice;
use crate::score::{Component, Mixture, ScoreError, ScoreModel};
use crate::sde::{Family, Level, Step};
use crate::solver::{Destination, Grid, LogSnr, Noise, NoiseSource, Process, Purpose, Solver, Unobserved};
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::cell::RefCell;

/// A measurement of a solver's order, as a value.
///
/// A deterministic solver follows the probability-flow ODE of a mixture of Gaussians between two levels; its error is the
/// largest difference of any coordinate from the exact end. What a stochastic one does to a Gaussian is linear in its
/// start and in each of its draws, so that the law of its samples is known without sampling; its error is that of their
/// mean or standard deviation, whichever is larger. All is computed in double precision.
#[derive(Clone, Debug)]
pub struct Convergence {
    pub solver: Choice<dyn Solver>,
    /// Of a solver's own times there is no other number of steps.
    pub grid: Choice<dyn Grid>,
    pub family: Family,
    /// The data of deterministic solvers.
    pub mixture: Mixture,
    /// Numbers of steps, rising.
    pub steps: Vec<usize>,
    /// σ/α at both ends, the larger first.
    pub ratios: [f64; 2],
}

/// What cannot be measured.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConvergenceError {
    #[error("{0} chooses its own steps, so that its error does not depend on their number; choose another solver")]
    OwnSteps(&'static str),
    #[error("{0} is not linear in its noise, so that its law is not known; choose a solver without a corrector")]
    NotLinear(String),
    #[error("the grid {0} has times of its own; choose one that covers any number of steps, such as log-snr or edm")]
    OwnTimes(&'static str),
    #[error("the numbers of steps must rise from 1 to {most}; give two or more, such as 10,20,40", most = Convergence::MOST_STEPS)]
    Steps,
    #[error(
        "σ/α from {high} to {low} is no stretch of this family's path; choose a falling one within {least} to {most}"
    )]
    Ratios { high: f64, low: f64, least: f64, most: f64 },
    #[error(transparent)]
    Score(#[from] ScoreError),
}

/// The error with so many steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub steps: usize,
    /// Score evaluations of each sample.
    pub nfe: usize,
    pub error: f64,
    /// Minus the slope from the row before in log error over log steps: the order that is seen there.
    pub order: Option<f64>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredOrder {
    pub rows: Vec<Measured>,
    /// The order that the solver states, of deterministic ones.
    pub promised: Option<f64>,
    /// Whether the error is that of the law of the samples, not of each of them.
    pub of_law: bool,
}

/// Samples whose trajectories are compared.
const SAMPLES: usize = 8;
/// The data of stochastic solvers: one Gaussian.
const MEAN: f64 = 0.3;
const STD: f64 = 0.5;
/// Steps of the reference, of Runge and Kutta's method in log σ/α: its error is below 1e-9.
const REFERENCE_STEPS: usize = 2000;

impl Convergence {
    /// More steps would take minutes and say nothing new.
    pub const MOST_STEPS: usize = 10_000;
    /// Where few people need more.
    pub const USUAL_STEPS: [usize; 5] = [10, 20, 40, 80, 160];
    /// σ/α between which all families have the same path.
    pub const USUAL_RATIOS: [f64; 2] = [10.0, 0.05];

    /// A solver on its own grid, or in log-SNR where that has times of its own.
    pub fn new(solver: Choice<dyn Solver>, family: Family, mixture: Mixture) -> Self {
        let (own, free): (_, Choice<dyn Grid>) = (solver.entry().grid(), Choice::new(&LogSnr));
        let grid = if own.entry().is_free() { own } else { free };
        let (steps, ratios) = (Self::USUAL_STEPS.to_vec(), Self::USUAL_RATIOS);
        Convergence { solver, grid, family, mixture, steps, ratios }
    }

    /// Measures it. `gate` is asked before each evaluation of the score, and may end it; `each` is shown every row.
    ///
    /// # Errors
    /// If there is nothing to measure, the model fails, or `gate` ends it.
    pub fn measure(
        &self,
        gate: &dyn Fn() -> Result<(), ScoreError>,
        mut each: impl FnMut(&Measured),
    ) -> Result<MeasuredOrder, ConvergenceError> {
        let nfe = self.check()?;
        let of_law = self.is_of_law();
        let start = self.start();
        let model = Gated { model: &self.mixture, gate };
        let exact = if of_law { start.zeros_like() } else { self.reference(&model, start.clone())? };
        let mut rows: Vec<Measured> = Vec::new();
        for &steps in &self.steps {
            let error = if of_law { self.law_error(gate, steps)? } else { self.error(&model, steps, &start, &exact)? };
            let order = rows.last().map(|last| (last.error / error).ln() / (steps as f64 / last.steps as f64).ln());
            let row = Measured { steps, nfe: nfe(steps), error, order };
            each(&row);
            rows.push(row);
        }
        Ok(MeasuredOrder { rows, promised: self.solver.entry().order(self.solver.settings()), of_law })
    }

    /// Whether the error is that of the law of the samples, not of each of them.
    fn is_of_law(&self) -> bool {
        self.solver.entry().is_stochastic(self.solver.settings())
    }

    /// Evaluations of the score that measuring it takes.
    ///
    /// # Errors
    /// If there is nothing to measure.
    pub fn evaluations(&self) -> Result<usize, ConvergenceError> {
        let nfe = self.check()?;
        let reference = if self.is_of_law() { 0 } else { 4 * REFERENCE_STEPS };
        Ok(reference + self.steps.iter().map(|&steps| nfe(steps)).sum::<usize>())
    }

    /// The evaluations of so many steps, if there is something to measure.
    fn check(&self) -> Result<impl Fn(usize) -> usize, ConvergenceError> {
        let name = self.solver.about().name;
        if !self.solver.entry().is_linear(self.solver.settings()) {
            return Err(ConvergenceError::NotLinear(self.solver.entry().title(self.solver.settings())));
        }
        if !self.grid.entry().is_free() {
            return Err(ConvergenceError::OwnTimes(self.grid.about().slug));
        }
        let rise = self.steps.len() >= 2 && self.steps.windows(2).all(|two| two[0] < two[1]);
        if !rise || self.steps[0] == 0 || self.steps.iter().any(|&steps| steps > Self::MOST_STEPS) {
            return Err(ConvergenceError::Steps);
        }
        let ([high, low], sde) = (self.ratios, self.family.sde());
        let (least, most) = (sde.level(0.0).ratio(), sde.level(1.0).ratio());
        if !(low < high && low > 0.0 && low > least && high <= most * (1.0 + 1e-6)) {
            return Err(ConvergenceError::Ratios { high, low, least, most });
        }
        let solver = self.solver.clone();
        solver.evaluations(1, Destination::Noise).ok_or(ConvergenceError::OwnSteps(name))?;
        Ok(move |steps| solver.evaluations(steps, Destination::Noise).unwrap_or_default())
    }

    /// So many steps between both levels.
    fn grid(&self, steps: usize) -> Vec<Step> {
        let sde = self.family.sde();
        let [start, end] = self.ratios.map(|ratio| sde.time_of_ratio(ratio));
        let mut grid = self.grid.steps(sde, steps + 1, start, end);
        // The last step of a grid leads to clean data, where an order has no meaning.
        grid.truncate(steps);
        grid.iter_mut().for_each(|step| step.table = None);
        grid
    }

    /// States at the first level: exact data and noise.
    fn start(&self) -> Image {
        let shape = self.mixture.shape();
        let noise = Noise { seed: 0, first: 0, count: SAMPLES, shape, device: Device::flex() };
        let uniform = noise.uniform(0, Purpose::Acceptance(0));
        let clean = self.mixture.sample(&noise.normal(0, Purpose::Prior), &uniform);
        let z = noise.normal(0, Purpose::Predictor);
        let level = self.family.sde().at_ratio(self.ratios[0]);
        let x = clean.map_or_else(|_| z.clone(), |clean| clean * level.alpha + z.clone() * level.sigma);
        x.cast(DType::F64)
    }

    /// The exact end, by Runge and Kutta's method on dy/d(log ρ) = y − x̂(0) with y = x/α and ρ = σ/α.
    fn reference(&self, model: &dyn ScoreModel, x: Image) -> Result<Image, ConvergenceError> {
        let sde = self.family.sde();
        let [first, last] = self.ratios.map(f64::ln);
        let h = (last - first) / REFERENCE_STEPS as f64;
        let slope = |y: &Image, log: f64| -> Result<Image, ScoreError> {
            Ok(y.clone() - model.denoised(y, &[Level::new(1.0, log.exp())])?)
        };
        let mut y = x * (1.0 / sde.at_ratio(self.ratios[0]).alpha);
        for step in 0..REFERENCE_STEPS {
            let log = first + h * step as f64;
            let k1 = slope(&y, log)?;
            let k2 = slope(&(y.clone() + k1.clone() * (0.5 * h)), log + 0.5 * h)?;
            let k3 = slope(&(y.clone() + k2.clone() * (0.5 * h)), log + 0.5 * h)?;
            let k4 = slope(&(y.clone() + k3.clone() * h), log + h)?;
            y = y + (k1 + (k2 + k3) * 2.0 + k4) * (h / 6.0);
        }
        Ok(y * sde.at_ratio(self.ratios[1]).alpha)
    }

    /// The largest difference of a coordinate from the exact end.
    fn error(
        &self,
        model: &dyn ScoreModel,
        steps: usize,
        start: &Image,
        exact: &Image,
    ) -> Result<f64, ConvergenceError> {
        let (sde, grid) = (self.family.sde(), self.grid(steps));
        let noise = Noise { seed: 0, first: 0, count: SAMPLES, shape: self.mixture.shape(), device: Device::flex() };
        let process = Process::free(model, sde, &grid, false, &noise);
        let end = self.solver.solve(&process, start.clone(), &mut Unobserved)?;
        let differences = read(end - exact.clone())?;
        Ok(differences.iter().fold(0.0, |largest: f64, x| largest.max(x.abs())))
    }

    /// The error of mean or standard deviation of samples of a Gaussian.
    fn law_error(&self, gate: &dyn Fn() -> Result<(), ScoreError>, steps: usize) -> Result<f64, ConvergenceError> {
        let (sde, grid) = (self.family.sde(), self.grid(steps));
        let gaussian = Mixture::new([1, 1, 1], vec![Component::round(1.0, vec![MEAN], STD)]);
        let gaussian = gaussian.map_err(|error| ScoreError::Device(error.to_string()))?;
        let model = Gated { model: &gaussian, gate };
        let (first, last) = (sde.at_ratio(self.ratios[0]), sde.at_ratio(self.ratios[1]));
        // Rows: the mean, one standard deviation above it, and each draw of the solver by itself.
        let noise = OneByOne { rows: 2 + DRAWS_PER_STEP * steps, asked: RefCell::new(Vec::new()) };
        let (mean, std) = (first.alpha * MEAN, first.marginal_std(STD));
        let mut start = vec![mean; noise.rows];
        start[1] += std;
        let process = Process::free(&model, sde, &grid, false, &noise);
        let end = read(self.solver.solve(&process, noise.column(start), &mut Unobserved)?)?;
        if noise.asked.borrow().len() > noise.rows - 2 {
            return Err(ConvergenceError::NotLinear(self.solver.entry().title(self.solver.settings())));
        }
        let variance: f64 = end[1..].iter().map(|row| (row - end[0]).powi(2)).sum();
        Ok((end[0] - last.alpha * MEAN).abs().max((variance.sqrt() - last.marginal_std(STD)).abs()))
    }
}

/// A mixture that asks before each evaluation.
struct Gated<'a> {
    model: &'a Mixture,
    gate: &'a dyn Fn() -> Result<(), ScoreError>,
}

impl ScoreModel for Gated<'_> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        (self.gate)()?;
        self.model.score(x, at)
    }

    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        (self.gate)()?;
        self.model.denoised(x, at)
    }
}

/// No solver that is linear in its noise draws more often.
const DRAWS_PER_STEP: usize = 2;

/// Noise of which each draw is 1 in a row of its own, and 0 in all others.
struct OneByOne {
    rows: usize,
    asked: RefCell<Vec<(usize, Purpose)>>,
}

impl OneByOne {
    fn column(&self, values: Vec<f64>) -> Image {
        Tensor::from_data(TensorData::new(values, [self.rows, 1, 1, 1]), (&Device::flex(), DType::F64))
    }
}

impl NoiseSource for OneByOne {
    fn normal(&self, step: usize, purpose: Purpose) -> Image {
        let mut asked = self.asked.borrow_mut();
        let place = asked.iter().position(|draw| *draw == (step, purpose)).unwrap_or_else(|| {
            asked.push((step, purpose));
            asked.len() - 1
        });
        let mut values = vec![0.0; self.rows];
        if let Some(value) = values.get_mut(2 + place) {
            *value = 1.0;
        }
        self.column(values)
    }

    fn uniform(&self, _step: usize, _purpose: Purpose) -> Tensor<1> {
        // Decisions are not linear, and no linear solver asks for them.
        Tensor::from_data(TensorData::new(vec![0.0; self.rows], [self.rows]), (&Device::flex(), DType::F64))
    }
}

fn read(x: Image) -> Result<Vec<f64>, ScoreError> {
    Ok(x.try_into_vec_as::<f64>()?)
}
