//! Forward SDEs as paths x(t) = α(t)·x(0) + σ(t)·z (Song et al. 2021, section 3.4 and appendix B).
//!
//! A family answers α, σ, drift, diffusion, prior, and the inverses; nothing else in
//! the program knows which family it has. All scalars are `f64`; time runs from 0
//! (data) to 1 (noise).

mod cosine;
mod data;
mod flow;
mod label;
mod preserving;
mod scaled_linear;
mod sub_vp;
mod ve;
mod vp;

pub use cosine::Cosine;
pub use data::{Moments, Range, unit};
pub use flow::Flow;
pub use label::LabelConvention;
pub use scaled_linear::ScaledLinear;
pub use sub_vp::SubVp;
pub use ve::Ve;
pub use vp::Vp;

use crate::registry::{About, Settings};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The place of a noised sample on its path: x = alpha·x(0) + sigma·z, z standard normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Scale of the data, α(t) > 0.
    pub alpha: f64,
    /// Standard deviation of the noise, σ(t) ≥ 0.
    pub sigma: f64,
    /// The published table that the sample walks, if it walks one: it is then at the table's level of that time, and
    /// near α and σ.
    pub table: Option<Table>,
}

/// A published table of discrete noise levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Table {
    pub family: Family,
    /// N.
    pub levels: usize,
}

impl Level {
    /// The end of a run that denoises: the data themselves.
    pub const CLEAN: Level = Level::new(1.0, 0.0);

    /// α and σ on no table.
    pub const fn new(alpha: f64, sigma: f64) -> Level {
        Level { alpha, sigma, table: None }
    }

    /// σ/α, on which alone a denoiser truly depends.
    pub fn ratio(self) -> f64 {
        self.sigma / self.alpha
    }

    /// log α²/σ², the log signal-to-noise ratio.
    pub fn log_snr(self) -> f64 {
        2.0 * (self.alpha / self.sigma).ln()
    }

    /// λ = log α/σ, half the log signal-to-noise ratio.
    pub fn lambda(self) -> f64 {
        (self.alpha / self.sigma).ln()
    }

    /// Standard deviation of x where the data have standard deviation `data_std`.
    pub fn marginal_std(self, data_std: f64) -> f64 {
        (self.alpha * data_std).hypot(self.sigma)
    }
}

/// One discrete forward step x_{i+1} = x_i + f·x_i + g·z (Song et al. 2021, eq. 45).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Increment {
    /// Coefficient of x in the deterministic part.
    pub f: f64,
    /// Standard deviation of the noise that is added.
    pub g: f64,
}

/// One transition x_t = scale·x_s + std·z of the forward chain, and the noise that undoing it adds.
///
/// Whatever the family, Tweedie's formula gives the mean of x_s given x_t: (x_t + std²·∇log p(x_t))/scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// Coefficient of x_s, above 0.
    pub scale: f64,
    /// Standard deviation of x_t given x_s.
    pub std: f64,
    /// Standard deviation of the noise that the ancestral step adds to the mean of x_s.
    pub posterior_std: f64,
}

impl Transition {
    /// The transition of an affine path from the cleaner level `from` to `to`, undone by the exact
    /// posterior q(x_s | x_t, x(0)), whose variance is std²·σ_s²/σ_t² (Ho et al. 2020, eq. 7).
    pub fn exact(from: Level, to: Level) -> Self {
        let scale = to.alpha / from.alpha;
        let std = (to.sigma.powi(2) - (scale * from.sigma).powi(2)).max(0.0).sqrt();
        Transition { scale, std, posterior_std: std * from.sigma / to.sigma }
    }
}

/// One step of a time grid, from `t` down to `next`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Place in the whole grid, from 0 at the noise end. Addresses the step's noise.
    pub index: usize,
    /// Time at which the score is evaluated.
    pub t: f64,
    /// Time that the update arrives at; 0 for the last step.
    pub next: f64,
    /// On the published uniform grid, the number N of levels whose discrete tables
    /// the step reads, as score_sde does; `None` takes the increment from `t` and `next`.
    pub table: Option<usize>,
}

impl Step {
    /// The time that a plain Euler step covers: 1/N on the published grid, else `t` − `next`.
    pub fn dt(&self) -> f64 {
        self.table.map_or(self.t - self.next, |n| 1.0 / n as f64)
    }

    /// The published index of `t` in tables of `n` levels: ⌊t·(n−1)⌋.
    pub fn table_index(&self, n: usize) -> usize {
        // The published code computes this product in single precision.
        ((self.t as f32 * (n - 1) as f32) as usize).min(n - 1)
    }
}

