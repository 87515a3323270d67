//! What the engine computes for the scene that is shown: the newest is always under way, and what was there stays until it
//! comes.

use super::learning::{Drawn, Learner};
use crate::app::Session;
use crate::app::status::TaskLine;
use crate::engine::{
    DeviceChoice, End, Failure, Network, Options, PaneShown, PlaneClouds, PlaneCourse, PlaneErrors, PlaneFields,
    PlaneLive, PlaneProbe, PlaneShown, PlaneSweep, PlaneSwept, Priority, Task, TaskHandle, Update,
};
use crate::plane::{self, Cloud, Course, Detail, Errors, Fields, Layers, Point, Probe, Quality, Recipe, Scene, Start};
use crate::task::Steps;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clouds that have run for so long give way to newer settings; before, they may finish.
const PATIENCE: Duration = Duration::from_millis(400);
/// Cells of a density's side while the time moves.
const HURRIED: usize = 88;
/// Clouds that take longer are shown as they come.
const SOON: Duration = Duration::from_millis(250);

/// What something is computed for: a scene, and the network that takes the place of its exact score.
#[derive(Clone)]
struct Key {
    scene: Scene,
    network: Option<Network>,
    /// How finely fields are computed; of all else it is the usual.
    detail: Detail,
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        let same = match (&self.network, &other.network) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        same && self.scene == other.scene && self.detail == other.detail
    }
}

/// A task of a scene, what came of the last one, and of what that was.
struct Latest<T: Task, K = Key> {
    of: Option<K>,
    task: Option<TaskHandle<T>>,
    result: Option<T::Output>,
}

impl<T: Task, K> Default for Latest<T, K> {
    fn default() -> Self {
        Latest { of: None, task: None, result: None }
    }
}

impl<T: Task, K: Clone + PartialEq> Latest<T, K> {
    /// Takes in what has come, and begins with `wanted` where that is not the last. Why it failed, if it did.
    fn advance(&mut self, wanted: Option<K>, session: &mut Session, make: impl Fn(K) -> T) -> Option<Failure> {
        let mut failed = None;
        if let Some(task) = &self.task {
            match session.ended(task) {
                None => return None,
                Some(End::Finished(result)) => self.result = Some(result),
                Some(End::Failed(failure)) => failed = Some(failure),
                Some(End::Stopped) => {}
            }
            self.task = None;
        }
        if self.of != wanted {
            match &wanted {
                Some(key) => self.task = Some(session.begin(make(key.clone()), options(Priority::Interactive))),
                None => self.result = None,
            }
            self.of = wanted;
        }
        failed
    }
}

/// Clouds under way, or done.
struct Clouds {
    of: Key,
    began: Instant,
    task: TaskHandle<PlaneClouds>,
    live: Option<PlaneLive>,
    ended: bool,
}

/// Distances of the panes' ends for several numbers of steps.
struct Sweep {
    of: Key,
    task: Option<TaskHandle<PlaneSweep>>,
    live: Option<PlaneSwept>,
}

/// Numbers of steps that are swept.
const SWEPT: [usize; 8] = [2, 3, 5, 8, 12, 20, 35, 60];

/// All that is computed for a scene.
#[derive(Default)]
pub struct Work {
    fields: Latest<PlaneFields>,
    course: Latest<PlaneCourse>,
    errors: Latest<PlaneErrors>,
    probe: Latest<PlaneProbe, (Key, Point)>,
    sweep: Option<Sweep>,
    pub learner: Learner,
    /// The point of the plane that is looked at.
    pub pointed: Option<Point>,
    /// Which score is drawn.
    pub drawn: Drawn,
    /// Whether the time moves, so that fields are wanted soon rather than fine.
    pub hurries: bool,
    clouds: Option<Clouds>,
    /// The data, as the last clouds had them.
    pub data: Option<Arc<plane::Plane>>,
    /// What is shown of the clouds: the newest, or the ones before while these are under way.
    pub shown: PlaneShown,
    /// Why nothing can be computed: one sentence.
    pub problem: Option<String>,
}

fn options(priority: Priority) -> Options {
    Options { priority, ..Options::on(DeviceChoice::Cpu) }
}

