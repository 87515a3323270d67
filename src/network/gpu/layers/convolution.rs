//! Convolutions: by taps, by products of matrices, or at points.

use super::{LANES, Read, Write, products};
use crate::network::gpu::kernel::{Kernel, Writing};
use crate::network::gpu::matrix_tiling::MatrixTiling;
use crate::network::gpu::parameters::{Order, Parameters, Uploader};
use crate::network::gpu::program::ALIGNMENT;
use crate::network::gpu::recorder::{Bindings, Bound, Dispatch, Recorder, Slot, View};
use crate::network::gpu::tiling::{Tiling, Work};
use crate::network::layers::{Loader, Pair};
use crate::network::{LayerKind, WeightsError};
use rayon::prelude::*;

/// Products of matrices that a convolution of 3×3 becomes.
const POINTS: u32 = 36;
/// Least channels in and out where these pay.
const WIDE: usize = 64;
/// Most filters of a convolution at these points: 32 MB.
const LARGEST: usize = 1 << 18;
/// Least channels in and out where whole matrices pay.
const LEAST_OF_MATRICES: usize = 16;

/// A convolution of 3×3 or 1×1.
#[derive(Clone, Debug)]
pub(in crate::network::gpu) struct Convolution {
    pub(super) side: u32,
    pub(super) output: u32,
    pub(super) filters: Filters,
    /// Filters that learn are brought to points each time.
    pub(super) points: bool,
    /// Pixels from tap to tap.
    pub(super) dilation: u32,
}

/// The parameters of a convolution.
#[derive(Clone, Debug)]
pub(super) enum Filters {
    /// Tap by tap, and the biases.
    Taps(Parameters),
    /// The same in whole matrices of so many rows and columns.
    Matrices { filters: Bound, side: u32 },
    /// Those of 3×3 at 36 points, which takes a quarter of the products and four times the memory (Winograd).
    Points { filters: Bound, biases: Bound },
}

/// One kernel that convolves tiles, what it is told of them, and its workgroups.
struct Tiled {
    kernel: Kernel,
    tiles: Vec<u32>,
    workgroups: [u32; 3],
}

impl Convolution {
    /// A published weight and its bias.
    pub fn load(
        loader: &mut Loader,
        uploader: Uploader,
        side: usize,
        input: usize,
        order: Order,
    ) -> Result<Self, WeightsError> {
        let pair = loader.pair()?;
        Ok(Convolution::new(uploader, side, input, order, &pair, true))
    }

    /// Of a weight, and its bias if that is wanted, at points where that pays.
    pub fn new(uploader: Uploader, side: usize, input: usize, order: Order, pair: &Pair, biased: bool) -> Self {
        let output = pair.bias.len();
        let points = side == 3 && uploader.points && input.min(output) >= WIDE && input * output <= LARGEST;
        if !points || uploader.matrices.is_some() {
            return Convolution::of(uploader, side, input, order, &[*pair], biased);
        }
        let taps = uploader.packed(9, input, order, &[*pair], biased, 4);
        let row = output.next_multiple_of(4);
        let (taps, biases) = taps.split_at(taps.len().saturating_sub(row));
        let (filters, biases) = (uploader.singles(&at_points(taps)), uploader.singles(biases));
        let filters = Filters::Points { filters: Bound::Buffer(filters), biases: Bound::Buffer(biases) };
        Convolution { side: 3, output: output as u32, filters, points: false, dilation: 1 }
    }

    /// Several side by side.
    pub fn of(uploader: Uploader, side: usize, input: usize, order: Order, parts: &[Pair], biased: bool) -> Self {
        let output: usize = parts.iter().map(|pair| pair.bias.len()).sum();
        let filters = match uploader.matrices.filter(|_| input.min(output) >= LEAST_OF_MATRICES) {
            Some(matrix) => {
                let values = uploader.packed(side * side, input, order, parts, biased, matrix as usize);
                Filters::Matrices { filters: Bound::Buffer(uploader.features(&values)), side: matrix }
            }
            None => Filters::Taps(uploader.filters(side * side, input, order, parts, biased)),
        };
        let points = uploader.map.is_some() && side == 3 && input.min(output) >= WIDE;
        Convolution { side: side as u32, output: output as u32, filters, points, dilation: 1 }
    }

    /// The same with so many pixels from tap to tap.
    pub fn dilated(self, dilation: usize) -> Self {
        Convolution { dilation: dilation.max(1) as u32, ..self }
    }

    /// Channels out.
    pub fn channels(&self) -> u32 {
        self.output
    }

    pub(super) fn kind(&self) -> LayerKind {
        if self.side == 1 { LayerKind::Pointwise } else { LayerKind::Convolution }
    }

