//! A solver's card: what it is, what a step of it computes, what it costs, and where it is published.

use super::math;
use super::theme::{Theme, UNIT};
use crate::registry::{About, Choice, Equation};
use crate::sde::Family;
use crate::solver::{Grid, Solver};
use egui::{Frame, Label, Margin, RichText, Ui};

/// What a card's buttons ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardAction {
    /// Show how fast its error falls with its steps.
    Convergence,
}

/// Shows the card of a solver in a family, on a time grid.
pub fn ui(ui: &mut Ui, solver: &Choice<dyn Solver>, grid: &Choice<dyn Grid>, family: &Family) -> Option<CardAction> {
    let mut action = None;
    let theme = Theme::of(ui);
    let frame = Frame::new().fill(theme.surround.gamma_multiply(0.5)).corner_radius(6).inner_margin(Margin::same(8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = UNIT;
        let entry = solver.entry();
        ui.label(RichText::new(entry.title(solver.settings())).strong());
        said(ui, solver.about());
        ui.add(Label::new(RichText::new(solver.facts().join(" · ")).small()).wrap());
        for equation in entry.equations(solver.settings(), family) {
            self::equation(ui, &equation);
        }
        for (what, about) in parts(solver, grid) {
            ui.add_space(UNIT);
            ui.label(RichText::new(format!("{what}: {}", about.name)).small().strong());
            said(ui, about);
        }
        ui.add_space(UNIT);
        let tip =
            "Measure the order of this solver: its error against its number of steps, on data whose score is exact";
        if ui.button("Convergence…").on_hover_text(tip).clicked() {
            action = Some(CardAction::Convergence);
        }
    });
    action
}

/// A title and the lines of an equation, typeset.
pub fn equation(ui: &mut Ui, equation: &Equation) {
    ui.add_space(2.0);
    ui.label(RichText::new(&equation.title).small().weak());
    for line in &equation.lines {
        math::show(ui, line);
    }
}

/// Summary and source.
fn said(ui: &mut Ui, about: &About) {
    ui.add(Label::new(RichText::new(about.summary).small().weak()).wrap());
    if !about.source.is_empty() {
        ui.add(Label::new(RichText::new(format!("Source: {}", about.source)).small().weak()).wrap());
    }
}

/// What the solver is put together of: the options of its choices that are described, and its grid.
fn parts(solver: &Choice<dyn Solver>, grid: &Choice<dyn Grid>) -> Vec<(&'static str, &'static About)> {
    let mut parts = Vec::new();
    for parameter in solver.parameters() {
        let chosen = parameter.options().into_iter().find(|about| about.slug == solver.settings().option(parameter));
        parts.extend(chosen.filter(|about| !about.source.is_empty()).map(|about| (parameter.name, about)));
    }
    parts.push(("Time grid", grid.about()));
    parts
}
