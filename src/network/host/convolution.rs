//! 3×3 convolution with one zero all around.

mod gradient;

use super::gemm::{Product, blocks_of};
use super::kernels::{Kernels, Purpose};
use super::maps::{Maps, places};
use super::read::{Read, Residual};
use super::simd::Lanes;
use super::winograd::{Back, BackOf, Forward, ForwardOf, Four, Keep, Tile, Two};
use super::{Context, for_each};
use crate::network::layers::Pair;
use crate::network::profile::LayerKind;

/// Sixteens that one task works on: 768 KiB, what fits a core's cache with room for weights.
const TASK: usize = 3 << 12;

/// The size of the tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Two,
    Four,
}

impl Size {
    /// Small maps have few tiles, and then it takes longer to read the weights than to multiply by them: F(4×4) has
    /// four times as many as the definition, F(2×2) not quite twice.
    pub fn for_maps(height: usize, width: usize) -> Self {
        if height * width < 256 { Size::Two } else { Size::Four }
    }
}

/// Least and most tiles that one task works on where weights are transformed on the way: that should be done seldom,
/// and the tiles' points should stay in the outer cache.
const PASSING: [usize; 2] = [128, 256];

#[derive(Debug)]
pub(super) struct Convolution {
    size: Size,
    outputs: usize,
    kernels: Kernels,
    bias: Vec<Lanes>,
    /// From gradients of the outputs to gradients of the inputs, in the places of their parts.
    transposed: Option<Box<Convolution>>,
    origin: Origin,
}

/// Where the weights came from.
#[derive(Debug)]
struct Origin {
    slot: usize,
    /// The channel in each place of the inputs.
    places: Vec<Option<usize>>,
    /// Of weights and bias.
    scale: f32,
    biased: bool,
}

/// One task: some images, or some rows of tiles of one image.
struct Task<'a> {
    first_image: usize,
    images: usize,
    /// Rows of tiles.
    first_row: usize,
    rows: usize,
    /// For each image and each sixteen of outputs, the rows of the result.
    out: Vec<&'a mut [Lanes]>,
}

impl Convolution {
    /// `of`: weight (O×C×3×3) and bias, both times `scale`, on inputs in parts of these channels.
    pub fn new(of: Pair, parts: &[usize], size: Size, scale: f32, purpose: Purpose) -> Self {
        let (Pair { slot, weight, bias }, biased) = (of, !of.bias.is_empty());
        let outputs = weight.len() / (9 * parts.iter().sum::<usize>()).max(1);
        let kernels = match size {
            Size::Two => Kernels::new::<Two, 4, 2>(weight, outputs, parts, scale, purpose.heavy),
            Size::Four => Kernels::new::<Four, 6, 4>(weight, outputs, parts, scale, purpose.heavy),
        };
        let transposed = purpose.gradients.then(|| {
            let flipped = transposed(weight, outputs, parts);
            let purpose = Purpose { gradients: false, ..purpose };
            let of = Pair { slot, weight: &flipped, bias: &[] };
            Box::new(Convolution::new(of, &[outputs], size, scale, purpose))
        });
        let bias = blocks_of(1, outputs, |_, output| bias.get(output).copied().unwrap_or(0.0) * scale);
        let origin = Origin { slot, places: places(parts), scale, biased };
        Convolution { size, outputs, kernels, bias, transposed, origin }
    }

    /// From gradients of the outputs to gradients of the inputs, where it was asked for.
    pub fn transposed(&self) -> Option<&Convolution> {
        self.transposed.as_deref()
    }

    /// The convolution of what is read, plus the residual.
    pub fn run(&self, context: &Context, read: &Read, residual: Option<Residual>, keep: Keep) -> Maps {
        match self.size {
            Size::Two => self.tiled::<Two, 4, 2>(Two, context, read, residual, keep),
            Size::Four => self.tiled::<Four, 6, 4>(Four, context, read, residual, keep),
        }
    }

