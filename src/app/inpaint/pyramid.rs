//! A picture at half its size, a quarter, and so on: what a screen shows of a large photo without flicker.

use super::area::Area;

/// One size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    pub size: [usize; 2],
    /// Row by row, channels together.
    pub values: Vec<u8>,
}

/// All sizes below the picture's own, each half of the one before, rounded down, to a single pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pyramid {
    pub channels: usize,
    /// Size of the picture itself.
    size: [usize; 2],
    pub levels: Vec<Level>,
}

impl Pyramid {
    /// All smaller sizes of a picture.
    pub fn new(size: [usize; 2], channels: usize, values: &[u8]) -> Pyramid {
        let halves = std::iter::successors(Some(size), |size| {
            (size[0].max(size[1]) > 1).then(|| size.map(|side| (side / 2).max(1)))
        });
        let blank = |size: [usize; 2]| Level { size, values: vec![0; channels * size[0] * size[1]] };
        let mut pyramid = Pyramid { channels, size, levels: halves.skip(1).map(blank).collect() };
        pyramid.update(values, Area::whole(size), &mut |_, _, _| {});
        pyramid
    }

    /// Takes over what changed in `area` of the picture; tells of every level and its changed area.
    pub fn update(&mut self, values: &[u8], area: Area, tell: &mut dyn FnMut(usize, &Level, Area)) {
        let channels = self.channels;
        let (mut above, mut wide, mut area) = (values, self.size[0], area);
        for (index, level) in self.levels.iter_mut().enumerate() {
            let half = Area {
                left: area.left / 2,
                top: area.top / 2,
                right: area.right.div_ceil(2),
                bottom: area.bottom.div_ceil(2),
            };
            area = half.within(Area::whole(level.size));
            halve(above, wide, level, area, channels);
            tell(index + 1, level, area);
            (above, wide) = (&level.values, level.size[0]);
        }
    }
}

/// Means of two by two pixels.
fn halve(above: &[u8], wide: usize, level: &mut Level, area: Area, channels: usize) {
    let high = above.len() / (channels * wide).max(1);
    for y in area.top..area.bottom {
        let rows = [2 * y, (2 * y + 1).min(high - 1)].map(|row| &above[row * wide * channels..][..wide * channels]);
        let line = y * level.size[0];
        for x in area.left..area.right {
            let (left, right) = (2 * x * channels, (2 * x + 1).min(wide - 1) * channels);
            for channel in 0..channels {
                let sum: u16 =
                    rows.iter().map(|row| u16::from(row[left + channel]) + u16::from(row[right + channel])).sum();
                level.values[(line + x) * channels + channel] = ((sum + 2) / 4) as u8;
            }
        }
    }
}
