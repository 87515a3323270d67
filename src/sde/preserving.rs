//! What all paths with α² + σ² = 1 have in common: a noise rate β(t) decides them (Song et al. 2021, eq. 11).

use super::{Facts, FamilyError, Level, Step};
use crate::registry::Parameter;
use serde::{Deserialize, Serialize};

/// ᾱ is nowhere below 2⁻²⁴, as in diffusers, so that σ/α is a number where a path ends in noise alone.
pub(super) const LEAST_ALPHA: f64 = 1.0 / 4096.0;

/// Whether α is moved so that it ends at 0 (Lin et al. 2024, algorithm 1).
pub(super) const ZERO_SNR: Parameter = Parameter::flag("zero_snr", false)
    .named("Zero SNR", "Zero SNR", "Zero SNR: α is moved and stretched so that x(T) is noise alone (Lin et al. 2024)")
    .optional();

/// A path with α² + σ² = 1.
pub(super) trait Preserving: Facts {
    /// β(t) before α is moved.
    fn rate(&self, t: f64) -> f64;

    /// ∫₀ᵗ β.
    fn integral(&self, t: f64) -> f64;

    /// Whether α is moved so that it ends at 0.
    fn ends_in_noise(&self) -> bool;

    /// β_i of the published table of `levels`, divided by their number, before α is moved.
    fn table_rate(&self, index: usize, levels: usize) -> f64 {
        (self.rate(index as f64 / (levels.max(2) - 1) as f64) / levels as f64).min(0.999)
    }

    /// β(t) or α(t) as text.
    fn rate_text(&self) -> String;

    /// α(t) as text, where [`Preserving::rate_text`] is β's.
    fn mean_text(&self) -> String {
        ALPHA.into()
    }

    /// 1 − α before it is moved.
    fn lost(&self, t: f64) -> f64 {
        -(-0.5 * self.integral(t)).exp_m1()
    }

    /// 1 − α.
    fn share_lost(&self, t: f64) -> f64 {
        (self.lost(t) / self.lost(1.0)).min(1.0 - LEAST_ALPHA)
    }

    /// α(t).
    fn preserved(&self, t: f64) -> f64 {
        match self.ends_in_noise() {
            true => 1.0 - self.share_lost(t),
            false => (-0.5 * self.integral(t)).exp(),
        }
    }

    /// σ(t).
    fn noise(&self, t: f64) -> f64 {
        if !self.ends_in_noise() {
            return (-(-self.integral(t)).exp_m1()).sqrt();
        }
        let lost = self.share_lost(t);
        (lost * (2.0 - lost)).sqrt()
    }

    /// −2 α′/α: 0 where α has come to its least.
    fn true_rate(&self, t: f64) -> f64 {
        if !self.ends_in_noise() {
            return self.rate(t);
        }
        let alpha = self.preserved(t);
        if alpha > LEAST_ALPHA { self.rate(t) * (1.0 - self.lost(t)) / (self.lost(1.0) * alpha) } else { 0.0 }
    }

    /// Whether the path ends in noise alone: the published step of the probability flow is then too long at its end.
    fn reaches_noise(&self) -> bool {
        self.ends_in_noise()
    }

    /// β of the level that a step reads in a table of `levels`.
    fn step_rate(&self, step: &Step, levels: usize) -> f64 {
        let index = step.table_index(levels);
        match self.ends_in_noise() {
            true => {
                let before = if index > 0 { self.table_alpha(index - 1, levels) } else { 1.0 };
                (1.0 - (self.table_alpha(index, levels) / before).powi(2)).clamp(0.0, 0.999)
            }
            false => self.table_rate(index, levels),
        }
    }

    /// √ᾱ of a level of DDPM's table: ᾱ is the running product of 1 − β_i.
    fn table_alpha(&self, index: usize, levels: usize) -> f64 {
        let root = |index: usize| (0.5 * self.table_log(index, levels)).exp();
        if !self.ends_in_noise() {
            return root(index);
        }
        let (first, last) = (root(0), root(levels.max(1) - 1));
        ((root(index) - last) * first / (first - last)).max(LEAST_ALPHA)
    }

