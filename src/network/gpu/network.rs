//! The walk through a U-Net's operations, which records what the device is to do.

use super::device::{Gpu, Precision, locked};
use super::kernel::Activation;
use super::layers::{
    Attention, Convolution, Linear, Norm, Order, Read, Resampling, Rows, Uploader, Write, bias, copy, enter, leave,
    pool,
};
use super::program::{Doors, Place, Program};
use super::recorder::{Recorder, Slot, View};
use crate::Image;
use crate::network::layers::{Loader, Pair};
use crate::network::plan::{self, Direction, Op, Width};
use crate::network::unet::Told;
use crate::network::{Array, BlockKind, Classes, Combine, Config, Joins, WeightsError};
use burn::tensor::{ExecutionError, Tensor, TensorReadError};
use burn_wgpu::{Wgpu, WgpuRuntime, wgpu};
use cubecl_runtime::runtime::Runtime;
use std::sync::{Arc, Mutex};

/// Programs that are kept, each for another number of images.
const KEPT: usize = 4;
/// Most memory for the features of one submission, in bytes; more images go one part after another.
const MOST: u64 = 2 << 30;
/// Networks of more parameters do not take more memory to be faster.
const MOST_AT_POINTS: usize = 100_000_000;

/// A `ddpm` or `ncsnpp` network on a graphics device.
#[derive(Debug)]
pub(in crate::network) struct Network {
    gpu: Arc<Gpu>,
    config: Config,
    dense: Option<[Linear; 2]>,
    table: Option<Table>,
    /// What all blocks are told of the noise level, side by side.
    levels: Option<Linear>,
    layers: Vec<Layer>,
    /// Channels that features have before each operation.
    widths: Vec<u32>,
    /// Values of the output for an image, where it is none itself.
    classes: Option<usize>,
    half: bool,
    /// Most images of one submission.
    most: usize,
    programs: Mutex<Vec<([usize; 3], Arc<Program>)>>,
}

/// An [`Op`] with its parameters.
#[derive(Debug)]
enum Layer {
    Stem(Convolution),
    Block(Box<Block>),
    Attention(Box<Attention>),
    Resample(Direction),
    ConvResample(ConvResampler),
    Keep,
    Recall,
    InputSkip(Convolution),
    InputResidual(ConvResampler),
    Output(Norm, Convolution),
    OutputResidual(ConvResampler),
    Head(Norm, Convolution),
    TakeOutput,
    Pool(Norm),
    Linear(Convolution),
}

/// A residual block of DDPM, BigGAN or ADM.
#[derive(Debug)]
struct Block {
    norms: [Norm; 2],
    convolutions: [Convolution; 2],
    /// Its first value among the levels.
    level: Option<u32>,
    scale_shift: bool,
    shortcut: Option<Convolution>,
    resample: Option<Direction>,
}

/// Resampling with a learned 3×3 convolution.
#[derive(Debug)]
struct ConvResampler {
    direction: Direction,
    convolution: Convolution,
    /// Of the whole, after the filter; `None` where the convolution has it.
    bias: Option<wgpu::Buffer>,
}

/// A row for each class, on the host.
#[derive(Debug)]
struct Table {
    classes: Classes,
    rows: Vec<f32>,
    width: usize,
}

impl Table {
    fn load(loader: &mut Loader) -> Result<Option<Self>, WeightsError> {
        let Some(classes) = loader.config.variant.classes.clone() else { return Ok(None) };
        let Array { shape, values } = loader.array()?;
        Ok(Some(Table { classes, rows: values.clone(), width: shape.last().copied().unwrap_or(1) }))
    }

    /// The row of each class, or zeros, if it is these that they join.
    fn rows(&self, joins: Joins, classes: &[Option<usize>]) -> Option<Vec<f32>> {
        let row = |&class: &Option<usize>| {
            let row = self.classes.row(class).and_then(|row| self.rows.chunks(self.width).nth(row));
            row.map_or_else(|| vec![0.0; self.width], <[f32]>::to_vec)
        };
        (joins == self.classes.joins).then(|| classes.iter().flat_map(row).collect())
    }
}

