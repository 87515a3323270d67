use super::constraint::arrive;
use super::{Constraint, Observer, show};
use crate::Image;
use crate::score::{ScoreError, ScoreModel, denoised};
use crate::sde::{Sde, Step};

/// DDIM with η = 0 on any path: x(next) = α′·x̂(0) + σ′·ẑ, with the x̂(0) and ẑ = −σ·score that the
/// score implies (Song, Meng and Ermon 2021, eq. 12). First order.
///
/// `x`: N×C×H×W at the first step's `t`. Returns the last state, also when `observer` breaks off.
///
/// # Errors
/// Whatever the score model or the constraint answers.
pub fn ddim(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    steps: &[Step],
    mut x: Image,
    constraint: &dyn Constraint,
    observer: &mut dyn Observer,
) -> Result<Image, ScoreError> {
    for step in steps {
        let (level, target) = (sde.level(step.t), sde.target(step));
        let score = model.score(&x, &[level])?;
        let clean = denoised(&x, &score, &[level]);
        x = clean.clone() * target.alpha - score.clone() * (target.sigma * level.sigma);
        x = arrive(constraint, sde, step, x)?;
        if show(observer, step, &x, &clean, &score).is_break() {
            break;
        }
    }
    Ok(x)
}
