//! What a training shows: samples of the weights and of their average, and the loss by noise level over time.

use super::averages::Averages;
use super::{Command, Course, Strip};
use crate::app::RunState;
use crate::app::status::dot;
use crate::app::textures::Textures;
use crate::app::theme::Theme;
use crate::app::widgets::{dashed, frame, human_time, thousands};
use egui::{Frame, Margin, Rect, RichText, Sense, Ui, pos2, vec2};

/// Height of the strip with its legend.
const STRIP: f32 = 132.0;
/// Gap between samples.
const GAP: f32 = 2.0;

/// Shows the page.
pub fn ui(
    ui: &mut Ui,
    course: Option<&mut Course>,
    textures: &mut Textures,
    strip: &mut Strip,
    commands: &mut Vec<Command>,
) {
    let margin = Margin::symmetric(12, 8);
    let ground = Frame::new().inner_margin(margin);
    egui::CentralPanel::no_frame().frame(ground).show(ui, |ui| {
        let Some(course) = course else { return empty(ui, commands) };
        header(ui, course);
        ui.add_space(6.0);
        if let Some(averages) = course.averages.as_mut().filter(|averages| averages.is_choice()) {
            averages.ui(ui, commands);
            ui.add_space(6.0);
        }
        let height = (ui.available_height() - STRIP - 8.0).max(80.0);
        samples(ui, course, textures, height);
        ui.add_space(8.0);
        strip.ui(ui, course.history().map(std::sync::Arc::as_ref), STRIP);
    });
}

/// A half of the page and what it shows: the caption, its tip.
type Caption = (&'static str, &'static str);

/// The weights as they are.
const NOW: Caption = ("Weights now", "Samples of the weights as they are, from the same noise each time");
/// Their average.
const AVERAGED: Caption = (
    "Averaged weights",
    "Samples of the average of the weights, which the model is used with. At first it remembers the random first weights \
     and looks like noise for longer",
);
/// Of a training that has ended: the average that its model has.
const TRAINED: Caption = ("As trained", "Samples of the training's model, from the same noise as those beside");
/// Any other average.
const CHOSEN: Caption = ("Chosen average", "Samples of the average that the slider stands at, from the same noise");

/// Before the first training: what will be there, and how it begins.
fn empty(ui: &mut Ui, commands: &mut Vec<Command>) {
    let room = ui.available_size();
    let height = (room.y - STRIP - 60.0).max(80.0);
    halves(ui, height, [NOW, AVERAGED], |ui, rect, _| places(rect).into_iter().for_each(|place| dashed(ui, place, "")));
    ui.add_space(8.0);
    ui.vertical_centered(|ui| {
        ui.label(RichText::new("Watch a score model learn your images").heading());
        let text =
            "Little Worlds need nothing: press Start training. For your own, drop a folder of images here, or choose one.";
        ui.label(RichText::new(text).weak());
        ui.add_space(4.0);
        if ui.button("Choose a folder…").clicked() {
            commands.push(Command::ChooseFolder);
        }
    });
}

fn header(ui: &mut Ui, course: &Course) {
    let theme = Theme::of(ui);
    ui.horizontal_wrapped(|ui| {
        dot(ui, course.state.color(theme));
        ui.label(RichText::new(course.name()).heading());
        let mut parts = vec![format!("{} images", thousands(course.images()))];
        if let Some(point) = course.history().and_then(|history| history.points.last()) {
            parts.push(format!("loss {:.4}", point.mean_loss()));
        }
        if let Some(shown) = &course.shown {
            if shown.images_per_second > 0.0 {
                parts.push(format!("{:.0} images/s", shown.images_per_second));
            }
            if let Some(left) = course.left() {
                parts.push(format!("{} left", human_time(left)));
            }
            if let Some(saved) = shown.saved {
                parts.push(format!("saved {} ago", human_time(saved.elapsed().as_secs_f64())));
            }
        }
        ui.label(RichText::new(parts.join(" · ")).weak());
    });
    if let RunState::Failed(failure) = &course.state {
        let text = format!("{} {}", failure.what, failure.remedy);
        ui.add(egui::Label::new(RichText::new(text).color(theme.bad)).wrap());
    }
}

/// Two averages of the weights, or the weights and their average, side by side.
fn samples(ui: &mut Ui, course: &Course, textures: &mut Textures, height: f32) {
    let live = course.shown.as_ref().and_then(|shown| shown.samples.clone());
    let (captions, pixels) = match (&course.averages, &live) {
        (Some(averages), _) if averages.is_choice() => ([TRAINED, CHOSEN], [averages.trained(), averages.made()]),
        (_, Some(live)) => ([NOW, AVERAGED], [Some(&live.live), Some(&live.averaged)]),
        (averages, None) => ([NOW, AVERAGED], [None, averages.as_ref().and_then(Averages::trained)]),
    };
    halves(ui, height, captions, |ui, rect, which| {
        for (sample, place) in places(rect).into_iter().enumerate() {
            match pixels[which] {
                Some(pixels) => textures.paint(ui, place, pixels, sample, None, false),
                None => dashed(ui, place, ""),
            }
        }
    });
}

/// Two halves with their captions.
fn halves(ui: &mut Ui, height: f32, captions: [Caption; 2], mut show: impl FnMut(&mut Ui, Rect, usize)) {
    let width = (ui.available_width() - 16.0) / 2.0;
    let wanted = vec2(ui.available_width(), height);
    let (area, _) = ui.allocate_exact_size(wanted, Sense::hover());
    for (which, (caption, tip)) in captions.into_iter().enumerate() {
        let left = area.left() + which as f32 * (width + 16.0);
        let whole = Rect::from_min_size(pos2(left, area.top()), vec2(width, height));
        ui.scope_builder(egui::UiBuilder::new().max_rect(whole), |ui| {
            ui.label(RichText::new(caption).small().weak()).on_hover_text(tip);
            let room = ui.available_size();
            let (rect, response) = frame(ui, room, Sense::hover(), caption);
            response.on_hover_text(tip);
            show(ui, rect, which);
        });
    }
}

/// Where eight samples lie: as large as they can be, in two rows or four.
fn places(rect: Rect) -> Vec<Rect> {
    let side = |columns: f32, rows: f32| {
        ((rect.width() - GAP * (columns - 1.0)) / columns).min((rect.height() - GAP * (rows - 1.0)) / rows)
    };
    let (columns, rows) = if side(4.0, 2.0) >= side(2.0, 4.0) { (4, 2) } else { (2, 4) };
    let side = side(columns as f32, rows as f32).max(1.0);
    let place = |index: usize| {
        let (column, row) = ((index % columns) as f32, (index / columns) as f32);
        Rect::from_min_size(rect.min + vec2(column, row) * (side + GAP), vec2(side, side))
    };
    (0..columns * rows).map(place).collect()
}