/// Makes layers of operations.
struct Builder<'a, 'b, 'c> {
    loader: &'b mut Loader<'a>,
    uploader: Uploader<'c>,
    /// Of the blocks so far.
    levels: Vec<Pair<'a>>,
}

impl<'a> Builder<'a, '_, '_> {
    fn layer(&mut self, op: &Op) -> Result<Layer, WeightsError> {
        Ok(match *op {
            Op::Stem(width) => Layer::Stem(self.convolution(3, width.input, Order::OutIn)?),
            Op::Block(block) => Layer::Block(Box::new(self.block(block)?)),
            Op::Attention(channels) => {
                Layer::Attention(Box::new(Attention::load(self.loader, self.uploader, channels)?))
            }
            Op::Resample { direction, channels, conv: true } => {
                Layer::ConvResample(self.resampler(direction, channels)?)
            }
            Op::Resample { direction, .. } => Layer::Resample(direction),
            Op::Keep => Layer::Keep,
            Op::Recall => Layer::Recall,
            Op::InputSkip(width) => Layer::InputSkip(self.convolution(1, width.input, Order::OutIn)?),
            Op::InputResidual(width) => Layer::InputResidual(self.resampler(Direction::Down, width.input)?),
            Op::OutputResidual(width) => Layer::OutputResidual(self.resampler(Direction::Up, width.input)?),
            Op::Output(width) => Layer::Output(self.norm()?, self.convolution(3, width.input, Order::OutIn)?),
            Op::Head(width) => Layer::Head(self.norm()?, self.convolution(3, width.input, Order::OutIn)?),
            Op::TakeOutput => Layer::TakeOutput,
            Op::Pool(_) => Layer::Pool(self.norm()?),
            Op::Linear(width) => Layer::Linear(self.convolution(1, width.input, Order::OutIn)?),
        })
    }

    fn norm(&mut self) -> Result<Norm, WeightsError> {
        Norm::load(self.loader, self.uploader)
    }

    fn convolution(&mut self, side: usize, input: usize, order: Order) -> Result<Convolution, WeightsError> {
        Convolution::load(self.loader, self.uploader, side, input, order)
    }

    fn block(&mut self, block: plan::Block) -> Result<Block, WeightsError> {
        let plan::Block { width: Width { input, output }, resample, told } = block;
        let norm = self.norm()?;
        let convolution = self.convolution(3, input, Order::OutIn)?;
        let level = if told {
            let first: usize = self.levels.iter().map(|pair| pair.bias.len()).sum();
            self.levels.push(self.loader.pair()?);
            Some(first as u32)
        } else {
            None
        };
        let norms = [norm, self.norm()?];
        let convolutions = [convolution, self.convolution(3, output, Order::OutIn)?];
        let shortcut = match self.loader.config.resblock_type {
            BlockKind::Adm if input == output => None,
            _ if input == output && resample.is_none() => None,
            BlockKind::Ddpm => Some(self.convolution(1, input, Order::InOut)?),
            BlockKind::BigGan | BlockKind::Adm => Some(self.convolution(1, input, Order::OutIn)?),
        };
        let scale_shift = self.loader.config.variant.scale_shift;
        Ok(Block { norms, convolutions, level, scale_shift, shortcut, resample })
    }

    fn resampler(&mut self, direction: Direction, input: usize) -> Result<ConvResampler, WeightsError> {
        let (last, pair) = (direction == Direction::Up && self.loader.config.fir, self.loader.pair()?);
        let zeros = vec![0.0; pair.bias.len()];
        let own = if last { &zeros } else { pair.bias };
        let convolution = Convolution::new(self.uploader, 3, input, Order::OutIn, pair.weight, own);
        Ok(ConvResampler { direction, convolution, bias: last.then(|| bias(self.uploader, pair.bias)) })
    }
}

