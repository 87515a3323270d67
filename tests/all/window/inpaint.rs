//! The workspace "Inpaint": opening, painting, keys, files.

use super::{
    Dropped, Folders, Storage, build, click, inpaint, is_enabled, open, open_in, quick, runs, stored, wait_until,
};
use eframe::App as _;
use egui::{Event, Key, Modifiers, PointerButton, Pos2, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use score_explorer::Pixels;
use score_explorer::app::inpaint::{FillDraft, SavedInpaint, Tool};
use score_explorer::app::{App, Settings};
use std::path::Path;
use std::sync::Arc;

const PHOTO: &str = "Photo with its mask";

fn drop_file(harness: &mut Harness<'static, App>, path: &Path, modifiers: Modifiers) {
    harness.event(Event::ModifiersChanged(modifiers));
    harness.input_mut().dropped_files.push(Arc::new(Dropped(path.into())));
    harness.step();
    harness.event(Event::ModifiersChanged(Modifiers::NONE));
    harness.run_steps(2);
}

fn photo(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("photo.png");
    let image = image::RgbImage::from_fn(600, 400, |x, y| image::Rgb([(x / 3) as u8, (y / 2) as u8, 90]));
    image.save(&path).unwrap();
    path
}

fn share(app: &App) -> f64 {
    inpaint(app).canvas().map_or(0.0, |canvas| canvas.mask().share())
}

/// The workspace with a photo of 600 × 400 pixels.
fn with_photo(folder: &Path) -> Harness<'static, App> {
    let mut harness = open(&stored(quick(3)));
    click(&mut harness, "Inpaint");
    drop_file(&mut harness, &photo(folder), Modifiers::NONE);
    wait_until(&mut harness, "the photo", |app| inpaint(app).canvas().is_some());
    harness
}

/// Drags from one place of the photo's room to another, in points from its middle, in `steps` moves within one frame.
fn drag(harness: &mut Harness<'static, App>, from: [f32; 2], to: [f32; 2], steps: usize) {
    let middle = harness.get_by_label(PHOTO).rect().center();
    let (from, to) = (middle + Vec2::from(from), middle + Vec2::from(to));
    let button = |pos: Pos2, pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    harness.event(Event::PointerMoved(from));
    harness.run_steps(2);
    harness.event(button(from, true));
    harness.step();
    for step in 1..=steps {
        harness.input_mut().events.push(Event::PointerMoved(from + (to - from) * (step as f32 / steps as f32)));
    }
    harness.step();
    harness.event(button(to, false));
    harness.run_steps(3);
    let changed = |app: &App| !inpaint(app).is_changing();
    wait_until(harness, "the change", changed);
}

#[test]
fn the_first_look_says_what_to_do() {
    let mut harness = open(&Storage::default());
    click(&mut harness, "Inpaint");
    assert!(harness.query_by_label_contains("paint over the part to replace").is_some());
    click(&mut harness, "Try an example");
    wait_until(&mut harness, "a world", |app| inpaint(app).canvas().is_some());
    assert!(harness.query_by_label(PHOTO).is_some());
    assert_eq!(inpaint(harness.state()).canvas().unwrap().photo.size(), [32, 32]);
}

#[test]
fn a_drag_paints_and_ctrl_z_takes_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_photo(folder.path());
    assert_eq!(share(harness.state()), 0.0);
    drag(&mut harness, [-150.0, 0.0], [150.0, 40.0], 500);
    let painted = share(harness.state());
    // 300 by 40 points, a brush of a tenth of 400 pixels; the photo is shown a little enlarged or shrunk.
    assert!(painted > 0.02 && painted < 0.2, "{painted}");
    assert!(harness.query_by_label_contains("% masked").is_some());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(3);
    assert_eq!(share(harness.state()), 0.0);
    assert!(!is_enabled(&harness, "Undo") && is_enabled(&harness, "Redo"));
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    harness.run_steps(3);
    assert_eq!(share(harness.state()), painted);
}

