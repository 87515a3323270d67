//! How a convolution is cut into tiles.

use super::device::THREADS;

/// Bytes of four values in a workgroup's memory.
const FOUR: u32 = 16;
/// Workgroups that keep a large device busy; fewer are made smaller if they can be.
const ENOUGH: u32 = 256;
/// Fours of channels of a chunk, and groups of threads that share them.
const PORTIONS: [u32; 3] = [4, 2, 1];
/// Most pixels of a tile in a row.
const WIDEST: u32 = 32;

/// Pixels of a thread, fours of channels out of a workgroup, its spans, and fours of channels out of a thread: those that
/// reuse most of what they read first.
const CHOICES: [[u32; 4]; 8] = [
    [8, 32, 16, 2],
    [8, 16, 16, 2],
    [8, 16, 16, 1],
    [8, 8, 16, 1],
    [8, 8, 8, 1],
    [4, 8, 8, 1],
    [4, 4, 16, 1],
    [4, 4, 8, 1],
];
/// For few channels out.
const NARROW: [[u32; 4]; 3] = [[8, 1, 64, 1], [4, 1, 64, 1], [2, 1, 64, 1]];

/// How a convolution is cut up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    /// Side of the filters.
    pub side: u32,
    /// Pixels of a thread.
    pub span: u32,
    /// Fours of channels out of a workgroup, and of a thread.
    pub quads: u32,
    pub parts: u32,
    /// Spans of a workgroup.
    pub strips: u32,
    /// Fours of channels in at a time.
    pub chunk: u32,
    /// Most pixels of a tile with its margin.
    pub places: u32,
    /// Groups of threads that share a chunk.
    pub split: u32,
}

impl Shape {
    /// Threads of a group.
    pub fn group(&self) -> u32 {
        self.strips * self.quads / self.parts
    }

    /// Fours of a workgroup's memory.
    pub fn fours(&self) -> u32 {
        let filters = self.side * self.side * self.chunk * 4 * self.quads;
        self.places * self.chunk + filters + self.shares()
    }

    /// Fours that a group hands over to another.
    pub fn shares(&self) -> u32 {
        if self.split > 1 { self.group() * self.span * self.parts } else { 1 }
    }
}

/// What is convolved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub images: u32,
    pub height: u32,
    pub width: u32,
    /// Side of the filters.
    pub side: u32,
    /// Fours of channels.
    pub input: u32,
    pub output: u32,
    /// Each image has filters of its own.
    pub own: bool,
    /// Bytes of a workgroup's memory.
    pub memory: u32,
}

/// A convolution of images of this size by tiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tiling {
    pub shape: Shape,
    /// Spans of a tile along a row, over rows, and over images.
    pub spans: [u32; 3],
    /// Tiles along a row, over rows, and over images.
    pub tiles: [u32; 3],
}

impl Tiling {
    /// The first choice that keeps a device busy, else the one with most workgroups.
    pub fn new(work: Work) -> Self {
        let choices = if work.output <= 2 { &NARROW[..] } else { &CHOICES[..] };
        let useful = |choice: &&[u32; 4]| choice[1] <= work.output.next_power_of_two().max(4);
        let tilings: Vec<Tiling> =
            choices.iter().filter(useful).filter_map(|&choice| Tiling::of(choice, work)).collect();
        let workgroups =
            |tiling: &Tiling| tiling.tiles.iter().product::<u32>() * work.output.div_ceil(tiling.shape.quads);
        let enough = tilings.iter().find(|tiling| workgroups(tiling) >= ENOUGH);
        let most = || tilings.iter().max_by_key(|tiling| (workgroups(tiling), tiling.shape.span));
        // The smallest fits any work.
        let smallest = Tiling { shape: Shape::default(), spans: [1; 3], tiles: [0; 3] };
        enough.or_else(most).copied().unwrap_or(smallest)
    }

    /// `None` where a workgroup's memory is too small.
    fn of([span, quads, strips, parts]: [u32; 4], work: Work) -> Option<Self> {
        let Work { images, height, width, side, input, own, memory, .. } = work;
        let margin = side - 1;
        // A tile with a margin had better be as high as it is wide.
        let widest = if side == 1 { strips } else { (WIDEST / span).max(1) };
        let across = width.div_ceil(span).min(widest).min(strips);
        let down = height.min(strips / across).max(1);
        let most = if own { 1 } else { images.min(strips / (across * down)).max(1) };
        let fitting = |deep: u32, chunk: u32, split: u32| {
            let places = deep * (down + margin) * (across * span + margin);
            let shape = Shape { side, span, quads, parts, strips, chunk, places, split };
            let fits = shape.fours() * FOUR <= memory && shape.group() * split <= THREADS;
            (fits && chunk <= input.max(1) && split <= chunk).then_some((shape, deep))
        };
        // Images of a few pixels have more margin than pixels.
        let mut tries = (1..=most).rev().flat_map(|deep| {
            PORTIONS.into_iter().flat_map(move |chunk| PORTIONS.map(move |split| (deep, chunk, split)))
        });
        let (shape, deep) = tries.find_map(|(deep, chunk, split)| fitting(deep, chunk, split))?;
        let tiles = [width.div_ceil(across * span), height.div_ceil(down), images.div_ceil(deep)];
        Some(Tiling { shape, spans: [across, down, deep], tiles })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_all_pixels_and_fit_into_a_workgroups_memory() {
        let sizes = [(1, 1, 1), (1, 4, 4), (64, 2, 2), (3, 7, 5), (1, 1, 1024), (16, 20, 12), (2, 256, 256)];
        for (images, height, width) in sizes {
            for (side, own) in [(1, false), (1, true), (3, false)] {
                for (input, output) in [(1, 8), (8, 1), (16, 16), (96, 64)] {
                    let work = Work { images, height, width, side, input, output, own, memory: 16 << 10 };
                    let Tiling { shape, spans, tiles } = Tiling::new(work);
                    let [across, down, deep] = spans;
                    assert!(across * down * deep <= shape.strips, "{spans:?} of {shape:?}");
                    assert!(tiles[0] * across * shape.span >= width);
                    assert!(tiles[1] * down >= height && tiles[2] * deep >= images);
                    let places = deep * (down + side - 1) * (across * shape.span + side - 1);
                    assert!(places <= shape.places);
                    assert!(shape.fours() * FOUR <= work.memory, "{shape:?}");
                    assert!(shape.group() * shape.split <= THREADS && shape.quads.is_multiple_of(shape.parts));
                    assert!(shape.split <= shape.chunk);
                    assert!(!own || deep == 1);
                }
            }
        }
    }
}
