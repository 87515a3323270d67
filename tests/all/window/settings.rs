//! Setting up a run.

use super::{
    Dropped, Folders, Storage, click, is_enabled, latents, open, open_in, open_with, quick, runs, stored, wait_until,
};
use crate::choices::{grid, pc, solver};
use eframe::App as _;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use score_explorer::app::{App, Draft, Settings};
use score_explorer::sde::FamilyKind;
use score_explorer::solver::{CORRECTOR, CORRECTOR_STEPS, LEAPFROG, METROPOLIS, NORMS, PREDICTOR, Preset, RHO, SNR};
use score_explorer::task::{Flow, Latents, ModelRef, Run};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn the_window_opens_ready_to_run() {
    let harness = open(&Storage::default());
    assert!(is_enabled(&harness, "Run"));
    assert_eq!(harness.get_by_label("Preset").value().as_deref(), Some("Fast 20"));
    assert!(harness.query_by_label("Trajectory").is_some());
    assert!(harness.query_by_label_contains("Press Run").is_some(), "the empty picture says what to do");
}

#[test]
fn the_first_window_looks_as_it_did() {
    let builder = egui_kittest::Harness::builder().with_size([960.0, 620.0]).wgpu();
    let mut harness = super::build(builder, &Storage::default());
    let named = |harness: &Harness<'_, App>| {
        harness.get_by_label("Model").value().as_deref() == Some("Little Worlds (VP, small)")
    };
    for _ in 0..3000 {
        if named(&harness) {
            break;
        }
        harness.step();
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(named(&harness), "the bundled model was not opened within half a minute");
    // The device and the memory are those of the machine.
    let notes: Vec<egui::Rect> = harness.get_all_by_label_contains("CPU (flex").map(|node| node.rect()).collect();
    let right = egui::Rect::from_min_max(egui::pos2(600.0, 590.0), egui::pos2(960.0, 620.0));
    for area in notes.into_iter().chain([right]) {
        harness.mask(area.expand(4.0));
    }
    let options = egui_kittest::SnapshotOptions::new().max_failed_pixels(400).output_path("tests/all/window/snapshots");
    // The window is cleared to its ground before anything is drawn; a test's is cleared to nothing.
    let ground = harness.state().clear_color(&harness.ctx.global_style().visuals);
    let mut image = harness.render().unwrap();
    for pixel in image.pixels_mut() {
        let below = 1.0 - f32::from(pixel[3]) / 255.0;
        for (value, ground) in pixel.0.iter_mut().zip(ground) {
            *value = (f32::from(*value) + 255.0 * ground * below).round() as u8;
        }
    }
    egui_kittest::image_snapshot_options(&image, "first", &options);
}

/// Saving comes after a frame that is drawn: an idle window is asked for one, so that it may be killed at any later time.
#[test]
fn what_is_changed_is_saved_soon_and_shown_again() {
    const SOON: Duration = Duration::from_secs(10);
    // Frame after frame until none is asked for within `least`.
    let rest = |harness: &mut Harness<'static, App>, least: Duration| {
        for _ in 0..3000 {
            let delay = harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
            if delay > least {
                return delay;
            }
            std::thread::sleep(Duration::from_millis(2));
            harness.step();
        }
        panic!("the window does not come to rest: {:?}", harness.ctx.repaint_causes());
    };
    let mut harness = open(&Storage::default());
    click(&mut harness, "Plane");
    let delay = rest(&mut harness, SOON / 2);
    assert!(delay <= SOON && harness.state().auto_save_interval() < delay, "{delay:?}");
    let mut storage = Storage::default();
    harness.state_mut().save(&mut storage);
    harness.step();
    rest(&mut harness, SOON);
    let again = open(&storage);
    assert!(again.query_by_label("Play").is_some() && again.query_by_label("Run").is_none());
}

#[test]
fn a_family_shows_its_own_parameters() {
    let mut harness = open(&Storage::default());
    assert!(harness.query_by_label("β_min").is_some() && harness.query_by_label("σ_min").is_none());
    click(&mut harness, "VE");
    assert!(harness.query_by_label("σ_max").is_some() && harness.query_by_label("β_max").is_none());
    assert_eq!(harness.state().draft().family, FamilyKind::Ve);
}

