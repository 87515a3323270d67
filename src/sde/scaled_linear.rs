use super::preserving::{Preserving, ZERO_SNR, check_rates, preserving, zero_snr};
use super::vp::STEPS;
use super::{Facts, FamilyAbout, FamilyError, Range, Vp};
use crate::registry::{About, Parameter, Scale, Settings, Value, number};
use serde::{Deserialize, Serialize};

/// VP with √β linear from √β_min to √β_max: the schedule of latent diffusion (Rombach et al. 2022), whose tables of a
/// thousand steps have β_i = β/1000.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct ScaledLinear {
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

impl TryFrom<Parameters> for ScaledLinear {
    type Error = FamilyError;
    fn try_from(p: Parameters) -> Result<Self, Self::Error> {
        Ok(ScaledLinear::new(p.beta_min, p.beta_max)?.ending_in_noise(p.zero_snr))
    }
}

impl Default for ScaledLinear {
    /// As published for latent diffusion: 0.85 to 12.
    fn default() -> Self {
        ScaledLinear { beta_min: 0.85, beta_max: 12.0, zero_snr: false }
    }
}

impl ScaledLinear {
    /// A noise rate whose root grows linearly from that of `beta_min` to that of `beta_max`.
    ///
    /// # Errors
    /// Unless `beta_min` < `beta_max`, both within [`Vp::LIMITS`].
    pub fn new(beta_min: f64, beta_max: f64) -> Result<Self, FamilyError> {
        check_rates(beta_min, beta_max, Vp::LIMITS)?;
        Ok(ScaledLinear { beta_min, beta_max, zero_snr: false })
    }

    /// The same with α moved so that it ends at 0 (Lin et al. 2024, algorithm 1), or not.
    #[must_use]
    pub fn ending_in_noise(self, zero_snr: bool) -> Self {
        ScaledLinear { zero_snr, ..self }
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

impl Preserving for ScaledLinear {
    fn rate(&self, t: f64) -> f64 {
        let (first, last) = (self.beta_min.sqrt(), self.beta_max.sqrt());
        (first + t * (last - first)).powi(2)
    }

    fn integral(&self, t: f64) -> f64 {
        let (first, last) = (self.beta_min.sqrt(), self.beta_max.sqrt());
        let slope = last - first;
        t * (first * first + t * slope * (first + t * slope / 3.0))
    }

    fn ends_in_noise(&self) -> bool {
        self.zero_snr
    }

    fn rate_text(&self) -> String {
        let (first, last) = (self.beta_min.sqrt(), self.beta_max.sqrt());
        format!("√β(t) = {} + {} t", number(first), number(last - first))
    }
}

const BETA_MIN: Parameter = Parameter::number("beta_min", 0.85, Vp::LIMITS[0], Vp::LIMITS[1])
    .usual(Vp::LIMITS[0], Vp::LIMITS[1], Scale::Linear(4))
    .named("β_min", "β_min", "Noise rate β(0): a thousand times beta_start of a table of 1000 steps");
const BETA_MAX: Parameter = Parameter::number("beta_max", 12.0, Vp::LIMITS[0], Vp::LIMITS[1])
    .usual(Vp::LIMITS[0], Vp::LIMITS[1], Scale::Linear(4))
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
        let rates = ScaledLinear::new(settings.number(&BETA_MIN), settings.number(&BETA_MAX))?;
        Ok(rates.ending_in_noise(zero_snr(settings)))
    }
}

preserving!(ScaledLinear);
