//! Runs whose graphics device fails them on the way: the CPU goes on from the last moment.

use super::{PATIENCE, finish, finished, options, paused, pixels, quick, until};
use crate::choices::{grid, solver};
use crate::graphics::own_devices;
use burn::tensor::Device;
use burn::tensor::wgpu::wgpu;
use score_explorer::checkpoint::ReadProgress;
use score_explorer::data::DataSource;
use score_explorer::engine::{
    DeviceChoice, End, Engine, FindSteps, Options, Sample, Snapshot, TaskHandle, Train, Update,
};
use score_explorer::registry::Choice;
use score_explorer::task::{Count, Origin, Run, StepSearch, Steps};
use score_explorer::train::{Recipe, ScoreSde, Tiny, Trainer, Training};
use std::sync::Arc;
use std::time::Duration;

fn on_gpu() -> Options {
    Options { device: DeviceChoice::Gpu, held: true, ..options() }
}

/// Starts on the GPU, and holds after so many steps.
fn held(engine: &Engine, run: &Run, steps: usize, options: Options) -> TaskHandle<Sample> {
    let handle = engine.start(Sample { run: run.clone(), from: None }, options);
    paused(&handle);
    handle.step(steps);
    paused(&handle);
    handle
}

/// What a run says on its way to the end, where it computes then, and its last state.
fn rest(handle: &TaskHandle<Sample>) -> (Vec<String>, Option<bool>, Arc<Snapshot>) {
    handle.resume();
    let (mut notices, mut on_gpu, mut last) = (Vec::new(), None, None);
    for update in until(handle, |update| matches!(update, Update::Ended(_))) {
        match update {
            Update::Notice(notice) => notices.push(notice),
            Update::Report(report) => on_gpu = Some(report.device.gpu),
            Update::Ended(End::Finished(snapshot)) => last = Some(snapshot),
            Update::Ended(other) => panic!("{other:?}"),
            Update::Paused | Update::Resumed => {}
        }
    }
    (notices, on_gpu, last.expect("an end"))
}

/// The end of the run if it is continued from one of its moments on the CPU, as a person would branch from it.
fn continued(engine: &Engine, run: &Run, snapshot: &Snapshot, step: usize) -> Arc<Snapshot> {
    let origin = Origin::Branch { parent: Box::new(run.clone()), step };
    let from = Some(snapshot.timeline[step].clone());
    finished(&engine.start(Sample { run: Run { origin, ..run.clone() }, from }, options()))
}

/// The step that a notice names.
fn went_on_from(notice: &str) -> usize {
    let step = notice.rsplit_once(" from step ").and_then(|(_, step)| step.trim_end_matches('.').parse().ok());
    step.expect("where it went on")
}

fn steps_of(snapshot: &Snapshot) -> Vec<usize> {
    snapshot.timeline.iter().map(|moment| moment.step).collect()
}