#[test]
fn letters_take_up_tools_and_brackets_change_the_brush() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_photo(folder.path());
    let keys = [
        (Key::E, Tool::Eraser),
        (Key::X, Tool::Brush),
        (Key::X, Tool::Eraser),
        (Key::P, Tool::Colour),
        (Key::E, Tool::Eraser),
        (Key::X, Tool::Colour),
        (Key::M, Tool::Rectangle),
        (Key::L, Tool::Lasso),
        (Key::G, Tool::Fill),
        (Key::C, Tool::Square),
        (Key::B, Tool::Brush),
    ];
    for (key, tool) in keys {
        harness.key_press(key);
        harness.run_steps(2);
        assert_eq!(inpaint(harness.state()).draft.tool, tool, "{key:?}");
    }
    let before = inpaint(harness.state()).draft.clone();
    harness.key_press(Key::CloseBracket);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::OpenBracket);
    harness.run_steps(2);
    let after = inpaint(harness.state()).draft.clone();
    assert!(after.size > before.size && after.hardness < before.hardness, "{before:?} {after:?}");
    assert!(runs(harness.state()).pending.is_none(), "no key of another workspace is obeyed");
}

#[test]
fn shapes_are_laid_on_and_escape_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_photo(folder.path());
    click(&mut harness, "Rectangle");
    drag(&mut harness, [-60.0, -60.0], [60.0, 60.0], 5);
    let rectangle = share(harness.state());
    assert!(rectangle > 0.02, "{rectangle}");
    click(&mut harness, "Subtract");
    drag(&mut harness, [-90.0, -90.0], [0.0, 90.0], 5);
    let left = share(harness.state());
    assert!((left - rectangle / 2.0).abs() < 0.01, "{left} of {rectangle}");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::I);
    wait_until(&mut harness, "the inverted mask", |app| share(app) > 0.5);
    click(&mut harness, "Clear");
    wait_until(&mut harness, "a clear mask", |app| share(app) == 0.0);
    click(&mut harness, "Lasso");
    let middle = harness.get_by_label(PHOTO).rect().center();
    harness.event(Event::PointerMoved(middle));
    harness.run_steps(2);
    let button = |pressed| Event::PointerButton {
        pos: middle,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    harness.event(button(true));
    for offset in [[80.0, 0.0], [80.0, 80.0]] {
        harness.event(Event::PointerMoved(middle + Vec2::from(offset)));
    }
    harness.run_steps(2);
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    harness.event(button(false));
    harness.run_steps(3);
    assert_eq!(share(harness.state()), 0.0);
}

#[test]
fn a_mask_is_dropped_with_alt_and_a_wrong_one_is_a_notice() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_photo(folder.path());
    let (right, wrong) = (folder.path().join("mask.png"), folder.path().join("wrong.png"));
    let half = |width, height| {
        image::GrayImage::from_fn(width, height, |x, _| image::Luma([if x < width / 4 { 255 } else { 0 }]))
    };
    half(600, 400).save(&right).unwrap();
    half(300, 300).save(&wrong).unwrap();
    drop_file(&mut harness, &right, Modifiers::ALT);
    wait_until(&mut harness, "the mask", |app| (share(app) - 0.25).abs() < 1e-6);
    drop_file(&mut harness, &wrong, Modifiers::ALT);
    wait_until(&mut harness, "a notice", |app| app.notices().any(|notice| notice.contains("300×300")));
    assert!((share(harness.state()) - 0.25).abs() < 1e-6);
    assert_eq!(inpaint(harness.state()).canvas().unwrap().photo.size(), [600, 400]);
}

#[test]
fn a_broken_photo_is_a_notice_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_photo(folder.path());
    let broken = folder.path().join("broken.jpg");
    std::fs::write(&broken, b"\xff\xd8 and nothing more").unwrap();
    drop_file(&mut harness, &broken, Modifiers::NONE);
    wait_until(&mut harness, "a notice", |app| app.notices().any(|notice| notice.contains("broken.jpg")));
    assert!(harness.query_by_label(PHOTO).is_some());
}

#[test]
fn photo_and_tools_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_photo(folder.path());
    click(&mut harness, "Lasso");
    click(&mut harness, "Compare");
    let mut storage = Storage::default();
    harness.state_mut().save(&mut storage);
    let mut again = open(&storage);
    assert!(inpaint(again.state()).canvas().is_none(), "nothing is read before it is looked at");
    click(&mut again, "Inpaint");
    wait_until(&mut again, "the photo", |app| inpaint(app).canvas().is_some());
    assert_eq!(inpaint(again.state()).canvas().unwrap().photo.size(), [600, 400]);
    assert_eq!(inpaint(again.state()).draft.tool, Tool::Lasso);
}

