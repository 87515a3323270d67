//! Values on their way from a graphics device.

use super::device::{self, Gpu, buffer};
use super::evaluator::{failed, place};
use burn::tensor::{Element, Tensor, TensorReadError};
use burn_wgpu::wgpu::{self, BufferUsages};
use std::sync::Arc;

/// The values of a tensor, asked for, but not waited for.
#[derive(Debug)]
pub struct Readback(Way);

#[derive(Debug)]
enum Way {
    /// Copied to memory that the host can see, after so much of what was submitted.
    Copied { gpu: Arc<Gpu>, copy: wgpu::Buffer, after: wgpu::SubmissionIndex, count: usize },
    /// Read at once, from a device that is not known.
    There(Vec<f32>),
}

impl Readback {
    /// Asks for values. What the device is asked for later does not delay them.
    ///
    /// # Errors
    /// If the device fails.
    pub fn begin(x: &Tensor<1>) -> Result<Self, TensorReadError> {
        let Some((gpu, _)) = device::of(&x.device()) else {
            return Ok(Readback(Way::There(x.clone().try_into_vec_as()?)));
        };
        let from = place(x)?;
        let copy = buffer(&gpu.device, from.bytes, BufferUsages::COPY_DST | BufferUsages::MAP_READ);
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&from.buffer, from.offset, &copy, 0, from.bytes);
        let after = gpu.queue.submit([encoder.finish()]);
        copy.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        Ok(Readback(Way::Copied { gpu, copy, after, count: x.dims()[0] }))
    }

    /// Waits for the values.
    ///
    /// # Errors
    /// If the device fails, or finishes nothing for long.
    pub fn finish(self) -> Result<Vec<f32>, TensorReadError> {
        let (gpu, copy, after, count) = match self.0 {
            Way::There(values) => return Ok(values),
            Way::Copied { gpu, copy, after, count } => (gpu, copy, after, count),
        };
        let read = |values: &[f32]| values.get(..count).unwrap_or_default().to_vec();
        gpu.read_mapped(&copy, &after, read).map_err(failed)
    }
}

/// The values of a tensor, where nothing can be done meanwhile.
///
/// # Errors
/// If the device fails, or finishes nothing for long.
pub fn read<E: Element + From<f32>>(x: Tensor<1>) -> Result<Vec<E>, TensorReadError> {
    match device::of(&x.device()) {
        Some(_) => Ok(Readback::begin(&x)?.finish()?.into_iter().map(E::from).collect()),
        None => x.try_into_vec_as(),
    }
}
