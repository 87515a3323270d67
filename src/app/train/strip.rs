//! The loss by noise level over time, as a strip of colours.

use crate::app::figure::short;
use crate::app::picture::VIRIDIS;
use crate::app::theme::{SMALL, Theme};
use crate::app::widgets::{frame, thousands};
use crate::train::{History, LEVELS};
use egui::{Align2, Color32, ColorImage, FontId, Rect, Sense, TextureHandle, TextureOptions, Ui, pos2, vec2};

/// Width of the legend on the left.
const LEGEND: f32 = 64.0;
/// Height of the figures below.
const BELOW: f32 = 18.0;

/// The strip's texture, made anew when the history has grown.
#[derive(Default)]
pub struct Strip {
    texture: Option<(u64, TextureHandle)>,
}

impl Strip {
    /// Shows the strip.
    pub fn ui(&mut self, ui: &mut Ui, history: Option<&History>, height: f32) {
        let (rect, response) = frame(ui, vec2(ui.available_width(), height), Sense::hover(), "Loss by noise level");
        let theme = Theme::of(ui);
        let image = Rect::from_min_max(rect.min + vec2(LEGEND, 0.0), rect.max - vec2(0.0, BELOW));
        let font = FontId::proportional(SMALL);
        let text = |at, align, text: &str| {
            ui.painter().text(at, align, text, font.clone(), theme.weak);
        };
        let Some(history) = history.filter(|history| !history.points.is_empty()) else {
            crate::app::widgets::dashed(ui, image, "Loss by noise level, over time");
            return;
        };
        let last = history.points.last().map_or(0, |point| point.images);
        if self.texture.as_ref().is_none_or(|(images, _)| *images != last) {
            let texture = ui.ctx().load_texture("loss by noise level", colours(history), TextureOptions::NEAREST);
            self.texture = Some((last, texture));
        }
        if let Some((_, texture)) = &self.texture {
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(texture.id(), image, whole, Color32::WHITE);
        }
        let [low, high] = history.levels.ratios;
        text(image.left_top() - vec2(6.0, 0.0), Align2::RIGHT_TOP, &short(high));
        text(image.left_center() - vec2(6.0, 0.0), Align2::RIGHT_CENTER, "noise σ/α");
        text(image.left_bottom() - vec2(6.0, 0.0), Align2::RIGHT_BOTTOM, &short(low));
        text(image.left_bottom() + vec2(0.0, 3.0), Align2::LEFT_TOP, "0");
        text(image.right_bottom() + vec2(0.0, 3.0), Align2::RIGHT_TOP, &format!("{} images", thousands(last)));
        let caption = "loss by noise level: dark is low";
        text(image.center_bottom() + vec2(0.0, 3.0), Align2::CENTER_TOP, caption);
        let tip = "Mean loss of the images at each noise level σ/α (the most noise above), by images seen. Dark is low, \
                   bright is high, on a logarithmic scale";
        response.on_hover_text(tip);
    }
}

/// A column for each point, the most noise above.
fn colours(history: &History) -> ColorImage {
    let values: Vec<Vec<Option<f32>>> = history
        .points
        .iter()
        .map(|point| (0..LEVELS).rev().map(|level| point.mean_at(level).map(|loss| loss.max(1e-9).ln())).collect())
        .collect();
    let known = || values.iter().flatten().flatten().copied();
    let (low, high) = known().fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let width = values.len();
    let mut pixels = vec![Color32::TRANSPARENT; width * LEVELS];
    for (column, values) in values.iter().enumerate() {
        // A level that no image had keeps the colour that it had before, or that of the next noisier one.
        for (row, value) in values.iter().enumerate() {
            let before = column.checked_sub(1).map(|before| pixels[row * width + before]);
            let before = before.or_else(|| row.checked_sub(1).map(|above| pixels[above * width + column]));
            pixels[row * width + column] = match value {
                Some(value) => VIRIDIS.colour((value - low) / (high - low).max(1e-6)),
                None => before.unwrap_or(Color32::TRANSPARENT),
            };
        }
    }
    ColorImage::new([width, LEVELS], pixels)
}