    /// ln ᾱ before it is moved.
    fn table_log(&self, index: usize, levels: usize) -> f64 {
        (0..=index).map(|i| (-self.table_rate(i, levels)).ln_1p()).sum()
    }
}

/// The level with α² + σ² = 1 where σ/α is `ratio`.
pub(super) fn at_ratio(ratio: f64) -> Level {
    let whole = ratio.hypot(1.0);
    Level::new(1.0 / whole, ratio / whole)
}

/// α(t) as text.
pub(super) const ALPHA: &str = "α(t) = exp(−½ ∫_0^t β(u) du)";

/// β at both ends of a path, and whether α is moved so that it ends at 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub(super) struct Rates {
    pub beta_min: f64,
    pub beta_max: f64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub zero_snr: bool,
}

#[derive(Deserialize)]
struct Saved {
    beta_min: f64,
    beta_max: f64,
    #[serde(default)]
    zero_snr: bool,
}

impl TryFrom<Saved> for Rates {
    type Error = FamilyError;
    fn try_from(saved: Saved) -> Result<Self, Self::Error> {
        Ok(Rates { zero_snr: saved.zero_snr, ..Rates::new(saved.beta_min, saved.beta_max)? })
    }
}

impl Rates {
    /// The least and the most that β may be, as the command line and the window offer them.
    pub const LIMITS: [f64; 2] = [0.0, 1_000.0];

    /// # Errors
    /// Unless `beta_min` < `beta_max`, both within [`Rates::LIMITS`].
    pub fn new(beta_min: f64, beta_max: f64) -> Result<Self, FamilyError> {
        if !(beta_min >= 0.0 && beta_min < beta_max && beta_max.is_finite()) {
            return Err(FamilyError::Beta { min: beta_min, max: beta_max });
        }
        FamilyError::extreme("β_max", beta_max, Rates::LIMITS)?;
        Ok(Rates { beta_min, beta_max, zero_snr: false })
    }
}

/// What families of two rates have in common: all but how β grows from one to the other.
macro_rules! rated {
    ($family:ident, $beta_min:expr, $beta_max:expr) => {
        impl Default for $family {
            /// As published.
            fn default() -> Self {
                let usual = $crate::registry::Settings::default();
                let (beta_min, beta_max) = (usual.number($beta_min), usual.number($beta_max));
                $family { rates: $crate::sde::preserving::Rates { beta_min, beta_max, zero_snr: false } }
            }
        }

        impl $family {
            /// A noise rate that grows from `beta_min` to `beta_max`.
            ///
            /// # Errors
            /// Unless `beta_min` < `beta_max`, both from 0 to 1000.
            pub fn new(beta_min: f64, beta_max: f64) -> Result<Self, $crate::sde::FamilyError> {
                $crate::sde::preserving::Rates::new(beta_min, beta_max).map(|rates| $family { rates })
            }

            /// The same with α moved so that it ends at 0 (Lin et al. 2024, algorithm 1), or not.
            #[must_use]
            pub fn ending_in_noise(self, zero_snr: bool) -> Self {
                $family { rates: $crate::sde::preserving::Rates { zero_snr, ..self.rates } }
            }

            /// β_min.
            pub fn beta_min(&self) -> f64 {
                self.rates.beta_min
            }

            /// β_max.
            pub fn beta_max(&self) -> f64 {
                self.rates.beta_max
            }

            /// Whether α is moved so that it ends at 0.
            pub fn zero_snr(&self) -> bool {
                self.rates.zero_snr
            }

            fn values(&self) -> $crate::registry::Settings {
                $crate::registry::Settings::of::<$crate::registry::Value, 3>([
                    ($beta_min, self.rates.beta_min.into()),
                    ($beta_max, self.rates.beta_max.into()),
                    (&$crate::sde::preserving::ZERO_SNR, self.rates.zero_snr.into()),
                ])
            }

            /// The family with the rates that are set.
            fn set(settings: &$crate::registry::Settings) -> Result<Self, $crate::sde::FamilyError> {
                let rates = $family::new(settings.number($beta_min), settings.number($beta_max))?;
                Ok(rates.ending_in_noise(settings.flag(&$crate::sde::preserving::ZERO_SNR)))
            }
        }
    };
}
pub(super) use rated;

