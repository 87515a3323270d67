//! Equations, the card of a solver, and its order measured, in the window.

use super::{click, open, open_with, quick, stored, wait_until};
use crate::choices::solver;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use score_explorer::app::trajectory::Trajectory;
use score_explorer::app::{App, Draft};
use score_explorer::registry::{Category, without_terms};
use score_explorer::solver::Solver;
use score_explorer::task::MeasuredOrder;

fn measured(app: &App) -> Option<&MeasuredOrder> {
    app.workspace::<Trajectory>().expect("the workspace").convergence().measured()
}

fn with_solver(text: &str) -> Harness<'static, App> {
    open_with(Draft { solver: solver(text), ..quick(10) })
}

/// Presses what may lie beyond the end of its panel.
fn press(harness: &mut Harness<'static, App>, name: &str) {
    harness.get_by_label(name).click_accesskit();
    harness.run_steps(4);
}

#[test]
fn the_card_of_every_solver_says_what_its_entry_says() {
    for &entry in <dyn Solver>::all() {
        let draft = Draft { solver: score_explorer::registry::Choice::new(entry), ..quick(10) };
        let Ok(run) = draft.run() else { panic!("{}", entry.about().slug) };
        let harness = open_with(draft);
        let has = |text: &str| harness.query_all_by_label_contains(text).next().is_some();
        assert!(has(entry.about().summary) && has(entry.about().source), "{}", entry.about().slug);
        // Facts begin with the order, where there is one; other lines may speak of orders, too.
        let mut spoken = harness.query_all_by_label_contains("order ").map(|node| node.accesskit_node());
        let facts = spoken.find_map(|node| {
            let said = node.label().or_else(|| node.value())?;
            said.starts_with("order ").then_some(said)
        });
        match (entry.order(run.solver.settings()), facts) {
            (Some(order), Some(facts)) => assert!(facts.starts_with(&format!("order {order} ·")), "{facts}"),
            (order, facts) => assert_eq!((order, facts), (None, None), "{}", entry.about().slug),
        }
        let noise = if entry.is_stochastic(run.solver.settings()) { "stochastic" } else { "deterministic" };
        assert!(has(&format!("· {noise}")), "{}", entry.about().slug);
        // People with screen readers hear the text of which the formula is typeset.
        for equation in entry.equations(run.solver.settings(), &run.family) {
            for line in &equation.lines {
                let text = without_terms(line);
                let node = harness.query_all_by_label(&text).next();
                let role = node.map(|node| node.accesskit_node().role());
                assert_eq!(role, Some(Role::Label), "{line}");
            }
        }
    }
}

#[test]
fn facts_of_solvers_are_those_of_their_papers() {
    let facts = |text: &str| solver(text).facts().join(", ");
    assert_eq!(facts("ddim"), "order 1, 1 evaluation per step, deterministic, encodes and decodes");
    assert_eq!(facts("heun"), "order 2, 2 evaluations per step, deterministic, encodes and decodes");
    assert_eq!(facts("pc:reverse-diffusion:langevin:0.16:2"), "3 evaluations per step, stochastic");
    assert!(facts("adaptive").starts_with("chooses its own steps, deterministic"));
}

#[test]
fn the_order_of_a_solver_is_measured_at_a_click_on_its_card() {
    let mut harness = with_solver("heun");
    press(&mut harness, "Convergence…");
    assert!(harness.query_by_label("Stop").is_some());
    wait_until(&mut harness, "the order", |app| measured(app).is_some());
    let found = measured(harness.state()).unwrap().clone();
    let seen = found.rows.last().and_then(|row| row.order).unwrap();
    // The next order's share of the error is a step's length in log σ/α, 0.03.
    assert!((seen - 2.0).abs() < 0.1 && found.promised == Some(2.0), "{found:?}");
    let said = format!("Heun: order measured: {seen:.2}, promised: 2");
    assert!(harness.query_by_label(&said).is_some(), "{said}");

    // Another solver, in the same panel.
    click(&mut harness, "Solver to measure");
    click(&mut harness, "DDIM");
    click(&mut harness, "Measure order");
    wait_until(&mut harness, "the other order", |app| measured(app).is_some_and(|found| found.promised == Some(1.0)));
    harness.key_press(egui::Key::Escape);
    harness.run_steps(4);
    assert!(harness.query_by_label("Measure order").is_none());
}

#[test]
fn a_measurement_is_stopped_and_what_cannot_be_measured_says_why() {
    let mut harness = with_solver("ddim");
    press(&mut harness, "Convergence…");
    click(&mut harness, "Stop");
    for _ in 0..500 {
        std::thread::sleep(std::time::Duration::from_millis(4));
        harness.step();
        if harness.query_by_label("Stopped.").is_some() {
            break;
        }
    }
    assert!(harness.query_by_label("Stopped.").is_some() && measured(harness.state()).is_none());
    harness.key_press(egui::Key::Escape);
    drop(harness);

    let mut harness = with_solver("adaptive");
    press(&mut harness, "Convergence…");
    for _ in 0..500 {
        std::thread::sleep(std::time::Duration::from_millis(4));
        harness.step();
        if harness.query_by_label_contains("chooses its own steps, so that").is_some() {
            return;
        }
    }
    panic!("nothing was said");
}

#[test]
fn equations_and_the_panel_fit_into_a_small_window() {
    let mut harness = open(&stored(quick(3)));
    harness.set_size(super::small::SMALL);
    harness.run_steps(4);
    press(&mut harness, "Convergence…");
    wait_until(&mut harness, "the order", |app| measured(app).is_some());
    super::small::fits(&mut harness, "Convergence", super::small::SMALL);
}
