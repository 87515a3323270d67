//! How a photo with its mask looks, and where it lies; the same rules as in shaders/brush.wgsl.

use super::canvas::Photo;
use super::hints::{Hints, laid};
use super::mask::Mask;
use super::pyramid::Pyramid;

/// From this magnification on, pixels are squares.
const SQUARES: f32 = 3.0;
const NEAREST: u32 = 1;
const LINEAR_TARGET: u32 = 2;

/// Lengths are in pixels of the screen, unless said otherwise; colours are sRGB, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Top left of the photo, from that of the window.
    pub origin: [f32; 2],
    /// Pixels of the screen for each pixel of the photo.
    pub scale: f32,
    /// Width and height of the photo, in its own pixels.
    pub size: [usize; 2],
    /// Left, top and side of the square that the model sees, in pixels of the photo.
    pub square: [u32; 3],
    /// Laid on what is painted, and how strongly.
    pub tint: [f32; 4],
    /// The two greys around the photo, and the side of a check.
    pub checks: [f32; 3],
    /// What the photo is multiplied by outside the square.
    pub shade: f32,
}

/// A photo with its hints and its mask, all sizes of both.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    pub photo: &'a Photo,
    pub hints: &'a Hints,
    /// Of the photo with its hints.
    pub smaller_photo: &'a Pyramid,
    pub mask: &'a Mask,
    pub smaller_mask: &'a Pyramid,
}

impl Look {
    /// Bytes of the shader's uniform.
    pub const UNIFORM_BYTES: u64 = 4 * 20;

    /// The shader's uniform.
    pub fn uniform(&self, linear_target: bool) -> [u32; 20] {
        let [left, top, right, bottom] = self.bounds();
        let [width, height] = self.size.map(|side| side as f32);
        let flags = if self.is_nearest() { NEAREST } else { 0 } | if linear_target { LINEAR_TARGET } else { 0 };
        let [r, g, b, strength] = self.tint;
        let values = [
            [self.origin[0], self.origin[1], width, height],
            [left, top, right, bottom],
            [r, g, b, strength],
            [self.checks[0], self.checks[1], self.checks[2], self.shade],
        ];
        let mut words = [0; 20];
        words.iter_mut().zip(values.as_flattened()).for_each(|(word, value)| *word = value.to_bits());
        (words[16], words[17]) = (self.scale.to_bits(), flags);
        words
    }

    fn is_nearest(&self) -> bool {
        self.scale >= SQUARES
    }

    /// Left, top, right and bottom of the square.
    fn bounds(&self) -> [f32; 4] {
        let [left, top, side] = self.square.map(|part| part as f32);
        [left, top, left + side, top + side]
    }

    /// The colour of a pixel of the screen.
    pub fn colour(&self, layers: Layers<'_>, at: [f32; 2]) -> [f32; 3] {
        let place = [0, 1].map(|axis| (at[axis] - self.origin[axis]) / self.scale);
        let inside = (0..2).all(|axis| place[axis] >= 0.0 && place[axis] < self.size[axis] as f32);
        if !inside {
            let check = at.map(|part| (part / self.checks[2]).floor() as i32);
            return [self.checks[usize::from((check[0] + check[1]) & 1 != 0)]; 3];
        }
        let [left, top, right, bottom] = self.bounds();
        let seen = place[0] >= left && place[1] >= top && place[0] < right && place[1] < bottom;
        let base = layers.photo.image.as_raw();
        let photo = Sampled { base, smaller: layers.smaller_photo, hints: Some(layers.hints) };
        let mask = Sampled { base: layers.mask.values(), smaller: layers.smaller_mask, hints: None };
        let [here, ..] = self.sample(mask, place);
        let edge = self.edge_distance(mask, place);
        let mut shown = self.sample(photo, place).map(|part| part * if seen { 1.0 } else { self.shade });
        let mut mix = |to: [f32; 3], share: f32| {
            for (shown, to) in shown.iter_mut().zip(to) {
                *shown += share * (to - *shown);
            }
        };
        let [r, g, b, strength] = self.tint;
        mix([r, g, b], strength * here);
        mix([0.0; 3], 0.55 * (2.25 - edge).clamp(0.0, 1.0));
        mix([1.0; 3], (1.25 - edge).clamp(0.0, 1.0));
        shown
    }