/// A scene without what does not change what is computed, so that equal ones are computed once.
fn bare(scene: &Scene, layers: Layers) -> Scene {
    let (title, text, attempt) = (String::new(), String::new(), String::new());
    // The network is a part of the key; of its recipe it is enough that there is one.
    let learning = scene.learning.as_ref().map(|_| Recipe::default());
    Scene { title, text, attempt, layers, learning, ..scene.clone() }
}

/// What the layers of one time need.
fn of_time(scene: &Scene) -> Option<Scene> {
    let Layers { density, data, score, streamlines, flow, .. } = scene.layers;
    let layers = Layers { density, data, score, streamlines, flow, ..NOTHING };
    (layers != NOTHING).then(|| alone(scene, layers))
}

/// What the layers of all times need.
fn of_course(scene: &Scene) -> Option<Scene> {
    let Layers { solutions, marginals, .. } = scene.layers;
    let layers = Layers { solutions, marginals, ..NOTHING };
    (layers != NOTHING).then(|| Scene { time: 0.0, ..alone(scene, layers) })
}

/// What a point at the scene's time needs.
fn of_point(scene: &Scene) -> Scene {
    Scene { view: plane::View::default(), ..alone(scene, NOTHING) }
}

/// The data by themselves, without solvers.
fn alone(scene: &Scene, layers: Layers) -> Scene {
    Scene { panes: Vec::new(), start: Start::Prior, ..bare(scene, layers) }
}

/// What decides the clouds.
fn of_clouds(scene: &Scene) -> Scene {
    let Layers { bridge, marginals, .. } = scene.layers;
    Scene { time: 0.0, view: plane::View::default(), ..bare(scene, Layers { bridge, marginals, ..NOTHING }) }
}

const NOTHING: Layers = Layers {
    density: false,
    data: false,
    score: false,
    streamlines: false,
    flow: false,
    solutions: false,
    particles: false,
    trails: false,
    errors: false,
    marginals: false,
    bridge: false,
};

impl Work {
    /// Takes in what has come, and begins what the scene needs now.
    pub fn advance(&mut self, scene: &Scene, ctx: &egui::Context, session: &mut Session) {
        let mut failed = self.learner.poll(session);
        let newest = self.learner.network();
        // What is drawn follows the network where it is the learned score that is looked at.
        let drawn = newest.clone().filter(|_| self.drawn != Drawn::Exact);
        let detail = if self.hurries { Detail { density: HURRIED, ..Detail::default() } } else { Detail::default() };
        let fields = |Key { scene, network, detail }| PlaneFields { scene, detail, network };
        let wanted = of_time(scene).map(|scene| Key { scene, network: drawn.clone(), detail });
        failed = failed.or(self.fields.advance(wanted, session, fields));
        let detail = Detail::default();
        let wanted = self.pointed.map(|point| (Key { scene: of_point(scene), network: drawn.clone(), detail }, point));
        let probe = |(Key { scene, network, .. }, point)| PlaneProbe { scene, point, network };
        failed = failed.or(self.probe.advance(wanted, session, probe));
        let course = |Key { scene, network, .. }| PlaneCourse { scene, network };
        let wanted = of_course(scene).map(|scene| Key { scene, network: drawn.clone(), detail });
        failed = failed.or(self.course.advance(wanted, session, course));
        let clouds = of_clouds(scene);
        let network = newest.filter(|_| clouds.panes.iter().any(|pane| pane.learned));
        let clouds = Key { scene: clouds, network, detail };
        let errors = |Key { scene, network, .. }| PlaneErrors { scene, network };
        let wanted = scene.layers.errors.then(|| clouds.clone());
        failed = failed.or(self.errors.advance(wanted, session, errors));
        self.poll_sweep(session);
        failed = failed.or(self.advance_clouds(clouds, ctx, session));
        if let Some(Failure { what, remedy }) = failed {
            self.problem = Some(format!("{what} {remedy}"));
            self.shown = PlaneShown::default();
        }
    }

