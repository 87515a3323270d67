//! The movable square of a photo that a slot uses.

use super::Latents;
use super::board::Board;
use crate::app::photos::Crop;
use crate::app::theme::Theme;
use crate::app::widgets::modal;
use egui::{Color32, Rect, Sense, Slider, Stroke, StrokeKind, Ui, pos2, vec2};

/// Largest picture in the popup, in points.
const SIZE: f32 = 380.0;

/// A crop that is being edited: the slot, and the square so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cropping {
    pub slot: usize,
    pub crop: Crop,
}

/// Shows the popup while a crop is edited.
pub fn ui(ui: &Ui, latents: &mut Latents) {
    let Some(mut editing) = latents.cropping else { return };
    let Some(original) = latents.board.slots.get(editing.slot).and_then(|slot| slot.original.clone()) else {
        latents.cropping = None;
        return;
    };
    let (width, height) = (original.image.width(), original.image.height());
    let (mut open, mut taken) = (true, false);
    modal(ui, "crop", &mut open, SIZE, |ui| {
        ui.heading(format!("Crop {}", Board::name(editing.slot)));
        ui.label("Drag to move the crop, scroll to resize it.");
        // Below the picture is room for its controls, in a small window, too.
        let longest = SIZE.min(ui.ctx().content_rect().height() - 190.0).max(80.0);
        let scale = longest / width.max(height).max(1) as f32;
        let size = vec2(width as f32, height as f32) * scale;
        let (area, response) = ui.vertical_centered(|ui| ui.allocate_exact_size(size, Sense::drag())).inner;
        latents.textures.photo(ui, area, original.id, &original.image);
        let crop = &mut editing.crop;
        let moved = response.drag_delta();
        crop.centre = [crop.centre[0] + moved.x / size.x, crop.centre[1] + moved.y / size.y];
        if response.hovered() {
            let scrolled = ui.input(|input| input.smooth_scroll_delta().y);
            crop.side *= (-scrolled / 300.0).exp();
        }
        *crop = crop.inside(width, height);
        outline(ui, area, crop.square(width, height).map(|pixels| pixels as f32 * scale));
        response.on_hover_cursor(egui::CursorIcon::Grab).accessible_name("Crop area");
        ui.horizontal(|ui| {
            ui.label("Size");
            let slider = Slider::new(&mut crop.side, Crop::LEAST..=1.0).show_value(false);
            ui.add(slider).on_hover_text("Side of the crop").accessible_name("Crop size");
        });
        ui.horizontal(|ui| {
            taken = ui.button("Apply").clicked();
            taken || ui.button("Cancel").clicked()
        })
        .inner
    });
    if taken && let Some(slot) = latents.board.slots.get_mut(editing.slot) {
        slot.crop = editing.crop;
        latents.work.held = None;
    }
    latents.cropping = (open && !taken).then_some(editing);
}

/// Dims what is outside the square, in points from the area's corner.
fn outline(ui: &Ui, area: Rect, [left, top, side]: [f32; 3]) {
    let square = Rect::from_min_size(area.min + vec2(left, top), vec2(side, side));
    let dim = Color32::from_black_alpha(150);
    let outside = [
        Rect::from_min_max(area.min, pos2(area.right(), square.top())),
        Rect::from_min_max(pos2(area.left(), square.bottom()), area.max),
        Rect::from_min_max(pos2(area.left(), square.top()), pos2(square.left(), square.bottom())),
        Rect::from_min_max(pos2(square.right(), square.top()), pos2(area.right(), square.bottom())),
    ];
    for part in outside {
        ui.painter().rect_filled(part, 0, dim);
    }
    ui.painter().rect_stroke(square, 0, Stroke::new(2.0, Theme::of(ui).accent), StrokeKind::Inside);
}
