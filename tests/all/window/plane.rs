//! The plane in the window: drawn, played, compared, undone, and there after a restart.

use super::{Dropped, Storage, click, open, save_as, wait_until};
use egui::accesskit::Role;
use egui::{Event, Key, Modifiers, PointerButton, Pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use score_explorer::app::plane::Plane;
use score_explorer::app::{App, Settings};
use score_explorer::plane::{Known, Pane, Recipe, Scene, Shape, Start, lessons};
use score_explorer::task::Steps;
use serde_json::json;

pub fn plane(app: &App) -> &Plane {
    app.workspace().expect("the workspace")
}

fn scene(harness: &Harness<'static, App>) -> Scene {
    plane(harness.state()).scene().clone()
}

/// A window with few particles that take few steps.
pub fn window(storage: &Storage) -> Harness<'static, App> {
    let mut harness = open(storage);
    click(&mut harness, "Plane");
    wait_until(&mut harness, "the first cloud", |app| plane(app).is_done() && !plane(app).distances().is_empty());
    harness
}

pub fn small() -> Storage {
    let scene = Scene { count: 200, ..Scene::default() };
    let mut storage = Storage::default();
    Settings::default().with("plane", json!({ "scene": scene })).save(&mut storage);
    storage
}

/// Where a share of the first picture is, from its left top corner.
fn place(harness: &Harness<'static, App>, x: f32, y: f32) -> Pos2 {
    let rect = harness.get_by_label_contains("Picture 1").rect();
    rect.min + egui::vec2(x * rect.width(), y * rect.height())
}

/// Presses, moves and lets go, as a hand does.
fn stroke(harness: &mut Harness<'static, App>, way: &[Pos2]) {
    let button = |pos, pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    let (first, last) = (way[0], way[way.len() - 1]);
    harness.event(Event::PointerMoved(first));
    harness.run_steps(1);
    harness.event(button(first, true));
    harness.run_steps(1);
    for at in way {
        harness.event(Event::PointerMoved(*at));
        harness.run_steps(1);
    }
    harness.event(button(last, false));
    harness.run_steps(2);
}

#[test]
fn data_are_drawn_undone_and_drawn_again() {
    let mut harness = window(&small());
    let famous = scene(&harness).drawing;
    click(&mut harness, "Clear");
    harness.run_steps(70);
    wait_until(&mut harness, "the sentence", |app| plane(app).problem().is_some_and(|why| why.contains("empty")));
    let way: Vec<Pos2> = (0..=10).map(|k| place(&harness, 0.3 + 0.04 * k as f32, 0.5)).collect();
    stroke(&mut harness, &way);
    let drawing = scene(&harness).drawing;
    let [piece] = &drawing.pieces[..] else { panic!("{drawing:?}") };
    let Shape::Stroke { points, .. } = &piece.shape else { panic!("{drawing:?}") };
    // The view is three units wide and the line 0.4 of it, in the middle.
    let (first, last) = (points[0], points[points.len() - 1]);
    assert!((first[0] + 0.6).abs() < 0.05 && (last[0] - 0.6).abs() < 0.05 && first[1].abs() < 0.02, "{points:?}");
    wait_until(&mut harness, "its cloud", |app| plane(app).problem().is_none() && plane(app).is_done());
    let mean = plane(harness.state()).particles_mean(0).expect("particles");
    assert!(mean[0].abs() < 0.1 && mean[1].abs() < 0.05, "{mean:?}");

    harness.run_steps(70);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(3);
    assert!(scene(&harness).drawing.pieces.is_empty());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(3);
    assert_eq!(scene(&harness).drawing, famous);
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    harness.run_steps(3);
    assert_eq!(scene(&harness).drawing, drawing);
}

#[test]
fn time_is_played_and_moved_by_keys_and_moves_no_particle_anew() {
    let mut harness = window(&small());
    let before = plane(harness.state()).distances();
    harness.key_press(Key::Home);
    harness.run_steps(2);
    assert_eq!(scene(&harness).time, 1.0);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    harness.run_steps(2);
    assert!((scene(&harness).time - 0.9).abs() < 1e-9);
    harness.key_press(Key::Space);
    harness.run_steps(30);
    let later = scene(&harness).time;
    assert!(later < 0.9, "{later}");
    harness.key_press(Key::Space);
    harness.run_steps(4);
    assert!(harness.query_by_label("Play").is_some() && scene(&harness).time <= later);
    assert_eq!(plane(harness.state()).distances(), before);
}

