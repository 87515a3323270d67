use super::constraint::arrive;
use super::{Constraint, Observer, show};
use crate::Image;
use crate::score::{ScoreError, ScoreModel, denoised};
use crate::sde::{Sde, Step};

/// Heun's method on the probability-flow ODE of any path, which in y = x/α and ρ = σ/α reads
/// dy/dρ = (y − x̂(0))/ρ = −σ·score (Karras et al. 2022, algorithm 1 without churn). Second order;
/// the step that arrives at ρ = 0, where the slope has no value, is Euler's.
///
/// `x`: N×C×H×W at the first step's `t`. Returns the last state, also when `observer` breaks off.
///
/// # Errors
/// Whatever the score model or the constraint answers.
pub fn heun(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    steps: &[Step],
    mut x: Image,
    constraint: &dyn Constraint,
    observer: &mut dyn Observer,
) -> Result<Image, ScoreError> {
    for step in steps {
        let (level, target) = (sde.level(step.t), sde.target(step));
        let drho = target.ratio() - level.ratio();
        let mut score = model.score(&x, &[level])?;
        let mut clean = denoised(&x, &score, &[level]);
        let y = x * (1.0 / level.alpha);
        let slope = score.clone() * -level.sigma;
        x = (y.clone() + slope.clone() * drho) * target.alpha;
        if target.sigma > 0.0 {
            score = model.score(&x, &[target])?;
            clean = denoised(&x, &score, &[target]);
            let slope_there = score.clone() * -target.sigma;
            x = (y + (slope + slope_there) * (0.5 * drho)) * target.alpha;
        }
        x = arrive(constraint, sde, step, x)?;
        if show(observer, step, &x, &clean, &score).is_break() {
            break;
        }
    }
    Ok(x)
}
