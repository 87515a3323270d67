//! The predictor–corrector sampler (Song et al. 2021, algorithm 1).

use super::constraint::arrive;
use super::{Arrival, Correction, Corrector, Evaluation, Moment, Noise, Norms, Observer, Passage, Predictor, Purpose};
use super::{Snr, Stage, Update, annealed_langevin, hamiltonian, langevin};
use crate::Image;
use crate::score::{ScoreError, ScoreModel, denoised};
use crate::sde::{Sde, Step};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// A predictor and a corrector with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictorCorrector {
    pub predictor: Predictor,
    pub corrector: Corrector,
    /// The corrector's signal-to-noise ratio r.
    pub snr: Snr,
    /// Corrector steps M per level.
    pub corrector_steps: NonZeroU32,
    /// Over what Langevin's norms are taken.
    #[serde(default)]
    pub norms: Norms,
}

impl PredictorCorrector {
    /// Whether neither part does anything.
    pub fn is_idle(&self) -> bool {
        self.predictor == Predictor::None && self.corrector == Corrector::None
    }

    /// Network evaluations of one step of the grid.
    pub fn evaluations_per_step(&self) -> usize {
        // Even an idle step looks once, for its observer.
        let predict = usize::from(self.predictor != Predictor::None || self.is_idle());
        let correct = match self.corrector {
            Corrector::Langevin | Corrector::Ald => self.corrector_steps.get() as usize,
            Corrector::Hmc(hmc) => hmc.evaluations(self.corrector_steps),
            Corrector::None => 0,
        };
        predict + correct
    }

    /// The corrector's work at the level of `step.t`.
    fn correct(
        &self,
        model: &dyn ScoreModel,
        sde: &dyn Sde,
        x: &Image,
        step: &Step,
        noise: &Noise,
    ) -> Result<Option<Correction>, ScoreError> {
        let (snr, inner) = (self.snr, self.corrector_steps);
        let z = |k| noise.normal(step.index, Purpose::Corrector(k));
        match self.corrector {
            Corrector::Langevin => langevin(model, sde, x, step, snr, self.norms, inner, z).map(Some),
            Corrector::Ald => annealed_langevin(model, sde, x, step, snr, inner, z).map(Some),
            Corrector::Hmc(hmc) => hamiltonian(model, sde, x, step, hmc, snr, inner, noise).map(Some),
            Corrector::None => Ok(None),
        }
    }
}

/// Carries `x` along a passage: at each level the corrector, then the predictor, as published.
///
/// Returns the last state, also when `observer` breaks off.
///
/// # Errors
/// Whatever the score model or the constraint answers.
pub fn predictor_corrector(
    passage: &Passage<'_>,
    pc: &PredictorCorrector,
    mut x: Image,
    observer: &mut dyn Observer,
) -> Result<Image, ScoreError> {
    let &Passage { model, sde, steps, denoise, noise, constraint } = passage;
    for step in steps {
        let level = [sde.level(step.t)];
        let correction = pc.correct(model, sde, &x, step, noise)?;
        if let Some(correction) = &correction {
            let arrival = Arrival { step: *step, stage: Stage::Corrector, level: level[0] };
            x = constraint.hold(correction.update.next.clone(), arrival)?;
        }
        let (update, seen) = match (pc.predictor, &correction) {
            (Predictor::None, Some(correction)) => {
                let update = Update { next: x, mean: correction.update.mean.clone() };
                (update, correction.seen.clone())
            }
            (predictor, _) => {
                let score = model.score(&x, &level)?;
                let z = || noise.normal(step.index, Purpose::Predictor);
                (predictor.step(sde, &x, step, &score, z), Evaluation { x, score })
            }
        };
        x = arrive(constraint, sde, step, if denoise && step.next == 0.0 { update.mean } else { update.next })?;
        let moment = Moment {
            step: *step,
            x: &x,
            denoised: &denoised(&seen.x, &seen.score, &level),
            score: &seen.score,
            corrector: correction.as_ref().map(|correction| &correction.diagnostics),
        };
        if observer.observe(&moment).is_break() {
            break;
        }
    }
    Ok(x)
}
