//! A U-Net on a graphics device: its programs, and what they are given.

use super::build::{Layers, widths};
use super::device::{Gpu, Precision, locked};
use super::layers::{Linear, enter, leave};
use super::parameters::Uploader;
use super::program::{Doors, Place, Program};
use super::recorder::{Recorder, Slot};
use super::walk::Walk;
use super::watch::DeviceError;
use crate::Image;
use crate::network::host::Table;
use crate::network::labels::Told;
use crate::network::layers::Loader;
use crate::network::plan::Op;
use crate::network::{Config, Joins, WeightsError};
use burn::tensor::{ExecutionError, Tensor, TensorReadError};
use burn_wgpu::{Wgpu, WgpuRuntime};
use cubecl_runtime::runtime::Runtime;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Most memory for the features of one submission, in bytes, where images go one part after another, and for those of all
/// programs that are kept for other numbers of images.
const MOST: u64 = 1 << 30;
/// Networks of more parameters do not take more memory to be faster.
const MOST_AT_POINTS: usize = 100_000_000;

/// A `ddpm` or `ncsnpp` network on a graphics device.
#[derive(Debug)]
pub(in crate::network) struct Network {
    gpu: Arc<Gpu>,
    dense: Option<[Linear; 2]>,
    table: Option<Table>,
    /// What all blocks are told of the noise level, side by side.
    levels: Option<Linear>,
    body: Layers,
    /// Values of the output for an image, where it is none itself.
    classes: Option<usize>,
    half: bool,
    /// Most images of one submission; fewer once the device had no memory for so many.
    most: AtomicUsize,
    programs: Mutex<Programs>,
}

/// Programs, each for so many images, rows that are told of them, and layers; the newest first.
type Programs = Vec<([usize; 3], Program)>;

impl Network {
    /// Whether the kernels can do it: they want channels in fours.
    pub fn can(ops: &[Op], config: &Config) -> bool {
        widths(ops, config).is_some()
    }

    /// Takes the parameters from the embedding's on, of operations that it [can](Network::can) do. `parameters`: how many
    /// there are in all.
    pub fn load(
        ops: &[Op],
        loader: &mut Loader,
        gpu: Arc<Gpu>,
        parameters: usize,
        precision: Precision,
    ) -> Result<Self, WeightsError> {
        let config = loader.config;
        let half = precision == Precision::Half;
        let uploader = Uploader { gpu: &gpu, half, points: parameters <= MOST_AT_POINTS, map: None };
        let dense = match config.conditional {
            true => {
                let pairs = [loader.pair()?, loader.pair()?];
                Some(pairs.map(|pair| {
                    let input = pair.weight.len() / pair.bias.len().max(1);
                    Linear::of(uploader, input, &[pair])
                }))
            }
            false => None,
        };
        let classes = config.variant.classes.clone();
        let width = config.told_width();
        let table = classes.map(|classes| Table::load(loader, classes)).transpose()?;
        let (body, parts) = Layers::load(ops, loader, uploader)?;
        let levels = (dense.is_some() && !parts.is_empty()).then(|| Linear::of(uploader, width, &parts));
        let classes = ops.last().and_then(|op| if let Op::Linear(width) = op { Some(width.output) } else { None });
        let (most, programs) = (AtomicUsize::new(1), Mutex::default());
        let network = Network { gpu, dense, table, levels, body, classes, half, most, programs };
        network.most.store(network.most_images(), Ordering::Relaxed);
        Ok(network)
    }

    /// Images that fit into one submission, at least one.
    fn most_images(&self) -> usize {
        let (recorder, _) = self.record(1, 1, self.body.layers.len());
        let (whole, largest) = recorder.sizes().iter().fold((1, 1), |(sum, most), &size| (sum + size, size.max(most)));
        let limits = self.gpu.device.limits();
        let one = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let groups = recorder.dispatches.iter().map(|dispatch| dispatch.workgroups.into_iter().max().unwrap_or(1));
        let groups = u64::from(limits.max_compute_workgroups_per_dimension / groups.max().unwrap_or(1).max(1));
        (MOST / whole).min(one / largest).min(groups).max(1) as usize
    }

