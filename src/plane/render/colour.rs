//! Colours of the plane's pictures, on a dark and on a light ground.

use plotters::style::RGBColor;

/// What things are drawn with.
pub(super) struct Colours {
    pub ground: RGBColor,
    /// Texts, arrows and streamlines.
    pub ink: RGBColor,
    /// The densest place.
    pub dense: RGBColor,
    pub particles: RGBColor,
    pub data: RGBColor,
    pub flow: RGBColor,
    pub solutions: RGBColor,
    pub errors: RGBColor,
    pub known: RGBColor,
}

impl Colours {
    pub(super) fn of(dark: bool) -> Self {
        match dark {
            true => Colours {
                ground: RGBColor(0x14, 0x16, 0x1a),
                ink: RGBColor(0xe4, 0xe6, 0xea),
                dense: RGBColor(0x3f, 0x8f, 0xe0),
                particles: RGBColor(0xff, 0xa2, 0x4d),
                data: RGBColor(0x5f, 0xd0, 0xa0),
                flow: RGBColor(0x6f, 0xd6, 0x8a),
                solutions: RGBColor(0xc9, 0x9a, 0xff),
                errors: RGBColor(0xff, 0x5d, 0x6c),
                known: RGBColor(0xff, 0xe0, 0x66),
            },
            false => Colours {
                ground: RGBColor(0xff, 0xff, 0xff),
                ink: RGBColor(0x2a, 0x2d, 0x34),
                dense: RGBColor(0x1f, 0x6f, 0xc4),
                particles: RGBColor(0xc8, 0x5a, 0x00),
                data: RGBColor(0x00, 0x80, 0x55),
                flow: RGBColor(0x1d, 0x84, 0x3c),
                solutions: RGBColor(0x7b, 0x3f, 0xc4),
                errors: RGBColor(0xc9, 0x1f, 0x34),
                known: RGBColor(0x9a, 0x77, 0x00),
            },
        }
    }

    /// A density as a share of the densest place, 0 to 1.
    pub(super) fn density(&self, share: f64) -> RGBColor {
        let mix = |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))).round() as u8;
        let (a, b) = (self.ground, self.dense);
        RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
    }
}
