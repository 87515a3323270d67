//! Jobs as the engine's listeners know them.

use crate::choices::solver;
use score_explorer::Pixels;
use score_explorer::engine::{Command, DeviceChoice, Devices, Engine, Event, Job, JobId, JobResult, JobUpdate, RunId};
use score_explorer::sde::FamilyKind;
use score_explorer::task::{Count, Estimate, Flow, ModelRef, Run, Steps};
use std::time::{Duration, Instant};

fn engine() -> Engine {
    Engine::start(Devices::cpu_only(), None, |_| {}).expect("a thread")
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

fn ask(engine: &Engine, id: u64, job: Job) {
    engine.send(Command::Flow { id: JobId(id), job, device: DeviceChoice::Cpu });
}

fn decode(steps: usize, lane: Option<u32>) -> Job {
    Job::Decode { flow: flow(Some(steps)), latents: pixels(), lane }
}

/// Steps that take far longer than any test waits.
const ENDLESS: usize = 100_000;

fn hear(engine: &Engine, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
    let (deadline, mut events) = (Instant::now() + Duration::from_secs(60), Vec::new());
    while Instant::now() < deadline {
        if let Some(event) = engine.wait(Duration::from_millis(100)) {
            events.push(event);
            if events.last().is_some_and(&wanted) {
                return events;
            }
        }
    }
    panic!("the engine did not answer in time; it said {events:?}")
}

/// How a job ends.
fn end(engine: &Engine, id: u64) -> JobUpdate {
    let ended = |update: &JobUpdate| matches!(update, JobUpdate::Done(_) | JobUpdate::Stopped | JobUpdate::Failed(_));
    let last =
        hear(engine, |event| matches!(event, Event::Job { id: of, update } if of.0 == id && ended(update))).pop();
    match last {
        Some(Event::Job { update, .. }) => update,
        other => panic!("{other:?}"),
    }
}

fn begun(engine: &Engine, id: u64) {
    hear(engine, |event| matches!(event, Event::Job { id: of, update: JobUpdate::Started(_) } if of.0 == id));
}

fn is_done(update: &JobUpdate) -> bool {
    matches!(update, JobUpdate::Done(_))
}

#[test]
fn jobs_of_all_kinds_give_what_they_promise() {
    let engine = engine();
    ask(&engine, 1, Job::Encode { flow: flow(None), images: pixels() });
    let JobUpdate::Done(JobResult::Encoded(encoded)) = end(&engine, 1) else { panic!() };
    ask(&engine, 2, Job::Decode { flow: flow(None), latents: encoded.latents.pixels, lane: None });
    let JobUpdate::Done(JobResult::Decoded(decoded)) = end(&engine, 2) else { panic!() };
    assert!(super::largest(&decoded.pictures.values, &pixels().values) < 5e-3);
    for exact in [true, false] {
        let estimate = Estimate { probes: 2, exact, ..Estimate::default() };
        ask(&engine, 3, Job::Likelihood { flow: flow(None), images: pixels(), estimate });
        let JobUpdate::Done(JobResult::Likelihoods(figures)) = end(&engine, 3) else { panic!() };
        assert_eq!((figures.len(), figures[0].standard_error == Some(0.0)), (2, exact));
    }
}

#[test]
fn a_newer_job_in_a_lane_ends_the_ones_before() {
    let engine = engine();
    ask(&engine, 1, decode(ENDLESS, Some(7)));
    begun(&engine, 1);
    ask(&engine, 2, decode(ENDLESS, Some(7)));
    assert!(matches!(end(&engine, 1), JobUpdate::Stopped));
    ask(&engine, 3, decode(ENDLESS, Some(7)));
    ask(&engine, 4, decode(5, Some(7)));
    assert!(matches!(end(&engine, 2), JobUpdate::Stopped));
    assert!(matches!(end(&engine, 3), JobUpdate::Stopped));
    assert!(is_done(&end(&engine, 4)));
}

#[test]
fn an_interactive_job_is_done_within_a_longer_one_which_then_stops_when_told() {
    let engine = engine();
    ask(&engine, 1, decode(ENDLESS, None));
    begun(&engine, 1);
    ask(&engine, 2, decode(5, Some(0)));
    assert!(is_done(&end(&engine, 2)));
    // A job without a lane waits; so does a run, and both can be ended while they wait.
    ask(&engine, 3, decode(5, None));
    engine.send(Command::Start { id: RunId(1), run: run(5), device: DeviceChoice::Cpu });
    engine.send(Command::StopJob(JobId(3)));
    assert!(matches!(end(&engine, 3), JobUpdate::Stopped));
    engine.send(Command::StopJob(JobId(1)));
    assert!(matches!(end(&engine, 1), JobUpdate::Stopped));
    hear(&engine, |event| matches!(event, Event::Finished(RunId(1))));
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
fn an_interactive_job_is_done_within_a_run_even_when_it_is_paused() {
    let engine = engine();
    engine.send(Command::Start { id: RunId(1), run: run(ENDLESS), device: DeviceChoice::Cpu });
    hear(&engine, |event| matches!(event, Event::Started(_)));
    ask(&engine, 1, decode(5, Some(0)));
    assert!(is_done(&end(&engine, 1)));
    engine.send(Command::Pause);
    hear(&engine, |event| matches!(event, Event::Paused(_)));
    ask(&engine, 2, decode(5, Some(0)));
    assert!(is_done(&end(&engine, 2)));
    // A run is stopped at once also while it lends the engine; the job begins again after it.
    ask(&engine, 3, decode(ENDLESS, Some(0)));
    begun(&engine, 3);
    engine.send(Command::Stop);
    hear(&engine, |event| matches!(event, Event::Stopped(RunId(1))));
    begun(&engine, 3);
    engine.send(Command::StopJob(JobId(3)));
    assert!(matches!(end(&engine, 3), JobUpdate::Stopped));
}

#[test]
fn what_cannot_be_done_fails_with_a_sentence_and_the_engine_lives_on() {
    let engine = engine();
    let wrong = Pixels { shape: [1, 3, 5, 5], values: vec![0.0; 75].into() };
    let short = Pixels { shape: [2, 3, 4, 4], values: vec![0.0; 5].into() };
    let nan = Pixels { shape: [1, 3, 4, 4], values: vec![f32::NAN; 48].into() };
    let jobs = [wrong, short, nan].map(|images| Job::Encode { flow: flow(None), images });
    let times = Job::Encode { flow: Flow { until: 1e-6, ..flow(None) }, images: pixels() };
    let model = Job::Encode { flow: Flow { model: ModelRef::Mixture("none".into()), ..flow(None) }, images: pixels() };
    let half = Flow { until: 0.5, ..flow(None) };
    let truncated = Job::Likelihood { flow: half, images: pixels(), estimate: Estimate::default() };
    for (id, job) in jobs.into_iter().chain([times, model, truncated]).enumerate() {
        ask(&engine, id as u64, job);
        let JobUpdate::Failed(failure) = end(&engine, id as u64) else { panic!("job {id}") };
        assert!(failure.what.ends_with('.') && failure.remedy.ends_with('.'), "{failure:?}");
    }
    ask(&engine, 99, decode(5, None));
    assert!(is_done(&end(&engine, 99)));
}
