use super::adams::{ANALYTIC_FIRST, ORDER, adams, evaluations, order_of};
use super::polynomial::weights;
use super::{Destination, Edm, Grid, Observer, Process, Solver};
use crate::Image;
use crate::registry::{Choice, Equation, Settings, entry};
use crate::score::ScoreError;
use crate::sde::Family;

entry! {
    /// The linear multistep method in σ/α: a polynomial through the last slopes, integrated over the step whatever the
    /// lengths of the steps (Adams and Bashforth; k-diffusion's LMS, DEIS-ρAB of Zhang and Chen 2023). Its first steps are
    /// of lower order.
    Lms {
        slug: "lms",
        name: "LMS",
        summary: "Adams–Bashforth in σ/α for unequal steps, one evaluation per step",
        source: "Zhang and Chen 2023, ρAB; k-diffusion",
        parameters: [&ORDER, &ANALYTIC_FIRST],
    }
}

impl Solver for Lms {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let order = order_of(settings, &ORDER);
        let integrals = |ratios: &[f64], next: f64| weights(ratios, ratios[0], next, |_| 1.0);
        adams(settings, process, x, observer, |known, _| known.min(order), integrals)
    }

    fn evaluations(&self, settings: &Settings, steps: usize, _to: Destination) -> Option<usize> {
        Some(evaluations(settings, steps))
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        Some(settings.number(&ORDER))
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Edm)
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = [
            "y = x/α,  κ = σ/α,  d_i = (y_i − x̂₀) / κ_i",
            "w_i = ∫_κ^(κ₋) ℓ_i(κ′) dκ′",
            "y ← y + Σ w_i d_i,  the last slopes i",
        ];
        vec![Equation::new("LMS step", lines)]
    }
}
