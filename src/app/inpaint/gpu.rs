//! The photo and its mask as textures of the window's own device. Of the mask only what changed is sent.

use super::area::{Area, Part};
use super::canvas::Photo;
use super::look::Look;
use super::mask::Mask;
use super::pyramid::Pyramid;
use crate::app::graphics::{PixelShader, buffer, buffer_binding};
use eframe::egui_wgpu::{Callback, CallbackResources, CallbackTrait, RenderState, wgpu};
use egui::{PaintCallback, PaintCallbackInfo, Rect};
use image::RgbImage;
use std::sync::Arc;

/// What is drawn with.
struct Pipeline {
    shader: PixelShader,
    sampler: wgpu::Sampler,
}

impl Pipeline {
    /// The pipeline for a target of this format.
    fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Pipeline {
        let source = include_str!("../../../shaders/brush.wgsl");
        let texture = wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: true },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        };
        let sampler = wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering);
        let bindings = [buffer_binding(wgpu::BufferBindingType::Uniform), texture, texture, sampler];
        let shader = PixelShader::new(device, "brush", source, &bindings, format);
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            mipmap_filter: wgpu::MipmapFilterMode::Linear,
            ..Default::default()
        });
        Pipeline { shader, sampler }
    }
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
        let uniform = buffer(&self.device, "brush", Look::UNIFORM_BYTES, wgpu::BufferUsages::UNIFORM);
        let views = [&colours, &mask].map(|texture| texture.create_view(&Default::default()));
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("brush"),
            layout: &self.pipeline.shader.layout,
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
        let words = look.uniform(self.pipeline.shader.linear_target);
        self.queue.write_buffer(&bound.uniform, 0, bytemuck::cast_slice(&words));
        Some(bound.group.clone())
    }

    /// Draws what was prepared.
    #[cfg(test)]
    pub fn draw(&self, group: &wgpu::BindGroup, pass: &mut wgpu::RenderPass<'static>) {
        self.pipeline.shader.draw(group, pass);
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

struct Drawing {
    pipeline: Arc<Pipeline>,
    group: wgpu::BindGroup,
}

impl CallbackTrait for Drawing {
    fn paint(&self, _info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, _resources: &CallbackResources) {
        self.pipeline.shader.draw(&self.group, pass);
    }
}
