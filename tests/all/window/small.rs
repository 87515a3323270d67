//! A small window: 683×384 points are a laptop's 1366×768 pixels at 200%.

use super::{Storage, click, inpaint, open, quick, runs, stored, wait_until};
use egui::accesskit::Role;
use egui::{LayerId, Rect, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use score_explorer::app::App;
use std::collections::HashMap;

pub const SMALL: egui::Vec2 = vec2(683.0, 384.0);
/// What people press, by its role.
const CONTROLS: [Role; 7] =
    [Role::Button, Role::RadioButton, Role::CheckBox, Role::ComboBox, Role::Slider, Role::SpinButton, Role::TextInput];

/// What a person needs next, which no scrolling may hide.
const FIRST: [&str; 9] = [
    "Run",
    "Run again",
    "Try two examples",
    "Open a photo…",
    "Try an example",
    "Fill in",
    "Start training",
    "Measure",
    "Play",
];

/// A control: its name, the layer it is on, where it is, and what of it is within its panel.
struct Control {
    name: String,
    layer: LayerId,
    rect: Rect,
    seen: Rect,
}

fn controls(harness: &Harness<'static, App>) -> Vec<Control> {
    let mut names = HashMap::new();
    for role in CONTROLS {
        for node in harness.query_all_by_role(role) {
            let node = node.accesskit_node();
            let name = node.label().or_else(|| node.value()).unwrap_or_default();
            names.insert(node.locate().0, name);
        }
    }
    harness.ctx.viewport(|viewport| {
        let layers = viewport.prev_pass.widgets.layers();
        let widgets = layers.flat_map(|(&layer, widgets)| widgets.iter().map(move |widget| (layer, widget)));
        let named = widgets.filter_map(|(layer, widget)| {
            let name = names.get(&widget.id.accesskit_id())?.clone();
            Some(Control { name, layer, rect: widget.rect, seen: widget.interact_rect })
        });
        named.collect()
    })
}

/// What cannot be pressed, or not without pressing something else: cut at a side of its panel or of the window, or under
/// another control. (Above and below, panels scroll.)
fn crowded(harness: &Harness<'static, App>, size: egui::Vec2) -> Vec<String> {
    let window = Rect::from_min_size(egui::Pos2::ZERO, size);
    let all: Vec<_> = controls(harness).into_iter().filter(|control| control.seen.is_positive()).collect();
    assert!(all.len() > 6, "{} controls", all.len());
    let mut problems = Vec::new();
    for control in all.iter().filter(|control| FIRST.contains(&control.name.as_str())) {
        if control.seen.intersect(window).height() < control.rect.height() - 1.0 {
            problems.push(format!("{:?} is cut off: {:?} of {:?}", control.name, control.seen, control.rect));
        }
    }
    for (place, control) in all.iter().enumerate() {
        let seen = control.seen.intersect(window);
        if seen.width() < control.rect.width() - 1.0 {
            problems.push(format!("{:?} is cut: {:?} of {:?}", control.name, seen, control.rect));
        }
        for other in all[..place].iter().filter(|other| other.layer == control.layer) {
            let both = seen.intersect(other.seen);
            if both.width() > 1.0 && both.height() > 1.0 {
                problems.push(format!("{:?} lies on {:?}", control.name, other.name));
            }
        }
    }
    problems
}

/// Every workspace, empty and with work in it, and every panel beside it.
#[track_caller]
pub fn fits(harness: &mut Harness<'static, App>, what: &str, size: egui::Vec2) {
    harness.set_size(size);
    harness.run_steps(6);
    let problems = crowded(harness, size);
    assert!(problems.is_empty(), "{what} at {size:?}: {problems:#?}");
}

#[track_caller]
fn fits_with_either_panel(harness: &mut Harness<'static, App>, what: &str) {
    for panel in ["Setup panel", "Plots panel", "Setup panel"] {
        fits(harness, &format!("{what}, {panel}"), SMALL);
        click(harness, panel);
    }
    fits(harness, what, SMALL);
    fits(harness, what, vec2(640.0, 360.0));
    fits(harness, what, vec2(1280.0, 720.0));
}

#[test]
fn trajectory_fits_into_a_small_window() {
    let mut harness = open(&stored(quick(3)));
    fits_with_either_panel(&mut harness, "Trajectory, empty");
    click(&mut harness, "Run");
    wait_until(&mut harness, "the run", |app| runs(app).active().is_none() && runs(app).current().is_some());
    fits_with_either_panel(&mut harness, "Trajectory, finished");
}

#[test]
fn panels_above_fit_into_a_small_window() {
    let mut harness = open(&stored(quick(3)));
    harness.key_press(egui::Key::F1);
    harness.run_steps(2);
    fits(&mut harness, "Help", SMALL);
    // What is below is reached by scrolling.
    let window = Rect::from_min_size(egui::Pos2::ZERO, SMALL);
    assert!(window.contains_rect(harness.get_by_label("Space").rect()), "{:?}", harness.get_by_label("Space").rect());
    harness.get_by_label("Close").scroll_to_me();
    harness.run_steps(30);
    click(&mut harness, "Close");
    assert!(harness.query_by_label("Close").is_none());
    harness.key_press(egui::Key::F2);
    harness.run_steps(6);
    fits(&mut harness, "Models", SMALL);
    click(&mut harness, "Close");
}

#[test]
fn latents_fit_into_a_small_window() {
    let mut harness = open(&stored(quick(3)));
    harness.set_size(SMALL);
    harness.run_steps(3);
    click(&mut harness, "Latents");
    fits_with_either_panel(&mut harness, "Latents, empty");
    click(&mut harness, "Try two examples");
    wait_until(&mut harness, "two images", |app| super::latents(app).filled().0 > 0);
    fits_with_either_panel(&mut harness, "Latents, filled");
}

#[test]
fn train_fits_into_a_small_window() {
    let home = tempfile::tempdir().unwrap();
    let folders = super::Folders { library: Some(home.path().join("models")), ..Default::default() };
    let mut harness = super::open_in(&Storage::default(), folders);
    harness.set_size(SMALL);
    harness.run_steps(3);
    click(&mut harness, "Train");
    fits_with_either_panel(&mut harness, "Train, empty");
    click(&mut harness, "Tiny");
    click(&mut harness, "Start training");
    let train = |app: &App| app.workspace::<score_explorer::app::train::Train>().expect("the workspace").has_samples();
    wait_until(&mut harness, "samples", train);
    fits_with_either_panel(&mut harness, "Train, under way");
    eframe::App::on_exit(harness.state_mut());
}

#[test]
fn compare_fits_into_a_small_window() {
    let home = tempfile::tempdir().unwrap();
    let mut harness = super::compare::window(&super::compare::settings(), home.path());
    harness.set_size(SMALL);
    harness.run_steps(3);
    click(&mut harness, "Compare");
    fits_with_either_panel(&mut harness, "Compare, empty");
    click(&mut harness, "Measure");
    wait_until(&mut harness, "the distances", |app| super::compare::compare(app).distances().len() == 2);
    fits_with_either_panel(&mut harness, "Compare, finished");
}

#[test]
fn the_plane_fits_into_a_small_window() {
    let mut harness = super::plane::window(&super::plane::small());
    fits_with_either_panel(&mut harness, "Plane");
    for _ in 0..3 {
        harness.get_by_label("Add solver").click_accesskit();
        harness.run_steps(4);
    }
    fits_with_either_panel(&mut harness, "Plane, four solvers");
}

#[test]
fn inpaint_fits_into_a_small_window() {
    let mut harness = open(&Storage::default());
    harness.set_size(SMALL);
    harness.run_steps(3);
    click(&mut harness, "Inpaint");
    fits_with_either_panel(&mut harness, "Inpaint, empty");
    click(&mut harness, "Try an example");
    wait_until(&mut harness, "a photo", |app| inpaint(app).canvas().is_some());
    fits_with_either_panel(&mut harness, "Inpaint, with a photo");
    // What begins is at hand with its panel and without.
    for size in [SMALL, vec2(1280.0, 720.0)] {
        harness.set_size(size);
        harness.run_steps(4);
        assert_eq!(harness.query_all_by_label("Fill in").count(), 1, "{size:?}");
    }
}
