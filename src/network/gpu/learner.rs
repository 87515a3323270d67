//! A U-Net that learns on a graphics device: one program goes forwards and back, from parameters as they are published to
//! their gradients.

use super::back::Back;
use super::build::{Layers, widths};
use super::device::{Gpu, buffer, locked};
use super::kernel::Reading;
use super::layers::{Convolution, Read, Write, activated, deactivate, enter, gather, leave};
use super::network::padded;
use super::parameters::{Map, Order, SLOTS, Uploader};
use super::program::{Doors, Program};
use super::recorder::{Bound, Recorder, View};
use super::walk::Walk;
use crate::network::labels::Told;
use crate::network::layers::{Loader, Pair};
use crate::network::plan::Op;
use crate::network::{AtOutput, Config, Nonlinearity, WeightsError};
use burn_wgpu::wgpu::{self, BufferUsages};
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Most memory for what is kept of images that go through together, in bytes.
const MOST: u64 = 2 << 30;

/// A `ddpm` or `ncsnpp` network that learns.
#[derive(Debug)]
pub(in crate::network) struct Learner {
    gpu: Arc<Gpu>,
    body: Layers,
    embedding: Option<Embedding>,
    /// Where packed parameters come from, those of the way back, and where gradients do.
    places: [wgpu::Buffer; 3],
    /// Values of published parameters, and of packed ones, with and without those of the way back.
    counts: [usize; 3],
    /// Most images that go through together.
    most: usize,
    lesson: Mutex<Option<Lesson>>,
}

/// What makes of sines and cosines of the noise level what all blocks are told.
#[derive(Debug)]
struct Embedding {
    dense: [Convolution; 2],
    levels: Convolution,
    /// Sines and cosines.
    width: u32,
    nonlinearity: Nonlinearity,
}

/// What came of a noise level on the way.
struct Embedded {
    features: View,
    /// Before the nonlinearity.
    hidden: [View; 2],
    levels: View,
}

/// A program for so many images.
#[derive(Debug)]
struct Lesson {
    images: usize,
    program: Program,
    parts: Parts,
    /// Where the gradient of the output comes in.
    gradient: usize,
    /// Memory that the host can see, for the output and for the gradients of parameters.
    seen: [wgpu::Buffer; 2],
}

/// Where the parts of a program end: what packs parameters, the way forwards, the way back, and what publishes gradients.
type Parts = [usize; 4];

/// What was recorded.
struct Recorded {
    recorder: Recorder,
    doors: Doors,
    parts: Parts,
    gradient: usize,
    /// Values of the output of an image.
    output: usize,
}