#[test]
fn what_is_painted_survives_a_restart() {
    // A world with a mask and a hint; then a photo that lies in no file, because a fill became part of it.
    let folder = tempfile::tempdir().unwrap();
    let painting = folder.path().join("painting");
    let open = |storage: &Storage| open_in(storage, Folders { painting: Some(painting.clone()), ..Folders::default() });
    let restart = |mut harness: Harness<'static, App>| {
        let mut storage = Storage::default();
        harness.state_mut().save(&mut storage);
        drop(harness);
        let mut again = open(&storage);
        click(&mut again, "Inpaint");
        wait_until(&mut again, "the photo", |app| inpaint(app).canvas().is_some());
        again
    };
    let mut harness = open(&stored(quick(3)));
    click(&mut harness, "Inpaint");
    click(&mut harness, "Try an example");
    wait_until(&mut harness, "a world", |app| inpaint(app).canvas().is_some());
    drag(&mut harness, [-100.0, 0.0], [100.0, 30.0], 50);
    harness.key_press(Key::P);
    harness.run_steps(2);
    drag(&mut harness, [-40.0, -40.0], [40.0, -40.0], 20);
    let layers = |harness: &Harness<'static, App>| {
        let canvas = inpaint(harness.state()).canvas().unwrap();
        let size = canvas.photo.size();
        let hints: Vec<_> =
            (0..size[0] * size[1]).map(|place| canvas.hints().at([place % size[0], place / size[0]])).collect();
        (canvas.photo.image.clone(), canvas.mask().values().clone(), hints)
    };
    let before = layers(&harness);
    assert!(before.1.iter().any(|&value| value > 0) && before.2.iter().any(|hint| hint[3] > 0));
    let mut harness = restart(harness);
    assert_eq!(layers(&harness), before);

    harness.key_press(Key::Enter);
    wait_until(&mut harness, "the fills", |app| answers(app) == 1);
    click(&mut harness, "Apply");
    wait_until(&mut harness, "the filled photo", |app| share(app) == 0.0);
    let before = layers(&harness);
    let harness = restart(harness);
    assert_eq!(layers(&harness), before);
    assert!(inpaint(harness.state()).canvas().unwrap().photo.name.ends_with('*'));

    // A layer that is damaged is told of; the photo is there all the same.
    drop(harness);
    let mut harness = open(&stored(quick(3)));
    click(&mut harness, "Inpaint");
    click(&mut harness, "Try an example");
    wait_until(&mut harness, "a world", |app| inpaint(app).canvas().is_some());
    drag(&mut harness, [-100.0, 0.0], [100.0, 30.0], 50);
    let mut storage = Storage::default();
    harness.state_mut().save(&mut storage);
    drop(harness);
    std::fs::write(painting.join("mask.png"), b"no picture").unwrap();
    let mut harness = open(&storage);
    click(&mut harness, "Inpaint");
    wait_until(&mut harness, "the photo", |app| inpaint(app).canvas().is_some());
    wait_until(&mut harness, "a notice", |app| app.notices().any(|notice| notice.contains("mask and hints are lost")));
}

