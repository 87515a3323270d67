//! The workspace "Latents": two pictures, the strip between them, the slider, likelihoods, files.

use super::{Dropped, build, click, latents, quick, save_as, stored, wait_until};
use crate::choices::solver;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use score_explorer::app::latents::{Held, LatentsDraft, SavedLatents};
use score_explorer::app::{App, Draft, Settings};
use score_explorer::solver::{ATOL, RTOL};
use std::path::Path;
use std::sync::Arc;

/// Few steps of a fixed grid with the exact score of the worlds that ship.
fn few_steps() -> LatentsDraft {
    LatentsDraft { solver: solver("dpm++"), steps: 12, ..LatentsDraft::default() }
}

fn window(draft: Draft, latents: LatentsDraft) -> Harness<'static, App> {
    let mut storage = stored(draft.clone());
    let latents = SavedLatents { draft: latents, ..SavedLatents::default() };
    Settings { draft, ..Settings::default() }.with("latents", latents).save(&mut storage);
    let mut harness = build(Harness::builder().with_size([1280.0, 800.0]), &storage);
    click(&mut harness, "Latents");
    harness
}

fn exact(app: &App) -> bool {
    latents(app).exact() == 9
}

fn two_worlds() -> Harness<'static, App> {
    let mut harness = window(quick(3), few_steps());
    click(&mut harness, "Try two examples");
    wait_until(&mut harness, "the whole strip", exact);
    harness
}

#[test]
fn two_worlds_fill_the_strip_and_come_back_as_they_were() {
    let harness = two_worlds();
    assert_eq!(latents(harness.state()).filled(), (9, 9));
    for name in ["Image A", "Reconstruction of B", "Latent of A", "Frame 5 of 9", "Image in the middle"] {
        assert!(harness.query_by_label(name).is_some(), "{name}");
    }
    for slot in [0, 1] {
        // At noise below their distances the exact score of a set leads every trajectory onto one of its pictures;
        // a picture of the set comes back as itself, up to the steps' error.
        let psnr = latents(harness.state()).psnr(slot).unwrap();
        assert!(psnr > 20.0, "{psnr} dB in slot {slot}");
    }
}

#[test]
fn the_slider_decodes_where_it_stands() {
    let mut harness = two_worlds();
    harness.get_by_label("Position between A and B").focus();
    harness.run_steps(2);
    let before = latents(harness.state()).shown().unwrap().0;
    harness.key_press(Key::ArrowRight);
    wait_until(&mut harness, "a picture beside the frames", |app| latents(app).answered().is_some());
    let moved = latents(harness.state()).shown().unwrap().0;
    assert!(moved > before, "from {before} to {moved}");
    wait_until(&mut harness, "the exact picture", |app| latents(app).shown().is_some_and(|(_, nfe)| nfe >= 12));
}

#[test]
fn arrows_move_by_frames_and_space_plays() {
    let mut harness = two_worlds();
    harness.key_press(Key::ArrowLeft);
    harness.run_steps(3);
    assert_eq!(latents(harness.state()).shown().unwrap().0, 3.0 / 8.0);
    harness.key_press(Key::Space);
    harness.run_steps(2);
    assert!(harness.query_by_label("Pause loop").is_some());
    wait_until(&mut harness, "the loop's next frame", |app| latents(app).shown().unwrap().0 != 3.0 / 8.0);
    harness.key_press(Key::Space);
    harness.run_steps(2);
    assert!(harness.query_by_label("Play loop").is_some());
}

#[test]
fn strip_loop_and_latents_can_be_saved() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = two_worlds();
    for (what, name) in [("Strip", "s.png"), ("Loop", "l.gif"), ("Latents", "z.safetensors"), ("Latents", "z.npz")] {
        let path = folder.path().join(name);
        save_as(&mut harness, what, &path, "Save file");
        let saved = format!("Saved as {}", path.display());
        wait_until(&mut harness, name, |app| app.notices().any(|notice| notice.starts_with(&saved)));
    }
    let strip = image::open(folder.path().join("s.png")).unwrap();
    // Nine pictures of 32 pixels with a gap of one between them, four times as large.
    assert_eq!((strip.width(), strip.height()), (4 * (9 * 32 + 8), 4 * 32));
    let latents = score_explorer::checkpoint::read_latents(&folder.path().join("z.safetensors")).unwrap();
    assert_eq!(latents.pixels.shape, [2, 3, 32, 32]);
}

fn drop_file(harness: &mut Harness<'static, App>, path: &Path) {
    harness.input_mut().dropped_files.push(Arc::new(Dropped(path.into())));
    harness.run_steps(3);
}

#[test]
fn a_broken_picture_is_a_notice_and_a_whole_one_is_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let (broken, whole) = (folder.path().join("broken.png"), folder.path().join("photo.png"));
    std::fs::write(&broken, b"\x89PNG\r\n\x1a\nnothing more").unwrap();
    image::RgbImage::from_fn(300, 200, |x, y| image::Rgb([x as u8, y as u8, 90])).save(&whole).unwrap();
    let mut harness = window(quick(3), few_steps());
    drop_file(&mut harness, &broken);
    wait_until(&mut harness, "a notice", |app| app.notices().any(|notice| notice.contains("broken.png")));
    drop_file(&mut harness, &whole);
    wait_until(&mut harness, "the way back", |app| [0, 1].iter().any(|&slot| latents(app).psnr(slot).is_some()));
    assert!(harness.query_by_label("Crop A").is_some() || harness.query_by_label("Crop B").is_some());
}

