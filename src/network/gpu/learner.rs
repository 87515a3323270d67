//! A U-Net that learns on a graphics device: one program goes forwards and back, from parameters as they are published to
//! their gradients.

mod recording;

use super::build::{Layers, widths};
use super::device::{Gpu, buffer, locked};
use super::evaluator::padded;
use super::layers::Convolution;
use super::parameters::{FOUND, GRADIENTS, Map, Order, PUBLISHED, Uploader};
use super::program::Program;
use super::watch::DeviceError;
use crate::network::host::Table;
use crate::network::labels::Told;
use crate::network::layers::{Loader, Pair};
use crate::network::plan::Op;
use crate::network::{AtOutput, Config, Dropout, Joins, WeightsError};
use burn_wgpu::wgpu::{self, BufferUsages};
use rayon::prelude::*;
use recording::{Embedding, Places, Recorded};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Most memory for what is kept of images that go through together, in bytes.
const MOST: u64 = 2 << 30;
/// How long dispatches may take that are submitted together: a window on the same device draws in between.
const TURN: Duration = Duration::from_millis(25);

/// A `ddpm` or `ncsnpp` network that learns.
#[derive(Debug)]
pub(in crate::network) struct Learner {
    gpu: Arc<Gpu>,
    body: Layers,
    embedding: Option<Embedding>,
    table: Option<Table>,
    /// Where packed parameters come from, those of the way back, and where gradients do.
    places: [wgpu::Buffer; 3],
    /// Values of published parameters, and of packed ones, with and without those of the way back.
    counts: [usize; 3],
    /// Most images that go through together; fewer once the device had no memory for so many.
    most: AtomicUsize,
    lesson: Mutex<Option<Lesson>>,
}

/// A program for so many images.
#[derive(Debug)]
struct Lesson {
    /// How many, and whether features are dropped.
    of: (usize, bool),
    program: Program,
    places: Places,
    /// Memory that the host can see, for the output, for the gradient of what the rows of classes joined, and for those of
    /// parameters.
    seen: [wgpu::Buffer; 3],
    /// How long the ways forwards and back took the last time.
    took: [Duration; 2],
}

impl Learner {
    /// Of a network with parameters of these sizes, taken from the embedding's on. `None` where the kernels cannot do it.
    ///
    /// # Errors
    /// If a parameter is missing or of the wrong shape.
    pub fn load(ops: &[Op], loader: &mut Loader, gpu: Arc<Gpu>, sizes: &[usize]) -> Result<Option<Self>, WeightsError> {
        let config: Config = loader.config.clone();
        if widths(ops, &config).is_none() {
            return Ok(None);
        }
        let map = RefCell::new(Map::new(sizes));
        let uploader = Uploader { gpu: &gpu, half: false, points: false, matrices: None, map: Some(&map) };
        let dense = match config.conditional {
            true => Some([loader.pair()?, loader.pair()?]),
            false => None,
        };
        let classes = config.variant.classes.clone();
        let joins = classes.as_ref().map(|classes| classes.joins);
        let table = classes.map(|classes| Table::load(loader, classes)).transpose()?;
        let (body, levels) = Layers::load(ops, loader, uploader)?;
        let embedding = dense.filter(|_| !levels.is_empty()).map(|[first, second]| {
            let width = |pair: &Pair| pair.weight.len() / pair.bias.len().max(1);
            let map_of = |parts: &[Pair]| {
                let input = parts.first().map_or(0, width);
                Convolution::of(uploader, 1, input, Order::OutIn, parts, true)
            };
            Embedding {
                dense: [map_of(&[first]), map_of(&[second])],
                levels: map_of(&levels),
                width: width(&first) as u32,
                nonlinearity: config.nonlinearity,
                joins,
            }
        });
        let map = map.into_inner();
        let upload = |places: &[u32]| gpu.upload(bytemuck::cast_slice(places), BufferUsages::STORAGE);
        let places = [upload(&map.packed), upload(&map.turned), upload(&map.published())];
        let counts = [map.count(), map.packed.len(), map.turned.len()];
        let learner = Learner { gpu, body, embedding, table, places, counts, most: 1.into(), lesson: Mutex::default() };
        let most = learner.most_images();
        Ok(most.map(|most| Learner { most: most.into(), ..learner }))
    }

