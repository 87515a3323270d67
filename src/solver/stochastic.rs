//! Noise of one's own: added before a step (churn), or after one that went too far (ancestral).

use super::{Process, Purpose};
use crate::Image;
use crate::network::Sum;
use crate::registry::{Parameter, Scale, Settings};
use crate::sde::{Level, Sde, Step};

/// How much noise is renewed in a whole run.
pub const CHURN: Parameter = churn(0.0);

pub(super) const fn churn(usual: f64) -> Parameter {
    Parameter::number("churn", usual, 0.0, 10_000.0)
        .usual(0.0, 100.0, Scale::Linear(1))
        .named("Churn", "Churn S", "S_churn: noise renewed over the whole run; γ = min(S_churn/N, √2 − 1) in each step")
        .optional()
}

/// The least σ/α at which noise is renewed.
pub const CHURN_MIN: Parameter = Parameter::number("churn_min", 0.0, 0.0, 1e9)
    .usual(0.0, 1.0, Scale::Linear(2))
    .named("Churn from", "S_min", "S_min: smallest σ/α at which noise is renewed")
    .rare();

/// The largest σ/α at which noise is renewed.
pub const CHURN_MAX: Parameter = Parameter::number("churn_max", 1e9, 0.0, 1e9)
    .usual(1.0, 1e9, Scale::Logarithmic)
    .named("Churn to", "S_max", "S_max: largest σ/α at which noise is renewed")
    .rare();

/// The standard deviation of new noise.
pub const CHURN_NOISE: Parameter = Parameter::number("churn_noise", 1.0, 0.0, 2.0)
    .usual(0.9, 1.1, Scale::Linear(3))
    .named("Churn noise", "S_noise", "S_noise: standard deviation of the renewed noise; slightly above 1 keeps detail")
    .rare();

/// How much of the noise of the reverse SDE a step has.
pub const ETA: Parameter = eta(0.0);

/// [`ETA`] with another usual value.
pub(super) const fn eta(usual: f64) -> Parameter {
    Parameter::number("eta", usual, 0.0, 1e9)
        .usual(0.0, 1.0, Scale::Linear(2))
        .named("Eta", "η", "η: noise of each step; 0 is deterministic, 1 that of the reverse SDE")
        .optional()
}

/// γ is never above this: the noise of a state is never more than doubled in variance.
const MOST: f64 = std::f64::consts::SQRT_2 - 1.0;

/// The state that a step starts from, and its level: with new noise up to (1 + γ) times its σ/α (Karras et al. 2022,
/// algorithm 2). γ = S_churn/N of the process' N steps.
pub(super) fn churned(settings: &Settings, churn: f64, process: &Process<'_>, step: &Step, x: Image) -> (Image, Level) {
    let gamma = (churn / process.steps.len() as f64).min(MOST);
    let z = || process.noise.normal(step.index, Purpose::Ascent);
    raised(settings, process.sde, process.sde.level(step.t), x, gamma, &z)
}

/// A state raised by the factor 1 + γ in σ/α, within the bounds that are set.
pub(super) fn raised(
    settings: &Settings,
    sde: &dyn Sde,
    level: Level,
    x: Image,
    gamma: f64,
    z: &dyn Fn() -> Image,
) -> (Image, Level) {
    let ratio = level.ratio();
    let within = (settings.number(&CHURN_MIN)..=settings.number(&CHURN_MAX)).contains(&ratio);
    if gamma == 0.0 || !within {
        return (x, level);
    }
    let up = sde.at_ratio(ratio * (1.0 + gamma));
    let added = ratio * ((1.0 + gamma).powi(2) - 1.0).sqrt() * settings.number(&CHURN_NOISE);
    (Sum::of(up.alpha / level.alpha, &x).plus(up.alpha * added, &z()).tensor(), up)
}

/// An ancestral step: without noise to less than the target's, and up to the target's by new noise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detour {
    /// Where the deterministic part arrives.
    pub down: Level,
    /// What brings a state from there to the target's α.
    pub scale: f64,
    /// Standard deviation of the new noise.
    pub up: f64,
}

impl Detour {
    /// Between two levels, with η times the standard deviation of the noise of the exact posterior q(x_s | x_t, x(0)):
    /// in ρ = σ/α, up = min(ρ′, η·ρ′·√(ρ² − ρ′²)/ρ) and down = √(ρ′² − up²). DDIM's η, and k-diffusion's.
    pub(super) fn new(sde: &dyn Sde, from: Level, to: Level, eta: f64) -> Self {
        Detour::above(sde, from, to, eta, 0.0)
    }

    /// The same, but down to no less than σ/α = `least`, which is at most that of `to`.
    pub(super) fn above(sde: &dyn Sde, from: Level, to: Level, eta: f64, least: f64) -> Self {
        let (rho, next) = (from.ratio(), to.ratio());
        let posterior = if eta > 0.0 { eta * next * (1.0 - (next / rho).powi(2)).max(0.0).sqrt() } else { 0.0 };
        let lowest = (next * next - posterior.min(next).powi(2)).max(0.0).sqrt().max(least.min(next));
        let up = (next * next - lowest * lowest).max(0.0).sqrt();
        if up == 0.0 {
            return Detour { down: to, scale: 1.0, up };
        }
        let down = sde.at_ratio(lowest);
        Detour { down, scale: to.alpha / down.alpha, up: to.alpha * up }
    }

    /// The target's state, from that of [`Detour::down`].
    pub(super) fn arrive(&self, x: Sum<'_>, z: &dyn Fn() -> Image) -> Image {
        if self.up > 0.0 { x.times(self.scale).plus(self.up, &z()).tensor() } else { x.tensor() }
    }
}
