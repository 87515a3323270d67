//! A recorded evaluation, ready to be submitted again and again.

use super::device::{Gpu, STORAGE, buffer};
use super::recorder::{Bindings, Bound, Recorder};
use super::watch::DeviceError;
use crate::network::{Demand, LayerKind, profile};
use burn_wgpu::wgpu::{self, BufferUsages};
use std::ops::Range;
use std::time::Duration;

/// Where one dispatch's parameters, or a part of a slot, may begin after another, on every device.
pub(super) const ALIGNMENT: usize = 256;

/// Work of one submission at most, where it can be divided: about a quarter of a second on a slow device. Systems take a device
/// away that does not come to the end of one in two seconds, and a window on the same device draws between them.
const TURN: u64 = 50_000_000_000;
/// Multiplications and additions in the time in which a byte is read or written.
const OF_BYTE: u64 = 8;

/// The slots that are written and read from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doors {
    /// Images, plane by plane.
    pub input: usize,
    pub output: usize,
    /// What is told of noise levels and of classes.
    pub told: [Option<usize>; 2],
}

/// Where a tensor lies.
#[derive(Debug)]
pub(super) struct Place {
    pub buffer: wgpu::Buffer,
    pub offset: u64,
    pub bytes: u64,
}

#[derive(Debug)]
struct Step {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: [u32; 3],
    kind: Option<LayerKind>,
    demand: Demand,
}

/// Dispatches with all their memory.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    slots: Vec<wgpu::Buffer>,
    doors: Doors,
    /// [`TURN`].
    turn: u64,
}

impl Program {
    /// Makes the kernels and asks for the memory.
    ///
    /// # Errors
    /// If the device has too little memory, or refuses a kernel.
    pub fn new(gpu: &Gpu, recorder: &Recorder, doors: Doors) -> Result<Self, DeviceError> {
        gpu.made(|| Program::made(gpu, recorder, doors))
    }

    fn made(gpu: &Gpu, recorder: &Recorder, doors: Doors) -> Self {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let slots: Vec<_> = recorder.sizes().into_iter().map(|size| buffer(&gpu.device, size, usage)).collect();
        let mut bytes = vec![0_u8; ALIGNMENT * recorder.dispatches.len()];
        for (place, dispatch) in bytes.chunks_mut(ALIGNMENT).zip(&recorder.dispatches) {
            place.iter_mut().zip(bytemuck::cast_slice(&dispatch.params)).for_each(|(to, from)| *to = *from);
        }
        let params = gpu.upload(&bytes, BufferUsages::UNIFORM);
        let steps = recorder.dispatches.iter().enumerate().map(|(index, dispatch)| Step {
            pipeline: gpu.pipeline(&dispatch.kernel, recorder.half),
            group: bind(gpu, &slots, &params, index, &dispatch.bindings),
            workgroups: dispatch.workgroups,
            kind: dispatch.kind,
            demand: dispatch.demand(),
        });
        Program { steps: steps.collect(), slots, doors, turn: TURN }
    }

    /// Bytes of the memory for features.
    pub fn bytes(&self) -> u64 {
        self.slots.iter().map(wgpu::Buffer::size).sum()
    }

