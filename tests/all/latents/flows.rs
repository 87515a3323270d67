use super::{by, drawn, flow, gaussian, go_on, largest};
use burn::tensor::Device;
use score_explorer::score::{Mixture, ScoreError, ScoreModel};
use score_explorer::sde::{FamilyKind, Level, Moments, Range};
use score_explorer::solver::Stepping;
use score_explorer::task::{Flow, decode, encode};
use score_explorer::{Image, Pixels};

/// Whether a family's x(T) has as good as nothing of the data in it.
fn family_ends_in_noise(kind: FamilyKind) -> bool {
    kind.published().sde().alpha(1.0) < 1e-3
}

#[test]
fn gaussian_latents_meet_their_closed_form_to_the_tolerance_asked_for() {
    // Along the flow of Gaussian data, x keeps its place in units of the marginal standard deviation.
    let (std, data) = (0.5, Pixels { shape: [2, 2, 1, 1], values: [0.7, -0.4, 0.05, 1.1].into() });
    for &kind in FamilyKind::ALL {
        let mut errors = Vec::new();
        for exponent in 2..=6 {
            let tolerance = 10f64.powi(-exponent);
            let flow = flow(kind, tolerance, Stepping::Sample);
            let sde = flow.family.sde();
            let growth = sde.level(1.0).marginal_std(std) / sde.level(flow.end).marginal_std(std);
            let found = encode(&flow, &gaussian(std), &data, &Device::flex(), &mut go_on).unwrap();
            let exact: Vec<f32> = data.values.iter().map(|&x| (f64::from(x) * growth) as f32).collect();
            let scale = sde.level(1.0).marginal_std(std);
            let error = largest(&found.latents.pixels.values, &exact) / scale;
            println!("{kind}, tolerance {tolerance:.0e}: error {error:.2e}, {:?} evaluations", found.nfe);
            // A step errs by tolerance·(1 + |x|) at most, which is 4.2 tolerances in units of the smallest marginal
            // standard deviation; errors of some twenty steps add up. Single precision adds about 1e-7 a step, and more where
            // x(T) has only a 16384th of the data in it.
            let rounding = if family_ends_in_noise(kind) { 3e-5 } else { 1e-5 };
            assert!(error < 84.0 * tolerance + rounding, "{kind}: {error} at {tolerance}");
            errors.push(error);
        }
        // Errors follow the tolerance, here by four powers of ten, give or take one and a half, down to those of single
        // precision: scaled linear's flow is smooth enough to be there from the first tolerance on.
        let rounding = if family_ends_in_noise(kind) { 3e-5 } else { 0.0 };
        let single = kind == FamilyKind::ScaledLinear && errors[4] < 1e-5;
        assert!(errors[4] < errors[0] / 300.0 + rounding || single, "{kind}: {errors:?}");
    }
}

#[test]
fn what_is_encoded_comes_back() {
    for (name, shape) in [("two-moons", [2, 1, 1]), ("blocks", [3, 4, 4])] {
        let mixture = Mixture::named(name).unwrap();
        let data = drawn(&mixture, shape, 8, 1);
        for &kind in FamilyKind::ALL {
            for until in [1.0, 0.4] {
                let flow = Flow { until, ..flow(kind, 1e-6, Stepping::Sample) };
                let there = encode(&flow, &mixture, &data, &Device::flex(), &mut go_on).unwrap();
                let back = decode(&flow, &mixture, &there.latents.pixels, &Device::flex(), &mut go_on).unwrap();
                let error = largest(&back.pictures.values, &data.values);
                assert!(error < 2e-3, "{name} in {kind} to {until}: {error}");
                assert!(largest(&there.latents.pixels.values, &data.values) > 0.1, "latents are not the data");
            }
        }
    }
}

#[test]
fn solvers_with_fixed_steps_invert_themselves_better_with_more_steps() {
    let mixture = Mixture::named("blocks").unwrap();
    let data = drawn(&mixture, [3, 4, 4], 4, 2);
    for solver in ["heun", "dpm++"] {
        let error = |steps: usize| {
            let flow = by(flow(FamilyKind::Vp, 1e-5, Stepping::Sample), solver, steps);
            let there = encode(&flow, &mixture, &data, &Device::flex(), &mut go_on).unwrap();
            let back = decode(&flow, &mixture, &there.latents.pixels, &Device::flex(), &mut go_on).unwrap();
            largest(&back.pictures.values, &data.values)
        };
        let (coarse, fine) = (error(50), error(400));
        assert!(fine < 0.05 && fine < coarse / 4.0, "{solver}: {coarse}, then {fine}");
    }
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    let mixture = Mixture::named("two-moons").unwrap();
    let data = drawn(&mixture, [2, 1, 1], 6, 3);
    let flow = flow(FamilyKind::Vp, 1e-5, Stepping::Sample);
    let all = encode(&flow, &mixture, &data, &Device::flex(), &mut go_on).unwrap();
    assert!(all.nfe.windows(2).any(|pair| pair[0] != pair[1]), "each has its own steps: {:?}", all.nfe);
    for sample in 0..6 {
        let one = Pixels { shape: [1, 2, 1, 1], values: data.sample(sample).into() };
        let alone = encode(&flow, &mixture, &one, &Device::flex(), &mut go_on).unwrap();
        assert_eq!(alone.nfe[0], all.nfe[sample]);
        assert!(largest(&alone.latents.pixels.values, all.latents.pixels.sample(sample)) < 1e-5);
    }
}

/// A model whose score is multiplied: by 2, as if the flow lacked its ½.
struct Scaled(Mixture, f64);

impl ScoreModel for Scaled {
    fn shape(&self) -> [usize; 3] {
        self.0.shape()
    }

    fn range(&self) -> Option<Range> {
        self.0.range()
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        None
    }

    fn moments(&self) -> Option<Moments> {
        None
    }

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        Ok(self.0.score(x, at)? * self.1)
    }
}

/// The Kolmogorov–Smirnov statistic of values against the standard normal distribution.
fn distance_from_normal(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let apart = |(i, &z): (usize, &f64)| {
        let p = cumulative(z);
        (p - i as f64 / count).abs().max(((i + 1) as f64 / count - p).abs())
    };
    values.iter().enumerate().map(apart).fold(0.0, f64::max)
}

/// The standard normal distribution function, by Simpson's rule on the density from 0.
fn cumulative(z: f64) -> f64 {
    let (steps, density) = (200, |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt());
    let z = z.clamp(-9.0, 9.0);
    let h = z / f64::from(steps);
    let inner: f64 = (1..steps).map(|i| density(h * f64::from(i)) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    0.5 + h / 3.0 * (density(0.0) + inner + density(z))
}

#[test]
fn latents_of_data_from_a_mixture_are_standard_normal() {
    let mixture = Mixture::named("two-moons").unwrap();
    let data = drawn(&mixture, [2, 1, 1], 1000, 4);
    // Both coordinates are independent: 2000 values. The statistic exceeds 1.63/√n by chance once in a hundred seeds.
    let limit = 1.63 / 2000f64.sqrt();
    let statistic = |factor: f64| {
        let model = Scaled(mixture.clone(), factor);
        let flow = flow(FamilyKind::Vp, 1e-4, Stepping::Batch);
        let found = encode(&flow, &model, &data, &Device::flex(), &mut go_on).unwrap();
        distance_from_normal(found.latents.pixels.values.iter().map(|&z| z.into()).collect())
    };
    assert!(statistic(1.0) < limit);
    assert!(statistic(2.0) > 2.0 * limit, "the test has power against a drift without ½");
}
