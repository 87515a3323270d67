use super::preserving::{Preserving, Rates, ZERO_SNR, preserving, rated};
use super::vp::STEPS;
use super::{Facts, FamilyAbout, FamilyError, Range};
use crate::registry::{About, Parameter, Scale, Settings, number};
use serde::{Deserialize, Serialize};

/// VP with √β linear from √β_min to √β_max: the schedule of latent diffusion (Rombach et al. 2022), whose tables of a
/// thousand steps have β_i = β/1000.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScaledLinear {
    rates: Rates,
}

rated!(ScaledLinear, &BETA_MIN, &BETA_MAX);

impl Preserving for ScaledLinear {
    fn rate(&self, t: f64) -> f64 {
        let (first, last) = (self.beta_min().sqrt(), self.beta_max().sqrt());
        (first + t * (last - first)).powi(2)
    }

    fn integral(&self, t: f64) -> f64 {
        let (first, last) = (self.beta_min().sqrt(), self.beta_max().sqrt());
        let slope = last - first;
        t * (first * first + t * slope * (first + t * slope / 3.0))
    }

    fn ends_in_noise(&self) -> bool {
        self.zero_snr()
    }

    fn rate_text(&self) -> String {
        let (first, last) = (self.beta_min().sqrt(), self.beta_max().sqrt());
        format!("√β(t) = {} + {} t", number(first), number(last - first))
    }
}

const BETA_MIN: Parameter = Parameter::number("beta_min", 0.85, Rates::LIMITS[0], Rates::LIMITS[1])
    .usual(Rates::LIMITS[0], Rates::LIMITS[1], Scale::Linear(4))
    .named("β_min", "β_min", "Noise rate β(0): a thousand times beta_start of a table of 1000 steps");
const BETA_MAX: Parameter = Parameter::number("beta_max", 12.0, Rates::LIMITS[0], Rates::LIMITS[1])
    .usual(Rates::LIMITS[0], Rates::LIMITS[1], Scale::Linear(4))
    .named("β_max", "β_max", "Noise rate β(1): a thousand times beta_end of a table of 1000 steps");

impl Facts for ScaledLinear {
    const ABOUT: FamilyAbout = FamilyAbout {
        about: About {
            slug: "scaled-linear",
            name: "Scaled",
            summary: "Scaled linear: VP with √β linear from √β_min to √β_max, as latent diffusion has it",
            source: "Rombach et al. 2022",
            parameters: &[&BETA_MIN, &BETA_MAX, &ZERO_SNR],
        },
        range: Range::Symmetric,
        colours: [0x4fc8d6, 0x00707c],
        drift: "−½ β x ",
        diffusion: ["β", "√β"],
        corrector_scale: "α_i ",
        steps: STEPS,
    };

    fn with(settings: &Settings) -> Result<Self, FamilyError> {
        ScaledLinear::set(settings)
    }
}

preserving!(ScaledLinear);
