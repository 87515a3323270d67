//! Adaptive Runge–Kutta of order 5 with an embedded estimate of order 4 (Dormand and Prince 1980),
//! with the step control and error norm of SciPy's `RK45`, which the published sampler calls.

use crate::network::{Sum, read, sample_squares};
use crate::score::ScoreError;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// A batch of states of a differential equation, N×D.
pub type State = Tensor<2>;

/// How close a step's error must be: within `absolute` + `relative`·|y|, root mean square.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Tolerances", into = "Tolerances")]
pub struct Tolerance {
    relative: f64,
    absolute: f64,
}

#[derive(Serialize, Deserialize)]
struct Tolerances {
    rtol: f64,
    atol: f64,
}

/// A tolerance that no step can meet.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("tolerances rtol = {rtol} and atol = {atol} are out of range; choose 1e-7 to 1, such as 1e-5")]
pub struct ToleranceError {
    rtol: f64,
    atol: f64,
}

impl Tolerance {
    /// Below, states of single precision have no digits left.
    pub const MIN: f64 = 1e-7;
    pub const MAX: f64 = 1.0;

    /// A relative and an absolute tolerance, each from 1e-7 (states have single precision) to 1.
    ///
    /// # Errors
    /// Outside that range.
    pub fn new(rtol: f64, atol: f64) -> Result<Self, ToleranceError> {
        let possible = Self::MIN..=Self::MAX;
        if possible.contains(&rtol) && possible.contains(&atol) {
            Ok(Tolerance { relative: rtol, absolute: atol })
        } else {
            Err(ToleranceError { rtol, atol })
        }
    }

    /// rtol.
    pub fn relative(self) -> f64 {
        self.relative
    }

    /// atol.
    pub fn absolute(self) -> f64 {
        self.absolute
    }

    /// What error is allowed of values of this size.
    fn of(self, size: &State) -> State {
        Sum::of(self.relative, size).shifted(self.absolute).tensor()
    }
}

impl Default for Tolerance {
    /// 1e-5 and 1e-5, as published.
    fn default() -> Self {
        Tolerance { relative: 1e-5, absolute: 1e-5 }
    }
}

impl TryFrom<Tolerances> for Tolerance {
    type Error = ToleranceError;
    fn try_from(t: Tolerances) -> Result<Self, Self::Error> {
        Tolerance::new(t.rtol, t.atol)
    }
}

impl From<Tolerance> for Tolerances {
    fn from(t: Tolerance) -> Self {
        Tolerances { rtol: t.relative, atol: t.absolute }
    }
}

/// Whether samples share a step size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stepping {
    /// Each sample has its own step size and leaves the batch when it is done.
    #[default]
    Sample,
    /// One step size for the whole batch, whose error is one root mean square, as published.
    Batch,
}

/// The right-hand side of dy/dt = f(t, y) for some of the samples.
pub trait Derivative {
    /// `y` is K×D, one row for each of `samples` (indices into the whole batch) at its own time.
    ///
    /// # Errors
    /// Whatever the score model answers.
    fn derivative(&mut self, y: &State, times: &[f64], samples: &[usize]) -> Result<State, ScoreError>;

    /// Called after every accepted step of any sample with the time of the slowest one and all states; breaking ends
    /// the integration with [`ScoreError::Stopped`].
    fn progress(&mut self, _t: f64, _y: &State) -> std::ops::ControlFlow<()> {
        std::ops::ControlFlow::Continue(())
    }
}

/// What an integration returns.
#[derive(Debug)]
pub struct Solution {
    /// N×D at the end time.
    pub y: State,
    /// Evaluations of the right-hand side, for each sample.
    pub evaluations: Vec<usize>,
    /// Steps refused for their error, for each sample.
    pub rejected: Vec<usize>,
}

