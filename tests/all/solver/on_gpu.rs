//! What solvers are made of on a graphics device, here a software one, against the CPU.

use super::{noise, values};
use crate::graphics::graphics;
use score_explorer::solver::{Noise, NoiseSource, Purpose};

/// The largest difference of two lists.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn draws_are_those_of_the_cpu() {
    // 45 values are no whole number of fours.
    for (seed, first, count, shape) in [(1, 0, 200, [3, 32, 32]), (7 << 33 | 5, 3_000_000_000, 7, [3, 5, 3])] {
        let cpu = Noise { first, ..noise(count, shape, seed) };
        let gpu = Noise { device: graphics(), ..cpu.clone() };
        for (step, purpose) in [(0, Purpose::Prior), (999, Purpose::Corrector(3))] {
            assert_eq!(values(gpu.uniforms(step, purpose)), values(cpu.uniforms(step, purpose)));
            assert_eq!(values(gpu.signs(step, purpose)), values(cpu.signs(step, purpose)));
            assert_eq!(values(gpu.uniform(step, purpose)), values(cpu.uniform(step, purpose)));
            let (found, expected) = (values(gpu.normal(step, purpose)), values(cpu.normal(step, purpose)));
            // Half a unit in the last place of what lies beyond 4 is 2.4e-7.
            let apart = apart(&found, &expected);
            assert!(apart < 1e-6, "{apart:e}");
            let count = found.len() as f64;
            let moment = |power: i32| found.iter().map(|&z| f64::from(z).powi(power)).sum::<f64>() / count;
            // Five standard deviations of the means of z, z² and z⁴, whose variances are 1, 2 and 96.
            for (power, exact, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (4, 3.0, 96.0)] {
                assert!((moment(power) - exact).abs() < 5.0 * f64::sqrt(variance / count), "{power}");
            }
        }
    }
}

#[test]
fn draws_do_not_depend_on_the_batch() {
    let whole = Noise { device: graphics(), ..noise(7, [3, 5, 3], 11) };
    let parts = [(0, 1), (1, 4), (5, 2)].map(|(first, count)| Noise { first, count, ..whole.clone() });
    let found: Vec<f32> = parts.iter().flat_map(|part| values(part.normal(2, Purpose::Predictor))).collect();
    assert_eq!(found, values(whole.normal(2, Purpose::Predictor)));
}