/// An affine forward SDE dx = drift(t)·x dt + diffusion(t) dw.
pub trait Sde: Send + Sync + fmt::Debug {
    /// The family as a value.
    fn family(&self) -> Family;

    /// Which family this is: for what it says of itself, see [`FamilyKind::facts`].
    fn kind(&self) -> FamilyKind {
        self.family().kind()
    }

    /// The values of its parameters.
    fn settings(&self) -> Settings;

    /// The forward process with its parameters, a line each.
    fn forward(&self) -> Vec<String>;

    /// α(t), the coefficient of x(0) in the marginal mean.
    fn alpha(&self, t: f64) -> f64;

    /// σ(t), the marginal standard deviation given x(0).
    fn sigma(&self, t: f64) -> f64;

    /// α′(t)/α(t): the drift is this times x.
    fn drift(&self, t: f64) -> f64;

    /// g(t), the diffusion coefficient.
    fn diffusion(&self, t: f64) -> f64;

    /// Standard deviation of the prior p_T, a centred isotropic Gaussian.
    fn prior_std(&self) -> f64;

    /// The time in [0, 1] at which σ/α is nearest to `ratio`.
    fn time_of_ratio(&self, ratio: f64) -> f64;

    /// The point of the path, or of its continuation beyond both ends, where σ/α is `ratio` (0 or more, infinity where
    /// the path has it).
    fn at_ratio(&self, ratio: f64) -> Level {
        if ratio == 0.0 { Level::CLEAN } else { self.level(self.time_of_ratio(ratio)) }
    }

    /// σ/α of level `index` of the discrete table of `levels` that published training has, the least noise first.
    fn table_ratio(&self, index: usize, levels: usize) -> f64 {
        self.level(index as f64 / (levels.max(2) - 1) as f64).ratio()
    }

    /// The smallest time at which published samplers of this family stop.
    fn epsilon(&self) -> f64;

    /// The forward increment that `step` undoes: the published discretisation where the
    /// step reads tables, else the exact transition between its two times (sub-VP: Euler).
    fn increment(&self, step: &Step) -> Increment;

    /// The transition that an ancestral step undoes: the published chain where the step reads
    /// tables and one is published, else the exact one between the step's two levels.
    fn transition(&self, step: &Step) -> Transition {
        Transition::exact(self.target(step), self.level(step.t))
    }

    /// The step of the probability flow that goes with an increment, x ← (1 − a)·x + b·score: its two coefficients.
    fn flow_increment(&self, step: &Step) -> [f64; 2] {
        let Increment { f, g } = self.increment(step);
        [f, 0.5 * g * g]
    }

    /// The scale of step sizes that correctors use: α_i of the published tables
    /// (VP and sub-VP: 1 − β_i; VE: 1).
    fn corrector_scale(&self, step: &Step) -> f64;

    /// The instantaneous noise rate for display: β(t) for VP and sub-VP, dσ²/dt for VE.
    fn beta(&self, t: f64) -> f64;

    /// Which number published networks of this family are given for the noise level, where they were trained on
    /// continuous times or else on discrete ones.
    fn label_convention(&self, continuous: bool) -> LabelConvention;

    /// α and σ at `t`.
    fn level(&self, t: f64) -> Level {
        Level::new(self.alpha(t), self.sigma(t))
    }

    /// Log-density of the prior at a point of `dimensions` coordinates whose squares sum to `squares`, in nats.
    fn prior_log_density(&self, squares: f64, dimensions: usize) -> f64 {
        let variance = self.prior_std().powi(2);
        -0.5 * (dimensions as f64 * (2.0 * std::f64::consts::PI * variance).ln() + squares / variance)
    }

    /// Where a step begins, and the table that it walks.
    fn start(&self, step: &Step) -> Level {
        let table = step.table.map(|levels| Table { family: self.family(), levels });
        Level { table, ..self.level(step.t) }
    }

    /// Where a step's update ends: α and σ at its `next`, or clean data after the last step.
    fn target(&self, step: &Step) -> Level {
        if step.next > 0.0 { self.level(step.next) } else { Level::CLEAN }
    }
}

/// What a family says of itself besides its mathematics.
#[derive(Debug)]
pub struct FamilyAbout {
    pub about: About,
    /// The range of the data that runs in this family work in, as published.
    pub range: Range,
    /// Its colour on a dark and on a light ground, as 0xRRGGBB.
    pub colours: [u32; 2],
    /// The drift as text, with a trailing space; empty where there is none.
    pub drift: &'static str,
    /// g² and g as text.
    pub diffusion: [&'static str; 2],
    /// The scale of corrector steps as text, with a trailing space; empty: 1.
    pub corrector_scale: &'static str,
    /// One step of each discretisation as text.
    pub steps: StepTexts,
}

/// One step as text: x at the step's time to x at the next, written x₋ where it has an index.
#[derive(Debug)]
pub struct StepTexts {
    pub reverse_diffusion: &'static str,
    pub ancestral: &'static str,
    pub probability_flow: &'static str,
}

/// A family as a type: its facts, and how its parameters make one.
trait Facts: Sde + Sized {
    const ABOUT: FamilyAbout;

