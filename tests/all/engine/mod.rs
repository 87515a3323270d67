//! The engine as owners of tasks know it: handles, updates and snapshots.

mod gpu;
mod guides;
mod lost;
mod steps;

use crate::choices::{grid, solver};
use score_explorer::engine::{
    DeviceChoice, Devices, End, Engine, Inspect, Options, Recorded, Sample, Snapshot, Task, TaskHandle, Update,
};
use score_explorer::sde::FamilyKind;
use score_explorer::task::{Count, ModelRef, Origin, Run, RunError, Steps};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A task that has hung; software Vulkan needs more than a minute for six evaluations on two older cores.
const PATIENCE: Duration = Duration::from_secs(300);

fn engine() -> Engine {
    Engine::new(Devices::cpu_only(), None, |_| {})
}

/// Everything is recorded and shown.
fn options() -> Options {
    Options { record: 512 << 20, shown: true, ..Options::on(DeviceChoice::Cpu) }
}

/// A run that is quick on any machine: four samples of an exact 48-D mixture.
fn quick(steps: usize) -> Run {
    Run {
        model: ModelRef::Mixture("blocks".into()),
        family: FamilyKind::Vp.published(),
        solver: solver("pc:reverse-diffusion:langevin"),
        grid: grid("uniform"),
        steps: Steps::new(steps).expect("steps"),
        denoise: true,
        clip: false,
        guidance: None,
        seed: 7,
        count: Count::new(4).expect("count"),
        origin: Origin::Prior,
    }
}

fn start(engine: &Engine, run: Run) -> TaskHandle<Sample> {
    engine.start(Sample { run, from: None }, options())
}

/// Updates up to the first that `last` accepts, which is the last of them.
fn until<T: Task>(handle: &TaskHandle<T>, last: impl Fn(&Update<T>) -> bool) -> Vec<Update<T>>
where
    Update<T>: std::fmt::Debug,
{
    let deadline = Instant::now() + PATIENCE;
    let mut updates = Vec::new();
    while Instant::now() < deadline {
        if let Some(update) = handle.wait(Duration::from_millis(100)) {
            updates.push(update);
            if updates.last().is_some_and(&last) {
                return updates;
            }
        }
    }
    panic!("the task did not answer in time; it said {updates:?}")
}

fn begun(handle: &TaskHandle<Sample>) {
    until(handle, |update| matches!(update, Update::Report(_)));
}

fn paused<T: Task>(handle: &TaskHandle<T>)
where
    Update<T>: std::fmt::Debug,
{
    until(handle, |update| matches!(update, Update::Paused));
}

fn finished(handle: &TaskHandle<Sample>) -> Arc<Snapshot> {
    match handle.end() {
        End::Finished(last) => last,
        other => panic!("{other:?}"),
    }
}

/// Runs to the end and returns the last snapshot.
fn finish(engine: &Engine, run: Run) -> Arc<Snapshot> {
    finished(&start(engine, run))
}