    /// That keeps the size.
    pub fn record(&self, recorder: &mut Recorder, read: Read, write: Write) -> View {
        match &self.filters {
            Filters::Taps(parameters) => match self.at_points(recorder, &parameters.bound, read.x.quads()) {
                Some((slot, biases)) => self.by_points(recorder, &slot.bound(), &biases, read, write),
                None => self.by_taps(recorder, &parameters.bound, read, write),
            },
            Filters::Matrices { filters, side } => self.by_matrices(recorder, filters, *side, read, write),
            Filters::Points { filters, biases } => self.by_points(recorder, filters, biases, read, write),
        }
    }

    /// Filters that learn, brought to points, and their biases, where that pays and the biases begin where bindings may.
    fn at_points(&self, recorder: &mut Recorder, parameters: &Bound, input: u32) -> Option<(Slot, Bound)> {
        let &Bound::Part { slot, first, .. } = parameters else { return None };
        let output = self.output.div_ceil(4);
        let count = 4 * input * output;
        let taps = 9 * 16 * u64::from(count);
        if !self.points || !taps.is_multiple_of(ALIGNMENT as u64) {
            return None;
        }
        let to = recorder.slot(u64::from(POINTS * count) * 16);
        recorder.dispatch(Dispatch {
            kernel: Kernel::Points,
            kind: Some(LayerKind::Convolution),
            params: vec![count],
            bindings: Bindings {
                source: Bound::Part { slot, first, bytes: taps },
                output: to.bound(),
                ..Bindings::default()
            },
            workgroups: [count.div_ceil(LANES), 1, 1],
            operations: 0,
        });
        Some((to, Bound::Part { slot, first: first + taps, bytes: 16 * u64::from(output) }))
    }

    /// Images, height and width of what is convolved without a dilation: with one, an image is as many smaller ones, of
    /// every so many pixels of every so many rows.
    fn phases(&self, recorder: &Recorder, height: u32, width: u32) -> [u32; 3] {
        let dilation = self.dilation;
        [recorder.images * dilation * dilation, height.div_ceil(dilation), width.div_ceil(dilation)]
    }

    fn by_taps(&self, recorder: &mut Recorder, parameters: &Bound, read: Read, write: Write) -> View {
        let work = self.work(recorder, read.x);
        let Tiling { shape, spans, tiles } = Tiling::new(work);
        let (reading, writing, dilation) = (read.reading(), write.writing(), self.dilation);
        let tiled = Tiled {
            kernel: Kernel::Convolution { shape, reading, writing, own: false, dilation },
            tiles: spans.into_iter().chain([tiles[0], tiles[1]]).collect(),
            workgroups: [tiles.iter().product(), work.output.div_ceil(shape.quads), 1],
        };
        self.by_tiles(recorder, parameters, tiled, read, write)
    }

    /// By matrices of this side.
    fn by_matrices(&self, recorder: &mut Recorder, parameters: &Bound, side: u32, read: Read, write: Write) -> View {
        let work = self.work(recorder, read.x);
        let tiling = MatrixTiling::new(work, side);
        let MatrixTiling { shape, spans, tile, tiles } = tiling;
        let (reading, writing, dilation) = (read.reading(), write.writing(), self.dilation);
        let tiled = Tiled {
            kernel: Kernel::MatrixConvolution { shape, reading, writing, dilation },
            tiles: spans.into_iter().chain(tile).chain([tiles[0], tiles[1]]).collect(),
            workgroups: tiling.workgroups(work),
        };
        self.by_tiles(recorder, parameters, tiled, read, write)
    }

    /// Height and width; to maps of single pixels, an image is one row.
    fn size(&self, x: &View) -> [u32; 2] {
        if self.side == 1 { [1, x.pixels()] } else { [x.height, x.width] }
    }

    /// What is convolved.
    fn work(&self, recorder: &Recorder, x: &View) -> Work {
        let [height, width] = self.size(x);
        let [images, height, width] = self.phases(recorder, height, width);
        let (input, output, memory) = (x.quads(), self.output.div_ceil(4), recorder.memory);
        Work { images, height, width, side: self.side, input, output, own: false, memory }
    }

