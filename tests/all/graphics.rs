//! The one graphics device of these tests, a software one where there is no other.

use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;
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
