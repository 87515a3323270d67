//! The photo and its mask as textures of the window's own device. Of the mask only what changed is sent.

use super::area::{Area, Part};
use super::canvas::Photo;
use super::look::Look;
use super::mask::Mask;
use super::pyramid::Pyramid;
use eframe::egui_wgpu::{Callback, CallbackResources, CallbackTrait, RenderState, wgpu};
use egui::{PaintCallback, PaintCallbackInfo, Rect};
use image::RgbImage;
use std::sync::Arc;

/// What is drawn with.
pub struct Pipeline {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
    linear_target: bool,
}

impl Pipeline {
    /// The pipeline for a target of this format.
    pub fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Pipeline {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("brush"),
            source: wgpu::ShaderSource::Wgsl(include_str!("../../../shaders/brush.wgsl").into()),
        });
        let texture = wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: true },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        };
        let uniform = wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: false,
            min_binding_size: None,
        };
        let sampler = wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering);
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("brush"),
            entries: &[entry(0, uniform), entry(1, texture), entry(2, texture), entry(3, sampler)],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("brush"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("brush"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("vertex"),
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("fragment"),
                compilation_options: Default::default(),
                targets: &[Some(format.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            mipmap_filter: wgpu::MipmapFilterMode::Linear,
            ..Default::default()
        });
        Pipeline { pipeline, layout, sampler, linear_target: format.is_srgb() }
    }
}

fn entry(binding: u32, ty: wgpu::BindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::FRAGMENT, ty, count: None }
}

/// One photo on the device.
struct Bound {
    /// Held, so that no other can have its address.
    image: Arc<RgbImage>,
    colours: wgpu::Texture,
    mask: wgpu::Texture,
    uniform: wgpu::Buffer,
    group: wgpu::BindGroup,
}

/// The drawing of one photo.
pub struct GpuView {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: Arc<Pipeline>,
    bound: Option<Bound>,
}

impl GpuView {
    /// A view on the window's device.
    pub fn new(state: &RenderState) -> GpuView {
        GpuView::on(&state.device, &state.queue, state.target_format)
    }

    /// A view for a target of this format.
    pub fn on(device: &wgpu::Device, queue: &wgpu::Queue, format: wgpu::TextureFormat) -> GpuView {
        let pipeline = Arc::new(Pipeline::new(device, format));
        GpuView { device: device.clone(), queue: queue.clone(), pipeline, bound: None }
    }

