//! The β of each step of training, as diffusers' schedulers make them.

use super::super::config::{NUMBERS, Section};
use crate::checkpoint::ConfigError;
use crate::sde::Cosine;
use serde_json::Value;

/// The β of a scheduler with so many steps, where they are not linear from `first` to `last`.
///
/// # Errors
/// If they are of a form that is not known, or no variances.
pub(super) fn read(
    scheduler: &Section,
    schedule: &str,
    [first, last]: [f64; 2],
    levels: usize,
    zero: bool,
) -> Result<Option<Vec<f64>>, ConfigError> {
    let place = |i: usize| i as f64 / (levels - 1) as f64;
    let line = |a: f64, b: f64| move |i: usize| a + place(i) * (b - a);
    let given: Vec<f64> = scheduler.or("trained_betas", NUMBERS, Vec::new())?;
    let betas: Vec<f64> = match schedule {
        _ if !given.is_empty() => given,
        "linear" => (0..levels).map(line(first, last)).collect(),
        "scaled_linear" => (0..levels).map(line(first.sqrt(), last.sqrt())).map(|root| root * root).collect(),
        "sigmoid" => (0..levels).map(line(-6.0, 6.0)).map(|x| first + (last - first) / (1.0 + (-x).exp())).collect(),
        "squaredcos_cap_v2" => Cosine::default().betas(levels),
        other => {
            let known = "linear, scaled_linear, squaredcos_cap_v2 or sigmoid";
            return Err(scheduler.unknown("beta_schedule", &Value::String(other.into()), known));
        }
    };
    let trained = scheduler.is_given("trained_betas");
    if trained && betas.len() != levels {
        let rule = format!("{levels} numbers, one for each of num_train_timesteps");
        return Err(scheduler.invalid("trained_betas", format!("{} numbers", betas.len()), &rule));
    }
    if let Some(beta) = betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
        let field = if trained { "trained_betas" } else { "beta_end" };
        return Err(scheduler.invalid(field, format!("{beta:?}"), "below 1, as it is the variance of a step's noise"));
    }
    Ok(match zero {
        true => Some(zero_terminal(&betas)),
        false => (trained || schedule != "linear").then_some(betas),
    })
}

/// β with which the last √ᾱ is 0 and the first is kept (Lin et al. 2024, algorithm 1).
fn zero_terminal(betas: &[f64]) -> Vec<f64> {
    let bars = betas.iter().scan(1.0, |bar, beta| {
        *bar *= 1.0 - beta;
        Some(f64::sqrt(*bar))
    });
    let roots: Vec<f64> = bars.collect();
    let (first, last) = (roots.first().copied().unwrap_or(1.0), roots.last().copied().unwrap_or(0.0));
    let mut before = 1.0;
    let beta = |root: &f64| {
        let bar = ((root - last) * first / (first - last)).powi(2);
        let beta = 1.0 - bar / before;
        before = bar;
        beta
    };
    roots.iter().map(beta).collect()
}
