use super::{drawn, flow, gaussian, go_on};
use crate::choices::solver;
use burn::tensor::Device;
use score_explorer::Pixels;
use score_explorer::checkpoint::{OpenedNetwork, open_network, read_tensors};
use score_explorer::network::{Array, Network, Weights};
use score_explorer::score::{ImageSet, Mixture, NetworkScore, ScoreAndTrace, ScoreError, ScoreModel};
use score_explorer::sde::{FamilyKind, Level, Moments, Range};
use score_explorer::solver::{NoiseSource, Stepping};
use score_explorer::task::{Estimate, Flow, ModelRef, decode, likelihood, likelihood_along};
use score_explorer::{Image, solver::Noise, solver::Purpose};
use std::f64::consts::{LN_2, TAU};
use std::path::PathBuf;

#[test]
fn gaussian_likelihoods_meet_their_closed_form_in_every_family() {
    let (std, data) = (0.5, Pixels { shape: [2, 2, 1, 1], values: [0.7, -0.4, 0.05, 1.1].into() });
    for &kind in FamilyKind::ALL {
        for exponent in 2..=6 {
            let tolerance = 10f64.powi(-exponent);
            let flow = flow(kind, tolerance, Stepping::Sample);
            let sde = flow.family.sde();
            let (first, last) = (sde.level(flow.end).marginal_std(std), sde.level(1.0).marginal_std(std));
            let found =
                likelihood(&flow, &gaussian(std), &data, &Estimate::default(), &Device::flex(), &mut go_on).unwrap();
            for (sample, figure) in found.iter().enumerate() {
                let squares: f64 = data.sample(sample).iter().map(|&x| f64::from(x).powi(2)).sum();
                // The flow multiplies both coordinates by last/first; then the prior's density.
                let delta = 2.0 * (last / first).ln();
                let prior = sde.prior_std().powi(2);
                let log_prior = -(TAU * prior).ln() - 0.5 * squares * (last / first).powi(2) / prior;
                let error = (figure.log_prior + figure.delta_log_p - log_prior - delta).abs();
                println!("{kind}, tolerance {tolerance:.0e}: error {error:.2e} nats, {} evaluations", figure.nfe);
                // The latent errs by 84 tolerances (see the test of latents) and is at most 2.4 from 0, so that ½z²
                // errs by 200; the integral of the divergence itself by less than that.
                assert!(error < 300.0 * tolerance + 5e-5, "{kind}: {error} at {tolerance}");
                let bits = -(figure.log_prior + figure.delta_log_p) / (2.0 * LN_2);
                assert!((figure.bits_per_dim - bits).abs() < 1e-9 && figure.standard_error == Some(0.0));
            }
        }
    }
}

/// Gaussian data that are pictures of two grey values in a range.
struct Pictures(Mixture, Range);

impl ScoreModel for Pictures {
    fn shape(&self) -> [usize; 3] {
        self.0.shape()
    }
    fn range(&self) -> Option<Range> {
        Some(self.1)
    }
    fn ratios(&self) -> Option<(f64, f64)> {
        self.0.ratios()
    }
    fn moments(&self) -> Option<Moments> {
        self.0.moments()
    }
    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.0.score(x, at)
    }
    fn score_and_trace(&self, x: &Image, at: &[Level]) -> Option<ScoreAndTrace> {
        self.0.score_and_trace(x, at)
    }
}

