//! Draws a field on the window's own device, straight from the tensor's buffer where it lies there.

use super::field::Field;
use super::frame::Frame;
use crate::app::graphics::{PixelShader, buffer, buffer_binding};
use eframe::egui_wgpu::{Callback, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor, wgpu};
use egui::{PaintCallback, PaintCallbackInfo, Rect};
use std::sync::{Arc, Mutex, PoisonError};

/// What all views share on a device.
pub struct Pipeline(PixelShader);

impl Pipeline {
    /// Whether a device can run the shader at all (WebGL-like ones have no storage buffers).
    pub fn is_possible(device: &wgpu::Device) -> bool {
        device.limits().max_storage_buffers_per_shader_stage > 0
    }

    /// The pipeline for a target of this format.
    pub fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Pipeline {
        let source = include_str!("../../../shaders/picture.wgsl");
        let values = wgpu::BufferBindingType::Storage { read_only: true };
        let bindings = [buffer_binding(wgpu::BufferBindingType::Uniform), buffer_binding(values)];
        Pipeline(PixelShader::new(device, "picture", source, &bindings, format))
    }
}

/// What one view keeps on the device.
struct Bound {
    /// The field that the bind group shows. Held, so that no other can have its address.
    field: Arc<Field>,
    /// Place of its first value in the binding.
    first: u32,
    uniform: wgpu::Buffer,
    /// Values sent from the host; used again for fields of the same size.
    upload: Option<wgpu::Buffer>,
    group: wgpu::BindGroup,
}

/// The drawing of one view.
#[derive(Clone, Default)]
pub struct GpuView {
    bound: Arc<Mutex<Option<Bound>>>,
}

impl GpuView {
    /// A view on the window's device; `None` where that cannot run the shader.
    pub fn new(render_state: &RenderState) -> Option<GpuView> {
        if !Pipeline::is_possible(&render_state.device) {
            return None;
        }
        let resources = &mut render_state.renderer.write().callback_resources;
        if !resources.contains::<Pipeline>() {
            resources.insert(Pipeline::new(&render_state.device, render_state.target_format));
        }
        Some(GpuView::default())
    }

    /// What egui is to paint. `frame` is in pixels of the whole target.
    pub fn callback(&self, rect: Rect, field: Arc<Field>, frame: Frame) -> PaintCallback {
        Callback::new_paint_callback(rect, Drawing { view: self.clone(), field, frame })
    }

    /// Makes the bind group show `field`, sending nothing that is there already, and lays out `frame`.
    pub fn prepare(
        &self,
        pipeline: &Pipeline,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        field: &Arc<Field>,
        frame: &Frame,
    ) {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let last = bound.take();
        let current = match last {
            Some(last) if Arc::ptr_eq(&last.field, field) => last,
            last => bind(pipeline, device, queue, field, last),
        };
        let words = frame.uniform(current.first, pipeline.0.linear_target);
        queue.write_buffer(&current.uniform, 0, bytemuck::cast_slice(&words));
        *bound = Some(current);
    }

    /// Draws what was prepared.
    pub fn draw(&self, pipeline: &Pipeline, pass: &mut wgpu::RenderPass<'static>) {
        if let Some(bound) = &*self.bound.lock().unwrap_or_else(PoisonError::into_inner) {
            pipeline.0.draw(&bound.group, pass);
        }
    }
}

/// A bind group for `field`: of its own buffer where the device has it, else of a copy.
fn bind(
    pipeline: &Pipeline,
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    field: &Arc<Field>,
    last: Option<Bound>,
) -> Bound {
    let (uniform, upload) = match last {
        Some(last) => (last.uniform, last.upload),
        None => (buffer(device, "picture", Frame::UNIFORM_BYTES, wgpu::BufferUsages::UNIFORM), None),
    };
    let make = |values: wgpu::BufferBinding<'_>| {
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("picture"),
            layout: &pipeline.0.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Buffer(values) },
            ],
        })
    };
    if let Some((values, first)) = own_buffer(device, field) {
        let group = make(values);
        return Bound { field: field.clone(), first, uniform, upload, group };
    }
    let bytes = shown_bytes(device, field);
    let size = (bytes.len() as u64).max(4);
    let upload = match upload {
        Some(upload) if upload.size() == size => upload,
        _ => buffer(device, "picture", size, wgpu::BufferUsages::STORAGE),
    };
    queue.write_buffer(&upload, 0, bytes);
    let group = make(upload.as_entire_buffer_binding());
    Bound { field: field.clone(), first: 0, uniform, upload: Some(upload), group }
}

/// The tensor's own buffer from the aligned place before its first value, and how many values lie between.
fn own_buffer<'a>(device: &wgpu::Device, field: &'a Field) -> Option<(wgpu::BufferBinding<'a>, u32)> {
    let gpu = field.gpu.as_ref()?;
    let limits = device.limits();
    let alignment = u64::from(limits.min_storage_buffer_offset_alignment).max(4);
    let start = gpu.offset - gpu.offset % alignment;
    let size = gpu.offset + gpu.size - start;
    let fits = gpu.buffer.usage().contains(wgpu::BufferUsages::STORAGE)
        && gpu.offset.is_multiple_of(4)
        && size.is_multiple_of(4)
        && size <= limits.max_storage_buffer_binding_size
        && start + size <= gpu.buffer.size();
    let first = ((gpu.offset - start) / 4) as u32;
    let binding = wgpu::BufferBinding { buffer: &gpu.buffer, offset: start, size: wgpu::BufferSize::new(size) };
    fits.then_some((binding, first))
}

/// The values of the samples that are drawn, as far as the device can bind them.
fn shown_bytes<'a>(device: &wgpu::Device, field: &'a Field) -> &'a [u8] {
    let shown = field.samples() * field.shape[1..].iter().product::<usize>();
    let most = device.limits().max_storage_buffer_binding_size as usize / 4;
    let count = shown.min(field.values.len()).min(most);
    bytemuck::cast_slice(field.values.get(..count).unwrap_or_default())
}

struct Drawing {
    view: GpuView,
    field: Arc<Field>,
    frame: Frame,
}

impl CallbackTrait for Drawing {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(pipeline) = resources.get::<Pipeline>() {
            self.view.prepare(pipeline, device, queue, &self.field, &self.frame);
        }
        Vec::new()
    }

    fn paint(&self, _info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, resources: &CallbackResources) {
        if let Some(pipeline) = resources.get::<Pipeline>() {
            self.view.draw(pipeline, pass);
        }
    }
}
