//! What a scene of the plane shows, computed beside whoever looks at it.

use super::refused;
use crate::engine::progress::Place;
use crate::engine::{Context, Ending, Task, locked};
use crate::plane::{
    self, Cloud, Course, DIRECTIONS, Detail, Drive, Errors, Fields, Frame, Learned, Learning, LevelError, Losses, Pane,
    Panel, Plane, Point, Probe, Quality, Scene, Start, against, errors, forward, integrate, sliced_wasserstein, sweep,
};
use crate::score::{ScoreError, ScoreModel};
use crate::task::Steps;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A score model of the plane that tasks share: a network that was learned.
pub type Network = Arc<dyn ScoreModel + Send + Sync>;

/// Computes what a scene's layers need at its time.
pub struct PlaneFields {
    pub scene: Scene,
    pub detail: Detail,
    /// Takes the place of the exact score.
    pub network: Option<Network>,
}

/// Computes what a scene's layers need of the whole of time.
pub struct PlaneCourse {
    pub scene: Scene,
    pub network: Option<Network>,
}

/// Computes what there is to say of a point at a scene's time.
pub struct PlaneProbe {
    pub scene: Scene,
    pub point: Point,
    pub network: Option<Network>,
}

/// Leads the clouds of a scene's panes, one after the other, and measures how far each ends from the data.
pub struct PlaneClouds {
    pub scene: Scene,
    /// What panes follow that follow a network.
    pub network: Option<Network>,
}

/// Learns the score of a scene's data by its recipe, and shows the network as it becomes better.
#[derive(Debug)]
pub struct PlaneLearn {
    pub scene: Scene,
}

/// What a learning shows: the newest of everything.
#[derive(Clone, Debug)]
pub struct PlaneLearning(Arc<Mutex<PlaneLearned>>);

/// The newest of everything.
#[derive(Clone, Debug)]
pub struct PlaneLearned {
    pub step: u64,
    pub losses: Losses,
    /// The network of the moment, and how far its score is from the exact one by noise level.
    pub network: Arc<Learned>,
    pub errors: Arc<[LevelError]>,
    /// The points that there are to learn from, where these are not always new.
    pub points: Arc<[Point]>,
    /// Of computing.
    pub seconds: f64,
}

/// How often the network of the moment is shown, at most.
const SHOWN: Duration = Duration::from_millis(250);

impl PlaneLearning {
    /// What is shown now.
    pub fn shown(&self) -> PlaneLearned {
        locked(&self.0).clone()
    }
}

impl Task for PlaneLearn {
    type Report = PlaneLearning;
    type Message = Infallible;
    type Output = PlaneLearned;

    fn run(self, context: &Context<Self>) -> Result<PlaneLearned, Ending> {
        let scene = self.scene;
        let plane = scene.plane().map_err(refused)?;
        let recipe = scene.learning.clone().unwrap_or_default();
        let (steps, seed) = (recipe.steps, recipe.seed);
        let mut learning = Learning::new(recipe, plane.clone()).map_err(refused)?;
        let (points, mut seconds): (Arc<[Point]>, f64) = (learning.points().into(), 0.0);
        let newest = |learning: &Learning, seconds: f64| {
            let network = learning.learned();
            let errors = against(&network, &plane, seed).into();
            let (step, losses, points) = (learning.step(), learning.losses().clone(), points.clone());
            PlaneLearned { step, losses, network: Arc::new(network), errors, points, seconds }
        };
        let live = PlaneLearning(Arc::new(Mutex::new(newest(&learning, 0.0))));
        context.begin(1, live.clone(), []);
        let mut shown = Instant::now();
        while !learning.is_done() {
            context.gate()?;
            let began = Instant::now();
            if !learning.advance().is_finite() {
                return Err(refused("the loss is not finite; choose a smaller learning rate").into());
            }
            seconds += began.elapsed().as_secs_f64();
            let step = learning.step();
            context.at(Place { step: step as usize, steps: steps as usize, share: step as f64 / steps as f64 });
            if shown.elapsed() >= SHOWN {
                *locked(&live.0) = newest(&learning, seconds);
                context.wake();
                shown = Instant::now();
            }
        }
        let last = newest(&learning, seconds);
        *locked(&live.0) = last.clone();
        Ok(last)
    }
}