#[test]
fn solvers_are_compared_from_the_same_noise_and_more_steps_come_nearer() {
    // Two steps of the second are far from enough.
    let usual = Pane::default();
    let few = Pane { steps: Steps::new(2).unwrap(), ..usual.clone() };
    let scene_before = Scene { count: 200, panes: vec![usual, few], ..Scene::default() };
    let mut storage = Storage::default();
    Settings::default().with("plane", json!({ "scene": scene_before })).save(&mut storage);
    let mut harness = window(&storage);
    assert_eq!(harness.query_all_by_label_contains("Picture ").count(), 2);
    wait_until(&mut harness, "both", |app| plane(app).is_done() && plane(app).distances().len() == 2);
    let found = plane(harness.state()).distances();
    assert!(found[1] > 1.5 * found[0], "{found:?}");
    click(&mut harness, "Add solver");
    assert_eq!(scene(&harness).panes.len(), 3);
    click(&mut harness, "Remove solver");
    assert_eq!(scene(&harness).panes.len(), 2);
    click(&mut harness, "Solver 1");
    click(&mut harness, "Remove solver");
    assert_eq!(scene(&harness).panes.len(), 1);
}

#[test]
fn all_is_done_by_the_keyboard_in_the_picture() {
    let mut harness = window(&small());
    harness.key_press(Key::Delete);
    harness.key_press(Key::N);
    harness.run_steps(2);
    harness.get_by_label_contains("Picture 1").focus();
    harness.run_steps(2);
    for _ in 0..4 {
        harness.key_press(Key::ArrowRight);
        harness.run_steps(1);
    }
    harness.key_press(Key::Enter);
    harness.run_steps(1);
    harness.key_press(Key::Enter);
    harness.run_steps(2);
    let drawing = scene(&harness).drawing;
    let [piece] = &drawing.pieces[..] else { panic!("{drawing:?}") };
    let Shape::Gaussian { at, .. } = piece.shape else { panic!("{drawing:?}") };
    // Four steps of 0.03 of half the view.
    assert!((at[0] - 0.18).abs() < 1e-6 && at[1].abs() < 1e-6, "{at:?}");
    harness.key_press(Key::ArrowUp);
    harness.run_steps(1);
    assert!(harness.get_by_label_contains("Picture 1").is_focused(), "arrows stay in the picture");
}

#[test]
fn layers_tools_and_measurements_follow_keys_and_hand() {
    let mut harness = window(&small());
    for (key, on) in [(Key::Num2, true), (Key::Num3, true), (Key::Num6, true), (Key::Num7, true), (Key::Num1, false)] {
        harness.key_press(key);
        harness.run_steps(2);
        let layers = scene(&harness).layers;
        let found = match key {
            Key::Num2 => layers.score,
            Key::Num3 => layers.streamlines,
            Key::Num6 => layers.flow,
            Key::Num7 => layers.solutions,
            _ => layers.density,
        };
        assert_eq!(found, on, "{key:?}");
    }
    wait_until(&mut harness, "the lines", |app| plane(app).is_done());
    harness.key_press(Key::M);
    harness.run_steps(2);
    let ends = [place(&harness, 0.2, 0.25), place(&harness, 0.8, 0.25)];
    stroke(&mut harness, &ends);
    let Some(Known::Line { direction, value, .. }) = scene(&harness).known else {
        panic!("{:?}", scene(&harness).known)
    };
    // A quarter from the top of a view of ±1.5.
    assert!(direction[1].abs() > 0.999 && (value * direction[1] - 0.75).abs() < 0.03, "{direction:?} {value}");
    harness.get_by_label("Method").click_accesskit();
    harness.run_steps(4);
    harness.get_by_label("Exact").click_accesskit();
    harness.run_steps(4);
    wait_until(&mut harness, "the posterior", |app| plane(app).is_done());
    let mean = plane(harness.state()).particles_mean(0).expect("particles");
    // Nothing of the two moons is as far up as that but their tip, at 0.45.
    assert!(mean[1] > 0.3, "{mean:?}");
    harness.key_press(Key::P);
    harness.run_steps(2);
    let start = [place(&harness, 0.5, 0.5)];
    stroke(&mut harness, &start);
    assert!(matches!(&scene(&harness).start, Start::Points(points) if points.len() == 1));
}

