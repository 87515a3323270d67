//! The one graphics device of these tests, a software one where there is no other.

use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuSetup, wgpu};
use eframe::egui_wgpu::RendererOptions;
use egui_kittest::wgpu::create_render_state;
use score_explorer::app::{share, window_graphics};
use score_explorer::engine::Devices;
use std::sync::LazyLock;

static DEVICES: LazyLock<(Devices, WgpuSetup)> = LazyLock::new(|| {
    let (device, setup) = Device::wgpu_options().init_with_setup().expect("a Vulkan driver, which tests/run installs");
    (Devices::with(device, setup.clone()), setup)
});

/// The devices with a graphics one, and the setup behind it.
pub(crate) fn devices() -> (Devices, WgpuSetup) {
    DEVICES.clone()
}

/// A device on which U-Nets compute by kernels of their own.
pub(crate) fn graphics() -> Device {
    DEVICES.0.gpu.as_ref().expect("there is one").0.clone()
}

/// The same for features of half precision.
pub(crate) fn half_precision() -> Device {
    DEVICES.0.half.as_ref().expect("there is one").0.clone()
}

/// Devices that no other test has, as a window on this thread has them, and what is behind the graphics one.
pub(crate) fn own_devices() -> (Devices, wgpu::Device) {
    let state = create_render_state(window_graphics().wgpu_setup, RendererOptions::default());
    (share(Some(&state)).devices, state.device.clone())
}
