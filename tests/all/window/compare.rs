//! A comparison in the window: presets chosen, measured, looked at side by side, exported, and there after a restart.

use super::{Folders, Storage, click, open_in, quick, wait_until};
use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use score_explorer::app::compare::Compare;
use score_explorer::app::{App, Settings};
use serde_json::json;
use std::path::Path;

pub fn compare(app: &App) -> &Compare {
    app.workspace().expect("the workspace")
}

pub fn window(storage: &Storage, home: &Path) -> Harness<'static, App> {
    open_in(storage, Folders { library: Some(home.join("models")), ..Folders::default() })
}

/// A comparison of the exact score of the images that ship with themselves, by features that take no time.
pub fn settings() -> Storage {
    let draft = json!({
        "count": 24, "features": "random", "reference": "model", "chosen": ["fast-10", "fast-20"],
    });
    let mut storage = Storage::default();
    Settings { draft: quick(10), ..Settings::default() }.with("compare", json!({"draft": draft})).save(&mut storage);
    storage
}

#[test]
fn presets_are_measured_looked_at_exported_and_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let mut storage = settings();
    let mut harness = window(&storage, home.path());
    click(&mut harness, "Compare");
    harness.key_press(Key::Space);
    harness.run_steps(2);
    wait_until(&mut harness, "the distances", |app| compare(app).distances().len() == 2);
    assert_eq!(compare(harness.state()).samples(), 48);
    let first = compare(harness.state()).distances();
    // From the same noise, side by side, and on the way there.
    assert!(
        harness.query_by_label("Fast 10, sample 1").is_some() && harness.query_by_label("Fast 20, sample 1").is_some()
    );
    click(&mut harness, "Difference");
    click(&mut harness, "Scrub");
    wait_until(&mut harness, "the recorded ways", |app| compare(app).has_ways());
    // A page that stands alone.
    harness.key_press_modifiers(egui::Modifiers::COMMAND, Key::S);
    harness.run_steps(3);
    let page = home.path().join("page.html");
    harness.get_by_label("File").focus();
    harness.run_steps(2);
    harness.key_press_modifiers(egui::Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    harness.get_by_label("File").type_text(&page.display().to_string());
    harness.run_steps(2);
    click(&mut harness, "Save");
    wait_until(&mut harness, "the page", |app| app.notices().any(|notice| notice.contains("page.html")));
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("<svg") && text.contains("Fast 20") && !text.contains("src=\"http"), "{text:.300}");
    eframe::App::save(harness.state_mut(), &mut storage);
    drop(harness);

    // Another day, and with more samples.
    let mut harness = window(&storage, home.path());
    click(&mut harness, "Compare");
    wait_until(&mut harness, "what was there", |app| compare(app).distances() == first);
    // What a preset is opens in Trajectory.
    click(&mut harness, "Open Fast 20 in Trajectory");
    harness.run_steps(4);
    assert_eq!(harness.state().draft().steps, 20);
}

#[test]
fn a_sweep_puts_the_chosen_presets_over_the_values_of_parameters() {
    let home = tempfile::tempdir().unwrap();
    let mut harness = window(&settings(), home.path());
    click(&mut harness, "Compare");
    // They lie beyond the end of the panel.
    harness.get_by_label("Sweep and files").click_accesskit();
    harness.run_steps(20);
    harness.get_by_label("Over").focus();
    harness.run_steps(2);
    harness.get_by_label("Over").type_text("steps=5,7");
    harness.run_steps(2);
    harness.get_by_label("Sweep").click_accesskit();
    harness.run_steps(4);
    let mut chosen = compare(harness.state()).draft().chosen.clone();
    chosen.sort();
    assert_eq!(chosen, ["fast-10-steps=5", "fast-10-steps=7", "fast-20-steps=5", "fast-20-steps=7"]);
    harness.get_by_label("Over").type_text("nonsense");
    harness.run_steps(2);
    harness.get_by_label("Sweep").click_accesskit();
    harness.run_steps(4);
    assert!(
        harness.state().notices().any(|notice| notice.contains("not supported") || notice.contains("list of values"))
    );
}

#[test]
fn the_reference_of_a_bundled_model_has_its_size() {
    let home = tempfile::tempdir().unwrap();
    let mut harness = window(&Storage::default(), home.path());
    click(&mut harness, "Compare");
    for (title, size) in [("Little Worlds 64 (VP, small)", 64), ("Little Worlds (VP, small)", 32)] {
        click(&mut harness, "Model");
        click(&mut harness, title);
        harness.run_steps(4);
        let comparison = compare(harness.state()).draft().comparison(harness.state().draft()).unwrap();
        assert_eq!(comparison.reference.to_string(), format!("worlds:{size}"));
    }
}

/// A student's presets beside its teacher's.
#[test]
fn presets_of_another_model_are_chosen_beside_those_of_the_one_that_is_chosen() {
    let home = tempfile::tempdir().unwrap();
    let mut harness = window(&settings(), home.path());
    click(&mut harness, "Compare");
    harness.get_by_label("Search presets").focus();
    harness.run_steps(2);
    harness.get_by_label("Search presets").type_text("Fast 10");
    harness.run_steps(4);
    click(&mut harness, "Model of the presets");
    click(&mut harness, "Little Worlds (VP, small)");
    click(&mut harness, "Fast 10 of worlds-vp-small");
    let draft = compare(harness.state()).draft();
    let chosen: Vec<_> =
        draft.cells().into_iter().map(|cell| (cell.name, cell.model.map(|it| it.to_string()))).collect();
    let other = ("Fast 10 of worlds-vp-small".to_owned(), Some("worlds-vp-small".to_owned()));
    assert!(chosen.len() == 3 && chosen.contains(&other), "{chosen:?}");
    // They stay chosen while the first model's are listed.
    click(&mut harness, "Model of the presets");
    click(&mut harness, "The model above");
    assert!(harness.query_by_label("Fast 10").is_some() && harness.query_by_label(&other.0).is_none());
    assert_eq!(compare(harness.state()).draft().cells().len(), 3);
}