/// Measures where the solvers of a scene's panes end against the exact flow, from starts evenly over the prior.
pub struct PlaneErrors {
    pub scene: Scene,
    pub network: Option<Network>,
}

impl Task for PlaneErrors {
    type Report = Infallible;
    type Message = Infallible;
    /// One each of the panes; `None` of those that have noise of their own.
    type Output = Vec<Option<Errors>>;

    fn run(self, context: &Context<Self>) -> Result<Vec<Option<Errors>>, Ending> {
        let PlaneErrors { scene, network } = self;
        let plane = scene.plane().map_err(refused)?;
        let gate = || context.gate();
        let mut all = Vec::new();
        for pane in &scene.panes {
            let network = borrowed(network.as_ref());
            let Some(model) = followed(pane, &plane, network) else {
                all.push(None);
                continue;
            };
            let drive = drive(&scene, pane, &plane, model, &gate);
            all.push(errors(&drive, &scene.error_starts(pane))?);
        }
        Ok(all)
    }
}

/// Measures how far the clouds of a scene's panes end from the data with these numbers of steps.
pub struct PlaneSweep {
    pub scene: Scene,
    pub network: Option<Network>,
    pub steps: Vec<Steps>,
}

impl Task for PlaneSweep {
    type Report = PlaneSwept;
    type Message = Infallible;
    /// One list each of the panes.
    type Output = Vec<Vec<Quality>>;

    fn run(self, context: &Context<Self>) -> Result<Vec<Vec<Quality>>, Ending> {
        let PlaneSweep { scene, network, steps } = self;
        let plane = scene.plane().map_err(refused)?;
        let live = PlaneSwept(Arc::new(Mutex::new(vec![Vec::new(); scene.panes.len()])));
        context.begin(scene.count, live.clone(), []);
        let gate = || context.gate();
        let whole = (steps.len() * scene.panes.len()).max(1);
        for (index, pane) in scene.panes.iter().enumerate() {
            context.gate()?;
            let network = borrowed(network.as_ref());
            let Some(model) = followed(pane, &plane, network) else { continue };
            let reference = plane::reference(&scene, &plane, pane);
            let drive = drive(&scene, pane, &plane, model, &gate);
            let mut done = index * steps.len();
            sweep(&drive, scene.count, &reference, &steps, &mut |quality| {
                locked(&live.0)[index].push(quality);
                done += 1;
                context.at(Place { step: done, steps: whole, share: done as f64 / whole as f64 });
            })?;
        }
        Ok(live.shown())
    }
}

/// What a sweep has measured so far, one list each of the panes.
#[derive(Clone, Debug)]
pub struct PlaneSwept(Arc<Mutex<Vec<Vec<Quality>>>>);

impl PlaneSwept {
    /// What is measured now.
    pub fn shown(&self) -> Vec<Vec<Quality>> {
        locked(&self.0).clone()
    }
}

/// What a pane follows; `None` where it is to be learned first.
fn followed<'a>(pane: &Pane, plane: &'a Plane, network: Option<&'a dyn ScoreModel>) -> Option<&'a dyn ScoreModel> {
    if pane.learned { network } else { Some(plane) }
}

fn drive<'a>(
    scene: &'a Scene,
    pane: &'a Pane,
    plane: &'a Plane,
    model: &'a dyn ScoreModel,
    gate: &'a dyn Fn() -> Result<(), ScoreError>,
) -> Drive<'a> {
    Drive { pane, family: &scene.family, plane, model, known: scene.known.as_ref(), seed: scene.seed, gate }
}

/// What is known of clouds when they begin.
#[derive(Clone, Debug)]
pub struct PlaneReport {
    /// The scene's data.
    pub plane: Arc<Plane>,
    /// What there is while they are under way.
    pub live: PlaneLive,
}

/// The newest of all clouds of a scene.
#[derive(Clone, Debug, Default)]
pub struct PlaneLive(Arc<Mutex<PlaneShown>>);

/// All clouds of a scene, as far as they are.
#[derive(Clone, Debug, Default)]
pub struct PlaneShown {
    /// The data led to noise by the forward SDE.
    pub forward: Option<Arc<Cloud>>,
    /// One each of the scene's panes.
    pub panes: Vec<PaneShown>,
}

