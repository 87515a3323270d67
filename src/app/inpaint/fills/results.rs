//! The panel on the right: what is asked, and the samples that come back.

use super::{Answer, Problem, setup};
use crate::app::Context;
use crate::app::inpaint::{Command, Inpaint};
use crate::app::theme::{Theme, UNIT};
use crate::app::widgets::{dashed, frame, human_time, named};
use egui::{Button, ProgressBar, RichText, Sense, Stroke, StrokeKind, Ui, vec2};

/// Side of a picture of the history, in points.
const PAST: f32 = 40.0;

/// Shows the panel.
pub fn ui(ui: &mut Ui, inpaint: &mut Inpaint, cx: &mut Context) {
    ui.spacing_mut().item_spacing.y = 1.5 * UNIT;
    inpaint.fills.textures.begin();
    setup::tabs(ui, &mut inpaint.fills.draft);
    setup::ui(ui, inpaint, cx);
    progress(ui, inpaint);
    if inpaint.fills.pictures().is_none() && !inpaint.fills.is_busy() {
        return nothing_yet(ui, inpaint);
    }
    compared(ui, inpaint);
    grid(ui, inpaint);
    picked(ui, inpaint);
    history(ui, inpaint);
}

fn progress(ui: &mut Ui, inpaint: &Inpaint) {
    let Some(line) = inpaint.fills.line() else { return };
    let left =
        if line.seconds_left.is_finite() { human_time(f64::from(line.seconds_left)) + " left" } else { String::new() };
    ui.add(ProgressBar::new(line.share).desired_height(6.0));
    ui.label(RichText::new(format!("{} · {} NFE  {left}", line.what, line.nfe)).small().weak())
        .on_hover_text("If you keep painting, the model continues with the new mask from its current noise level");
}

/// What will be there.
fn nothing_yet(ui: &mut Ui, inpaint: &mut Inpaint) {
    let side = (ui.available_width() - UNIT) / 2.0;
    for _ in 0..2 {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = UNIT;
            for _ in 0..2 {
                let (rect, _) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
                dashed(ui, rect, "");
            }
        });
    }
    let painted = inpaint.canvas.as_mut().map(|canvas| canvas.share() > 0.0);
    let text = match (inpaint.fills.draft.problem, painted) {
        (_, None) => "Open a photo first.",
        (Problem::Fill, Some(false)) => "Paint over the part to replace. Everything else is kept.",
        (Problem::Fill, Some(true)) => "Each sample is another way to fill in the masked area.",
        (Problem::Colourise, _) => "The model sees the grey photo; each sample is one way to colour it.",
        (Problem::Restore, _) => "The photo is degraded by A first; each sample is an image with that measurement.",
        (Problem::Edit, _) => {
            "The photo is noised to t and denoised again, which makes it more like the training data. Paint colours \
                               first (P) as hints of what should be where."
        }
    };
    ui.add(egui::Label::new(RichText::new(text).small().weak()).wrap());
}

/// The original and the measurement, where a mask does not say it all.
fn compared(ui: &mut Ui, inpaint: &mut Inpaint) {
    let fills = &mut inpaint.fills;
    let Some(answer) = fills.answers.get(fills.shown).filter(|_| fills.under_way.is_none()) else { return };
    let problem = answer.question.problem;
    if problem == Problem::Fill {
        return;
    }
    let side = (ui.available_width() - UNIT) / 3.0;
    let (original, measured) = (answer.question.observation.picture.clone(), answer.restored.measured.clone());
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = UNIT;
        let shown = [("original", Some(original)), ("measurement y", (problem != Problem::Edit).then_some(measured))];
        for (name, pixels) in shown {
            let Some(pixels) = pixels else { continue };
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 1.0;
                let (rect, _) = frame(ui, vec2(side, side), Sense::hover(), &format!("Image of the {name}"));
                fills.textures.paint(ui, rect, &pixels, 0, None, fills.draft.smooth);
                ui.label(RichText::new(name).small().weak());
            });
        }
    });
}