    fn advance_clouds(&mut self, wanted: Key, ctx: &egui::Context, session: &mut Session) -> Option<Failure> {
        let mut failed = None;
        if let Some(clouds) = &mut self.clouds {
            for update in session.hear(&clouds.task) {
                match update {
                    Update::Report(report) => {
                        self.data = Some(report.plane);
                        self.problem = None;
                        clouds.live = Some(report.live);
                    }
                    Update::Ended(End::Failed(failure)) => {
                        failed = Some(failure);
                        clouds.ended = true;
                    }
                    Update::Ended(_) => clouds.ended = true,
                    Update::Notice(_) | Update::Paused | Update::Resumed => {}
                }
            }
            if let Some(live) = &clouds.live {
                take(&mut self.shown, live.shown(), clouds.ended || clouds.began.elapsed() > SOON);
            }
            if clouds.of == wanted {
                return failed;
            }
            if let (false, Some(left)) = (clouds.ended, PATIENCE.checked_sub(clouds.began.elapsed())) {
                ctx.request_repaint_after(left);
                return failed;
            }
        }
        let Key { scene, network, .. } = wanted.clone();
        let task = session.begin(PlaneClouds { scene, network }, options(Priority::Foreground));
        self.clouds = Some(Clouds { of: wanted, began: Instant::now(), task, live: None, ended: false });
        failed
    }

    /// Measures how near the panes come with several numbers of steps.
    pub fn sweep(&mut self, session: &Session) {
        let Some(Clouds { of, .. }) = &self.clouds else { return };
        let steps = SWEPT.into_iter().filter_map(|steps| Steps::new(steps).ok()).collect();
        let Key { scene, network, .. } = of.clone();
        let task = session.begin(PlaneSweep { scene, network, steps }, options(Priority::Foreground));
        self.sweep = Some(Sweep { of: of.clone(), task: Some(task), live: None });
    }

    fn poll_sweep(&mut self, session: &mut Session) {
        let Some(sweep) = &mut self.sweep else { return };
        let Some(task) = &sweep.task else { return };
        let mut ended = false;
        for update in session.hear(task) {
            match update {
                Update::Report(live) => sweep.live = Some(live),
                Update::Ended(_) => ended = true,
                Update::Notice(_) | Update::Paused | Update::Resumed => {}
            }
        }
        if ended {
            sweep.task = None;
        }
    }

    /// What was swept of the solvers as they are now, one list each, and whether it is under way.
    pub fn swept(&self) -> (Vec<Vec<Quality>>, bool) {
        // What was measured of other settings says nothing of these.
        let current = self.sweep.as_ref().filter(|sweep| self.clouds.as_ref().is_some_and(|now| now.of == sweep.of));
        let live = current.and_then(|sweep| sweep.live.as_ref());
        (live.map(PlaneSwept::shown).unwrap_or_default(), current.is_some_and(|sweep| sweep.task.is_some()))
    }

    /// Where the solvers end against the exact flow, one each of the panes, where that is wanted.
    pub fn errors(&self) -> &[Option<Errors>] {
        self.errors.result.as_deref().unwrap_or_default()
    }

    /// What there is of the scene's time.
    pub fn fields(&self) -> Option<&Arc<Fields>> {
        self.fields.result.as_ref()
    }

    /// What there is to say of the point that is looked at, or was a moment ago.
    pub fn probe(&self) -> Option<&Probe> {
        self.probe.result.as_ref()
    }

    /// What there is of all times.
    pub fn course(&self) -> Option<&Arc<Course>> {
        self.course.result.as_ref()
    }

    /// Whether all that was asked for is there.
    pub fn is_done(&self) -> bool {
        let clouds = self.clouds.as_ref().is_none_or(|clouds| clouds.ended);
        let rest = self.fields.task.is_none() && self.course.task.is_none() && self.errors.task.is_none();
        clouds && rest && !self.learner.is_active() && !self.swept().1
    }

    /// What it works on, where that takes long enough to be said.
    pub fn line(&self) -> Option<TaskLine> {
        if let Some(line) = self.learner.line() {
            return Some(line);
        }
        let clouds = self.clouds.as_ref().filter(|clouds| !clouds.ended && clouds.began.elapsed() > 2 * PATIENCE)?;
        Some(TaskLine::new("moving particles".into(), clouds.task.progress(), 0.1))
    }

    /// Ends learning, sweep and clouds; what is there stays.
    pub fn stop(&self) {
        self.learner.stop();
        if let Some(clouds) = &self.clouds {
            clouds.task.stop();
        }
        self.sweep.iter().filter_map(|sweep| sweep.task.as_ref()).for_each(TaskHandle::stop);
    }
}