impl Learner {
    /// Of a network with parameters of these sizes, taken from the embedding's on. `None` where the kernels cannot do it.
    ///
    /// # Errors
    /// If a parameter is missing or of the wrong shape.
    pub fn load(ops: &[Op], loader: &mut Loader, gpu: Arc<Gpu>, sizes: &[usize]) -> Result<Option<Self>, WeightsError> {
        let config: Config = loader.config.clone();
        if widths(ops, &config).is_none() || config.variant.classes.is_some() {
            return Ok(None);
        }
        let map = RefCell::new(Map::new(sizes));
        let uploader = Uploader { gpu: &gpu, half: false, points: false, map: Some(&map) };
        let dense = match config.conditional {
            true => Some([loader.pair()?, loader.pair()?]),
            false => None,
        };
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
            }
        });
        let map = map.into_inner();
        let upload = |places: &[u32]| gpu.upload(bytemuck::cast_slice(places), BufferUsages::STORAGE);
        let places = [upload(&map.packed), upload(&map.turned), upload(&map.published())];
        let counts = [map.count(), map.packed.len(), map.turned.len()];
        let learner = Learner { gpu, body, embedding, places, counts, most: 1, lesson: Mutex::default() };
        let most = learner.most_images();
        Ok(most.map(|most| Learner { most, ..learner }))
    }

    /// Images that fit into the memory, at least one; `None` where something cannot be recorded.
    fn most_images(&self) -> Option<usize> {
        let limits = self.gpu.device.limits();
        let largest = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let sizes = |images: u32| -> Option<Vec<u64>> { Some(self.record(images)?.recorder.sizes()) };
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
    /// If the device fails: what it says.
    pub fn gradients(
        &self,
        parameters: &[&[f32]],
        x: &[f32],
        told: &Told,
        at_output: AtOutput,
    ) -> Result<Vec<Vec<f32>>, String> {
        let n = told.classes.len();
        let part = n.div_ceil(n.div_ceil(self.most).max(1)).max(1);
        let mut kept = locked(&self.lesson);
        let lesson = self.lesson(&mut kept, part)?;
        let (gpu, program) = (&*self.gpu, &lesson.program);
        let [packed, forwards, back, published] = lesson.parts;
        let [from, _, _, sums, to] = SLOTS;
        self.enter(program, from, parameters);
        let cleared = |encoder: &mut wgpu::CommandEncoder| {
            if let Some(sums) = program.slot(sums) {
                encoder.clear_buffer(sums, 0, None);
            }
        };
        program.submit(gpu, 0..packed, cleared, |_| {});
        let (image, features) = (x.len() / n.max(1), told.features.len() / n.max(1));
        let width = self.embedding.as_ref().map_or(0, |embedding| embedding.width.next_multiple_of(4) as usize);
        let doors = program.doors();
        let [output, slopes] = &lesson.seen;
        for first in (0..n).step_by(part) {
            let images = first..n.min(first + part);
            let of = |values: &'_ [f32], each: usize| {
                let own = values.get(images.start * each..images.end * each).unwrap_or_default();
                // Images that are missing from the last part are black; they have no loss.
                own.iter().copied().chain(std::iter::repeat_n(0.0, (part - images.len()) * each)).collect::<Vec<f32>>()
            };
            self.enter(program, doors.input, &[&of(x, image)]);
            if let Some(door) = doors.features {
                self.enter(program, door, &[&padded(&of(&told.features, features), features, width)]);
            }
            let after = self.submitted(program, packed..forwards, doors.output, output);
            let mut values = gpu.read(output, after, <[f32]>::to_vec)?;
            let own = images.len() * (values.len() / part);
            let (own, missing) = values.split_at_mut(own);
            at_output(images, own);
            missing.fill(0.0);
            self.enter(program, lesson.gradient, &[&values]);
            program.submit(gpu, forwards..back, |_| {}, |_| {});
        }
        let after = self.submitted(program, back..published, to, slopes);
        gpu.read(slopes, after, |values| {
            let ends = parameters.iter().scan(0, |end, values| {
                *end += values.len();
                Some(*end)
            });
            let ranges: Vec<_> = ends.zip(parameters).map(|(end, own)| end - own.len()..end).collect();
            ranges.into_par_iter().map(|range| values.get(range).unwrap_or_default().to_vec()).collect()
        })
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

    /// Submits some dispatches, and a copy of a slot.
    fn submitted(
        &self,
        program: &Program,
        steps: Range<usize>,
        slot: usize,
        to: &wgpu::Buffer,
    ) -> wgpu::SubmissionIndex {
        program.submit(
            &self.gpu,
            steps,
            |_| {},
            |encoder| {
                if let Some(from) = program.slot(slot) {
                    encoder.copy_buffer_to_buffer(from, 0, to, 0, to.size());
                }
            },
        )
    }

    /// The program for so many images.
    fn lesson<'p>(&self, kept: &'p mut Option<Lesson>, images: usize) -> Result<&'p Lesson, String> {
        if kept.as_ref().is_none_or(|lesson| lesson.images != images) {
            // Its memory is needed.
            *kept = None;
            let recorded = self.record(images as u32).ok_or("the network cannot be recorded")?;
            let Recorded { recorder, doors, parts, gradient, output } = recorded;
            let program = Program::new(&self.gpu, &recorder, doors)?;
            let seen = [images * output, self.counts[0]].map(|values| {
                buffer(&self.gpu.device, 4 * values as u64, BufferUsages::COPY_DST | BufferUsages::MAP_READ)
            });
            *kept = Some(Lesson { images, program, parts, gradient, seen });
        }
        kept.as_ref().ok_or_else(|| "there is no program".to_owned())
    }

    fn record(&self, images: u32) -> Option<Recorded> {
        let mut recorder = Recorder::new(images, false, self.gpu.workgroup_bytes());
        let [count, packed, turned] = self.counts;
        // They are held to the end.
        let held: Vec<_> = [count, packed, turned, packed, count].map(|count| recorder.slot(4 * count as u64)).into();
        let [published, to_packed, to_turned, gradients, found] = SLOTS;
        let from_places = |index: usize| Bound::Buffer(self.places[index].clone());
        gather(&mut recorder, published, from_places(0), to_packed, packed as u32);
        gather(&mut recorder, published, from_places(1), to_turned, turned as u32);
        let packed_end = recorder.dispatches.len();

        let size = self.body.config.inside().map(|size| size as u32);
        let input = recorder.slot(u64::from(images) * size.map(u64::from).iter().product::<u64>() * 4);
        let embedded = self.embedding.as_ref().map(|embedding| embedding.record(&mut recorder));
        let x = enter(&mut recorder, &input, size);
        let walk = Walk {
            network: &self.body,
            recorder: &mut recorder,
            levels: embedded.as_ref().map(|embedded| embedded.levels.slot.clone()),
            stride: embedded.as_ref().map_or(0, |embedded| 4 * embedded.levels.stride),
            kept: Vec::new(),
            input: x.clone(),
            h: x,
            output: None,
            tape: Some(Vec::new()),
        };
        let (h, tape) = walk.through(self.body.layers.len());
        let output = leave(&mut recorder, &h);
        let forwards = recorder.dispatches.len();

        let values = h.channels * h.pixels();
        let gradient = recorder.slot(u64::from(images) * u64::from(values) * 4);
        let above = enter(&mut recorder, &gradient, [h.channels, h.height, h.width]);
        let levels = embedded.as_ref().map(|embedded| {
            let told = embedded.levels.clone();
            let to = recorder.features(told.channels, 1, 1);
            [told, to]
        });
        let back = Back {
            network: &self.body,
            recorder: &mut recorder,
            levels: levels.clone(),
            h: Some(above),
            kept: Vec::new(),
            input: None,
            output: None,
        };
        back.through(tape)?;
        if let (Some(embedding), Some(embedded), Some([_, above])) = (&self.embedding, &embedded, &levels) {
            embedding.back(&mut recorder, embedded, above)?;
        }
        let back_end = recorder.dispatches.len();
        gather(&mut recorder, gradients, from_places(2), found, count as u32);
        drop(held);
        let features = embedded.as_ref().map(|embedded| embedded.features.slot.place());
        let doors = Doors { input: input.place(), output: output.place(), features, extra: None };
        let parts = [packed_end, forwards, back_end, recorder.dispatches.len()];
        Some(Recorded { recorder, doors, parts, gradient: gradient.place(), output: values as usize })
    }
}

