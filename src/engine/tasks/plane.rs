//! What a scene of the plane shows, computed beside whoever looks at it.

use super::refused;
use crate::engine::progress::Place;
use crate::engine::{Context, Ending, Task, locked};
use crate::plane::{
    self, Cloud, Course, DIRECTIONS, Detail, Drive, Fields, Frame, Pane, Plane, Point, Scene, Start, forward,
    integrate, sliced_wasserstein,
};
use crate::score::{ScoreError, ScoreModel};
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Instant;

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

/// Leads the clouds of a scene's panes, one after the other, and measures how far each ends from the data.
pub struct PlaneClouds {
    pub scene: Scene,
    /// What panes follow that follow a network.
    pub network: Option<Network>,
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
told_by_its_scene!(PlaneFields, PlaneCourse, PlaneClouds);

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
        let ended = match self.model(pane) {
            Some(model) => {
                let gate = || context.gate();
                let drive = Drive {
                    pane,
                    family: &scene.family,
                    plane,
                    model,
                    known: scene.known.as_ref(),
                    seed: scene.seed,
                    gate: &gate,
                };
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

    /// What a pane follows; `None` where it is to be learned first.
    fn model(&self, pane: &Pane) -> Option<&dyn ScoreModel> {
        if pane.learned { self.network } else { Some(self.plane) }
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