#[test]
fn a_photo_that_is_asked_for_comes_before_the_last_painting_which_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let painting = folder.path().join("painting");
    let folders = |open| Folders { painting: Some(painting.clone()), open, ..Folders::default() };
    let mut storage = stored(quick(3));
    let mut harness = open_in(&storage, folders(None));
    click(&mut harness, "Inpaint");
    click(&mut harness, "Try an example");
    wait_until(&mut harness, "a world", |app| inpaint(app).canvas().is_some());
    drag(&mut harness, [-100.0, 0.0], [100.0, 30.0], 50);
    let mask = |app: &App| inpaint(app).canvas().unwrap().mask().values().clone();
    let painted = mask(harness.state());
    harness.state_mut().save(&mut storage);
    drop(harness);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&painting), mode(&painting.join("mask.png"))), (0o700, 0o600), "what is painted is private");
    }

    let mut harness = open_in(&storage, folders(Some(photo(folder.path()))));
    let named = |app: &App, name: &str| inpaint(app).canvas().is_some_and(|canvas| canvas.photo.name.starts_with(name));
    wait_until(&mut harness, "the photo", |app| named(app, "photo"));
    harness.run_steps(20);
    assert!(named(harness.state(), "photo") && share(harness.state()) == 0.0);
    harness.state_mut().save(&mut storage);
    drop(harness);
    let mut harness = open_in(&storage, folders(None));
    click(&mut harness, "Inpaint");
    wait_until(&mut harness, "the photo again", |app| named(app, "photo"));
    // The two change places.
    drag(&mut harness, [0.0, -50.0], [20.0, 50.0], 50);
    let photos = mask(harness.state());
    click(&mut harness, "Earlier painting");
    wait_until(&mut harness, "the painting", |app| named(app, "example"));
    assert_eq!(mask(harness.state()), painted);
    click(&mut harness, "Earlier painting");
    wait_until(&mut harness, "the painted photo", |app| named(app, "photo"));
    assert_eq!(mask(harness.state()), photos);
    assert!(photos.iter().any(|&value| value > 0));
}

#[test]
fn on_someones_own_photo_the_bundled_model_says_what_it_covers() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open(&Storage::default());
    click(&mut harness, "Inpaint");
    click(&mut harness, "Try an example");
    wait_until(&mut harness, "a world", |app| inpaint(app).canvas().is_some());
    assert!(harness.query_by_label("Models (F2)").is_none());
    drop_file(&mut harness, &photo(folder.path()), Modifiers::NONE);
    wait_until(&mut harness, "the photo", |app| inpaint(app).canvas().unwrap().photo.name.starts_with("photo"));
    click(&mut harness, "Models (F2)");
    assert!(harness.query_by_label("In use").is_some());
}

#[test]
fn the_help_lists_the_keys_of_this_workspace() {
    let mut harness = open(&Storage::default());
    click(&mut harness, "Inpaint");
    harness.key_press(Key::F1);
    harness.run_steps(4);
    assert!(harness.query_by_label("Swap brush and eraser, or adding and subtracting shapes").is_some());
    assert!(harness.query_by_label("Branch from the step shown").is_none());
}

#[test]
fn painting_is_seen_in_the_next_frame_with_and_without_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let path = photo(folder.path());
    let mut pictures = Vec::new();
    for uses_gpu in [true, false] {
        let builder = Harness::builder().with_size([900.0, 640.0]).wgpu();
        let mut harness = if uses_gpu {
            build(builder, &stored(quick(3)))
        } else {
            super::build_without_device(builder, &stored(quick(3)))
        };
        click(&mut harness, "Inpaint");
        drop_file(&mut harness, &path, Modifiers::NONE);
        wait_until(&mut harness, "the photo", |app| inpaint(app).canvas().is_some());
        let before = harness.render().unwrap();
        drag(&mut harness, [-60.0, -30.0], [80.0, 30.0], 50);
        harness.event(Event::PointerMoved(Pos2::new(5.0, 300.0)));
        harness.run_steps(3);
        let after = harness.render().unwrap();
        let changed = before.pixels().zip(after.pixels()).filter(|(a, b)| a != b).count();
        assert!(changed > 2000, "{changed} pixels changed");
        pictures.push(after);
    }
    let differ = |(a, b): (&image::Rgba<u8>, &image::Rgba<u8>)| (0..3).any(|c| a.0[c].abs_diff(b.0[c]) > 6);
    let different = pictures[0].pixels().zip(pictures[1].pixels()).filter(|&pair| differ(pair)).count();
    assert!(different < 900 * 640 / 100, "{different} pixels differ between shader and processor");
}