impl Embedding {
    fn read<'a>(&self, x: &'a View) -> Read<'a> {
        Read { x, affine: None, activation: Some(self.nonlinearity) }
    }

    fn record(&self, recorder: &mut Recorder) -> Embedded {
        let [first, second] = &self.dense;
        let features = recorder.features(self.width, 1, 1);
        let hidden = first.record(recorder, Read::plain(&features), Write::default());
        let embedding = second.record(recorder, self.read(&hidden), Write::default());
        let levels = self.levels.record(recorder, self.read(&embedding), Write::default());
        Embedded { features, hidden: [hidden, embedding], levels }
    }

    fn back(&self, recorder: &mut Recorder, embedded: &Embedded, gradient: &View) -> Option<()> {
        let [first, second] = &self.dense;
        let [hidden, embedding] = &embedded.hidden;
        let reading = Reading { normalised: false, activation: Some(self.nonlinearity) };
        let mut above = gradient.clone();
        for (map, x) in [(&self.levels, embedding), (second, hidden)] {
            let read = activated(recorder, self.read(x));
            map.learn(recorder, &read, &above, 1.0);
            let below = map.back(recorder, &above, x.channels, Write::default())?;
            above = deactivate(recorder, x, &below, reading, None, None);
        }
        first.learn(recorder, &embedded.features, &above, 1.0);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::tests::tested;
    use super::*;
    use crate::network::gpu::of;
    use crate::network::plan::Plan;
    use crate::network::{Array, LayerKind, Weights};

    /// A small network, and parameters for it that look random.
    fn learner() -> (Learner, Vec<Vec<f32>>) {
        let [device, _] = tested();
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
        let Recorded { recorder, parts: [packed, forwards, back, _], .. } = learner().0.record(2).unwrap();
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
        let in_parts = Learner { most: 2, ..learner };
        let by_hand = |images: Range<usize>, values: &mut [f32]| {
            let parts = values.chunks_mut(2 * 192).zip(images.step_by(2));
            parts.for_each(|(values, first)| at_output(first..first + values.len() / 192, values));
        };
        let found = in_parts.gradients(&parameters, &x, &told, &at_output).unwrap();
        let expected = whole.gradients(&parameters, &x, &told, &by_hand).unwrap();
        // Sums in another order differ by rounding alone.
        for (found, expected) in found.iter().zip(&expected) {
            let largest = expected.iter().fold(1e-3_f32, |most, value| most.max(value.abs()));
            let apart = found.iter().zip(expected).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(apart <= 1e-4 * largest, "{apart} of {largest}");
        }
        assert!(expected.iter().flatten().any(|&value| value.abs() > 0.1));
    }
}