fn pixels(moment: &Recorded) -> Vec<u32> {
    moment.x.values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_step_of_a_run_is_recorded_in_order() {
    let snapshot = finish(&engine(), quick(30));
    let steps: Vec<usize> = snapshot.timeline.iter().map(|moment| moment.step).collect();
    assert_eq!(steps, (0..=30).collect::<Vec<_>>());
    assert!(snapshot.timeline.windows(2).all(|pair| pair[1].t < pair[0].t), "time runs down");
    let newest = &snapshot.newest;
    // A corrector and a predictor evaluation in each step.
    assert_eq!((newest.step, newest.t, newest.nfe, snapshot.progress.nfe), (30, 0.0, 60, 60));
    assert_eq!(newest.x.shape, [4, 3, 4, 4]);
    assert!(snapshot.timeline[0].denoised.is_none() && newest.denoised.is_some());
    assert!(newest.stats.step_size.is_some_and(|size| size > 0.0));
}

/// A million pictures of 12 KB, several times over.
#[test]
fn more_samples_than_memory_holds_are_refused_in_a_sentence() {
    let run = Run { count: Count::new(1_000_000).expect("count"), ..Run::default() };
    let End::Failed(failure) = start(&engine(), run).end() else { panic!("the run went on") };
    assert!(failure.what.starts_with("1000000 samples of 3×32×32 take 12.3 GB"), "{failure}");
    // 640 MiB of 12,288 bytes each.
    assert!(failure.remedy.starts_with("Choose 1 to 54613"), "{failure}");
}

#[test]
fn a_listener_that_never_looks_does_not_hold_the_sampler() {
    let handle = start(&engine(), quick(300));
    finished(&handle);
    let snapshot = handle.snapshot().expect("the newest");
    assert_eq!(snapshot.newest.step, 300);
    assert!(handle.snapshot().is_none(), "older ones were replaced");
}

#[test]
fn pause_holds_step_advances_and_resume_finishes() {
    let handle = start(&engine(), quick(2000));
    begun(&handle);
    handle.pause();
    paused(&handle);
    let held = handle.snapshot().expect("a snapshot at the pause").newest.step;
    assert!(held < 2000);

    handle.step(3);
    paused(&handle);
    assert_eq!(handle.snapshot().expect("a snapshot").newest.step, held + 3);
    assert!(handle.wait(Duration::from_millis(200)).is_none(), "a held run says nothing");

    handle.resume();
    finished(&handle);
    assert_eq!(handle.snapshot().expect("a snapshot").newest.step, 2000);
}

#[test]
fn a_run_that_begins_held_shows_its_first_state_and_steps() {
    let handle = engine().start(Sample { run: quick(5), from: None }, Options { held: true, ..options() });
    paused(&handle);
    assert_eq!(handle.snapshot().expect("x(T)").newest.step, 0);
    handle.step(1);
    paused(&handle);
    assert_eq!(handle.snapshot().expect("a snapshot").newest.step, 1);
    handle.resume();
    finished(&handle);
}

#[test]
fn pausing_does_not_change_the_pixels() {
    let engine = engine();
    let straight = finish(&engine, quick(40));
    let handle = start(&engine, quick(40));
    handle.pause();
    handle.step(5);
    handle.resume();
    assert_eq!(pixels(&straight.newest), pixels(&finished(&handle).newest));
}

#[test]
fn runs_beside_each_other_are_the_same_bits_as_alone() {
    let engine = engine();
    let runs = || [quick(60), Run { seed: 8, ..quick(60) }, Run { solver: solver("heun"), ..quick(60) }];
    let alone = runs().map(|run| pixels(&finish(&engine, run).newest));
    let beside = runs().map(|run| start(&engine, run));
    assert_eq!(alone, beside.map(|handle| pixels(&finished(&handle).newest)));
}

#[test]
fn stop_keeps_what_was_recorded() {
    let handle = start(&engine(), quick(100_000));
    begun(&handle);
    std::thread::sleep(Duration::from_millis(100));
    let asked = Instant::now();
    handle.stop();
    assert!(matches!(handle.end(), End::Stopped));
    assert!(asked.elapsed() < Duration::from_secs(5));
    let snapshot = handle.snapshot().expect("a snapshot");
    assert!(snapshot.timeline.len() > 1 && snapshot.newest.step < 100_000);
}

#[test]
fn a_branch_with_the_same_settings_repeats_its_parent() {
    let engine = engine();
    let parent = quick(40);
    let whole = finish(&engine, parent.clone());
    let run = Run { origin: Origin::Branch { parent: Box::new(parent.clone()), step: 25 }, ..parent };

    let from = Some(whole.timeline[25].clone());
    let branch = finished(&engine.start(Sample { run: run.clone(), from }, options()));
    assert_eq!(branch.newest.step, 15, "a branch walks the rest of the grid");
    assert_eq!(pixels(&whole.newest), pixels(&branch.newest));

    // A saved branch has no recorded state: its parent is run again.
    let replayed = finish(&engine, run);
    assert_eq!(pixels(&whole.newest), pixels(&replayed.newest));
    assert_eq!(replayed.progress.nfe, branch.progress.nfe, "the parent's evaluations are not its own");
}

#[test]
fn a_branch_with_another_seed_or_solver_goes_its_own_way_from_the_same_state() {
    let engine = engine();
    let parent = quick(40);
    let whole = finish(&engine, parent.clone());
    let origin = Origin::Branch { parent: Box::new(parent.clone()), step: 20 };
    let reseeded = finish(&engine, Run { seed: 8, origin: origin.clone(), ..parent.clone() });
    let heun = finish(&engine, Run { solver: solver("heun"), origin, ..parent });
    for branch in [&reseeded, &heun] {
        assert_eq!(pixels(&whole.timeline[20]), pixels(&branch.timeline[0]));
        assert_ne!(pixels(&whole.newest), pixels(&branch.newest));
    }
}

#[test]
fn a_branch_must_be_like_its_parent() {
    let parent = quick(10);
    let at = |step| Origin::Branch { parent: Box::new(quick(10)), step };
    let fewer = Run { count: Count::new(3).expect("count"), origin: at(5), ..parent.clone() };
    assert_eq!(fewer.check(), Err(RunError::Unlike));
    let late = Run { origin: at(10), ..parent };
    assert_eq!(late.check(), Err(RunError::Branch { step: 10, steps: 10 }));
}

#[test]
fn a_model_that_cannot_be_opened_fails_with_a_sentence_and_the_engine_lives_on() {
    let engine = engine();
    for model in ["./no/such/file.pth", "exact:/no/such/folder", "mixture:nothing", "no-such-model"] {
        let run = Run { model: model.parse().expect("a reference"), ..quick(5) };
        let End::Failed(failure) = start(&engine, run).end() else { panic!("{model}") };
        assert!(failure.what.ends_with('.') && failure.remedy.ends_with('.'), "{failure:?}");
        assert!(!failure.what.contains("Error {"), "no debug text: {failure:?}");
    }
    finish(&engine, quick(5));
}

#[test]
fn a_score_that_is_not_finite_fails_with_a_sentence_and_the_engine_lives_on() {
    let engine = engine();
    let run = Run { solver: solver("pc:none:langevin:1e20"), ..quick(50) };
    // Whether anybody looks or not.
    for options in [options(), Options::on(DeviceChoice::Cpu)] {
        let End::Failed(failure) = engine.start(Sample { run: run.clone(), from: None }, options).end() else {
            panic!()
        };
        assert!(failure.what.contains("not finite") && failure.remedy.contains("SNR"), "{failure:?}");
    }
    finish(&engine, quick(5));
}

#[test]
fn recording_stays_within_its_limit() {
    // One moment takes 4·(48·4 + 48·2 + 16·2) = 1,280 bytes.
    let task = Sample { run: quick(500), from: None };
    let snapshot = finished(&engine().start(task, Options { record: 40_000, ..options() }));
    assert!(snapshot.progress.recorded_bytes <= 40_000);
    assert!(snapshot.timeline.len() > 15);
    let steps: Vec<usize> = snapshot.timeline.iter().map(|moment| moment.step).collect();
    assert_eq!((steps.first(), steps.last()), (Some(&0), Some(&500)));
}

#[test]
fn without_recording_the_last_state_is_the_same_and_nothing_else_is_kept() {
    let engine = engine();
    let recorded = finish(&engine, quick(40));
    let handle = engine.start(Sample { run: quick(40), from: None }, Options::on(DeviceChoice::Cpu));
    let last = finished(&handle);
    assert_eq!(pixels(&last.newest), pixels(&recorded.newest));
    assert_eq!((last.newest.stats, last.progress.nfe), (recorded.newest.stats, recorded.progress.nfe));
    assert_eq!((last.timeline.len(), last.progress.recorded_bytes), (0, 0));
    assert!(handle.snapshot().is_none() && handle.progress().step == 40);
}

#[test]
fn a_model_can_be_looked_at_while_another_runs() {
    let engine = engine();
    let handle = start(&engine, quick(100_000));
    begun(&handle);
    let looked = engine.start(Inspect(ModelRef::Mixture("ring".into())), Options::on(DeviceChoice::Cpu));
    let End::Finished(report) = looked.end() else { panic!() };
    assert_eq!((report.shape, report.exact), ([2, 1, 1], true));
    handle.stop();
    assert!(matches!(handle.end(), End::Stopped));
}

#[test]
fn a_run_file_keeps_every_setting() {
    let parent = quick(10);
    let run = Run { origin: Origin::Branch { parent: Box::new(parent.clone()), step: 3 }, seed: u64::MAX, ..parent };
    let text = serde_json::to_string(&run).expect("JSON");
    assert_eq!(serde_json::from_str::<Run>(&text).expect("a run"), run);
}

#[test]
fn a_model_that_is_being_opened_can_be_let_go() {
    // Sixteen million numbers of nothing, said to be one tensor; read to its end it would be refused.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("all_modules.safetensors");
    let header = r#"{"all_modules.0.bias":{"dtype":"F32","shape":[16777216],"data_offsets":[0,67108864]}}"#;
    let beginning = [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes()].concat();
    std::fs::write(&path, &beginning).expect("room");
    let file = std::fs::File::options().write(true).open(&path).expect("the file");
    file.set_len(beginning.len() as u64 + (64 << 20)).expect("room");
    let engine = engine();
    let model = ModelRef::File(path);
    let looked = engine.start(Inspect(model.clone()), Options::on(DeviceChoice::Cpu));
    looked.stop();
    let run = start(&engine, Run { model, ..quick(5) });
    run.stop();
    assert!(matches!((looked.end(), run.end()), (End::Stopped, End::Stopped)));
    assert!(looked.loading().is_none() && run.loading().is_none());
    finish(&engine, quick(5));
}

#[test]
fn figures_of_a_step_are_means_over_all_values() {
    let last = finish(&engine(), quick(5));
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    for recorded in last.timeline.iter() {
        let count = recorded.x.values.len() as f64;
        let rms = (squares(&mut recorded.x.values.iter().map(|&x| f64::from(x))) / count).sqrt();
        assert!((recorded.stats.rms / rms - 1.0).abs() < 1e-5, "{} {rms}", recorded.stats.rms);
        let Some(score) = &recorded.score else { continue };
        // The norm over channels of each pixel, in half precision: eleven bits.
        let rms = (squares(&mut score.values.iter().map(|norm| norm.to_f64())) / count).sqrt();
        assert!((recorded.stats.score_rms / rms - 1.0).abs() < 1e-3, "{} {rms}", recorded.stats.score_rms);
    }
}
