//! The one graphics device of these tests, a software one where there is no other.

use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;
use score_explorer::network::register_gpu;
use std::sync::LazyLock;

/// A device on which U-Nets compute by kernels of their own, and the setup behind it.
pub(crate) fn graphics() -> (Device, WgpuSetup) {
    static DEVICE: LazyLock<(Device, WgpuSetup)> = LazyLock::new(|| {
        let made = Device::wgpu_options().init_with_setup().expect("a Vulkan driver, which tests/run installs");
        register_gpu(&made.0, &made.1);
        made
    });
    DEVICE.clone()
}
