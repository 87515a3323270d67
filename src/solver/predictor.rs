//! Predictors: one step of the reverse-time SDE, or of the probability-flow ODE.

use crate::Image;
use crate::registry::{Category, Entry, entry};
use crate::sde::{FamilyAbout, Increment, Sde, Step, Transition};

/// What one update returns.
#[derive(Clone, Debug)]
pub struct Update {
    /// The new state.
    pub next: Image,
    /// The new state without its last noise.
    pub mean: Image,
}

/// Which numerical step carries x from t to t_next.
pub trait Predictor: Entry {
    /// One step from `step.t` to `step.next`, given the score at `x`. `noise` is asked for only where
    /// the step has some, and answers standard normal noise of the shape of `x`.
    fn step(&self, sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &dyn Fn() -> Image) -> Update;

    /// Whether the step has no noise.
    fn is_deterministic(&self) -> bool {
        false
    }

    /// The rule of one step in a family.
    fn equation(&self, family: &FamilyAbout) -> &'static str;
}

/// The predictors, in the order in which they are offered.
impl Category for dyn Predictor {
    const NAME: &'static str = "predictor";

    fn all() -> &'static [&'static Self] {
        &[&EulerMaruyama, &ReverseDiffusion, &Ancestral, &ProbabilityFlow, &NoPredictor]
    }
}

entry! {
    /// Euler–Maruyama on the reverse SDE.
    EulerMaruyama {
        slug: "euler-maruyama",
        name: "Euler–Maruyama",
        summary: "Euler–Maruyama on the reverse SDE",
        source: "Song et al. 2021, eq. 6",
    }
}

impl Predictor for EulerMaruyama {
    fn step(&self, sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &dyn Fn() -> Image) -> Update {
        euler_maruyama(sde, x, step, score, &noise())
    }

    fn equation(&self, _family: &FamilyAbout) -> &'static str {
        "x ← x − [f(x, t) − g(t)² s] Δt + g(t) √Δt z"
    }
}

/// One reverse Euler–Maruyama step (Song et al. 2021, eq. 6 with dt < 0).
///
/// `x`, `score`, `noise`: N×C×H×W, the noise standard normal.
pub fn euler_maruyama(sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &Image) -> Update {
    let dt = step.dt();
    let (drift, g) = (sde.drift(step.t), sde.diffusion(step.t));
    let mean = x.clone() * (1.0 - drift * dt) + score.clone() * (g * g * dt);
    Update { next: mean.clone() + noise.clone() * (g * dt.sqrt()), mean }
}

entry! {
    /// The discretisation of the forward process, reversed.
    ReverseDiffusion {
        slug: "reverse-diffusion",
        name: "Reverse diffusion",
        summary: "The discretisation of the forward process, reversed",
        source: "Song et al. 2021, eq. 46",
    }
}

impl Predictor for ReverseDiffusion {
    fn step(&self, sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &dyn Fn() -> Image) -> Update {
        reverse_diffusion(sde, x, step, score, &noise())
    }

    fn equation(&self, family: &FamilyAbout) -> &'static str {
        family.steps.reverse_diffusion
    }
}

/// One reverse-diffusion step: the forward process' own f and G, reversed (Song et al. 2021, eq. 46).
///
/// `x`, `score`, `noise`: N×C×H×W, the noise standard normal.
pub fn reverse_diffusion(sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &Image) -> Update {
    let Increment { f, g } = sde.increment(step);
    let mean = x.clone() * (1.0 - f) + score.clone() * (g * g);
    Update { next: mean.clone() + noise.clone() * g, mean }
}

entry! {
    /// Sampling from the Gaussian posterior of the discrete chain.
    Ancestral {
        slug: "ancestral",
        name: "Ancestral",
        summary: "Sampling from the Gaussian posterior of the discrete chain",
        source: "Ho et al. 2020; Song et al. 2021, eq. 47",
    }
}

impl Predictor for Ancestral {
    fn step(&self, sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &dyn Fn() -> Image) -> Update {
        ancestral(sde, x, step, score, &noise())
    }

    fn equation(&self, family: &FamilyAbout) -> &'static str {
        family.steps.ancestral
    }
}

/// One ancestral step: a sample of the Gaussian posterior of the forward chain's transition
/// (VE: Song et al. 2021, eq. 47; VP: Ho et al. 2020, algorithm 2; sub-VP: its own kernel).
///
/// `x`, `score`, `noise`: N×C×H×W, the noise standard normal.
pub fn ancestral(sde: &dyn Sde, x: &Image, step: &Step, score: &Image, noise: &Image) -> Update {
    let Transition { scale, std, posterior_std } = sde.transition(step);
    let mean = x.clone() * (1.0 / scale) + score.clone() * (std * std / scale);
    Update { next: mean.clone() + noise.clone() * posterior_std, mean }
}

entry! {
    /// Reverse diffusion of the probability-flow ODE: no noise, half the score.
    ProbabilityFlow {
        slug: "probability-flow",
        name: "Probability flow",
        summary: "Reverse diffusion of the probability-flow ODE: no noise, half the score",
        source: "Song et al. 2021, eq. 13",
    }
}

impl Predictor for ProbabilityFlow {
    fn step(&self, sde: &dyn Sde, x: &Image, step: &Step, score: &Image, _noise: &dyn Fn() -> Image) -> Update {
        probability_flow(sde, x, step, score)
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn equation(&self, family: &FamilyAbout) -> &'static str {
        family.steps.probability_flow
    }
}

/// One step of the probability-flow ODE: reverse diffusion with half the score and no noise
/// (Song et al. 2021, eq. 13).
///
/// `x`, `score`: N×C×H×W.
pub fn probability_flow(sde: &dyn Sde, x: &Image, step: &Step, score: &Image) -> Update {
    let [f, half_square] = sde.flow_increment(step);
    let mean = x.clone() * (1.0 - f) + score.clone() * half_square;
    Update { next: mean.clone(), mean }
}

entry! {
    /// No predictor: only the corrector updates x.
    NoPredictor {
        slug: "none",
        name: "None",
        summary: "No predictor: only the corrector updates x",
    }
}

impl Predictor for NoPredictor {
    fn step(&self, _sde: &dyn Sde, x: &Image, _step: &Step, _score: &Image, _noise: &dyn Fn() -> Image) -> Update {
        Update { next: x.clone(), mean: x.clone() }
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn equation(&self, _family: &FamilyAbout) -> &'static str {
        ""
    }
}
