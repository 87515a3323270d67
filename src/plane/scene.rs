//! The whole state of the plane as one value: what a lesson is, what the window edits, what the command line renders.

use super::posterior::Known;
use super::{Drawing, DrawingError, Pane, PaneError, Plane, Point, Recipe, RecipeError, Start, View};
use crate::checkpoint::{FileError, is_marked, read_json, write_json};
use crate::registry::{Choice, find};
use crate::sde::{Family, FamilyKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

const WHAT: &str = "a scene of the plane";
/// The field that marks a scene's file, with its version.
const FIELD: &str = "score-explorer-plane";
const VERSION: u64 = 1;

/// Everything that decides what is seen in the plane. Serialised, it is a scene's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// A few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// A few sentences; an empty line between paragraphs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// One thing to try.
    #[serde(default, rename = "try", skip_serializing_if = "String::is_empty")]
    pub attempt: String,
    pub drawing: Drawing,
    pub family: Family,
    /// The time that is shown, 0 (data) to 1 (noise).
    #[serde(default)]
    pub time: f64,
    #[serde(default)]
    pub view: View,
    #[serde(default)]
    pub layers: Layers,
    /// Solvers beside each other, from the same start with the same noise.
    #[serde(default)]
    pub panes: Vec<Pane>,
    #[serde(default)]
    pub start: Start,
    /// Seed of all noise.
    #[serde(default)]
    pub seed: u64,
    /// Number of particles.
    #[serde(default = "usual_count")]
    pub count: usize,
    /// What is known of a point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
    /// How the network is learned that panes may follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning: Option<Recipe>,
}

/// What is shown, one over the other, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Layers {
    /// p_t, of what is known the posterior's.
    pub density: bool,
    /// The data themselves, a sample.
    pub data: bool,
    /// ∇ log p_t as arrows.
    pub score: bool,
    /// Lines along the score.
    pub streamlines: bool,
    /// Lines along the velocity of the probability-flow ODE.
    pub flow: bool,
    /// Whole solutions of the probability-flow ODE, from noise to data.
    pub solutions: bool,
    pub particles: bool,
    /// Where particles have been.
    pub trails: bool,
    /// Of the solver's end from the exact one, for each start.
    pub errors: bool,
    /// Paths beside the whole density: t to the right, the first coordinate upwards, in place of the plane.
    pub marginals: bool,
    /// The solver's particles beside those of the forward SDE, in one picture.
    pub bridge: bool,
}

impl Default for Layers {
    fn default() -> Self {
        Layers {
            density: true,
            data: false,
            score: false,
            streamlines: false,
            flow: false,
            solutions: false,
            particles: true,
            trails: false,
            errors: false,
            marginals: false,
            bridge: false,
        }
    }
}

/// A scene that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Drawing(#[from] DrawingError),
    #[error("pane {pane}: {source}")]
    Pane { pane: usize, source: PaneError },
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error("pane {0} follows a learned network, but the scene has no recipe for it; give `learning`")]
    Unlearned(usize),
    #[error("unknown lesson {found:?}; choose one of {known}")]
    Lesson { found: String, known: String },
    #[error("{0} panes are too many; give up to {most}", most = Scene::MOST_PANES)]
    Panes(usize),
    #[error("the time {0} is out of range; choose 0 to 1")]
    Time(f64),
    #[error("{0} particles is out of range; choose 1 to {most}", most = Scene::MOST_PARTICLES)]
    Count(usize),
    #[error("a view of half a side of {0} is out of range; choose 0.01 to 1000")]
    View(f64),
    #[error("what is known has values that are out of range; choose places within 100 and noise from 0 to 100")]
    Known,
    #[error("{field} has {found} characters; write up to {most}", most = Scene::MOST_TEXT)]
    Text { field: &'static str, found: usize },
    #[error("{0} starting points are out of range; give 1 to {most} finite ones", most = Scene::MOST_PARTICLES)]
    Start(usize),
    #[error("{0}")]
    Invalid(String),
}

impl Scene {
    /// Solvers beside each other.
    pub const MOST_PANES: usize = 4;
    /// Particles of a cloud.
    pub const MOST_PARTICLES: usize = 20_000;
    /// Characters of a text.
    pub const MOST_TEXT: usize = 8_000;

    /// A scene of these data in a family, with one solver.
    pub fn of(drawing: Drawing, family: Family) -> Self {
        Scene {
            title: String::new(),
            text: String::new(),
            attempt: String::new(),
            drawing,
            family,
            time: 0.0,
            view: View::default(),
            layers: Layers::default(),
            panes: vec![Pane::default()],
            start: Start::default(),
            seed: 0,
            count: usual_count(),
            known: None,
            learning: None,
        }
    }

    /// The data, if the scene can be.
    ///
    /// # Errors
    /// If a value is out of range, or parts do not fit together.
    pub fn plane(&self) -> Result<Plane, SceneError> {
        let plane = self.drawing.plane()?;
        self.check(&plane)?;
        Ok(plane)
    }