#[test]
fn crossed_parameters_are_explained_and_cannot_run() {
    let (mut crossed, mut families) = (FamilyKind::Ve.published().sde().settings(), Draft::default().families);
    let sigma_min = FamilyKind::Ve.about().parameters.iter().find(|parameter| parameter.key == "sigma_min").unwrap();
    crossed.set(sigma_min, 60.0).unwrap();
    families.set(FamilyKind::Ve, crossed);
    let mut harness = open_with(Draft { family: FamilyKind::Ve, families, ..quick(3) });
    assert!(harness.query_by_label_contains("choose 0 < σ_min < σ_max").is_some());
    assert!(!is_enabled(&harness, "Run"));
    harness.get_by_label("Run").hover();
    harness.run_steps(60);
    assert!(harness.query_all_by_label_contains("choose 0 < σ_min").count() > 1, "the button's tooltip says why");
    harness.key_press(Key::Space);
    harness.run_steps(3);
    assert!(runs(harness.state()).pending.is_none());
}

#[test]
fn a_preset_sets_the_solver() {
    let mut harness = open(&Storage::default());
    click(&mut harness, "Preset");
    // The menu scrolls.
    harness.get_by_label("PC1000 Ancestral").click_accesskit();
    harness.run_steps(4);
    let draft = harness.state().draft();
    let predictor = draft.solver.settings().option(&PREDICTOR);
    assert_eq!((draft.solver.about().slug, predictor, draft.steps), ("pc", "ancestral", 1000));
    assert_eq!(harness.get_by_label("Preset").value().as_deref(), Some("PC1000 Ancestral"));
}

#[test]
fn corrector_controls_are_there_only_where_they_mean_something() {
    let mut harness = open(&Storage::default());
    click(&mut harness, "Solver");
    click(&mut harness, "DDIM");
    assert!(harness.query_by_label("Corrector").is_none() && harness.query_by_label("SNR").is_none());
    click(&mut harness, "Solver");
    click(&mut harness, "PC");
    assert!(harness.query_by_label("Corrector").is_some() && harness.query_by_label("SNR").is_none());
    click(&mut harness, "Corrector");
    click(&mut harness, "Langevin");
    assert!(harness.query_all_by_label("SNR").count() > 0);
    click(&mut harness, "Corrector");
    click(&mut harness, "None");
    // With no corrector, no predictor is not offered.
    click(&mut harness, "Predictor");
    let none = harness.get_all_by_label("None").count();
    assert_eq!(none, 1, "the predictor's menu offers None once");
    assert!(!is_enabled(&harness, "None"));
}

#[test]
fn every_parameter_that_matters_has_a_control_of_its_name_and_no_other_has_one() {
    for (chosen, spacing) in [
        ("heun", "edm"),
        ("pc:ancestral:langevin", "uniform"),
        ("pc:ancestral:ald", "edm:3"),
        ("pc:none:hmc", "uniform"),
    ] {
        let draft = Draft { solver: solver(chosen), grid: grid(spacing), ..quick(3) };
        let mut wanted: Vec<&str> = draft.solver.parameters().iter().map(|parameter| parameter.name).collect();
        wanted.extend(draft.grid.parameters().iter().map(|parameter| parameter.name));
        let harness = open_with(draft);
        for parameter in [&PREDICTOR, &CORRECTOR, &SNR, &CORRECTOR_STEPS, &NORMS, &LEAPFROG, &METROPOLIS, &RHO] {
            let shown = harness.query_all_by_label(parameter.name).count() > 0;
            assert_eq!(shown, wanted.contains(&parameter.name), "{} of {chosen}, {spacing}", parameter.name);
        }
    }
}

