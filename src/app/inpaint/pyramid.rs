//! A picture at half its size, a quarter, and so on: what a screen shows of a large photo without flicker.

use super::area::{Area, Part};

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
    pub levels: Vec<Level>,
}

impl Pyramid {
    /// All smaller sizes of a picture.
    pub fn new(size: [usize; 2], channels: usize, values: &[u8]) -> Pyramid {
        let halves = std::iter::successors(Some(size), |size| {
            (size[0].max(size[1]) > 1).then(|| size.map(|side| (side / 2).max(1)))
        });
        let blank = |size: [usize; 2]| Level { size, values: vec![0; channels * size[0] * size[1]] };
        let mut pyramid = Pyramid { channels, levels: halves.skip(1).map(blank).collect() };
        pyramid.update(Part::whole(size, values), Area::whole(size), &mut |_, _, _| {});
        pyramid
    }

    /// Takes over what changed in `area` of the picture; tells of every level and its changed area. Of the picture
    /// that area is enough, if it begins and ends at even places or at the picture's edge.
    pub fn update(&mut self, picture: Part<'_>, area: Area, tell: &mut dyn FnMut(usize, &Level, Area)) {
        let channels = self.channels;
        let (mut above, mut area) = (picture, area);
        for (index, level) in self.levels.iter_mut().enumerate() {
            let half = Area {
                left: area.left / 2,
                top: area.top / 2,
                right: area.right.div_ceil(2),
                bottom: area.bottom.div_ceil(2),
            };
            area = half.within(Area::whole(level.size));
            halve(above, level, area, channels);
            tell(index + 1, level, area);
            above = Part::whole(level.size, &level.values);
        }
    }
}

/// Means of two by two pixels.
fn halve(Part { area: above, values }: Part<'_>, level: &mut Level, area: Area, channels: usize) {
    let wide = channels * above.width();
    for y in area.top..area.bottom {
        let rows = [2 * y, (2 * y + 1).min(above.bottom - 1)].map(|row| &values[(row - above.top) * wide..][..wide]);
        let line = y * level.size[0];
        for x in area.left..area.right {
            let [left, right] = [2 * x, (2 * x + 1).min(above.right - 1)].map(|x| (x - above.left) * channels);
            for channel in 0..channels {
                let sum: u16 =
                    rows.iter().map(|row| u16::from(row[left + channel]) + u16::from(row[right + channel])).sum();
                level.values[(line + x) * channels + channel] = ((sum + 2) / 4) as u8;
            }
        }
    }
}
