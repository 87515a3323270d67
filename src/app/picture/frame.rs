//! Where each picture lies on the screen, and what colour each screen pixel has.
//!
//! The same rules for a GPU are in shaders/picture.wgsl.

use super::colour::{ColourMap, linear_from_srgb, srgb_from_linear};

/// One drawing of a batch of pictures: f32, N×C×H×W. Distances are in pixels of the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Top left of the first picture.
    pub origin: [f32; 2],
    /// From one picture to the next.
    pub pitch: [f32; 2],
    /// Target pixels per picture pixel.
    pub zoom: f32,
    pub columns: usize,
    /// Pictures shown.
    pub samples: usize,
    /// The picture shown in the first cell.
    pub first_sample: usize,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// The value that shows as black, or as the map's first colour.
    pub low: f32,
    /// The value that shows as white, or as the map's last colour.
    pub high: f32,
    /// Interpolate between pixels, in linear light (or along the map).
    pub smooth: bool,
    /// Colours of the first channel; without one the channels are sRGB.
    pub map: Option<&'static ColourMap>,
}

impl Frame {
    /// Bytes of [`Frame::uniform`].
    pub const UNIFORM_BYTES: u64 = 4 * (16 + 4 * ColourMap::STOPS as u64);

    /// Samples along each axis of a target pixel: more than one where a picture is shrunk.
    pub fn taps(&self) -> usize {
        ((1.0 / self.zoom).ceil() as usize).clamp(1, 8)
    }

    /// The sample and the pixel (x, y) at a place of the target.
    pub fn locate(&self, at: [f32; 2]) -> Option<(usize, [usize; 2])> {
        let (sample, place) = self.cell(at)?;
        Some((sample, place.map(|along| along as usize)))
    }

    /// The sample at a place of the target, and where in it, in picture pixels.
    fn cell(&self, at: [f32; 2]) -> Option<(usize, [f32; 2])> {
        let [_, height, width] = self.shape;
        let from_origin = [at[0] - self.origin[0], at[1] - self.origin[1]];
        let cell = [(from_origin[0] / self.pitch[0]).floor(), (from_origin[1] / self.pitch[1]).floor()];
        let place: [f32; 2] = std::array::from_fn(|i| (from_origin[i] - cell[i] * self.pitch[i]) / self.zoom);
        let inside = cell[0] >= 0.0
            && cell[1] >= 0.0
            && cell[0] < self.columns as f32
            && place[0] < width as f32
            && place[1] < height as f32;
        let index = cell[1].max(0.0) as usize * self.columns + cell[0].max(0.0) as usize;
        (inside && index < self.samples).then_some((self.first_sample + index, place))
    }

    /// The sRGB colour, each part in [0, 1], at a place of the target; `None` between pictures.
    pub fn colour(&self, values: &[f32], at: [f32; 2]) -> Option<[f32; 3]> {
        let (sample, place) = self.cell(at)?;
        let found = match (self.smooth, self.map) {
            (false, _) => self.texel(values, sample, place.map(|along| along as i64)),
            (true, Some(_)) => self.smooth_light(values, sample, place),
            (true, None) => self.smooth_light(values, sample, place).map(srgb_from_linear),
        };
        Some(self.map.map_or(found, |map| map.srgb(found[0])))
    }

    /// A pixel's sRGB channels, or the value of a colour map three times.
    fn texel(&self, values: &[f32], sample: usize, pixel: [i64; 2]) -> [f32; 3] {
        let [channels, height, width] = self.shape;
        let x = pixel[0].clamp(0, width as i64 - 1) as usize;
        let y = pixel[1].clamp(0, height as i64 - 1) as usize;
        std::array::from_fn(|channel| {
            let channel = if self.map.is_some() { 0 } else { channel.min(channels - 1) };
            let value = values.get(((sample * channels + channel) * height + y) * width + x);
            let unit = (value.copied().unwrap_or_default() - self.low) / (self.high - self.low);
            unit.clamp(0.0, 1.0)
        })
    }

    /// A pixel as it is interpolated: linear light, or the value of a colour map.
    fn light(&self, values: &[f32], sample: usize, pixel: [i64; 2]) -> [f32; 3] {
        let found = self.texel(values, sample, pixel);
        if self.map.is_some() { found } else { found.map(linear_from_srgb) }
    }

