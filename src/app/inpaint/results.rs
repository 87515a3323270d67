//! The panel at the right, before anything is filled in: what will be there.

use super::Inpaint;
use crate::app::latents::dashed;
use crate::app::theme::UNIT;
use crate::app::trajectory::Desk;
use egui::{RichText, Sense, Ui, vec2};

/// Fills across and down.
const GRID: [usize; 2] = [2, 2];

/// Shows the panel.
pub fn ui(ui: &mut Ui, inpaint: &mut Inpaint, _desk: &mut Desk<'_>) {
    ui.spacing_mut().item_spacing.y = UNIT;
    ui.label(RichText::new("Fills").strong()).on_hover_text("Samples of what could be where the photo is painted");
    let gap = UNIT;
    let side = (ui.available_width() - gap * (GRID[0] as f32 - 1.0)) / GRID[0] as f32;
    for _ in 0..GRID[1] {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            for _ in 0..GRID[0] {
                let (rect, _) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
                dashed(ui, rect, "");
            }
        });
    }
    let painted = inpaint.canvas.as_mut().map(|canvas| canvas.share() > 0.0);
    let text = match painted {
        None => "Open a photo first.",
        Some(false) => "Paint over what is to be filled in. What you leave is kept as it is.",
        Some(true) => "Each fill is another answer to the same question: what could be here?",
    };
    ui.add(egui::Label::new(RichText::new(text).small().weak()).wrap());
}