impl Network {
    /// Whether the kernels can do it: they want channels in fours.
    pub fn can(ops: &[Op], config: &Config) -> bool {
        widths(ops, config).is_some()
    }

    /// Takes the parameters from the embedding's on, of operations that [`Network::can`] be done.
    /// `parameters`: how many there are in all.
    pub fn load(
        ops: &[Op],
        loader: &mut Loader,
        gpu: Arc<Gpu>,
        parameters: usize,
        precision: Precision,
    ) -> Result<Self, WeightsError> {
        let config = loader.config.clone();
        let widths = widths(ops, &config).unwrap_or_default();
        let half = precision == Precision::Half;
        let uploader = Uploader { gpu: &gpu, half, points: parameters <= MOST_AT_POINTS };
        let dense = match config.conditional {
            true => {
                let pairs = [loader.pair()?, loader.pair()?];
                Some(pairs.map(|pair| {
                    let input = pair.weight.len() / pair.bias.len().max(1);
                    Linear::of(uploader, input, &[(pair.weight, pair.bias, 1.0)])
                }))
            }
            false => None,
        };
        let table = Table::load(loader)?;
        let mut builder = Builder { loader, uploader, levels: Vec::new() };
        let layers = ops.iter().map(|op| builder.layer(op)).collect::<Result<_, _>>()?;
        let parts: Vec<_> = builder.levels.iter().map(|pair| (pair.weight, pair.bias, 1.0)).collect();
        let levels = (dense.is_some() && !parts.is_empty()).then(|| Linear::of(uploader, 4 * config.nf, &parts));
        let classes = ops.last().and_then(|op| if let Op::Linear(width) = op { Some(width.output) } else { None });
        let programs = Mutex::default();
        let network = Network { gpu, config, dense, table, levels, layers, widths, classes, half, most: 1, programs };
        let most = network.most_images();
        Ok(Network { most, ..network })
    }

    /// Images that fit into one submission, at least one.
    fn most_images(&self) -> usize {
        let (recorder, _) = self.record(1, 1, self.layers.len());
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
        self.evaluate(x, told, self.layers.len(), to)
    }

    /// What the last layer, a linear one, maps: N×F×1×1.
    ///
    /// # Errors
    /// If the device fails.
    pub fn pooled(&self, x: Image, told: &Told) -> Result<Image, TensorReadError> {
        let to = [x.dims()[0], self.widths.last().map_or(0, |&width| width as usize), 1, 1];
        self.evaluate(x, told, self.layers.len().saturating_sub(1), to)
    }

    /// What comes of the first `count` layers, of these dimensions.
    fn evaluate(&self, x: Image, told: &Told, count: usize, to: [usize; 4]) -> Result<Image, TensorReadError> {
        let [n, c, h, w] = x.dims();
        let y = Tensor::empty(to, &x.device());
        // A view of other values gets places of its own.
        let x = x.reshape([n * c * h * w]);
        let (from, to) = (place(&x)?, place(&y.clone().reshape([to.iter().product::<usize>()]))?);
        let rows = told.classes.len();
        let per_row = |values: &[f32]| values.len() / rows.max(1);
        let mut features = told.features.clone();
        let join = |joins| self.table.as_ref().and_then(|table| table.rows(joins, &told.classes));
        for (feature, more) in features.iter_mut().zip(join(Joins::Features).into_iter().flatten()) {
            *feature += more;
        }
        let extra = join(Joins::Embedding).unwrap_or_default();
        let width = self.dense.as_ref().map_or(0, |[first, _]| first.width() as usize);
        let features = padded(&features, per_row(&features), width);
        // In equal parts.
        let part = n.div_ceil(n.div_ceil(self.most).max(1)).max(1);
        for first in (0..n).step_by(part) {
            let images = part.min(n - first);
            let own = if rows == 1 { 0..1 } else { first..first + images };
            let program = self.program([images, own.len(), count]).map_err(failed)?;
            let place_of = |whole: &Place| {
                let bytes = whole.bytes / n as u64;
                let offset = whole.offset + bytes * first as u64;
                Place { buffer: whole.buffer.clone(), offset, bytes: bytes * images as u64 }
            };
            let rows_of = |values: &[f32], width: usize| {
                values.get(own.start * width..own.end * width).unwrap_or_default().to_vec()
            };
            // What one thread is told is not told to another before it is submitted.
            let programs = locked(&self.programs);
            program.run(
                &self.gpu,
                &place_of(&from),
                &place_of(&to),
                &rows_of(&features, width),
                &rows_of(&extra, per_row(&extra)),
            );
            drop(programs);
        }
        Ok(y)
    }

