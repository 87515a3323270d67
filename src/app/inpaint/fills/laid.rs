//! The picked sample, laid on the photo where it changes it.

use crate::Pixels;
use crate::app::inpaint::Inpaint;
use crate::app::inpaint::viewport::Placed;
use egui::{Color32, ColorImage, Rect, TextureHandle, TextureOptions, Ui, pos2};
use std::sync::Arc;

/// What is on the screen: the sample, the confidence, and the texture made of them.
#[derive(Default)]
pub struct Laid {
    kept: Option<(Key, TextureHandle, Pixels<f32>)>,
}

/// Address of the values and the sample; address of the confidence; interpolated.
type Key = (usize, usize, usize, bool);

impl Inpaint {
    /// Whether a sample is laid on this photo now.
    pub(in crate::app::inpaint) fn is_laid(&self) -> bool {
        let canvas = self.canvas.as_ref().filter(|canvas| self.fills.draft.laid && !canvas.is_painting());
        let question = self.fills.question();
        let (Some(canvas), Some(question)) = (canvas, question) else { return false };
        let same = Arc::ptr_eq(&canvas.photo.image, &question.photo.image) && canvas.crop() == question.crop;
        // Hints that were painted since are looked at, not an answer that does not know them.
        same && canvas.hints().is_same(&question.hints) && self.fills.pictures().is_some()
    }

    /// Lays the picked sample on the photo.
    pub(in crate::app::inpaint) fn lay(&mut self, ui: &Ui, pane: Rect, placed: Placed) {
        if !self.is_laid() {
            return;
        }
        let Some(square) = self.canvas.as_ref().map(|canvas| canvas.square()) else { return };
        let fills = &self.fills;
        let (Some(pictures), Some(question)) = (fills.pictures(), fills.question()) else { return };
        let (sample, confidence) =
            (fills.picked.min(pictures.shape[0].saturating_sub(1)), question.observation.confidence.as_ref());
        // Enlarged pixels are smoothed, as pasting back does.
        let smooth = square[2] as usize > pictures.shape[3];
        let address = |pixels: &Pixels<f32>| Arc::as_ptr(&pixels.values).cast::<f32>() as usize;
        let key = (address(pictures), sample, confidence.map_or(0, address), smooth);
        let texture = match &fills.laid.kept {
            Some((kept, texture, _)) if *kept == key => texture.clone(),
            _ => {
                let image = coloured(pictures, sample, confidence);
                let options = if smooth { TextureOptions::LINEAR } else { TextureOptions::NEAREST };
                let texture = ui.ctx().load_texture("laid on the photo", image, options);
                // As long as the values are kept, their address is their own.
                let pictures = pictures.clone();
                self.fills.laid.kept = Some((key, texture.clone(), pictures));
                texture
            }
        };
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter().with_clip_rect(pane).image(texture.id(), placed.rect(square), whole, Color32::WHITE);
    }
}

/// A sample as opaque as little is trusted.
fn coloured(pictures: &Pixels<f32>, sample: usize, confidence: Option<&Pixels<f32>>) -> ColorImage {
    let [_, channels, height, width] = pictures.shape;
    let (values, plane) = (pictures.sample(sample), height * width);
    let level = |channel: usize, place: usize| {
        let value = values.get(channel.min(channels.saturating_sub(1)) * plane + place).copied().unwrap_or_default();
        (255.0 * value.clamp(0.0, 1.0)).round() as u8
    };
    let pixel = |place: usize| {
        let trusted = confidence.and_then(|confidence| confidence.values.get(place)).copied().unwrap_or(0.0);
        let alpha = (255.0 * (1.0 - trusted)).round() as u8;
        Color32::from_rgba_unmultiplied(level(0, place), level(1, place), level(2, place), alpha)
    };
    ColorImage::new([width, height], (0..plane).map(pixel).collect())
}
