//! Presets side by side from the same noise: their images, how these differ, and how they came to be.

use super::view::View;
use super::ways::Ways;
use super::{Command, Work};
use crate::Pixels;
use crate::app::figure::short;
use crate::app::textures::Textures;
use crate::app::theme::Theme;
use crate::app::widgets::{dashed, frame, named};
use egui::{RichText, ScrollArea, Sense, Slider, Ui, vec2};
use std::collections::HashMap;
use std::sync::Arc;

/// Gap between images.
const GAP: f32 = 2.0;
/// Images that are too small show nothing.
const LEAST: f32 = 24.0;

/// Differences that are shown, by the addresses of what they are of.
#[derive(Default)]
pub struct Differences {
    known: HashMap<[usize; 2], Difference>,
}

/// A difference, and the values that it is of, which keep their addresses as long.
struct Difference {
    shown: Pixels<f32>,
    _of: [Arc<[f32]>; 2],
}

impl Differences {
    /// |a − b|, twice as strong, so that small ones are seen.
    fn of(&mut self, a: &Pixels<f32>, b: &Pixels<f32>) -> Pixels<f32> {
        let address = |pixels: &Pixels<f32>| Arc::as_ptr(&pixels.values).cast::<f32>() as usize;
        if self.known.len() > 64 {
            self.known.clear();
        }
        let found = self.known.entry([address(a), address(b)]).or_insert_with(|| {
            let values = a.values.iter().zip(b.values.iter()).map(|(a, b)| 2.0 * (a - b).abs()).collect();
            let [n, ..] = a.shape;
            let shape = [n.min(b.shape[0]), a.shape[1], a.shape[2], a.shape[3]];
            Difference { shown: Pixels { shape, values }, _of: [a.values.clone(), b.values.clone()] }
        });
        found.shown.clone()
    }
}

/// Shows the page.
pub fn ui(
    ui: &mut Ui,
    work: &Work,
    view: &mut View,
    ways: &mut Ways,
    textures: &mut Textures,
    differences: &mut Differences,
    commands: &mut Vec<Command>,
) {
    let selected: Vec<usize> =
        view.selected.iter().copied().filter(|&index| index < work.comparison.cells.len()).collect();
    if selected.is_empty() {
        let text = "Click presets in the table or the chart to see their images side by side, from the same noise.";
        ui.add(egui::Label::new(RichText::new(text).weak()).wrap());
        return;
    }
    controls(ui, view, ways, &selected);
    agreement(ui, work, &selected);
    let columns = selected.len();
    let width = ((ui.available_width() - 8.0 - GAP * (columns as f32 - 1.0)) / columns as f32).max(LEAST);
    heads(ui, work, &selected, width, commands);
    let images: Vec<Option<Pixels<f32>>> = selected
        .iter()
        .map(|&index| {
            let recorded = ways.at.and_then(|_| ways.picture(index));
            let drawn = work.standing.cells.get(index).map(|cell| (*cell.images).clone());
            recorded.or(drawn.filter(|_| ways.at.is_none())).filter(|pixels| pixels.shape[0] > 0)
        })
        .collect();
    let rows = images.iter().flatten().map(|pixels| pixels.shape[0]).max().unwrap_or(4);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(GAP, GAP);
        for sample in 0..rows {
            ui.horizontal(|ui| {
                for (place, pixels) in images.iter().enumerate() {
                    let label = format!("{}, sample {}", work.comparison.cells[selected[place]].name, sample + 1);
                    let (rect, response) = frame(ui, vec2(width, width), Sense::hover(), &label);
                    let first = images.first().cloned().flatten();
                    match (pixels, first) {
                        (Some(pixels), Some(first))
                            if view.difference && place > 0 && first.shape[1..] == pixels.shape[1..] =>
                        {
                            let difference = differences.of(&first, pixels);
                            if sample < difference.shape[0] {
                                textures.paint(ui, rect, &difference, sample, None, false);
                            }
                        }
                        (Some(pixels), _) if sample < pixels.shape[0] && pixels.shape[2] > 1 => {
                            textures.paint(ui, rect, pixels, sample, None, false);
                        }
                        _ => dashed(ui, rect, ""),
                    }
                    response.on_hover_text(label);
                }
            });
        }
    });
}

fn controls(ui: &mut Ui, view: &mut View, ways: &mut Ways, selected: &[usize]) {
    ui.horizontal_wrapped(|ui| {
        let tip = "How the images of the others differ from the first one's, twice as strong (black: equal)";
        ui.add_enabled_ui(selected.len() > 1, |ui| ui.checkbox(&mut view.difference, "Difference").on_hover_text(tip));
        let mut scrubs = ways.at.is_some();
        let tip = "Sample a few again and record the way, to be scrubbed from noise to data side by side";
        if ui.checkbox(&mut scrubs, "Scrub").on_hover_text(tip).changed() {
            ways.clear();
            ways.at = scrubs.then_some(0.0);
        }
        if ways.are_under_way() {
            ui.spinner();
        }
    });
    if let (Some(at), Some([noise, data])) = (ways.at, ways.ends()) {
        let mut at = at.clamp(data, noise);
        ui.spacing_mut().slider_width = (ui.available_width() - 76.0).max(60.0);
        let tip = "Noise level σ/α, from noise (left) to data: the estimate of x(0) that each preset has there";
        let slider = Slider::new(&mut at, noise..=data).custom_formatter(|log, _| short(10f64.powf(log)));
        if named(ui.add(slider), "Noise level", tip).changed() {
            ways.at = Some(at);
        }
    }
}

/// How much two presets agree from equal noise.
fn agreement(ui: &mut Ui, work: &Work, selected: &[usize]) {
    let (Some(results), [first, second, ..]) = (&work.results, selected) else { return };
    let between = results.agreement.get(*first).and_then(|row| row.get(*second)).copied().flatten();
    if let Some(square) = between {
        let text = format!("The first two differ by {} per value (root mean square, in [0, 1])", short(square.sqrt()));
        ui.add(egui::Label::new(RichText::new(text).small().weak()).wrap());
    }
}

/// The names of the presets, with what can be done with each.
fn heads(ui: &mut Ui, work: &Work, selected: &[usize], width: f32, commands: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = GAP;
        for &index in selected {
            let cell = &work.comparison.cells[index];
            let tip = format!("{}. Click to open it in Trajectory", cell.summary);
            let text = RichText::new(&cell.name).small().color(Theme::of(ui).accent);
            let button = egui::Button::new(text).frame(false).truncate().min_size(vec2(width, 18.0));
            let name = format!("Open {} in Trajectory", cell.name);
            if named(ui.add_sized(vec2(width, 18.0), button), &name, &tip).clicked() {
                commands.push(Command::OpenRun(index));
            }
        }
    });
}