    /// The program for so many images, of which so many rows are told, and so many layers.
    fn program(&self, of: [usize; 3]) -> Result<Arc<Program>, String> {
        let mut programs = locked(&self.programs);
        let place = programs.iter().position(|(known, _)| *known == of);
        let known = match place {
            Some(place) => programs.remove(place),
            None => {
                let [images, rows, count] = of;
                let (recorder, doors) = self.record(images as u32, rows as u32, count);
                (of, Arc::new(Program::new(&self.gpu, &recorder, doors)?))
            }
        };
        let program = known.1.clone();
        programs.insert(0, known);
        programs.truncate(KEPT);
        Ok(program)
    }

    fn record(&self, images: u32, rows: u32, count: usize) -> (Recorder, Doors) {
        let mut recorder = Recorder::new(images, self.half, self.gpu.workgroup_bytes());
        let size = self.config.inside().map(|size| size as u32);
        // Held while others come in by their own doors.
        let input = recorder.slot(u64::from(images) * size.map(u64::from).iter().product::<u64>() * 4);
        let told = self.told(&mut recorder, rows);
        let x = enter(&mut recorder, &input, size);
        let doors = Doors { input: *input, output: 0, features: told.features, extra: told.extra };
        drop(input);
        let walk = Walk {
            network: self,
            recorder: &mut recorder,
            levels: told.levels,
            stride: told.stride,
            kept: Vec::new(),
            // Only pyramids need it again.
            input: x.clone(),
            h: x,
            output: None,
        };
        let h = walk.through(count);
        let output = leave(&mut recorder, &h);
        (recorder, Doors { output: *output, ..doors })
    }

