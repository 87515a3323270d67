//! Latents between latents, and figures of latents and reconstructions.

use crate::Pixels;
use crate::sde::Sde;

/// Latents `a` to `b` on a straight line: (1 − s)·a + s·b.
pub fn linear(a: &[f32], b: &[f32], s: f64) -> Vec<f32> {
    blend(a, b, 1.0 - s, s)
}

/// Latents `a` to `b` on a great circle (Shoemake 1985), the norm going evenly from one to the other:
/// sin((1−s)ω)/sin ω and sin(sω)/sin ω are the weights of the directions, ω their angle. Along one line, linear.
pub fn spherical(a: &[f32], b: &[f32], s: f64) -> Vec<f32> {
    let (norm_a, norm_b) = (norm(a), norm(b));
    let dot: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    let cosine = (dot / (norm_a * norm_b)).clamp(-1.0, 1.0);
    let angle = cosine.acos();
    let sine = angle.sin();
    // Where both point the same way, or opposite ways, no circle is given.
    if sine.is_nan() || sine <= 1e-6 {
        return linear(a, b, s);
    }
    let length = (1.0 - s) * norm_a + s * norm_b;
    let weight = |part: f64, norm: f64| (part * angle).sin() / sine * length / norm;
    blend(a, b, weight(1.0 - s, norm_a), weight(s, norm_b))
}

/// A latent at another temperature: scaled.
pub fn temper(latent: &[f32], temperature: f64) -> Vec<f32> {
    latent.iter().map(|&value| (f64::from(value) * temperature) as f32).collect()
}

/// Σ weight·latent: arithmetic on latents. With `keep_norm`, scaled to the weighted mean of the latents' norms
/// (weights by size), so that the result is as likely under the prior as they are. Latents are of one length.
pub fn combine(latents: &[(f64, &[f32])], keep_norm: bool) -> Vec<f32> {
    let length = latents.iter().map(|(_, latent)| latent.len()).min().unwrap_or(0);
    let sum: Vec<f64> =
        (0..length).map(|i| latents.iter().map(|(weight, latent)| weight * f64::from(latent[i])).sum()).collect();
    let size = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    let total: f64 = latents.iter().map(|(weight, _)| weight.abs()).sum();
    let wanted = latents.iter().map(|(weight, latent)| weight.abs() * norm(latent)).sum::<f64>() / total;
    let scale = if keep_norm && size > 0.0 && wanted.is_finite() { wanted / size } else { 1.0 };
    sum.into_iter().map(|value| (value * scale) as f32).collect()
}

/// Peak signal-to-noise ratio in dB of values in [0, 1]; infinite where both are equal.
pub fn psnr(picture: &[f32], reconstruction: &[f32]) -> f64 {
    let squares: f64 = differences(picture, reconstruction).map(|d| d * d).sum();
    -10.0 * (squares / picture.len().max(1) as f64).log10()
}

/// The largest absolute difference.
pub fn largest_error(picture: &[f32], reconstruction: &[f32]) -> f64 {
    differences(picture, reconstruction).fold(0.0, |largest, d| largest.max(d.abs()))
}

/// Standard deviation of latents at time `until` where the data are as the model's, `data_std` about zero:
/// of the prior at t = 1.
pub fn latent_std(sde: &dyn Sde, until: f64, data_std: Option<f64>) -> f64 {
    match data_std {
        _ if until >= 1.0 => sde.prior_std(),
        Some(data_std) => sde.level(until).marginal_std(data_std),
        None => sde.sigma(until),
    }
}

/// Root mean square of a latent in units of `std`: 1 ± 1/√(2D) where the latent is from the prior.
pub fn norm_in_units(latent: &[f32], std: f64) -> f64 {
    norm(latent) / (std * (latent.len().max(1) as f64).sqrt())
}

/// A histogram of a latent's values in units of `std`: density in each of `bins` bins over −`reach` to `reach`.
/// The prior's is the standard normal density. Values outside count in no bin.
pub fn histogram(latent: &[f32], std: f64, bins: usize, reach: f64) -> Vec<f64> {
    let mut counts = vec![0usize; bins];
    for &value in latent {
        let place = (f64::from(value) / std + reach) / (2.0 * reach) * bins as f64;
        if place >= 0.0
            && let Some(count) = counts.get_mut(place as usize)
        {
            *count += 1;
        }
    }
    let share = bins as f64 / (2.0 * reach * latent.len().max(1) as f64);
    counts.into_iter().map(|count| count as f64 * share).collect()
}

/// The frames of a row from sample `a` to sample `b` of `latents`: `frames`×C×H×W, both ends among them.
/// Nothing where there are no such samples.
pub fn between(latents: &Pixels<f32>, a: usize, b: usize, frames: usize, on_circle: bool) -> Pixels<f32> {
    let (first, last) = (latents.sample(a), latents.sample(b));
    let way = if on_circle { spherical } else { linear };
    let place = |frame: usize| frame as f64 / (frames.max(2) - 1) as f64;
    let values: Vec<f32> = (0..frames).flat_map(|frame| way(first, last, place(frame))).collect();
    let [_, c, h, w] = latents.shape;
    Pixels { shape: [frames, c, h, w], values: values.into() }
}

fn norm(latent: &[f32]) -> f64 {
    latent.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

fn blend(a: &[f32], b: &[f32], of_a: f64, of_b: f64) -> Vec<f32> {
    a.iter().zip(b).map(|(&a, &b)| (of_a * f64::from(a) + of_b * f64::from(b)) as f32).collect()
}

fn differences<'a>(a: &'a [f32], b: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b))
}