    /// The output for images, N×C×H×W.
    ///
    /// # Errors
    /// If the device fails.
    pub fn forward(&self, x: Image, told: &Told) -> Result<Image, TensorReadError> {
        let [n, c, h, w] = x.dims();
        let to = self.classes.map_or([n, c, h, w], |classes| [n, classes, 1, 1]);
        self.evaluate(x, told, self.body.layers.len(), to)
    }

    /// What the last layer, a linear one, maps: N×F×1×1.
    ///
    /// # Errors
    /// If the device fails.
    pub fn pooled(&self, x: Image, told: &Told) -> Result<Image, TensorReadError> {
        let to = [x.dims()[0], self.body.widths.last().map_or(0, |&width| width as usize), 1, 1];
        self.evaluate(x, told, self.body.layers.len().saturating_sub(1), to)
    }

    /// What comes of the first `count` layers, of these dimensions.
    fn evaluate(&self, x: Image, told: &Told, count: usize, to: [usize; 4]) -> Result<Image, TensorReadError> {
        let [n, c, h, w] = x.dims();
        let y = Tensor::empty(to, &x.device());
        // A view of other values gets places of its own.
        let x = x.reshape([n * c * h * w]);
        let (from, to) = (place(&x)?, place(&y.clone().reshape([to.iter().product::<usize>()]))?);
        let rows = told.classes.len();
        let mut features = told.features.clone();
        let per_row = features.len() / rows.max(1);
        let [width, embedded] = self.dense.as_ref().map_or([0; 2], |[first, second]| [first.width(), second.output()]);
        let mut extra = vec![0.0; if self.joins_embedding() { rows * embedded as usize } else { 0 }];
        if let Some(table) = &self.table {
            table.join(&mut features, Joins::Features, &told.classes);
            table.join(&mut extra, Joins::Embedding, &told.classes);
        }
        let features = padded(&features, per_row, width as usize);
        let mut first = 0;
        while first < n {
            // What is left, in equal parts.
            let left = n - first;
            let images = left.div_ceil(left.div_ceil(self.most.load(Ordering::Relaxed)));
            let own = if rows == 1 { 0..1 } else { first..first + images };
            let place_of = |whole: &Place| {
                let bytes = whole.bytes / n as u64;
                let offset = whole.offset + bytes * first as u64;
                Place { buffer: whole.buffer.clone(), offset, bytes: bytes * images as u64 }
            };
            let rows_of = |values: &'_ [f32], width: u32| {
                let width = width as usize;
                values.get(own.start * width..own.end * width).unwrap_or_default().to_vec()
            };
            // What one thread is told is not told to another before it is submitted.
            let mut programs = locked(&self.programs);
            let program = match self.program(&mut programs, [images, own.len(), count]) {
                Ok(program) => program,
                // Fewer images take less memory.
                Err(_) if images > 1 => {
                    programs.clear();
                    self.most.store(images / 2, Ordering::Relaxed);
                    continue;
                }
                Err(error) => {
                    self.gpu.watch.report(error.clone());
                    return Err(failed(error));
                }
            };
            let told = [rows_of(&features, width), rows_of(&extra, embedded)];
            program.run(&self.gpu, &place_of(&from), &place_of(&to), &told);
            first += images;
        }
        self.gpu.watch.check().map_err(failed)?;
        Ok(y)
    }

    /// The program for so many images, of which so many rows are told, and so many layers.
    fn program<'p>(&self, programs: &'p mut Programs, of: [usize; 3]) -> Result<&'p Program, DeviceError> {
        let place = programs.iter().position(|(known, _)| *known == of);
        let known = match place {
            Some(place) => programs.remove(place),
            None => {
                let [images, rows, count] = of;
                let (recorder, doors) = self.record(images as u32, rows as u32, count);
                (of, Program::new(&self.gpu, &recorder, doors)?)
            }
        };
        let mut bytes = known.1.bytes();
        programs.retain(|(_, program)| {
            bytes += program.bytes();
            bytes <= MOST
        });
        programs.insert(0, known);
        Ok(&programs[0].1)
    }

    /// Whether the embedding has something of classes added to it.
    fn joins_embedding(&self) -> bool {
        self.body.config.variant.classes.as_ref().is_some_and(|classes| classes.joins == Joins::Embedding)
    }

    fn record(&self, images: u32, rows: u32, count: usize) -> (Recorder, Doors) {
        let mut recorder = Recorder::new(images, self.half, self.gpu.workgroup_bytes());
        let size = self.body.config.inside().map(|size| size as u32);
        // Held while others come in by their own doors.
        let input = recorder.slot(u64::from(images) * size.map(u64::from).iter().product::<u64>() * 4);
        let told = self.told(&mut recorder, rows);
        let x = enter(&mut recorder, &input, size);
        let doors = Doors { input: input.place(), output: 0, features: told.features, extra: told.extra };
        drop(input);
        let walk = Walk {
            network: &self.body,
            recorder: &mut recorder,
            levels: told.levels,
            stride: told.stride,
            kept: Vec::new(),
            // Only pyramids need it again.
            input: x.clone(),
            h: x,
            output: None,
            tape: None,
            masks: None,
        };
        let (h, _) = walk.through(count);
        let output = leave(&mut recorder, &h);
        (recorder, Doors { output: output.place(), ..doors })
    }

    /// The embedding of the noise level, and what blocks are told of it.
    fn told(&self, recorder: &mut Recorder, rows: u32) -> ToldSlots {
        let Some((dense, levels)) = self.dense.as_ref().zip(self.levels.as_ref()) else { return ToldSlots::default() };
        let [first, second] = dense;
        let nonlinearity = Some(self.body.config.nonlinearity);
        let features = recorder.slot(u64::from(rows * first.width()) * 4);
        let extra = self.joins_embedding().then(|| recorder.slot(u64::from(rows * second.output()) * 4));
        let hidden = first.record(recorder, rows, &features, None, nonlinearity);
        let embedding = second.record(recorder, rows, &hidden, extra.as_ref(), nonlinearity);
        let of_all = levels.record(recorder, rows, &embedding, None, None);
        let stride = if rows == 1 { 0 } else { levels.output() };
        let extra = extra.map(|slot| slot.place());
        ToldSlots { features: Some(features.place()), extra, levels: Some(of_all), stride }
    }
}

