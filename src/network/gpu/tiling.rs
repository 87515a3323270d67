//! How a convolution is cut into tiles.

use super::device::WORKGROUP_BYTES;
use super::kernel::Shape;

/// Bytes of four values in a workgroup's memory.
const FOUR: u32 = 16;
/// Workgroups that keep a large device busy; fewer are made smaller if they can be.
const ENOUGH: u32 = 256;
/// Most pixels of a tile in a row.
const WIDEST: u32 = 32;

/// Pixels of a thread, fours of channels out, and spans of a workgroup: those that reuse most of what they read first.
const CHOICES: [[u32; 3]; 6] = [[8, 16, 16], [8, 8, 16], [8, 8, 8], [4, 8, 8], [4, 4, 16], [4, 4, 8]];
/// For few channels out.
const NARROW: [[u32; 3]; 3] = [[8, 1, 64], [4, 1, 64], [2, 1, 64]];

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
    /// For images of this height and width, filters of this side, and fours of channels.
    pub fn new(images: u32, size: [u32; 2], side: u32, input: u32, output: u32) -> Self {
        let choices = if output <= 2 { &NARROW[..] } else { &CHOICES[..] };
        let tilings = choices.iter().map(|&choice| Tiling::of(choice, images, size, side, input));
        let workgroups = |tiling: &Tiling| tiling.tiles.iter().product::<u32>() * output.div_ceil(tiling.shape.quads);
        let enough = tilings.clone().find(|tiling| workgroups(tiling) >= ENOUGH);
        let most = || tilings.clone().max_by_key(|tiling| (workgroups(tiling), tiling.shape.span));
        // There is a last one.
        enough.or_else(most).unwrap_or_else(|| Tiling::of(CHOICES[0], images, size, side, input))
    }

    fn of([span, quads, strips]: [u32; 3], images: u32, [height, width]: [u32; 2], side: u32, input: u32) -> Self {
        let margin = side - 1;
        let across = width.div_ceil(span).min((WIDEST / span).max(1)).min(strips);
        let down = height.min(strips / across).max(1);
        let room = |chunk: u32| (WORKGROUP_BYTES as u32 / FOUR).saturating_sub(side * side * chunk * 4 * quads) / chunk;
        let places = |down: u32, deep: u32| deep * (down + margin) * (across * span + margin);
        // Images of a few pixels have more margin than pixels.
        let deep = (1..=strips / (across * down)).rev().find(|&deep| places(down, deep) <= room(1)).unwrap_or(1);
        let deep = deep.min(images.max(1));
        let places = places(down, deep);
        let chunk = [4, 2, 1].into_iter().find(|&chunk| chunk <= input.max(1) && side == 1 && places <= room(chunk));
        let shape = Shape { side, span, quads, strips, chunk: chunk.unwrap_or(1), places };
        let tiles = [width.div_ceil(across * span), height.div_ceil(down), images.div_ceil(deep)];
        Tiling { shape, spans: [across, down, deep], tiles }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_all_pixels_and_fit_into_a_workgroups_memory() {
        for (images, height, width) in [(1, 1, 1), (1, 4, 4), (64, 2, 2), (3, 7, 5), (1, 1, 1024), (16, 20, 12), (2, 256, 256)] {
            for side in [1, 3] {
                for (input, output) in [(1, 8), (8, 1), (16, 16), (96, 64)] {
                    let Tiling { shape, spans, tiles } = Tiling::new(images, [height, width], side, input, output);
                    let [across, down, deep] = spans;
                    assert!(across * down * deep <= shape.strips, "{spans:?} of {shape:?}");
                    assert!(tiles[0] * across * shape.span >= width);
                    assert!(tiles[1] * down >= height && tiles[2] * deep >= images);
                    let places = deep * (down + side - 1) * (across * shape.span + side - 1);
                    assert!(places <= shape.places);
                    let filters = side * side * shape.chunk * 4 * shape.quads;
                    assert!((places * shape.chunk + filters) * FOUR <= WORKGROUP_BYTES as u32, "{shape:?}");
                    assert!(shape.strips * shape.quads <= 256);
                }
            }
        }
    }
}
