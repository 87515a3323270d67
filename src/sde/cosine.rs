use super::preserving::{LEAST_ALPHA, Preserving, preserving};
use super::vp::STEPS;
use super::{Facts, FamilyAbout, FamilyError, Range, StepTexts};
use crate::registry::{About, Parameter, Scale, Settings, number};
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_PI_2;

/// VP whose α is a quarter of a cosine: α(t) = cos(½π·(t + s)/(1 + s))/cos(½π·s/(1 + s)) (Nichol and Dhariwal 2021,
/// eq. 17). It ends in noise alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct Cosine {
    cosine_offset: f64,
}

#[derive(Deserialize)]
struct Parameters {
    cosine_offset: f64,
}

impl TryFrom<Parameters> for Cosine {
    type Error = FamilyError;
    fn try_from(p: Parameters) -> Result<Self, Self::Error> {
        Cosine::new(p.cosine_offset)
    }
}

impl Default for Cosine {
    /// As published: 0.008.
    fn default() -> Self {
        Cosine { cosine_offset: 0.008 }
    }
}

impl Cosine {
    /// The least and the most that the offset may be.
    pub const LIMITS: [f64; 2] = [0.0, 1.0];

    /// A cosine that begins `offset` after its top.
    ///
    /// # Errors
    /// Unless the offset is within [`Cosine::LIMITS`].
    pub fn new(offset: f64) -> Result<Self, FamilyError> {
        FamilyError::extreme("s", offset, Cosine::LIMITS)?;
        Ok(Cosine { cosine_offset: offset })
    }

    /// The angle of which α is the cosine, but for a factor.
    fn angle(&self, t: f64) -> f64 {
        FRAC_PI_2 * (t + self.cosine_offset) / (1.0 + self.cosine_offset)
    }

    fn values(&self) -> Settings {
        Settings::of([(&OFFSET, self.cosine_offset)])
    }

    /// β of each of so many discrete steps, as published: none is above 0.999.
    pub fn betas(&self, levels: usize) -> Vec<f64> {
        (0..levels).map(|index| self.table_rate(index, levels)).collect()
    }

    /// √ᾱ, which the tables of all sizes have.
    fn root(&self, t: f64) -> f64 {
        self.angle(t).cos() / self.angle(0.0).cos()
    }
}

impl Preserving for Cosine {
    fn rate(&self, t: f64) -> f64 {
        let rate = 2.0 * FRAC_PI_2 / (1.0 + self.cosine_offset) * self.angle(t).tan();
        if self.root(t) > LEAST_ALPHA { rate } else { 0.0 }
    }

    fn integral(&self, t: f64) -> f64 {
        // ln(cos b/cos a) by sin² of angles near 0, where the cosines cancel.
        let log_cosine = |angle: f64| 0.5 * (-angle.sin().powi(2)).ln_1p();
        let integral = 2.0 * (log_cosine(self.angle(0.0)) - log_cosine(self.angle(t)));
        if integral.is_finite() { integral.min(-2.0 * LEAST_ALPHA.ln()) } else { -2.0 * LEAST_ALPHA.ln() }
    }

    fn ends_in_noise(&self) -> bool {
        false
    }

    fn reaches_noise(&self) -> bool {
        true
    }

    fn table_rate(&self, index: usize, levels: usize) -> f64 {
        let at = |index: usize| self.root(index as f64 / levels as f64);
        (1.0 - (at(index + 1) / at(index)).powi(2)).min(0.999)
    }

    fn rate_text(&self) -> String {
        let s = number(self.cosine_offset);
        format!("α(t) = cos(½ π (t + {s})/(1 + {s})) / cos(½ π {s}/(1 + {s}))")
    }

    fn mean_text(&self) -> String {
        "β(t) = −2 α′(t)/α(t)".into()
    }
}

const OFFSET: Parameter = Parameter::number("cosine_offset", 0.008, Cosine::LIMITS[0], Cosine::LIMITS[1])
    .usual(Cosine::LIMITS[0], 0.1, Scale::Linear(4))
    .named("s", "s", "s: how far after its top the cosine begins; 0.008 as published");

impl Facts for Cosine {
    const ABOUT: FamilyAbout = FamilyAbout {
        about: About {
            slug: "cosine",
            name: "Cosine",
            summary: "Cosine: VP whose α(t) is a quarter of a cosine; noise comes in evenly",
            source: "Nichol and Dhariwal 2021, eq. 17",
            parameters: &[&OFFSET],
        },
        range: Range::Symmetric,
        colours: [0xc9a1f5, 0x7a45b5],
        drift: "−½ β x ",
        diffusion: ["β", "√β"],
        corrector_scale: "α_i ",
        steps: StepTexts { probability_flow: "x ← α₋ x̂₀ + σ₋ ε̂", ..STEPS },
    };

    fn with(settings: &Settings) -> Result<Self, FamilyError> {
        Cosine::new(settings.number(&OFFSET))
    }
}

preserving!(Cosine);
