//! Lessons: scenes with a text, after the figures of the field's papers, in an order to go through them.

use super::{Scene, SceneError};

/// A scene that ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Its name on the command line.
    pub slug: &'static str,
    json: &'static str,
}

/// The lessons in their order, each beside its file.
macro_rules! lessons {
    ($($slug:literal),* $(,)?) => {
        &[$(Lesson { slug: $slug, json: include_str!(concat!("../../assets/lessons/", $slug, ".json")) }),*]
    };
}

static LESSONS: &[Lesson] = lessons![
    "score",
    "langevin",
    "annealing",
    "learning",
    "ancestral",
    "forward",
    "reverse",
    "probability-flow",
    "predictor-corrector",
    "likelihood",
    "inverse-problems",
    "guidance",
    "flow-matching",
    "failures",
];

/// All lessons, in the order in which they are best taken.
pub fn lessons() -> &'static [Lesson] {
    LESSONS
}

/// The scene of the lesson of this name.
///
/// # Errors
/// If there is none.
pub fn lesson(slug: &str) -> Result<Scene, SceneError> {
    let known = || LESSONS.iter().map(|lesson| lesson.slug).collect::<Vec<_>>().join(", ");
    let found = LESSONS.iter().find(|lesson| lesson.slug == slug);
    found.ok_or_else(|| SceneError::Lesson { found: slug.into(), known: known() })?.scene()
}

impl Lesson {
    /// Its scene.
    ///
    /// # Errors
    /// Never of one that ships: a test reads them all.
    pub fn scene(&self) -> Result<Scene, SceneError> {
        Scene::from_json(self.json)
    }
}