    /// Images that fit into the memory, at least one; `None` where something cannot be recorded.
    fn most_images(&self) -> Option<usize> {
        let limits = self.gpu.device.limits();
        let largest = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let sizes = |images: u32| -> Option<Vec<u64>> { Some(self.record(images, true)?.recorder.sizes()) };
        let [one, two] = [sizes(1)?, sizes(2)?];
        if one.iter().any(|&size| size > largest) {
            return None;
        }
        let [whole, more] = [&one, &two].map(|sizes| sizes.iter().sum::<u64>());
        let each = more.saturating_sub(whole).max(1);
        let of_largest = two.iter().zip(&one).map(|(two, one)| largest / two.saturating_sub(*one).max(1)).min();
        let groups = u64::from(limits.max_compute_workgroups_per_dimension);
        Some((MOST.saturating_sub(whole) / each).min(of_largest.unwrap_or(1)).min(groups).max(1) as usize)
    }

    /// The gradients of a loss by all parameters, as they are published, with these values, for images, N×C×H×W, of each of
    /// which something is told.
    ///
    /// # Errors
    /// If the device fails.
    pub fn gradients(
        &self,
        parameters: &[&[f32]],
        x: &[f32],
        told: &Told,
        dropout: Option<Dropout>,
        at_output: AtOutput,
    ) -> Result<Vec<Vec<f32>>, DeviceError> {
        let n = told.classes.len();
        let mut kept = locked(&self.lesson);
        let lesson = self.lesson(&mut kept, n, dropout.is_some())?;
        let (part, _) = lesson.of;
        let (gpu, program) = (&*self.gpu, &lesson.program);
        let [took_forwards, took_back] = &mut lesson.took;
        let Places { parts: [packed, forwards, back, published], gradient, joined, masks } = lesson.places;
        self.enter(program, PUBLISHED, parameters);
        let cleared = |encoder: &mut wgpu::CommandEncoder| {
            if let Some(sums) = program.slot(GRADIENTS) {
                encoder.clear_buffer(sums, 0, None);
            }
        };
        program.submit(gpu, 0..packed, cleared, |_| {});
        let mut of_table = self.table.as_ref().map(|table| vec![0.0; parameters[table.slot()].len()]);
        let output = program.doors().output;
        let [seen_output, seen_rows, seen_slopes] = &lesson.seen;
        for first in (0..n).step_by(part) {
            let images = first..n.min(first + part);
            self.tell(program, parameters, x, told, part, &images);
            if let Some((slot, dropout)) = masks.zip(dropout) {
                self.enter(program, slot, &[&self.masks(dropout.after(first), part)]);
            }
            let out = Some((output, seen_output));
            let after = self.in_turns(program, packed..forwards, out, took_forwards)?;
            let mut values = gpu.read(seen_output, &after, <[f32]>::to_vec)?;
            let own = images.len() * (values.len() / part);
            let (own, missing) = values.split_at_mut(own);
            at_output(images.clone(), own);
            missing.fill(0.0);
            self.enter(program, gradient, &[&values]);
            let rows = joined.map(|slot| (slot, seen_rows));
            let after = self.in_turns(program, forwards..back, rows, took_back)?;
            if let Some((table, to)) = self.table.as_ref().zip(of_table.as_mut()).filter(|_| rows.is_some()) {
                let own = &told.classes[images.clone()];
                gpu.read(seen_rows, &after, |rows| table.add(rows, own, to))?;
            }
        }
        let after = program.submit(gpu, back..published, |_| {}, copied(program, Some((FOUND, seen_slopes))));
        let mut found = gpu.read(seen_slopes, &after, |values| cut(values, parameters))?;
        if let Some((table, gradient)) = self.table.as_ref().zip(of_table) {
            found[table.slot()] = gradient;
        }
        Ok(found)
    }

