use crate::choices::{method, operator};
use score_explorer::Pixels;
use score_explorer::checkpoint::shipped_worlds;
use score_explorer::engine::{Command, DeviceChoice, Devices, Engine, Event, Job, JobId, JobResult, JobUpdate};
use score_explorer::registry::Choice;
use score_explorer::solver::{GUIDANCE_WEIGHT, Method, ZETA};
use score_explorer::task::{Count, Evidence, ModelRef, Restoration, Restored, Run, Shows, Steps};
use std::time::{Duration, Instant};

fn engine() -> Engine {
    Engine::start(Devices::cpu_only(), None, |_| {}).expect("a thread")
}

/// One of the worlds that ship, in [0, 1].
fn world(index: usize) -> Pixels<f32> {
    let set = shipped_worlds().unwrap();
    let size = set.shape.iter().product::<usize>();
    let values = set.values[index * size..(index + 1) * size].iter().map(|&level| f32::from(level) / 255.0).collect();
    Pixels { shape: [1, 3, 32, 32], values }
}

/// The left columns are known, the rest is not.
fn left(known: usize) -> Option<Pixels<f32>> {
    let values = (0..1024).map(|place| f32::from(u8::from(place % 32 < known))).collect();
    Some(Pixels { shape: [1, 1, 32, 32], values })
}

fn restoration(name: &str, steps: usize) -> Restoration {
    let usual = Restoration::default_for(method(name));
    let run = Run {
        model: ModelRef::Exact("worlds".into()),
        steps: Steps::new(steps).unwrap(),
        count: Count::new(2).unwrap(),
        ..usual.run.clone()
    };
    Restoration { run, resampling: None, ..usual }
}

fn ask(engine: &Engine, id: u64, restoration: Restoration, evidence: Evidence) {
    let job = Job::Restore { restoration: Box::new(restoration), evidence };
    engine.send(Command::Flow { id: JobId(id), job, device: DeviceChoice::Cpu });
}

fn evidence(known: usize) -> Evidence {
    Evidence { picture: world(7), trust: left(known), shows: Shows::Original }
}

/// What is heard of a job until it ends.
fn hear(engine: &Engine, id: u64, mut each: impl FnMut(&JobUpdate)) -> JobUpdate {
    let deadline = Instant::now() + Duration::from_secs(120);
    while Instant::now() < deadline {
        let Some(Event::Job { id: of, update }) = engine.wait(Duration::from_millis(100)) else { continue };
        if of != JobId(id) {
            continue;
        }
        each(&update);
        if matches!(update, JobUpdate::Done(_) | JobUpdate::Stopped | JobUpdate::Failed(_)) {
            return update;
        }
    }
    panic!("the job did not end in time");
}

fn restored(update: JobUpdate) -> Restored {
    match update {
        JobUpdate::Done(JobResult::Restored(restored)) => restored,
        other => panic!("{other:?}"),
    }
}

/// Largest difference in the left columns, in grey levels.
fn apart(restored: &Restored, known: usize) -> u8 {
    let (original, level) = (world(7), |value: f32| (255.0 * value.clamp(0.0, 1.0)).round() as u8);
    let samples =
        (0..restored.pictures.shape[0]).flat_map(|sample| restored.pictures.sample(sample).iter().enumerate());
    let left = samples.filter(|(place, _)| place % 32 < known);
    left.map(|(place, &value)| level(value).abs_diff(level(original.values[place]))).max().unwrap()
}

#[test]
fn a_half_known_world_of_an_exact_set_is_found_again() {
    let engine = engine();
    ask(&engine, 1, restoration("exact", 20), evidence(16));
    let found = restored(hear(&engine, 1, |_| {}));
    assert_eq!((found.pictures.shape, found.measured.shape), ([2, 3, 32, 32], [1, 3, 32, 32]));
    // No other of the 512 worlds has that left half: both samples are the world itself.
    assert_eq!(apart(&found, 32), 0);
    assert!(found.inconsistency.iter().all(|&far| far < 1e-3), "{:?}", found.inconsistency);
}

