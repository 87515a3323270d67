use super::{Method, Posterior, Recipe, Walk};
use crate::Image;
use crate::registry::{Choice, Parameter, Scale, Settings, entry};
use crate::score::{Condition, ScoreError, ScoreModel, through_denoiser};
use crate::sde::Level;
use crate::solver::{Ancestral, Arrival, Constraint, Edm, Stage};
use std::cell::RefCell;

/// ζ: 3 suits some 50 steps. (Published are 0.3 to 1, for 1000.)
pub const ZETA: Parameter = Parameter::number("zeta", 3.0, 0.0, 100.0)
    .usual(0.0, 10.0, Scale::Linear(2))
    .named("Guidance weight", "Weight ζ", "Guidance weight ζ: how far each update follows the gradient")
    .optional();

entry! {
    /// DPS: each update descends ‖y − A·x̂(0)‖.
    Dps {
        slug: "dps",
        name: "DPS",
        summary: "Each update follows the gradient of ‖y − A x̂₀‖. Needs gradients through the model, \
                  which takes two to three times as long",
        source: "Chung et al. 2023",
        parameters: [&ZETA],
    }
}

impl Method for Dps {
    fn is_differentiated(&self) -> bool {
        true
    }

    fn recipe(&self) -> Recipe {
        Recipe { solver: Recipe::predictor(&Ancestral), grid: Choice::new(&Edm), steps: 50, resampling: None }
    }

    fn solve(&self, settings: &Settings, posterior: &Posterior<'_>, walk: Walk<'_>) -> Result<Image, ScoreError> {
        let dps = DpsGuidance::new(posterior.model, posterior.condition, settings.number(&ZETA));
        walk(&dps, &dps)
    }
}

/// Diffusion posterior sampling (Chung et al. 2023, algorithm 1): after each predictor update
/// x ← x − ζ·∇ₓ‖y − A·x̂(0)(x)‖, where the gradient is that at the state before the update.
///
/// It is both a model, which differentiates where the solver asks for the score anyway and keeps the gradient, and the
/// constraint that then moves the state.
///
/// ζ is a length in the state's own units: each step moves that far along a gradient whose norm is about that of
/// ∂x̂(0)/∂x, however many steps there are. All N of them together can go N·ζ, which has to be about as far as the
/// picture is from the measurement; the last ones miss it by ζ. Published are 0.3 to 1 for 1000 steps; fewer steps
/// need a larger ζ and end less near.
pub struct DpsGuidance<'a, M> {
    model: M,
    condition: &'a Condition,
    zeta: f64,
    /// At the first state evaluated since the last update: the one before the next.
    gradient: RefCell<Option<Image>>,
}

impl<'a, M: ScoreModel> DpsGuidance<'a, M> {
    /// `model` must be differentiable.
    pub fn new(model: M, condition: &'a Condition, zeta: f64) -> Self {
        DpsGuidance { model, condition, zeta, gradient: RefCell::new(None) }
    }
}

impl<M: ScoreModel> ScoreModel for DpsGuidance<'_, M> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let measurement = self.condition.measurement();
        let (score, gradient) = through_denoiser(&self.model, x, at, |denoised, part| {
            measurement.of_samples(part.first, part.count).ascent(denoised)
        })?;
        self.gradient.borrow_mut().get_or_insert(gradient);
        Ok(score)
    }
}

impl<M: ScoreModel> Constraint for DpsGuidance<'_, M> {
    fn apply(&self, x: Image, arrival: Arrival) -> Result<Image, ScoreError> {
        let gradient = self.gradient.take().filter(|_| arrival.stage == Stage::Predictor);
        Ok(match gradient {
            Some(gradient) => x + gradient * self.zeta,
            None => x,
        })
    }
}
