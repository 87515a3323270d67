use super::{Arrival, Constraint, Stage};
use crate::Image;
use crate::score::{Condition, ScoreError, ScoreModel, through_denoiser};
use crate::sde::Level;
use std::cell::RefCell;

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
pub struct Dps<'a, M> {
    model: M,
    condition: &'a Condition,
    zeta: f64,
    gradient: RefCell<Option<Image>>,
}

impl<'a, M: ScoreModel> Dps<'a, M> {
    /// `model` must be differentiable.
    pub fn new(model: M, condition: &'a Condition, zeta: f64) -> Self {
        Dps { model, condition, zeta, gradient: RefCell::new(None) }
    }
}

impl<M: ScoreModel> ScoreModel for Dps<'_, M> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let measurement = self.condition.measurement();
        let (score, gradient) = through_denoiser(&self.model, x, at, |denoised, part| {
            measurement.of_samples(part.first, part.count).ascent(denoised)
        })?;
        self.gradient.replace(Some(gradient));
        Ok(score)
    }
}

impl<M: ScoreModel> Constraint for Dps<'_, M> {
    fn hold(&self, x: Image, arrival: Arrival) -> Result<Image, ScoreError> {
        let gradient = self.gradient.borrow().clone().filter(|_| arrival.stage == Stage::Predictor);
        Ok(match gradient {
            Some(gradient) => x + gradient * self.zeta,
            None => x,
        })
    }
}
