//! Sampling speed of this machine. Timing belongs here, not in tests.

mod counter;
mod figures;
mod measure;

use super::drive::Session;
use super::library::may_be_network;
use super::options::DeviceOption;
use super::{Failure, devices};
use crate::task::{ModelRef, Run};
use figures::{Figures, OnlyEvaluations};
use std::time::Duration;

/// Samples in the runs that are measured.
const SAMPLES: usize = 16;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer bench --quick
  score-explorer bench --json > bench.json
  score-explorer bench --model cifar.safetensors --device gpu
  score-explorer bench --evaluations 1,64 --gradients 1,16
  score-explorer bench --model exact:photos/ --evaluations 16,64

Measures the time to the first x(t); time and memory of PC1000, a run of 1,000 predictor and corrector steps on 16 \
samples (100 steps with --quick); score evaluations per second at batch sizes 1, 4, 16 and 64, where each image of a \
batch counts; the time of each kind of layer; on a GPU, bytes and arithmetic beside what the card can do at most; and the \
overhead of display and recording over the bare solver.")]
pub(super) struct Args {
    /// Network: a name from `models` or a checkpoint; with --evaluations also exact:FOLDER, measured at the prior of VP
    #[arg(long, short, default_value_t = Run::default().model)]
    model: ModelRef,
    /// Take about one minute instead of ten, with less precise figures
    #[arg(long)]
    quick: bool,
    /// Measure only score evaluations per second, at these batch sizes
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    evaluations: Vec<u16>,
    /// Measure only score evaluations with gradients (for likelihoods and DPS), at these batch sizes
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    gradients: Vec<u16>,
    /// Measure only whole steps of a training (gradients, clipping, update, average), at these batch sizes
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    training: Vec<u16>,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// Print a JSON summary
    #[arg(long)]
    json: bool,
}

/// How thorough to be.
struct Effort {
    memory_steps: usize,
    streaming_steps: usize,
    repeats: usize,
    /// Least time spent on one figure.
    least: Duration,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let effort = match args.quick {
        true => Effort { memory_steps: 100, streaming_steps: 5, repeats: 2, least: Duration::from_millis(500) },
        false => Effort { memory_steps: 1000, streaming_steps: 20, repeats: 5, least: Duration::from_secs(3) },
    };
    let networks = [&args.gradients, &args.training];
    let only_evaluations = !args.evaluations.is_empty() && networks.iter().all(|sizes| sizes.is_empty());
    if !(only_evaluations && matches!(args.model, ModelRef::Exact(_))) {
        may_be_network(&args.model)?;
    }
    if only_evaluations || networks.iter().any(|sizes| !sizes.is_empty()) {
        return evaluations_only(args, &effort);
    }
    let mut session = Session::open(args.device.into())?;
    // First of all, while nothing is open and the process is still small.
    let recorded = measure::recorded_run(&mut session, &args.model, &effort)?;
    let device = session.device().clone();
    let model = measure::open(&args.model, &device)?;
    let gpu = recorded.report.device.gpu;
    let evaluations = [1, 4, 16, 64].map(|batch| measure::evaluations(&model, &device, batch, &effort));
    let evaluations: Vec<_> = evaluations.into_iter().collect::<Result<_, _>>()?;
    let profiled = measure::profiled(&model, &device, SAMPLES, &effort)?;
    let figures = Figures {
        model: args.model.to_string(),
        parameters: model.network().parameters(),
        device: recorded.report.device.name.clone(),
        first_state: recorded.first_shown.as_secs_f64(),
        run: measure::whole_run(&recorded, measure::draw_seconds(&model, &device, &effort)?),
        memory: measure::memory(&recorded),
        layers: profiled.layers(),
        asked: gpu.then(|| measure::asked(&args.model, &model, &device)).transpose()?,
        card: profiled.card(&device, &evaluations, SAMPLES)?,
        evaluations,
        streaming: measure::streaming(&mut session, &args.model, &model, &effort)?,
    };
    drop(session);
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&figures)?),
        false => figures.print(),
    }
    Ok(())
}

/// Only the speed of evaluations, in a process that has done nothing else.
fn evaluations_only(args: &Args, effort: &Effort) -> Result<(), Failure> {
    let devices = devices::open(args.device.into())?;
    let (device, report) = devices.choose(args.device.into());
    let (mut evaluations, mut gradients, mut layers) = (Vec::new(), Vec::new(), Vec::new());
    let (mut asked, mut card) = (None, None);
    if let ModelRef::Exact(folder) = &args.model {
        let set = measure::open_exact(folder, device)?;
        for &batch in &args.evaluations {
            evaluations.push(measure::exact_evaluations(&set, device, batch.into(), effort)?);
        }
    } else if !args.evaluations.is_empty() {
        let model = measure::open(&args.model, device)?;
        for &batch in &args.evaluations {
            evaluations.push(measure::evaluations(&model, device, batch.into(), effort)?);
        }
        if report.gpu {
            let largest = args.evaluations.iter().max().copied().unwrap_or(1).into();
            let profiled = measure::profiled(&model, device, largest, effort)?;
            (layers, card) = (profiled.layers(), profiled.card(device, &evaluations, largest)?);
            asked = Some(measure::asked(&args.model, &model, device)?);
        }
    }
    if !args.gradients.is_empty() {
        let model = measure::open(&args.model, &device.clone().autodiff())?;
        for &batch in &args.gradients {
            gradients.push(measure::gradients(&model, device, batch.into(), effort)?);
        }
    }
    let training = args.training.iter().map(|&batch| measure::training(&args.model, device, batch.into(), effort));
    let training = training.collect::<Result<_, _>>()?;
    let figures =
        OnlyEvaluations { evaluations, gradients, layers, training, asked, card, peak: measure::peak_memory() };
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&figures)?),
        false => figures.print(),
    }
    Ok(())
}