const SAFETY: f64 = 0.9;
const MIN_FACTOR: f64 = 0.2;
const MAX_FACTOR: f64 = 10.0;
/// Evaluations of one step: the first stage is the last of the step before.
const EVALUATIONS: usize = 6;
/// What takes more than this from one end to the other has no end that anybody would wait for: the ODE is stiff there.
const MOST_EVALUATIONS: usize = 60_000;
/// −1/(order of the error estimate + 1).
const EXPONENT: f64 = -1.0 / 5.0;

/// Nodes c of the stages after the first.
const C: [f64; 5] = [1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0];
/// Coefficients a of each stage after the first.
const A: [&[f64]; 5] = [
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
];
/// Weights b of the solution of order 5.
const B: [f64; 6] = [35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0];
/// Weights of the difference between both solutions.
const E: [f64; 7] =
    [-71.0 / 57600.0, 0.0, 71.0 / 16695.0, -71.0 / 1920.0, 17253.0 / 339200.0, -22.0 / 525.0, 1.0 / 40.0];

/// Samples that share time and step size.
struct Group {
    /// Rows of the whole batch.
    samples: Vec<usize>,
    t: f64,
    /// Size of the next step, without its sign.
    size: f64,
    rejected_last: bool,
    /// Whether the last error was not finite.
    overflowed: bool,
    evaluations: usize,
}

/// Samples still under way: their states and derivatives, compacted to the rows of the groups in order.
struct Active {
    groups: Vec<Group>,
    y: State,
    f: State,
}

impl Active {
    fn samples(&self) -> Vec<usize> {
        self.groups.iter().flat_map(|group| group.samples.iter().copied()).collect()
    }

    /// One value of each group for each of its rows.
    fn per_row(&self, value: impl Fn(usize, &Group) -> f64) -> Vec<f64> {
        let rows = |(index, group)| std::iter::repeat_n(value(index, group), group.samples.len());
        self.groups.iter().enumerate().flat_map(rows).collect()
    }

    /// Root mean squares of each group's rows of `e`/`scale`, for each `e`: one number for each row is waited for.
    fn norms<const K: usize>(&self, e: [State; K], scale: &State) -> Result<[Vec<f64>; K], ScoreError> {
        let width = scale.dims()[1] as f64;
        let squares = e.map(|e| sample_squares(&(e / scale.clone())));
        let mut rows = read::<f32>(Tensor::cat(squares.into(), 0))?.into_iter().map(f64::from);
        let mut norm = |group: &Group| {
            let sum: f64 = rows.by_ref().take(group.samples.len()).sum();
            (sum / (group.samples.len() as f64 * width)).sqrt()
        };
        Ok(std::array::from_fn(|_| self.groups.iter().map(&mut norm).collect()))
    }
}

/// Solves dy/dt = f(t, y) from `from` to `to`, in either direction. `y` is N×D.
///
/// # Errors
/// Whatever the derivative answers, or that no step is small enough.
pub fn runge_kutta_45(
    f: &mut dyn Derivative,
    y: State,
    from: f64,
    to: f64,
    tolerance: Tolerance,
    stepping: Stepping,
) -> Result<Solution, ScoreError> {
    let [n, width] = y.dims();
    let mut solution = Solution { y: y.clone(), evaluations: vec![0; n], rejected: vec![0; n] };
    if n == 0 || width == 0 || from == to {
        return Ok(solution);
    }
    let samples: Vec<usize> = (0..n).collect();
    let groups = match stepping {
        Stepping::Batch => vec![samples.clone()],
        Stepping::Sample => samples.iter().map(|&sample| vec![sample]).collect(),
    };
    let group =
        |samples| Group { samples, t: from, size: 0.0, rejected_last: false, overflowed: false, evaluations: 2 };
    let first = f.derivative(&y, &vec![from; n], &samples)?;
    let mut active = Active { groups: groups.into_iter().map(group).collect(), y, f: first };
    let mut times = vec![from; n];
    first_step_sizes(f, &mut active, to, tolerance)?;
    solution.evaluations.fill(2);

    while !active.groups.is_empty() {
        let accepted = trial(f, &mut active, to, tolerance, &mut solution)?;
        for group in active.groups.iter().zip(&accepted).filter_map(|(group, accepted)| accepted.then_some(group)) {
            group.samples.iter().for_each(|&sample| times[sample] = group.t);
        }
        collect(&mut active, to, &mut solution);
        if accepted.contains(&true) {
            let slower = |a: f64, b: &f64| if (to - b).abs() > (to - a).abs() { *b } else { a };
            if f.progress(times.iter().fold(to, slower), &solution.y).is_break() {
                return Err(ScoreError::Stopped);
            }
        }
    }
    Ok(solution)
}

