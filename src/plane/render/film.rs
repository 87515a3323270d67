//! A scene with all that was computed of it: drawn at any time, and from one end of time to the other.

use super::{Look, Panel, RenderError, Shot, pixels};
use crate::Pixels;
use crate::plane::{Course, Detail, Fields, Scene, SceneError, View};
use crate::score::{ScoreError, ScoreModel};
use image::RgbImage;
use std::sync::Arc;

/// What of a scene takes long to compute; its fields are computed as they are drawn.
#[derive(Clone)]
pub struct Film {
    pub scene: Scene,
    /// Takes the place of the exact score in fields.
    pub network: Option<Arc<dyn ScoreModel + Send + Sync>>,
    pub course: Arc<Course>,
    pub panels: Vec<Panel>,
    /// The view at a time.
    pub views: Arc<dyn Fn(f64) -> View + Send + Sync>,
}

/// A scene that cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    #[error(transparent)]
    Scene(#[from] SceneError),
    #[error(transparent)]
    Score(#[from] ScoreError),
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl Film {
    /// A picture at the scene's time.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn image(&self, look: &Look) -> Result<RgbImage, FilmError> {
        self.at(self.scene.time, Detail::of_picture(look.side), |shot| shot.image(look))
    }

    /// The same as a vector graphic.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn svg(&self, look: &Look) -> Result<String, FilmError> {
        self.at(self.scene.time, Detail::of_vectors(), |shot| shot.svg(look))
    }

    /// So many frames from noise to data, or without panes from data to noise. `go_on` is told after each how many of them
    /// are drawn, 0 to 1; `None` where it says no.
    ///
    /// # Errors
    /// If one cannot be drawn.
    pub fn frames(
        &self,
        look: &Look,
        count: usize,
        go_on: &mut dyn FnMut(f32) -> bool,
    ) -> Result<Option<Vec<Pixels<f32>>>, FilmError> {
        let mut frames = Vec::with_capacity(count);
        for index in 0..count {
            let share = index as f64 / count.saturating_sub(1).max(1) as f64;
            let time = if self.scene.panes.is_empty() { share } else { 1.0 - share };
            frames.push(pixels(&self.at(time, Detail::of_frame(), |shot| shot.image(look))?));
            if !go_on((index + 1) as f32 / count as f32) {
                return Ok(None);
            }
        }
        Ok(Some(frames))
    }

    fn at<R>(
        &self,
        time: f64,
        detail: Detail,
        draw: impl FnOnce(&Shot<'_>) -> Result<R, RenderError>,
    ) -> Result<R, FilmError> {
        let scene = Scene { time, view: (self.views)(time), ..self.scene.clone() };
        let plane = scene.plane()?;
        let network = self.network.as_deref().map(|network| -> &dyn ScoreModel { network });
        let fields = Fields::of(&scene, &plane, network, detail, &|| Ok(()))?;
        Ok(draw(&Shot { scene: &scene, fields: &fields, course: &self.course, panels: &self.panels })?)
    }
}
