//! The engine as its listeners know it: commands in, events and snapshots out.

mod gpu;

use crate::choices::{grid, solver};
use score_explorer::engine::{Command, DeviceChoice, Devices, Engine, Event, Recorded, RunId, Snapshot};
use score_explorer::sde::FamilyKind;
use score_explorer::task::{Count, ModelRef, Origin, Run, RunError, Steps};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn engine() -> Engine {
    Engine::start(Devices::cpu_only(), None, |_| {}).expect("a thread")
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
        seed: 7,
        count: Count::new(4).expect("count"),
        origin: Origin::Prior,
    }
}

fn start(engine: &Engine, id: u64, run: Run) {
    engine.send(Command::Start { id: RunId(id), run, device: DeviceChoice::Cpu });
}

/// Events up to the first that `last` accepts, which is the last of them.
fn until(engine: &Engine, last: impl Fn(&Event) -> bool) -> Vec<Event> {
    let deadline = Instant::now() + PATIENCE;
    let mut events = Vec::new();
    while Instant::now() < deadline {
        if let Some(event) = engine.wait(Duration::from_millis(100)) {
            events.push(event);
            if events.last().is_some_and(&last) {
                return events;
            }
        }
    }
    panic!("the engine did not answer in time; it said {events:?}")
}

fn ended(event: &Event) -> bool {
    matches!(event, Event::Finished(_) | Event::Stopped(_) | Event::Failed { .. })
}

/// Runs to the end and returns the last snapshot.
fn finish(engine: &Engine, id: u64, run: Run) -> Arc<Snapshot> {
    start(engine, id, run);
    let events = until(engine, ended);
    assert!(matches!(events.last(), Some(Event::Finished(_))), "{events:?}");
    engine.snapshot().expect("the last snapshot is never lost")
}

