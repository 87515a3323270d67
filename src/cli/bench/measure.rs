//! The measurements.

use super::figures::{Asked, Calls, Card, Evaluations, LayerTime, Load, Memory, Streaming, Training, WholeRun};
use super::{Effort, SAMPLES, counter};
use crate::Image;
use crate::checkpoint::{ReadProgress, pictures_of};
use crate::cli::drive::{Outcome, Recording, Session};
use crate::cli::{Failure, library};
use crate::data::{self, Data, DataSource};
use crate::engine::Spent;
use crate::network::{Ceilings, Demand, LayerKind, Network, Profile, is_plain, profile};
use crate::score::{Clipped, ImageSet, InRange, NetworkScore, ScoreModel, vector_jacobian};
use crate::sde::{FamilyKind, Level};
use crate::solver::{Noise, NoiseSource, Preset, Purpose, Unobserved};
use crate::task::{Count, ModelRef, Plan, Run, Steps, sample};
use crate::train::{self, Trainer};
use burn::tensor::{Device, TensorReadError};
use std::path::Path;
use std::time::Instant;

/// Images that a training is measured on.
const PICTURES: usize = 512;

/// Opens a network beside the engine's own, for the bare loops.
pub(super) fn open(model: &ModelRef, device: &Device) -> Result<NetworkScore, Failure> {
    let opened = library::network(model, None)?;
    let network = Network::new(&opened.description.config, &opened.weights, device)?;
    Ok(NetworkScore::new(network, opened.description))
}

/// The exact score of the images of a folder or archive.
pub(super) fn open_exact(folder: &Path, device: &Device) -> Result<ImageSet, Failure> {
    let set = pictures_of(folder, &ReadProgress::default())?;
    Ok(ImageSet::new(set.values, set.shape, device))
}

/// A preset in so many steps.
fn run_of(model: &ModelRef, preset: &str, steps: usize) -> Result<Run, Failure> {
    let mut run = Run { model: model.clone(), count: Count::new(SAMPLES)?, ..Run::default() };
    let known = Preset::find(preset);
    run.apply(known.ok_or_else(|| Failure::Running(format!("the preset {preset} is missing; please report this")))?);
    run.steps = Steps::new(steps)?;
    Ok(run)
}

/// Predictor and corrector, two evaluations a step.
pub(super) fn recorded_run(session: &mut Session, model: &ModelRef, effort: &Effort) -> Result<Outcome, Failure> {
    let run = run_of(model, "pc1000-reverse-diffusion", effort.memory_steps)?;
    session.sample(run, Recording::Shown)
}

pub(super) fn whole_run(outcome: &Outcome, draw: f64) -> WholeRun {
    let (run, progress) = (&outcome.report.run, &outcome.last.progress);
    let Spent { model, recording } = progress.spent;
    let (seconds, network, recording) = (outcome.seconds(), model.as_secs_f64(), recording.as_secs_f64());
    // One for each evaluation, and the prior.
    let noise = draw * (progress.nfe + 1) as f64;
    WholeRun {
        steps: run.steps.get(),
        samples: run.count.get(),
        evaluations: progress.nfe,
        seconds,
        network,
        noise,
        recording,
        solver: seconds - network - noise - recording,
    }
}

pub(super) fn memory(outcome: &Outcome) -> Memory {
    Memory {
        steps: outcome.report.run.steps.get(),
        samples: outcome.report.run.count.get(),
        resident: memory_stats::memory_stats().map(|stats| stats.physical_mem),
        peak: peak_memory(),
        recorded: outcome.last.progress.recorded_bytes,
    }
}

/// The most memory that this process ever had resident, where the system reports it (Linux).
pub(super) fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn noise_of(model: &dyn ScoreModel, device: &Device, count: usize) -> Noise {
    Noise { seed: 0, first: 0, count, shape: model.shape(), device: device.clone() }
}

/// The input of an evaluation: a batch of noise, and the level half-way.
fn question(model: &NetworkScore, device: &Device, batch: usize) -> (Image, [Level; 1]) {
    let level = model.description().family.sde().level(0.5);
    (noise_of(model, device, batch).normal(0, Purpose::Prior), [level])
}

pub(super) fn evaluations(
    model: &NetworkScore,
    device: &Device,
    batch: usize,
    effort: &Effort,
) -> Result<Evaluations, Failure> {
    let (x, level) = question(model, device, batch);
    let asked = asked_at_once(device);
    let each = repeated(batch * asked, effort, || {
        let mut answers = (0..asked).map(|_| model.score(&x, &level)).collect::<Result<Vec<_>, _>>()?;
        answers.pop().map_or(Ok(()), wait_for)
    })?;
    Ok(Evaluations { batch, ..each })
}