    /// Enters images of a part, and what is told of them. Those that are missing from the last part are black; they have no
    /// loss.
    fn tell(
        &self,
        program: &Program,
        parameters: &[&[f32]],
        x: &[f32],
        told: &Told,
        part: usize,
        images: &Range<usize>,
    ) {
        let n = told.classes.len().max(1);
        let of = |values: &'_ [f32]| {
            let each = values.len() / n;
            let own = values.get(images.start * each..images.end * each).unwrap_or_default();
            own.iter().copied().chain(std::iter::repeat_n(0.0, (part - images.len()) * each)).collect::<Vec<f32>>()
        };
        let doors = program.doors();
        self.enter(program, doors.input, &[&of(x)]);
        let [features, joined] = doors.told;
        let (Some(door), Some(embedding)) = (features, &self.embedding) else { return };
        let classes = told.classes.get(images.clone()).unwrap_or_default();
        let mut features = of(&told.features);
        let table = self.table.as_ref().map(|table| (table, parameters[table.slot()]));
        if let Some((table, values)) = table {
            table.join_of(values, &mut features, Joins::Features, classes);
        }
        let width = embedding.width as usize;
        self.enter(program, door, &[&padded(&features, width, width.next_multiple_of(4))]);
        if let Some((door, (table, values))) = joined.zip(table) {
            let mut rows = vec![0.0; part * table.width()];
            table.join_of(values, &mut rows, Joins::Embedding, classes);
            self.enter(program, door, &[&rows]);
        }
    }

    /// Of each layer and image: which features it drops, if it is a block.
    fn masks(&self, dropout: Dropout, images: usize) -> Vec<f32> {
        let places = 0..self.body.layers.len();
        let words = places.flat_map(|place| (0..images).flat_map(move |image| dropout.mask(place, image).words()));
        words.map(f32::from_bits).collect()
    }

    /// Puts values one after another into a slot.
    fn enter(&self, program: &Program, slot: usize, values: &[&[f32]]) {
        let bytes: usize = values.iter().map(|values| 4 * values.len()).sum();
        let (Some(buffer), Some(size)) = (program.slot(slot), wgpu::BufferSize::new(bytes as u64)) else { return };
        let Some(mut view) = self.gpu.queue.write_buffer_with(buffer, 0, size) else { return };
        let mut first = 0;
        for values in values {
            let bytes: &[u8] = bytemuck::cast_slice(values);
            view.slice(first..first + bytes.len()).copy_from_slice(bytes);
            first += bytes.len();
        }
    }

    /// Submits some dispatches, as many at a time as are short enough, and a copy of a slot; waits for them.
    fn in_turns(
        &self,
        program: &Program,
        steps: Range<usize>,
        copy: Option<(usize, &wgpu::Buffer)>,
        took: &mut Duration,
    ) -> Result<wgpu::SubmissionIndex, DeviceError> {
        let began = Instant::now();
        let turns = (took.as_secs_f64() / TURN.as_secs_f64()).ceil().max(1.0) as usize;
        let each = steps.len().div_ceil(turns).max(1);
        let mut first = steps.start;
        while first + each < steps.end {
            let after = program.submit(&self.gpu, first..first + each, |_| {}, |_| {});
            self.gpu.watch.wait_for(&after)?;
            first += each;
        }
        let after = program.submit(&self.gpu, first..steps.end, |_| {}, copied(program, copy));
        self.gpu.watch.wait_for(&after)?;
        *took = began.elapsed();
        Ok(after)
    }

    /// The program for a batch of so many images: for all of them, or for equal parts of it that there is memory for.
    fn lesson<'p>(
        &self,
        kept: &'p mut Option<Lesson>,
        batch: usize,
        drops: bool,
    ) -> Result<&'p mut Lesson, DeviceError> {
        loop {
            let most = self.most.load(Ordering::Relaxed);
            let images = batch.div_ceil(batch.div_ceil(most).max(1)).max(1);
            if kept.as_ref().is_none_or(|lesson| lesson.of != (images, drops)) {
                // Its memory is needed.
                *kept = None;
                match self.make(images, drops) {
                    Ok(lesson) => *kept = Some(lesson),
                    // Fewer images take less memory.
                    Err(DeviceError::OutOfMemory) if images > 1 => {
                        self.most.store(images / 2, Ordering::Relaxed);
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            return kept.as_mut().ok_or_else(|| DeviceError::Refused("there is no program".into()));
        }
    }

    fn make(&self, images: usize, drops: bool) -> Result<Lesson, DeviceError> {
        let unable = || DeviceError::Refused("the network cannot be recorded".into());
        let recorded = self.record(images as u32, drops).ok_or_else(unable)?;
        let Recorded { recorder, doors, places, sizes: [output, joined] } = recorded;
        let program = Program::new(&self.gpu, &recorder, doors)?;
        let usage = BufferUsages::COPY_DST | BufferUsages::MAP_READ;
        let sizes = [images * output, images * joined, self.counts[0]];
        let seen = self.gpu.made(|| sizes.map(|values| buffer(&self.gpu.device, 4 * values as u64, usage)))?;
        Ok(Lesson { of: (images, drops), program, places, seen, took: [Duration::ZERO; 2] })
    }
}

/// Copies a slot to where it can be seen.
fn copied<'a>(
    program: &'a Program,
    copy: Option<(usize, &'a wgpu::Buffer)>,
) -> impl FnOnce(&mut wgpu::CommandEncoder) + 'a {
    move |encoder| {
        if let Some((from, to)) = copy.and_then(|(slot, to)| Some((program.slot(slot)?, to))) {
            encoder.copy_buffer_to_buffer(from, 0, to, 0, to.size());
        }
    }
}