#[test]
fn a_fast_stroke_on_a_large_photo_keeps_the_window_at_its_pace() {
    const EVENTS: usize = 16;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.png");
    image::RgbImage::from_fn(4000, 3000, |x, y| image::Rgb([(x / 16) as u8, (y / 12) as u8, (x ^ y) as u8]))
        .save(&path)
        .unwrap();
    let builder = Harness::builder().with_size([1280.0, 800.0]).wgpu();
    let mut harness = build(builder, &stored(quick(3)));
    click(&mut harness, "Inpaint");
    drop_file(&mut harness, &path, Modifiers::NONE);
    wait_until(&mut harness, "the photo", |app| inpaint(app).canvas().is_some());
    // From 300 pixels, as a tenth of the smaller side, to about 200.
    (0..4).for_each(|_| harness.key_press(Key::OpenBracket));
    harness.run_steps(4);
    let middle = harness.get_by_label(PHOTO).rect().center();
    // A thousand events a second for three seconds, at two to four thousand points a second.
    let place = |event: usize| {
        let time = event as f32 / 1000.0;
        let angle = 14.0 * time;
        middle + Vec2::new((120.0 + 50.0 * time) * angle.cos(), (100.0 + 40.0 * time) * angle.sin())
    };
    let button = |pos, pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    let idle = std::time::Instant::now();
    harness.run_steps(30);
    let idle = idle.elapsed() / 30;
    for (tool, key) in [("mask", Key::B), ("hints", Key::P)] {
        harness.key_press(key);
        harness.event(Event::PointerMoved(place(0)));
        harness.run_steps(2);
        harness.event(button(place(0), true));
        harness.step();
        let mut frames = Vec::new();
        for first in (1..3000).step_by(EVENTS) {
            let events = (first..first + EVENTS).map(|event| Event::PointerMoved(place(event)));
            harness.input_mut().events.extend(events);
            let began = std::time::Instant::now();
            harness.step();
            frames.push(began.elapsed());
        }
        harness.event(button(place(3000), false));
        harness.run_steps(2);
        frames.sort();
        let part = |share: f64| frames[((frames.len() - 1) as f64 * share) as usize];
        println!(
            "a frame of the window, {tool}, 1,000 events/s, 12 MP, brush of {:.0} px: p50 {:.2?}, p99 {:.2?}, largest \
             {:.2?}; at rest {idle:.2?}",
            3000.0 * inpaint(harness.state()).draft.size,
            part(0.5),
            part(0.99),
            part(1.0)
        );
        assert!(part(0.5) < std::time::Duration::from_millis(100));
    }
    assert!(share(harness.state()) > 0.05, "{}", share(harness.state()));
    assert!(!inpaint(harness.state()).canvas().unwrap().hints().is_blank());
}

/// A world with a stroke across it, to be filled by the exact score of the worlds.
fn painted_world() -> Harness<'static, App> {
    paint_a_world(&stored(quick(3)))
}

fn paint_a_world(storage: &Storage) -> Harness<'static, App> {
    let mut harness = open(storage);
    click(&mut harness, "Inpaint");
    click(&mut harness, "Try an example");
    wait_until(&mut harness, "a world", |app| inpaint(app).canvas().is_some());
    drag(&mut harness, [-100.0, 0.0], [100.0, 30.0], 50);
    harness
}

fn answers(app: &App) -> usize {
    inpaint(app).fills.answers()
}

#[test]
fn enter_fills_what_is_painted_several_ways_and_going_on_keeps_one() {
    let mut harness = open(&stored(quick(3)));
    click(&mut harness, "Inpaint");
    assert!(!is_enabled(&harness, "Fill in"), "there is nothing to fill yet");
    let mut harness = painted_world();
    harness.key_press(Key::Enter);
    wait_until(&mut harness, "the fills", |app| answers(app) == 1);
    for name in ["Sample 1", "Sample 4", "Apply", "Save photo"] {
        assert!(harness.query_by_label(name).is_some(), "{name}");
    }
    let answer = inpaint(harness.state()).fills.answer().unwrap();
    assert_eq!(answer.restored.pictures.shape, [4, 3, 32, 32]);
    let before = inpaint(harness.state()).canvas().unwrap().photo.image.clone();
    click(&mut harness, "Sample 2");
    click(&mut harness, "Apply");
    wait_until(&mut harness, "the filled photo", |app| share(app) == 0.0);
    let canvas = inpaint(harness.state()).canvas().unwrap();
    // The set holds this very world, so the fill may be just what was there.
    assert!(!Arc::ptr_eq(&canvas.photo.image, &before) && canvas.photo.name.ends_with('*'), "{}", canvas.photo.name);
    assert_eq!(canvas.photo.image.get_pixel(2, 2), before.get_pixel(2, 2), "what was not painted stays");

    // Another fill of the new photo, and back to the first.
    drag(&mut harness, [-60.0, 60.0], [60.0, 80.0], 50);
    harness.key_press(Key::Enter);
    wait_until(&mut harness, "more fills", |app| answers(app) == 2);
    click(&mut harness, "Result 2");
    wait_until(&mut harness, "the old mask", |app| share(app) > 0.0);
    assert!(Arc::ptr_eq(&inpaint(harness.state()).canvas().unwrap().photo.image, &before));
}

