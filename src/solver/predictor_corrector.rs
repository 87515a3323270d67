//! The predictor–corrector sampler (Song et al. 2021, algorithm 1).

use super::{Corrector, Noise, Norms, Observer, Predictor, Snr};
use crate::Image;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Sde, Step};
use serde::{Deserialize, Serialize};

/// A predictor and a corrector with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictorCorrector {
    pub predictor: Predictor,
    pub corrector: Corrector,
    /// The corrector's signal-to-noise ratio r.
    pub snr: Snr,
    /// Corrector steps M per level, 1 or more.
    pub corrector_steps: u32,
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
        let inner = self.corrector_steps as usize;
        let predict = usize::from(self.predictor != Predictor::None);
        let correct = match self.corrector {
            Corrector::Langevin | Corrector::Ald => inner,
            // Leapfrog shares the gradient between neighbouring steps.
            Corrector::Hmc(hmc) => inner * (hmc.leapfrog as usize + 1),
            Corrector::None => 0,
        };
        predict + correct
    }
}

/// Carries `x` along `steps`: at each level the corrector, then the predictor.
#[allow(clippy::too_many_arguments)]
pub fn predictor_corrector(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    steps: &[Step],
    pc: &PredictorCorrector,
    denoise: bool,
    x: Image,
    noise: &Noise,
    observer: &mut dyn Observer,
) -> Result<Image, ScoreError> {
    let _ = (model, sde, steps, pc, denoise, x, noise, observer);
    todo!("helper: solver")
}
