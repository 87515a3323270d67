//! What a graphics device does at most, as measured on it.

use super::device::{self, Gpu, buffer};
use super::evaluator::failed;
use super::kernel::{FMA, Kernel};
use super::program::{ALIGNMENT, bind};
use super::recorder::{Bindings, Bound};
use burn::tensor::{Device, TensorReadError};
use burn_wgpu::wgpu::{self, BufferUsages};
use std::time::Instant;

/// Bytes that are copied at a time, more than any cache holds.
const COPIED: u64 = 256 << 20;
/// Workgroups of the arithmetic, many for each of a large device's processors.
const GROUPS: u32 = 4096;
/// Seconds of work beside which its submission takes no time.
const LONG: f64 = 0.02;
/// As often it is timed; the fastest counts.
const TIMES: usize = 3;

/// Rates that no evaluation exceeds, unless its features stay in a cache.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceilings {
    /// Bytes per second that large copies from buffer to buffer read and write: two for each byte that is copied.
    pub bytes: f64,
    /// Multiplications and additions of single precision per second, in registers: two for each fused pair.
    pub operations: f64,
}

impl Ceilings {
    /// Measures a device, in about a fifth of a second where it is fast; `None` of one on which no network computes by
    /// kernels of its own.
    ///
    /// # Errors
    /// If the device fails.
    pub fn measure(device: &Device) -> Result<Option<Self>, TensorReadError> {
        let Some((gpu, _)) = device::of(device) else { return Ok(None) };
        Ok(Some(Ceilings { bytes: copied(&gpu)?, operations: computed(&gpu)? }))
    }
}

fn copied(gpu: &Gpu) -> Result<f64, TensorReadError> {
    let size = COPIED.min(gpu.device.limits().max_buffer_size);
    let made = || [BufferUsages::COPY_SRC, BufferUsages::COPY_DST].map(|usage| buffer(&gpu.device, size, usage));
    let [from, to] = gpu.made(made).map_err(failed)?;
    let copies = per_second(gpu, |encoder, count| {
        (0..count).for_each(|_| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, size));
    })?;
    Ok(copies * 2.0 * size as f64)
}

fn computed(gpu: &Gpu) -> Result<f64, TensorReadError> {
    let made = || (gpu.pipeline(&Kernel::Fma, false), buffer(&gpu.device, 64, BufferUsages::STORAGE));
    let (pipeline, output) = gpu.made(made).map_err(failed)?;
    let bindings = Bindings { output: Bound::Buffer(output), ..Bindings::default() };
    let rounds = per_second(gpu, |encoder, count| {
        let params = [count, 0.5_f32.to_bits(), 1.0_f32.to_bits()];
        let mut bytes = vec![0_u8; ALIGNMENT];
        bytes.iter_mut().zip(bytemuck::cast_slice(&params)).for_each(|(to, from)| *to = *from);
        let params = gpu.upload(&bytes, BufferUsages::UNIFORM);
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bind(gpu, &[], &params, 0, &bindings), &[]);
        pass.dispatch_workgroups(GROUPS, 1, 1);
    })?;
    // Each sum is of four values, and each step of it a multiplication and an addition.
    let of_round = FMA.into_iter().chain([GROUPS, 4, 2]).map(f64::from).product::<f64>();
    Ok(rounds * of_round)
}

/// How much of some work is done per second, of which any number may be asked for at a time.
fn per_second(gpu: &Gpu, ask: impl Fn(&mut wgpu::CommandEncoder, u32)) -> Result<f64, TensorReadError> {
    let seconds = |count: u32| {
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        ask(&mut encoder, count);
        let commands = encoder.finish();
        let began = Instant::now();
        let submitted = gpu.queue.submit([commands]);
        gpu.watch.wait_for(&submitted).map_err(failed)?;
        Ok::<f64, TensorReadError>(began.elapsed().as_secs_f64())
    };
    let mut count = 1;
    // The first one makes things ready.
    seconds(count)?;
    let mut best = seconds(count)?;
    while best < LONG && count < u32::MAX / 2 {
        count *= 2;
        best = seconds(count)?;
    }
    for _ in 1..TIMES {
        best = best.min(seconds(count)?);
    }
    Ok(f64::from(count) / best.max(f64::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::gpu::graphics;

    #[test]
    fn a_device_is_as_fast_as_one_can_be() {
        assert_eq!(Ceilings::measure(&Device::flex()).unwrap(), None);
        let Ceilings { bytes, operations } = Ceilings::measure(&graphics().0).unwrap().expect("it is known");
        // From a software device beside other work to ten times the fastest card of 2026.
        assert!((1e8..1e14).contains(&bytes), "{bytes}");
        assert!((1e8..1e15).contains(&operations), "{operations}");
    }
}
