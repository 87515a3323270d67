//! The picture view, the timeline and the plots, driven as a person drives them.

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use half::f16;
use score_explorer::Pixels;
use score_explorer::app::picture::{Arrangement, Hovered, PictureView, View};
use score_explorer::app::timeline::{self, TimelineAction, TimelineState};
use score_explorer::app::trajectory::plots;
use score_explorer::app::{Cursor, RunState, RunView, theme};
use score_explorer::engine::{Devices, ModelReport, Recorded, RunReport, Snapshot, Stats, TaskId};
use score_explorer::sde::{FamilyKind, Level, Range};
use score_explorer::task::{Count, Run, Steps};
use std::sync::Arc;

const STEPS: usize = 10;

/// A run of four samples and ten steps, every moment recorded, whose x is the number of the step.
fn run(shape: [usize; 3], range: Option<Range>) -> RunView {
    let run = Run { steps: Steps::new(STEPS).unwrap(), count: Count::new(4).unwrap(), ..Run::default() };
    let family = FamilyKind::Vp.published();
    let times: Vec<f64> = (0..=STEPS).map(|step| 1.0 - step as f64 / STEPS as f64).collect();
    let level = |t: f64| if t > 0.0 { family.sde().level(t) } else { Level::CLEAN };
    let levels: Vec<Level> = times.iter().map(|&t| level(t)).collect();
    let [channels, height, width] = shape;
    let batch = [4, channels, height, width];
    let size = batch.iter().product();
    let moment = |step: usize| Recorded {
        step,
        t: times[step],
        level: levels[step],
        nfe: step,
        x: Pixels { shape: batch, values: vec![step as f32 / 10.0; size].into() },
        denoised: (step > 0).then(|| Pixels { shape: batch, values: vec![f16::from_f32(0.5); size].into() }),
        score: (step > 0).then(|| Pixels {
            shape: [4, 1, height, width],
            values: vec![f16::from_f32(1.0); 4 * height * width].into(),
        }),
        stats: Stats { rms: 1.0, score_rms: 1.0, step_size: Some(0.01), accept_rate: Some(0.9) },
        on_gpu: None,
    };
    let timeline: Vec<Arc<Recorded>> = (0..=STEPS).map(|step| Arc::new(moment(step))).collect();
    let model = ModelReport {
        model: run.model.clone(),
        name: "worlds".into(),
        card: String::new(),
        shape,
        size: 1,
        exact: true,
        range,
        family: Some(family),
        ratios: None,
        description: None,
        classes: Vec::new(),
        assumed: Vec::new(),
        warnings: Vec::new(),
    };
    let report = RunReport {
        run,
        model: Arc::new(model),
        device: Devices::cpu_only().cpu.1,
        range: Range::Symmetric,
        times,
        levels,
        evaluations: Some(STEPS),
        data_rms: Some(0.5),
    };
    let mut view = RunView::new(TaskId(1), Arc::new(report));
    let newest = timeline[STEPS].clone();
    view.state = RunState::Finished;
    view.snapshot = Some(Arc::new(Snapshot { progress: Default::default(), newest, timeline: Arc::new(timeline) }));
    view
}

/// What a window with only our share of the panels holds.
struct Window {
    view: PictureView,
    timeline: TimelineState,
    run: Option<RunView>,
    hovered: Option<Hovered>,
    clicked: Option<usize>,
    actions: Vec<TimelineAction>,
}

fn window(run: Option<RunView>) -> Harness<'static, Window> {
    let state = Window {
        view: PictureView::new(None),
        timeline: TimelineState::default(),
        run,
        hovered: None,
        clicked: None,
        actions: Vec::new(),
    };
    let ui = |ui: &mut egui::Ui, window: &mut Window| {
        let family = FamilyKind::Ve.published();
        egui::Panel::right("plots").exact_size(300.0).show(ui, |ui| {
            egui::ScrollArea::vertical().show(ui, |ui| {
                let setup = plots::Path { family: &family, trained: &[] };
                plots::ui(ui, window.run.as_ref(), setup, window.hovered.as_ref());
            });
        });
        let Some(run) = &mut window.run else { return window.view.empty(ui, 16) };
        egui::Panel::bottom("timeline").show(ui, |ui| {
            let action = timeline::ui(ui, run, &mut window.timeline);
            window.actions.extend((action != TimelineAction::None).then_some(action));
        });
        egui::CentralPanel::default().show(ui, |ui| {
            let response = window.view.ui(ui, run);
            window.hovered = response.hovered;
            window.clicked = response.clicked.or(window.clicked);
        });
    };
    let builder = Harness::builder().with_size(egui::vec2(1000.0, 700.0)).with_max_steps(60);
    let mut harness = builder.with_context_setup(theme::install).build_ui_state(ui, state);
    harness.run_ok();
    harness
}

fn pictures() -> Harness<'static, Window> {
    window(Some(run([3, 8, 8], Some(Range::Symmetric))))
}

fn press(harness: &mut Harness<'_, Window>, key: Key) {
    harness.key_press(key);
    harness.run_ok();
}

fn shown_step(harness: &Harness<'_, Window>) -> usize {
    harness.state().run.as_ref().and_then(|run| run.shown().0).map_or(usize::MAX, |moment| moment.step)
}