#[test]
fn evidence_that_changes_on_the_way_is_what_the_samples_agree_with() {
    let engine = engine();
    ask(&engine, 1, restoration("projection", 400), evidence(4));
    let mut shares = Vec::new();
    let found = restored(hear(&engine, 1, |update| {
        if let JobUpdate::Progress(progress) = update {
            if shares.is_empty() {
                engine.send(Command::Exchange { id: JobId(1), evidence: evidence(24) });
            }
            shares.push(progress.share);
            assert!(progress.estimates.as_ref().is_none_or(|estimates| estimates.shape == [2, 3, 32, 32]));
        }
    }));
    assert_eq!(found.exchanges, 1);
    assert_eq!(found.nfe, 400, "it went on instead of beginning again");
    assert!(shares.windows(2).all(|pair| pair[0] <= pair[1]), "{shares:?}");
    assert_eq!(apart(&found, 24), 0);
}

#[test]
fn evidence_for_a_job_that_waits_takes_the_place_of_the_old() {
    let engine = engine();
    ask(&engine, 1, restoration("null-space", 100), evidence(4));
    ask(&engine, 2, restoration("null-space", 10), evidence(4));
    engine.send(Command::Exchange { id: JobId(2), evidence: evidence(20) });
    engine.send(Command::Exchange { id: JobId(9), evidence: evidence(1) });
    let found = restored(hear(&engine, 2, |_| {}));
    assert_eq!((found.exchanges, apart(&found, 20)), (0, 0));
}

#[test]
fn what_does_not_fit_fails_with_a_sentence_and_a_stop_stops() {
    let engine = engine();
    let small = Pixels { shape: [1, 3, 8, 8], values: vec![0.5; 192].into() };
    ask(&engine, 1, restoration("null-space", 10), Evidence { picture: small, trust: None, shows: Shows::Original });
    let JobUpdate::Failed(failure) = hear(&engine, 1, |_| {}) else { panic!("a small picture was taken") };
    assert!(failure.what.contains("[1, 3, 8, 8]"), "{failure:?}");

    let mut broken = restoration("null-space", 10);
    broken.strength = 0.0;
    ask(&engine, 2, broken, evidence(4));
    assert!(matches!(hear(&engine, 2, |_| {}), JobUpdate::Failed(_)));

    ask(&engine, 3, restoration("null-space", 50_000), evidence(4));
    let mut told = false;
    let ended = hear(&engine, 3, |update| {
        if matches!(update, JobUpdate::Progress(_)) && !std::mem::replace(&mut told, true) {
            engine.send(Command::StopJob(JobId(3)));
        }
    });
    assert!(matches!(ended, JobUpdate::Stopped), "{ended:?}");
}

#[test]
fn gradients_go_through_the_engines_wrappers() {
    let engine = engine();
    // Like the mixture's first pattern: red over blue. Its grey values are not those of the other two patterns.
    let value = |place: usize| {
        let (channel, above) = (place / 16, place % 16 < 8);
        if (channel == 0 && above) || (channel == 2 && !above) { 0.7 } else { -0.7 }
    };
    let picture = Pixels { shape: [1, 3, 4, 4], values: (0..48).map(value).collect() };
    let mut id = 0;
    let mut far = |method: Choice<dyn Method>| {
        id += 1;
        let mut asked = restoration(method.about().slug, 50);
        asked.method = method;
        (asked.run.model, asked.operator) = (ModelRef::Mixture("blocks".into()), operator("super-resolution:2"));
        asked.run.count = Count::new(8).unwrap();
        ask(&engine, id, asked, Evidence { picture: picture.clone(), trust: None, shows: Shows::Original });
        let found = restored(hear(&engine, id, |_| {}));
        found.inconsistency.iter().sum::<f64>() / 8.0
    };
    for name in ["pigdm", "dps"] {
        let idle = method(name).with(&GUIDANCE_WEIGHT, 0.0).with(&ZETA, 0.0);
        let (guided, free) = (far(method(name)), far(idle));
        println!("{name}: {guided} from the measurement, {free} without guidance");
        assert!(guided < 0.5 * free, "{name}: {guided} is hardly less than {free}");
    }
}