/// All samples.
fn grid(ui: &mut Ui, inpaint: &mut Inpaint) {
    let fills = &mut inpaint.fills;
    let count = fills.question().map_or(0, |question| question.restoration.run.count.get());
    let pictures = fills.pictures().cloned();
    let columns = match count {
        0 | 1 => 1,
        2..=4 => 2,
        5..=9 => 3,
        _ => 4,
    };
    let side = (ui.available_width() - UNIT * (columns as f32 - 1.0)) / columns as f32;
    let accent = Theme::of(ui).accent;
    ui.spacing_mut().item_spacing.y = UNIT;
    for row in 0..count.div_ceil(columns) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = UNIT;
            for sample in (row * columns..count).take(columns) {
                let (rect, response) = frame(ui, vec2(side, side), Sense::click(), &format!("Sample {}", sample + 1));
                match pictures.as_ref().filter(|pictures| sample < pictures.shape[0]) {
                    Some(pictures) => fills.textures.paint(ui, rect, pictures, sample, None, fills.draft.smooth),
                    None => dashed(ui, rect, ""),
                }
                if sample == fills.picked || response.has_focus() {
                    ui.painter().rect_stroke(rect, 0, Stroke::new(2.0, accent), StrokeKind::Inside);
                }
                if response.on_hover_text("Select this sample and show it on the photo").clicked() {
                    fills.picked = sample;
                    fills.draft.laid = true;
                }
            }
        });
    }
}

/// What can be done with the sample that is picked.
fn picked(ui: &mut Ui, inpaint: &mut Inpaint) {
    let fills = &mut inpaint.fills;
    ui.checkbox(&mut fills.draft.laid, "Show on photo").on_hover_text("Show the selected sample on the photo (V)");
    let Some(answer) = fills.answers.get(fills.shown).filter(|_| fills.under_way.is_none()) else { return };
    let picked = fills.picked;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = UNIT;
        let width = (ui.available_width() - UNIT) / 2.0;
        let tip = "Make this sample part of the photo, then paint over the next part to replace";
        if named(ui.add(Button::new("Apply").min_size(vec2(width, 24.0))), "Apply", tip).clicked() {
            inpaint.commands.push(Command::Adopt);
        }
        let tip = "Save the photo at full size with this sample blended in (PNG or JPEG)";
        if named(ui.add(Button::new("Save photo…").min_size(vec2(width, 24.0))), "Save photo", tip).clicked() {
            inpaint.commands.push(Command::SaveFilled);
        }
    });
    if fills.moment.is_none() {
        figures(ui, answer, picked);
    }
}

fn figures(ui: &mut Ui, answer: &Answer, picked: usize) {
    let restored = &answer.restored;
    let far = restored.inconsistency.get(picked).copied().unwrap_or(f64::NAN);
    let text = format!("‖A(x) − y‖ {far:.4} · {} NFE · {}", restored.nfe, human_time(answer.seconds));
    let tip = "Consistency: root mean square of A(x) − y, for values from 0 to 1; score evaluations per sample; and the \
               time for all samples";
    ui.label(RichText::new(text).small().weak()).on_hover_text(tip);
    let exchanges = restored.exchanges;
    if exchanges > 0 {
        let text = format!("mask changed {exchanges}× during sampling");
        ui.label(RichText::new(text).small().weak()).on_hover_text("The model continued from its current noise level");
    }
}

/// Earlier results.
fn history(ui: &mut Ui, inpaint: &mut Inpaint) {
    let fills = &mut inpaint.fills;
    if fills.answers.len() < 2 {
        return;
    }
    ui.separator();
    ui.label(RichText::new("Earlier results").small().weak())
        .on_hover_text("Earlier results, each with its photo and mask");
    let accent = Theme::of(ui).accent;
    let mut wanted = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(UNIT, UNIT);
        for (index, answer) in fills.answers.iter().enumerate() {
            let name = format!("Result {}", index + 1);
            let (rect, response) = frame(ui, vec2(PAST, PAST), Sense::click(), &name);
            fills.textures.paint(ui, rect, &answer.restored.pictures, 0, None, fills.draft.smooth);
            if index == fills.shown || response.has_focus() {
                ui.painter().rect_stroke(rect, 0, Stroke::new(2.0, accent), StrokeKind::Inside);
            }
            let what = format!("{} {}", answer.question.restoration.run.count.get(), answer.question.problem.noun());
            let method = answer.question.restoration.method.about().name;
            if response.on_hover_text(format!("{what} with {method}: go back to this result")).clicked() {
                wanted = Some(index);
            }
        }
    });
    if let Some(index) = wanted {
        inpaint.commands.push(Command::GoBack(index));
    }
}
