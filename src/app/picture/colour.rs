//! Perceptual colour maps, given to the shader and to egui from the same table.

use egui::Color32;

/// A colour map: evenly spaced stops, joined by straight lines in sRGB.
#[derive(Debug, PartialEq)]
pub struct ColourMap {
    /// Stops as 0xRRGGBB, from low to high.
    stops: [u32; ColourMap::STOPS],
}

/// viridis (van der Walt and Smith 2015): lightness grows evenly, and is readable for colour-blind people.
/// For magnitudes.
pub static VIRIDIS: ColourMap =
    ColourMap { stops: [0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962, 0xaddc30, 0xfde725] };

/// Blue, white, red (Brewer's RdBu): lightest at the centre. For differences.
pub static DIVERGING: ColourMap =
    ColourMap { stops: [0x2166ac, 0x4393c3, 0x92c5de, 0xd1e5f0, 0xf7f7f7, 0xfddbc7, 0xf4a582, 0xd6604d, 0xb2182b] };

impl ColourMap {
    /// Number of stops.
    pub const STOPS: usize = 9;

    /// The stops as sRGB in [0, 1], and 1.
    pub fn table(&self) -> [[f32; 4]; ColourMap::STOPS] {
        self.stops.map(|rgb| {
            let part = |shift: u32| ((rgb >> shift) & 0xff) as f32 / 255.0;
            [part(16), part(8), part(0), 1.0]
        })
    }

    /// The sRGB colour, each part in [0, 1], at `place` from 0 (low) to 1 (high).
    pub fn srgb(&self, place: f32) -> [f32; 3] {
        let scaled = place.clamp(0.0, 1.0) * (Self::STOPS - 1) as f32;
        let below = (scaled as usize).min(Self::STOPS - 2);
        let part = scaled - below as f32;
        let table = self.table();
        std::array::from_fn(|c| table[below][c] + part * (table[below + 1][c] - table[below][c]))
    }

    /// The colour at `place` from 0 (low) to 1 (high).
    pub fn colour(&self, place: f32) -> Color32 {
        let [r, g, b] = self.srgb(place).map(|part| (part * 255.0).round() as u8);
        Color32::from_rgb(r, g, b)
    }
}

/// Linear light of an sRGB value, both in [0, 1] (IEC 61966-2-1).
pub fn linear_from_srgb(encoded: f32) -> f32 {
    if encoded <= 0.04045 { encoded / 12.92 } else { ((encoded + 0.055) / 1.055).powf(2.4) }
}

/// sRGB value of linear light, both in [0, 1] (IEC 61966-2-1).
pub fn srgb_from_linear(light: f32) -> f32 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CIE L* of a colour.
    fn lightness([r, g, b]: [f32; 3]) -> f32 {
        let [r, g, b] = [r, g, b].map(linear_from_srgb);
        116.0 * (0.2126 * r + 0.7152 * g + 0.0722 * b).cbrt() - 16.0
    }

    #[test]
    fn viridis_grows_lighter_throughout() {
        let steps: Vec<f32> = (0..=100).map(|i| lightness(VIRIDIS.srgb(i as f32 / 100.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[1] > pair[0]), "{steps:?}");
        // Published: from L* 15 to L* 91.
        assert!((steps[0] - 15.0).abs() < 2.0 && (steps[100] - 91.0).abs() < 2.0);
    }

    #[test]
    fn the_diverging_map_is_lightest_at_zero_and_alike_on_both_sides() {
        let at = |place: f32| lightness(DIVERGING.srgb(place));
        for i in 0..50 {
            let near = i as f32 / 100.0;
            let far = near + 0.01;
            assert!(at(0.5 + far) < at(0.5 + near) && at(0.5 - far) < at(0.5 - near), "{near}");
            assert!((at(0.5 + near) - at(0.5 - near)).abs() < 6.0, "{near}");
        }
    }

    #[test]
    fn srgb_and_linear_light_are_inverse_and_half_light_is_188() {
        for byte in 0..=255u8 {
            let encoded = f32::from(byte) / 255.0;
            assert!((srgb_from_linear(linear_from_srgb(encoded)) - encoded).abs() < 1e-5);
        }
        assert_eq!((srgb_from_linear(0.5) * 255.0).round(), 188.0);
    }
}
