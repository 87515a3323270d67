use super::preserving::{ALPHA, Preserving};
use super::vp::{BETA_MAX, BETA_MIN};
use super::{
    Facts, Family, FamilyAbout, FamilyError, Increment, LabelConvention, Level, Range, Sde, Step, StepTexts, Vp,
    bisect_time,
};
use crate::registry::{About, Settings, term};
use serde::{Deserialize, Serialize};

/// The sub-VP SDE: VP's drift and mean, with σ = 1 − α²,
/// g² = β·(1 − exp(−2∫β)) (Song et al. 2021, eq. 12 and appendix C).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubVp {
    path: Vp,
}

impl SubVp {
    /// A noise rate that grows linearly from `beta_min` to `beta_max`.
    ///
    /// # Errors
    /// Unless `beta_min` < `beta_max`, both from 0 to 1000.
    pub fn new(beta_min: f64, beta_max: f64) -> Result<Self, FamilyError> {
        Ok(SubVp { path: Vp::new(beta_min, beta_max)? })
    }

    /// β_min.
    pub fn beta_min(&self) -> f64 {
        self.path.beta_min()
    }

    /// β_max.
    pub fn beta_max(&self) -> f64 {
        self.path.beta_max()
    }
}

impl Facts for SubVp {
    const ABOUT: FamilyAbout = FamilyAbout {
        about: About {
            slug: "sub-vp",
            name: "sub-VP",
            summary: "sub-VP: α as in VP with less noise, σ(t) = 1 − α²",
            source: "",
            parameters: &[&BETA_MIN, &BETA_MAX],
        },
        range: Range::Symmetric,
        colours: [0x3fc48f, 0x00724f],
        drift: "−½ β x ",
        diffusion: ["β (1 − α⁴)", "√(β (1 − α⁴))"],
        corrector_scale: "α_i ",
        steps: StepTexts {
            reverse_diffusion: "x ← x − f(x, t) Δt + g(t)² Δt s + g(t) √Δt z",
            ancestral: "x ∼ p(x₋ | x, x̂₀),  x̂₀ = (x + σ² s) / α",
            probability_flow: "x ← x − f(x, t) Δt + ½ g(t)² Δt s",
        },
    };

    fn with(settings: &Settings) -> Result<Self, FamilyError> {
        SubVp::new(settings.number(&BETA_MIN), settings.number(&BETA_MAX))
    }
}

impl Sde for SubVp {
    fn family(&self) -> Family {
        Family::SubVp(*self)
    }

    fn settings(&self) -> Settings {
        Settings::of([(&BETA_MIN, self.beta_min()), (&BETA_MAX, self.beta_max())])
    }

    fn forward(&self) -> Vec<String> {
        vec![
            format!("dx = {} + {}", term("drift", "−½ β(t) x dt"), term("noise", "√(β(t) (1 − α(t)⁴)) dw")),
            self.path.rate_text(),
            ALPHA.into(),
            "x(t) = α(t) x(0) + σ(t) z,  σ(t) = 1 − α(t)²".into(),
        ]
    }

    fn alpha(&self, t: f64) -> f64 {
        self.path.alpha(t)
    }

    fn sigma(&self, t: f64) -> f64 {
        -(-self.path.integral(t)).exp_m1()
    }

    fn drift(&self, t: f64) -> f64 {
        self.path.drift(t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        let discount = -(-2.0 * self.path.integral(t)).exp_m1();
        (self.beta(t) * discount).sqrt()
    }

    fn prior_std(&self) -> f64 {
        1.0
    }

    fn time_of_ratio(&self, ratio: f64) -> f64 {
        bisect_time(ratio, |t| self.level(t).ratio())
    }

    /// α² + α·σ/α = 1.
    fn at_ratio(&self, ratio: f64) -> Level {
        let alpha = 2.0 / (ratio + ratio.hypot(2.0));
        Level::new(alpha, alpha * ratio)
    }

    fn epsilon(&self) -> f64 {
        1e-3
    }

    fn increment(&self, step: &Step) -> Increment {
        // The published code has no special kernel here: plain Euler–Maruyama.
        let dt = step.dt();
        Increment { f: self.drift(step.t) * dt, g: self.diffusion(step.t) * dt.sqrt() }
    }

    fn corrector_scale(&self, step: &Step) -> f64 {
        self.path.corrector_scale(step)
    }

    fn beta(&self, t: f64) -> f64 {
        self.path.beta(t)
    }

    fn label_convention(&self, _continuous: bool) -> LabelConvention {
        // No discrete form is published.
        LabelConvention::Time
    }
}