#[test]
fn dequantised_pictures_are_measured_with_noise_of_one_grey_level() {
    let (std, seed) = (0.5, 3);
    let data = Pixels { shape: [2, 2, 1, 1], values: [0.0, 1.0, 0.25, 0.5].into() };
    let noise = Noise { seed, first: 0, count: 2, shape: [2, 1, 1], device: Device::flex() };
    let uniform = noise.uniforms(0, Purpose::Dequantise).try_into_vec_as::<f32>().unwrap();
    // Grey level v of 0 to 255 becomes (v + u)/256 in [0, 1], or (v + u)/128 − 1 in [−1, 1]. One of the 256 levels is
    // 1/256 of the range, or 1/128: 8 or 7 bits for each value beside the density.
    for (range, kind, scale, shift, bits) in
        [(Range::Symmetric, FamilyKind::Vp, 128.0, -1.0, 7.0), (Range::Unit, FamilyKind::Ve, 256.0, 0.0, 8.0)]
    {
        let model = Pictures(gaussian(std), range);
        let flow = flow(kind, 1e-6, Stepping::Sample);
        let sde = flow.family.sde();
        let estimate = Estimate { seed, ..Estimate::default() };
        let found = likelihood(&flow, &model, &data, &estimate, &Device::flex(), &mut go_on).unwrap();
        // The prior of VE leaves the data's variance out.
        let (first, last) = (sde.level(flow.end).marginal_std(std), sde.level(1.0).marginal_std(std));
        let prior = sde.prior_std().powi(2);
        for (sample, figure) in found.iter().enumerate() {
            let values = data.sample(sample).iter().zip(&uniform[2 * sample..]);
            let value = |(v, u): (&f32, &f32)| ((255.0 * f64::from(*v) + f64::from(*u)) / scale + shift).powi(2);
            let squares: f64 = values.map(value).sum();
            let log_p =
                -(TAU * prior).ln() - 0.5 * squares * (last / first).powi(2) / prior + 2.0 * (last / first).ln();
            let expected = -log_p / (2.0 * LN_2) + bits;
            assert!((figure.bits_per_dim - expected).abs() < 1e-3, "{range:?}: {figure:?} for {expected}");
        }
    }
}

#[test]
fn only_controlled_steps_measure_a_likelihood() {
    let usual = flow(FamilyKind::Vp, 1e-3, Stepping::Batch);
    assert_eq!(usual.clone().measured(), usual, "its tolerances and step sizes stay");
    for name in ["heun", "ddim", "dpm++"] {
        let fixed = Flow { until: 0.5, ..super::by(usual.clone(), name, 3) };
        let whole = Flow { until: 1.0, ..fixed.clone() };
        assert!(Estimate::default().check(&whole).unwrap_err().to_string().contains(name));
        let measured = fixed.measured();
        assert_eq!(measured, Flow { solver: solver("adaptive"), ..usual.clone() }, "{name}");
        assert_eq!(Estimate::default().check(&measured), Ok(()));
    }
}

/// Time says little of how far a flow is: of controlled steps, half lie in its first hundredth.
#[test]
fn progress_moves_evenly_along_a_flow() {
    let model =
        ImageSet::new((0..3 * 48).map(|i: u32| (i * 37 % 251) as u8).collect::<Vec<_>>(), [3, 4, 4], &Device::flex());
    let data = drawn(&Mixture::named("blocks").unwrap(), [3, 4, 4], 2, 5);
    for &kind in FamilyKind::ALL {
        let flow = flow(kind, 1e-3, Stepping::Sample);
        let mut shares = Vec::new();
        let mut keep = |share: f64, _: &Image| {
            shares.push(share);
            std::ops::ControlFlow::Continue(())
        };
        likelihood(&flow, &model, &data, &Estimate::default(), &Device::flex(), &mut keep).unwrap();
        let count = shares.len();
        println!("{kind}: {count} steps, {:?}", [1, 2, 3].map(|q| shares[q * count / 4]));
        assert!(shares.is_sorted() && shares[count - 1] == 1.0, "{kind}: {shares:?}");
        // Measured: half of the steps cover 0.17 to 0.21 of the way, three quarters 0.38 to 0.49. Of time they cover less
        // than 0.01 and 0.1. Where paths go on to noise alone, which takes few steps, they cover 0.13 and 0.2 or more.
        let [half, more] = [2, 3].map(|q| shares[q * count / 4]);
        let least = if kind.published().sde().alpha(1.0) < 1e-3 { 0.18 } else { 0.3 };
        assert!((0.1..0.9).contains(&half) && (least..0.9).contains(&more), "{kind}: {shares:?}");
    }
}

