//! The panel at the left: how the flow is solved, how latents are mixed, how likelihoods are estimated.

use super::Latents;
use super::draft::LatentsDraft;
use crate::app::parameters::{entries, parameters};
use crate::app::theme::Theme;
use crate::app::widgets::{Combo, control_width, named, row, segmented};
use crate::app::{Context, panes};
use crate::sde::FamilyKind;
use crate::task::Estimate;
use egui::{DragValue, RichText, Slider, Ui, vec2};

/// Shows the panel.
pub fn ui(ui: &mut Ui, latents: &mut Latents, cx: &mut Context) {
    panes::settings(ui, |ui| {
        shared(ui, cx);
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
    let tip = "Score model s(x, t) ≈ ∇ log p(x, t), shared with Trajectory: latents belong to a model";
    cx.model_row(ui, tip);
    let theme = Theme::of(ui);
    let tip = "The SDE whose probability-flow ODE is followed; its parameters are those of Trajectory";
    let option = |&kind: &FamilyKind| (kind, kind.name(), Some(theme.family(kind)), tip);
    let options: Vec<_> = FamilyKind::ALL.iter().map(option).collect();
    segmented(ui, &mut cx.draft.family, &options);
    cx.device_row(ui);
}

fn flow(ui: &mut Ui, draft: &mut LatentsDraft) {
    ui.label(RichText::new("Flow  dx/dt = f·x − ½ g²·∇ log p").small().weak()).on_hover_text(
        "The probability-flow ODE (Song et al. 2021, eq. 13): forwards it encodes, backwards it decodes",
    );
    entries(ui, &mut draft.solver, |solver| solver.is_invertible());
    parameters(ui, &mut draft.solver);
    if draft.solver.evaluations(1, false).is_some() {
        let tip = "Steps N of the fixed grid";
        row(ui, "Steps", tip, |ui| {
            let field = DragValue::new(&mut draft.steps).range(1..=1000);
            named(ui.add_sized(vec2(control_width(ui), 24.0), field), "Steps", tip);
        });
    }
    let tip = "t of the latent: 1 is the prior. Earlier, the latent keeps more of the picture, and mixes look more like \
               cross-fades. Likelihoods always go to 1";
    row(ui, "Until t", tip, |ui| {
        ui.spacing_mut().slider_width = (control_width(ui) - 56.0).max(40.0);
        let slider = Slider::new(&mut draft.until, 0.05..=1.0).fixed_decimals(2);
        named(ui.add(slider), "Until t", tip);
    });
}

fn mixing(ui: &mut Ui, draft: &mut LatentsDraft) {
    ui.label(RichText::new("Mixing latents").small().weak());
    let options = [
        (true, "Spherical", None, "Along a great circle, as latents of a Gaussian lie on a sphere (Shoemake 1985)"),
        (false, "Linear", None, "Along a straight line: the middle has a smaller norm than the prior's samples"),
    ];
    segmented(ui, &mut draft.spherical, &options);
    let tip = "Temperature: latents are multiplied by this before they are decoded; below 1 calmer, above 1 wilder";
    row(ui, "Temperature", tip, |ui| {
        ui.spacing_mut().slider_width = (control_width(ui) - 56.0).max(40.0);
        let slider = Slider::new(&mut draft.temperature, 0.0..=2.0).fixed_decimals(2);
        let response = named(ui.add(slider), "Temperature", tip);
        if response.double_clicked() {
            draft.temperature = 1.0;
        }
    });
    let tip = "Frames of the strip, A and B among them";
    row(ui, "Frames", tip, |ui| segmented(ui, &mut draft.frames, &[(9, "9", None, tip), (17, "17", None, tip)]));
}

fn estimate(ui: &mut Ui, draft: &mut LatentsDraft) {
    ui.label(RichText::new("Estimating likelihoods").small().weak());
    let tip = "Random probes ε of the divergence, ε·∇(f·ε) (Hutchinson, Skilling); more make the standard error smaller \
               and take longer. Exact models need none";
    row(ui, "Probes", tip, |ui| {
        let field = DragValue::new(&mut draft.probes).range(1..=Estimate::MAX_PROBES);
        named(ui.add_sized(vec2(64.0, 24.0), field), "Probes", tip);
        let combo = Combo { name: "Kind of probes", tip: "What probes are made of", width: control_width(ui) };
        let text = |rademacher: &bool| if *rademacher { "±1" } else { "Gaussian" }.to_owned();
        combo.show(ui, &mut draft.rademacher, &[true, false], text, |_| None);
    });
    let tip = "Add uniform noise of one grey level to every value, as published, so that bits/dim bounds those of the \
               8-bit picture";
    ui.checkbox(&mut draft.dequantise, "Dequantise").on_hover_text(tip);
}