    /// # Errors
    /// If the values make no SDE.
    fn with(settings: &Settings) -> Result<Self, FamilyError>;

    /// The same process for data that are `factor` times as large: families whose noise has no units of its own stay.
    fn scaled(self, _factor: f64) -> Self {
        self
    }
}

/// The families. Each needs nothing but its file and its place in this list.
macro_rules! families {
    ($($family:ident),* $(,)?) => {
        /// The name of a family.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum FamilyKind {
            $($family),*
        }

        /// A family with its parameters: a value that can be saved and compared.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "family", rename_all = "kebab-case")]
        pub enum Family {
            $($family($family)),*
        }

        impl FamilyKind {
            /// All of them, in the order in which they are offered.
            pub const ALL: &'static [FamilyKind] = &[$(FamilyKind::$family),*];

            /// What the family says of itself.
            pub fn facts(self) -> &'static FamilyAbout {
                match self {
                    $(FamilyKind::$family => &const { <$family as Facts>::ABOUT }),*
                }
            }

            /// The family with these parameters.
            ///
            /// # Errors
            /// If they make no SDE.
            pub fn with(self, settings: &Settings) -> Result<Family, FamilyError> {
                match self {
                    $(FamilyKind::$family => <$family as Facts>::with(settings).map(Family::$family)),*
                }
            }

            /// The family with the parameters published for CIFAR-10.
            pub fn published(self) -> Family {
                match self {
                    $(FamilyKind::$family => Family::$family($family::default())),*
                }
            }
        }

        impl Family {
            /// The same process for data that are `factor` times as large (above 0): VE's σ grow with them.
            #[must_use]
            pub fn scaled(self, factor: f64) -> Family {
                match self {
                    $(Family::$family(sde) => Family::$family(Facts::scaled(sde, factor))),*
                }
            }

            /// Which family this is.
            pub fn kind(&self) -> FamilyKind {
                match self {
                    $(Family::$family(_) => FamilyKind::$family),*
                }
            }

            /// The family as an SDE.
            pub fn sde(&self) -> &dyn Sde {
                match self {
                    $(Family::$family(sde) => sde),*
                }
            }
        }
    };
}

families!(Ve, Vp, SubVp, Cosine, ScaledLinear, Flow);

impl FamilyKind {
    /// Names, summary, source, parameters.
    pub fn about(self) -> &'static About {
        &self.facts().about
    }

    /// The name people read: VE, VP, sub-VP.
    pub fn name(self) -> &'static str {
        self.about().name
    }
}

impl Family {
    /// What the family says of itself.
    pub fn facts(&self) -> &'static FamilyAbout {
        self.kind().facts()
    }
}

impl fmt::Display for FamilyKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A family parameter that makes no SDE.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FamilyError {
    #[error("σ_min is {min} and σ_max is {max}; choose 0 < σ_min < σ_max")]
    Sigma { min: f64, max: f64 },
    #[error("β_min is {min} and β_max is {max}; choose 0 ≤ β_min < β_max")]
    Beta { min: f64, max: f64 },
    #[error("{name} is {value:?}; choose {least:?} to {most:?}")]
    Extreme { name: &'static str, value: f64, least: f64, most: f64 },
}

impl FamilyError {
    /// Refuses a value beyond its limits.
    fn extreme(name: &'static str, value: f64, [least, most]: [f64; 2]) -> Result<(), FamilyError> {
        match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(FamilyError::Extreme { name, value, least, most }),
        }
    }
}

/// Euler's step of the probability flow along the straight line between the levels of a step, x ← (1 − a)·x + b·score,
/// as x̂(0) = (x + σ²·score)/α and ε̂ = −σ·score: its two coefficients.
fn straight(sde: &dyn Sde, step: &Step) -> [f64; 2] {
    let (from, to) = (sde.level(step.t), sde.target(step));
    let carry = to.alpha / from.alpha;
    [1.0 - carry, from.sigma * (carry * from.sigma - to.sigma)]
}

/// The time in [0, 1] at which the increasing function `ratio_at` reaches `ratio`, by bisection.
pub(crate) fn bisect_time(ratio: f64, ratio_at: impl Fn(f64) -> f64) -> f64 {
    if ratio >= ratio_at(1.0) {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if ratio_at(middle) < ratio { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
