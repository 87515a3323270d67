//! The solver's controls: only those that mean something for the solver that is chosen.

use crate::app::widgets::{Combo, control_width, named, row, segmented};
use crate::app::{CorrectorKind, Draft, GridKind, Method};
use crate::solver::{Norms, Predictor, Rho};
use crate::task::Steps;
use egui::{DragValue, Ui, vec2};

/// Shows solver, steps, grid and last-step denoising.
pub fn ui(ui: &mut Ui, draft: &mut Draft) {
    method(ui, draft);
    if draft.method == Method::Pc {
        predictor(ui, draft);
        corrector(ui, draft);
        if draft.corrector != CorrectorKind::None {
            corrector_parameters(ui, draft);
        }
    }
    steps(ui, draft);
    grid(ui, draft);
    clip(ui, draft);
    denoise(ui, draft);
}

fn method(ui: &mut Ui, draft: &mut Draft) {
    let tip = |method| match method {
        Method::Pc => "Predictor–corrector sampler on the reverse SDE (Song et al. 2021, algorithm 1)",
        Method::Ddim => "Deterministic, first order (Song, Meng and Ermon 2021, η = 0)",
        Method::Heun => "Deterministic, second order, two evaluations a step (Karras et al. 2022)",
        Method::DpmPlusPlus => "Deterministic, second order, one evaluation a step: DPM-Solver++(2M) (Lu et al. 2022)",
    };
    let options = Method::ALL.map(|method| (method, method.name(), None, tip(method)));
    segmented(ui, &mut draft.method, &options);
}

fn predictor(ui: &mut Ui, draft: &mut Draft) {
    let tip = "Predictor: the numerical step that carries x from t to the next t";
    let corrector = draft.corrector;
    row(ui, "Predictor", tip, |ui| {
        let combo = Combo { name: "Predictor", tip, width: control_width(ui) };
        combo.show(
            ui,
            &mut draft.predictor,
            &Predictor::ALL,
            |predictor| predictor.name().into(),
            |&predictor| {
                let idle = predictor == Predictor::None && corrector == CorrectorKind::None;
                idle.then(|| "Without a corrector this would do nothing. Choose a corrector first.".into())
            },
        );
    });
}

fn corrector(ui: &mut Ui, draft: &mut Draft) {
    let tip = "Corrector: Markov chain steps at each level that leave p(x, t) as it is";
    let predictor = draft.predictor;
    row(ui, "Corrector", tip, |ui| {
        let combo = Combo { name: "Corrector", tip, width: control_width(ui) };
        combo.show(
            ui,
            &mut draft.corrector,
            &CorrectorKind::ALL,
            |corrector| corrector.name().into(),
            |&corrector| {
                let idle = corrector == CorrectorKind::None && predictor == Predictor::None;
                idle.then(|| "Without a predictor this would do nothing. Choose a predictor first.".into())
            },
        );
    });
}

fn corrector_parameters(ui: &mut Ui, draft: &mut Draft) {
    let tip = "Signal-to-noise ratio r of the corrector: sets its step size ε";
    row(ui, "SNR r", tip, |ui| {
        ui.spacing_mut().slider_width = (control_width(ui) - 64.0).max(40.0);
        let slider = egui::Slider::new(&mut draft.snr, 0.001..=10.0).logarithmic(true).max_decimals(4);
        named(ui.add(slider), "SNR", tip);
    });
    let tip = "Corrector steps M at each level";
    row(ui, "Steps M", tip, |ui| {
        let field = DragValue::new(&mut draft.corrector_steps).range(1..=100).speed(0.05);
        named(ui.add_sized(vec2(64.0, 24.0), field), "Corrector steps", tip);
        if draft.corrector == CorrectorKind::Langevin {
            norms(ui, draft);
        }
    });
    if draft.corrector == CorrectorKind::Hmc {
        let tip = "Leapfrog steps of one Hamiltonian trajectory";
        row(ui, "Leapfrog", tip, |ui| {
            let field = DragValue::new(&mut draft.leapfrog).range(1..=100).speed(0.05);
            named(ui.add_sized(vec2(64.0, 24.0), field), "Leapfrog steps", tip);
            let tip = "Accept or reject each proposal by the log-density difference along its path";
            ui.checkbox(&mut draft.adjusted, "Adjusted").on_hover_text(tip);
        });
    }
}

fn norms(ui: &mut Ui, draft: &mut Draft) {
    let tip = "Over what the norms in ε are taken: each sample by itself, or the batch's mean as published";
    let text = |norms: &Norms| match norms {
        Norms::Sample => "Each sample".to_owned(),
        Norms::Batch => "Batch mean".into(),
    };
    let combo = Combo { name: "Norms", tip, width: control_width(ui) };
    combo.show(ui, &mut draft.norms, &[Norms::Sample, Norms::Batch], text, |_| None);
}

fn steps(ui: &mut Ui, draft: &mut Draft) {
    let tip = "Number of steps N of the time grid, from noise (t = 1) to data (t = 0)";
    row(ui, "Steps N", tip, |ui| {
        let field = DragValue::new(&mut draft.steps).range(1..=Steps::MAX).speed(0.5);
        named(ui.add_sized(vec2(control_width(ui), 24.0), field), "Steps", tip);
    });
}

fn grid(ui: &mut Ui, draft: &mut Draft) {
    let tip =
        "How the N times are spaced: uniform as published, quadratic, Karras et al.'s ρ, or equal steps of log-SNR";
    row(ui, "Grid", tip, |ui| {
        let edm = draft.grid == GridKind::Edm;
        let width = control_width(ui) - if edm { 72.0 } else { 0.0 };
        let combo = Combo { name: "Grid", tip, width };
        combo.show(ui, &mut draft.grid, &GridKind::ALL, |grid| grid.name().into(), |_| None);
        if edm {
            let tip = "ρ: larger puts more steps near the data (Karras et al. 2022, eq. 5)";
            let field = DragValue::new(&mut draft.rho).range(Rho::MIN..=Rho::MAX).speed(0.05).prefix("ρ ");
            named(ui.add_sized(vec2(64.0, 24.0), field), "Rho", tip);
        }
    });
}

fn clip(ui: &mut Ui, draft: &mut Draft) {
    let tip = "Keep every estimate x₀ of x(0) inside the data's range; the published samplers do not";
    ui.checkbox(&mut draft.clip, "Clip x₀ to the range").on_hover_text(tip).accessible_name("Clip");
}

/// Deterministic solvers have no last noise to leave out.
fn denoise(ui: &mut Ui, draft: &mut Draft) {
    if draft.method == Method::Pc {
        let tip = "Leave the noise of the last update out, as published (noise_removal)";
        ui.checkbox(&mut draft.denoise, "Denoise the last step").on_hover_text(tip);
    }
}
