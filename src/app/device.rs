//! The choice of a device, and which one it means.

use super::Session;
use super::widgets::Combo;
use crate::engine::DeviceChoice;
use egui::Ui;

/// The menu that chooses a device. `name` is its accessible name.
pub fn device_combo(ui: &mut Ui, name: &str, width: f32, device: &mut DeviceChoice, session: &Session) {
    let tip = why_device(session, *device);
    let text = |choice: &DeviceChoice| match choice {
        DeviceChoice::Auto => "Auto".to_owned(),
        DeviceChoice::Cpu => "CPU".into(),
        DeviceChoice::Gpu => "GPU".into(),
        DeviceChoice::GpuHalf => "GPU, half".into(),
    };
    let missing = session.devices().gpu.is_none();
    let options = [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Gpu, DeviceChoice::GpuHalf];
    Combo { name, tip: &tip, width }.show(ui, device, &options, text, |choice| {
        (matches!(choice, DeviceChoice::Gpu | DeviceChoice::GpuHalf) && missing)
            .then(|| "No graphics adapter found.".into())
    });
}

/// Which device computes, and why.
pub fn why_device(session: &Session, choice: DeviceChoice) -> String {
    let chosen = session.device(choice);
    let gpu = session.devices().gpu.as_ref().map(|(_, report)| report);
    let because = match (choice, gpu) {
        (DeviceChoice::Cpu, _) => "you chose the CPU".into(),
        _ if session.devices().gpu_is_gone() => "the graphics device was lost".into(),
        (DeviceChoice::Auto | DeviceChoice::Gpu | DeviceChoice::GpuHalf, None) => "no graphics adapter found".into(),
        (DeviceChoice::Gpu, Some(gpu)) if gpu.software => "you chose it, though it is a software adapter".into(),
        (DeviceChoice::Gpu, Some(_)) => "you chose the graphics adapter".into(),
        (DeviceChoice::GpuHalf, Some(_)) => "you chose it; networks store their features in half precision".into(),
        (DeviceChoice::Auto, Some(gpu)) if gpu.software => {
            let name = gpu.name.split(" (").next().unwrap_or(&gpu.name);
            format!("the only graphics adapter is a software one ({name})")
        }
        (DeviceChoice::Auto, Some(_)) => "a hardware graphics adapter, shared with this window".into(),
    };
    format!("{}: {because}", chosen.name)
}