/// Where what is told of the noise level lies.
#[derive(Default)]
struct ToldSlots {
    features: Option<usize>,
    extra: Option<usize>,
    levels: Option<Slot>,
    /// Values from image to image.
    stride: u32,
}

/// Where a tensor of one dimension lies, once all that was asked before is submitted.
pub(super) fn place(x: &Tensor<1>) -> Result<Place, TensorReadError> {
    let tensor = x.clone().try_into_primitive::<Wgpu>().map_err(|error| failed(format!("{error:?}")))?;
    let resource = tensor.client.get_resource::<<WgpuRuntime as Runtime>::Server>(tensor.handle.clone());
    let resource = resource.map_err(failed)?;
    tensor.client.flush().map_err(failed)?;
    let resource = resource.resource();
    Ok(Place { buffer: resource.buffer.clone(), offset: resource.offset, bytes: x.dims()[0] as u64 * 4 })
}

pub(super) fn failed(reason: impl ToString) -> TensorReadError {
    TensorReadError::Execution(ExecutionError::WithContext { reason: reason.to_string() })
}

/// Rows with zeros after each.
pub(super) fn padded(values: &[f32], from: usize, to: usize) -> Vec<f32> {
    let zeros = std::iter::repeat_n(0.0, to.saturating_sub(from));
    values.chunks(from.max(1)).flat_map(|row| row.iter().copied().chain(zeros.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::gpu::{graphics, half_precision, of, register};
    use crate::network::plan::{Block, Direction, Plan, Width};
    use crate::network::{Array, Demand, LayerKind, Weights, WeightsError};
    use burn::tensor::{Device, TensorData};
    use burn_wgpu::WgpuSetup;
    use burn_wgpu::wgpu;
    use cubecl_environment::future::block_on;

    /// A small network with weights that look random, of these operations if they are given.
    fn network(device: &Device, ops: Option<&[Op]>) -> Result<Network, WeightsError> {
        let mut config = Config::ddpmpp();
        (config.nf, config.ch_mult, config.num_res_blocks) = (8, vec![1, 2], 1);
        (config.image_size, config.num_channels) = (8, 3);
        let mut plan = Plan::new(&config);
        ops.into_iter().for_each(|ops| plan.ops = ops.to_vec());
        let mut random = fastrand::Rng::with_seed(1);
        let mut array = |shape: Vec<usize>| {
            let values = (0..shape.iter().product()).map(|_| random.f32() - 0.5).collect();
            Array { shape, values }
        };
        let weights: Weights = plan.parameters().into_iter().map(|p| (p.name, array(p.shape))).collect();
        let mut loader = Loader::new(plan.parameters(), &weights, &config, device)?;
        let (gpu, precision) = of(device).expect("it was made known");
        Network::load(&plan.ops, &mut loader, gpu, 0, precision)
    }

    #[test]
    fn images_that_go_one_part_after_another_come_out_the_same() {
        let (device, _) = graphics();
        let whole = network(&device, None).unwrap();
        let parts = Network { most: 2.into(), ..network(&device, None).unwrap() };
        let mut random = fastrand::Rng::with_seed(2);
        let mut values = |count: usize| (0..count).map(|_| random.f32() - 0.5).collect::<Vec<f32>>();
        let x: Image = Tensor::from_data(TensorData::new(values(5 * 192), [5, 3, 8, 8]), &device);
        for rows in [1, 5] {
            let told = Told { features: values(rows * 8), classes: vec![None; rows] };
            let outputs = [&whole, &parts]
                .map(|network| network.forward(x.clone(), &told).unwrap().try_into_vec_as::<f32>().unwrap());
            assert!(outputs[0] == outputs[1], "{rows} rows");
            let [first, last] = [0, 4].map(|image| &outputs[0][image * 192..(image + 1) * 192]);
            assert!(first != last && first.iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn where_memory_is_short_fewer_images_go_at_once() {
        let (of_many, shared) = graphics();
        // A device of one's own, on which 512 images have no room: sixteen channels of 64 pixels for each are 4 KiB.
        let room = 1 << 20;
        let limits = shared.adapter.limits();
        let required_limits = wgpu::Limits { max_buffer_size: room, max_storage_buffer_binding_size: room, ..limits };
        let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
        let (device, queue) = block_on(shared.adapter.request_device(&descriptor)).unwrap();
        let setup = WgpuSetup { device, queue, ..shared };
        let of_few = Device::wgpu_options().setup(setup.clone()).init().unwrap();
        let watch = register(&[(&of_few, Precision::Single)], &setup).unwrap();

        const IMAGES: usize = 512;
        let mut random = fastrand::Rng::with_seed(3);
        let mut values = |count: usize| (0..count).map(|_| random.f32() - 0.5).collect::<Vec<f32>>();
        let (x, told) = (values(IMAGES * 192), Told { features: values(8), classes: vec![None] });
        let outputs = [&of_many, &of_few].map(|device| {
            // As if it had been found to have room.
            let network = Network { most: IMAGES.into(), ..network(device, None).unwrap() };
            let x: Image = Tensor::from_data(TensorData::new(x.clone(), [IMAGES, 3, 8, 8]), device);
            let output = network.forward(x, &told).unwrap().try_into_vec_as::<f32>().unwrap();
            (output, network.most.into_inner())
        });
        let [(whole, all), (parts, few)] = outputs;
        assert!(whole == parts, "the same, however many at once");
        assert!(all == IMAGES && (64..IMAGES).contains(&few), "{few} at once");
        assert_eq!(watch.take(), None, "it is no failure");
    }

    /// What an evaluation of two images asks for: of this kind of layer, or of all.
    fn demand(network: &Network, kind: Option<LayerKind>) -> [u64; 3] {
        let (recorder, _) = network.record(2, 1, network.body.layers.len());
        let mut sum = Demand::default();
        let of_kind = recorder.dispatches.iter().filter(|dispatch| kind.is_none() || dispatch.kind == kind);
        of_kind.for_each(|dispatch| sum += dispatch.demand());
        [sum.read, sum.written, sum.operations]
    }

    #[test]
    fn demands_are_those_counted_by_hand() {
        let [device, half] = [graphics().0, half_precision()];
        let width = |input, output| Width { input, output };
        let ops = [
            Op::Stem(width(3, 8)),
            Op::Block(Block { width: width(8, 8), resample: None, told: true }),
            Op::Attention(8),
            Op::Resample { direction: Direction::Down, channels: 8, conv: true },
            Op::Head(width(8, 3)),
        ];
        let small = network(&device, Some(&ops)).unwrap();
        // Features of 8 channels at 8×8 pixels of two images; of 3 channels, which fill a four; the same at 4×4 pixels.
        let (eight, three, eight_4, three_4) = (4096, 2048, 1024, 512);
        // Scale and shift of 8 channels of two images, and the parameters of their normalisation.
        let (affine, gamma_beta) = (128, 64);
        // Filters and biases of 3×3 from 8 channels to 8, from 4 to 8, and from 8 to 4.
        let (filters, of_stem, of_head) = ((72 + 1) * 8 * 4, (36 + 1) * 8 * 4, (72 + 1) * 4 * 4);
        // What the noise level adds to 8 channels: one row for all images.
        let row = 32;
        // A convolution of 3×3 from 8 channels to 8, at 2 × 64 pixels.
        let convolution = 2 * 9 * 8 * 8 * 128;

        // The stem; two of the block, the second with its residual; one that halves; the head.
        let read = [
            three + of_stem,
            eight + affine + filters + row,
            eight + affine + filters + eight,
            eight + filters,
            eight_4 + affine + of_head,
        ];
        let expected =
            [read.iter().sum(), 4 * eight + three_4, 2 * 9 * 3 * 8 * 128 + 3 * convolution + 2 * 9 * 8 * 3 * 32];
        assert_eq!(demand(&small, Some(LayerKind::Convolution)), expected);
        // Queries, keys and values from normalised features, and the map after them with its residual.
        let [qkv, out] = [(8 + 1) * 24 * 4, (8 + 1) * 8 * 4];
        let expected =
            [eight + affine + qkv + eight + out + eight, 3 * eight + eight, 2 * 8 * 24 * 128 + 2 * 8 * 8 * 128];
        assert_eq!(demand(&small, Some(LayerKind::Pointwise)), expected);
        // 64² weights of each image, from 8 channels, for 8 channels.
        assert_eq!(demand(&small, Some(LayerKind::Attention)), [3 * eight, eight, 2 * 2 * 2 * 64 * 64 * 8]);
        let expected = [3 * (eight + gamma_beta) + eight_4 + gamma_beta, 4 * affine, 0];
        assert_eq!(demand(&small, Some(LayerKind::Normalisation)), expected);
        // Every other pixel of every other row.
        assert_eq!(demand(&small, Some(LayerKind::Resampling)), [eight / 4, eight_4, 0]);

        // Of no kind are two maps of the embedding, one of what the block is told, and images in and out.
        let of_kinds = LayerKind::ALL.map(|kind| demand(&small, Some(kind)));
        let rest = [0, 1, 2].map(|index| {
            let sum: u64 = of_kinds.iter().map(|demand| demand[index]).sum();
            demand(&small, None)[index] - sum
        });
        let maps = [(8 + 1) * 32, (32 + 1) * 32, (32 + 1) * 8];
        let read = (8 + 32 + 32 + maps.iter().sum::<u64>()) * 4 + 2 * 3 * 64 * 4 + three_4;
        assert_eq!(rest, [read, (32 + 32 + 8) * 4 + three + 2 * 3 * 16 * 4, 2 * (8 * 32 + 32 * 32 + 32 * 8)]);

        // Features of half precision are half as large.
        let small = network(&half, Some(&ops)).unwrap();
        assert_eq!(demand(&small, Some(LayerKind::Attention)), [3 * eight / 2, eight / 2, 2 * 2 * 2 * 64 * 64 * 8]);

        // Of 64 channels, products at points: a quarter of those by taps.
        let wide = network(&device, Some(&[Op::Stem(width(3, 64)), Op::Head(width(64, 64))])).unwrap();
        let [_, _, operations] = demand(&wide, Some(LayerKind::Convolution));
        assert_eq!(operations, 2 * 9 * 3 * 64 * 128 + 2 * 9 * 64 * 64 * 128 / 4);
    }
}