#[test]
fn probes_agree_with_the_exact_divergence_within_their_standard_error() {
    let mixture = Mixture::named("blocks").unwrap();
    let data = drawn(&mixture, [3, 4, 4], 2, 5);
    let flow = flow(FamilyKind::Vp, 1e-4, Stepping::Sample);
    let measure =
        |estimate: Estimate| likelihood(&flow, &mixture, &data, &estimate, &Device::flex(), &mut go_on).unwrap();
    let exact = measure(Estimate::default());
    for rademacher in [true, false] {
        let found = measure(Estimate { probes: 24, rademacher, seed: 9, exact: false, ..Estimate::default() });
        for (found, exact) in found.iter().zip(&exact) {
            let error = found.standard_error.unwrap();
            assert!(error > 0.0);
            // Four standard errors (about once in ten thousand by chance), and the solver's own error.
            let apart = (found.bits_per_dim - exact.bits_per_dim).abs();
            assert!(apart < 4.0 * error + 1e-3, "{apart} where the standard error is {error}");
        }
    }
}

#[test]
fn figures_do_not_depend_on_the_batches_that_images_are_measured_in() {
    let mixture = Mixture::named("blocks").unwrap();
    let data = drawn(&mixture, [3, 4, 4], 3, 5);
    let flow = flow(FamilyKind::Vp, 1e-4, Stepping::Sample);
    let estimate = Estimate { probes: 2, seed: 9, exact: false, ..Estimate::default() };
    let measure = |first: usize, count: usize| {
        let values: Vec<f32> = (first..first + count).flat_map(|sample| data.sample(sample).to_vec()).collect();
        let images = Pixels { shape: [count, 3, 4, 4], values: values.into() };
        likelihood(&flow, &mixture, &images, &Estimate { first, ..estimate }, &Device::flex(), &mut go_on).unwrap()
    };
    let together: Vec<f64> = measure(0, 3).iter().map(|figure| figure.bits_per_dim).collect();
    let apart: Vec<f64> = [measure(0, 2), measure(2, 1)].concat().iter().map(|figure| figure.bits_per_dim).collect();
    for (together, apart) in together.iter().zip(&apart) {
        // Sums over other batches are rounded otherwise.
        assert!((together - apart).abs() < 1e-5, "{together} {apart}");
    }
}

#[test]
fn closed_forms_of_the_trace_are_those_of_differences() {
    let set: Vec<u8> = (0..5 * 48).map(|i: u32| (i * 37 % 251) as u8).collect();
    let mixture = Mixture::named("blocks").unwrap();
    let images = ImageSet::new(set, [3, 4, 4], &Device::flex());
    let noise = Noise { seed: 3, first: 0, count: 2, shape: [3, 4, 4], device: Device::flex() };
    let x = noise.normal(0, Purpose::Prior);
    for model in [&mixture as &dyn ScoreModel, &images] {
        let at = [Level::new(0.6, 0.8), Level::new(0.3, 1.5)];
        let (_, trace) = model.score_and_trace(&x, &at).unwrap().unwrap();
        let trace: Vec<f32> = trace.into_data().try_into_vec().unwrap();
        let (h, mut sums) = (1e-2, [0.0f64; 2]);
        for place in 0..48 {
            let score_at = |shift: f32| -> Vec<f32> {
                let mut values: Vec<f32> = x.clone().into_data().try_into_vec().unwrap();
                (0..2).for_each(|sample| values[sample * 48 + place] += shift);
                let moved = Image::from_data(burn::tensor::TensorData::new(values, [2, 3, 4, 4]), &Device::flex());
                model.score(&moved, &at).unwrap().into_data().try_into_vec().unwrap()
            };
            let (up, down) = (score_at(h), score_at(-h));
            for (sample, sum) in sums.iter_mut().enumerate() {
                let i = sample * 48 + place;
                *sum += f64::from(up[i] - down[i]) / f64::from(2.0 * h);
            }
        }
        for (trace, sum) in trace.iter().zip(sums) {
            // Differences of single-precision scores: rounding 1e-6/h a coordinate, and h² of curvature.
            assert!((f64::from(*trace) - sum).abs() < 0.02, "{trace} is not {sum}");
        }
    }
}