#[test]
fn changes_of_settings_are_undone_and_redone() {
    let mut harness = open(&Storage::default());
    click(&mut harness, "VE");
    click(&mut harness, "Solver");
    click(&mut harness, "Heun");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    let draft = harness.state().draft();
    assert_eq!((draft.solver.about().slug, draft.family), ("pc", FamilyKind::Ve));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    assert_eq!(harness.state().draft().family, FamilyKind::Vp);
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    harness.run_steps(2);
    assert_eq!(harness.state().draft().family, FamilyKind::Ve);
}

#[test]
fn every_equation_can_be_drawn() {
    // The harness fails at a letter that no font has, so all of them are laid out once.
    let mut drafts = Vec::new();
    for preset in Preset::all() {
        for &kind in FamilyKind::ALL {
            let mut run = Run { family: kind.published(), ..Run::default() };
            run.apply(preset);
            let mut draft = Draft::default();
            draft.take(&run);
            drafts.push(draft);
        }
    }
    let solvers = [solver("ddim"), solver("heun"), pc("ancestral", "hmc:0.16:1:3:true")];
    drafts.extend(solvers.map(|solver| Draft { solver, ..Draft::default() }));
    let context = egui::Context::default();
    score_explorer::app::theme::install(&context);
    context.set_missing_glyph_policy(egui::MissingGlyphPolicy::Panic);
    let _ = context.run_ui(egui::RawInput::default(), |ui| {
        for draft in &drafts {
            for equation in score_explorer::app::trajectory::equations(&draft.run().expect("a run")) {
                ui.label(&equation.title);
                equation.lines.iter().for_each(|line| drop(score_explorer::app::math::show(ui, line)));
            }
        }
    });
}

#[test]
fn settings_survive_a_restart() {
    let mut harness = open_with(Draft { steps: 77, ..quick(3) });
    click(&mut harness, "sub-VP");
    click(&mut harness, "Plots panel");
    let mut storage = Storage::default();
    harness.state_mut().save(&mut storage);
    let kept = harness.state().draft().clone();

    let reopened = open(&storage);
    assert_eq!(*reopened.state().draft(), kept);
    assert_eq!((kept.steps, kept.family), (77, FamilyKind::SubVp));
    let toggled = |harness: &egui_kittest::Harness<'_, _>| {
        use egui_kittest::kittest::NodeT;
        harness.get_by_label("Plots panel").accesskit_node().toggled()
    };
    assert_eq!(toggled(&reopened), toggled(&harness));
}

#[test]
fn panes_and_view_of_the_first_version_are_taken_over() {
    use eframe::Storage as _;
    let kept = |harness: &mut egui_kittest::Harness<'_, score_explorer::app::App>| {
        let mut storage = Storage::default();
        harness.state_mut().save(&mut storage);
        let text = storage.get_string("score-explorer").expect("settings");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
    };
    let mut harness = open(&Storage::default());
    click(&mut harness, "Plots panel");
    let now = kept(&mut harness)["trajectory"].clone();

    // 0.1.0 kept both beside the settings of the other workspaces.
    let mut storage = Storage::default();
    let early = Settings::default().with("layout", &now["layout"]);
    early.with("picture", serde_json::json!({ "view": "score" })).save(&mut storage);
    let again = kept(&mut open(&storage));
    assert_eq!(again["trajectory"]["layout"], now["layout"]);
    assert_eq!(again["trajectory"]["picture"]["view"], "score");
    assert!(again.get("layout").is_none() && again.get("picture").is_none(), "kept once");
}

#[test]
fn a_damaged_store_opens_a_first_window() {
    use eframe::Storage as _;
    let mut storage = stored(Draft { steps: 77, ..Draft::default() });
    storage.set_string("score-explorer", "[1, 2".into());
    assert_eq!(*open(&storage).state().draft(), Settings::default().draft);
}

#[test]
fn a_dropped_run_file_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let mut run = Run { seed: 1234, model: "exact:worlds".parse().unwrap(), ..Run::default() };
    run.apply(Preset::find("p1000-ancestral").unwrap());
    score_explorer::checkpoint::write_run(&path, &run).unwrap();

    let mut harness = open(&Storage::default());
    harness.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    harness.step();
    wait_until(&mut harness, "the run's settings", |app| app.draft().seed == 1234);
    assert_eq!(harness.state().draft().run(), Ok(run));
}

