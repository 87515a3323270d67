//! Predictors: one step of the reverse-time SDE, or of the probability-flow ODE.

use super::Evaluation;
use crate::Image;
use crate::network::Sum;
use crate::registry::{Category, Entry, entry};
use crate::sde::{FamilyAbout, Increment, Sde, Step, Transition};

/// One update of the state: x ← `x`·x + `score`·∇ log p + `noise`·z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    pub x: f64,
    pub score: f64,
    pub noise: f64,
}

impl Update {
    /// The new state without its noise.
    pub fn mean<'a>(&self, Evaluation { x, score }: &'a Evaluation) -> Sum<'a> {
        Sum::of(self.x, x).plus(self.score, score)
    }

    /// The new state with standard normal noise, N×C×H×W.
    pub fn next(&self, at: &Evaluation, z: &Image) -> Image {
        self.mean(at).plus(self.noise, z).tensor()
    }
}

/// Which numerical step carries x from t to t_next.
pub trait Predictor: Entry {
    /// One step from `step.t` to `step.next`.
    fn step(&self, sde: &dyn Sde, step: &Step) -> Update;

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
    fn step(&self, sde: &dyn Sde, step: &Step) -> Update {
        let dt = step.dt();
        let (drift, g) = (sde.drift(step.t), sde.diffusion(step.t));
        Update { x: 1.0 - drift * dt, score: g * g * dt, noise: g * dt.sqrt() }
    }

    fn equation(&self, _family: &FamilyAbout) -> &'static str {
        "x ← x − [f(x, t) − g(t)² s] Δt + g(t) √Δt z"
    }
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
    /// The forward process' own f and G, reversed.
    fn step(&self, sde: &dyn Sde, step: &Step) -> Update {
        let Increment { f, g } = sde.increment(step);
        Update { x: 1.0 - f, score: g * g, noise: g }
    }

    fn equation(&self, family: &FamilyAbout) -> &'static str {
        family.steps.reverse_diffusion
    }
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
    /// A sample of the Gaussian posterior of the forward chain's transition (VE: Song et al. 2021, eq. 47; VP: Ho et al.
    /// 2020, algorithm 2; sub-VP: its own kernel).
    fn step(&self, sde: &dyn Sde, step: &Step) -> Update {
        let Transition { scale, std, posterior_std } = sde.transition(step);
        Update { x: 1.0 / scale, score: std * std / scale, noise: posterior_std }
    }

    fn equation(&self, family: &FamilyAbout) -> &'static str {
        family.steps.ancestral
    }
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
    fn step(&self, sde: &dyn Sde, step: &Step) -> Update {
        let [f, half_square] = sde.flow_increment(step);
        Update { x: 1.0 - f, score: half_square, noise: 0.0 }
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn equation(&self, family: &FamilyAbout) -> &'static str {
        family.steps.probability_flow
    }
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
    fn step(&self, _sde: &dyn Sde, _step: &Step) -> Update {
        Update { x: 1.0, score: 0.0, noise: 0.0 }
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn equation(&self, _family: &FamilyAbout) -> &'static str {
        ""
    }
}
