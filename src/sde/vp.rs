use super::preserving::{Preserving, ZERO_SNR, check_rates, preserving, zero_snr};
use super::{Facts, FamilyAbout, FamilyError, Range, StepTexts};
use crate::registry::{About, Parameter, Scale, Settings, Value, number};
use serde::{Deserialize, Serialize};

/// The variance-preserving SDE: β(t) linear from β_min to β_max,
/// α(t) = exp(−½∫β), σ² = 1 − α² (Song et al. 2021, eq. 11 and appendix C).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct Vp {
    beta_min: f64,
    beta_max: f64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    zero_snr: bool,
}

#[derive(Deserialize)]
struct Parameters {
    beta_min: f64,
    beta_max: f64,
    #[serde(default)]
    zero_snr: bool,
}

impl TryFrom<Parameters> for Vp {
    type Error = FamilyError;
    fn try_from(p: Parameters) -> Result<Self, Self::Error> {
        Ok(Vp::new(p.beta_min, p.beta_max)?.ending_in_noise(p.zero_snr))
    }
}

impl Default for Vp {
    /// As published: 0.1 to 20.
    fn default() -> Self {
        Vp { beta_min: 0.1, beta_max: 20.0, zero_snr: false }
    }
}

impl Vp {
    /// The least and the most that β may be, as the command line and the window offer them.
    pub const LIMITS: [f64; 2] = [0.0, 1_000.0];

    /// A noise rate that grows linearly from `beta_min` to `beta_max`.
    ///
    /// # Errors
    /// Unless `beta_min` < `beta_max`, both within [`Vp::LIMITS`].
    pub fn new(beta_min: f64, beta_max: f64) -> Result<Self, FamilyError> {
        check_rates(beta_min, beta_max, Vp::LIMITS)?;
        Ok(Vp { beta_min, beta_max, zero_snr: false })
    }

    /// The same with α moved so that it ends at 0 (Lin et al. 2024, algorithm 1), or not.
    #[must_use]
    pub fn ending_in_noise(self, zero_snr: bool) -> Self {
        Vp { zero_snr, ..self }
    }

    /// β_min.
    pub fn beta_min(&self) -> f64 {
        self.beta_min
    }

    /// β_max.
    pub fn beta_max(&self) -> f64 {
        self.beta_max
    }

    /// Whether α is moved so that it ends at 0.
    pub fn zero_snr(&self) -> bool {
        self.zero_snr
    }

    fn values(&self) -> Settings {
        Settings::of::<Value, 3>([
            (&BETA_MIN, self.beta_min.into()),
            (&BETA_MAX, self.beta_max.into()),
            (&ZERO_SNR, self.zero_snr.into()),
        ])
    }
}

impl Preserving for Vp {
    fn rate(&self, t: f64) -> f64 {
        self.beta_min + t * (self.beta_max - self.beta_min)
    }

    fn integral(&self, t: f64) -> f64 {
        self.beta_min * t + 0.5 * (self.beta_max - self.beta_min) * t * t
    }

    fn ends_in_noise(&self) -> bool {
        self.zero_snr
    }

    fn rate_text(&self) -> String {
        format!("β(t) = {} + {} t", number(self.beta_min), number(self.beta_max - self.beta_min))
    }
}

pub(super) const BETA_MIN: Parameter = Parameter::number("beta_min", 0.1, Vp::LIMITS[0], Vp::LIMITS[1])
    .usual(Vp::LIMITS[0], Vp::LIMITS[1], Scale::Linear(4))
    .named("β_min", "β_min", "Noise rate β(0)");
pub(super) const BETA_MAX: Parameter = Parameter::number("beta_max", 20.0, Vp::LIMITS[0], Vp::LIMITS[1])
    .usual(Vp::LIMITS[0], Vp::LIMITS[1], Scale::Linear(4))
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
        let rates = Vp::new(settings.number(&BETA_MIN), settings.number(&BETA_MAX))?;
        Ok(rates.ending_in_noise(zero_snr(settings)))
    }
}

preserving!(Vp);