    fn check(&self, plane: &Plane) -> Result<(), SceneError> {
        for (field, text) in [("the title", &self.title), ("the text", &self.text), ("the try", &self.attempt)] {
            let found = text.chars().count();
            if found > Scene::MOST_TEXT {
                return Err(SceneError::Text { field, found });
            }
        }
        if !(0.0..=1.0).contains(&self.time) {
            return Err(SceneError::Time(self.time));
        }
        if !(1..=Scene::MOST_PARTICLES).contains(&self.count) {
            return Err(SceneError::Count(self.count));
        }
        let View { centre, half } = self.view;
        if !((0.01..=1000.0).contains(&half) && centre.iter().all(|x| x.abs() <= 1000.0)) {
            return Err(SceneError::View(half));
        }
        if self.known.is_some_and(|known| !known.is_possible()) {
            return Err(SceneError::Known);
        }
        if let Start::Points(points) = &self.start {
            let possible = points.iter().flatten().all(|x| x.abs() <= 1000.0);
            if !possible || !(1..=Scene::MOST_PARTICLES).contains(&points.len()) {
                return Err(SceneError::Start(points.len()));
            }
        }
        if self.panes.len() > Scene::MOST_PANES {
            return Err(SceneError::Panes(self.panes.len()));
        }
        self.learning.iter().try_for_each(Recipe::check)?;
        if let Some(index) = self.panes.iter().position(|pane| pane.learned && self.learning.is_none()) {
            return Err(SceneError::Unlearned(index + 1));
        }
        let classes = plane.classes();
        for (index, pane) in self.panes.iter().enumerate() {
            let checked = pane.check(&self.family, self.known.as_ref(), &classes);
            checked.map_err(|source| SceneError::Pane { pane: index + 1, source })?;
        }
        Ok(())
    }

    /// The data that a model of what is known has: those given it, where that is a mixture again.
    pub fn posterior(&self, plane: &Plane) -> Option<Plane> {
        self.known.and_then(|known| known.given(plane))
    }

    /// Starting points of the panes, in the units of the state at time 1; `None` for the prior.
    pub fn starts(&self, plane: &Plane, pane: &Pane) -> Option<Vec<Point>> {
        let sde = self.family.sde();
        match &self.start {
            Start::Prior => None,
            Start::Forward => {
                let forward = super::forward(plane, sde, pane.from, Scene::FORWARD_STEPS, self.seed, self.count);
                Some(forward.last().to_vec())
            }
            Start::Points(points) => {
                let std = if pane.from < 1.0 { sde.sigma(pane.from) } else { sde.prior_std() };
                Some(points.iter().map(|point| point.map(|x| (std * x) as f32)).collect())
            }
        }
    }

    /// Where errors are measured from: evenly over where nearly all of the prior is.
    pub fn error_starts(&self, pane: &Pane) -> Vec<Point> {
        const SIDE: usize = 17;
        let sde = self.family.sde();
        let std = if pane.from < 1.0 { sde.sigma(pane.from) } else { sde.prior_std() };
        View { centre: [0.0; 2], half: 2.0 * std }.cells(SIDE)
    }

    /// Steps of the forward SDE.
    pub const FORWARD_STEPS: usize = 100;

    /// A scene from the text of its file.
    ///
    /// # Errors
    /// If it is not one.
    pub fn from_json(text: &str) -> Result<Self, SceneError> {
        let value: Value = serde_json::from_str(text).map_err(|error| SceneError::Invalid(error.to_string()))?;
        let fields = value.as_object().cloned().unwrap_or_default();
        let fields = fields.into_iter().filter(|(key, _)| key != FIELD).collect();
        let scene = Scene::from_value(Value::Object(fields)).map_err(SceneError::Invalid)?;
        scene.plane()?;
        Ok(scene)
    }

    fn from_value(value: Value) -> Result<Self, String> {
        let family = value.get("family").cloned();
        let scene: Scene = serde_json::from_value(value).map_err(|error| error.to_string())?;
        // The families read their own fields and pass over others.
        let known = serde_json::to_value(scene.family).map_err(|error| error.to_string())?;
        let given = family.as_ref().and_then(Value::as_object).into_iter().flatten();
        match given.map(|(key, _)| key).find(|key| known.get(key.as_str()).is_none()) {
            Some(key) => Err(format!("the family has no field {key:?}; leave it out")),
            None => Ok(scene),
        }
    }

    /// Whether a file says that it is a scene.
    pub fn is_at(path: &Path) -> bool {
        is_marked(path, WHAT, FIELD)
    }

    /// Reads a scene's file (JSON), which may be a stranger's.
    ///
    /// # Errors
    /// If it cannot be read, or is no scene.
    pub fn read(path: &Path) -> Result<Self, SceneError> {
        let value = read_json(path, WHAT, FIELD, VERSION)?;
        let wrong = |reason| FileError::Format { path: path.into(), expected: WHAT, reason };
        let scene = Scene::from_value(value).map_err(wrong)?;
        scene.plane().map_err(|error| wrong(error.to_string()))?;
        Ok(scene)
    }

    /// Writes its file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SceneError> {
        Ok(write_json(path, WHAT, &Marked { version: VERSION, scene: self })?)
    }
}

/// A scene as its file has it.
#[derive(Serialize)]
struct Marked<'a> {
    #[serde(rename = "score-explorer-plane")]
    version: u64,
    #[serde(flatten)]
    scene: &'a Scene,
}

impl Default for Scene {
    /// Two moons in the family that is offered first for images.
    fn default() -> Self {
        let set = find("two-moons").map(Choice::new);
        Scene::of(set.map_or_else(Drawing::default, Drawing::famous), FamilyKind::Vp.published())
    }
}

fn usual_count() -> usize {
    1_000
}

/// A choice as text that may be left out: for `#[serde(with = "…")]`.
pub(super) mod maybe {
    use crate::registry::{Category, Choice};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::plane) fn serialize<E: ?Sized + Category, S: Serializer>(
        choice: &Option<Choice<E>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match choice {
            Some(choice) => serializer.collect_str(choice),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::plane) fn deserialize<'de, E: ?Sized + Category, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Choice<E>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}