    /// The embedding of the noise level, and what blocks are told of it.
    fn told(&self, recorder: &mut Recorder, rows: u32) -> ToldSlots {
        let Some((dense, levels)) = self.dense.as_ref().zip(self.levels.as_ref()) else { return ToldSlots::default() };
        let [first, second] = dense;
        let nonlinearity = self.config.nonlinearity.into();
        let features = recorder.slot(u64::from(rows * first.width()) * 4);
        let joins = self.table.as_ref().is_some_and(|table| table.classes.joins == Joins::Embedding);
        let extra = joins.then(|| recorder.slot(u64::from(rows * second.output()) * 4));
        let hidden = first.record(recorder, rows, &features, None, nonlinearity);
        let embedding = second.record(recorder, rows, &hidden, extra.as_ref(), nonlinearity);
        let of_all = levels.record(recorder, rows, &embedding, None, Activation::None);
        let stride = if rows == 1 { 0 } else { levels.output() };
        ToldSlots { features: Some(*features), extra: extra.map(|slot| *slot), levels: Some(of_all), stride }
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
fn place(x: &Tensor<1>) -> Result<Place, TensorReadError> {
    let tensor = x.clone().try_into_primitive::<Wgpu>().map_err(|error| failed(format!("{error:?}")))?;
    let resource = tensor.client.get_resource::<<WgpuRuntime as Runtime>::Server>(tensor.handle.clone());
    let resource = resource.map_err(failed)?;
    tensor.client.flush().map_err(failed)?;
    let resource = resource.resource();
    Ok(Place { buffer: resource.buffer.clone(), offset: resource.offset, bytes: x.dims()[0] as u64 * 4 })
}

fn failed(reason: impl ToString) -> TensorReadError {
    TensorReadError::Execution(ExecutionError::WithContext { reason: reason.to_string() })
}

/// Rows with zeros after each.
fn padded(values: &[f32], from: usize, to: usize) -> Vec<f32> {
    let zeros = std::iter::repeat_n(0.0, to.saturating_sub(from));
    values.chunks(from.max(1)).flat_map(|row| row.iter().copied().chain(zeros.clone())).collect()
}

/// Channels of the features before each operation; `None` where they are not in fours, or heads are not.
fn widths(ops: &[Op], config: &Config) -> Option<Vec<u32>> {
    let (mut h, mut kept, mut widths) = (config.inside()[0], Vec::new(), Vec::new());
    for op in ops {
        widths.push(h as u32);
        match *op {
            Op::Stem(width) | Op::InputResidual(width) | Op::OutputResidual(width) => h = width.output,
            Op::Block(block) => h = block.width.output,
            Op::Keep => kept.push(h),
            Op::Recall => h += kept.pop()?,
            Op::InputSkip(width) if config.progressive_combine == Combine::Cat => h += width.output,
            Op::Attention(channels) if !config.head_width(channels).is_multiple_of(4) => return None,
            Op::Head(_) | Op::TakeOutput | Op::Linear(_) => break,
            _ => {}
        }
        if !h.is_multiple_of(4) {
            return None;
        }
    }
    Some(widths)
}

/// A walk through all operations.
struct Walk<'a> {
    network: &'a Network,
    recorder: &'a mut Recorder,
    levels: Option<Slot>,
    stride: u32,
    /// Each with room before it for what it will be joined to.
    kept: Vec<View>,
    h: View,
    /// The image at the present resolution.
    input: View,
    /// The output gathered so far.
    output: Option<View>,
}

impl Walk<'_> {
    /// What comes of the first `count` layers.
    fn through(mut self, count: usize) -> View {
        for (place, layer) in self.network.layers.iter().take(count).enumerate() {
            self.op(place, layer);
        }
        self.h
    }

    /// The features that are to be joined to those kept after an operation.
    fn width_at_recall(&self, place: usize) -> u32 {
        let mut depth = 0;
        for (layer, &width) in self.network.layers.iter().zip(&self.network.widths).skip(place) {
            match layer {
                Layer::Keep => depth += 1,
                Layer::Recall if depth == 1 => return width,
                Layer::Recall => depth -= 1,
                _ => {}
            }
        }
        0
    }

    /// Where features of this many channels, that come of an operation, are best put: beside what they are joined to.
    fn place_for(&mut self, place: usize, channels: u32, height: u32, width: u32) -> View {
        match self.network.layers.get(place + 1) {
            Some(Layer::Keep) => {
                let before = self.width_at_recall(place + 1);
                let whole = self.recorder.features(before + channels, height, width);
                whole.part(before, channels)
            }
            Some(Layer::Recall) => match self.kept.last() {
                Some(kept) if kept.first == channels / 4 => View { first: 0, channels, ..kept.clone() },
                _ => self.recorder.features(channels, height, width),
            },
            _ => self.recorder.features(channels, height, width),
        }
    }

