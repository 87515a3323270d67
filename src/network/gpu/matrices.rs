//! Products of matrices that the threads of a subgroup work out together (cooperative matrices: the tensor cores of many
//! cards), and whether a device's are right and fast enough for convolutions of half precision.

use super::device::{Gpu, buffer};
use super::layers::{Convolution, Read, Write};
use super::parameters::{Order, Uploader, halves};
use super::program::{Doors, Place, Program};
use super::recorder::Recorder;
use super::watch::DeviceError;
use crate::network::Nonlinearity;
use crate::network::layers::Pair;
use burn_wgpu::wgpu::{self, BufferUsages, CooperativeScalarType, Features};
use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use std::time::{Duration, Instant};

/// Sides of matrices that the kernel can be made for, the best first.
const SIDES: [u32; 2] = [16, 8];
/// What is convolved to find out: images of this size, and their channels in and out.
const IMAGES: u32 = 4;
const SIZE: u32 = 32;
const CHANNELS: u32 = 128;
/// As often it is timed, and how often it is done each time.
const TIMES: usize = 3;
const RUNS: usize = 8;
/// Most that outputs differ, in the largest of them: weights and outputs of half precision differ by a thousandth.
const DIFFERENCE: f32 = 1e-2;

/// The side of the matrices that a device multiplies, of half precision with sums of single.
pub(super) fn offered(adapter: &wgpu::Adapter, device: &wgpu::Device) -> Option<u32> {
    let needed = Features::EXPERIMENTAL_COOPERATIVE_MATRIX | Features::SHADER_F16 | Features::SUBGROUP;
    let kinds = adapter.cooperative_matrix_properties();
    let offers = |side: u32| {
        kinds.iter().any(|kind| {
            [kind.m_size, kind.n_size, kind.k_size] == [side; 3]
                && kind.ab_type == CooperativeScalarType::F16
                && kind.cr_type == CooperativeScalarType::F32
        })
    };
    SIDES.into_iter().find(|&side| device.features().contains(needed) && offers(side))
}

/// Whether a convolution by matrices of this side has the outcome that it has without, sooner. A device that refuses to do
/// it is as good as a slow one.
pub(super) fn pay(gpu: &Gpu, side: u32) -> bool {
    let [without, with] = [None, Some(side)].map(|matrices| tried(gpu, matrices));
    match (without, with) {
        (Ok((expected, usual)), Ok((found, time))) => differ(&expected, &found) <= DIFFERENCE && time < usual,
        _ => false,
    }
}

/// A convolution's outcome, and the time that several take.
fn tried(gpu: &Gpu, matrices: Option<u32>) -> Result<(Vec<f32>, Duration), DeviceError> {
    let mut random = fastrand::Rng::with_seed(0);
    let mut centred = |count: u32| -> Vec<f32> { (0..count).map(|_| random.f32() - 0.5).collect() };
    let (weight, bias) = (centred(9 * CHANNELS * CHANNELS), centred(CHANNELS));
    let images = halves(&centred(IMAGES * SIZE * SIZE * CHANNELS));
    let uploader = Uploader { gpu, half: true, points: true, matrices, map: None };
    let pair = Pair { weight: &weight, bias: &bias, slot: 0 };
    let convolution = Convolution::new(uploader, 3, CHANNELS as usize, Order::OutIn, &pair, true);
    let mut recorder = Recorder::new(IMAGES, true, gpu.workgroup_bytes());
    let x = recorder.features(CHANNELS, SIZE, SIZE);
    let read = Read { activation: Some(Nonlinearity::Swish), ..Read::plain(&x) };
    let y = convolution.record(&mut recorder, read, Write::default());
    let doors = Doors { input: x.slot.place(), output: y.slot.place(), told: [None; 2] };
    let program = Program::new(gpu, &recorder, doors)?;
    let bytes = 2 * images.len() as u64;
    let place = |buffer| Place { buffer, offset: 0, bytes };
    let from = place(gpu.upload(bytemuck::cast_slice(&images), BufferUsages::COPY_SRC));
    let to = place(gpu.made(|| buffer(&gpu.device, bytes, BufferUsages::COPY_DST | BufferUsages::MAP_READ))?);
    let run = |times: usize| {
        let began = Instant::now();
        (0..times).for_each(|_| program.run(gpu, &from, &to, &Default::default()));
        gpu.watch.wait_for(&gpu.queue.submit([])).map(|()| began.elapsed())
    };
    // The first one makes things ready.
    run(1)?;
    let mut best = Duration::MAX;
    for _ in 0..TIMES {
        best = best.min(run(RUNS)?);
    }
    Ok((gpu.read(&to.buffer, &gpu.queue.submit([]), unpacked)?, best))
}

/// Values of half precision, two in each word.
fn unpacked(words: &[f32]) -> Vec<f32> {
    bytemuck::cast_slice::<f32, u16>(words).reinterpret_cast::<f16>().to_f32_vec()
}