#[test]
fn a_scene_survives_a_restart_and_pictures_and_points_are_dropped() {
    let mut storage = small();
    let mut harness = window(&storage);
    click(&mut harness, "VE");
    harness.key_press(Key::Num5);
    harness.run_steps(3);
    let kept = scene(&harness);
    eframe::App::save(harness.state_mut(), &mut storage);
    drop(harness);
    let mut harness = window(&storage);
    assert_eq!(scene(&harness), kept);

    let folder = tempfile::tempdir().unwrap();
    let mut paper = image::GrayImage::from_pixel(40, 20, image::Luma([255]));
    // Ink on the right half only.
    (20..40).for_each(|x| (5..15).for_each(|y| paper.put_pixel(x, y, image::Luma([0]))));
    let path = folder.path().join("ink.png");
    paper.save(&path).unwrap();
    drop_file(&mut harness, path);
    wait_until(
        &mut harness,
        "the ink",
        |app| matches!(&plane(app).scene().drawing.pieces[..], [piece] if matches!(piece.shape, Shape::Ink(_))),
    );
    let mean = scene(&harness).plane().unwrap().mean();
    assert!((mean[0] - 0.5).abs() < 0.03 && mean[1].abs() < 0.03, "{mean:?}");
    let path = folder.path().join("scene.json");
    Scene { seed: 77, ..kept }.write(&path).unwrap();
    drop_file(&mut harness, path);
    wait_until(&mut harness, "the scene", |app| plane(app).scene().seed == 77);
    let path = folder.path().join("broken.json");
    std::fs::write(&path, "{}").unwrap();
    drop_file(&mut harness, path);
    wait_until(&mut harness, "the sentence", |app| app.notices().any(|notice| notice.contains("broken.json")));
}

fn drop_file(harness: &mut Harness<'static, App>, path: std::path::PathBuf) {
    harness.input_mut().dropped_files.push(std::sync::Arc::new(Dropped(path)));
    harness.run_steps(2);
}

#[test]
fn lessons_are_taken_one_after_the_other_and_kept_with_their_text() {
    let mut storage = small();
    let mut harness = window(&storage);
    for (number, lesson) in lessons().iter().enumerate() {
        harness.key_press(Key::PageDown);
        harness.run_steps(3);
        let expected = lesson.scene().unwrap();
        assert_eq!(scene(&harness), expected, "{}", lesson.slug);
        assert!(harness.query_all_by_label(&expected.title).next().is_some(), "{}", lesson.slug);
        let place = format!("Lesson {} of {}", number + 1, lessons().len());
        assert!(harness.query_by_label(&place).is_some(), "{place}");
    }
    // The last one stays the last.
    harness.key_press(Key::PageDown);
    harness.run_steps(3);
    wait_until(&mut harness, "the last", |app| plane(app).is_done() && plane(app).problem().is_none());
    harness.get_by_label("Previous").click_accesskit();
    harness.run_steps(3);
    let last = lessons().len() - 1;
    assert_eq!(scene(&harness), lessons()[last - 1].scene().unwrap());
    eframe::App::save(harness.state_mut(), &mut storage);
    drop(harness);
    let mut harness = open(&storage);
    click(&mut harness, "Plane");
    assert!(harness.query_by_label(&format!("Lesson {last} of {}", lessons().len())).is_some());
}

