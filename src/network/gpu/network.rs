//! A U-Net on a graphics device.

use super::build::{Layers, widths};
use super::device::{Gpu, Precision};
use super::embedding::Embedding;
use super::evaluator::{Evaluator, ToldRows};
use super::layers::{Linear, enter, leave};
use super::parameters::Uploader;
use super::program::Doors;
use super::recorder::Recorder;
use super::walk::Walk;
use crate::Image;
use crate::network::host::Table;
use crate::network::labels::Told;
use crate::network::layers::Loader;
use crate::network::plan::Op;
use crate::network::{Config, WeightsError};
use burn::tensor::TensorReadError;
use std::sync::Arc;

/// A `ddpm` or `ncsnpp` network on a graphics device.
#[derive(Debug)]
pub(in crate::network) struct Network {
    evaluator: Evaluator,
    layers: Recorded,
}

/// All that has parameters.
#[derive(Debug)]
struct Recorded {
    embedding: Option<Embedding>,
    /// What all blocks are told of the noise level, side by side.
    levels: Option<Linear>,
    body: Layers,
    /// Values of the output for an image, where it is none itself.
    classes: Option<usize>,
}

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
        let uploader = Uploader::new(&gpu, precision, parameters);
        let pairs = if config.conditional { Some([loader.pair()?, loader.pair()?]) } else { None };
        let table = match config.variant.classes.clone() {
            Some(classes) => Some((classes.joins, Table::load(loader, classes)?)),
            None => None,
        };
        let table = table.map(|(joins, table)| (table, joins));
        let embedding = pairs.map(|pairs| Embedding::new(uploader, pairs, table, config.nonlinearity));
        let (body, parts) = Layers::load(ops, loader, uploader)?;
        let width = config.told_width();
        let levels = (embedding.is_some() && !parts.is_empty()).then(|| Linear::of(uploader, width, &parts));
        let classes = ops.last().and_then(|op| if let Op::Linear(width) = op { Some(width.output) } else { None });
        let layers = Recorded { embedding, levels, body, classes };
        let evaluator = Evaluator::new(gpu, precision, &|recorder, rows| layers.record(recorder, rows, layers.count()));
        Ok(Network { evaluator, layers })
    }

    /// The output for images, N×C×H×W.
    ///
    /// # Errors
    /// If the device fails.
    pub fn forward(&self, x: Image, told: &Told) -> Result<Image, TensorReadError> {
        let [n, c, h, w] = x.dims();
        let to = self.layers.classes.map_or([n, c, h, w], |classes| [n, classes, 1, 1]);
        self.evaluate(x, told, self.layers.count(), to)
    }

    /// What the last layer, a linear one, maps: N×F×1×1.
    ///
    /// # Errors
    /// If the device fails.
    pub fn pooled(&self, x: Image, told: &Told) -> Result<Image, TensorReadError> {
        let to = [x.dims()[0], self.layers.body.widths.last().map_or(0, |&width| width as usize), 1, 1];
        self.evaluate(x, told, self.layers.count().saturating_sub(1), to)
    }

    /// What comes of the first `count` layers, of these dimensions.
    fn evaluate(&self, x: Image, told: &Told, count: usize, to: [usize; 4]) -> Result<Image, TensorReadError> {
        let rows = match &self.layers.embedding {
            Some(embedding) => embedding.told(told),
            None => ToldRows { rows: told.classes.len(), values: Default::default() },
        };
        self.evaluator.evaluate(x, to, &rows, count, &|recorder, rows| self.layers.record(recorder, rows, count))
    }
}

impl Recorded {
    fn count(&self) -> usize {
        self.body.layers.len()
    }

    /// The first `count` layers.
    fn record(&self, recorder: &mut Recorder, rows: u32, count: usize) -> Doors {
        let size = self.body.config.inside().map(|size| size as u32);
        // Held while others come in by their own doors.
        let input = recorder.image(size);
        let (mut told, mut of_all, mut stride) = ([None; 2], None, 0);
        if let Some((embedding, levels)) = self.embedding.as_ref().zip(self.levels.as_ref()) {
            let embedded = embedding.record(recorder, rows);
            of_all = Some(levels.record(recorder, rows, &embedded.slot, None, None));
            stride = if rows == 1 { 0 } else { levels.output() };
            told = embedded.doors;
        }
        let x = enter(recorder, &input, size);
        let from = input.place();
        drop(input);
        let walk = Walk {
            network: &self.body,
            recorder,
            levels: of_all,
            stride,
            kept: Vec::new(),
            // Only pyramids need it again.
            input: x.clone(),
            h: x,
            output: None,
            tape: None,
            masks: None,
        };
        let (h, _) = walk.through(count);
        Doors { input: from, output: leave(recorder, &h).place(), told }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::gpu::{graphics, half_precision, of, register};
    use crate::network::plan::{Block, Direction, Plan, Width};
    use crate::network::{Array, Demand, LayerKind, Weights, WeightsError};
    use burn::tensor::{Device, Tensor, TensorData};
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
        let mut parts = network(&device, None).unwrap();
        parts.evaluator.most = 2.into();
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
            let mut network = network(device, None).unwrap();
            network.evaluator.most = IMAGES.into();
            let x: Image = Tensor::from_data(TensorData::new(x.clone(), [IMAGES, 3, 8, 8]), device);
            let output = network.forward(x, &told).unwrap().try_into_vec_as::<f32>().unwrap();
            (output, network.evaluator.most.into_inner())
        });
        let [(whole, all), (parts, few)] = outputs;
        assert!(whole == parts, "the same, however many at once");
        assert!(all == IMAGES && (64..IMAGES).contains(&few), "{few} at once");
        assert_eq!(watch.take(), None, "it is no failure");
    }

    /// What an evaluation of two images asks for: of this kind of layer, or of all.
    fn demand(network: &Network, kind: Option<LayerKind>) -> [u64; 3] {
        let layers = &network.layers;
        let record = |recorder: &mut Recorder, rows| layers.record(recorder, rows, layers.count());
        let (recorder, _) = network.evaluator.record(2, 1, &record);
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