#[test]
fn escape_ends_a_fill_and_painting_meanwhile_changes_it() {
    // Enough steps to paint meanwhile.
    let fills = FillDraft { steps: 2000, resample: false, ..FillDraft::default() };
    let mut storage = stored(quick(3));
    let saved = SavedInpaint { fills, ..SavedInpaint::default() };
    Settings { draft: quick(3), ..Settings::default() }.with("inpaint", saved).save(&mut storage);
    let mut harness = paint_a_world(&storage);
    click(&mut harness, "Fill in");
    wait_until(&mut harness, "an estimate", |app| inpaint(app).fills.first.is_some());
    drag(&mut harness, [-60.0, 60.0], [60.0, 80.0], 50);
    wait_until(&mut harness, "the fills", |app| answers(app) == 1);
    let restored = &inpaint(harness.state()).fills.answer().unwrap().restored;
    assert_eq!((restored.exchanges, restored.nfe), (1, 2000));

    click(&mut harness, "Fill in");
    wait_until(&mut harness, "an estimate", |app| inpaint(app).fills.line().is_some());
    harness.key_press(Key::Escape);
    harness.run_steps(3);
    assert!(!inpaint(harness.state()).fills.is_busy());
    assert_eq!(answers(harness.state()), 1, "what was answered before stays");
}

#[test]
fn every_tab_answers() {
    let mut harness = painted_world();
    for (count, (tab, verb)) in
        [("Colour", "Colourise"), ("Restore", "Restore photo"), ("Edit", "Edit photo")].into_iter().enumerate()
    {
        click(&mut harness, tab);
        click(&mut harness, verb);
        wait_until(&mut harness, tab, |app| answers(app) == count + 1);
        assert!(harness.query_by_label("Image of the original").is_some(), "{tab}");
    }
}

#[test]
fn a_hint_is_painted_seen_by_the_model_and_erased() {
    let mut harness = open(&stored(quick(3)));
    click(&mut harness, "Inpaint");
    click(&mut harness, "Try an example");
    wait_until(&mut harness, "a world", |app| inpaint(app).canvas().is_some());
    click(&mut harness, "Edit");
    harness.key_press(Key::P);
    harness.run_steps(2);
    let hint = inpaint(harness.state()).draft.colour;
    let seen = |harness: &Harness<'static, App>| inpaint(harness.state()).canvas().unwrap().colour_at([16.5, 16.5]);
    let before = seen(&harness);
    assert!(before != hint && !is_enabled(&harness, "Clear hints"));
    drag(&mut harness, [-40.0, 0.0], [40.0, 0.0], 20);
    assert_eq!((seen(&harness), share(harness.state())), (hint, 0.0), "the mask is another layer");

    click(&mut harness, "Edit photo");
    wait_until(&mut harness, "the edits", |app| answers(app) == 1);
    assert!(harness.query_by_label("Image of the original").is_some());
    let picture = &inpaint(harness.state()).fills.observation(0).unwrap().picture;
    for (channel, level) in hint.into_iter().enumerate() {
        let given = picture.values[(channel * 32 + 16) * 32 + 16];
        assert!((given - f32::from(level) / 255.0).abs() < 1e-3, "channel {channel}: {given}");
    }

    // Mask and hints are undone in one order; an earlier answer brings its hints back.
    harness.key_press(Key::B);
    harness.run_steps(2);
    drag(&mut harness, [-40.0, 40.0], [40.0, 40.0], 20);
    assert!(share(harness.state()) > 0.0);
    for (painted, colour) in [(false, hint), (false, before)] {
        harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
        harness.run_steps(3);
        assert_eq!((share(harness.state()) > 0.0, seen(&harness)), (painted, colour));
    }
    click(&mut harness, "Edit photo");
    wait_until(&mut harness, "more edits", |app| answers(app) == 2);
    // It may be scrolled out of the panel.
    harness.get_by_label("Result 2").click_accesskit();
    wait_until(&mut harness, "the hint", |app| !inpaint(app).canvas().unwrap().hints().is_blank());
    assert_eq!(seen(&harness), hint);

    // The eraser takes away what was painted last.
    harness.key_press(Key::P);
    harness.key_press(Key::E);
    (0..30).for_each(|_| harness.key_press(Key::CloseBracket));
    harness.run_steps(2);
    drag(&mut harness, [-10.0, 0.0], [10.0, 0.0], 5);
    assert_eq!(seen(&harness), before);
}