fn furthest(one: &Snapshot, other: &Snapshot) -> f32 {
    let pairs = one.newest.x.values.iter().zip(other.newest.x.values.iter());
    pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

/// The bundled network, by kernels of its own on a GPU.
fn network(steps: usize) -> Run {
    let (solver, grid) = (solver("pc:reverse-diffusion:langevin"), grid("uniform"));
    let (steps, count) = (Steps::new(steps).expect("steps"), Count::new(1).expect("a count"));
    Run { solver, grid, steps, count, clip: false, seed: 3, ..Run::default() }
}

#[test]
fn a_run_whose_device_is_lost_goes_on_from_its_last_moment_on_the_cpu() {
    for run in [quick(40), network(5)] {
        let (devices, gpu) = own_devices();
        let engine = Engine::new(devices, None, |_| {});
        let handle = held(&engine, &run, 3, on_gpu());
        gpu.destroy();
        let (notices, on_gpu, last) = rest(&handle);
        let [notice] = notices.as_slice() else { panic!("{notices:?}") };
        // What was asked of the device after it was lost is noticed to be missing up to two steps later.
        assert!(notice.starts_with("The graphics device was lost after step "), "{notice}");
        assert!(notice.ends_with("; the CPU goes on from step 3."), "{notice}");
        assert_eq!(on_gpu, Some(false));
        let steps = run.steps.get();
        assert_eq!(steps_of(&last), (0..=steps).collect::<Vec<_>>(), "frames from before are there");
        assert_eq!((last.newest.step, last.newest.nfe, last.progress.nfe), (steps, 2 * steps, 2 * steps));
        assert!(last.newest.on_gpu.is_none());
        // To the bit, because noise has the address of its step, and both went on from the same state.
        assert_eq!(pixels(&last.newest), pixels(&continued(&engine, &run, &last, 3).newest));
        // And to rounding, as if nothing had happened.
        let undisturbed = finish(&engine, run);
        let furthest = furthest(&last, &undisturbed);
        assert!(furthest < 1e-3, "{furthest} off");
        // The GPU is not asked for again.
        assert!(engine.devices().gpu_is_gone() && !engine.devices().choose(DeviceChoice::Gpu).1.gpu);
    }
}

#[test]
fn a_device_may_be_lost_at_any_time() {
    let run = quick(600);
    let (devices, gpu) = own_devices();
    let engine = Engine::new(devices, None, |_| {});
    let handle = held(&engine, &run, 3, on_gpu());
    handle.resume();
    while handle.snapshot().is_none_or(|snapshot| snapshot.newest.step < 20) {
        std::thread::yield_now();
    }
    gpu.destroy();
    let (notices, on_gpu, last) = rest(&handle);
    assert_eq!((notices.len(), on_gpu), (1, Some(false)), "{notices:?}");
    let from = went_on_from(&notices[0]);
    assert!((20..600).contains(&from));
    assert_eq!(steps_of(&last), (0..=600).collect::<Vec<_>>());
    assert_eq!(pixels(&last.newest), pixels(&continued(&engine, &run, &last, from).newest));
}

#[test]
fn a_run_of_which_nothing_is_kept_begins_again_on_the_cpu() {
    let run = quick(40);
    let (devices, gpu) = own_devices();
    let engine = Engine::new(devices, None, |_| {});
    let nothing = Options { held: true, ..Options::on(DeviceChoice::Gpu) };
    let handle = held(&engine, &run, 5, nothing);
    gpu.destroy();
    let (notices, _, last) = rest(&handle);
    assert!(matches!(&notices[..], [notice] if notice.ends_with("; the CPU begins again.")), "{notices:?}");
    let undisturbed = finish(&engine, run);
    assert_eq!(pixels(&last.newest), pixels(&undisturbed.newest));
    assert_eq!(last.newest.nfe, undisturbed.newest.nfe);
}

#[test]
fn a_branch_goes_on_from_its_own_moments() {
    let parent = quick(40);
    let (devices, gpu) = own_devices();
    let engine = Engine::new(devices, None, |_| {});
    let whole = finish(&engine, parent.clone());
    let origin = Origin::Branch { parent: Box::new(parent.clone()), step: 20 };
    let task = Sample { run: Run { origin, ..parent }, from: Some(whole.timeline[20].clone()) };
    let handle = engine.start(task, on_gpu());
    paused(&handle);
    handle.step(5);
    paused(&handle);
    gpu.destroy();
    let (_, _, last) = rest(&handle);
    assert_eq!(steps_of(&last), (0..=20).collect::<Vec<_>>());
    let furthest = furthest(&last, &whole);
    assert!(furthest < 1e-3, "{furthest} off");
}

#[test]
fn a_solver_that_asks_the_device_for_its_errors_goes_on_too() {
    let run = Run { solver: solver("dpm-adaptive"), ..quick(40) };
    let (devices, gpu) = own_devices();
    let engine = Engine::new(devices, None, |_| {});
    let handle = held(&engine, &run, 5, on_gpu());
    gpu.destroy();
    let (notices, on_gpu, last) = rest(&handle);
    assert_eq!((notices.len(), on_gpu, last.newest.t), (1, Some(false), 0.0), "{notices:?}");
    assert!(last.newest.step > 5);
    // Its own tolerance of 0.05, of data of size 1.
    let furthest = furthest(&last, &finish(&engine, run));
    assert!(furthest < 0.05, "{furthest} off");
}

#[test]
fn what_the_driver_refuses_fails_the_run_that_computes_and_not_the_process() {
    let run = quick(40);
    let (devices, gpu) = own_devices();
    let engine = Engine::new(devices, None, |_| {});
    // The window's own errors are not the run's.
    let refused = || {
        let size = gpu.limits().max_buffer_size + 4;
        let usage = wgpu::BufferUsages::STORAGE;
        let _ = gpu.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
    };
    let handle = held(&engine, &run, 5, on_gpu());
    refused();
    handle.step(5);
    paused(&handle);
    let watch = engine.devices().watch.clone().expect("somebody listens");
    let of_drawing = watch.take_of_drawing().expect("what was refused").to_string();
    assert!(of_drawing.starts_with("the graphics driver refused a command ("), "{of_drawing}");
    std::thread::scope(|scope| scope.spawn(refused).join()).expect("no panic");
    let (notices, on_gpu, last) = rest(&handle);
    assert_eq!((notices.len(), on_gpu), (1, Some(false)));
    let from = went_on_from(&notices[0]);
    assert!(notices[0].starts_with("The graphics driver refused a command (") && from >= 10, "{notices:?}");
    assert_eq!(pixels(&last.newest), pixels(&continued(&engine, &run, &last, from).newest));
    // The device is there still, for others.
    let (notices, on_gpu, _) = rest(&held(&engine, &run, 5, self::on_gpu()));
    assert_eq!((notices, on_gpu), (Vec::new(), None));
    assert!(engine.devices().choose(DeviceChoice::Gpu).1.gpu);
}

#[test]
fn a_task_that_cannot_go_on_says_what_happened_and_what_to_do() {
    let (devices, gpu) = own_devices();
    let engine = Engine::new(devices, None, |_| {});
    let search = || FindSteps(StepSearch { run: quick(5), wanted: vec![4] });
    let handle = engine.start(search(), Options { held: true, ..Options::on(DeviceChoice::Gpu) });
    while !matches!(handle.wait(PATIENCE).expect("news"), Update::Paused) {}
    gpu.destroy();
    handle.resume();
    let End::Failed(failure) = handle.end() else { panic!("it went on without a device") };
    assert_eq!(failure.what, "The graphics device was lost.");
    assert!(failure.remedy.starts_with("Run again: the CPU is used"), "{failure}");
    let again = engine.start(search(), Options::on(DeviceChoice::Gpu)).end();
    assert!(matches!(again, End::Finished(_)), "the same on the CPU");
}

#[test]
fn a_training_whose_device_is_lost_goes_on_on_the_cpu() {
    let place = tempfile::tempdir().unwrap();
    let source: DataSource = "worlds:32".parse().unwrap();
    let network = ScoreSde.description(&Choice::new(&Tiny), None, [3, 32, 32]);
    let training = Training { batch: 2, images: 2 * 20, ..Training::usual(source.clone(), network) };
    let (devices, gpu) = own_devices();
    let engine = Engine::new(devices, None, |_| {});
    let (folder, save_every) = (place.path().join("training"), Duration::from_secs(1000));
    let task = Train { training: training.clone(), folder: folder.clone(), save_every, samples: false };
    let handle = engine.start(task, on_gpu());
    paused(&handle);
    handle.step(5);
    paused(&handle);
    gpu.destroy();
    handle.resume();
    let mut notices = Vec::new();
    for update in until(&handle, |update| matches!(update, Update::Ended(_))) {
        match update {
            Update::Notice(notice) => notices.push(notice),
            Update::Ended(end) => assert!(matches!(end, End::Finished(_)), "{end:?}"),
            _ => {}
        }
    }
    assert_eq!(notices, ["The graphics device was lost after step 5; the CPU goes on from there."]);
    let metrics = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let losses: Vec<f64> = metrics
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["loss"].as_f64().unwrap())
        .collect();
    let mut trainer = Trainer::new(training, source.open(&ReadProgress::default()).unwrap(), None).unwrap();
    let undisturbed: Vec<f64> = (0..20).map(|_| trainer.step(&Device::flex()).unwrap().loss).collect();
    assert_eq!(losses.len(), undisturbed.len());
    for (step, (found, expected)) in losses.iter().zip(&undisturbed).enumerate() {
        assert!((found / expected - 1.0).abs() < 1e-4, "step {step}: {found} for {expected}");
    }
}
