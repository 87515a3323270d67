use super::super::{Real, Regression};
use super::Mix;

/// Flow matching on straight lines from noise at t = 0 to data at t = 1: x = t·data + (1 − t)·noise, and the network's
/// output is its velocity data − noise (Liu et al. 2022; Lipman et al. 2022 with σ_min = 0). The label is t; the loss of
/// an image is a mean. `clean` and `noise` are N×D, `times` N.
pub fn flow_to_data<F: Real>(clean: &[F], noise: &[F], times: &[f64]) -> Regression<F> {
    lines(clean, noise, times, |t| t, 1.0)
}

/// The same from data at t = 0 to noise at t = 1: x = (1 − t)·data + t·noise, velocity noise − data (Esser et al. 2024).
pub fn flow_to_noise<F: Real>(clean: &[F], noise: &[F], times: &[f64]) -> Regression<F> {
    lines(clean, noise, times, |t| 1.0 - t, -1.0)
}

fn lines<F: Real>(
    clean: &[F],
    noise: &[F],
    times: &[f64],
    share_of_data: impl Fn(f64) -> f64,
    direction: f64,
) -> Regression<F> {
    let weight = times.len() as f64 / clean.len().max(1) as f64;
    let mix = |&t: &f64| {
        let data = share_of_data(t);
        Mix { input: [data, 1.0 - data], offset: [-direction, direction], label: t, gain: 1.0, weight }
    };
    Regression::new(clean, noise, times.iter().map(mix))
}
