//! How fast this machine samples. Timing lives here, not in tests.

use super::drive::{Outcome, Session};
use super::options::DeviceOption;
use super::{Failure, devices, library};
use crate::Image;
use crate::checkpoint::{find, open_network};
use crate::network::{Network, profile};
use crate::score::{Clipped, InRange, NetworkScore, ScoreModel};
use crate::solver::{Noise, Predictor, Purpose, Unobserved};
use crate::task::{Count, ModelRef, Plan, Preset, Run, Steps, sample};
use burn::tensor::Device;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Samples in the runs that are measured.
const SAMPLES: usize = 16;
const MIB: f64 = 1024.0 * 1024.0;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer bench --quick
  score-explorer bench --json > bench.json
  score-explorer bench --model cifar.safetensors --device gpu
  score-explorer bench --evaluations 1,64

Measures evaluations a second at batches of 1, 4, 16 and 64; where the time of one goes; the time to the first x(t); what streaming
and recording cost beside the bare solver; noise; and the memory of a run of 1,000 steps and 16 samples
(100 steps with --quick).")]
pub(super) struct Args {
    /// A network: a name from `models` or a checkpoint file
    #[arg(long, short, default_value_t = Run::default().model)]
    model: ModelRef,
    /// Take about a minute instead of ten, with less certain figures
    #[arg(long)]
    quick: bool,
    /// Measure only evaluations a second, at batches of these sizes
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    evaluations: Vec<u16>,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// All that was measured. Times are in seconds, memory in bytes.
#[derive(Debug, Serialize)]
struct Figures {
    model: String,
    parameters: usize,
    device: String,
    /// From Run to the first x(t), with the model still to be opened.
    first_state: f64,
    memory: Memory,
    evaluations: Vec<Evaluations>,
    /// Where the time of one evaluation of a batch of 16 goes; on the CPU only.
    layers: Vec<LayerTime>,
    streaming: Streaming,
    noise: NoiseCost,
}

#[derive(Debug, Serialize)]
struct Memory {
    steps: usize,
    samples: usize,
    resident: Option<usize>,
    /// Most that was ever resident (Linux).
    peak: Option<usize>,
    recorded: usize,
}

#[derive(Debug, Serialize)]
struct Evaluations {
    batch: usize,
    /// Images evaluated a second.
    per_second: f64,
    /// In the shortest evaluation: whatever else the machine does only ever adds time.
    best: f64,
}

#[derive(Debug, Serialize)]
struct OnlyEvaluations {
    evaluations: Vec<Evaluations>,
    /// Most memory that was ever resident (Linux).
    peak: Option<usize>,
}

#[derive(Debug, Serialize)]
struct LayerTime {
    kind: &'static str,
    seconds: f64,
    /// Of the whole evaluation.
    share: f64,
}

/// One run by the bare solver loop, and by the engine with recording and display.
#[derive(Debug, Serialize)]
struct Streaming {
    bare: f64,
    engine: f64,
    /// What the engine adds, as a share of the bare run.
    cost: f64,
}

/// Noise for one step of a batch.
#[derive(Debug, Serialize)]
struct NoiseCost {
    batch: usize,
    seconds: f64,
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
    if !args.evaluations.is_empty() {
        return evaluations_only(args, &effort);
    }
    let mut session = Session::open(args.device.into())?;
    // First of all, while nothing is open and the process is still small.
    let recorded = recorded_run(&mut session, &args.model, &effort)?;
    let model = open(&args.model, session.device())?;
    let batches = [1, 4, 16, 64].into_iter();
    let figures = Figures {
        model: args.model.to_string(),
        parameters: model.network().parameters(),
        device: recorded.report.device.name.clone(),
        first_state: recorded.first_shown.as_secs_f64(),
        memory: memory(&recorded),
        evaluations: batches
            .map(|batch| evaluations(&model, session.device(), batch, &effort))
            .collect::<Result<_, _>>()?,
        layers: match recorded.report.device.gpu {
            true => Vec::new(),
            false => layers(&model, session.device(), &effort)?,
        },
        streaming: streaming(&mut session, &args.model, &model, &effort)?,
        noise: noise_cost(&model, session.device(), &effort),
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
    let device = &devices.choose(args.device.into()).0;
    let model = open(&args.model, device)?;
    let batches = args.evaluations.iter().map(|&batch| evaluations(&model, device, batch.into(), effort));
    let figures = OnlyEvaluations { evaluations: batches.collect::<Result<_, _>>()?, peak: peak_memory() };
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&figures)?),
        false => figures.evaluations.iter().for_each(Evaluations::print),
    }
    Ok(())
}

impl Evaluations {
    fn print(&self) {
        println!("  batch {:>2}       {:>8.1} evaluations/s, {:>8.1} at best", self.batch, self.per_second, self.best);
    }
}

impl Figures {
    fn print(&self) {
        println!("{} ({} parameters) on {}", self.model, self.parameters, self.device);
        self.evaluations.iter().for_each(Evaluations::print);
        for LayerTime { kind, seconds, share } in &self.layers {
            println!("  {kind:<22} {:>6.1} ms, {:>4.1} % of an evaluation of {SAMPLES}", seconds * 1e3, share * 100.0);
        }
        println!("  first x(t)     {:>8.2} s after Run, the model not yet open", self.first_state);
        let Streaming { bare, engine, cost } = &self.streaming;
        println!(
            "  streaming      {:>8.1} % ({engine:.2} s with recording and display, {bare:.2} s bare)",
            cost * 100.0
        );
        println!("  noise          {:>8.2} ms a step for {} samples", self.noise.seconds * 1e3, self.noise.batch);
        let Memory { steps, samples, resident, peak, recorded } = &self.memory;
        let mib = |bytes: &Option<usize>| bytes.map_or("?".into(), |bytes| format!("{:.0}", bytes as f64 / MIB));
        println!(
            "  memory         {:>8} MiB resident after {steps} steps of {samples} samples, {} MiB at most, {} MiB of it recorded",
            mib(resident),
            mib(peak),
            mib(&Some(*recorded))
        );
    }
}