    /// Submits an evaluation of the images at one place, told these rows; the output comes to another.
    pub fn run(&self, gpu: &Gpu, x: &Place, y: &Place, told: &[Vec<f32>; 2]) {
        let told = self.doors.told.into_iter().zip(told);
        for (buffer, values) in told.filter_map(|(door, values)| Some((self.slot(door?)?, values))) {
            gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(values));
        }
        let enter = |encoder: &mut wgpu::CommandEncoder| {
            if let Some(input) = self.slot(self.doors.input) {
                encoder.copy_buffer_to_buffer(&x.buffer, x.offset, input, 0, x.bytes);
            }
        };
        let leave = |encoder: &mut wgpu::CommandEncoder| {
            if let Some(output) = self.slot(self.doors.output) {
                encoder.copy_buffer_to_buffer(output, 0, &y.buffer, y.offset, y.bytes);
            }
        };
        let copied = x.bytes + y.bytes;
        profile::ask(None, Demand { read: copied, written: copied, operations: 0 });
        self.submit(gpu, 0..self.steps.len(), enter, leave);
    }

    /// Submits some of the dispatches, with what comes before and after them, in as many turns as their work needs.
    pub fn submit(
        &self,
        gpu: &Gpu,
        steps: Range<usize>,
        before: impl FnOnce(&mut wgpu::CommandEncoder),
        after: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> wgpu::SubmissionIndex {
        let mut left = self.steps.get(steps).unwrap_or_default();
        let mut before = Some(before);
        let mut before =
            |encoder: &mut wgpu::CommandEncoder| before.take().into_iter().for_each(|before| before(encoder));
        loop {
            let count = self.first_turn(left);
            if count == left.len() {
                return submit(gpu, left, before, after);
            }
            let (turn, rest) = left.split_at(count);
            submit(gpu, turn, &mut before, |_| {});
            left = rest;
        }
    }

    /// How many of some dispatches are submitted together.
    fn first_turn(&self, steps: &[Step]) -> usize {
        let mut work = 0;
        let is_over = |step: &Step| {
            let Demand { read, written, operations } = step.demand;
            work += operations + OF_BYTE * (read + written);
            work > self.turn
        };
        // One that is more by itself has a turn of its own.
        steps.iter().position(is_over).map_or(steps.len(), |place| place.max(1))
    }

    pub fn doors(&self) -> Doors {
        self.doors
    }

    pub fn slot(&self, index: usize) -> Option<&wgpu::Buffer> {
        self.slots.get(index)
    }
}

/// Submits dispatches together, with what comes before and after them.
fn submit(
    gpu: &Gpu,
    steps: &[Step],
    before: impl FnOnce(&mut wgpu::CommandEncoder),
    after: impl FnOnce(&mut wgpu::CommandEncoder),
) -> wgpu::SubmissionIndex {
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    before(&mut encoder);
    steps.iter().for_each(|step| profile::ask(step.kind, step.demand));
    let clock = if profile::is_taken() { Clock::new(gpu, steps.len()) } else { None };
    match &clock {
        // A pass for each, because only passes are timed everywhere.
        Some(clock) => steps.iter().enumerate().for_each(|(index, step)| {
            step.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(clock.writes(index)),
            }));
        }),
        None => {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            steps.iter().for_each(|step| step.encode(&mut pass));
        }
    }
    after(&mut encoder);
    if let Some(clock) = &clock {
        clock.resolve(&mut encoder);
    }
    let submitted = gpu.queue.submit([encoder.finish()]);
    gpu.watch.mark();
    if let Some(times) = clock.and_then(|clock| clock.read(gpu, &submitted)) {
        steps
            .iter()
            .zip(times)
            .for_each(|(step, time)| step.kind.into_iter().for_each(|kind| profile::add(kind, time)));
    }
    submitted
}

impl Step {
    fn encode(&self, pass: &mut wgpu::ComputePass) {
        let [x, y, z] = self.workgroups;
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

pub(super) fn bind(
    gpu: &Gpu,
    slots: &[wgpu::Buffer],
    params: &wgpu::Buffer,
    index: usize,
    bindings: &Bindings,
) -> wgpu::BindGroup {
    let Bindings { source, weights, output, affine, rows, residual } = bindings;
    let bound: [&Bound; STORAGE] = [source, weights, output, affine, rows, residual];
    let slot = |index: &usize| slots.get(*index).unwrap_or(&gpu.nothing);
    let storage = bound.into_iter().map(|bound| match bound {
        Bound::Nothing => gpu.nothing.as_entire_binding(),
        Bound::Slot { place, .. } => slot(place).as_entire_binding(),
        Bound::Part { slot: index, first, bytes } => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: slot(index),
            offset: *first,
            size: wgpu::BufferSize::new(*bytes),
        }),
        Bound::Buffer(buffer) => buffer.as_entire_binding(),
    });
    let own = wgpu::BufferBinding {
        buffer: params,
        offset: (index * ALIGNMENT) as u64,
        size: wgpu::BufferSize::new(ALIGNMENT as u64),
    };
    let resources = std::iter::once(wgpu::BindingResource::Buffer(own)).chain(storage);
    let entries: Vec<_> =
        (0..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &gpu.layout, entries: &entries })
}