#[test]
fn saved_latents_open_in_another_window_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("z.safetensors");
    let mut harness = two_worlds();
    save_as(&mut harness, "Latents", &path, "Save file");
    wait_until(&mut harness, "the file", |app| app.notices().any(|notice| notice.starts_with("Saved as")));

    // Another model, other settings, another workspace.
    let mut harness = window(Draft::default(), LatentsDraft::default());
    click(&mut harness, "Trajectory");
    drop_file(&mut harness, &path);
    wait_until(&mut harness, "the whole strip", exact);
    let (app, wanted) = (harness.state(), few_steps());
    assert_eq!(app.draft().model, quick(3).model);
    let draft = &latents(app).draft;
    assert_eq!((&draft.solver, draft.steps), (&wanted.solver, wanted.steps));
    // A slot's picture is what its latent decodes to, so nothing is lost between them.
    assert_eq!([0, 1].map(|slot| latents(app).psnr(slot)), [Some(f64::INFINITY); 2]);
    assert!(harness.query_by_label("Encode again").is_none(), "the settings make the same flow");

    let broken = folder.path().join("broken.npz");
    std::fs::write(&broken, b"PK").unwrap();
    drop_file(&mut harness, &broken);
    wait_until(&mut harness, "a notice", |app| app.notices().any(|notice| notice.contains("broken.npz")));
}

#[test]
fn another_workspace_does_not_stop_the_job() {
    let mut harness = window(quick(3), LatentsDraft { steps: 60, ..few_steps() });
    click(&mut harness, "Try two examples");
    harness.run_steps(3);
    click(&mut harness, "Trajectory");
    wait_until(&mut harness, "a job in the status bar", |_| true);
    wait_until(&mut harness, "the whole strip", exact);
    assert!(harness.query_by_label("Image A").is_none(), "the other workspace is still shown");
}

#[test]
fn escape_stops_and_going_on_finishes() {
    let mut harness = window(quick(3), LatentsDraft { steps: 1000, ..few_steps() });
    click(&mut harness, "Try two examples");
    wait_until(&mut harness, "a job", |app| latents(app).line().is_some());
    harness.key_press(Key::Escape);
    harness.run_steps(3);
    assert_eq!(latents(harness.state()).held(), Some(&Held::Stopped));
    assert!(latents(harness.state()).line().is_none());
    harness.run_steps(10);
    assert!(latents(harness.state()).line().is_none(), "nothing is begun until asked");
    click(&mut harness, "Resume");
    wait_until(&mut harness, "a job again", |app| latents(app).line().is_some());
}

#[test]
fn changed_settings_offer_to_encode_again() {
    let mut harness = two_worlds();
    assert!(harness.query_by_label("Encode again").is_none());
    click(&mut harness, "Heun");
    let before = latents(harness.state()).psnr(0);
    click(&mut harness, "Encode again");
    wait_until(&mut harness, "other encodings", |app| exact(app) && latents(app).psnr(0) != before);
    assert!(harness.query_by_label("Encode again").is_none());
}

#[test]
fn undo_brings_a_cleared_picture_back_with_its_latent() {
    let mut harness = two_worlds();
    let before = latents(harness.state()).psnr(0);
    // What stays for a second becomes a step.
    harness.run_steps(90);
    click(&mut harness, "Clear A");
    assert_eq!(latents(harness.state()).psnr(0), None);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(3);
    assert_eq!(latents(harness.state()).psnr(0), before);
}

#[test]
fn likelihoods_are_measured_against_a_set() {
    // A set of 512 pictures has an exact divergence; without noise its own pictures are quick.
    assert!(LatentsDraft::default().dequantise);
    let mut loose = LatentsDraft { set_size: 4, dequantise: false, ..few_steps() };
    loose.solver = loose.solver.with(&RTOL, 0.05).with(&ATOL, 0.05);
    let mut harness = window(quick(3), loose);
    click(&mut harness, "Try two examples");
    wait_until(&mut harness, "the strip", exact);
    click(&mut harness, "Measure A");
    wait_until(&mut harness, "a likelihood", |app| latents(app).bits_per_dim(0).is_some());
    assert!(harness.query_by_label_contains("bits/dim at grid points").is_some(), "it says what the figure is");
    assert!(harness.query_by_label_contains("not comparable with published figures").is_some());
    click(&mut harness, "Measure the set");
    wait_until(&mut harness, "the set", |app| latents(app).set_bits().len() == 4);
    assert!(harness.query_by_label("Histogram of bits/dim").is_some());
    assert!(harness.query_by_label_contains("(old)").is_none());
    click(&mut harness, "Adaptive");
    assert!(harness.query_by_label_contains("(old)").is_some(), "other settings would give another figure");
}
