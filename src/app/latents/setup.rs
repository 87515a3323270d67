//! The panel on the left: how the flow is solved, how latents are mixed, how likelihoods are estimated.

use super::Latents;
use super::draft::LatentsDraft;
use crate::app::parameters::{entries, parameters};
use crate::app::theme::Theme;
use crate::app::widgets::{Combo, control_width, fit_sliders, named, row, segmented};
use crate::app::{Context, panes};
use crate::sde::FamilyKind;
use crate::solver::Destination;
use crate::task::Estimate;
use egui::{DragValue, RichText, Slider, Ui, vec2};

/// Shows the panel.
pub fn ui(ui: &mut Ui, latents: &mut Latents, cx: &mut Context) {
    panes::settings(ui, |ui| {
        shared(ui, cx);
        if latents.board.has_photos() || latents.measure.folder.is_some() {
            cx.coverage(ui);
        }
        ui.separator();
        flow(ui, &mut latents.draft);
        if let Err(why) = latents.draft.flow(&cx.draft) {
            ui.add(egui::Label::new(RichText::new(why).color(ui.visuals().error_fg_color)).wrap());
        }
        ui.separator();
        mixing(ui, &mut latents.draft);
        ui.separator();
        estimate(ui, &mut latents.draft);
    });
}

/// What is the same in the workspace "Trajectory".
fn shared(ui: &mut Ui, cx: &mut Context) {
    let tip = "Score model s(x, t) ≈ ∇ log p_t(x), shared with Trajectory; latents belong to one model";
    cx.model_row(ui, tip);
    let theme = Theme::of(ui);
    let tip = "The SDE whose probability-flow ODE is solved; its parameters are set in Trajectory";
    let option = |&kind: &FamilyKind| (kind, kind.name(), Some(theme.family(kind)), tip);
    let options: Vec<_> = FamilyKind::ALL.iter().map(option).collect();
    segmented(ui, &mut cx.draft.family, &options);
    cx.device_row(ui);
}

fn flow(ui: &mut Ui, draft: &mut LatentsDraft) {
    ui.label(RichText::new("ODE  dx/dt = f·x − ½ g²·∇ log p_t(x)").small().weak()).on_hover_text(
        "The probability-flow ODE (Song et al. 2021, eq. 13), which encodes forwards and decodes backwards",
    );
    entries(ui, &mut draft.solver, |solver| solver.is_invertible());
    parameters(ui, &mut draft.solver);
    if draft.solver.evaluations(1, Destination::Noise).is_some() {
        let tip = "Number of steps N of the time grid";
        row(ui, "Steps", tip, |ui| {
            let field = DragValue::new(&mut draft.steps).range(1..=1000);
            named(ui.add_sized(vec2(control_width(ui), 24.0), field), "Steps", tip);
        });
    }
    let tip = "Time at which encoding stops: 1 is the prior. With less, latents keep more of the image and mixes look more \
               like cross-fades. Likelihoods always go to 1";
    row(ui, "Encode to t", tip, |ui| {
        fit_sliders(ui);
        let slider = Slider::new(&mut draft.until, 0.05..=1.0).fixed_decimals(2);
        named(ui.add(slider), "Encode to t", tip);
    });
}

fn mixing(ui: &mut Ui, draft: &mut LatentsDraft) {
    ui.label(RichText::new("Mixing latents").small().weak());
    let options = [
        (
            true,
            "Spherical",
            None,
            "Along a great circle, because Gaussian latents concentrate near a sphere (Shoemake 1985)",
        ),
        (false, "Linear", None, "Along a straight line, whose middle has a smaller norm than samples of the prior"),
    ];
    segmented(ui, &mut draft.spherical, &options);
    let tip = "Temperature: factor on latents before decoding; below 1 is smoother, above 1 busier";
    row(ui, "Temperature", tip, |ui| {
        fit_sliders(ui);
        let slider = Slider::new(&mut draft.temperature, 0.0..=2.0).fixed_decimals(2);
        let response = named(ui.add(slider), "Temperature", tip);
        if response.double_clicked() {
            draft.temperature = 1.0;
        }
    });
    let tip = "Number of frames in the strip, including A and B";
    row(ui, "Frames", tip, |ui| segmented(ui, &mut draft.frames, &[(9, "9", None, tip), (17, "17", None, tip)]));
}

fn estimate(ui: &mut Ui, draft: &mut LatentsDraft) {
    ui.label(RichText::new("Estimating likelihoods").small().weak());
    let tip = "Number of random probes ε for the divergence, ε·∇(f·ε) (Hutchinson, Skilling); more reduce the standard \
               error but take longer. Exact models need none";
    row(ui, "Probes", tip, |ui| {
        let field = DragValue::new(&mut draft.probes).range(1..=Estimate::MAX_PROBES);
        named(ui.add_sized(vec2(64.0, 24.0), field), "Probes", tip);
        let combo = Combo { name: "Probe distribution", tip: "Distribution of the probes", width: control_width(ui) };
        let text = |rademacher: &bool| if *rademacher { "±1" } else { "Gaussian" }.to_owned();
        combo.show(ui, &mut draft.rademacher, &[true, false], text, |_| None);
    });
    let tip = "Add uniform noise of one grey level to every value, as in Song et al. 2021, so that bits/dim bounds those of the \
               8-bit image";
    let without = format!("Without it, bits/dim is {}", Estimate::AT_GRID_POINTS);
    ui.checkbox(&mut draft.dequantise, "Dequantise").on_hover_text(format!("{tip}. {without}"));
    if !draft.dequantise {
        ui.add(egui::Label::new(RichText::new(without).small().weak()).wrap());
    }
}
