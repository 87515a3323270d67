//! The kinds of tasks, one file each.

mod average;
mod compare;
mod converge;
mod decode;
mod encode;
mod find_steps;
mod inspect;
mod likelihood;
mod plane;
mod rehearse;
mod restore;
mod sample;
mod sampling;
mod train;
mod weights;

pub use average::{Average, Averaged};
pub use compare::{CellStanding, Compare, CompareLive, CompareReport, Compared, Estimate, Standing};
pub use converge::Converge;
pub use decode::Decode;
pub use encode::Encode;
pub use find_steps::FindSteps;
pub use inspect::Inspect;
pub use likelihood::Likelihood;
pub use plane::{
    Network, PaneShown, PlaneClouds, PlaneCourse, PlaneErrors, PlaneFields, PlaneLearn, PlaneLearned, PlaneLearning,
    PlaneLive, PlaneProbe, PlaneReport, PlaneShown, PlaneSweep, PlaneSwept,
};
pub use rehearse::Rehearse;
pub use restore::Restore;
pub use sample::Sample;
pub use train::{Live, Samples, Shown, Train, TrainReport};

use super::loader::Loaded;
use super::progress::Place;
use super::recording::State;
use super::watched::Watched;
use super::{Context, Ending, Failure, FlowReport, RunReport, Task};
use crate::score::{InRange, ScoreError, ScoreModel};
use crate::sde::Range;
use crate::solver::{Noise, OnProgress};
use crate::task::{Flow, FlowPlan, Plan, Run};
use crate::{Image, Pixels};
use burn::tensor::{Device, Tensor, TensorData};
use std::convert::Infallible;
use std::fmt::Display;
use std::ops::ControlFlow;

/// Samples of 3×32×32 in one evaluation of what a person waits for, between which commands are answered.
const BATCH: usize = 16;

/// Bytes that one state of all samples may take, in single precision: a run holds some eight at its peak, 5 GB. 50,000
/// samples of 3×32×32, as distances take them, fit.
const MAX_STATE: usize = 640 << 20;

/// Refuses more samples of a shape than memory holds.
fn fitting(count: usize, shape: [usize; 3]) -> Result<(), Failure> {
    let [channels, height, width] = shape;
    let one = 4 * channels * height * width;
    if count.saturating_mul(one) <= MAX_STATE {
        return Ok(());
    }
    let (size, most) = (count as f64 * one as f64 / 1e9, MAX_STATE / one.max(1));
    let what = format!("{count} samples of {channels}×{height}×{width} take {size:.1} GB in each of several states");
    let remedy = format!("choose 1 to {most}, and compute the others with other seeds");
    Err(Failure::from_sentence(&what, &remedy))
}

/// What tasks answer that cannot be done as they are.
fn refused(error: impl Display) -> Failure {
    Failure::from_sentence(&error.to_string(), "change the settings")
}

/// What is known of a run by a plan.
fn report<T: Task>(
    context: &Context<T>,
    run: &Run,
    plan: &Plan,
    evaluations: Option<usize>,
    loaded: &Loaded,
    model: &dyn ScoreModel,
) -> RunReport {
    RunReport {
        run: run.clone(),
        model: loaded.report.clone(),
        device: context.device().1.clone(),
        range: model.range().unwrap_or(Range::Symmetric),
        times: plan.times(),
        levels: plan.levels(run.family.sde()),
        evaluations,
        data_rms: model.moments().map(|moments| moments.mean_square.sqrt()),
    }
}

/// The noise of a run's samples.
fn noise(run: &Run, shape: [usize; 3], device: &Device) -> Noise {
    Noise { seed: run.seed, first: 0, count: run.count.get(), shape, device: device.clone() }
}

fn tensor(pixels: &Pixels<f32>, device: &Device) -> Image {
    Tensor::from_data(TensorData::new(pixels.values.to_vec(), pixels.shape), device)
}

/// Which way a flow is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From the data to the latent.
    Up,
    Down,
}

/// Opens the model of a flow, begins, and does what is done along it by `work`, for so many samples.
fn along<T: Task<Report = FlowReport, Message = Infallible>, R>(
    context: &Context<T>,
    flow: &Flow,
    way: Way,
    samples: usize,
    gradients: bool,
    work: impl FnOnce(&dyn ScoreModel, &Device, OnProgress<'_>) -> Result<R, ScoreError>,
) -> Result<R, Ending> {
    let loaded = context.open(&flow.model, gradients)?;
    let model = InRange::new(&*loaded.model, flow.family.facts().range);
    let model = Watched::new(model, context, BATCH);
    let FlowPlan { end, until, notices } = FlowPlan::new(flow, &model);
    let (device, device_report) = context.device();
    let report =
        FlowReport { model: loaded.report.clone(), device: device_report.clone(), range: model.range(), end, until };
    context.begin(samples, report, notices);
    context.gate()?;
    let sde = flow.family.sde();
    let (from, to) = if way == Way::Up { (end, until) } else { (until, end) };
    let (mut step, mut failure) = (0, None);
    let watch = &mut |share: f64, x: &Image| {
        step += 1;
        if !context.is_due() {
            return ControlFlow::Continue(());
        }
        let t = from + share * (to - from);
        let state = State { step, t, level: sde.level(t), nfe: context.meter.nfe(), x: x.clone(), answer: None };
        match context.reach(Place { step, steps: 0, share }, state) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    };
    let result = work(&model, device, watch);
    Ok(failure.map_or(result, Err)?)
}
