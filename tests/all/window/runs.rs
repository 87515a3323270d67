//! Running, pausing, branching, failing, saving.

use super::{click, open_with, quick, runs, save_as, wait_until};
use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use score_explorer::app::{App, Draft, RunState};
use std::path::Path;

fn state(app: &App) -> Option<&RunState> {
    runs(app).current().map(|entry| &entry.view.state)
}

fn step(app: &App) -> usize {
    let snapshot = runs(app).current().and_then(|entry| entry.view.snapshot.as_ref());
    snapshot.map_or(0, |snapshot| snapshot.progress.step)
}

fn finished(app: &App) -> bool {
    state(app) == Some(&RunState::Finished)
}

fn run_to_the_end(draft: Draft) -> Harness<'static, App> {
    let mut harness = open_with(draft);
    click(&mut harness, "Run");
    wait_until(&mut harness, "the end", finished);
    harness
}

#[test]
fn run_fills_the_window_and_finishes() {
    let harness = run_to_the_end(quick(5));
    assert_eq!(step(harness.state()), 5);
    assert!(harness.query_by_label("Run 1").is_some());
    assert!(harness.query_by_label_contains("Images: x(t) of 4 samples").is_some());
    assert!(harness.query_by_label_contains("finished").is_some());
    assert!(harness.query_by_label("Run").is_some(), "nothing was changed, so it can be run once more");
}

#[test]
fn space_pauses_s_steps_and_escape_stops() {
    let mut harness = open_with(quick(5000));
    harness.key_press(Key::Space);
    wait_until(&mut harness, "a step", |app| step(app) > 0);
    harness.key_press(Key::Space);
    wait_until(&mut harness, "the pause", |app| state(app) == Some(&RunState::Paused));
    let before = step(harness.state());
    harness.key_press(Key::S);
    wait_until(&mut harness, "one step", |app| step(app) > before && state(app) == Some(&RunState::Paused));
    assert_eq!(step(harness.state()), before + 1);
    click(&mut harness, "Resume");
    wait_until(&mut harness, "more steps", |app| step(app) > before + 1);
    harness.key_press(Key::Escape);
    wait_until(&mut harness, "the stop", |app| state(app) == Some(&RunState::Stopped));
}

#[test]
fn s_from_nothing_begins_a_run_and_holds_it_after_one_step() {
    let mut harness = open_with(quick(50));
    harness.key_press(Key::S);
    wait_until(&mut harness, "the hold", |app| state(app) == Some(&RunState::Paused) && step(app) == 1);
    assert!(harness.query_by_label("Resume").is_some());
}

#[test]
fn changed_settings_offer_to_run_again() {
    let mut harness = run_to_the_end(quick(3));
    assert!(harness.query_by_label("Run again").is_none());
    click(&mut harness, "Solver");
    click(&mut harness, "Heun");
    click(&mut harness, "Run again");
    wait_until(&mut harness, "a second run", |app| runs(app).entries.len() == 2 && finished(app));
    assert!(harness.query_by_label("Run 2").is_some());
}

#[test]
fn a_branch_is_kept_beside_its_parent() {
    let mut harness = run_to_the_end(quick(6));
    harness.key_press(Key::ArrowLeft);
    harness.run_steps(2);
    harness.key_press(Key::ArrowLeft);
    harness.run_steps(2);
    harness.key_press(Key::B);
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("retrace").is_some(), "the same settings lead the same way");
    click(&mut harness, "Start branch");
    wait_until(&mut harness, "the branch", |app| runs(app).entries.len() == 2 && finished(app));

    let [run, branch] = runs(harness.state()).entries.as_slice() else { panic!("two runs") };
    assert_eq!((run.name.as_str(), branch.name.as_str()), ("Run 1", "Branch 1.1"));
    assert_eq!(branch.view.parent, Some((run.id(), 4)));
    let end = |entry: &score_explorer::app::trajectory::Entry| entry.view.snapshot.as_ref().unwrap().newest.x.clone();
    let furthest =
        end(run).values.iter().zip(end(branch).values.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // Ancestral steps remember nothing, and the noise of each is where it was.
    assert_eq!(furthest, 0.0);

    click(&mut harness, "Run 1");
    assert_eq!(runs(harness.state()).shown, Some(runs(harness.state()).entries[0].id()));
    click(&mut harness, "Close Run 1");
    assert_eq!(runs(harness.state()).entries.len(), 1);
}

#[test]
fn a_branch_from_the_last_state_says_why_not() {
    let mut harness = run_to_the_end(quick(3));
    harness.key_press(Key::B);
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("This is the last state").is_some());
}