/// Values one after another, as long as these.
fn cut(values: &[f32], like: &[&[f32]]) -> Vec<Vec<f32>> {
    let ends = like.iter().scan(0, |end, values| {
        *end += values.len();
        Some(*end)
    });
    let ranges: Vec<_> = ends.zip(like).map(|(end, own)| end - own.len()..end).collect();
    ranges.into_par_iter().map(|range| values.get(range).unwrap_or_default().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::recording::Recorded;
    use super::*;
    use crate::network::gpu::{graphics, of};
    use crate::network::plan::Plan;
    use crate::network::{Array, LayerKind, Weights};

    /// A small network, and parameters for it that look random.
    fn learner() -> (Learner, Vec<Vec<f32>>) {
        let (device, _) = graphics();
        let mut config = Config::ddpmpp();
        (config.nf, config.ch_mult, config.num_res_blocks) = (8, vec![1, 2], 1);
        (config.image_size, config.num_channels) = (8, 3);
        let plan = Plan::new(&config);
        let (mut values, mut weights) = (values(1), Weights::new());
        let mut parameters = Vec::new();
        for parameter in plan.parameters() {
            let array = Array { values: values(parameter.shape.iter().product()), shape: parameter.shape };
            parameters.push(array.values.clone());
            weights.insert(parameter.name, array);
        }
        let mut loader = Loader::new(plan.parameters(), &weights, &config, &device).unwrap();
        let gpu = of(&device).expect("it was made known").0;
        let learner = Learner::load(&plan.ops, &mut loader, gpu, &plan.sizes()).unwrap();
        (learner.expect("the kernels can do it"), parameters)
    }

    fn values(seed: u64) -> impl FnMut(usize) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        move |count| (0..count).map(|_| random.f32() - 0.5).collect()
    }

    #[test]
    fn the_way_back_multiplies_twice_as_often() {
        let Recorded { recorder, places, .. } = learner().0.record(2, false).unwrap();
        let [packed, forwards, back, _] = places.parts;
        let operations = |steps: Range<usize>, kind: LayerKind| -> u64 {
            let of_kind = recorder.dispatches[steps].iter().filter(|dispatch| dispatch.kind == Some(kind));
            of_kind.map(|dispatch| dispatch.operations).sum()
        };
        let both = |kind| [operations(packed..forwards, kind), operations(forwards..back, kind)];
        // Once for what was read and once for the filters; but nobody wants the gradient of the image, nor that of sines.
        let [there, back_again] = both(LayerKind::Convolution);
        assert_eq!(back_again, 2 * there - 2 * 9 * 3 * 8 * (2 * 64));
        let [there, back_again] = both(LayerKind::Pointwise);
        assert_eq!(back_again, 2 * there - 2 * 8 * 32 * 2);
        // Queries take three products of matrices instead of two, keys and values four.
        let [there, back_again] = both(LayerKind::Attention);
        assert!(there > 0);
        assert_eq!(2 * back_again, 7 * there);
    }

    #[test]
    fn images_that_go_one_part_after_another_teach_the_same() {
        let ((whole, parameters), (learner, _)) = (learner(), learner());
        let mut values = values(2);
        let parameters: Vec<&[f32]> = parameters.iter().map(Vec::as_slice).collect();
        // Five images are two, two, and one with one that is missing.
        let (x, told) = (values(5 * 192), Told { features: values(5 * 8), classes: vec![None; 5] });
        let at_output = |images: Range<usize>, values: &mut [f32]| {
            assert_eq!(values.len(), images.len() * 192);
            values.iter_mut().for_each(|value| *value += images.start as f32 * 0.1);
        };
        let in_parts = Learner { most: 2.into(), ..learner };
        let by_hand = |images: Range<usize>, values: &mut [f32]| {
            let parts = values.chunks_mut(2 * 192).zip(images.step_by(2));
            parts.for_each(|(values, first)| at_output(first..first + values.len() / 192, values));
        };
        let found = in_parts.gradients(&parameters, &x, &told, None, &at_output).unwrap();
        let expected = whole.gradients(&parameters, &x, &told, None, &by_hand).unwrap();
        // Sums in another order differ by rounding alone.
        for (found, expected) in found.iter().zip(&expected) {
            let largest = expected.iter().fold(1e-3_f32, |most, value| most.max(value.abs()));
            let apart = found.iter().zip(expected).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(apart <= 1e-4 * largest, "{apart} of {largest}");
        }
        assert!(expected.iter().flatten().any(|&value| value.abs() > 0.1));
    }
}
