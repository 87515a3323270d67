use super::constraint::arrive;
use super::{Constraint, Observer, show};
use crate::Image;
use crate::score::{ScoreError, ScoreModel, denoised};
use crate::sde::{Sde, Step};

/// DPM-Solver++(2M): the exponential integrator in λ = log α/σ, with x̂(0) extrapolated from its last two
/// values (Lu et al. 2022, algorithm 2). Second order; the first step and the one that arrives at clean
/// data, where λ is infinite, are of first order.
///
/// `x`: N×C×H×W at the first step's `t`. Returns the last state, also when `observer` breaks off.
///
/// # Errors
/// Whatever the score model or the constraint answers.
pub fn dpm_solver_plus_plus(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    steps: &[Step],
    mut x: Image,
    constraint: &dyn Constraint,
    observer: &mut dyn Observer,
) -> Result<Image, ScoreError> {
    // The last step's length in λ and its estimate of x(0).
    let mut last: Option<(f64, Image)> = None;
    for step in steps {
        let (level, target) = (sde.level(step.t), sde.target(step));
        let h = 0.5 * (target.log_snr() - level.log_snr());
        let score = model.score(&x, &[level])?;
        let clean = denoised(&x, &score, &[level]);
        let estimate = match last {
            Some((h_last, before)) if h.is_finite() => {
                let half_inverse_r = 0.5 * h / h_last;
                clean.clone() * (1.0 + half_inverse_r) - before * half_inverse_r
            }
            _ => clean.clone(),
        };
        x = x * (target.sigma / level.sigma) - estimate * (target.alpha * (-h).exp_m1());
        x = arrive(constraint, sde, step, x)?;
        if show(observer, step, &x, &clean, &score).is_break() {
            break;
        }
        last = Some((h, clean));
    }
    Ok(x)
}