/// The SDE of a path with α² + σ² = 1.
macro_rules! preserving {
    ($family:ident) => {
        impl $crate::sde::Sde for $family {
            fn family(&self) -> $crate::sde::Family {
                $crate::sde::Family::$family(*self)
            }

            fn settings(&self) -> $crate::registry::Settings {
                self.values()
            }

            fn forward(&self) -> Vec<String> {
                use $crate::sde::preserving::Preserving;
                let moved = match self.ends_in_noise() {
                    true => "α ← (α(t) − α(1)) / (1 − α(1))",
                    false => "",
                };
                let (drift, noise) =
                    ($crate::registry::term("drift", "−½ β(t) x dt"), $crate::registry::term("noise", "√β(t) dw"));
                let lines = [format!("dx = {drift} + {noise}"), self.rate_text(), self.mean_text(), moved.into()];
                let lines = lines.into_iter().filter(|line: &String| !line.is_empty());
                lines.chain(["x(t) = α(t) x(0) + σ(t) z,  σ(t) = √(1 − α(t)²)".into()]).collect()
            }

            fn alpha(&self, t: f64) -> f64 {
                $crate::sde::preserving::Preserving::preserved(self, t)
            }

            fn sigma(&self, t: f64) -> f64 {
                $crate::sde::preserving::Preserving::noise(self, t)
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
                $crate::sde::bisect_time(ratio, |t| self.level(t).ratio())
            }

            fn at_ratio(&self, ratio: f64) -> $crate::sde::Level {
                $crate::sde::preserving::at_ratio(ratio)
            }

            /// DDPM's: ᾱ is the running product of 1 − β_i/N.
            fn table_ratio(&self, index: usize, levels: usize) -> f64 {
                use $crate::sde::preserving::Preserving;
                let log = match self.ends_in_noise() {
                    true => 2.0 * self.table_alpha(index, levels).ln(),
                    false => self.table_log(index, levels),
                };
                (-log).exp_m1().sqrt()
            }

            fn epsilon(&self) -> f64 {
                1e-3
            }

            fn increment(&self, step: &$crate::sde::Step) -> $crate::sde::Increment {
                use $crate::sde::preserving::Preserving;
                // DDPM's discretisation: x_{i+1} = √(1−β_i)·x_i + √β_i·z.
                let beta = match step.table {
                    Some(n) => self.step_rate(step, n),
                    None => 1.0 - (self.alpha(step.t) / self.target(step).alpha).powi(2),
                };
                $crate::sde::Increment { f: (1.0 - beta).sqrt() - 1.0, g: beta.sqrt() }
            }

            fn transition(&self, step: &$crate::sde::Step) -> $crate::sde::Transition {
                use $crate::sde::{Transition, preserving::Preserving};
                match step.table {
                    // Of DDPM's two choices of noise, the published sampler takes the larger, √β_i.
                    Some(n) => {
                        let beta = self.step_rate(step, n);
                        Transition { scale: (1.0 - beta).sqrt(), std: beta.sqrt(), posterior_std: beta.sqrt() }
                    }
                    None => Transition::exact(self.target(step), self.level(step.t)),
                }
            }

            fn flow_increment(&self, step: &$crate::sde::Step) -> [f64; 2] {
                if $crate::sde::preserving::Preserving::reaches_noise(self) {
                    return $crate::sde::straight(self, step);
                }
                let $crate::sde::Increment { f, g } = self.increment(step);
                [f, 0.5 * g * g]
            }

            fn corrector_scale(&self, step: &$crate::sde::Step) -> f64 {
                use $crate::sde::preserving::Preserving;
                match step.table {
                    Some(n) => 1.0 - self.step_rate(step, n),
                    None => (self.alpha(step.t) / self.target(step).alpha).powi(2),
                }
            }

            fn beta(&self, t: f64) -> f64 {
                $crate::sde::preserving::Preserving::true_rate(self, t)
            }

            fn label_convention(&self, continuous: bool) -> $crate::sde::LabelConvention {
                use $crate::sde::LabelConvention::{DdpmIndex, Time};
                if continuous { Time } else { DdpmIndex }
            }
        }
    };
}
pub(super) use preserving;
