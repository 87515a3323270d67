//! A network in the host's memory, for the CPU.
//!
//! All features lie in one layout from input to output: sixteens of channels, so that a register, a cache line and
//! a column block of a matrix are the same thing. Work is cut into tasks that stay in a core's cache, over images,
//! bands of rows and channels; how it is cut changes nothing in the results. On other devices, the layers of
//! [`super::unet`], [`super::refinenet`] and [`super::dit`] use tensor operations instead.

mod attention;
mod build;
mod bytes;
mod clock;
mod convolution;
mod dilated;
mod dit;
mod embedding;
mod evaluator;
mod gemm;
mod gradients;
mod inception;
mod kernels;
mod linear;
mod maps;
mod network;
mod norm;
mod norm_plus;
mod pointwise;
mod pooling;
mod read;
mod refinenet;
mod resize;
mod shifted;
mod simd;
mod table;
mod tracked;
mod two_way;
mod winograd;

pub(crate) use bytes::ByteMatrix;
pub(super) use dit::Dit;
pub(super) use inception::Inception;
pub(super) use network::Network;
pub(super) use refinenet::RefineNet;
pub(super) use shifted::Shifted;
pub(super) use table::Table;

use crate::Image;
use burn::tensor::{Device, Tensor, TensorData, TensorReadError};
use clock::{Clock, Stopwatch};
use maps::Pool;
use rayon::prelude::*;
use simd::Isa;
use std::sync::atomic::{AtomicBool, Ordering};

/// The name of the instructions that networks are computed with, which their last bits depend on.
pub(crate) fn instructions() -> &'static str {
    Isa::best().name()
}

/// Tensors of this device lie in the host's memory, with or without gradients.
pub(super) fn is_host(device: &Device) -> bool {
    *device == Device::flex()
}

/// Tensors of this device lie in the host's memory and keep no gradients.
pub(crate) fn is_plain(device: &Device) -> bool {
    !device.is_autodiff() && is_host(device)
}

/// Does something with the values of images, N×C×H×W, that gives values of the shape `to`.
fn on_values(
    x: Image,
    to: [usize; 4],
    work: impl FnOnce(Vec<f32>, [usize; 4]) -> Vec<f32>,
) -> Result<Image, TensorReadError> {
    let (device, dims) = (x.device(), x.dims());
    let values = x.try_into_vec_as()?;
    Ok(Tensor::from_data(TensorData::new(work(values, dims), to), &device))
}

/// What every layer computes with.
#[derive(Clone, Copy, Debug)]
struct Context<'a> {
    isa: Isa,
    pool: &'a Pool,
    /// Where a profile is being taken.
    clock: Option<&'a Clock>,
    /// Other threads have nothing else to do.
    alone: bool,
}

impl<'a> Context<'a> {
    fn stopwatch(&self) -> Stopwatch<'a> {
        Stopwatch::new(self.clock)
    }
}

/// Threads that wait for work without sleeping; more would only stand in each other's way.
const AWAKE: usize = 8;

/// Does some work on one thread, while others stand by to take parts of it at once. Layers of a single image are over
/// sooner than a sleeping thread is woken.
fn wide_awake(work: impl Fn() + Send + Sync) {
    /// Tells the others, whatever happens.
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let done = AtomicBool::new(false);
    rayon::broadcast(|thread| match thread.index() {
        0 => {
            let _done = Done(&done);
            work();
        }
        1..AWAKE => {
            while !done.load(Ordering::Acquire) {
                if rayon::yield_now() != Some(rayon::Yield::Executed) {
                    std::thread::yield_now();
                }
            }
        }
        _ => {}
    });
}

/// Does something with each item, on all threads or on this one.
fn for_each<T: Send>(parallel: bool, items: Vec<T>, work: impl Fn(T) + Send + Sync) {
    match parallel {
        true => items.into_par_iter().with_max_len(1).for_each(work),
        false => items.into_iter().for_each(work),
    }
}