    /// One operation on the features; see [`Op`] for the formulas.
    fn op(&mut self, place: usize, layer: &Layer) {
        let network = self.network;
        let nonlinearity = network.config.nonlinearity.into();
        let scale = self.scale();
        let h = self.h.clone();
        match layer {
            Layer::Stem(convolution) => {
                let to = self.place_for(place, convolution.channels(), h.height, h.width);
                self.h = convolution.record(self.recorder, Read::plain(&h), Write { to: Some(to), ..Write::default() });
            }
            Layer::Block(block) => self.block(place, block),
            Layer::Attention(attention) => {
                let to = self.place_for(place, h.channels, h.height, h.width);
                self.h = attention.record(self.recorder, &h, scale, Some(to));
            }
            Layer::Resample(direction) => {
                let [height, width] = sized(*direction, &h);
                let to = self.place_for(place, h.channels, height, width);
                self.h = self.resampled(Read::plain(&h), *direction, Some(to));
            }
            Layer::ConvResample(resampler) => {
                let [height, width] = sized(resampler.direction, &h);
                let to = self.place_for(place, resampler.convolution.channels(), height, width);
                self.h = self.resampled_by(resampler, &h, None, Some(to));
            }
            Layer::Keep => self.keep(place),
            Layer::Recall => self.recall(),
            Layer::InputSkip(map) => {
                self.input = self.resampled(Read::plain(&self.input.clone()), Direction::Down, None);
                self.skip(place, map);
            }
            Layer::InputResidual(resampler) => {
                let to = self.place_for(place, h.channels, h.height, h.width);
                self.h = self.resampled_by(resampler, &self.input.clone(), Some(&h), Some(to));
                self.input = self.h.clone();
            }
            Layer::Output(norm, convolution) => {
                let before = self.output.take().map(|output| self.resampled(Read::plain(&output), Direction::Up, None));
                let affine = norm.record(self.recorder, &h, None);
                let read = Read { x: &h, affine: Some(&affine), activation: nonlinearity };
                let write = Write { residual: before.as_ref(), ..Write::default() };
                self.output = Some(convolution.record(self.recorder, read, write));
            }
            Layer::OutputResidual(resampler) => {
                if let Some(output) = self.output.take() {
                    let to = self.place_for(place, h.channels, h.height, h.width);
                    self.h = self.resampled_by(resampler, &output, Some(&h), Some(to));
                    self.output = Some(self.h.clone());
                }
            }
            Layer::Head(norm, convolution) => {
                let affine = norm.record(self.recorder, &h, None);
                let read = Read { x: &h, affine: Some(&affine), activation: nonlinearity };
                self.h = convolution.record(self.recorder, read, Write::default());
            }
            Layer::TakeOutput => self.h = self.output.take().unwrap_or(h),
            Layer::Pool(norm) => {
                let affine = norm.record(self.recorder, &h, None);
                self.h = pool(self.recorder, Read { x: &h, affine: Some(&affine), activation: nonlinearity });
            }
            Layer::Linear(map) => self.h = map.record(self.recorder, Read::plain(&h), Write::default()),
        }
    }

    /// Of residual sums.
    fn scale(&self) -> f32 {
        if self.network.config.skip_rescale { std::f32::consts::FRAC_1_SQRT_2 } else { 1.0 }
    }

    fn keep(&mut self, place: usize) {
        let before = self.width_at_recall(place);
        let h = self.h.clone();
        if (h.first, h.stride) != (before / 4, (before + h.channels) / 4) {
            // It is kept already, or was nobody's outcome: it goes beside what it is joined to.
            let to = self.recorder.features(before + h.channels, h.height, h.width).part(before, h.channels);
            copy(self.recorder, &h, &to);
            self.h = to;
        }
        self.kept.push(self.h.clone());
    }

    fn recall(&mut self) {
        let Some(kept) = self.kept.pop() else { return };
        let h = self.h.clone();
        let channels = h.channels + kept.channels;
        let to = View { first: 0, channels: h.channels, ..kept.clone() };
        if !h.is(&to) {
            copy(self.recorder, &h, &to);
        }
        self.h = View { channels, ..to };
    }

    /// Features of the image beside h, or added to it.
    fn skip(&mut self, place: usize, map: &Convolution) {
        let (input, h) = (self.input.clone(), self.h.clone());
        match self.network.config.progressive_combine {
            Combine::Sum => {
                let to = self.place_for(place, h.channels, h.height, h.width);
                let write = Write { residual: Some(&h), to: Some(to), ..Write::default() };
                self.h = map.record(self.recorder, Read::plain(&input), write);
            }
            Combine::Cat => {
                let whole = self.place_for(place, map.channels() + h.channels, h.height, h.width);
                let to = Some(whole.part(0, map.channels()));
                map.record(self.recorder, Read::plain(&input), Write { to, ..Write::default() });
                copy(self.recorder, &h, &whole.part(map.channels(), h.channels));
                self.h = whole;
            }
        }
    }