#[test]
fn a_network_is_learned_and_followed_and_steps_are_swept() {
    let mut storage = Storage::default();
    let learning = Some(Recipe { steps: 150, ..Recipe::default() });
    let scene_before = Scene { count: 200, learning, ..Scene::default() };
    Settings::default().with("plane", json!({ "scene": scene_before })).save(&mut storage);
    let mut harness = window(&storage);
    harness.key_press(Key::L);
    wait_until(&mut harness, "the network", |app| plane(app).is_done() && plane(app).learned() == Some(150));
    harness.key_press(Key::Num2);
    harness.get_by_label("Difference").click_accesskit();
    harness.run_steps(3);
    let exact = plane(harness.state()).distances();
    // Two buttons have this name: what is drawn, and what the solver follows.
    harness.get_all_by_label("Learned").next().unwrap().click_accesskit();
    harness.run_steps(3);
    assert!(scene(&harness).panes[0].learned);
    wait_until(&mut harness, "its cloud", |app| plane(app).is_done() && plane(app).distances() != exact);
    // Nearly untrained, it is further from the data than the exact score, and nearer than noise, at about 0.5.
    let learned = plane(harness.state()).distances()[0];
    assert!(learned > exact[0] && learned < 0.4, "{learned} {exact:?}");
    harness.get_by_label("Sweep steps").click_accesskit();
    wait_until(&mut harness, "the sweep", |app| plane(app).swept().is_some());
    let swept = plane(harness.state()).swept().unwrap();
    assert_eq!((swept.len(), swept[0].len()), (1, 8));
}

#[test]
fn pictures_animations_particles_and_scenes_are_saved() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(&small());
    for (what, name) in [("PNG", "p.png"), ("SVG", "p.svg"), ("CSV", "p.csv"), ("Scene", "p.json")] {
        let path = folder.path().join(name);
        save_as(&mut harness, what, &path, "Save");
        let saved = format!("Saved as {}", path.display());
        wait_until(&mut harness, name, |app| app.notices().any(|notice| notice.starts_with(&saved)));
    }
    let picture = image::open(folder.path().join("p.png")).unwrap();
    assert!(picture.width() >= 720 && picture.height() >= 720);
    assert!(std::fs::read_to_string(folder.path().join("p.svg")).unwrap().contains("<svg"));
    let table = std::fs::read_to_string(folder.path().join("p.csv")).unwrap();
    assert_eq!(table.lines().count(), 201, "a head and a line for each particle");
    assert_eq!(Scene::read(&folder.path().join("p.json")).unwrap(), scene(&harness));
}

#[test]
fn every_checkbox_slider_and_menu_has_a_name() {
    use egui_kittest::kittest::NodeT;
    let harness = window(&small());
    for role in
        [Role::CheckBox, Role::Slider, Role::SpinButton, Role::ComboBox, Role::Button, Role::RadioButton, Role::Image]
    {
        for node in harness.query_all_by_role(role) {
            let node = node.accesskit_node();
            assert!(node.label().is_some_and(|name| !name.is_empty()), "{role:?} {:?}", node.value());
        }
    }
}

/// Solvers' names have the room that they need, and values stay in their panel, however long they are.
#[test]
fn long_names_and_values_have_room() {
    let panes = ["euler", "pc:reverse-diffusion:langevin:0.4:1:batch", "pc:none:langevin:0.4:1:batch"];
    let panes = panes.map(|solver| Pane::new(solver.parse().unwrap(), Steps::new(4).unwrap())).to_vec();
    let known = Some(Known::Line { direction: [0.0, 1.0], value: -1.235, noise: 0.125 });
    let scene = Scene { count: 50, panes, known, ..Scene::default() };
    let mut storage = Storage::default();
    Settings::default().with("plane", json!({ "scene": scene })).save(&mut storage);
    let mut harness = window(&storage);
    harness.get_all_by_label("More").for_each(|more| more.click());
    harness.run();
    for (index, pane) in scene.panes.iter().enumerate() {
        let name = format!("{} {}", index + 1, pane.solver.entry().title(pane.solver.settings()));
        let font = egui::FontId::proportional(score_explorer::app::theme::SMALL);
        let natural =
            harness.ctx.fonts_mut(|fonts| fonts.layout_no_wrap(name.clone(), font, Default::default()).size());
        let rect = harness.get_by_label(&name).rect();
        let rows = (rect.height() / natural.y).round();
        assert!(rows * rect.width() >= 0.99 * natural.x, "{name}: {rect:?}, not {natural:?}");
    }
    let edge = harness.get_by_label("Play").rect().right() + 0.5;
    // Churn goes up to σ/α = 10⁹ until it is set.
    for name in ["Value", "Angle", "Noise", "Particles", "Start at T", "Churn to"] {
        let right = harness.get_all_by_label(name).map(|node| node.rect().right()).fold(0.0, f32::max);
        assert!(right > 0.0 && right <= edge, "{name} ends at {right}, the panel at {edge}");
    }
}
