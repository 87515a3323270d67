//! A window whose graphics device is lost, and the one that takes its place.

use super::{Storage, quick, runs, stored, wait_until};
use crate::graphics::own_devices;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use score_explorer::app::{App, Draft, Left, RunState, Start};
use score_explorer::engine::{DeviceChoice, Devices};
use std::time::{Duration, Instant};

fn window(devices: Devices, storage: &Storage, left: &Left) -> Harness<'static, App> {
    let builder = Harness::builder().with_size([1280.0, 800.0]).with_step_dt(1.0 / 60.0).with_max_steps(30);
    let start = |context: &mut eframe::CreationContext<'_>| {
        let start = Start {
            devices,
            storage: Some(storage),
            render_state: None,
            library: None,
            painting: None,
            notices: Vec::new(),
            open: None,
            drops: true,
            left: left.clone(),
        };
        App::new(&context.egui_ctx, start)
    };
    builder.build_eframe(start)
}

fn recorded(app: &App) -> usize {
    runs(app).current().map_or(0, |entry| entry.view.timeline().len())
}

#[test]
fn runs_and_their_frames_go_on_in_the_window_that_takes_the_place_of_a_lost_one() {
    let model = "mixture:blocks".parse().expect("a model");
    let storage = stored(Draft { model, device: DeviceChoice::Gpu, ..quick(100_000) });
    let (left, (devices, gpu)) = (Left::default(), own_devices());
    let mut lost = window(devices, &storage, &left);
    lost.run_steps(3);
    lost.get_by_label("Run").click();
    wait_until(&mut lost, "some steps", |app| recorded(app) > 5);
    assert!(runs(lost.state()).current().unwrap().view.snapshot.as_ref().unwrap().newest.on_gpu.is_some());
    let before = recorded(lost.state());
    gpu.destroy();
    let deadline = Instant::now() + Duration::from_secs(300);
    while left.borrow().is_empty() {
        assert!(Instant::now() < deadline, "the loss was not noticed");
        lost.step();
    }
    drop(lost);

    let mut next = window(Devices::cpu_only(), &storage, &left);
    assert!(left.borrow().is_empty(), "it was taken over");
    assert!(next.query_by_label("Run 1").is_some());
    wait_until(&mut next, "steps on the CPU", |app| {
        let run = &runs(app).current().unwrap().view;
        !run.report.device.gpu && run.timeline().len() > before + 5
    });
    let run = &runs(next.state()).current().unwrap().view;
    assert_eq!(run.state, RunState::Running);
    assert!(run.timeline().iter().take(before).enumerate().all(|(step, moment)| moment.step == step));
    assert!(run.snapshot.as_ref().unwrap().newest.on_gpu.is_none());
    assert!(next.state().notices().any(|notice| notice.starts_with("The graphics device was lost after step")));
    // A new run beside it is another.
    next.key_press(egui::Key::Escape);
    wait_until(&mut next, "the stop", |app| runs(app).current().unwrap().view.state == RunState::Stopped);
    next.get_by_label("Run").click();
    wait_until(&mut next, "a second run", |app| runs(app).entries.len() == 2 && recorded(app) > 2);
    assert!(next.query_by_label("Run 2").is_some());
}