#[test]
fn a_model_that_is_not_there_is_a_notice_and_the_window_lives_on() {
    let mut harness = open_with(Draft { model: "/no/such/model.pth".parse().unwrap(), ..quick(3) });
    click(&mut harness, "Run");
    wait_until(&mut harness, "a notice", |app| app.notices().any(|notice| notice.contains("/no/such/model.pth")));
    assert!(harness.query_by_label("Retry").is_some() && harness.query_by_label("Dismiss").is_some());
    click(&mut harness, "Dismiss");
    assert_eq!(harness.state().notices().count(), 0);

    click(&mut harness, "Model");
    harness.get_by_label("Model by name or path").focus();
    harness.run_steps(2);
    harness.get_by_label("Model by name or path").type_text("exact:worlds");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(harness.state().draft().model.to_string(), "exact:worlds");
    click(&mut harness, "Run");
    wait_until(&mut harness, "the end", finished);
}

#[test]
fn a_seed_of_64_bits_is_shown_typed_and_kept_to_the_last_digit() {
    // The first whole number that is none in double precision.
    let odd = (1u64 << 53) + 1;
    let mut harness = open_with(Draft { seed: odd, ..quick(1) });
    assert_eq!(harness.get_by_label("Seed").value().as_deref(), Some("9007199254740993"));
    click(&mut harness, "Run");
    wait_until(&mut harness, "the end", finished);
    assert_eq!(runs(harness.state()).current().map(|entry| entry.view.report.run.seed), Some(odd));
    for (typed, seed) in [("18446744073709551615", u64::MAX), ("-3", u64::MAX), ("18446744073709551616", u64::MAX)] {
        harness.get_by_label("Seed").focus();
        harness.run_steps(2);
        harness.key_press_modifiers(egui::Modifiers::COMMAND, Key::A);
        harness.run_steps(2);
        harness.get_by_label("Seed").type_text(typed);
        harness.run_steps(2);
        harness.key_press(Key::Enter);
        harness.run_steps(3);
        assert_eq!(harness.state().draft().seed, seed, "{typed}");
        assert_eq!(harness.get_by_label("Seed").value(), Some(seed.to_string()), "{typed}");
    }
}

#[test]
fn keys_belong_to_a_text_field_that_has_the_focus() {
    let mut harness = open_with(quick(3));
    click(&mut harness, "Model");
    harness.get_by_label("Model by name or path").focus();
    harness.run_steps(2);
    harness.key_press(Key::S);
    harness.key_press(Key::Space);
    harness.run_steps(3);
    assert!(runs(harness.state()).pending.is_none() && runs(harness.state()).entries.is_empty());
}

#[test]
fn what_was_run_can_be_saved() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = run_to_the_end(quick(4));
    for (what, name) in
        [("All samples", "g.png"), ("One sample", "p.png"), ("Animation", "a.gif"), ("Run file", "r.json")]
    {
        let path = folder.path().join(name);
        save_as(&mut harness, what, &path, "Save");
        let saved = format!("Saved as {}", path.display());
        wait_until(&mut harness, name, |app| app.notices().any(|notice| notice.starts_with(&saved)));
        assert!(path.exists(), "{name}");
    }
    let grid = image::open(folder.path().join("g.png")).unwrap();
    // Two by two pictures of 32 pixels, four times as large, with a gap of two.
    let side = 2 * 4 * 32 + 2;
    assert_eq!((grid.width(), grid.height()), (side, side));
    let run = score_explorer::checkpoint::read_run(&folder.path().join("r.json")).unwrap();
    assert_eq!(harness.state().draft().run(), Ok(run));
}

#[test]
fn a_place_that_cannot_be_written_is_a_notice_with_retry() {
    let mut harness = run_to_the_end(quick(3));
    save_as(&mut harness, "All samples", Path::new("/no/such/folder/grid.png"), "Save");
    wait_until(&mut harness, "a notice", |app| app.notices().any(|notice| notice.contains("cannot be written")));
    assert!(harness.query_by_label("Retry").is_some());
}

#[test]
fn a_class_is_chosen_and_leads_the_run() {
    let mut harness = open_with(quick(2));
    let guidance = |app: &App| app.draft().guidance.clone();
    assert_eq!(guidance(harness.state()), None);
    click(&mut harness, "Class");
    click(&mut harness, "sea");
    let chosen = guidance(harness.state()).expect("guidance");
    assert_eq!((chosen.class.as_deref(), chosen.weight), (Some("sea"), 2.0));
    assert!(harness.query_by_label("Guidance").is_some());
    click(&mut harness, "Run");
    wait_until(&mut harness, "the end", finished);
    let led = runs(harness.state()).current().map(|entry| entry.view.report.run.guidance.clone());
    assert_eq!(led, Some(Some(chosen)));
    click(&mut harness, "Class");
    click(&mut harness, "Any");
    assert_eq!(guidance(harness.state()), None);
    assert!(harness.query_by_label("Run again").is_some(), "the settings are other ones");
}
