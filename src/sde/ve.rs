use super::{
    Facts, Family, FamilyAbout, FamilyError, Increment, LabelConvention, Level, Range, Sde, Step, StepTexts, Transition,
};
use crate::registry::{About, Parameter, Scale, Settings, number, term};
use serde::{Deserialize, Serialize};

/// The variance-exploding SDE: α = 1, σ(t) = σ_min·(σ_max/σ_min)^t (Song et al. 2021, appendix C).
///
/// σ is in the units of the data range that the run works in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct Ve {
    sigma_min: f64,
    sigma_max: f64,
}

#[derive(Deserialize)]
struct Parameters {
    sigma_min: f64,
    sigma_max: f64,
}

impl TryFrom<Parameters> for Ve {
    type Error = FamilyError;
    fn try_from(p: Parameters) -> Result<Self, Self::Error> {
        Ve::new(p.sigma_min, p.sigma_max)
    }
}

impl Default for Ve {
    /// As published for CIFAR-10: 0.01 to 50.
    fn default() -> Self {
        Ve { sigma_min: 0.01, sigma_max: 50.0 }
    }
}

impl Ve {
    /// The least and the most that σ may be, so that single precision holds σ² with room for sums over a picture.
    pub const LIMITS: [f64; 2] = [1e-6, 1e6];

    /// A geometric sequence of noise from `sigma_min` to `sigma_max`.
    ///
    /// # Errors
    /// Unless `sigma_min` < `sigma_max`, both within [`Ve::LIMITS`].
    pub fn new(sigma_min: f64, sigma_max: f64) -> Result<Self, FamilyError> {
        if !(sigma_min > 0.0 && sigma_min < sigma_max && sigma_max.is_finite()) {
            return Err(FamilyError::Sigma { min: sigma_min, max: sigma_max });
        }
        FamilyError::extreme("σ_min", sigma_min, Ve::LIMITS)?;
        FamilyError::extreme("σ_max", sigma_max, Ve::LIMITS)?;
        Ok(Ve { sigma_min, sigma_max })
    }

    /// σ_min.
    pub fn sigma_min(&self) -> f64 {
        self.sigma_min
    }

    /// σ_max.
    pub fn sigma_max(&self) -> f64 {
        self.sigma_max
    }

    /// ln(σ_max/σ_min), the rate at which log σ grows.
    fn log_growth(&self) -> f64 {
        (self.sigma_max / self.sigma_min).ln()
    }

    /// Level `index` of `n` published discrete levels, smallest first.
    fn table(&self, index: usize, n: usize) -> f64 {
        self.sigma(index as f64 / (n.max(2) - 1) as f64)
    }
}

const SIGMA_MIN: Parameter = Parameter::number("sigma_min", 0.01, 0.0, 10_000.0)
    .usual(0.0, 10_000.0, Scale::Linear(4))
    .named("σ_min", "σ_min", "Smallest noise σ(0), in units of the data range [0, 1]");
const SIGMA_MAX: Parameter = Parameter::number("sigma_max", 50.0, 0.0, 10_000.0)
    .usual(0.0, 10_000.0, Scale::Linear(4))
    .named("σ_max", "σ_max", "Largest noise σ(1)");

impl Facts for Ve {
    const ABOUT: FamilyAbout = FamilyAbout {
        about: About {
            slug: "ve",
            name: "VE",
            summary: "Variance exploding: x(t) = x(0) + σ(t) z, σ geometric from σ_min to σ_max",
            source: "",
            parameters: &[&SIGMA_MIN, &SIGMA_MAX],
        },
        range: Range::Unit,
        colours: [0xf29f3d, 0xb05a00],
        drift: "",
        diffusion: ["dσ²/dt", "√(dσ²/dt)"],
        corrector_scale: "",
        steps: StepTexts {
            reverse_diffusion: "x ← x + (σ_i² − σ₋²) s + √(σ_i² − σ₋²) z",
            ancestral: "x ← x + (σ_i² − σ₋²) s + √(σ₋² (σ_i² − σ₋²) / σ_i²) z",
            probability_flow: "x ← x + ½ (σ_i² − σ₋²) s",
        },
    };

    fn with(settings: &Settings) -> Result<Self, FamilyError> {
        Ve::new(settings.number(&SIGMA_MIN), settings.number(&SIGMA_MAX))
    }

    fn scaled(self, factor: f64) -> Self {
        Ve { sigma_min: self.sigma_min * factor, sigma_max: self.sigma_max * factor }
    }
}

impl Sde for Ve {
    fn family(&self) -> Family {
        Family::Ve(*self)
    }

    fn settings(&self) -> Settings {
        Settings::of([(&SIGMA_MIN, self.sigma_min), (&SIGMA_MAX, self.sigma_max)])
    }

    fn forward(&self) -> Vec<String> {
        vec![
            format!("dx = {}", term("noise", "√(dσ²/dt) dw")),
            format!("σ(t) = {} · {}^t", number(self.sigma_min), number(self.sigma_max / self.sigma_min)),
            "x(t) = x(0) + σ(t) z".into(),
        ]
    }

    fn alpha(&self, _t: f64) -> f64 {
        1.0
    }

    fn sigma(&self, t: f64) -> f64 {
        self.sigma_min * (self.log_growth() * t).exp()
    }

    fn drift(&self, _t: f64) -> f64 {
        0.0
    }

    fn diffusion(&self, t: f64) -> f64 {
        self.sigma(t) * (2.0 * self.log_growth()).sqrt()
    }

    fn prior_std(&self) -> f64 {
        self.sigma_max
    }

    fn time_of_ratio(&self, ratio: f64) -> f64 {
        ((ratio / self.sigma_min).ln() / self.log_growth()).clamp(0.0, 1.0)
    }

    fn at_ratio(&self, ratio: f64) -> Level {
        Level::new(1.0, ratio)
    }

    fn epsilon(&self) -> f64 {
        1e-5
    }

    fn increment(&self, step: &Step) -> Increment {
        // SMLD's discretisation: G² = σ_i² − σ_{i−1}².
        Increment { f: 0.0, g: self.transition(step).std }
    }

    fn transition(&self, step: &Step) -> Transition {
        let (sigma, below) = match step.table {
            // There is no level below the first.
            Some(n) => match step.table_index(n) {
                0 => (self.table(0, n), 0.0),
                i => (self.table(i, n), self.table(i - 1, n)),
            },
            None => (self.sigma(step.t), self.target(step).sigma),
        };
        Transition::exact(Level::new(1.0, below), Level::new(1.0, sigma))
    }

    fn corrector_scale(&self, _step: &Step) -> f64 {
        1.0
    }

    fn beta(&self, t: f64) -> f64 {
        self.diffusion(t).powi(2)
    }

    fn label_convention(&self, continuous: bool) -> LabelConvention {
        if continuous { LabelConvention::Sigma } else { LabelConvention::SmldIndex }
    }
}
