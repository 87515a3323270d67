//! How a convolution by products of matrices is cut into tiles.

use super::tiling::Work;

/// Bytes of a number of half precision, and of a sum.
const HALF: u32 = 2;
const SINGLE: u32 = 4;
/// Halves between two places of a tile, beside the channels of a chunk.
const PADDING: u32 = 8;
/// Threads for a slot: a subgroup of most devices.
const LANES: u32 = 32;
/// Workgroups that keep a large device busy.
const ENOUGH: u32 = 128;
/// What it costs to bring a channel of a place into a tile, and to write one of a pixel, in multiplications.
const STAGING: u64 = 128;
const WRITING: u64 = 256;
/// Channels of a chunk.
const CHUNKS: [u32; 3] = [64, 32, 16];
/// Most fours that a thread brings into a tile at once: it keeps where they come from.
const STAGES: u32 = 8;
/// Most parts of a row of an image.
const PIECES: u32 = 8;

/// Places and channels out of a workgroup, and its slots over both: those that reuse most of what they read first.
const CHOICES: [[u32; 4]; 9] = [
    [128, 128, 2, 4],
    [256, 64, 4, 2],
    [64, 128, 2, 4],
    [128, 64, 4, 2],
    [256, 32, 8, 1],
    [64, 64, 2, 2],
    [128, 32, 4, 1],
    [64, 32, 4, 1],
    [32, 32, 2, 2],
];

/// What a kernel is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct MatrixShape {
    /// Side of the filters, and of the matrices.
    pub side: u32,
    pub fragment: u32,
    /// Channels in at a time.
    pub chunk: u32,
    /// Most places of a tile, with its margin and what the last matrices run past it.
    pub places: u32,
    /// Parts of a tile that a subgroup each works out, over places and over channels out, and matrices of a slot.
    pub slots: [u32; 2],
    pub parts: [u32; 2],
}

/// A convolution of images of this size by tiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MatrixTiling {
    pub shape: MatrixShape,
    /// Matrices of a tile along a row, over rows, and over images.
    pub spans: [u32; 3],
    /// Pixels of a tile along a row and over rows.
    pub tile: [u32; 2],
    /// Tiles along a row, over rows, and over images.
    pub tiles: [u32; 3],
}

/// Pixels of images for the matrices of a workgroup.
#[derive(Clone, Copy, Debug)]
struct Cut {
    spans: [u32; 3],
    tile: [u32; 2],
}

impl MatrixShape {
    /// Threads of a workgroup.
    pub fn threads(&self) -> u32 {
        self.slots[0] * self.slots[1] * LANES
    }

    /// Channels out of a workgroup.
    pub fn channels(&self) -> u32 {
        self.slots[1] * self.parts[1] * self.fragment
    }

    /// Fours of channels that a thread brings into a tile for each chunk.
    pub fn stages(&self) -> u32 {
        (self.places * self.chunk / 4).div_ceil(self.threads())
    }

    /// Bytes of a workgroup's memory.
    pub fn bytes(&self) -> u32 {
        let shares = self.slots[0] * self.fragment * self.channels();
        self.places * (self.chunk + PADDING) * HALF + shares * SINGLE
    }

    /// What stands in front of the kernel's file.
    pub fn constants(&self) -> [(&'static str, u32); 10] {
        [
            ("KERNEL", self.side),
            ("FRAGMENT", self.fragment),
            ("CHUNK", self.chunk),
            ("PLACES", self.places),
            ("LANES", LANES),
            ("STAGES", self.stages()),
            ("SLOTS_M", self.slots[0]),
            ("SLOTS_N", self.slots[1]),
            ("PARTS_M", self.parts[0]),
            ("PARTS_N", self.parts[1]),
        ]
    }
}

impl MatrixTiling {
    /// The one that costs least, by matrices of this side.
    pub fn new(work: Work, fragment: u32) -> Self {
        let tilings = CHOICES.into_iter().flat_map(|choice| {
            let cuts = cuts(work, fragment, choice[0] / fragment).into_iter();
            cuts.filter_map(move |cut| MatrixTiling::of(choice, cut, work, fragment))
        });
        // The smallest fits any work.
        let smallest = MatrixTiling { shape: MatrixShape::default(), spans: [1; 3], tile: [1; 2], tiles: [0; 3] };
        tilings.min_by_key(|tiling| tiling.cost(work)).unwrap_or(smallest)
    }

    /// `None` where a workgroup's memory is too small.
    fn of(
        [places, channels, over_places, over_channels]: [u32; 4],
        cut: Cut,
        work: Work,
        fragment: u32,
    ) -> Option<Self> {
        let Work { images, height, width, side, memory, .. } = work;
        let parts = [places / (over_places * fragment), channels / (over_channels * fragment)];
        let most = (4 * work.input).next_multiple_of(CHUNKS[2]).next_power_of_two();
        let [tile_width, tile_height] = cut.tile;
        let tiles = [width.div_ceil(tile_width), height.div_ceil(tile_height), images.div_ceil(cut.spans[2])];
        CHUNKS.into_iter().filter(|&chunk| chunk <= most).find_map(|chunk| {
            let (places, slots) = (cut.places(side, fragment), [over_places, over_channels]);
            let shape = MatrixShape { side, fragment, chunk, places, slots, parts };
            let fits = shape.bytes() <= memory && (shape.stages() <= STAGES || chunk == CHUNKS[2]);
            fits.then_some(MatrixTiling { shape, spans: cut.spans, tile: cut.tile, tiles })
        })
    }