#[test]
fn alt_takes_up_the_colour_under_the_pointer() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_photo(folder.path());
    harness.key_press(Key::P);
    let pos = harness.get_by_label(PHOTO).rect().center();
    harness.event(Event::PointerMoved(pos));
    harness.run_steps(2);
    for pressed in [true, false] {
        let (button, modifiers) = (PointerButton::Primary, Modifiers::ALT);
        harness.event(Event::PointerButton { pos, button, pressed, modifiers });
        harness.run_steps(2);
    }
    // In the middle the photo is (300/3, 200/2, 90); the pointer may be a pixel or two beside it.
    let [r, g, b] = inpaint(harness.state()).draft.colour;
    assert!(r.abs_diff(100) <= 1 && g.abs_diff(100) <= 1 && b == 90, "{r} {g} {b}");
    assert!(inpaint(harness.state()).canvas().unwrap().hints().is_blank());
}

#[test]
fn a_fill_can_be_looked_back_on_and_gone_on_from_in_another_way() {
    let mut harness = painted_world();
    assert!(harness.query_by_label("Recorded step").is_none(), "there is nothing to look back on");
    harness.key_press(Key::Enter);
    wait_until(&mut harness, "the fills", |app| answers(app) == 1);
    let shown = |harness: &Harness<'static, App>| {
        let fills = &inpaint(harness.state()).fills;
        (fills.moment(), fills.pictures().unwrap().clone())
    };
    let (moment, first) = shown(&harness);
    assert!(moment.is_none() && first == inpaint(harness.state()).fills.answer().unwrap().restored.pictures);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::B);
    harness.run_steps(3);
    assert!(harness.state().notices().any(|notice| notice.contains("Go back first")));
    click(&mut harness, "Dismiss");

    // Ten moments back, and one forward; Home is the noise that it began from.
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowLeft);
    harness.run_steps(3);
    let before = shown(&harness);
    assert!(before.0.is_some_and(|step| step > 0) && before.1 != first);
    harness.key_press(Key::ArrowRight);
    harness.run_steps(3);
    assert_eq!(shown(&harness).0, before.0.map(|step| step + 1));
    harness.key_press(Key::Home);
    harness.run_steps(3);
    assert_eq!(shown(&harness).0, Some(0));
    assert!(!is_enabled(&harness, "Branch"));

    // Without a change a branch comes to the same fills; it is marked on the timeline of the first.
    harness.key_press(Key::End);
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowLeft);
    harness.run_steps(3);
    let step = shown(&harness).0.unwrap();
    click(&mut harness, "Branch");
    wait_until(&mut harness, "the same fills", |app| answers(app) == 2);
    assert_eq!(shown(&harness), (None, first.clone()));
    harness.get_by_label("Result 2").click_accesskit();
    harness.run_steps(3);
    let branches: Vec<usize> = inpaint(harness.state()).fills.branches().into_iter().map(|(_, step)| step).collect();
    assert_eq!(branches, [step]);

    // More is painted, and another method chosen: the branch agrees with what is left.
    drag(&mut harness, [-60.0, 60.0], [60.0, 80.0], 50);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowLeft);
    harness.run_steps(3);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::B);
    wait_until(&mut harness, "other fills", |app| answers(app) == 3);
    let answer = inpaint(harness.state()).fills.answer().unwrap();
    let unknown = |confidence: &Pixels<f32>| confidence.values.iter().filter(|&&confidence| confidence < 1.0).count();
    let [now, then] = [0, 1].map(|index| inpaint(harness.state()).fills.observation(index).unwrap());
    assert!(unknown(now.confidence.as_ref().unwrap()) > unknown(then.confidence.as_ref().unwrap()));
    assert_ne!(answer.restored.pictures, first);
}