impl PlaneShown {
    /// The clouds of a scene as they are drawn: that of the forward SDE where the scene has it, then the panes'. `errors` has
    /// one of each pane, as far as they are there.
    pub fn panels(&self, scene: &Scene, errors: &[Option<Errors>]) -> Vec<Panel> {
        let forward = self.forward.iter().filter(|_| scene.layers.bridge).map(|cloud| Panel {
            title: "Forward SDE".into(),
            frames: cloud.frames.clone(),
            ..Panel::default()
        });
        let panes = scene.panes.iter().zip(&self.panes).enumerate().map(|(index, (pane, shown))| Panel {
            title: pane.title(),
            note: shown.note(),
            frames: shown.frames.clone(),
            errors: errors.get(index).cloned().flatten(),
        });
        forward.chain(panes).collect()
    }
}

impl PaneShown {
    /// How near it came, in few words.
    fn note(&self) -> String {
        match (&self.failure, self.distance, self.nfe) {
            (Some(_), ..) => "failed".into(),
            (None, Some(distance), Some(nfe)) => format!("W₂ {distance:.3}, NFE {nfe:.0}"),
            (None, Some(distance), None) => format!("W₂ {distance:.3}"),
            (None, None, _) => String::new(),
        }
    }
}

/// A pane's cloud, as far as it is.
#[derive(Clone, Debug, Default)]
pub struct PaneShown {
    /// The start, then states after steps; of very many steps, some.
    pub frames: Vec<Arc<Frame>>,
    /// Score evaluations of each particle, once it has ended.
    pub nfe: Option<f64>,
    /// Sliced Wasserstein distance of its end from what it is after: the data, those of a class, or those given what is
    /// known.
    pub distance: Option<f64>,
    /// That of an exact sample of as many points: nothing is nearer, but by chance.
    pub floor: Option<f64>,
    /// Seconds of computing.
    pub seconds: f64,
    /// Why it ended early: one sentence.
    pub failure: Option<String>,
}

impl PlaneLive {
    /// What is shown now.
    pub fn shown(&self) -> PlaneShown {
        locked(&self.0).clone()
    }

    fn change<R>(&self, change: impl FnOnce(&mut PlaneShown) -> R) -> R {
        change(&mut locked(&self.0))
    }

    fn pane(&self, index: usize, change: impl FnOnce(&mut PaneShown)) {
        self.change(|shown| shown.panes.get_mut(index).map(change));
    }
}

/// Tasks are told by their scenes; networks say nothing of themselves.
macro_rules! told_by_its_scene {
    ($($task:ident),*) => {
        $(impl std::fmt::Debug for $task {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.debug_struct(stringify!($task)).field("scene", &self.scene).finish_non_exhaustive()
            }
        })*
    };
}
told_by_its_scene!(PlaneFields, PlaneCourse, PlaneProbe, PlaneClouds, PlaneErrors, PlaneSweep);

/// A network as a model, without what makes it sendable.
fn borrowed(network: Option<&Network>) -> Option<&dyn ScoreModel> {
    network.map(|network| -> &dyn ScoreModel { &**network })
}

impl Task for PlaneFields {
    type Report = Infallible;
    type Message = Infallible;
    type Output = Arc<Fields>;

    fn run(self, context: &Context<Self>) -> Result<Arc<Fields>, Ending> {
        let plane = self.scene.plane().map_err(refused)?;
        let network = borrowed(self.network.as_ref());
        Ok(Arc::new(Fields::of(&self.scene, &plane, network, self.detail, &|| context.gate())?))
    }
}

impl Task for PlaneCourse {
    type Report = Infallible;
    type Message = Infallible;
    type Output = Arc<Course>;

    fn run(self, context: &Context<Self>) -> Result<Arc<Course>, Ending> {
        let plane = self.scene.plane().map_err(refused)?;
        let network = borrowed(self.network.as_ref());
        Ok(Arc::new(Course::of(&self.scene, &plane, network, &|| context.gate())?))
    }
}

impl Task for PlaneProbe {
    type Report = Infallible;
    type Message = Infallible;
    type Output = Probe;