fn pixels(moment: &Recorded) -> Vec<u32> {
    moment.x.values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_step_of_a_run_is_recorded_in_order() {
    let snapshot = finish(&engine(), 1, quick(30));
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

#[test]
fn a_listener_that_never_looks_does_not_hold_the_sampler() {
    let engine = engine();
    start(&engine, 1, quick(300));
    until(&engine, ended);
    let snapshot = engine.snapshot().expect("the newest");
    assert_eq!(snapshot.newest.step, 300);
    assert!(engine.snapshot().is_none(), "older ones were replaced");
}

#[test]
fn pause_holds_step_advances_and_resume_finishes() {
    let engine = engine();
    start(&engine, 1, quick(2000));
    until(&engine, |event| matches!(event, Event::Started(_)));
    engine.send(Command::Pause);
    until(&engine, |event| matches!(event, Event::Paused(_)));
    let held = engine.snapshot().expect("a snapshot at the pause").newest.step;
    assert!(held < 2000);

    engine.send(Command::Step(3));
    until(&engine, |event| matches!(event, Event::Paused(_)));
    assert_eq!(engine.snapshot().expect("a snapshot").newest.step, held + 3);
    assert!(engine.wait(Duration::from_millis(200)).is_none(), "a held run says nothing");

    engine.send(Command::Resume);
    let events = until(&engine, ended);
    assert!(matches!(events.last(), Some(Event::Finished(RunId(1)))));
    assert_eq!(engine.snapshot().expect("a snapshot").newest.step, 2000);
}

#[test]
fn pausing_does_not_change_the_pixels() {
    let engine = engine();
    let straight = finish(&engine, 1, quick(40));
    start(&engine, 2, quick(40));
    engine.send(Command::Pause);
    engine.send(Command::Step(5));
    engine.send(Command::Resume);
    until(&engine, ended);
    assert_eq!(pixels(&straight.newest), pixels(&engine.snapshot().expect("a snapshot").newest));
}

#[test]
fn stop_keeps_what_was_recorded() {
    let engine = engine();
    start(&engine, 1, quick(100_000));
    until(&engine, |event| matches!(event, Event::Started(_)));
    std::thread::sleep(Duration::from_millis(100));
    let asked = Instant::now();
    engine.send(Command::Stop);
    let events = until(&engine, ended);
    assert!(matches!(events.last(), Some(Event::Stopped(RunId(1)))));
    assert!(asked.elapsed() < Duration::from_secs(5));
    let snapshot = engine.snapshot().expect("a snapshot");
    assert!(snapshot.timeline.len() > 1 && snapshot.newest.step < 100_000);
}

#[test]
fn a_new_run_stops_the_one_before_it() {
    let engine = engine();
    start(&engine, 1, quick(100_000));
    until(&engine, |event| matches!(event, Event::Started(_)));
    start(&engine, 2, quick(5));
    let events = until(&engine, |event| matches!(event, Event::Finished(_)));
    let ends: Vec<&Event> = events.iter().filter(|event| ended(event)).collect();
    assert!(matches!(ends[..], [Event::Stopped(RunId(1)), Event::Finished(RunId(2))]), "{ends:?}");
}

#[test]
fn a_branch_with_the_same_settings_repeats_its_parent() {
    let engine = engine();
    let parent = quick(40);
    let whole = finish(&engine, 1, parent.clone());
    let run = Run { origin: Origin::Branch { parent: Box::new(parent.clone()), step: 25 }, ..parent };

    let from = whole.timeline[25].clone();
    engine.send(Command::Branch { id: RunId(2), run: run.clone(), from, device: DeviceChoice::Cpu });
    until(&engine, ended);
    let branch = engine.snapshot().expect("a snapshot");
    assert_eq!(branch.newest.step, 15, "a branch walks the rest of the grid");
    assert_eq!(pixels(&whole.newest), pixels(&branch.newest));

    // A saved branch has no recorded state: its parent is run again.
    let replayed = finish(&engine, 3, run);
    assert_eq!(pixels(&whole.newest), pixels(&replayed.newest));
}

#[test]
fn a_branch_with_another_seed_or_solver_goes_its_own_way_from_the_same_state() {
    let engine = engine();
    let parent = quick(40);
    let whole = finish(&engine, 1, parent.clone());
    let origin = Origin::Branch { parent: Box::new(parent.clone()), step: 20 };
    let reseeded = finish(&engine, 2, Run { seed: 8, origin: origin.clone(), ..parent.clone() });
    let heun = finish(&engine, 3, Run { solver: solver("heun"), origin, ..parent });
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
        start(&engine, 1, Run { model: model.parse().expect("a reference"), ..quick(5) });
        let events = until(&engine, ended);
        let Some(Event::Failed { failure, .. }) = events.last() else { panic!("{model}: {events:?}") };
        assert!(failure.what.ends_with('.') && failure.remedy.ends_with('.'), "{failure:?}");
        assert!(!failure.what.contains("Error {"), "no debug text: {failure:?}");
    }
    finish(&engine, 2, quick(5));
}

#[test]
fn a_score_that_is_not_finite_fails_with_a_sentence_and_the_engine_lives_on() {
    let engine = engine();
    start(&engine, 1, Run { solver: solver("pc:none:langevin:1e20"), ..quick(50) });
    let events = until(&engine, ended);
    let Some(Event::Failed { failure, .. }) = events.last() else { panic!("{events:?}") };
    assert!(failure.what.contains("not finite") && failure.remedy.contains("SNR"), "{failure:?}");
    finish(&engine, 2, quick(5));
}

#[test]
fn recording_stays_within_its_limit() {
    let engine = engine();
    // One moment takes 4·(48·4 + 48·2 + 16·2) = 1,280 bytes.
    engine.send(Command::RecordLimit(40_000));
    let snapshot = finish(&engine, 1, quick(500));
    assert!(snapshot.progress.recorded_bytes <= 40_000);
    assert!(snapshot.timeline.len() > 15);
    let steps: Vec<usize> = snapshot.timeline.iter().map(|moment| moment.step).collect();
    assert_eq!((steps.first(), steps.last()), (Some(&0), Some(&500)));
}

#[test]
fn a_model_can_be_looked_at_while_another_runs() {
    let engine = engine();
    start(&engine, 1, quick(100_000));
    until(&engine, |event| matches!(event, Event::Started(_)));
    engine.send(Command::Inspect(ModelRef::Mixture("ring".into())));
    let events = until(&engine, |event| matches!(event, Event::Model(_)));
    let Some(Event::Model(report)) = events.last() else { panic!() };
    assert_eq!((report.shape, report.exact), ([2, 1, 1], true));
    engine.send(Command::Stop);
    assert!(matches!(until(&engine, ended).last(), Some(Event::Stopped(_))));
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
    engine.send(Command::Inspect(ModelRef::File(path.clone())));
    engine.send(Command::Stop);
    let events = until(&engine, |event| matches!(event, Event::ModelFailed { .. }));
    assert!(events.iter().any(|event| matches!(event, Event::Loading { fraction: Some(_), .. })), "{events:?}");
    let Some(Event::ModelFailed { failure, .. }) = events.last() else { panic!("{events:?}") };
    assert!(failure.what.contains("was stopped"), "{failure:?}");

    // The same for a run, and what was asked meanwhile is not lost.
    start(&engine, 1, Run { model: ModelRef::File(path), ..quick(5) });
    start(&engine, 2, quick(5));
    let events = until(&engine, |event| matches!(event, Event::Finished(_)));
    assert!(events.iter().any(|event| matches!(event, Event::Stopped(RunId(1)))), "{events:?}");
    assert!(matches!(events.last(), Some(Event::Finished(RunId(2)))), "{events:?}");
}
