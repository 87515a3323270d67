//! A network on a graphics device, by kernels of its own.
//!
//! A network is recorded once for so many images: a list of dispatches, each a kernel of `shaders/network` with its
//! buffers. An evaluation copies the images in, submits the list, and copies the output out, on the queue that Burn
//! computes on, so that nothing waits for anything but its own input. Features lie in one layout from input to output,
//! see `shaders/network/common.wgsl`; normalisation, activation, bias, noise level and residual sum happen where a
//! convolution reads or writes anyway. A network that learns ([`Learner`]) goes back the same way; gradients by images are
//! those of tensor operations ([`super::unet`]).
//!
//! What goes on around a network, sums of images and noise, are kernels of `shaders/image`, each launched among Burn's own.

mod back;
mod build;
mod ceilings;
mod device;
mod dit;
mod embedding;
mod evaluator;
mod kernel;
mod launch;
mod layers;
mod learner;
mod matrices;
mod matrix_tiling;
mod network;
mod parameters;
mod program;
mod readback;
mod recorder;
mod refinenet;
mod tiling;
mod walk;
mod watch;

pub use ceilings::Ceilings;
pub(super) use device::of;
pub(crate) use device::{BUFFERS, is_known};
pub use device::{Precision, register};
pub(super) use dit::Dit;
pub(crate) use launch::{Source, THREADS, launch};
pub(super) use learner::Learner;
pub(super) use network::Network;
pub use readback::{Readback, read};
pub(super) use refinenet::RefineNet;
pub use watch::{DeviceError, DeviceWatch};

/// The one graphics device of this module's tests, with the setup behind it, and another name of it under which features are
/// of half precision.
#[cfg(test)]
static TESTED: std::sync::LazyLock<([burn::tensor::Device; 2], burn_wgpu::WgpuSetup)> =
    std::sync::LazyLock::new(|| {
        let made = burn::tensor::Device::wgpu_options().init_with_setup();
        let (device, setup) = made.expect("a Vulkan driver, which tests/run installs");
        let half = burn::tensor::Device::wgpu_options().setup(setup.clone()).init().expect("it was there before");
        register(&[(&device, Precision::Single), (&half, Precision::Half)], &setup);
        ([device, half], setup)
    });

#[cfg(test)]
fn graphics() -> (burn::tensor::Device, burn_wgpu::WgpuSetup) {
    (TESTED.0[0].clone(), TESTED.1.clone())
}

#[cfg(test)]
fn half_precision() -> burn::tensor::Device {
    TESTED.0[1].clone()
}