/// A size for the first step (Hairer, Nørsett and Wanner 1993, section II.4).
fn first_step_sizes(
    f: &mut dyn Derivative,
    active: &mut Active,
    to: f64,
    tolerance: Tolerance,
) -> Result<(), ScoreError> {
    let scale = tolerance.of(&active.y.clone().abs());
    let [state, slope] = active.norms([active.y.clone(), active.f.clone()], &scale)?;
    let guess = |index: usize, group: &Group| {
        let (d0, d1) = (state[index], slope[index]);
        let h0 = if d0 < 1e-5 || d1 < 1e-5 { 1e-6 } else { 0.01 * d0 / d1 };
        h0.min((to - group.t).abs())
    };
    let signed = active.per_row(|index, group| guess(index, group).copysign(to - group.t));
    let times: Vec<f64> = active.per_row(|index, group| group.t + guess(index, group).copysign(to - group.t));
    let y1 = Sum::of(1.0, &active.y).plus(signed, &active.f).tensor();
    let f1 = f.derivative(&y1, &times, &active.samples())?;
    let [change] = active.norms([f1 - active.f.clone()], &scale)?;
    let sizes: Vec<f64> = active
        .groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            let h0 = guess(index, group);
            let (d1, d2) = (slope[index], change[index] / h0);
            let h1 =
                if d1 <= 1e-15 && d2 <= 1e-15 { (h0 * 1e-3).max(1e-6) } else { (0.01 / d1.max(d2)).powf(-EXPONENT) };
            (100.0 * h0).min(h1).min((to - group.t).abs())
        })
        .collect();
    active.groups.iter_mut().zip(sizes).for_each(|(group, size)| group.size = size);
    Ok(())
}

/// Tries one step of every group; says which were accepted.
fn trial(
    f: &mut dyn Derivative,
    active: &mut Active,
    to: f64,
    tolerance: Tolerance,
    solution: &mut Solution,
) -> Result<Vec<bool>, ScoreError> {
    let samples = active.samples();
    for group in &mut active.groups {
        let smallest = 10.0 * f64::EPSILON * group.t.abs().max(f64::MIN_POSITIVE);
        if group.size.is_nan() || group.overflowed && group.size < smallest {
            return Err(ScoreError::NotFinite { ratio: f64::NAN });
        }
        if group.size < smallest {
            return Err(ScoreError::StepTooSmall { t: group.t });
        }
        if group.evaluations > MOST_EVALUATIONS {
            return Err(ScoreError::Stiff { t: group.t, evaluations: MOST_EVALUATIONS });
        }
        group.evaluations += EVALUATIONS;
        group.size = group.size.min((to - group.t).abs());
    }
    let step = active.per_row(|_, group| group.size.copysign(to - group.t));
    let begin = active.per_row(|_, group| group.t);

    let mut k = vec![active.f.clone()];
    for (a, c) in A.iter().zip(C) {
        let times: Vec<f64> = begin.iter().zip(&step).map(|(t, h)| t + c * h).collect();
        let stage = combine(a, &k, &step).plus(1.0, &active.y).tensor();
        k.push(f.derivative(&stage, &times, &samples)?);
    }
    let next = combine(&B, &k, &step).plus(1.0, &active.y).tensor();
    let end: Vec<f64> = active.per_row(|_, group| advanced(group, to));
    k.push(f.derivative(&next, &end, &samples)?);
    samples.iter().for_each(|&sample| solution.evaluations[sample] += EVALUATIONS);

    let scale = tolerance.of(&active.y.clone().abs().max_pair(next.clone().abs()));
    let [errors] = active.norms([combine(&E, &k, &step).tensor()], &scale)?;
    let accepted: Vec<bool> = errors.iter().map(|&error| error < 1.0).collect();
    for (group, &error) in active.groups.iter_mut().zip(&errors) {
        control(group, error, to, solution);
    }
    if let Some(last) = k.pop() {
        if !accepted.contains(&false) {
            (active.y, active.f) = (next, last);
        } else if accepted.contains(&true) {
            let mask = active.per_row(|index, _| f64::from(u8::from(accepted[index])));
            let mask = rows(&mask, &next.device()).greater_elem(0.5).expand(next.dims());
            active.y = active.y.clone().mask_where(mask.clone(), next);
            active.f = active.f.clone().mask_where(mask, last);
        }
    }
    Ok(accepted)
}