    /// Workgroups along each axis.
    pub fn workgroups(&self, work: Work) -> [u32; 3] {
        [self.tiles.iter().product(), (4 * work.output).div_ceil(self.shape.channels()), 1]
    }

    /// In hundredths of a multiplication. A device that is not kept busy takes nearly as long as one that is.
    fn cost(&self, work: Work) -> u64 {
        let MatrixShape { side, fragment, places, slots, parts, .. } = self.shape;
        let [rows, columns] = parts.map(|parts| u64::from(parts * fragment));
        let sums = u64::from(slots[0] * slots[1]) * rows * columns;
        // In whole matrices, as the weights have them.
        let inputs = u64::from((4 * work.input).next_multiple_of(fragment));
        // What is loaded for a product is used as often as the slot is high or wide.
        let product = 64 + 768 / rows + 768 / columns;
        let products = sums * u64::from(side * side) * inputs * product;
        let others = u64::from(places) * inputs * STAGING + sums * WRITING;
        let workgroups = self.workgroups(work).iter().product::<u32>();
        // Of as fast ones, that with the least workgroups.
        u64::from(workgroups + workgroups.max(ENOUGH)) * (products + 100 * others)
    }
}

impl Cut {
    /// Most places of a tile, and what the last matrices run past it.
    fn places(&self, side: u32, fragment: u32) -> u32 {
        let [across, down, deep] = self.spans;
        let [row, rows] = self.tile.map(|size| size + side - 1);
        let reached = (down - 1) * row + across * fragment + (side - 1) * (row + 1);
        (deep - 1) * rows * row + reached.max(rows * row)
    }
}

/// The ways to cut images for so many matrices: rows of whole matrices, or rows one behind another with the margin between.
fn cuts(work: Work, fragment: u32, matrices: u32) -> Vec<Cut> {
    let Work { images, height, width, side, .. } = work;
    let cut = |across: u32, down: u32, tile: [u32; 2]| {
        let deep = images.min(matrices / (across * down));
        (deep > 0).then_some(Cut { spans: [across, down, deep], tile })
    };
    let strips = (1..=matrices.min(width.div_ceil(fragment))).filter_map(|across| {
        let down = height.min(matrices / across);
        cut(across, down, [across * fragment, down])
    });
    let runs = (1..=PIECES.min(width)).flat_map(|pieces| {
        let tile_width = width.div_ceil(pieces);
        let row = tile_width + side - 1;
        let most = height.min(matrices * fragment / tile_width);
        let across = move |rows: u32| ((rows - 1) * row + tile_width).div_ceil(fragment);
        (1..=most).filter_map(move |rows| cut(across(rows), 1, [tile_width, rows]))
    });
    strips.chain(runs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_all_pixels_and_fit_into_a_workgroups_memory() {
        let sizes =
            [(1, 1, 1), (1, 4, 4), (64, 2, 2), (3, 7, 5), (1, 1, 1024), (16, 20, 12), (5, 33, 20), (2, 256, 256)];
        for (images, height, width) in sizes {
            for (side, fragment, memory) in [(1, 8, 16 << 10), (1, 16, 32 << 10), (3, 8, 16 << 10), (3, 16, 32 << 10)] {
                for (input, output) in [(4, 4), (5, 32), (32, 5), (24, 16), (128, 128)] {
                    let work = Work { images, height, width, side, input, output, own: false, memory };
                    let tiling = MatrixTiling::new(work, fragment);
                    let MatrixTiling { shape, spans: [across, down, deep], tile, tiles } = tiling;
                    let [row, rows] = tile.map(|size| size + side - 1);
                    assert!(across * down * deep <= shape.slots[0] * shape.parts[0], "{tiling:?}");
                    assert!(tiles[0] * tile[0] >= width && tiles[1] * tile[1] >= height && tiles[2] * deep >= images);
                    // Each pixel of a tile is in a matrix.
                    for place in (0..tile[1]).flat_map(|y| (0..tile[0]).map(move |x| y * row + x)) {
                        let within = |first: u32| (first..first + across * fragment).contains(&place);
                        assert!((0..down).any(|y| within(y * row)), "{tiling:?}");
                    }
                    let last = (deep - 1) * rows * row + (down - 1) * row + across * fragment - 1;
                    assert!(last + (side - 1) * (row + 1) < shape.places);
                    assert!(deep * rows * row <= shape.places);
                    assert!(shape.bytes() <= memory && shape.threads() <= 256);
                    assert!(shape.stages() * shape.threads() >= shape.places * shape.chunk / 4);
                    assert!((shape.threads() * 4).is_multiple_of(shape.chunk));
                }
            }
        }
    }

    #[test]
    fn large_work_has_large_tiles_and_small_work_many() {
        let work = |size: u32, quads: u32| Work {
            images: 1,
            height: size,
            width: size,
            side: 3,
            input: quads,
            output: quads,
            own: false,
            memory: 32 << 10,
        };
        let large = MatrixTiling::new(work(256, 32), 16);
        assert_eq!(large.shape.channels(), 128);
        let small = MatrixTiling::new(work(32, 32), 16);
        assert!(small.workgroups(work(32, 32)).iter().product::<u32>() >= 64, "{small:?}");
    }
}