#[test]
fn keys_1_to_4_and_the_buttons_choose_the_view() {
    let mut harness = pictures();
    for (key, view) in [Key::Num2, Key::Num3, Key::Num4, Key::Num1].into_iter().zip([1, 2, 3, 0]) {
        press(&mut harness, key);
        assert_eq!(harness.state().view.settings.view, View::ALL[view]);
    }
    harness.get_by_role_and_label(egui::Role::Button, "denoised").click();
    harness.run_ok();
    assert_eq!(harness.state().view.settings.view, View::Denoised);
}

#[test]
fn g_and_a_click_show_one_sample_and_escape_goes_back() {
    let mut harness = pictures();
    press(&mut harness, Key::G);
    assert_eq!(harness.state().view.settings.layout, Arrangement::One);
    assert!(harness.state().view.takes_escape());
    press(&mut harness, Key::PageDown);
    assert_eq!(harness.state().view.settings.sample, 1);
    press(&mut harness, Key::Escape);
    assert_eq!(harness.state().view.settings.layout, Arrangement::Grid);
    let pane = harness.get_by_role(egui::Role::Canvas).rect();
    // Two by two: the lower right one is the fourth.
    let corner = pane.center() + egui::vec2(60.0, 60.0);
    harness.hover_at(corner);
    harness.run_ok();
    harness.drag_at(corner);
    harness.drop_at(corner);
    harness.run_ok();
    assert_eq!(harness.state().clicked, Some(3));
    assert_eq!((harness.state().view.settings.layout, harness.state().view.settings.sample), (Arrangement::One, 3));
}

#[test]
fn pointing_at_a_pixel_gives_its_values_in_all_channels() {
    let mut harness = pictures();
    let pane = harness.get_by_role(egui::Role::Canvas).rect();
    harness.hover_at(pane.center() - egui::vec2(6.0, 6.0));
    harness.run_ok();
    let hovered = harness.state().hovered.clone().expect("the pointer is on a picture");
    assert_eq!((hovered.sample, hovered.pixel), (0, Some([7, 7])));
    assert_eq!((hovered.x, hovered.denoised), (vec![1.0; 3], vec![0.5; 3]));
}

#[test]
fn arrows_walk_the_recorded_moments_and_end_follows_the_run() {
    let mut harness = pictures();
    assert_eq!(shown_step(&harness), STEPS);
    press(&mut harness, Key::ArrowLeft);
    press(&mut harness, Key::ArrowLeft);
    assert_eq!(shown_step(&harness), STEPS - 2);
    press(&mut harness, Key::ArrowRight);
    assert_eq!(shown_step(&harness), STEPS - 1);
    press(&mut harness, Key::Home);
    assert_eq!(shown_step(&harness), 0);
    press(&mut harness, Key::ArrowLeft);
    assert_eq!(shown_step(&harness), 0, "nothing lies before the first");
    press(&mut harness, Key::End);
    assert_eq!(harness.state().run.as_ref().map(|run| run.cursor), Some(Cursor::Live));
}

#[test]
fn a_branch_is_offered_only_between_the_first_and_the_last_moment() {
    let mut harness = pictures();
    press(&mut harness, Key::B);
    press(&mut harness, Key::Home);
    press(&mut harness, Key::B);
    assert_eq!(harness.state().actions, []);
    press(&mut harness, Key::ArrowRight);
    press(&mut harness, Key::B);
    assert_eq!(harness.state().actions, [TimelineAction::Branch]);
    harness.get_by_label("Save").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [TimelineAction::Branch, TimelineAction::Save]);
}

#[test]
fn playback_runs_from_the_first_moment_to_the_newest_and_stops() {
    let mut harness = pictures();
    harness.state_mut().timeline.speed = 8.0;
    harness.get_by_label("Play").click();
    harness.step();
    harness.step();
    assert!(harness.state().timeline.playing);
    assert!(shown_step(&harness) < STEPS);
    // Ten moments at eighty a second are an eighth of a second.
    harness.run_steps(30);
    assert!(!harness.state().timeline.playing);
    assert_eq!(shown_step(&harness), STEPS);
}

#[test]
fn the_first_moment_says_that_no_score_was_asked_for() {
    let mut harness = pictures();
    press(&mut harness, Key::Home);
    press(&mut harness, Key::Num2);
    assert!(harness.state().hovered.is_none());
    assert!(harness.query_by_role(egui::Role::Canvas).is_none(), "there is no picture to point at");
}

#[test]
fn points_and_vectors_without_a_range_are_drawn_without_pictures() {
    for shape in [[2, 1, 1], [5, 1, 1]] {
        let mut harness = window(Some(run(shape, None)));
        for key in [Key::Num2, Key::Num3, Key::Num4, Key::Num1, Key::ArrowLeft, Key::Home, Key::Num3] {
            press(&mut harness, key);
        }
        assert!(harness.query_by_label("One sample").is_none());
    }
}

#[test]
fn before_any_run_the_view_says_what_to_press() {
    let harness = window(None);
    harness.get_by_label("Press Run to watch 16 images emerge from noise");
}

#[test]
fn settings_survive_saving() {
    let mut view = PictureView::new(None);
    view.settings.view = View::Score;
    view.settings.zoom = 3.5;
    let saved = serde_json::to_string(&view.settings).unwrap();
    assert_eq!(serde_json::from_str::<score_explorer::app::picture::PictureSettings>(&saved).unwrap(), view.settings);
    assert_eq!(serde_json::from_str::<TimelineState>("{}").unwrap(), TimelineState::default());
}
