use super::{
    Facts, Family, FamilyAbout, FamilyError, Increment, LabelConvention, Level, Range, Sde, Step, StepTexts,
    Transition, bisect_time,
};
use crate::registry::{About, Parameter, Scale, Settings, number, term};
use serde::{Deserialize, Serialize};

/// The variance-preserving SDE: β(t) linear from β_min to β_max,
/// α(t) = exp(−½∫β), σ² = 1 − α² (Song et al. 2021, eq. 11 and appendix C).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct Vp {
    beta_min: f64,
    beta_max: f64,
}

#[derive(Deserialize)]
struct Parameters {
    beta_min: f64,
    beta_max: f64,
}

impl TryFrom<Parameters> for Vp {
    type Error = FamilyError;
    fn try_from(p: Parameters) -> Result<Self, Self::Error> {
        Vp::new(p.beta_min, p.beta_max)
    }
}

impl Default for Vp {
    /// As published: 0.1 to 20.
    fn default() -> Self {
        Vp { beta_min: 0.1, beta_max: 20.0 }
    }
}

/// α(t) as text.
pub(super) const ALPHA: &str = "α(t) = exp(−½ ∫_0^t β(u) du)";

impl Vp {
    /// The least and the most that β may be, as the command line and the window offer them.
    pub const LIMITS: [f64; 2] = [0.0, 1_000.0];

    /// A noise rate that grows linearly from `beta_min` to `beta_max`.
    ///
    /// # Errors
    /// Unless `beta_min` < `beta_max`, both within [`Vp::LIMITS`].
    pub fn new(beta_min: f64, beta_max: f64) -> Result<Self, FamilyError> {
        if !(beta_min >= 0.0 && beta_min < beta_max && beta_max.is_finite()) {
            return Err(FamilyError::Beta { min: beta_min, max: beta_max });
        }
        FamilyError::extreme("β_max", beta_max, Vp::LIMITS)?;
        Ok(Vp { beta_min, beta_max })
    }

    /// β_min.
    pub fn beta_min(&self) -> f64 {
        self.beta_min
    }

    /// β_max.
    pub fn beta_max(&self) -> f64 {
        self.beta_max
    }

    /// β(t) as text.
    pub(super) fn rate(&self) -> String {
        format!("β(t) = {} + {} t", number(self.beta_min), number(self.beta_max - self.beta_min))
    }

    /// ∫₀ᵗ β.
    pub(super) fn beta_integral(&self, t: f64) -> f64 {
        self.beta_min * t + 0.5 * (self.beta_max - self.beta_min) * t * t
    }

    /// β_i of the published table of `n` levels, divided by n; below 1 so that DDPM's kernel exists.
    pub(super) fn table_beta(&self, step: &Step, n: usize) -> f64 {
        let place = step.table_index(n) as f64 / (n.max(2) - 1) as f64;
        let beta = self.beta_min + place * (self.beta_max - self.beta_min);
        (beta / n as f64).min(0.999)
    }
}

pub(super) const BETA_MIN: Parameter = Parameter::number("beta_min", 0.1, Vp::LIMITS[0], Vp::LIMITS[1])
    .usual(Vp::LIMITS[0], Vp::LIMITS[1], Scale::Linear(4))
    .named("β_min", "β_min", "Noise rate β(0)");
pub(super) const BETA_MAX: Parameter = Parameter::number("beta_max", 20.0, Vp::LIMITS[0], Vp::LIMITS[1])
    .usual(Vp::LIMITS[0], Vp::LIMITS[1], Scale::Linear(4))
    .named("β_max", "β_max", "Noise rate β(1)");

