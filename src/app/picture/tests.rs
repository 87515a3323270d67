//! The shader against the same rules in Rust, on an off-screen target.

use super::colour::{DIVERGING, VIRIDIS};
use super::field::Field;
use super::frame::Frame;
use super::gpu::{GpuView, Pipeline};
use crate::engine::GpuPicture;
use eframe::egui_wgpu::{RenderState, RendererOptions, wgpu};
use egui_kittest::wgpu::{create_render_state, default_wgpu_setup};
use std::sync::Arc;

pub(in crate::app) const SIDE: u32 = 128;
pub(in crate::app) const FORMATS: [wgpu::TextureFormat; 2] =
    [wgpu::TextureFormat::Rgba8Unorm, wgpu::TextureFormat::Rgba8UnormSrgb];

pub(in crate::app) fn device() -> RenderState {
    create_render_state(default_wgpu_setup(), RendererOptions::default())
}

/// Three pictures of 7×5 pixels whose values run from below the range to above it.
fn field(channels: usize) -> Field {
    let shape = [3, channels, 5, 7];
    let values = (0..shape.iter().product()).map(|i: usize| (i * 37 % 101) as f32 / 50.0 * 1.1 - 1.1);
    Field { shape, values: values.collect(), low: -1.0, high: 1.0, map: None, gpu: None }
}

fn frame(field: &Field, zoom: f32, smooth: bool) -> Frame {
    let [samples, channels, height, width] = field.shape;
    Frame {
        origin: [9.0, 6.0],
        pitch: [(7.0 * zoom).ceil() + 3.0, (5.0 * zoom).ceil() + 3.0],
        zoom,
        columns: 2,
        samples,
        first_sample: 0,
        shape: [channels, height, width],
        low: field.low,
        high: field.high,
        smooth,
        map: field.map,
    }
}

/// What the shader draws on black, as the bytes of a target of this format.
fn drawn(state: &RenderState, format: wgpu::TextureFormat, field: &Arc<Field>, frame: &Frame) -> Vec<[u8; 4]> {
    let pipeline = Pipeline::new(&state.device, format);
    let view = GpuView::default();
    view.prepare(&pipeline, &state.device, &state.queue, field, frame);
    on_target(state, format, |pass| view.draw(&pipeline, pass))
}

/// What is drawn on a black target of this format, row by row.
pub(in crate::app) fn on_target(
    state: &RenderState,
    format: wgpu::TextureFormat,
    draw: impl FnOnce(&mut wgpu::RenderPass<'static>),
) -> Vec<[u8; 4]> {
    let (device, queue) = (&state.device, &state.queue);
    let size = wgpu::Extent3d { width: SIDE, height: SIDE, depth_or_array_layers: 1 };
    let target = device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let bytes = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: u64::from(4 * SIDE * SIDE),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    let target_view = target.create_view(&Default::default());
    let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: &target_view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
        })],
        ..Default::default()
    });
    let mut pass = pass.forget_lifetime();
    draw(&mut pass);
    drop(pass);
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * SIDE), rows_per_image: None };
    encoder.copy_texture_to_buffer(target.as_image_copy(), wgpu::TexelCopyBufferInfo { buffer: &bytes, layout }, size);
    queue.submit([encoder.finish()]);
    bytes.slice(..).map_async(wgpu::MapMode::Read, |mapped| mapped.unwrap());
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let mapped = bytes.slice(..).get_mapped_range().unwrap();
    bytemuck::cast_slice(&mapped).to_vec()
}

/// The largest difference in grey levels between the shader and [`Frame::colour`].
fn largest_difference(bytes: &[[u8; 4]], field: &Field, frame: &Frame) -> u8 {
    let mut largest = 0;
    let mut pictured = 0;
    for (index, found) in bytes.iter().enumerate() {
        let at = [(index % SIDE as usize) as f32 + 0.5, (index / SIDE as usize) as f32 + 0.5];
        let expected = frame.colour(&field.values, at);
        pictured += usize::from(expected.is_some());
        let expected = expected.map_or([0; 3], |rgb| rgb.map(|part| (part * 255.0).round() as u8));
        for channel in 0..3 {
            largest = largest.max(found[channel].abs_diff(expected[channel]));
        }
    }
    assert!(pictured > 300, "the frame shows pictures: {pictured}");
    largest
}

#[test]
fn the_shader_draws_what_the_rules_say_in_both_target_formats() {
    let state = device();
    for format in FORMATS {
        for channels in [1, 3] {
            // Enlarged by a whole and a broken factor, and shrunk.
            for (zoom, smooth) in [(6.0, false), (6.0, true), (5.3, true), (5.3, false), (0.93, true)] {
                let mut field = field(channels);
                if zoom < 1.0 {
                    field.shape = [3, channels, 5 * 4, 7 * 4];
                    let values = (0..field.shape.iter().product()).map(|i: usize| (i * 37 % 101) as f32 / 50.0 - 1.0);
                    field.values = values.collect();
                }
                let mut frame = frame(&field, zoom, smooth);
                if zoom < 1.0 {
                    frame.pitch = [30.0, 22.0];
                }
                let field = Arc::new(field);
                let difference = largest_difference(&drawn(&state, format, &field, &frame), &field, &frame);
                assert!(difference <= 1, "{format:?}, {channels} channels, zoom {zoom}, smooth {smooth}: {difference}");
            }
        }
    }
}

#[test]
fn the_shader_has_the_same_colour_maps_as_the_colour_bar() {
    let state = device();
    for (map, smooth) in [(&VIRIDIS, false), (&VIRIDIS, true), (&DIVERGING, false), (&DIVERGING, true)] {
        let field = Arc::new(Field { map: Some(map), ..field(1) });
        let frame = frame(&field, 6.0, smooth);
        for format in FORMATS {
            let difference = largest_difference(&drawn(&state, format, &field, &frame), &field, &frame);
            assert!(difference <= 1, "{map:?} smooth {smooth} on {format:?}: {difference}");
        }
    }
}

#[test]
fn a_tensor_in_the_middle_of_a_buffer_is_drawn_from_there() {
    let state = device();
    let host = field(3);
    // 27 values lie before: 108 bytes, which no device's alignment divides.
    let mut padded = vec![f32::NAN; 27];
    padded.extend(host.values.iter());
    let buffer = state.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4 * padded.len() as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    state.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&padded));
    let gpu = GpuPicture {
        shape: host.shape,
        buffer,
        offset: 108,
        size: 4 * host.values.len() as u64,
        _tensor: crate::Image::zeros([1, 1, 1, 1], &burn::tensor::Device::flex()),
    };
    // Without values on the host nothing could be uploaded instead.
    let on_gpu = Arc::new(Field { gpu: Some(gpu), values: [].into(), ..host.clone() });
    let frame = frame(&host, 6.0, false);
    let difference = largest_difference(&drawn(&state, FORMATS[0], &on_gpu, &frame), &host, &frame);
    assert!(difference <= 1, "{difference}");
}