    fn smooth_light(&self, values: &[f32], sample: usize, place: [f32; 2]) -> [f32; 3] {
        let taps = self.taps();
        let within = |tap: usize| ((tap as f32 + 0.5) / taps as f32 - 0.5) / self.zoom;
        let mut sum = [0.0; 3];
        for tap in 0..taps * taps {
            let place = [place[0] + within(tap % taps), place[1] + within(tap / taps)];
            let found = self.bilinear(values, sample, place);
            sum = std::array::from_fn(|c| sum[c] + found[c]);
        }
        sum.map(|part| part / (taps * taps) as f32)
    }

    fn bilinear(&self, values: &[f32], sample: usize, place: [f32; 2]) -> [f32; 3] {
        let corner = place.map(|along| (along - 0.5).floor());
        let part: [f32; 2] = std::array::from_fn(|i| place[i] - 0.5 - corner[i]);
        let mut sum = [0.0; 3];
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let along = |part: f32, far: i64| if far == 1 { part } else { 1.0 - part };
            let weight = along(part[0], dx) * along(part[1], dy);
            let found = self.light(values, sample, [corner[0] as i64 + dx, corner[1] as i64 + dy]);
            sum = std::array::from_fn(|c| sum[c] + weight * found[c]);
        }
        sum
    }

    /// The words of `Frame` in shaders/picture.wgsl. `first`: place of the first value in the buffer.
    pub fn uniform(&self, first: u32, linear_target: bool) -> Vec<u32> {
        let flags = u32::from(self.smooth) | u32::from(self.map.is_some()) << 1 | u32::from(linear_target) << 2;
        let place = [self.origin[0], self.origin[1], self.pitch[0], self.pitch[1], self.zoom, self.low, self.high];
        let [channels, height, width] = self.shape;
        let counts = [self.columns, self.samples, self.first_sample, channels, width, height].map(|n| n as u32);
        let map = self.map.map_or_else(Default::default, ColourMap::table);
        let mut words: Vec<u32> = place.iter().map(|number| number.to_bits()).collect();
        words.push(first);
        words.extend(counts);
        words.extend([flags, self.taps() as u32]);
        words.extend(map.as_flattened().iter().map(|number| number.to_bits()));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two grey pictures of 2×1 pixels, four times as large, two pixels apart.
    fn frame(smooth: bool) -> Frame {
        Frame {
            origin: [10.0, 20.0],
            pitch: [10.0, 6.0],
            zoom: 4.0,
            columns: 2,
            samples: 2,
            first_sample: 0,
            shape: [1, 1, 2],
            low: 0.0,
            high: 1.0,
            smooth,
            map: None,
        }
    }

    const VALUES: [f32; 4] = [0.0, 1.0, 0.5, 0.25];

    fn grey(frame: &Frame, x: f32) -> Option<u8> {
        frame.colour(&VALUES, [x, 21.5]).map(|rgb| (rgb[0] * 255.0).round() as u8)
    }

    #[test]
    fn nearest_shows_each_value_as_its_grey_level() {
        let frame = frame(false);
        let row: Vec<_> =
            [9.5, 10.5, 13.5, 14.5, 17.5, 18.5, 19.5, 20.5, 24.5, 27.5, 28.5].map(|x| grey(&frame, x)).into();
        let black = Some(0);
        let white = Some(255);
        // 0.5 · 255 = 127.5, and 0.25 · 255 = 63.75
        let half = row[7];
        assert!(half == Some(127) || half == Some(128));
        assert_eq!(row, [None, black, black, white, white, None, None, half, Some(64), Some(64), None]);
    }

    #[test]
    fn smooth_mixes_light_not_grey_levels() {
        // Half-way between the centres of a black and a white pixel is half the light: sRGB 188.
        assert_eq!(grey(&frame(true), 14.0), Some(188));
    }

    #[test]
    fn a_place_names_its_sample_and_pixel() {
        let frame = frame(false);
        assert_eq!(frame.locate([24.5, 21.0]), Some((1, [1, 0])));
        assert_eq!(frame.locate([18.5, 21.0]), None, "between the two");
        assert_eq!(frame.locate([31.0, 21.0]), None, "right of both");
        assert_eq!(frame.locate([12.0, 19.0]), None, "above");
    }

    #[test]
    fn the_uniform_has_the_size_that_the_shader_declares() {
        assert_eq!(frame(true).uniform(0, false).len() as u64 * 4, Frame::UNIFORM_BYTES);
    }
}