impl Facts for Vp {
    const ABOUT: FamilyAbout = FamilyAbout {
        about: About {
            slug: "vp",
            name: "VP",
            summary: "Variance preserving: x(t) = α(t) x(0) + √(1 − α²) z, β linear from β_min to β_max",
            source: "",
            parameters: &[&BETA_MIN, &BETA_MAX],
        },
        range: Range::Symmetric,
        colours: [0x5fb0f5, 0x0a62a9],
        drift: "−½ β x ",
        diffusion: ["β", "√β"],
        corrector_scale: "α_i ",
        steps: StepTexts {
            reverse_diffusion: "x ← (2 − √(1 − β_i)) x + β_i s + √β_i z",
            ancestral: "x ← (x + β_i s) / √(1 − β_i) + √β_i z",
            probability_flow: "x ← (2 − √(1 − β_i)) x + ½ β_i s",
        },
    };

    fn with(settings: &Settings) -> Result<Self, FamilyError> {
        Vp::new(settings.number(&BETA_MIN), settings.number(&BETA_MAX))
    }
}

impl Sde for Vp {
    fn family(&self) -> Family {
        Family::Vp(*self)
    }

    fn settings(&self) -> Settings {
        Settings::of([(&BETA_MIN, self.beta_min), (&BETA_MAX, self.beta_max)])
    }

    fn forward(&self) -> Vec<String> {
        vec![
            format!("dx = {} + {}", term("drift", "−½ β(t) x dt"), term("noise", "√β(t) dw")),
            self.rate(),
            ALPHA.into(),
            "x(t) = α(t) x(0) + σ(t) z,  σ(t) = √(1 − α(t)²)".into(),
        ]
    }

    fn alpha(&self, t: f64) -> f64 {
        (-0.5 * self.beta_integral(t)).exp()
    }

    fn sigma(&self, t: f64) -> f64 {
        (-(-self.beta_integral(t)).exp_m1()).sqrt()
    }

    fn drift(&self, t: f64) -> f64 {
        -0.5 * self.beta(t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        self.beta(t).sqrt()
    }

    fn prior_std(&self) -> f64 {
        1.0
    }

    fn time_of_ratio(&self, ratio: f64) -> f64 {
        bisect_time(ratio, |t| self.level(t).ratio())
    }

    fn at_ratio(&self, ratio: f64) -> Level {
        let whole = ratio.hypot(1.0);
        Level::new(1.0 / whole, ratio / whole)
    }

    /// DDPM's: ᾱ is the running product of 1 − β_i/N.
    fn table_ratio(&self, index: usize, levels: usize) -> f64 {
        let last = (levels.max(2) - 1) as f64;
        let rate = |i: usize| (self.beta(i as f64 / last) / levels as f64).min(0.999);
        let log: f64 = (0..=index).map(|i| (-rate(i)).ln_1p()).sum();
        (-log).exp_m1().sqrt()
    }

    fn epsilon(&self) -> f64 {
        1e-3
    }

    fn increment(&self, step: &Step) -> Increment {
        // DDPM's discretisation: x_{i+1} = √(1−β_i)·x_i + √β_i·z.
        let beta = match step.table {
            Some(n) => self.table_beta(step, n),
            None => 1.0 - (self.alpha(step.t) / self.target(step).alpha).powi(2),
        };
        Increment { f: (1.0 - beta).sqrt() - 1.0, g: beta.sqrt() }
    }

    fn transition(&self, step: &Step) -> Transition {
        match step.table {
            // Of DDPM's two choices of noise, the published sampler takes the larger, √β_i.
            Some(n) => {
                let beta = self.table_beta(step, n);
                Transition { scale: (1.0 - beta).sqrt(), std: beta.sqrt(), posterior_std: beta.sqrt() }
            }
            None => Transition::exact(self.target(step), self.level(step.t)),
        }
    }

    fn corrector_scale(&self, step: &Step) -> f64 {
        match step.table {
            Some(n) => 1.0 - self.table_beta(step, n),
            None => (self.alpha(step.t) / self.target(step).alpha).powi(2),
        }
    }

    fn beta(&self, t: f64) -> f64 {
        self.beta_min + t * (self.beta_max - self.beta_min)
    }

    fn label_convention(&self, continuous: bool) -> LabelConvention {
        if continuous { LabelConvention::Time } else { LabelConvention::DdpmIndex }
    }
}
