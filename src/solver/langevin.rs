use super::corrector::langevin_steps;
use super::{CORRECTOR_STEPS, Correction, Corrector, Process, SNR};
use crate::Image;
use crate::network::sample_squares;
use crate::registry::{About, Equation, Parameter, Settings, entry, number, term};
use crate::score::ScoreError;
use crate::sde::{FamilyAbout, Step};

/// Over what the norms in Langevin's step size are taken.
pub const NORMS: Parameter = Parameter::choice("norms", "sample", || vec![&SAMPLE, &BATCH])
    .named("Norms", "Norms", "Norms in the step size ε: per sample, or batch means as in Song et al. 2021")
    .optional();

/// Each sample has its own step size, whatever else is in the batch.
///
/// In D dimensions this widens a Gaussian's variance by (1 + 2/D)²: once because a step size ε(x)
/// settles in p/ε ∝ p·‖∇log p‖², and once because ε grows with the very noise that it scales.
/// That is nothing for pictures, but the factor 4 in the plane: choose [`BATCH`] there.
pub static SAMPLE: About =
    About { slug: "sample", name: "Per sample", summary: "norms of each sample", source: "", parameters: &[] };

/// One step size from the batch's mean norms, as the published code has it.
pub static BATCH: About =
    About { slug: "batch", name: "Batch mean", summary: "mean norms of the batch", source: "", parameters: &[] };

entry! {
    /// Langevin dynamics with a step size set by the SNR r: ε = 2a·(r‖z‖/‖s‖)²,
    /// where a is [`crate::sde::Sde::corrector_scale`] (Song et al. 2021, algorithms 4 and 5).
    Langevin {
        slug: "langevin",
        name: "Langevin",
        summary: "Langevin dynamics with a step size set by the SNR",
        source: "Song et al. 2021, algorithms 4 and 5",
        parameters: [&SNR, &CORRECTOR_STEPS, &NORMS],
    }
}

impl Corrector for Langevin {
    fn correct(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: &Image,
        step: &Step,
    ) -> Result<Option<Correction>, ScoreError> {
        let scale = 2.0 * process.sde.corrector_scale(step) * settings.number(&SNR).powi(2);
        let batch = settings.option(&NORMS) == BATCH.slug;
        let mean_norm = |v: &Image| sample_squares(v).sqrt().mean();
        langevin_steps(settings, process, x, step, |score, z| match batch {
            true => (mean_norm(z) / mean_norm(score)).square() * scale,
            false => sample_squares(z) / sample_squares(score) * scale,
        })
    }

    fn evaluations(&self, settings: &Settings) -> usize {
        settings.whole(&CORRECTOR_STEPS) as usize
    }

    fn equation(&self, settings: &Settings, family: &FamilyAbout) -> Option<Equation> {
        let (scale, snr) = (family.corrector_scale, number(settings.number(&SNR)));
        let norms = if settings.option(&NORMS) == BATCH.slug { &BATCH } else { &SAMPLE };
        Some(Equation::new(
            "Langevin step",
            [
                "x ← x + ε s(x, t) + √(2ε) z".into(),
                format!("ε = 2 {scale}({} ‖z‖ / ‖s‖)²", term(SNR.symbol(), &snr)),
                format!("({})", norms.summary),
            ],
        ))
    }
}
