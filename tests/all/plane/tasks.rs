//! What the engine computes of scenes.

use score_explorer::engine::{
    DeviceChoice, Devices, End, Engine, Options, PlaneClouds, PlaneCourse, PlaneErrors, PlaneFields, PlaneLearn,
    PlaneProbe, PlaneSweep, Task, TaskHandle, Update,
};
use score_explorer::plane::{Detail, Drawing, Layers, Pane, Recipe, Scene, Start};
use score_explorer::sde::{FamilyKind, Level};
use score_explorer::task::Steps;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn start<T: Task>(task: T) -> TaskHandle<T> {
    Engine::new(Devices::cpu_only(), None, |_| {}).start(task, Options::on(DeviceChoice::Cpu))
}

fn finished<T: Task>(task: T) -> T::Output {
    match start(task).end() {
        End::Finished(output) => output,
        other => panic!("{other:?}"),
    }
}

fn pane(solver: &str, steps: usize) -> Pane {
    Pane::new(solver.parse().unwrap(), Steps::new(steps).unwrap())
}

fn scene() -> Scene {
    Scene { count: 200, panes: vec![pane("heun", 6), pane("ddim:1", 8)], ..Scene::default() }
}

#[test]
fn clouds_are_shown_as_they_grow_and_measured_at_the_end() {
    let task = start(PlaneClouds { scene: Scene { start: Start::Forward, ..scene() }, network: None });
    let live = match task.wait(Duration::from_secs(60)) {
        Some(Update::Report(report)) => report.live,
        other => panic!("{other:?}"),
    };
    let End::Finished(shown) = task.end() else { panic!("it did not finish") };
    assert_eq!(live.shown().panes.len(), 2);
    assert!(shown.forward.is_some());
    for (pane, (steps, nfe)) in shown.panes.iter().zip([(6, 11.0), (8, 8.0)]) {
        assert_eq!((pane.frames.len(), pane.nfe), (steps + 1, Some(nfe)));
        assert_eq!(pane.failure, None);
        assert!(pane.distance.unwrap() >= 0.5 * pane.floor.unwrap() && pane.distance.unwrap() < 0.5);
    }
    // Both from the same start.
    assert_eq!(shown.panes[0].frames[0].points, shown.panes[1].frames[0].points);
}

#[test]
fn a_pane_without_a_network_fails_alone_and_a_stopped_task_stops() {
    let mut scene = Scene { learning: Some(Recipe::default()), ..scene() };
    scene.panes[0].learned = true;
    let shown = finished(PlaneClouds { scene: scene.clone(), network: None });
    assert!(shown.panes[0].failure.as_ref().unwrap().contains("train a network first"));
    assert!(shown.panes[1].distance.is_some());
    scene.panes = vec![pane("pc", 100_000)];
    let task = start(PlaneClouds { scene, network: None });
    task.stop();
    assert!(matches!(task.end(), End::Stopped));
}

#[test]
fn fields_and_courses_have_what_the_layers_ask_for() {
    let all = Layers {
        density: true,
        data: true,
        score: true,
        streamlines: true,
        flow: true,
        solutions: true,
        marginals: true,
        ..Layers::default()
    };
    let full = Scene { layers: all, time: 0.3, ..scene() };
    let fields = finished(PlaneFields { scene: full.clone(), detail: Detail::default(), network: None });
    assert_eq!(fields.density.as_ref().unwrap().values.len(), 160 * 160);
    assert_eq!(fields.score.as_ref().unwrap().values.len(), 24 * 24);
    assert!(fields.streamlines.len() > 20 && fields.flow.len() > 20 && fields.data.len() == 200);
    let course = finished(PlaneCourse { scene: full, network: None });
    assert!(course.solutions.as_ref().unwrap().frames[0].points.len() == 81 && course.marginals.is_some());
    let nothing = Layers { density: false, ..Layers::default() };
    let fields =
        finished(PlaneFields { scene: Scene { layers: nothing, ..scene() }, detail: Detail::default(), network: None });
    assert!(fields.density.is_none() && fields.streamlines.is_empty());
}