    fn by_tiles(&self, recorder: &mut Recorder, parameters: &Bound, tiled: Tiled, read: Read, write: Write) -> View {
        let x = read.x;
        let to = write.to.clone().unwrap_or_else(|| recorder.features(self.output, x.height, x.width));
        let [height, width] = self.size(x);
        let [images, ..] = self.phases(recorder, height, width);
        let (residual, of_residual) = write.residual(recorder);
        let mut params = vec![images, height, width, x.quads(), self.output.div_ceil(4)];
        params.extend([x.first, x.stride, to.first, to.stride]);
        params.extend(of_residual.into_iter().chain(write.row()).chain(tiled.tiles).chain([write.scale()]));
        recorder.dispatch(Dispatch {
            kernel: tiled.kernel,
            kind: Some(self.kind()),
            params,
            bindings: Bindings {
                source: recorder.bound(x),
                weights: parameters.clone(),
                output: recorder.bound(&to),
                affine: read.affine(),
                rows: write.rows(self.output, recorder),
                residual,
            },
            workgroups: tiled.workgroups,
            operations: products([self.side * self.side, x.channels, self.output, recorder.images, x.pixels()]),
        });
        to
    }

    /// The input of each tile of 4×4 outputs at 36 points, a product of matrices at each, and the outputs of these.
    fn by_points(&self, recorder: &mut Recorder, filters: &Bound, biases: &Bound, read: Read, write: Write) -> View {
        let (x, dilation) = (read.x, self.dilation);
        let (input, output) = (x.quads(), self.output.div_ceil(4));
        let [images, height, width] = self.phases(recorder, x.height, x.width);
        let [down, across] = [height, width].map(|size| size.div_ceil(4));
        let (tiles, kind) = (across * down, Some(LayerKind::Convolution));
        let bytes = |quads: u32| u64::from(POINTS * images * tiles) * u64::from(quads) * 16;

        let inputs = recorder.slot(bytes(input));
        recorder.dispatch(Dispatch {
            kernel: Kernel::WinogradInput { reading: read.reading(), dilation },
            kind,
            params: vec![images, x.height, x.width, input, x.first, x.stride, across, down],
            bindings: Bindings {
                source: recorder.bound(x),
                output: inputs.bound(),
                affine: read.affine(),
                ..Bindings::default()
            },
            workgroups: [(input * tiles).div_ceil(LANES), images, 1],
            operations: 0,
        });

        let outputs = recorder.slot(bytes(output));
        let width = images * tiles;
        let memory = recorder.memory;
        let tiling = Tiling::new(Work { images: POINTS, height: 1, width, side: 1, input, output, own: true, memory });
        let mut params = vec![POINTS, 1, width, input, output, 0, input, 0, output, 0, 0, 0, 0];
        params.extend(tiling.spans.into_iter().chain([tiling.tiles[0], tiling.tiles[1], 1.0_f32.to_bits()]));
        let (shape, reading) = (tiling.shape, Read::plain(x).reading());
        recorder.dispatch(Dispatch {
            kernel: Kernel::Convolution { shape, reading, writing: Writing::default(), own: true, dilation: 1 },
            kind,
            params,
            bindings: Bindings {
                source: inputs.bound(),
                weights: filters.clone(),
                output: outputs.bound(),
                ..Bindings::default()
            },
            workgroups: [tiling.tiles.iter().product(), output.div_ceil(shape.quads), 1],
            operations: products([POINTS, x.channels, self.output, images, tiles]),
        });
        drop(inputs);

        let to = write.to.clone().unwrap_or_else(|| recorder.features(self.output, x.height, x.width));
        let (residual, of_residual) = write.residual(recorder);
        let mut params = vec![images, x.height, x.width, output, to.first, to.stride];
        params.extend(of_residual.into_iter().chain(write.row()).chain([across, down, write.scale()]));
        let writing = write.writing();
        recorder.dispatch(Dispatch {
            kernel: Kernel::WinogradOutput { writing, dilation },
            kind,
            params,
            bindings: Bindings {
                source: outputs.bound(),
                weights: biases.clone(),
                output: recorder.bound(&to),
                rows: write.rows(self.output, recorder),
                residual,
                ..Bindings::default()
            },
            workgroups: [(output * tiles).div_ceil(LANES), images, 1],
            operations: 0,
        });
        to
    }
}

/// The filters of each input and output, 3×3, at 36 points: G g Gᵀ (Lavin and Gray 2016, F(4×4, 3×3)).
fn at_points(taps: &[f32]) -> Vec<f32> {
    const G: [[f64; 3]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    let each = taps.len() / 9;
    let mut points = vec![0.0; 36 * each];
    points.par_chunks_mut(each.max(1)).enumerate().for_each(|(point, to)| {
        let factors = |tap: usize| G[point / 6][tap / 3] * G[point % 6][tap % 3];
        for (index, to) in to.iter_mut().enumerate() {
            let terms = taps.iter().skip(index).step_by(each).enumerate();
            *to = terms.map(|(tap, &value)| factors(tap) * f64::from(value)).sum::<f64>() as f32;
        }
    });
    points
}