    fn tiled<T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
        &self,
        tile: T,
        context: &Context,
        read: &Read,
        residual: Option<Residual>,
        keep: Keep,
    ) -> Maps {
        let [images, height, width] = read.size();
        let (height, width) = (keep.count(height), keep.count(width));
        let mut out = Maps::new(context.pool, images, self.outputs, height, width);
        let across = (width * keep.step()).div_ceil(OUT);
        let down = (height * keep.step()).div_ceil(OUT);
        let tiling = Tiling { tile, convolution: self, context, read, residual, keep, across };
        let tasks = tiling.tasks(&mut out, down, OUT / keep.step() * width, SIDE * SIDE);
        let alone = tasks.len() < rayon::current_num_threads();
        for_each(true, tasks, |task| tiling.run(task, alone));
        out
    }
}

/// The weights of the transposed map, inputs × outputs × 3 × 3, among the inputs the empty places between their parts.
fn transposed(weight: &[f32], outputs: usize, parts: &[usize]) -> Vec<f32> {
    let (inputs, places) = (parts.iter().sum::<usize>(), places(parts));
    let mut flipped = vec![0.0; places.len() * outputs * 9];
    for (place, channel) in places.iter().enumerate() {
        let Some(channel) = *channel else { continue };
        for output in 0..outputs {
            let from = weight[(output * inputs + channel) * 9..][..9].iter().rev();
            flipped[(place * outputs + output) * 9..][..9].iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }
    flipped
}

/// What is brought to points, in tiles of some size.
struct Source<'a> {
    context: &'a Context<'a>,
    read: &'a Read<'a>,
    /// Tiles in a row.
    across: usize,
    /// The places of a tile, in each direction.
    out: usize,
}

impl Source<'_> {
    /// Brings one map of each image to its points by `transform`.
    fn each(
        &self,
        [first_image, images, first, down]: [usize; 4],
        block: usize,
        points: &mut [Lanes],
        stride: usize,
        transform: impl Fn(Forward),
    ) {
        let (context, across) = (self.context, self.across);
        let pitch = across * self.out + 2;
        let mut padded = context.pool.take(pitch * (down * self.out + 2));
        for index in 0..images {
            let image = first_image + index;
            let Some(map) = self.read.features.map(image, block) else { continue };
            self.read.padded(context, [image, block], map, first * self.out, pitch, &mut padded);
            let mut stopwatch = context.stopwatch();
            let points = &mut points[index * down * across..];
            transform(Forward { padded: &padded, pitch, down, across, points, stride });
            stopwatch.lap(LayerKind::Convolution);
        }
    }
}

/// One convolution at work, on tiles of one size.
struct Tiling<'a, T, const SIDE: usize, const OUT: usize> {
    tile: T,
    convolution: &'a Convolution,
    context: &'a Context<'a>,
    read: &'a Read<'a>,
    residual: Option<Residual<'a>>,
    keep: Keep,
    /// Tiles in a row.
    across: usize,
}