/// The largest difference, in the largest value; not a number where one of them is none.
fn differ(expected: &[f32], found: &[f32]) -> f32 {
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    let difference = expected.iter().zip(found).map(|(a, b)| (a - b).abs() / largest);
    difference.max_by(f32::total_cmp).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::gpu::kernel::{Kernel, Reading, Writing};
    use crate::network::gpu::layers::Rows;
    use crate::network::gpu::matrix_tiling::MatrixTiling;
    use crate::network::gpu::recorder::View;
    use crate::network::gpu::tiling::Work;
    use crate::network::gpu::{graphics, of};
    use wgpu::naga::{back::spv, front::wgsl, valid};

    #[test]
    fn the_kernel_is_valid_for_matrices_of_each_side() {
        for (fragment, side) in SIDES.into_iter().flat_map(|fragment| [(fragment, 1), (fragment, 3)]) {
            let (input, output, memory) = (9, 32, 32 << 10);
            let work = Work { images: 3, height: 16, width: 16, side, input, output, own: false, memory };
            let kernel = Kernel::MatrixConvolution {
                shape: MatrixTiling::new(work, fragment).shape,
                reading: Reading { normalised: true, activation: Some(Nonlinearity::Swish) },
                writing: Writing { rows: true, gates: false, residual: true },
                dilation: 2,
            };
            let module = wgsl::parse_str(&kernel.source(true)).unwrap_or_else(|error| panic!("{error}"));
            let mut validator = valid::Validator::new(valid::ValidationFlags::all(), valid::Capabilities::all());
            let info = validator.validate(&module).unwrap_or_else(|error| panic!("{error:?}"));
            let options = spv::Options { lang_version: (1, 6), ..spv::Options::default() };
            assert!(!spv::write_vec(&module, &info, &options, None).unwrap().is_empty());
        }
    }

    /// What is added and where, of a convolution.
    #[derive(Clone, Copy, Debug)]
    struct Case {
        images: u32,
        size: [u32; 2],
        channels: [u32; 2],
        side: u32,
        dilation: usize,
        gates: bool,
        residual: bool,
    }

    /// The outcome of a case on a device, by matrices or without.
    fn outcome(gpu: &Gpu, case: Case, matrices: Option<u32>) -> Vec<f32> {
        let Case { images, size: [height, width], channels: [input, output], side, .. } = case;
        let mut random = fastrand::Rng::with_seed(1);
        let mut centred = |count: u32| -> Vec<f32> { (0..count).map(|_| random.f32() - 0.5).collect() };
        let (weight, bias) = (centred(side * side * input * output), centred(output));
        // The input lies behind a four of another.
        let (before, after) = (4, input.next_multiple_of(4));
        let bits = halves(&centred(images * height * width * (before + after)));
        let told = centred(images * output.next_multiple_of(4));
        let uploader = Uploader { gpu, half: true, points: false, matrices, map: None };
        let pair = Pair { weight: &weight, bias: &bias, slot: 0 };
        let (side, input) = (side as usize, input as usize);
        let convolution = Convolution::new(uploader, side, input, Order::OutIn, &pair, true).dilated(case.dilation);
        let mut recorder = Recorder::new(images, true, gpu.workgroup_bytes());
        let all = recorder.features(before + after, height, width);
        let x: View = all.part(before, input as u32);
        let rows = recorder.slot(4 * told.len() as u64);
        // Their own outcome is what is left over for them.
        let kept = convolution.record(&mut recorder, Read::plain(&x), Write::default());
        let write = Write {
            rows: Some(Rows { slot: &rows, first: 0, stride: output.next_multiple_of(4) }),
            gates: case.gates,
            residual: case.residual.then_some(&kept),
            scale: Some(0.5),
            to: None,
        };
        let y =
            convolution.record(&mut recorder, Read { activation: Some(Nonlinearity::Elu), ..Read::plain(&x) }, write);
        let doors = Doors { input: all.slot.place(), output: y.slot.place(), told: [Some(rows.place()), None] };
        let program = Program::new(gpu, &recorder, doors).unwrap();
        let place = |buffer, bytes| Place { buffer, offset: 0, bytes };
        let from = place(gpu.upload(bytemuck::cast_slice(&bits), BufferUsages::COPY_SRC), 2 * bits.len() as u64);
        let bytes = 2 * u64::from(images * height * width * output.next_multiple_of(4));
        let to = place(buffer(&gpu.device, bytes, BufferUsages::COPY_DST | BufferUsages::MAP_READ), bytes);
        program.run(gpu, &from, &to, &[told, Vec::new()]);
        gpu.read(&to.buffer, &gpu.queue.submit([]), unpacked).unwrap()
    }

    #[test]
    #[ignore = "needs a graphics device with cooperative matrices of half precision"]
    fn convolutions_by_matrices_are_those_by_taps() {
        let (device, setup) = graphics();
        let gpu = of(&device).expect("it was made known").0;
        let fragment = offered(&setup.adapter, &gpu.device).expect("cooperative matrices");
        let sizes = [(1, [1, 1]), (5, [4, 4]), (2, [5, 7]), (3, [8, 8]), (1, [33, 20]), (2, [16, 16]), (1, [64, 64])];
        let channels = [[16, 16], [20, 32], [36, 52], [96, 20], [128, 128]];
        let cases = sizes.into_iter().flat_map(|size| channels.map(|channels| (size, channels)));
        for (turn, ((images, size), channels)) in cases.enumerate() {
            let (side, dilation) = [(3, 1), (1, 1), (3, 2)][turn % 3];
            let (gates, residual) = (turn % 2 == 0, turn % 4 < 2);
            let case = Case { images, size, channels, side, dilation, gates, residual };
            let [expected, found] = [None, Some(fragment)].map(|matrices| outcome(&gpu, case, matrices));
            assert!(expected.iter().any(|&value| value != 0.0));
            // Numbers of half precision lie a thousandth apart, and both outcomes were rounded from them and to them.
            let difference = differ(&expected, &found);
            assert!(difference < 2e-3, "{case:?}: {difference}");
        }
    }
}
