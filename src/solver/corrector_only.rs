use super::{Corrector, Observer, Process, Update};
use crate::Image;
use crate::registry::Settings;
use crate::score::ScoreError;

/// The corrector alone, at one level after the other (Song et al. 2021, C2000 of table 1; annealed Langevin dynamics,
/// Song and Ermon 2019, algorithm 1). A corrector that does nothing leaves `x` as it is.
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
        let update = Update { next: x, mean: correction.update.mean.clone() };
        x = process.arrive(step, process.last_noise(step, update))?;
        if process.show(observer, step, &x, &correction.seen, Some(&correction)).is_break() {
            break;
        }
    }
    Ok(x)
}
