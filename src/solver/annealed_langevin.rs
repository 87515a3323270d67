use super::corrector::langevin_steps;
use super::{CORRECTOR_STEPS, Correction, Corrector, Process, SNR};
use crate::Image;
use crate::registry::{Equation, Settings, entry, number, term};
use crate::score::ScoreError;
use crate::sde::{FamilyAbout, Step};
use burn::tensor::Tensor;

entry! {
    /// Langevin steps whose size follows the noise of the level: ε = 2a·(r·σ(t))²
    /// (annealed Langevin dynamics, Song and Ermon 2019, algorithm 1, as published with Song et al. 2021).
    AnnealedLangevin {
        slug: "ald",
        name: "Annealed Langevin",
        summary: "Annealed Langevin dynamics: the step size follows σ(t)",
        source: "Song and Ermon 2019, algorithm 1",
        parameters: [&SNR, &CORRECTOR_STEPS],
    }
}

impl Corrector for AnnealedLangevin {
    fn correct(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: &Image,
        step: &Step,
    ) -> Result<Option<Correction>, ScoreError> {
        let (sde, snr) = (process.sde, settings.number(&SNR));
        let epsilon = 2.0 * sde.corrector_scale(step) * (snr * sde.sigma(step.t)).powi(2);
        let device = x.device();
        langevin_steps(settings, process, x, step, |_, _| Tensor::full([1], epsilon, &device))
    }

    fn evaluations(&self, settings: &Settings) -> usize {
        settings.whole(&CORRECTOR_STEPS) as usize
    }

    fn equation(&self, settings: &Settings, family: &FamilyAbout) -> Option<Equation> {
        let (scale, snr) = (family.corrector_scale, number(settings.number(&SNR)));
        let lines =
            ["x ← x + ε s(x, t) + √(2ε) z".into(), format!("ε = 2 {scale}({} σ(t))²", term(SNR.symbol(), &snr))];
        Some(Equation::new("Annealed Langevin step", lines))
    }
}