    fn run(self, context: &Context<Self>) -> Result<Probe, Ending> {
        let plane = self.scene.plane().map_err(refused)?;
        let network = borrowed(self.network.as_ref());
        Ok(Probe::of(&self.scene, &plane, network, self.point, &|| context.gate())?)
    }
}

impl Task for PlaneClouds {
    type Report = PlaneReport;
    type Message = Infallible;
    type Output = Arc<PlaneShown>;

    fn run(self, context: &Context<Self>) -> Result<Arc<PlaneShown>, Ending> {
        let PlaneClouds { scene, network } = self;
        let plane = Arc::new(scene.plane().map_err(refused)?);
        let live = PlaneLive::default();
        live.change(|shown| shown.panes = vec![PaneShown::default(); scene.panes.len()]);
        context.begin(scene.count, PlaneReport { plane: plane.clone(), live: live.clone() }, []);
        context.gate()?;
        let all = Clouds { scene: &scene, plane: &plane, network: borrowed(network.as_ref()), live: &live, context };
        if scene.layers.bridge || scene.layers.marginals || scene.start == Start::Forward {
            let (sde, steps) = (scene.family.sde(), Scene::FORWARD_STEPS);
            let cloud = forward(&plane, sde, 1.0, steps, scene.seed, scene.count);
            live.change(|shown| shown.forward = Some(Arc::new(cloud)));
            context.wake();
        }
        for index in 0..scene.panes.len() {
            all.lead(index)?;
        }
        all.measure()?;
        Ok(Arc::new(live.shown()))
    }
}

/// The clouds of a scene under way.
struct Clouds<'a> {
    scene: &'a Scene,
    plane: &'a Plane,
    network: Option<&'a dyn ScoreModel>,
    live: &'a PlaneLive,
    context: &'a Context<PlaneClouds>,
}

impl Clouds<'_> {
    /// Leads one pane's particles. What fails there is no failure of the others.
    fn lead(&self, index: usize) -> Result<(), Ending> {
        let Clouds { scene, plane, live, context, .. } = *self;
        let Some(pane) = scene.panes.get(index) else { return Ok(()) };
        let began = Instant::now();
        let steps = pane.steps.get();
        let mut see = |frame: &Arc<Frame>| {
            live.pane(index, |shown| {
                shown.frames.push(frame.clone());
                shown.seconds = began.elapsed().as_secs_f64();
            });
            let share = (index as f64 + frame.step as f64 / steps as f64) / scene.panes.len() as f64;
            context.at(Place { step: frame.step, steps, share });
            ControlFlow::Continue(())
        };
        let ended = match followed(pane, plane, self.network) {
            Some(model) => {
                let gate = || {
                    context.gate()?;
                    context.meter.evaluated(scene.count, Duration::ZERO);
                    Ok(())
                };
                let drive = drive(scene, pane, plane, model, &gate);
                let start = scene.starts(plane, pane);
                integrate(&drive, scene.count, start.as_deref(), &mut see).map_err(|error| match error {
                    ScoreError::Stopped => None,
                    error => Some(error.to_string()),
                })
            }
            None => Err(Some("nothing is learned yet; train a network first, or follow the exact score".into())),
        };
        match ended {
            Ok(cloud) => live.pane(index, |shown| shown.nfe = Some(cloud.nfe)),
            Err(None) => return Err(Ending::Stopped),
            Err(why) => live.pane(index, |shown| shown.failure = why),
        }
        context.wake();
        Ok(())
    }

    /// How far each cloud ends from what it is after.
    fn measure(&self) -> Result<(), ScoreError> {
        let Clouds { scene, plane, live, context, .. } = *self;
        for (index, pane) in scene.panes.iter().enumerate() {
            context.gate()?;
            let last = live.change(|shown| shown.panes.get(index).and_then(|pane| pane.frames.last().cloned()));
            let Some(last) = last else { continue };
            let reference = plane::reference(scene, plane, pane);
            let distance = |points: &[Point]| {
                let found = sliced_wasserstein(points, &reference, DIRECTIONS);
                Some(found).filter(|found| found.is_finite())
            };
            let (found, floor) = (distance(&last.points), distance(&plane::fresh(scene, plane, pane)));
            live.pane(index, |shown| {
                shown.distance = found.filter(|_| shown.nfe.is_some());
                shown.floor = floor;
            });
            context.wake();
        }
        Ok(())
    }
}
