use crate::choices::{method, operator};
use score_explorer::Pixels;
use score_explorer::checkpoint::shipped_worlds;
use score_explorer::engine::{
    DeviceChoice, Devices, End, Engine, Options, Recorded, Restore, Snapshot, TaskHandle, Update,
};
use score_explorer::registry::Choice;
use score_explorer::solver::{GUIDANCE_WEIGHT, Method, ZETA};
use score_explorer::task::{
    Count, Fork, ModelRef, Observation, Resampling, Restoration, RestorationError, Restored, Run, Shows, Steps,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn engine() -> Engine {
    Engine::new(Devices::cpu_only(), None, |_| {})
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

fn ask(engine: &Engine, restoration: Restoration, observation: Observation) -> TaskHandle<Restore> {
    let options = Options { record: 64 << 20, shown: true, ..Options::on(DeviceChoice::Cpu) };
    engine.start(Restore { restoration, observation, from: None }, options)
}

fn observation(known: usize) -> Observation {
    Observation { picture: world(7), confidence: left(known), shows: Shows::Original }
}

/// What is seen of a task until it ends.
fn watch(handle: &TaskHandle<Restore>, mut each: impl FnMut(&Snapshot)) -> End<Restored> {
    let deadline = Instant::now() + Duration::from_secs(120);
    while Instant::now() < deadline {
        let update = handle.wait(Duration::from_millis(1));
        handle.snapshot().iter().for_each(|snapshot| each(snapshot));
        if let Some(Update::Ended(end)) = update {
            return end;
        }
    }
    panic!("the task did not end in time");
}

fn restored(end: End<Restored>) -> Restored {
    match end {
        End::Finished(restored) => restored,
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
    let found = restored(ask(&engine(), restoration("exact", 20), observation(16)).end());
    assert_eq!((found.pictures.shape, found.measured.shape), ([2, 3, 32, 32], [1, 3, 32, 32]));
    // No other of the 512 worlds has that left half: both samples are the world itself.
    assert_eq!(apart(&found, 32), 0);
    assert!(found.inconsistency.iter().all(|&far| far < 1e-3), "{:?}", found.inconsistency);
}

#[test]
fn evidence_that_changes_on_the_way_is_what_the_samples_agree_with() {
    let handle = ask(&engine(), restoration("projection", 400), observation(4));
    let mut shares = Vec::new();
    let found = restored(watch(&handle, |snapshot| {
        if shares.is_empty() {
            handle.send(observation(24));
        }
        shares.push(snapshot.progress.share);
        let estimates = &snapshot.newest.denoised;
        assert!(estimates.as_ref().is_none_or(|estimates| estimates.shape == [2, 3, 32, 32]));
    }));
    assert_eq!(found.exchanges, 1);
    assert_eq!(found.nfe, 400, "it went on instead of beginning again");
    assert!(shares.windows(2).all(|pair| pair[0] <= pair[1]), "{shares:?}");
    assert_eq!(apart(&found, 24), 0);
}

#[test]
fn evidence_for_a_task_that_has_not_begun_takes_the_place_of_the_old() {
    let task = Restore { restoration: restoration("null-space", 10), observation: observation(4), from: None };
    let handle = engine().start(task, Options { held: true, ..Options::on(DeviceChoice::Cpu) });
    handle.send(observation(1));
    handle.send(observation(20));
    handle.resume();
    let found = restored(handle.end());
    assert_eq!((found.exchanges, apart(&found, 20)), (0, 0));
}

#[test]
fn what_does_not_fit_fails_with_a_sentence_and_a_stop_stops() {
    let engine = engine();
    let small = Pixels { shape: [1, 3, 8, 8], values: vec![0.5; 192].into() };
    let evidence_of_it = Observation { picture: small, confidence: None, shows: Shows::Original };
    let End::Failed(failure) = ask(&engine, restoration("null-space", 10), evidence_of_it).end() else {
        panic!("a small picture was taken")
    };
    assert!(failure.what.contains("[1, 3, 8, 8]"), "{failure:?}");

    let mut broken = restoration("null-space", 10);
    broken.strength = 0.0;
    assert!(matches!(ask(&engine, broken, observation(4)).end(), End::Failed(_)));

    let handle = ask(&engine, restoration("null-space", 50_000), observation(4));
    let ended = watch(&handle, |_| handle.stop());
    assert!(matches!(ended, End::Stopped), "{ended:?}");
}

/// A restoration's end and everything that was recorded on the way to it.
fn recorded(engine: &Engine, task: Restore) -> (Restored, Arc<Snapshot>) {
    let options = Options { record: 256 << 20, shown: true, ..Options::on(DeviceChoice::Cpu) };
    let handle = engine.start(task, options);
    let found = restored(handle.end());
    (found, handle.snapshot().expect("the last snapshot is never lost"))
}

fn branch(parent: &Restoration, from: &Arc<Recorded>, observation: Observation) -> Restore {
    let fork = Some(Box::new(Fork { parent: parent.clone(), step: from.step }));
    Restore { restoration: Restoration { fork, ..parent.clone() }, observation, from: Some(from.clone()) }
}

#[test]
fn a_restoration_branched_without_a_change_ends_like_the_whole() {
    let engine = engine();
    // With legs that are gone down three times, each leg of which begins and ends at a recorded state.
    let resampling = Some(Resampling::new(2, 3).unwrap());
    let mut whole = Restoration { resampling, ..restoration("null-space", 6) };
    whole.run.seed = 5;
    let task = Restore { restoration: whole.clone(), observation: observation(12), from: None };
    let (found, snapshot) = recorded(&engine, task);
    let steps: Vec<usize> = snapshot.timeline.iter().map(|moment| moment.step).collect();
    assert_eq!(steps, (0..=18).collect::<Vec<_>>());
    for step in [1, 2, 5, 6, 17] {
        let task = branch(&whole, &snapshot.timeline[step], observation(12));
        let (branched, branch_snapshot) = recorded(&engine, task.clone());
        assert_eq!(branched.pictures, found.pictures, "from step {step}");
        assert_eq!(branch_snapshot.newest.step, 18 - step);
        // Without the recorded state the parent is done again.
        let replayed = recorded(&engine, Restore { from: None, ..task }).0;
        assert_eq!((replayed.pictures, replayed.nfe), (branched.pictures, branched.nfe), "from step {step}");
    }
    // A branch of a branch goes on as well.
    let first = branch(&whole, &snapshot.timeline[3], observation(12));
    let (_, of_first) = recorded(&engine, first.clone());
    let (again, _) = recorded(&engine, branch(&first.restoration, &of_first.timeline[4], observation(12)));
    assert_eq!(again.pictures, found.pictures);
}

#[test]
fn a_branch_of_a_restoration_may_change_method_steps_and_evidence() {
    let engine = engine();
    let whole = restoration("null-space", 20);
    let task = Restore { restoration: whole.clone(), observation: observation(8), from: None };
    let (found, snapshot) = recorded(&engine, task);
    let mut changed = branch(&whole, &snapshot.timeline[10], observation(20));
    changed.restoration.method = method("projection");
    changed.restoration.run.steps = Steps::new(50).unwrap();
    changed.restoration.resampling = Some(Resampling::new(5, 2).unwrap());
    let (branched, of_branch) = recorded(&engine, changed);
    assert_eq!(of_branch.timeline[0].x, snapshot.timeline[10].x);
    assert_eq!(of_branch.timeline[0].t, snapshot.timeline[10].t);
    assert_eq!(apart(&branched, 20), 0);
    assert_ne!(branched.pictures, found.pictures);
}

#[test]
fn a_branch_of_a_restoration_must_be_like_its_parent() {
    let parent = restoration("null-space", 10);
    let at = |step, change: fn(&mut Restoration)| {
        let mut changed = Restoration { fork: Some(Box::new(Fork { parent: parent.clone(), step })), ..parent.clone() };
        change(&mut changed);
        changed.check()
    };
    assert_eq!(at(5, |_| ()), Ok(()));
    assert_eq!(at(10, |_| ()), Err(RestorationError::Fork { step: 10, steps: 10 }));
    assert_eq!(at(5, |changed| changed.run.count = Count::new(3).unwrap()), Err(RestorationError::Unlike));
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
    let far = |method: Choice<dyn Method>| {
        let mut asked = restoration(method.about().slug, 50);
        asked.method = method;
        (asked.run.model, asked.operator) = (ModelRef::Mixture("blocks".into()), operator("super-resolution:2"));
        asked.run.count = Count::new(8).unwrap();
        let observation = Observation { picture: picture.clone(), confidence: None, shows: Shows::Original };
        let found = restored(ask(&engine, asked, observation).end());
        found.inconsistency.iter().sum::<f64>() / 8.0
    };
    for name in ["pigdm", "dps"] {
        let idle = method(name).with(&GUIDANCE_WEIGHT, 0.0).with(&ZETA, 0.0);
        let (guided, free) = (far(method(name)), far(idle));
        println!("{name}: {guided} from the measurement, {free} without guidance");
        assert!(guided < 0.5 * free, "{name}: {guided} is hardly less than {free}");
    }
}
