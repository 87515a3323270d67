//! Evaluations of a network whose dispatches were recorded: its programs, and what they are given.

use super::device::{Gpu, Precision, locked};
use super::program::{Doors, Place, Program};
use super::recorder::Recorder;
use super::watch::DeviceError;
use crate::Image;
use burn::tensor::{ExecutionError, Tensor, TensorReadError};
use burn_wgpu::{Wgpu, WgpuRuntime};
use cubecl_runtime::runtime::Runtime;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Most memory for the features of one submission, in bytes, where images go one part after another, and for those of all
/// programs that are kept for other numbers of images.
const MOST: u64 = 1 << 30;

/// Takes down a network's dispatches, of as many rows of what it is told, and says where its doors are.
pub(super) type Record<'a> = &'a dyn Fn(&mut Recorder, u32) -> Doors;

/// What evaluates a network.
#[derive(Debug)]
pub(super) struct Evaluator {
    gpu: Arc<Gpu>,
    half: bool,
    /// Most images of one submission; fewer once the device had no memory for so many.
    pub most: AtomicUsize,
    programs: Mutex<Programs>,
}

/// Programs, each for so many images, rows that are told of them, and layers; the newest first.
type Programs = Vec<([usize; 3], Program)>;

/// What a network is told: for each of its doors, rows one after another, one for all images or one for each.
pub(super) struct ToldRows {
    pub rows: usize,
    pub values: [Vec<f32>; 2],
}

impl ToldRows {
    /// Those of some images.
    fn of(&self, images: Range<usize>) -> (usize, [Vec<f32>; 2]) {
        let own = if self.rows == 1 { 0..1 } else { images };
        let part = |values: &Vec<f32>| {
            let width = values.len() / self.rows.max(1);
            values.get(own.start * width..own.end * width).unwrap_or_default().to_vec()
        };
        (own.len(), [part(&self.values[0]), part(&self.values[1])])
    }
}

impl Evaluator {
    /// Of features of single precision or half.
    pub fn new(gpu: Arc<Gpu>, precision: Precision, record: Record) -> Self {
        let half = precision == Precision::Half;
        let evaluator = Evaluator { gpu, half, most: AtomicUsize::new(1), programs: Mutex::default() };
        evaluator.most.store(evaluator.most_images(record), Ordering::Relaxed);
        evaluator
    }

    /// The dispatches for so many images and rows, and their doors.
    pub fn record(&self, images: usize, rows: usize, record: Record) -> (Recorder, Doors) {
        let mut recorder = Recorder::new(images as u32, self.half, self.gpu.workgroup_bytes());
        let doors = record(&mut recorder, rows as u32);
        (recorder, doors)
    }

    /// Images that fit into one submission, at least one.
    fn most_images(&self, record: Record) -> usize {
        let (recorder, _) = self.record(1, 1, record);
        let (whole, largest) = recorder.sizes().iter().fold((1, 1), |(sum, most), &size| (sum + size, size.max(most)));
        let limits = self.gpu.device.limits();
        let one = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let groups = recorder.dispatches.iter().map(|dispatch| dispatch.workgroups.into_iter().max().unwrap_or(1));
        let groups = u64::from(limits.max_compute_workgroups_per_dimension / groups.max().unwrap_or(1).max(1));
        (MOST / whole).min(one / largest).min(groups).max(1) as usize
    }

    /// What comes of images, of these dimensions, by a recording of so many `layers`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn evaluate(
        &self,
        x: Image,
        to: [usize; 4],
        told: &ToldRows,
        layers: usize,
        record: Record,
    ) -> Result<Image, TensorReadError> {
        let [n, c, h, w] = x.dims();
        let y = Tensor::empty(to, &x.device());
        // A view of other values gets places of its own.
        let x = x.reshape([n * c * h * w]);
        let (from, to) = (place(&x)?, place(&y.clone().reshape([to.iter().product::<usize>()]))?);
        let mut first = 0;
        while first < n {
            // What is left, in equal parts.
            let left = n - first;
            let images = left.div_ceil(left.div_ceil(self.most.load(Ordering::Relaxed)));
            let place_of = |whole: &Place| {
                let bytes = whole.bytes / n as u64;
                let offset = whole.offset + bytes * first as u64;
                Place { buffer: whole.buffer.clone(), offset, bytes: bytes * images as u64 }
            };
            let (rows, told) = told.of(first..first + images);
            // What one thread is told is not told to another before it is submitted.
            let mut programs = locked(&self.programs);
            let program = match self.program(&mut programs, [images, rows, layers], record) {
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
            program.run(&self.gpu, &place_of(&from), &place_of(&to), &told);
            first += images;
        }
        self.gpu.watch.check().map_err(failed)?;
        Ok(y)
    }

    /// The program for so many images, of which so many rows are told, and so many layers.
    fn program<'p>(
        &self,
        programs: &'p mut Programs,
        of: [usize; 3],
        record: Record,
    ) -> Result<&'p Program, DeviceError> {
        let place = programs.iter().position(|(known, _)| *known == of);
        let known = match place {
            Some(place) => programs.remove(place),
            None => {
                let [images, rows, _] = of;
                let (recorder, doors) = self.record(images, rows, record);
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
