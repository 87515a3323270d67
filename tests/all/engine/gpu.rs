//! Runs on a graphics device, here a software one: same samples, and pictures straight from the tensor's buffer.

use super::{PATIENCE, finish, finished, options, quick};
use crate::graphics::devices;
use burn::tensor::wgpu::{WgpuSetup, wgpu};
use score_explorer::engine::{DeviceChoice, Engine, GpuPicture, Options, Sample};
use std::sync::mpsc::channel;

/// What lies in the buffer that the window would draw from.
fn read(setup: &WgpuSetup, picture: &GpuPicture) -> Vec<f32> {
    let size = picture.shape.iter().product::<usize>() as u64 * 4;
    assert!(picture.size >= size, "the buffer holds all values");
    let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
    let copy =
        setup.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
    let mut encoder = setup.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(&picture.buffer, picture.offset, &copy, 0, size);
    setup.queue.submit([encoder.finish()]);
    let (mapped, done) = channel();
    copy.slice(..).map_async(wgpu::MapMode::Read, move |result| mapped.send(result).expect("a listener"));
    setup.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
    done.recv_timeout(PATIENCE).expect("an answer").expect("a mapped buffer");
    let bytes = copy.slice(..).get_mapped_range().expect("mapped").to_vec();
    bytes.chunks_exact(4).map(|four| f32::from_ne_bytes([four[0], four[1], four[2], four[3]])).collect()
}

#[test]
fn a_graphics_device_gives_the_cpus_samples_and_shows_them_from_its_own_buffer() {
    let (devices, setup) = devices();
    let engine = Engine::new(devices, None, |_| {});
    let task = Sample { run: quick(10), from: None };
    let on_gpu = finished(&engine.start(task, Options { device: DeviceChoice::Gpu, ..options() }));

    let picture = on_gpu.newest.on_gpu.as_ref().expect("a picture on the device");
    assert_eq!(picture.shape, on_gpu.newest.x.shape);
    assert_eq!(read(&setup, picture), on_gpu.newest.x.values.to_vec());
    assert!(on_gpu.timeline.iter().all(|moment| moment.on_gpu.is_none()), "recorded moments hold no device memory");

    let on_cpu = finish(&engine, quick(10));
    assert!(on_cpu.newest.on_gpu.is_none());
    for (gpu, cpu) in on_gpu.newest.x.values.iter().zip(on_cpu.newest.x.values.iter()) {
        // Ten steps of single precision, with other orders of summation.
        assert!((gpu - cpu).abs() < 1e-3, "{gpu} on the graphics device is {cpu} on the CPU");
    }
}