/// Of a Gaussian the flow keeps (x/α − mean)/√(s² + σ²/α²), and the mean of x(0) is that of two Gaussians multiplied.
#[test]
fn a_probe_of_a_gaussian_has_its_known_score_mean_and_flow() {
    let (mean, std, point) = ([0.2, -0.1], 0.3, [0.7f32, 0.4]);
    let gaussian = json!([{ "shape": { "gaussian": { "at": mean, "std": std } } }]);
    let drawing: Drawing = serde_json::from_value(gaussian).unwrap();
    for kind in FamilyKind::ALL {
        let scene = Scene { family: kind.published(), time: 0.6, drawing: drawing.clone(), ..scene() };
        let (sde, probe) = (scene.family.sde(), finished(PlaneProbe { scene: scene.clone(), point, network: None }));
        assert_eq!((probe.point, probe.way[0]), (point, point));
        let Level { alpha, sigma, .. } = sde.level(0.6);
        let variance = (alpha * std).powi(2) + sigma * sigma;
        let shrunk = std / (std * std + (sigma / alpha).powi(2)).sqrt();
        for axis in 0..2 {
            let x = f64::from(point[axis]);
            let off = x - alpha * mean[axis];
            let near = |found: f32, known: f64| (f64::from(found) - known).abs() < 1e-4 * (1.0 + known.abs());
            assert!(near(probe.score[axis], -off / variance), "{kind}: score {:?}", probe.score);
            let denoised = mean[axis] + alpha * std * std * off / variance;
            assert!(near(probe.denoised[axis], denoised), "{kind}: {:?}, not {denoised}", probe.denoised);
            let (end, known) = (probe.way.last().unwrap()[axis], mean[axis] + shrunk * off / alpha);
            assert!((f64::from(end) - known).abs() < 0.01 * off.abs() / alpha, "{kind}: {end}, not {known}");
        }
    }
    // At the data there is no way to go.
    let end = finished(PlaneProbe { scene: Scene { time: 0.0, ..scene() }, point, network: None });
    assert_eq!(end.way, [point]);
}

#[test]
fn errors_and_sweeps_are_measured_for_every_pane() {
    let errors = finished(PlaneErrors { scene: scene(), network: None });
    assert!(errors[0].as_ref().unwrap().rms() > 0.0 && errors[1].is_none());
    let steps = [2, 10].map(|steps| Steps::new(steps).unwrap()).to_vec();
    let rows = finished(PlaneSweep { scene: scene(), network: None, steps });
    assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    assert!(rows.iter().all(|rows| rows[1].distance < rows[0].distance), "{rows:?}");
}

#[test]
fn a_network_is_learned_live_and_followed() {
    let recipe = Recipe { steps: 120, width: 32, depth: 2, ..Recipe::default() };
    let mut scene = Scene { learning: Some(recipe), ..scene() };
    scene.panes[0].learned = true;
    let task = start(PlaneLearn { scene: scene.clone() });
    let Some(Update::Report(live)) = task.wait(Duration::from_secs(60)) else { panic!("no report") };
    let End::Finished(learned) = task.end() else { panic!("it did not finish") };
    assert_eq!((learned.step, learned.losses.history.len(), live.shown().step), (120, 120, 120));
    assert_eq!(learned.errors.len(), 20);
    let shown = finished(PlaneClouds { scene: scene.clone(), network: Some(learned.network.clone()) });
    assert!(shown.panes[0].failure.is_none() && shown.panes[0].frames.last() != shown.panes[1].frames.last());
    let layers = Layers { score: true, ..Layers::default() };
    let network = Some(learned.network as score_explorer::engine::Network);
    let fields = finished(PlaneFields { scene: Scene { layers, ..scene }, detail: Detail::default(), network });
    assert!(fields.difference.is_some());
    let _: Arc<_> = fields;
}

/// What cannot be is a failure in two sentences.
#[test]
fn an_impossible_scene_fails() {
    for impossible in [Scene { count: 0, ..scene() }, Scene { drawing: Default::default(), ..scene() }] {
        match start(PlaneClouds { scene: impossible, network: None }).end() {
            End::Failed(failure) => assert!(!failure.what.is_empty() && !failure.remedy.is_empty()),
            other => panic!("{other:?}"),
        }
    }
}
