//! Facts that hold for every network, whatever its weights.

use super::{build, figures, image, noise, open, relative_error, values};
use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::score::{ScoreError, ScoreModel, denoised};
use score_explorer::sde::{Family, FamilyKind, Level};

/// On the CPU every sum has one order, whatever it is computed beside and by how many threads.
#[test]
fn a_batch_gives_what_its_samples_give_alone_to_the_bit() {
    let (opened, device) = (open("ncsnpp-vp-cifar10"), Device::flex());
    let model = build(&opened, &device);
    const COUNT: usize = 37;
    let x: Tensor<4> = Tensor::from_data(TensorData::new(noise(COUNT * 3072, 1), [COUNT, 3, 32, 32]), &device);
    let time = |index: usize| 0.01 + 0.9 * index as f64 / COUNT as f64;
    let at: Vec<Level> = (0..COUNT).map(|index| opened.description.family.sde().level(time(index))).collect();
    let together = values(model.score(&x, &at).unwrap());
    for (index, level) in at.iter().enumerate() {
        let alone = values(model.score(&x.clone().narrow(0, index, 1), &[*level]).unwrap());
        assert!(together[index * 3072..(index + 1) * 3072] == alone, "sample {index} differs");
    }
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| values(model.score(&x, &at).unwrap())) == together, "{threads} threads differ");
    }
    let one = values(model.score(&x, &at[..1]).unwrap());
    assert!(one == values(model.score(&x, &[at[0]; COUNT]).unwrap()));
}

#[test]
fn denoised_estimate_depends_on_sigma_over_alpha_alone() {
    let (opened, device) = (open("ncsnpp-vp-cifar10"), Device::flex());
    let model = build(&opened, &device);
    let x = image(&figures("ncsnpp-vp-cifar10")["x"], &device);
    let vp = opened.description.family.sde();
    for t in [0.05, 0.4, 0.8] {
        let native = vp.level(t);
        let expected = values(denoised(&x, &model.score(&x, &[native]).unwrap(), &[native]));
        let sub_vp = FamilyKind::SubVp.published();
        let foreign = [
            sub_vp.sde().level(sub_vp.sde().time_of_ratio(native.ratio())),
            Level::new(1.0, native.ratio()),
            Level::new(0.37, 0.37 * native.ratio()),
        ];
        for level in foreign {
            let rescaled = x.clone() * (level.alpha / native.alpha);
            let found = values(denoised(&rescaled, &model.score(&rescaled, &[level]).unwrap(), &[level]));
            // Rounding of x (2⁻²⁴ relative) comes back magnified by the network's slope, some tens at most.
            let error = relative_error(&found, &expected);
            assert!(error < 1e-4, "t = {t}, {level:?}: off by {error:.1e}");
        }
    }
}

#[test]
fn noise_outside_of_the_trained_range_is_answered_at_its_nearest_end() {
    let (opened, device) = (open("ncsnpp-vp-cifar10"), Device::flex());
    let model = build(&opened, &device);
    let (low, high) = model.ratios().unwrap();
    let Family::Vp(vp) = opened.description.family else { panic!("a VP network") };
    assert!(
        ((1.0 - (-0.5 * (vp.beta_min() + vp.beta_max())).exp()).sqrt()
            * (0.25 * (vp.beta_min() + vp.beta_max())).exp()
            / high
            - 1.0)
            .abs()
            < 1e-9
    );
    let x = image(&figures("ncsnpp-vp-cifar10")["x"], &device);
    for (inside, outside) in [(low, 0.1 * low), (high, 10.0 * high)] {
        let at = |ratio| model.score(&x, &[Level::new(1.0, ratio)]).unwrap();
        assert!(relative_error(&values(at(outside)), &values(at(inside))) < 1e-4);
    }
}

/// The directional derivative from automatic differentiation is the one from differences.
#[test]
fn gradients_flow_through_the_network() {
    for name in ["ncsnpp-ve-cifar10-discrete", "ddpm-vp-cifar10-discrete"] {
        gradients_flow_through(name);
    }
}

fn gradients_flow_through(name: &str) {
    let device = Device::flex().autodiff();
    let opened = open(name);
    let model = build(&opened, &device);
    let at = |values: Vec<f32>| -> Tensor<4> { Tensor::from_data(TensorData::new(values, [1, 3, 32, 32]), &device) };
    let (start, direction, probe) = (noise(3072, 2), noise(3072, 3), noise(3072, 4));
    let output = |x: Tensor<4>| model.network().forward(x, &[500.0]).unwrap();
    let x = at(start.clone()).require_grad();
    let gradients = (output(x.clone()) * at(probe.clone())).sum().backward();
    let gradient: Vec<f32> = x.grad(&gradients).unwrap().into_data().try_into_vec().unwrap();
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let slope = dot(&gradient, &direction);
    let moved = |step: f32| -> f64 {
        let there = start.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
        dot(&values(output(at(there))), &probe)
    };
    // Rounding: values of rms r and 3072 terms err by about 1e-6·r·√3072, over the step; curvature adds step².
    let step = 1e-2_f32;
    let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
    assert!((slope - difference).abs() < 1e-2 * slope.abs(), "{slope} by differentiation, {difference} by differences");
}

#[test]
fn a_network_that_was_not_loaded_for_gradients_gives_none() {
    let opened = open("ddpmpp-subvp-cifar10");
    let model = build(&opened, &Device::flex());
    let x: Tensor<4> = Tensor::zeros([1, 3, 32, 32], &Device::flex().autodiff()).require_grad();
    assert!(!model.network().forward(x.clone(), &[500.0]).unwrap().is_tracked());
    let model = build(&opened, &Device::flex().autodiff());
    assert!(model.network().forward(x, &[500.0]).unwrap().is_tracked());
}

#[test]
fn images_of_another_size_are_refused() {
    let (opened, device) = (open("ddpmpp-subvp-cifar10"), Device::flex());
    let model = build(&opened, &device);
    let x: Tensor<4> = Tensor::zeros([1, 3, 16, 16], &device);
    let answer = model.score(&x, &[Level::new(1.0, 1.0)]);
    assert!(matches!(answer, Err(ScoreError::Shape { expected: [3, 32, 32], found: [3, 16, 16] })));
}
