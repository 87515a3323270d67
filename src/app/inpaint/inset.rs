//! What the model sees, in a corner of the stage: the square at the model's size, tinted where it is to fill in.

use super::canvas::Canvas;
use super::overlay::label;
use crate::app::theme::Theme;
use egui::{
    Align2, Color32, ColorImage, Rect, Role, Sense, Stroke, StrokeKind, TextureHandle, TextureOptions, Ui, Vec2,
    WidgetInfo, pos2,
};

/// Side of the inset, in points.
const SIDE: f32 = 120.0;
const MARGIN: f32 = 10.0;
/// Pixels of the photo that are averaged in one frame: well under a millisecond. The rest follows in the next ones.
const MOST: usize = 150_000;

/// The texture, and what it was made of.
#[derive(Default)]
pub struct Inset {
    /// Generation and side of what is shown.
    shown: Option<(u64, usize, TextureHandle)>,
    /// Whether all of it is as it should be.
    whole: bool,
}

impl Inset {
    /// Shows the inset at the lower left of `pane`.
    pub fn ui(&mut self, ui: &mut Ui, pane: Rect, canvas: &mut Canvas, side: usize, tint: [f32; 4]) {
        let corner = pos2(pane.left() + MARGIN, pane.bottom() - MARGIN - SIDE);
        let rect = Rect::from_min_size(corner, Vec2::splat(SIDE));
        self.renew(ui, canvas, side, tint);
        let Some((_, _, texture)) = &self.shown else { return };
        let theme = Theme::of(ui);
        let painter = ui.painter().with_clip_rect(pane);
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        painter.rect_filled(rect.expand(3.0), 3, theme.panel);
        painter.image(texture.id(), rect, whole, Color32::WHITE);
        painter.rect_stroke(rect.expand(3.0), 3, Stroke::new(1.0, theme.line), StrokeKind::Inside);
        label(ui, &painter, rect.left_top() - Vec2::new(3.0, 8.0), Align2::LEFT_BOTTOM, &format!("{side}×{side}"));
        let response = ui.interact(rect.expand(3.0), ui.scope_id().with("inset"), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "What the model sees"));
        response.on_hover_text(
            "The crop at the size that the model sees, each pixel the mean of what is kept of its area. \
             The tint shows how much of the pixel is to be filled in: 1 − confidence",
        );
    }

    fn renew(&mut self, ui: &Ui, canvas: &mut Canvas, side: usize, tint: [f32; 4]) {
        let generation = canvas.generation();
        if self.whole && self.shown.as_ref().is_some_and(|(of, at, _)| (*of, *at) == (generation, side)) {
            return;
        }
        let (observation, whole) = canvas.renew_evidence(side, MOST);
        self.whole = whole;
        if !whole {
            ui.ctx().request_repaint();
        }
        if !observation.filled {
            return;
        }
        let plane = side * side;
        let pixel = |place: usize| {
            let unknown = 1.0 - observation.confidence[place];
            let [r, g, b] = std::array::from_fn(|channel| {
                let level = observation.picture[channel * plane + place];
                (255.0 * (level + unknown * (tint[channel] - level))).round() as u8
            });
            Color32::from_rgb(r, g, b)
        };
        let image = ColorImage::new([side, side], (0..plane).map(pixel).collect());
        match &mut self.shown {
            Some((of, at, texture)) => {
                (*of, *at) = (generation, side);
                texture.set(image, TextureOptions::NEAREST);
            }
            None => {
                let texture = ui.ctx().load_texture("what the model sees", image, TextureOptions::NEAREST);
                self.shown = Some((generation, side, texture));
            }
        }
    }
}
