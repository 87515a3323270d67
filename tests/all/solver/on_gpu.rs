//! What solvers are made of on a graphics device, here a software one, against the CPU.

use super::{noise, values};
use crate::choices::{grid, pc, slugs, solver};
use crate::graphics::graphics;
use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::Image;
use score_explorer::network::{Sum, Weight, sample_squares};
use score_explorer::registry::Choice;
use score_explorer::score::{Component, Mixture};
use score_explorer::sde::{FamilyKind, Step};
use score_explorer::solver::{Noise, NoiseSource, Process, Purpose, Solver, Unobserved};

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

/// Each kind of weight, alone and together, as the CPU has it by tensor operations.
#[test]
fn sums_are_those_of_the_cpu() {
    let draws = noise(3, [2, 5, 3], 4);
    let of = |device: &Device| -> Vec<Vec<f32>> {
        let there = |x: Image| Image::from_data(x.into_data(), device);
        let images: Vec<Image> = (0..7).map(|step| there(draws.normal(step, Purpose::Prior))).collect();
        let [x, y, z] = [&images[0], &images[1], &images[2]];
        let each = |seed: f64| vec![seed, -0.3 * seed, 1.7];
        let computed = Tensor::<1>::from_data(TensorData::new(vec![0.5f32, 2.0, -1.0], [3]), device);
        let of_all = Tensor::<1>::from_data(TensorData::new(vec![0.7f32], [1]), device);
        let rest = || images[1..6].iter().map(|x| (0.3, x));
        let turned = x.clone().swap_dims(2, 3);
        [
            Sum::of(1.0, x).tensor(),
            Sum::of(-0.4, x).tensor(),
            Sum::of(0.9, x).plus(-1.0, y).plus(0.2, z).tensor(),
            Sum::of(1.0, x).plus(0.4, y).shifted(-0.3).times(1.7).plus(2.0, z).shifted(0.25).tensor(),
            Sum::of(each(0.4), x).plus(0.3, y).times(each(-2.0)).shifted(each(0.1)).tensor(),
            Sum::of(each(0.4), x).plus(&computed, y).plus(&(computed.clone() * 2.0), z).times(0.5).tensor(),
            Sum::of(&of_all, x).plus(Weight::One(0.2), y).tensor(),
            Sum::of(0.3, x).plus_all(rest()).tensor(),
            // More than one kernel takes; a view of other values; one image for all.
            Sum::of(0.3, x).plus_all(rest()).plus(1.5, &images[6]).tensor(),
            Sum::of(2.0, &turned).plus(1.0, &turned).tensor(),
            Sum::of(2.0, x).plus(1.0, &y.clone().narrow(0, 1, 1)).tensor(),
        ]
        .map(values)
        .into_iter()
        .chain([values(sample_squares(x)), values(sample_squares(&x.clone().reshape([1, 90])))])
        .collect()
    };
    let (found, expected) = (of(&graphics()), of(&Device::flex()));
    for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let largest = expected.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
        assert!(largest > 0.1, "{place}");
        assert!(apart(found, expected) < 1e-6 * largest, "{place}: {} of {largest}", apart(found, expected));
    }
}

/// Where a solver arrives in a few steps of a mixture.
fn end(solver: &Choice<dyn Solver>, device: &Device) -> Vec<f32> {
    let components = vec![Component::round(0.4, vec![-0.5; 12], 0.3), Component::round(0.6, vec![0.4; 12], 0.2)];
    let model = Mixture::new([3, 2, 2], components).unwrap();
    let family = FamilyKind::Vp.published();
    let steps: Vec<Step> = grid("log-snr").steps(family.sde(), 5, 1.0, 1e-3);
    let noise = Noise { device: device.clone(), ..noise(2, [3, 2, 2], 8) };
    let process = Process::free(&model, family.sde(), &steps, false, &noise);
    values(solver.solve(&process, noise.normal(0, Purpose::Prior), &mut Unobserved).unwrap())
}

#[test]
fn all_solvers_arrive_where_they_do_on_the_cpu() {
    let alone = slugs::<dyn Solver>().map(solver);
    let corrected = ["langevin", "langevin:0.16:2:batch", "ald", "hmc:0.16:2:3:true"].map(|it| pc("ancestral", it));
    for solver in alone.chain(corrected) {
        let (found, expected) = (end(&solver, &graphics()), end(&solver, &Device::flex()));
        let apart = apart(&found, &expected);
        assert!(apart < 1e-4, "{solver:?}: {apart}");
    }
}