fn pixels(array: &Array, scale: f32, shift: f32) -> Pixels<f32> {
    let shape = <[usize; 4]>::try_from(array.shape.as_slice()).unwrap();
    Pixels { shape, values: array.values.iter().map(|value| value * scale + shift).collect() }
}

/// The flow of the recorded network, its figures, its tensors, and the network.
fn published() -> (Flow, serde_json::Value, Weights, OpenedNetwork) {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let figures: serde_json::Value = serde_json::from_slice(&std::fs::read(data.join("ode.json")).unwrap()).unwrap();
    let folder = data.join("nets/ddpmpp-vp-cifar10");
    let recorded = read_tensors(&folder.join("ode.safetensors")).unwrap();
    let opened = open_network(&folder.join("checkpoint.pth"), None).unwrap();
    let solver = solver("adaptive:1e-5:1e-5:batch");
    let family = opened.description.family;
    let flow = Flow { solver, ..Flow::new(ModelRef::Named("ddpmpp-vp-cifar10".into()), family) };
    (flow, figures["ddpmpp-vp-cifar10"].clone(), recorded, opened)
}

#[test]
fn a_networks_likelihood_matches_the_published_code() {
    let (flow, figures, recorded, opened) = published();
    let network = Network::new(&opened.description.config, &opened.weights, &Device::flex().autodiff()).unwrap();
    let differentiable = NetworkScore::new(network, opened.description);
    let (pictures, probe) = (pixels(&recorded["data"], 0.5, 0.5), pixels(&recorded["probe"], 1.0, 0.0));
    let found = likelihood_along(&flow, &differentiable, &pictures, &probe, &Device::flex(), &mut go_on).unwrap();
    for (figure, expected) in found.iter().zip(figures["bpd"].as_array().unwrap()) {
        let (expected, nfe) = (expected.as_f64().unwrap(), figures["nfe_likelihood"].as_f64().unwrap());
        println!("{} bits/dim for {expected}, {} evaluations for {nfe}", figure.bits_per_dim, figure.nfe);
        assert!((figure.bits_per_dim - expected).abs() < 0.01, "{figure:?} for {expected}");
        assert!((figure.nfe as f64 / nfe - 1.0).abs() < 0.1, "{} evaluations for {nfe}", figure.nfe);
    }
    let latents = pixels(&recorded["latent"], 1.0, 0.0);
    let sde = flow.family.sde();
    for (sample, figure) in found.iter().enumerate() {
        let squares = latents.sample(sample).iter().map(|&z| f64::from(z).powi(2)).sum();
        let expected = sde.prior_log_density(squares, 3 * 32 * 32);
        // As close as the bits/dim: 0.01 a dimension.
        assert!((figure.log_prior - expected).abs() < 0.01 * LN_2 * 3072.0, "{figure:?} for {expected}");
    }
}

#[test]
fn a_networks_decoded_latents_match_the_published_code() {
    let (flow, figures, recorded, opened) = published();
    let network = Network::new(&opened.description.config, &opened.weights, &Device::flex()).unwrap();
    let model = NetworkScore::new(network, opened.description);
    let flow = Flow { end: figures["eps_sampler"].as_f64().unwrap(), ..flow };
    let latents = pixels(&recorded["latent"], 1.0, 0.0);
    let back = decode(&flow, &model, &latents, &Device::flex(), &mut go_on).unwrap();
    let nfe = figures["nfe_sampler"].as_f64().unwrap();
    assert!((back.nfe[0] as f64 / nfe - 1.0).abs() < 0.1, "{} evaluations for {nfe}", back.nfe[0]);
    // A random network is a hard ODE: its pictures reach far outside [0, 1], and rounding grows on the way.
    let expected = &recorded["decoded"].values;
    let largest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let error = super::largest(&back.pictures.values, expected) / f64::from(largest);
    println!("decoded within {error} of the largest value {largest}");
    assert!(error < 0.01, "{error} of the largest value");
}
