use super::preserving::{Preserving, Rates, ZERO_SNR, preserving, rated};
use super::{Facts, FamilyAbout, FamilyError, Range, StepTexts};
use crate::registry::{About, Parameter, Scale, Settings, number};
use serde::{Deserialize, Serialize};

/// The variance-preserving SDE: β(t) linear from β_min to β_max,
/// α(t) = exp(−½∫β), σ² = 1 − α² (Song et al. 2021, eq. 11 and appendix C).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vp {
    rates: Rates,
}

rated!(Vp, &BETA_MIN, &BETA_MAX);

impl Preserving for Vp {
    fn rate(&self, t: f64) -> f64 {
        self.beta_min() + t * (self.beta_max() - self.beta_min())
    }

    fn integral(&self, t: f64) -> f64 {
        self.beta_min() * t + 0.5 * (self.beta_max() - self.beta_min()) * t * t
    }

    fn ends_in_noise(&self) -> bool {
        self.zero_snr()
    }

    fn rate_text(&self) -> String {
        format!("β(t) = {} + {} t", number(self.beta_min()), number(self.beta_max() - self.beta_min()))
    }
}

pub(super) const BETA_MIN: Parameter = Parameter::number("beta_min", 0.1, Rates::LIMITS[0], Rates::LIMITS[1])
    .usual(Rates::LIMITS[0], Rates::LIMITS[1], Scale::Linear(4))
    .named("β_min", "β_min", "Noise rate β(0)");
pub(super) const BETA_MAX: Parameter = Parameter::number("beta_max", 20.0, Rates::LIMITS[0], Rates::LIMITS[1])
    .usual(Rates::LIMITS[0], Rates::LIMITS[1], Scale::Linear(4))
    .named("β_max", "β_max", "Noise rate β(1)");

/// What families with α² + σ² = 1 have in common.
pub(super) const STEPS: StepTexts = StepTexts {
    reverse_diffusion: "x ← (2 − √(1 − β_i)) x + β_i s + √β_i z",
    ancestral: "x ← (x + β_i s) / √(1 − β_i) + √β_i z",
    probability_flow: "x ← (2 − √(1 − β_i)) x + ½ β_i s",
};

impl Facts for Vp {
    const ABOUT: FamilyAbout = FamilyAbout {
        about: About {
            slug: "vp",
            name: "VP",
            summary: "Variance preserving: x(t) = α(t) x(0) + √(1 − α²) z, β linear from β_min to β_max",
            source: "Song et al. 2021, eq. 11",
            parameters: &[&BETA_MIN, &BETA_MAX, &ZERO_SNR],
        },
        range: Range::Symmetric,
        colours: [0x5fb0f5, 0x0a62a9],
        drift: "−½ β x ",
        diffusion: ["β", "√β"],
        corrector_scale: "α_i ",
        steps: STEPS,
    };

    fn with(settings: &Settings) -> Result<Self, FamilyError> {
        Vp::set(settings)
    }
}

preserving!(Vp);