/// Opens a network beside the engine's own, for the bare loops.
fn open(model: &ModelRef, device: &Device) -> Result<NetworkScore, Failure> {
    let opened = match model {
        ModelRef::Named(name) => find(name, library().as_deref())?,
        ModelRef::File(path) => open_network(path, None)?,
        other => {
            return Err(Failure::Usage(format!("{other} is no network; give a name from `models` or a checkpoint")));
        }
    };
    let network = Network::new(&opened.description.config, &opened.weights, device)?;
    Ok(NetworkScore::new(network, opened.description))
}

/// One evaluation a step, on the published grid.
fn run_of(model: &ModelRef, steps: usize) -> Result<Run, Failure> {
    let mut run = Run { model: model.clone(), count: Count::new(SAMPLES)?, ..Run::default() };
    Preset::P1000(Predictor::EulerMaruyama).apply(&mut run);
    run.steps = Steps::new(steps)?;
    Ok(run)
}

fn recorded_run(session: &mut Session, model: &ModelRef, effort: &Effort) -> Result<Outcome, Failure> {
    session.sample(run_of(model, effort.memory_steps)?)
}

fn memory(outcome: &Outcome) -> Memory {
    Memory {
        steps: outcome.report.run.steps.get(),
        samples: outcome.report.run.count.get(),
        resident: memory_stats::memory_stats().map(|stats| stats.physical_mem),
        peak: peak_memory(),
        recorded: outcome.last.progress.recorded_bytes,
    }
}

/// The most memory that this process ever had resident, where the system tells it (Linux).
fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn noise_of(model: &NetworkScore, device: &Device, count: usize) -> Noise {
    Noise { seed: 0, first: 0, count, shape: model.shape(), device: device.clone() }
}

fn evaluations(model: &NetworkScore, device: &Device, batch: usize, effort: &Effort) -> Result<Evaluations, Failure> {
    let x = noise_of(model, device, batch).normal(0, Purpose::Prior);
    let level = model.description().family.sde().level(0.5);
    let evaluate = || model.score(&x, &[level]).map(wait_for);
    evaluate()?;
    let (began, mut done, mut shortest) = (Instant::now(), 0usize, f64::INFINITY);
    while began.elapsed() < effort.least {
        let start = Instant::now();
        evaluate()?;
        shortest = shortest.min(start.elapsed().as_secs_f64());
        done += batch;
    }
    let per_second = done as f64 / began.elapsed().as_secs_f64();
    Ok(Evaluations { batch, per_second, best: batch as f64 / shortest })
}

/// Time by kind of layer, and of what is no layer (sums, concatenation, the embedding).
fn layers(model: &NetworkScore, device: &Device, effort: &Effort) -> Result<Vec<LayerTime>, Failure> {
    let x = noise_of(model, device, SAMPLES).normal(0, Purpose::Prior);
    let level = model.description().family.sde().level(0.5);
    let (began, mut rounds, mut outcome) = (Instant::now(), 0, Ok(()));
    let times = profile(|| {
        while outcome.is_ok() && began.elapsed() < effort.least {
            outcome = model.score(&x, &[level]).map(wait_for);
            rounds += 1;
        }
    });
    let whole = began.elapsed().as_secs_f64();
    outcome?;
    let timed: f64 = times.iter().map(|(_, time)| time.as_secs_f64()).sum();
    let named = times.map(|(kind, time)| (kind.name(), time.as_secs_f64()));
    let row = |(kind, seconds)| LayerTime { kind, seconds: seconds / f64::from(rounds), share: seconds / whole };
    Ok(named.into_iter().chain([("everything else", whole - timed)]).map(row).collect())
}

/// A result is only there once its values are.
fn wait_for(tensor: Image) {
    tensor.into_data();
}

/// The same run by the bare solver loop and by the engine, in turn; the fastest of each counts,
/// because whatever else the machine does only ever adds time.
fn streaming(
    session: &mut Session,
    reference: &ModelRef,
    model: &NetworkScore,
    effort: &Effort,
) -> Result<Streaming, Failure> {
    let run = run_of(reference, effort.streaming_steps)?;
    let noise = noise_of(model, session.device(), SAMPLES);
    let in_range = Clipped::new(InRange::new(model, Plan::range(run.family.kind())), run.clip);
    let plan = Plan::new(&run, &in_range);
    let (mut bare, mut engine) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..effort.repeats {
        let began = Instant::now();
        wait_for(sample(&run, &plan, &in_range, None, &noise, &mut Unobserved)?);
        bare = bare.min(began.elapsed().as_secs_f64());
        engine = engine.min(session.sample(run.clone())?.seconds());
    }
    Ok(Streaming { bare, engine, cost: engine / bare - 1.0 })
}

fn noise_cost(model: &NetworkScore, device: &Device, effort: &Effort) -> NoiseCost {
    let noise = noise_of(model, device, SAMPLES);
    let (began, mut steps) = (Instant::now(), 0);
    while began.elapsed() < effort.least {
        wait_for(noise.normal(steps, Purpose::Predictor));
        steps += 1;
    }
    NoiseCost { batch: SAMPLES, seconds: began.elapsed().as_secs_f64() / steps as f64 }
}