    /// Sends a photo, unless it is there. Whether its mask is to be sent as a whole.
    pub fn bind(&mut self, photo: &Photo) -> bool {
        if self.bound.as_ref().is_some_and(|bound| Arc::ptr_eq(&bound.image, &photo.image)) {
            return false;
        }
        // Freed before the next one is made: both together may not fit.
        self.bound = None;
        let size = photo.size();
        let levels = 1 + photo.smaller.levels.len() as u32;
        let colours = self.texture(size, levels, wgpu::TextureFormat::Rgba8Unorm);
        self.send_colours(&colours, 0, Part::whole(size, photo.image.as_raw()), Area::whole(size));
        for (index, level) in photo.smaller.levels.iter().enumerate() {
            let whole = Part::whole(level.size, &level.values);
            self.send_colours(&colours, index + 1, whole, whole.area);
        }
        let mask = self.texture(size, levels, wgpu::TextureFormat::R8Unorm);
        let uniform = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("brush"),
            size: Look::UNIFORM_BYTES,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let views = [&colours, &mask].map(|texture| texture.create_view(&Default::default()));
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("brush"),
            layout: &self.pipeline.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::TextureView(&views[0]) },
                wgpu::BindGroupEntry { binding: 2, resource: wgpu::BindingResource::TextureView(&views[1]) },
                wgpu::BindGroupEntry { binding: 3, resource: wgpu::BindingResource::Sampler(&self.pipeline.sampler) },
            ],
        });
        self.bound = Some(Bound { image: photo.image.clone(), colours, mask, uniform, group });
        true
    }

    /// Sends what changed of the mask, and of all its smaller sizes.
    pub fn update(&self, mask: &Mask, smaller: &mut Pyramid, area: Area) {
        let Some(bound) = &self.bound else { return };
        let whole = Part::whole(mask.size(), mask.values());
        self.send(&bound.mask, 0, whole, 1, area);
        smaller.update(whole, area, &mut |index, level, area| {
            self.send(&bound.mask, index, Part::whole(level.size, &level.values), 1, area);
        });
    }

    /// Sends a part of the photo that has other hints, and of all its smaller sizes.
    pub fn update_photo(&self, part: Part<'_>, smaller: &mut Pyramid) {
        let Some(bound) = &self.bound else { return };
        self.send_colours(&bound.colours, 0, part, part.area);
        smaller.update(part, part.area, &mut |index, level, area| {
            self.send_colours(&bound.colours, index, Part::whole(level.size, &level.values), area);
        });
    }

    /// What egui is to paint.
    pub fn callback(&self, rect: Rect, look: &Look) -> Option<PaintCallback> {
        let group = self.prepare(look)?;
        Some(Callback::new_paint_callback(rect, Drawing { pipeline: self.pipeline.clone(), group }))
    }

    /// Lays out the look; what is to be bound.
    pub fn prepare(&self, look: &Look) -> Option<wgpu::BindGroup> {
        let bound = self.bound.as_ref()?;
        let words = look.uniform(self.pipeline.linear_target);
        self.queue.write_buffer(&bound.uniform, 0, bytemuck::cast_slice(&words));
        Some(bound.group.clone())
    }

    /// Draws what was prepared.
    #[cfg(test)]
    pub fn draw(&self, group: &wgpu::BindGroup, pass: &mut wgpu::RenderPass<'static>) {
        draw(&self.pipeline, group, pass);
    }

    fn texture(&self, [width, height]: [usize; 2], levels: u32, format: wgpu::TextureFormat) -> wgpu::Texture {
        self.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("brush"),
            size: wgpu::Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 },
            mip_level_count: levels,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        })
    }

    /// Writes RGB as RGBA, for there are no textures of three channels.
    fn send_colours(&self, texture: &wgpu::Texture, level: usize, part: Part<'_>, area: Area) {
        let area = area.within(part.area);
        let mut values: Vec<[u8; 4]> = Vec::with_capacity(area.width() * area.height());
        for y in area.top..area.bottom {
            let first = (y - part.area.top) * part.area.width() + area.left - part.area.left;
            let row = &part.values.as_chunks::<3>().0[first..first + area.width()];
            values.extend(row.iter().map(|&[r, g, b]| [r, g, b, 255]));
        }
        self.send(texture, level, Part { area, values: values.as_flattened() }, 4, area);
    }

    /// Writes an area of a part of one size of a texture.
    fn send(&self, texture: &wgpu::Texture, level: usize, part: Part<'_>, channels: usize, area: Area) {
        let area = area.within(part.area);
        if area.is_empty() {
            return;
        }
        let first = channels * ((area.top - part.area.top) * part.area.width() + area.left - part.area.left);
        let place = wgpu::TexelCopyTextureInfo {
            texture,
            mip_level: level as u32,
            origin: wgpu::Origin3d { x: area.left as u32, y: area.top as u32, z: 0 },
            aspect: wgpu::TextureAspect::All,
        };
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some((channels * part.area.width()) as u32),
            rows_per_image: None,
        };
        let extent =
            wgpu::Extent3d { width: area.width() as u32, height: area.height() as u32, depth_or_array_layers: 1 };
        self.queue.write_texture(place, part.values.get(first..).unwrap_or_default(), layout, extent);
    }
}

fn draw(pipeline: &Pipeline, group: &wgpu::BindGroup, pass: &mut wgpu::RenderPass<'static>) {
    pass.set_pipeline(&pipeline.pipeline);
    pass.set_bind_group(0, group, &[]);
    pass.draw(0..3, 0..1);
}

struct Drawing {
    pipeline: Arc<Pipeline>,
    group: wgpu::BindGroup,
}

impl CallbackTrait for Drawing {
    fn paint(&self, _info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, _resources: &CallbackResources) {
        draw(&self.pipeline, &self.group, pass);
    }
}
