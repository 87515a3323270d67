//! Encoding, decoding and likelihoods as owners of tasks know them.

use crate::choices::solver;
use score_explorer::Pixels;
use score_explorer::engine::{
    Decode, DeviceChoice, Devices, Encode, End, Engine, Likelihood, Options, Priority, Sample, Task, TaskHandle, Update,
};
use score_explorer::sde::FamilyKind;
use score_explorer::task::{Count, Estimate, Flow, ModelRef, Run, Steps};
use std::time::{Duration, Instant};

fn engine() -> Engine {
    Engine::new(Devices::cpu_only(), None, |_| {})
}

fn flow(steps: Option<usize>) -> Flow {
    let adaptive = Flow::new(ModelRef::Mixture("blocks".into()), FamilyKind::Vp.published());
    match steps {
        Some(steps) => adaptive.by(solver("heun"), Steps::new(steps).unwrap()),
        None => adaptive,
    }
}

/// Two pictures like those of the mixture's first component: red over blue.
fn pixels() -> Pixels<f32> {
    let value = |i: usize| {
        let (channel, above) = (i / 16 % 3, i % 16 < 8);
        let level = if (channel == 0 && above) || (channel == 2 && !above) { 0.7 } else { -0.7 };
        level + 0.1 * (i as f32 * 0.7).sin()
    };
    Pixels { shape: [2, 3, 4, 4], values: (0..96).map(value).collect() }
}

fn ask<T: Task>(engine: &Engine, task: T) -> TaskHandle<T> {
    engine.start(task, Options::on(DeviceChoice::Cpu))
}

fn decode(engine: &Engine, steps: usize, priority: Priority) -> TaskHandle<Decode> {
    let task = Decode { flow: flow(Some(steps)), latents: pixels() };
    engine.start(task, Options { priority, ..Options::on(DeviceChoice::Cpu) })
}

/// Steps that take far longer than any test waits.
const ENDLESS: usize = 100_000;

/// Waits until a task has begun.
fn begun<T: Task>(handle: &TaskHandle<T>) {
    hear(handle, |update| matches!(update, Update::Report(_)));
}

fn hear<T: Task>(handle: &TaskHandle<T>, wanted: impl Fn(&Update<T>) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !handle.wait(Duration::from_millis(100)).as_ref().is_some_and(&wanted) {
        assert!(Instant::now() < deadline, "the task did not answer in time");
    }
}

#[track_caller]
fn done<T: Task>(handle: &TaskHandle<T>) -> T::Output {
    match handle.end() {
        End::Finished(output) => output,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn is_stopped<T: Task>(handle: &TaskHandle<T>) {
    let end = handle.end();
    assert!(matches!(end, End::Stopped), "{end:?}");
}

#[test]
fn tasks_of_all_kinds_give_what_they_promise() {
    let engine = engine();
    let encoded = done(&ask(&engine, Encode { flow: flow(None), images: pixels() }));
    let decoded = done(&ask(&engine, Decode { flow: flow(None), latents: encoded.latents.pixels }));
    assert!(super::largest(&decoded.pictures.values, &pixels().values) < 5e-3);
    for exact in [true, false] {
        let estimate = Estimate { probes: 2, exact, ..Estimate::default() };
        let figures = done(&ask(&engine, Likelihood { flow: flow(None), images: pixels(), estimate }));
        assert_eq!((figures.len(), figures[0].standard_error == Some(0.0)), (2, exact));
    }
}

#[test]
fn a_newer_decoding_takes_the_place_of_the_one_whose_handle_it_replaces() {
    let engine = engine();
    let mut slot = decode(&engine, ENDLESS, Priority::Interactive);
    begun(&slot);
    for steps in [ENDLESS, ENDLESS, 5] {
        slot = decode(&engine, steps, Priority::Interactive);
    }
    done(&slot);
}

#[test]
fn tasks_and_runs_go_on_beside_a_longer_one_which_then_stops_when_told() {
    let engine = engine();
    let long = decode(&engine, ENDLESS, Priority::Foreground);
    begun(&long);
    done(&decode(&engine, 5, Priority::Interactive));
    done(&decode(&engine, 5, Priority::Foreground));
    done(&ask(&engine, Sample { run: run(5), from: None }));
    long.stop();
    is_stopped(&long);
}

fn run(steps: usize) -> Run {
    Run {
        model: ModelRef::Mixture("blocks".into()),
        steps: Steps::new(steps).unwrap(),
        count: Count::new(2).unwrap(),
        ..Run::default()
    }
}

#[test]
fn an_interactive_task_is_done_within_a_run_even_when_it_is_paused() {
    let engine = engine();
    let sampling = ask(&engine, Sample { run: run(ENDLESS), from: None });
    begun(&sampling);
    done(&decode(&engine, 5, Priority::Interactive));
    sampling.pause();
    hear(&sampling, |update| matches!(update, Update::Paused));
    done(&decode(&engine, 5, Priority::Interactive));
    // A run is stopped at once also while another has its turn, which goes on.
    let decoding = decode(&engine, ENDLESS, Priority::Interactive);
    begun(&decoding);
    sampling.stop();
    is_stopped(&sampling);
    decoding.stop();
    is_stopped(&decoding);
}

#[test]
fn states_on_the_way_are_shown_where_that_is_asked_for() {
    let engine = engine();
    let task = Encode { flow: flow(Some(ENDLESS)), images: pixels() };
    let handle = engine.start(task, Options { shown: true, ..Options::on(DeviceChoice::Cpu) });
    let began = Instant::now();
    let snapshot = loop {
        if let Some(snapshot) = handle.snapshot().filter(|snapshot| snapshot.progress.share > 0.0) {
            break snapshot;
        }
        assert!(began.elapsed() < Duration::from_secs(300), "no state was shown");
        std::thread::sleep(Duration::from_millis(5));
    };
    handle.stop();
    is_stopped(&handle);
    assert_eq!((snapshot.newest.x.shape, snapshot.timeline.len()), (pixels().shape, 0));
    assert!(snapshot.newest.t > 0.0 && snapshot.newest.t < 1.0 && snapshot.progress.share < 1.0);
}

#[test]
fn what_cannot_be_done_fails_with_a_sentence_and_the_engine_lives_on() {
    let engine = engine();
    let wrong = Pixels { shape: [1, 3, 5, 5], values: vec![0.0; 75].into() };
    let short = Pixels { shape: [2, 3, 4, 4], values: vec![0.0; 5].into() };
    let nan = Pixels { shape: [1, 3, 4, 4], values: vec![f32::NAN; 48].into() };
    let tasks = [wrong, short, nan].map(|images| Encode { flow: flow(None), images });
    let times = Encode { flow: Flow { until: 1e-6, ..flow(None) }, images: pixels() };
    let model = Encode { flow: Flow { model: ModelRef::Mixture("none".into()), ..flow(None) }, images: pixels() };
    let half = Flow { until: 0.5, ..flow(None) };
    let truncated = Likelihood { flow: half, images: pixels(), estimate: Estimate::default() };
    let mut failures: Vec<_> =
        tasks.into_iter().chain([times, model]).map(|task| failed(&ask(&engine, task))).collect();
    failures.push(failed(&ask(&engine, truncated)));
    for failure in failures {
        assert!(failure.what.ends_with('.') && failure.remedy.ends_with('.'), "{failure:?}");
    }
    done(&decode(&engine, 5, Priority::Foreground));
}

#[track_caller]
fn failed<T: Task>(handle: &TaskHandle<T>) -> score_explorer::engine::Failure {
    match handle.end() {
        End::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}
