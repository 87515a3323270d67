use super::{Corrector, Evaluation, Observer, Process};
use crate::Image;
use crate::registry::Settings;
use crate::score::{ScoreError, denoised};

/// The corrector alone, at one level after the other (Song et al. 2021, C2000 of table 1; annealed Langevin dynamics,
/// Song and Ermon 2019, algorithm 1). Chains end with the noise of the last level in them: where the process denoises, one
/// more evaluation takes it out, x ← (x + σ²·s)/α, as in the release of Song and Ermon 2020. A corrector that does nothing
/// leaves `x` as it is.
///
/// # Errors
/// Whatever the score model or the constraint answers.
pub fn corrector_only(
    corrector: &dyn Corrector,
    settings: &Settings,
    process: &Process<'_>,
    mut x: Image,
    observer: &mut dyn Observer,
) -> Result<Image, ScoreError> {
    for step in process.steps {
        let Some(correction) = corrector.correct(settings, process, &x, step)? else { break };
        x = process.corrected(step, &correction)?;
        let mut seen = correction.seen.clone();
        if process.denoise && step.next == 0.0 {
            let level = [process.sde.start(step)];
            let score = process.model.score(&x, &level)?;
            seen = Evaluation { x, score };
            x = denoised(&seen.x, &seen.score, &level);
        }
        x = process.arrive(step, x)?;
        if process.show(observer, step, &x, &seen, Some(&correction)).is_break() {
            break;
        }
    }
    Ok(x)
}