    /// Distance to where the coverage is one half; between pixels also where they are shown as squares.
    fn edge_distance(&self, mask: Sampled<'_>, [x, y]: [f32; 2]) -> f32 {
        let half = 0.5 / self.scale;
        let at = |x, y| self.smooth(mask, [x, y])[0];
        let slope = [at(x + half, y) - at(x - half, y), at(x, y + half) - at(x, y - half)];
        (at(x, y) - 0.5).abs() / slope[0].hypot(slope[1]).max(0.001)
    }

    /// The channels at a place of the photo: of the nearest pixel, or between pixels of the two nearest sizes.
    fn sample(&self, picture: Sampled<'_>, place: [f32; 2]) -> [f32; 3] {
        if self.is_nearest() {
            let pixel = [0, 1].map(|axis| place[axis].floor().clamp(0.0, self.size[axis] as f32 - 1.0) as usize);
            return picture.texel(self.size, 0, pixel);
        }
        self.smooth(picture, place)
    }

    /// The channels between pixels of the two nearest sizes.
    fn smooth(&self, picture: Sampled<'_>, place: [f32; 2]) -> [f32; 3] {
        let share = [place[0] / self.size[0] as f32, place[1] / self.size[1] as f32];
        let last = picture.smaller.levels.len() as f32;
        let level = (-self.scale.log2()).clamp(0.0, last);
        let (fine, part) = (level.floor() as usize, level.fract());
        let near = picture.bilinear(self.size, fine, share);
        if part == 0.0 {
            return near;
        }
        let far = picture.bilinear(self.size, fine + 1, share);
        std::array::from_fn(|channel| near[channel] + part * (far[channel] - near[channel]))
    }
}

/// A picture and its smaller sizes.
#[derive(Clone, Copy)]
struct Sampled<'a> {
    base: &'a [u8],
    smaller: &'a Pyramid,
    /// What lies over `base`; the smaller sizes know it.
    hints: Option<&'a Hints>,
}

impl Sampled<'_> {
    /// The channels of a pixel; a single one three times.
    fn texel(&self, size: [usize; 2], level: usize, [x, y]: [usize; 2]) -> [f32; 3] {
        let hint = self.hints.filter(|_| level == 0).map_or([0; 4], |hints| hints.at([x, y]));
        let level = level.checked_sub(1).and_then(|smaller| self.smaller.levels.get(smaller));
        let (values, width) = level.map_or((self.base, size[0]), |level| (level.values.as_slice(), level.size[0]));
        let channels = self.smaller.channels;
        let place = (y * width + x) * channels;
        let level = |channel: usize| values.get(place + channel.min(channels - 1)).copied().unwrap_or_default();
        laid(std::array::from_fn(level), hint).map(|level| f32::from(level) / 255.0)
    }

    fn bilinear(&self, size: [usize; 2], level: usize, share: [f32; 2]) -> [f32; 3] {
        let own = level.checked_sub(1).and_then(|smaller| self.smaller.levels.get(smaller)).map_or(size, |l| l.size);
        let most = own.map(|side| side as f32 - 1.0);
        let place = [0, 1].map(|axis| (share[axis] * own[axis] as f32 - 0.5).clamp(0.0, most[axis]));
        let low = place.map(|part| part as usize);
        let high = [0, 1].map(|axis| (low[axis] + 1).min(own[axis] - 1));
        let part = [place[0].fract(), place[1].fract()];
        let corner = |x, y| self.texel(size, level, [x, y]);
        let corners = [[low[0], low[1]], [high[0], low[1]], [low[0], high[1]], [high[0], high[1]]];
        let [a, b, c, d] = corners.map(|[x, y]| corner(x, y));
        std::array::from_fn(|channel| {
            let upper = a[channel] + part[0] * (b[channel] - a[channel]);
            let lower = c[channel] + part[0] * (d[channel] - c[channel]);
            upper + part[1] * (lower - upper)
        })
    }
}