#[test]
fn a_path_that_a_dropped_file_names_as_its_model_is_asked_about_first() {
    let folder = tempfile::tempdir().unwrap();
    let (run_file, latents_file) = (folder.path().join("run.json"), folder.path().join("latents.safetensors"));
    let model = ModelRef::Exact(folder.path().into());
    score_explorer::checkpoint::write_run(&run_file, &Run { seed: 1234, model: model.clone(), ..Run::default() })
        .unwrap();
    let flow = Flow { model: model.clone(), ..Flow::default() };
    let pixels = score_explorer::Pixels { shape: [1, 3, 32, 32], values: vec![0.0; 3 * 32 * 32].into() };
    score_explorer::checkpoint::write_latents(&latents_file, &Latents { pixels, flow }).unwrap();

    let mut harness = open(&stored(quick(3)));
    for file in [&run_file, &latents_file] {
        harness.input_mut().dropped_files.push(Arc::new(Dropped(file.clone())));
        harness.step();
        until_asked(&mut harness);
        click(&mut harness, "Cancel");
        harness.run_steps(5);
        assert!(harness.query_by_label("Open model").is_none());
        assert_eq!(harness.state().draft().model, quick(3).model, "{file:?}");
    }
    harness.input_mut().dropped_files.push(Arc::new(Dropped(run_file)));
    harness.step();
    until_asked(&mut harness);
    click(&mut harness, "Open model");
    wait_until(&mut harness, "the run's settings", |app| app.draft().seed == 1234 && app.draft().model == model);
    // Agreed to once: the latents ask no more.
    harness.input_mut().dropped_files.push(Arc::new(Dropped(latents_file)));
    harness.step();
    wait_until(&mut harness, "the empty folder's notice", |app| {
        app.notices().any(|notice| notice.contains("no readable images"))
    });
    assert!(harness.query_by_label("Open model").is_none());
}

#[test]
fn a_path_is_asked_about_although_images_of_the_last_window_are_on_their_way() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latents.safetensors");
    let flow = Flow { model: ModelRef::Exact(folder.path().into()), ..Flow::default() };
    let pixels = score_explorer::Pixels { shape: [1, 3, 32, 32], values: vec![0.0; 3 * 32 * 32].into() };
    score_explorer::checkpoint::write_latents(&file, &Latents { pixels, flow }).unwrap();
    let mut storage = stored(quick(3));
    let mut harness = open(&storage);
    click(&mut harness, "Latents");
    click(&mut harness, "Try two examples");
    wait_until(&mut harness, "two images", |app| latents(app).filled().0 > 0);
    harness.state_mut().save(&mut storage);
    drop(harness);
    let mut harness = open_in(&storage, Folders { open: Some(file), ..Folders::default() });
    until_asked(&mut harness);
    assert_eq!(harness.state().draft().model, quick(3).model);
    click(&mut harness, "Cancel");
    wait_until(&mut harness, "the images", |app| latents(app).held().is_some());
}

/// Waits for the question whether a model may be opened.
fn until_asked(harness: &mut Harness<'static, App>) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while harness.query_by_label("Open model").is_none() {
        assert!(std::time::Instant::now() < deadline, "no question");
        std::thread::sleep(std::time::Duration::from_millis(4));
        harness.step();
    }
}

#[test]
fn a_dropped_folder_is_a_model_and_anything_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open(&Storage::default());
    harness.input_mut().dropped_files.push(Arc::new(Dropped(folder.path().into())));
    harness.step();
    let model = ModelRef::Exact(folder.path().into());
    wait_until(&mut harness, "the folder", |app| app.draft().model == model);
    harness.input_mut().dropped_files.push(Arc::new(Dropped(folder.path().join("notes.txt"))));
    harness.step();
    wait_until(&mut harness, "a notice", |app| app.notices().any(|notice| notice.contains("notes.txt")));
}