impl<T: Tile<SIDE, OUT>, const SIDE: usize, const OUT: usize> Tiling<'_, T, SIDE, OUT> {
    /// Cuts the work so that a task fits the cache, and into as many tasks as there are threads if they stay large
    /// enough. `down`: rows of tiles; `line`: sixteens of the result in one of them; `points` of a tile.
    fn tasks<'o>(&self, out: &'o mut Maps, down: usize, line: usize, points: usize) -> Vec<Task<'o>> {
        let (per_image, blocks) = (down * self.across, out.blocks());
        let fitting = TASK / (points * (self.read.features.blocks() + 2));
        let shared = (out.images * per_image).div_ceil(rayon::current_num_threads());
        let tiles = match self.convolution.kernels.are_plain() {
            true => shared.clamp(PASSING[0], PASSING[1]),
            false => fitting.min(shared).clamp(16, 64),
        };
        let (group, band) = match tiles < per_image {
            true => (1, (tiles / self.across).max(1)),
            false => (tiles / per_image, down),
        };
        let area = out.area();
        let mut tasks: Vec<Task> = Vec::new();
        for (index, images) in out.lanes.chunks_mut(group * blocks * area).enumerate() {
            let start = tasks.len();
            let count = images.len() / (blocks * area);
            tasks.extend((0..down).step_by(band).map(|first_row| Task {
                first_image: index * group,
                images: count,
                first_row,
                rows: band.min(down - first_row),
                out: Vec::with_capacity(count * blocks),
            }));
            for map in images.chunks_mut(area) {
                tasks[start..].iter_mut().zip(map.chunks_mut(band * line)).for_each(|(task, rows)| task.out.push(rows));
            }
        }
        tasks
    }

    fn run(&self, task: Task, alone: bool) {
        let (blocks, tiles) = (self.read.features.blocks(), task.rows * self.across);
        // An odd number of cache lines from point to point, so that they do not crowd the same sets of the cache.
        let stride = (task.images * tiles) | 1;
        let mut points = self.context.pool.take(blocks * SIDE * SIDE * stride);
        let inputs = points.chunks_mut(SIDE * SIDE * stride).enumerate().collect();
        let range = [task.first_image, task.images, task.first_row, task.rows];
        let source = Source { context: self.context, read: self.read, across: self.across, out: OUT };
        for_each(alone, inputs, |(block, points)| {
            source.each(range, block, points, stride, |forward| {
                self.context.isa.run(ForwardOf::<T, SIDE, OUT>(forward, self.tile));
            });
        });

        let maps = self.convolution.bias.len();
        let mut panels: Vec<Vec<&mut [Lanes]>> = (0..maps.div_ceil(2)).map(|_| Vec::new()).collect();
        for (index, out) in task.out.into_iter().enumerate() {
            panels[index % maps / 2].push(out);
        }
        let panels = panels.into_iter().enumerate().collect();
        for_each(alone, panels, |(panel, out)| self.panel(range, panel, &points, stride, out));
    }

    /// Multiplies at the points and brings one or two sixteens of outputs of each image back.
    fn panel(
        &self,
        [first_image, images, first, down]: [usize; 4],
        panel: usize,
        points: &[Lanes],
        stride: usize,
        out: Vec<&mut [Lanes]>,
    ) {
        let mut stopwatch = self.context.stopwatch();
        let (context, across, area) = (self.context, self.across, SIDE * SIDE);
        let width = out.len() / images;
        let mut products = context.pool.take(width * area * stride);
        let mut halves: Vec<&mut [Lanes]> = products.chunks_mut(area * stride).collect();
        self.multiply(panel, points, stride, images * down * across, &mut halves);
        for (index, out) in out.into_iter().enumerate() {
            let (image, half) = (index / width, index % width);
            let block = panel * 2 + half;
            let keep = self.keep;
            let line = keep.count(across * OUT).min(self.width());
            let start = first * OUT / keep.step() * line;
            let residual =
                self.residual.map(|Residual { maps, scale }| (&maps.map(first_image + image, block)[start..], scale));
            let (points, bias) = (&halves[half][image * down * across..], &self.convolution.bias[block]);
            let back = Back { points, stride, down, across, bias, residual, out, width: line, keep };
            context.isa.run(BackOf::<T, SIDE, OUT>(back, self.tile));
        }
        stopwatch.lap(LayerKind::Convolution);
    }

    /// Products at all points of `rows` tiles, for one or two sixteens of outputs.
    fn multiply(&self, panel: usize, points: &[Lanes], stride: usize, rows: usize, halves: &mut [&mut [Lanes]]) {
        let (context, kernels, area) = (self.context, &self.convolution.kernels, SIDE * SIDE);
        let (depth, width) = (kernels.depth, halves.len());
        let mut passing = context.pool.take(if kernels.are_plain() { width * SIDE * depth } else { 0 });
        let mut a: Vec<&[Lanes]> = Vec::with_capacity(points.len() / (area * stride));
        for y in 0..SIDE {
            let mut weights: [&[Lanes]; 2] = [&[]; 2];
            let mut passing = passing.chunks_mut(SIDE * depth);
            for (half, weights) in weights.iter_mut().enumerate().take(width) {
                let passing = passing.next().unwrap_or_default();
                *weights = kernels.row::<T, SIDE, OUT>(context.isa, 2 * panel + half, y, passing);
            }
            for x in 0..SIDE {
                let first = (y * SIDE + x) * stride;
                a.clear();
                a.extend(points.chunks(area * stride).map(|block| &block[first..]));
                let b = weights.map(|row| row.get(x * depth..(x + 1) * depth).unwrap_or_default());
                let mut out: [&mut [Lanes]; 2] = Default::default();
                out.iter_mut().zip(&mut *halves).for_each(|(out, half)| *out = &mut half[first..]);
                let (b, out) = (&b[..width], &mut out[..width]);
                context.isa.run(Product { a: &a, rows, depth, b, out, add: false });
            }
        }
    }

    /// Of the result.
    fn width(&self) -> usize {
        self.keep.count(self.read.size()[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::host::maps::{Features, Pool};
    use crate::network::host::simd::Isa;

    /// Numbers in [−1, 1] that look random.
    fn noise(count: usize, seed: u64) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..count).map(|_| 2.0 * random.f32() - 1.0).collect()
    }

    /// An image, C×H×W.
    struct Planes<'a> {
        values: &'a [f32],
        size: [usize; 3],
    }

    impl Planes<'_> {
        /// The convolution at a place by its definition.
        fn convolved(&self, weight: &[f32], output: usize, y: usize, x: usize) -> f64 {
            let [channels, height, width] = self.size;
            let mut sum = 0.0;
            for place in 0..9 * channels {
                let (channel, down, right) = (place / 9, place % 9 / 3, place % 3);
                let inside = (1..=height).contains(&(y + down)) && (1..=width).contains(&(x + right));
                if inside {
                    let value = self.values[(channel * height + y + down - 1) * width + x + right - 1];
                    sum += f64::from(value) * f64::from(weight[output * 9 * channels + place]);
                }
            }
            sum
        }
    }

    #[test]
    fn convolution_is_that_of_its_definition() {
        let pool = Pool::default();
        let parts = [20, 3];
        let ([n, height, width], outputs, channels) = ([3, 7, 10], 37, parts.iter().sum::<usize>());
        let (weight, bias) = (noise(outputs * channels * 9, 1), noise(outputs, 2));
        let images: Vec<Vec<f32>> = (0..n).map(|image| noise(channels * height * width, 3 + image as u64)).collect();
        let part = |range: std::ops::Range<usize>| {
            let of_image = |image: &Vec<f32>| image[range.start * height * width..range.end * height * width].to_vec();
            let values: Vec<f32> = images.iter().flat_map(of_image).collect();
            Features::from(Maps::from_planes(&pool, &values, [n, range.len(), height, width])).0
        };
        let features = Features(part(0..20).into_iter().chain(part(20..23)).collect());
        for isa in Isa::all() {
            let context = Context { isa, pool: &pool, clock: None, alone: true };
            for (size, scale) in [(Size::Two, 1.0), (Size::Four, 0.5)] {
                let of = Pair { slot: 0, weight: &weight, bias: &bias };
                let convolution = Convolution::new(of, &parts, size, scale, Purpose::default());
                let heavy = Convolution::new(of, &parts, size, scale, Purpose { heavy: true, gradients: false });
                for keep in [Keep::All, Keep::Even, Keep::Odd] {
                    let plain = convolution.run(&context, &Read::plain(&features), None, keep);
                    let residual = Some(Residual { maps: &plain, scale: 3.0 });
                    let found = convolution.run(&context, &Read::plain(&features), residual, keep);
                    if isa == Isa::best() {
                        let same = heavy.run(&context, &Read::plain(&features), residual, keep);
                        assert!(heavy.kernels.are_plain() && *same.lanes == *found.lanes, "transformed on the way");
                    }
                    let mut values = vec![0.0; n * outputs * found.area()];
                    found.to_planes(&mut values);
                    for (index, value) in values.into_iter().enumerate() {
                        let (x, y) = (index % found.width, index / found.width % found.height);
                        let (output, image) = (index / found.area() % outputs, index / found.area() / outputs);
                        let planes = Planes { values: &images[image], size: [channels, height, width] };
                        let place = |place: usize| place * keep.step() + keep.first();
                        let exact = planes.convolved(&weight, output, place(y), place(x)) + f64::from(bias[output]);
                        let exact = 4.0 * f64::from(scale) * exact;
                        // Sums of 207 products have a root mean square of √207/3 = 4.8; transforms in single
                        // precision err by 10⁻⁶ of that; six such errors for the worst of some ten thousand.
                        let tolerance = 4.0 * f64::from(scale) * 4.8 * 6e-6;
                        assert!(
                            (f64::from(value) - exact).abs() < tolerance,
                            "{isa:?} {size:?} {keep:?}: {value} {exact}"
                        );
                    }
                }
            }
        }
    }
}