/// Times when passes begin and end, by the device's own clock.
struct Clock {
    queries: wgpu::QuerySet,
    count: u32,
    resolved: wgpu::Buffer,
    read: wgpu::Buffer,
}

impl Clock {
    /// `None` where the device has no clock.
    fn new(gpu: &Gpu, passes: usize) -> Option<Self> {
        let count = 2 * passes as u32;
        if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) || count > wgpu::QUERY_SET_MAX_QUERIES {
            return None;
        }
        let kind = wgpu::QueryType::Timestamp;
        let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor { label: None, ty: kind, count });
        let size = u64::from(count) * 8;
        let resolved = buffer(&gpu.device, size, BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC);
        let read = buffer(&gpu.device, size, BufferUsages::COPY_DST | BufferUsages::MAP_READ);
        Some(Clock { queries, count, resolved, read })
    }

    fn writes(&self, index: usize) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = 2 * index as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..self.count, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.read, 0, u64::from(self.count) * 8);
    }

    /// How long each pass took, once all are done.
    fn read(self, gpu: &Gpu, submitted: &wgpu::SubmissionIndex) -> Option<Vec<Duration>> {
        self.read.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        gpu.watch.wait_for(submitted).ok()?;
        let bytes = self.read.get_mapped_range(..).ok()?;
        let ticks: &[u64] = bytemuck::try_cast_slice(&bytes).ok()?;
        let period = f64::from(gpu.queue.get_timestamp_period());
        let time = |pair: &[u64]| match pair {
            [begin, end] => Duration::from_nanos((end.saturating_sub(*begin) as f64 * period) as u64),
            _ => Duration::ZERO,
        };
        Some(ticks.chunks(2).take(self.count as usize / 2).map(time).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::gpu::layers::{Read, activated, enter, leave};
    use crate::network::gpu::{graphics, of};

    #[test]
    fn images_of_many_rows_of_threads_come_through_in_any_turns() {
        let gpu = of(&graphics().0).expect("it was made known").0;
        // More than a row of threads, and more than two.
        let size = [3, 1200, 2000];
        let mut random = fastrand::Rng::with_seed(1);
        let image: Vec<f32> = (0..size.iter().product::<u32>()).map(|_| random.f32()).collect();
        let bytes = 4 * image.len() as u64;
        for (turn, submissions) in [(TURN, 1), (1, 3), (OF_BYTE * 200_000_000, 2)] {
            let mut recorder = Recorder::new(1, false, 16 << 10);
            let input = recorder.image(size);
            let x = enter(&mut recorder, &input, size);
            let x = activated(&mut recorder, Read::plain(&x));
            let output = leave(&mut recorder, &x);
            let doors = Doors { input: input.place(), output: output.place(), told: [None; 2] };
            let program = Program { turn, ..Program::new(&gpu, &recorder, doors).unwrap() };
            let (mut left, mut turns) = (program.steps.as_slice(), 0);
            while !left.is_empty() {
                left = &left[program.first_turn(left)..];
                turns += 1;
            }
            assert_eq!(turns, submissions);
            let place = |buffer| Place { buffer, offset: 0, bytes };
            let from = place(gpu.upload(bytemuck::cast_slice(&image), BufferUsages::COPY_SRC));
            let to = place(buffer(&gpu.device, bytes, BufferUsages::COPY_DST | BufferUsages::MAP_READ));
            program.run(&gpu, &from, &to, &Default::default());
            let found = gpu.read(&to.buffer, &gpu.queue.submit([]), <[f32]>::to_vec).unwrap();
            assert!(found == image, "in {turns} turns");
        }
    }
}