/// Evaluations that are asked for before any is waited for, as in a run that shows none of their states. What is not
/// computed at once, on a GPU, is waited for at last only.
fn asked_at_once(device: &Device) -> usize {
    if is_plain(device) { 1 } else { 8 }
}

/// Of the exact score of an image set at the prior of VP. There all images have weight, which is the most work.
pub(super) fn exact_evaluations(
    model: &ImageSet,
    device: &Device,
    batch: usize,
    effort: &Effort,
) -> Result<Evaluations, Failure> {
    let x = noise_of(model, device, batch).normal(0, Purpose::Prior);
    let level = [FamilyKind::Vp.published().sde().level(1.0)];
    repeated(batch, effort, || model.score(&x, &level).map(wait_for)?)
}

/// Scores with vᵀ·∂s/∂x; the model's device keeps gradients.
pub(super) fn gradients(
    model: &NetworkScore,
    device: &Device,
    batch: usize,
    effort: &Effort,
) -> Result<Evaluations, Failure> {
    let (x, level) = question(model, device, batch);
    let v = noise_of(model, device, batch).normal(0, Purpose::Predictor);
    repeated(batch, effort, || {
        let (score, _, product) = vector_jacobian(model, &x, &level, |_| v.clone())?;
        wait_for(score)?;
        wait_for(product)
    })
}

fn repeated(
    batch: usize,
    effort: &Effort,
    mut evaluate: impl FnMut() -> Result<(), Failure>,
) -> Result<Evaluations, Failure> {
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

/// Whole steps of a network's usual training on a few images in memory: forward, backward, clipping, update and average.
pub(super) fn training(model: &ModelRef, device: &Device, batch: usize, effort: &Effort) -> Result<Training, Failure> {
    let opened = library::network(model, None)?;
    let data = Data::noise(opened.description.config.shape(), PICTURES);
    let source = DataSource { place: data::Place::Worlds(32), size: None, channels: None };
    let usual = train::Training::usual(source, opened.description);
    let training = train::Training { batch, images: u64::MAX, ..usual };
    let failed = |error: train::TrainError| Failure::Running(error.to_string());
    let mut trainer = Trainer::new(training, data, Some(opened.weights)).map_err(failed)?;
    let mut step = || trainer.step(device).map(drop).map_err(failed);
    let images = repeated(batch, effort, &mut step)?;
    Ok(Training { images, layers: Profiled::of(effort, step)?.layers() })
}

/// Profiles evaluations.
pub(super) fn profiled(
    model: &NetworkScore,
    device: &Device,
    batch: usize,
    effort: &Effort,
) -> Result<Profiled, Failure> {
    let (x, level) = question(model, device, batch);
    Profiled::of(effort, || model.score(&x, &level).map(wait_for)?)
}

/// What some rounds of the same took.
pub(super) struct Profiled {
    rounds: u32,
    seconds: f64,
    profile: Profile,
}

impl Profiled {
    fn of(effort: &Effort, mut evaluate: impl FnMut() -> Result<(), Failure>) -> Result<Self, Failure> {
        let (began, mut rounds, mut outcome) = (Instant::now(), 0, Ok(()));
        let profile = profile(|| {
            while outcome.is_ok() && began.elapsed() < effort.least {
                outcome = evaluate();
                rounds += 1;
            }
        });
        let seconds = began.elapsed().as_secs_f64();
        outcome.map(|()| Profiled { rounds, seconds, profile })
    }

    /// Time by kind of layer, and outside of layers (sums, concatenation, the embedding). By a card's own clock the shares are
    /// of the layers: taking the times keeps it waiting in between.
    pub(super) fn layers(&self) -> Vec<LayerTime> {
        let named = LayerKind::ALL.map(|kind| (kind.name(), self.profile.time(kind).as_secs_f64()));
        let timed: f64 = named.iter().map(|(_, seconds)| seconds).sum();
        let whole = if self.profile.whole().read > 0 { timed } else { self.seconds };
        let row =
            |(kind, seconds)| LayerTime { kind, seconds: seconds / f64::from(self.rounds), share: seconds / whole };
        named.into_iter().chain([("everything else", whole - timed)]).map(row).collect()
    }

    /// How much of what its card can do an evaluation does, by its own speed at the batch that was profiled, and its layers
    /// by the card's clock. `None` where kernels of the program's own do not compute the network.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn card(
        &self,
        device: &Device,
        evaluations: &[Evaluations],
        batch: usize,
    ) -> Result<Option<Card>, Failure> {
        let per_round = |demand: Demand| {
            let [read, written, operations] =
                [demand.read, demand.written, demand.operations].map(|count| count / u64::from(self.rounds.max(1)));
            Demand { read, written, operations }
        };
        let whole = per_round(self.profile.whole());
        let Some(evaluation) = evaluations.iter().find(|figures| figures.batch == batch && whole.read > 0) else {
            return Ok(None);
        };
        let Some(ceilings) = Ceilings::measure(device).map_err(failed)? else { return Ok(None) };
        let seconds = batch as f64 / evaluation.best;
        let layers = LayerKind::ALL.into_iter().filter_map(|kind| {
            let (time, demand) = (self.profile.time(kind), per_round(self.profile.demand(kind)));
            let seconds = time.as_secs_f64() / f64::from(self.rounds);
            // Where the card has no clock, only the whole is known.
            (seconds > 0.0).then(|| Load::new(kind.name(), seconds, demand, &ceilings))
        });
        let loads = [Load::new("evaluation", seconds, whole, &ceilings)].into_iter().chain(layers).collect();
        Ok(Some(Card { batch, copying: ceilings.bytes, arithmetic: ceilings.operations, loads }))
    }
}

