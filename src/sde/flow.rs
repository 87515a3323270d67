use super::{
    Facts, Family, FamilyAbout, FamilyError, Increment, LabelConvention, Level, Range, Sde, Step, StepTexts, straight,
};
use crate::registry::{About, Parameter, Scale, Settings, number, term};
use serde::{Deserialize, Serialize};

/// The straight path of flow matching and rectified flow: x = (1 − τ)·x(0) + τ·z (Lipman et al. 2023; Liu et al. 2023),
/// with τ = s·t/(1 + (s − 1)·t), which spends more of the time on noise where the shift s is above 1 (Esser et al. 2024,
/// section 5.3.2). Its flow has the velocity z − x(0); its SDE, with the same marginals, has no bound where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct Flow {
    shift: f64,
}

#[derive(Deserialize)]
struct Parameters {
    shift: f64,
}

impl TryFrom<Parameters> for Flow {
    type Error = FamilyError;
    fn try_from(p: Parameters) -> Result<Self, Self::Error> {
        Flow::new(p.shift)
    }
}

impl Default for Flow {
    fn default() -> Self {
        Flow { shift: 1.0 }
    }
}

/// The least α: x(T) is noise alone within a ten-thousandth, σ/α a number, and x̂(0) = (x + σ²·score)/α good in single
/// precision.
const LEAST_ALPHA: f64 = 1.0 / 16384.0;

impl Flow {
    /// The least and the most that the shift may be.
    pub const LIMITS: [f64; 2] = [0.01, 100.0];

    /// The path with this shift.
    ///
    /// # Errors
    /// Unless the shift is within [`Flow::LIMITS`].
    pub fn new(shift: f64) -> Result<Self, FamilyError> {
        FamilyError::extreme("shift", shift, Flow::LIMITS)?;
        Ok(Flow { shift })
    }

    /// s.
    pub fn shift(&self) -> f64 {
        self.shift
    }

    /// How far time is stretched: τ = s·t/stretch.
    fn stretch(&self, t: f64) -> f64 {
        1.0 + (self.shift - 1.0) * t
    }

    /// dτ/dt over α: where α has come to its least, nothing moves.
    fn rate(&self, t: f64) -> f64 {
        let alpha = self.alpha(t);
        if alpha > LEAST_ALPHA { self.shift / self.stretch(t).powi(2) / alpha } else { 0.0 }
    }
}

const SHIFT: Parameter = Parameter::number("shift", 1.0, Flow::LIMITS[0], Flow::LIMITS[1])
    .usual(0.5, 10.0, Scale::Logarithmic)
    .named("Shift", "s", "s: above 1, more of the time is spent on noise; 3 for Stable Diffusion 3");

impl Facts for Flow {
    const ABOUT: FamilyAbout = FamilyAbout {
        about: About {
            slug: "flow",
            name: "Flow",
            summary: "Flow matching, rectified flow: the straight path x(t) = (1 − t) x(0) + t z",
            source: "Lipman et al. 2023; Liu et al. 2023",
            parameters: &[&SHIFT],
        },
        range: Range::Symmetric,
        colours: [0xf283ac, 0xa92f62],
        drift: "−x / (1 − t) ",
        diffusion: ["2 t / (1 − t)", "√(2 t / (1 − t))"],
        corrector_scale: "α_i ",
        steps: StepTexts {
            reverse_diffusion: "x ← (1 − f) x + g² s + g z,  f, g of p(x | x₋)",
            ancestral: "x ∼ p(x₋ | x, x̂₀),  x̂₀ = (x + σ² s) / α",
            probability_flow: "x ← x − (ε̂ − x̂₀) Δt",
        },
    };

    fn with(settings: &Settings) -> Result<Self, FamilyError> {
        Flow::new(settings.number(&SHIFT))
    }
}

impl Sde for Flow {
    fn family(&self) -> Family {
        Family::Flow(*self)
    }

    fn settings(&self) -> Settings {
        Settings::of([(&SHIFT, self.shift)])
    }

    fn forward(&self) -> Vec<String> {
        let shift = number(self.shift);
        let mut lines = vec!["x(t) = (1 − τ) x(0) + τ z".into(), "dx/dt = (z − x(0)) dτ/dt".into()];
        lines.push(match self.shift == 1.0 {
            true => "τ = t".into(),
            false => format!("τ = {shift} t / (1 + {} t)", number(self.shift - 1.0)),
        });
        let (drift, noise) = (term("drift", "−x/(1 − τ) dτ"), term("noise", "√(2 τ/(1 − τ) dτ/dt) dw"));
        lines.push(format!("dx = {drift} + {noise}"));
        lines
    }

    fn alpha(&self, t: f64) -> f64 {
        ((1.0 - t) / self.stretch(t)).max(LEAST_ALPHA)
    }

    fn sigma(&self, t: f64) -> f64 {
        (self.shift * t / self.stretch(t)).min(1.0 - LEAST_ALPHA)
    }

    fn drift(&self, t: f64) -> f64 {
        -self.rate(t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        (2.0 * self.sigma(t) * self.rate(t)).sqrt()
    }

    fn prior_std(&self) -> f64 {
        1.0
    }

    fn time_of_ratio(&self, ratio: f64) -> f64 {
        if ratio >= self.level(1.0).ratio() {
            return 1.0;
        }
        // τ = ratio/(1 + ratio), and t = τ/(s − (s − 1)·τ).
        (ratio / (self.shift + ratio)).clamp(0.0, 1.0)
    }

    fn at_ratio(&self, ratio: f64) -> Level {
        let ratio = ratio.min(self.level(1.0).ratio());
        Level::new(1.0 / (1.0 + ratio), ratio / (1.0 + ratio))
    }

    fn epsilon(&self) -> f64 {
        1e-3
    }

    fn increment(&self, step: &Step) -> Increment {
        let exact = self.transition(step);
        Increment { f: exact.scale - 1.0, g: exact.std }
    }

    fn flow_increment(&self, step: &Step) -> [f64; 2] {
        straight(self, step)
    }

    fn corrector_scale(&self, step: &Step) -> f64 {
        (self.alpha(step.t) / self.target(step).alpha).powi(2)
    }

    fn beta(&self, t: f64) -> f64 {
        self.diffusion(t).powi(2)
    }

    fn label_convention(&self, _continuous: bool) -> LabelConvention {
        LabelConvention::FlowTime
    }
}
