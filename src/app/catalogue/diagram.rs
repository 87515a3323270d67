//! A network as a picture and as tables.

use crate::app::theme::Theme;
use crate::checkpoint::{Fact, count, facts};
use crate::network::{Stage, StageKind};
use crate::score::Description;
use crate::task::ModelRef;
use egui::epaint::{CubicBezierShape, PathStroke};
use egui::{Color32, Grid, Rect, RichText, ScrollArea, Sense, Stroke, Ui, pos2, vec2};

/// Height of the picture, of which this much at the top is for what joins.
const HEIGHT: f32 = 150.0;
const ARCS: f32 = 50.0;
/// Height of a tensor's line.
const LINE: f32 = 17.0;

/// What is shown of a model, worked out once.
#[derive(Default)]
pub struct Drawn {
    of: Option<(ModelRef, Description)>,
    facts: Vec<Fact>,
    stages: Vec<Stage>,
    tensors: Vec<(String, Vec<usize>)>,
}

impl Drawn {
    pub fn learn(&mut self, model: &ModelRef, description: &Description) {
        if self.of.as_ref().is_none_or(|(known, said)| known != model || said != description) {
            self.of = Some((model.clone(), description.clone()));
            self.facts = facts(description);
            self.stages = description.config.outline();
            self.tensors = description.config.parameters();
        }
    }

    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    pub fn tensors(&self) -> &[(String, Vec<usize>)] {
        &self.tensors
    }
}

fn colour(theme: &Theme, kind: StageKind) -> Color32 {
    match kind {
        StageKind::Embedding => theme.weak,
        StageKind::Convolution => theme.series[1],
        StageKind::ResidualBlock => theme.accent,
        StageKind::Attention => theme.series[0],
        StageKind::Resampling => theme.series[2],
        StageKind::Refinement => theme.warning,
    }
}

fn sentence(stage: &Stage) -> String {
    let [input, output] = stage.channels;
    let (side, width) = (stage.side, stage.width);
    let name = stage.kind.name();
    format!("{name}, {input} → {output} channels, {side}×{width} pixels, {} parameters", count(stage.parameters))
}

/// The layers from left to right, as high as their pictures are large, with arcs where an earlier one joins.
pub fn ui(ui: &mut Ui, stages: &[Stage]) {
    let theme = Theme::of(ui);
    let (area, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Diagram of the layers"));
    let painter = ui.painter_at(area);
    painter.rect_filled(area, 4, theme.surround);
    let step = (area.width() - 12.0) / stages.len().max(1) as f32;
    let most = stages.iter().map(|stage| stage.side).max().unwrap_or(1);
    let ground = (area.top() + ARCS + area.bottom()) / 2.0;
    let tallest = area.height() - ARCS - 12.0;
    let bar = |place: usize, stage: &Stage| {
        let share = (stage.side as f32 / most as f32).sqrt().max(0.12);
        let middle = pos2(area.left() + 6.0 + (place as f32 + 0.5) * step, ground);
        Rect::from_center_size(middle, vec2((step - 1.5).clamp(1.0, 16.0), tallest * share))
    };
    for (place, stage) in stages.iter().enumerate() {
        let Some((from, kept)) = stage.joins.and_then(|from| Some((from, stages.get(from)?))) else { continue };
        let (start, end) = (bar(from, kept).center_top(), bar(place, stage).center_top());
        let far = (place - from) as f32 / stages.len() as f32;
        let lift = vec2(0.0, -(12.0 + ARCS * far));
        let points = [start, start + lift, end + lift, end];
        let stroke = PathStroke::new(1.0, theme.weak.gamma_multiply(0.5));
        painter.add(CubicBezierShape::from_points_stroke(points, false, Color32::TRANSPARENT, stroke));
    }
    let pointed = response.hover_pos();
    let mut said = None;
    for (place, stage) in stages.iter().enumerate() {
        let bar = bar(place, stage);
        let hovered = pointed.is_some_and(|at| (at.x - bar.center().x).abs() <= step / 2.0);
        painter.rect_filled(bar, 1, colour(theme, stage.kind));
        if hovered {
            painter.rect_stroke(bar.expand(1.5), 2, Stroke::new(1.5, theme.text), egui::StrokeKind::Outside);
            said = Some(sentence(stage));
        }
    }
    if let Some(said) = said {
        response.on_hover_text_at_pointer(said);
    }
    legend(ui, stages);
}

fn legend(ui: &mut Ui, stages: &[Stage]) {
    let theme = Theme::of(ui);
    ui.horizontal(|ui| {
        for kind in [
            StageKind::Embedding,
            StageKind::Convolution,
            StageKind::ResidualBlock,
            StageKind::Attention,
            StageKind::Resampling,
            StageKind::Refinement,
        ] {
            if stages.iter().any(|stage| stage.kind == kind) {
                let (mark, _) = ui.allocate_exact_size(vec2(9.0, 9.0), Sense::hover());
                ui.painter().rect_filled(mark, 2, colour(theme, kind));
                ui.label(RichText::new(kind.name()).small().color(theme.weak));
            }
        }
    });
}

/// One line for each layer.
pub fn layers(ui: &mut Ui, stages: &[Stage]) {
    Grid::new("layers").num_columns(5).striped(true).spacing([18.0, 2.0]).show(ui, |ui| {
        for title in ["", "Layer", "Channels", "Pixels", "Parameters"] {
            ui.label(RichText::new(title).small().weak());
        }
        ui.end_row();
        for (number, stage) in (1..).zip(stages) {
            let [input, output] = stage.channels;
            let joins = if stage.joins.is_some() { " + skip" } else { "" };
            ui.label(RichText::new(format!("{number}")).small().weak());
            ui.label(RichText::new(stage.kind.name()).small());
            ui.label(RichText::new(format!("{input} → {output}{joins}")).small());
            let pixels = if stage.kind == StageKind::Embedding {
                "–".into()
            } else {
                format!("{}×{}", stage.side, stage.width)
            };
            ui.label(RichText::new(pixels).small());
            ui.label(RichText::new(thousands(stage.parameters)).small());
            ui.end_row();
        }
    });
}

/// One line for each parameter.
pub fn tensors(ui: &mut Ui, tensors: &[(String, Vec<usize>)]) {
    ScrollArea::vertical().id_salt("tensors").max_height(260.0).auto_shrink([false, true]).show_rows(
        ui,
        LINE,
        tensors.len(),
        |ui, rows| {
            for (name, shape) in tensors.get(rows).unwrap_or_default() {
                let shape = shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
                ui.horizontal(|ui| {
                    ui.set_height(LINE);
                    ui.label(RichText::new(name).monospace().small());
                    ui.label(RichText::new(shape).small().weak());
                });
            }
        },
    );
}

/// A whole number with spaces between thousands.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}