/// GPU calls of one evaluation and of one step, whatever the batch.
pub(super) fn asked(reference: &ModelRef, model: &NetworkScore, device: &Device) -> Result<Asked, Failure> {
    let (x, level) = question(model, device, 1);
    let evaluation = calls(|times| {
        let answers: Vec<Image> = (0..times).map(|_| model.score(&x, &level)).collect::<Result<_, _>>()?;
        answers.into_iter().last().map_or(Ok(()), wait_for)
    })?;
    let noise = noise_of(model, device, 1);
    let step = calls(|times| {
        let run = run_of(reference, "pc1000-reverse-diffusion", times)?;
        let in_range = InRange::new(model, run.family.facts().range);
        wait_for(sample(&run, &Plan::new(&run, &in_range), &in_range, None, &noise, &mut Unobserved)?)
    })?;
    Ok(Asked { evaluation, step })
}

/// GPU calls of each of many times, without those before the first and after the last.
fn calls(work: impl Fn(usize) -> Result<(), Failure>) -> Result<Calls, Failure> {
    const TIMES: [usize; 2] = [1, 3];
    let counted = |times: usize| {
        let mut outcome = Ok(());
        let calls = counter::count(|| outcome = work(times));
        outcome.map(|()| calls)
    };
    work(1)?;
    let (few, more) = (counted(TIMES[0])?, counted(TIMES[1])?);
    let each = |place: usize| (more[place] as f64 - few[place] as f64) / (TIMES[1] - TIMES[0]) as f64;
    Ok(Calls { dispatches: each(0), submissions: each(1), readbacks: each(2) })
}

/// A result is only there once its values are: data alone may still be on their way.
fn wait_for(tensor: Image) -> Result<(), Failure> {
    tensor.try_into_vec_as::<f32>().map(drop).map_err(failed)
}

fn failed(error: TensorReadError) -> Failure {
    Failure::Running(format!("the device failed: {error}"))
}

/// The same run by the bare solver loop and by the engine, in turn; the fastest of each counts,
/// because whatever else the machine does only ever adds time.
pub(super) fn streaming(
    session: &mut Session,
    reference: &ModelRef,
    model: &NetworkScore,
    effort: &Effort,
) -> Result<Streaming, Failure> {
    let run = run_of(reference, "p1000-euler-maruyama", effort.streaming_steps)?;
    let noise = noise_of(model, session.device(), SAMPLES);
    let in_range = Clipped::new(InRange::new(model, run.family.facts().range), run.clip);
    let plan = Plan::new(&run, &in_range);
    let (mut bare, mut engine) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..effort.repeats {
        let began = Instant::now();
        wait_for(sample(&run, &plan, &in_range, None, &noise, &mut Unobserved)?)?;
        bare = bare.min(began.elapsed().as_secs_f64());
        engine = engine.min(session.sample(run.clone(), Recording::Shown)?.seconds());
    }
    Ok(Streaming { bare, engine, cost: engine / bare - 1.0 })
}

/// Seconds for the noise of one step.
pub(super) fn draw_seconds(model: &NetworkScore, device: &Device, effort: &Effort) -> Result<f64, Failure> {
    let noise = noise_of(model, device, SAMPLES);
    let (began, mut steps) = (Instant::now(), 0);
    while began.elapsed() < effort.least {
        wait_for(noise.normal(steps, Purpose::Predictor))?;
        steps += 1;
    }
    Ok(began.elapsed().as_secs_f64() / steps as f64)
}