/// Takes over newer clouds: those that have ended, and `early` those under way, too.
fn take(shown: &mut PlaneShown, newer: PlaneShown, early: bool) {
    let has_ended = |pane: &PaneShown| pane.nfe.is_some() || pane.failure.is_some();
    let old = std::mem::take(&mut shown.panes);
    let mut old = old.into_iter();
    shown.panes = newer
        .panes
        .into_iter()
        .map(|pane| match old.next() {
            // A figure of the cloud before is no figure of this one.
            Some(before) if !has_ended(&pane) && !early => PaneShown { distance: None, ..before },
            _ => pane,
        })
        .collect();
    shown.forward = newer.forward.or(if early { None } else { shown.forward.take() });
}

/// Where particles are at a time: between the frames before and after it, along a straight line.
pub fn places(frames: &[Arc<plane::Frame>], t: f64) -> Vec<Point> {
    // Times fall towards the data, or rise towards the noise.
    let falls = frames.first().zip(frames.last()).is_none_or(|(first, last)| first.t >= last.t);
    let passed = |frame: &Arc<plane::Frame>| if falls { frame.t > t } else { frame.t < t };
    let after = frames.partition_point(passed);
    match (after.checked_sub(1).and_then(|before| frames.get(before)), frames.get(after)) {
        (Some(before), Some(after)) => {
            let share = ((before.t - t) / (before.t - after.t)).clamp(0.0, 1.0) as f32;
            let between = |(a, b): (&Point, &Point)| [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])];
            before.points.iter().zip(&after.points).map(between).collect()
        }
        (Some(only), None) | (None, Some(only)) => only.points.clone(),
        (None, None) => Vec::new(),
    }
}

/// The same of a cloud.
pub fn of_cloud(cloud: &Cloud, t: f64) -> Vec<Point> {
    places(&cloud.frames, t)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(step: usize, t: f64, x: f32) -> Arc<plane::Frame> {
        Arc::new(plane::Frame { step, t, points: vec![[x, -x]] })
    }

    #[test]
    fn particles_are_between_their_frames_both_ways() {
        let down = [frame(0, 1.0, 4.0), frame(1, 0.5, 2.0), frame(2, 0.0, 0.0)];
        for (t, x) in [(1.0, 4.0), (0.75, 3.0), (0.5, 2.0), (0.1, 0.4), (0.0, 0.0)] {
            let [[found, other]] = places(&down, t)[..] else { panic!("one point") };
            assert!((found - x).abs() < 1e-6 && other == -found, "{t}: {found}");
        }
        let up = [frame(0, 0.0, 0.0), frame(1, 1.0, 4.0)];
        assert_eq!(places(&up, 0.25), [[1.0, -1.0]]);
        // Before the start and after the end they stand still.
        let late = [frame(0, 0.6, 4.0), frame(1, 0.2, 2.0)];
        assert_eq!((places(&late, 0.9), places(&late, 0.1)), (vec![[4.0, -4.0]], vec![[2.0, -2.0]]));
        assert!(places(&[], 0.5).is_empty());
    }

    #[test]
    fn clouds_that_have_not_ended_do_not_take_the_place_of_those_before_at_once() {
        let ended = PaneShown {
            frames: vec![frame(0, 1.0, 1.0)],
            nfe: Some(20.0),
            distance: Some(0.1),
            ..PaneShown::default()
        };
        let mut shown = PlaneShown { forward: None, panes: vec![ended.clone()] };
        let begun = || PlaneShown { forward: None, panes: vec![PaneShown::default(), PaneShown::default()] };
        take(&mut shown, begun(), false);
        assert_eq!((shown.panes[0].frames.len(), shown.panes[0].distance), (1, None));
        assert_eq!(shown.panes.len(), 2);
        take(&mut shown, begun(), true);
        assert!(shown.panes[0].frames.is_empty());
    }

    #[test]
    fn moving_the_time_moves_no_particle_anew() {
        let scene = Scene::default();
        let later = Scene { time: 0.7, title: "T".into(), ..scene.clone() };
        assert!(of_clouds(&scene) == of_clouds(&later) && of_time(&scene) != of_time(&later));
        assert_eq!(of_course(&scene), None);
    }
}