    fn filter(&self) -> Option<&'_ [f64]> {
        let config = &self.network.config;
        config.fir.then_some(&config.fir_kernel[..])
    }

    fn resampled(&mut self, read: Read, direction: Direction, to: Option<View>) -> View {
        let resampling = match direction {
            Direction::Down => Resampling::down(self.filter()),
            Direction::Up => Resampling::up(self.filter()),
        };
        resampling.record(self.recorder, read, None, Write { to, ..Write::default() })
    }

    /// By a resampling with a convolution, plus a residual if there is one; then the sum is scaled.
    fn resampled_by(&mut self, resampler: &ConvResampler, x: &View, residual: Option<&View>, to: Option<View>) -> View {
        let scale = residual.map(|_| self.scale());
        let write = Write { residual, scale, to, ..Write::default() };
        let taps = self.filter().map(<[f64]>::to_vec);
        let convolution = &resampler.convolution;
        match (resampler.direction, taps) {
            (Direction::Down, taps) => {
                let margin = u32::from(self.network.config.variant.margin_all_round);
                let (x, first) = match taps {
                    Some(taps) => {
                        let filter = Resampling::before_halving(&taps);
                        (filter.record(self.recorder, Read::plain(x), None, Write::default()), 1)
                    }
                    None => (x.clone(), 1 - margin),
                };
                let y = convolution.record(self.recorder, Read::plain(&x), Write::default());
                Resampling::every_other(first).record(self.recorder, Read::plain(&y), None, write)
            }
            (Direction::Up, None) => {
                let x = self.resampled(Read::plain(x), Direction::Up, None);
                convolution.record(self.recorder, Read::plain(&x), write)
            }
            (Direction::Up, Some(taps)) => {
                let x = Resampling::spread().record(self.recorder, Read::plain(x), None, Write::default());
                let y = convolution.record(self.recorder, Read::plain(&x), Write::default());
                let filter = Resampling::after_doubling(&taps);
                filter.record(self.recorder, Read::plain(&y), resampler.bias.as_ref(), write)
            }
        }
    }

    fn block(&mut self, place: usize, block: &Block) {
        let activation = self.network.config.nonlinearity.into();
        let mut x = self.h.clone();
        let affine = block.norms[0].record(self.recorder, &x, None);
        let read = Read { x: &x, affine: Some(&affine), activation };
        let levels = self.levels.clone();
        let rows = levels.as_ref().zip(block.level).map(|(slot, first)| Rows { slot, first, stride: self.stride });
        let added = Write { rows: rows.filter(|_| !block.scale_shift), ..Write::default() };
        let [first, second] = &block.convolutions;
        let h = match block.resample {
            None => first.record(self.recorder, read, added),
            Some(direction) => {
                let h = self.resampled(read, direction, None);
                x = self.resampled(Read::plain(&x), direction, None);
                first.record(self.recorder, Read::plain(&h), added)
            }
        };
        drop(affine);
        let affine = block.norms[1].record(self.recorder, &h, rows.filter(|_| block.scale_shift));
        if let Some(shortcut) = &block.shortcut {
            x = shortcut.record(self.recorder, Read::plain(&x), Write::default());
        }
        // The features before are not needed any more.
        self.h = h.clone();
        let to = self.place_for(place, second.channels(), h.height, h.width);
        let write = Write { residual: Some(&x), scale: Some(self.scale()), to: Some(to), ..Write::default() };
        self.h = second.record(self.recorder, Read { x: &h, affine: Some(&affine), activation }, write);
    }
}

/// Height and width of features after a change of resolution.
fn sized(direction: Direction, x: &View) -> [u32; 2] {
    [x.height, x.width].map(|size| match direction {
        Direction::Down => size / 2,
        Direction::Up => size * 2,
    })
}