/// The time after a group's step: exactly `to` for the last one.
fn advanced(group: &Group, to: f64) -> f64 {
    if group.size >= (to - group.t).abs() { to } else { group.t + group.size.copysign(to - group.t) }
}

/// Takes or refuses a group's step, and sizes the next one.
fn control(group: &mut Group, error: f64, to: f64, solution: &mut Solution) {
    let factor = SAFETY * error.powf(EXPONENT);
    if error < 1.0 {
        group.t = advanced(group, to);
        let most = if group.rejected_last { 1.0 } else { MAX_FACTOR };
        group.size *= factor.min(most);
    } else {
        group.size *= factor.max(MIN_FACTOR);
        group.samples.iter().for_each(|&sample| solution.rejected[sample] += 1);
    }
    // An error that is not a number is refused like any that is too large, and the step made shorter.
    group.rejected_last = error.is_nan() || error >= 1.0;
    group.overflowed = !error.is_finite();
}

/// Writes the states back, and lets finished groups leave the batch.
fn collect(active: &mut Active, to: f64, solution: &mut Solution) {
    let samples = active.samples();
    let device = active.y.device();
    solution.y = scatter(solution.y.clone(), &active.y, &samples);
    let stays = active.per_row(|_, group| f64::from(u8::from(group.t != to)));
    if stays.contains(&0.0) {
        active.groups.retain(|group| group.t != to);
        let kept: Vec<i32> = (0..samples.len() as i32).filter(|&row| stays[row as usize] != 0.0).collect();
        if !kept.is_empty() {
            let kept = Tensor::from_data(TensorData::new(kept.clone(), [kept.len()]), &device);
            active.y = active.y.clone().select(0, kept.clone());
            active.f = active.f.clone().select(0, kept);
        }
    }
}

/// `whole` with the rows `samples` replaced by those of `part`.
fn scatter(whole: State, part: &State, samples: &[usize]) -> State {
    let [n, width] = whole.dims();
    if samples.len() == n {
        return part.clone();
    }
    let mut place: Vec<i32> = (0..n as i32).collect();
    samples.iter().enumerate().for_each(|(row, &sample)| place[sample] = (n + row) as i32);
    let device = whole.device();
    let place = Tensor::from_data(TensorData::new(place, [n]), &device);
    Tensor::cat(vec![whole, part.clone()], 0).select(0, place).reshape([n, width])
}

/// Σ weight·k over the stages, times each row's step.
fn combine<'a>(weights: &[f64], k: &'a [State], step: &[f64]) -> Sum<'a, 2> {
    let later = weights.iter().copied().zip(k).skip(1).filter(|(weight, _)| *weight != 0.0);
    Sum::of(weights[0], &k[0]).plus_all(later).times(step.to_vec())
}

/// One value a row, to broadcast.
fn rows(values: &[f64], device: &Device) -> State {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count, 1]), device)
}
