//! At which times training looks: laws, strata, what is unbiased.

use super::Told;
use score_explorer::registry::Choice;
use score_explorer::sde::FamilyKind;
use score_explorer::train::{Draw, Importance, LogNormal, P_MEAN, P_STD, Path, STRATIFIED, Times, Uniform, draw};

const COUNT: usize = 100_000;

fn path(told: Told) -> Path {
    Path::of(&told.conditioning())
}

fn independent(entry: &'static dyn Times) -> Choice<dyn Times> {
    Choice::new(entry).with(&STRATIFIED, false)
}

/// √n times the largest distance of the empirical distribution function (Kolmogorov and Smirnov).
fn distance(mut sample: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let beside = |(i, x): (usize, &f64)| {
        let expected = distribution(*x);
        (expected - i as f64 / n).abs().max((expected - (i + 1) as f64 / n).abs())
    };
    sample.iter().enumerate().map(beside).fold(0.0, f64::max) * n.sqrt()
}

/// Exceeded with probability 2·exp(−2·2.5²) = 7e-6.
const FAR: f64 = 2.5;

fn times(draws: &[Draw]) -> Vec<f64> {
    draws.iter().map(|draw| draw.t).collect()
}

/// The integral of a function by the midpoint rule, in equal steps of log t where it is steep.
fn integral(from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (steps, ratio) = (200_000, (to / from).ln());
    let at = |i: usize| from * (ratio * (i as f64 + 0.5) / steps as f64).exp();
    (0..steps).map(|i| f(at(i)) * at(i) * ratio / steps as f64).sum()
}

#[test]
fn uniform_times_are_uniform() {
    for told in Told::ALL {
        let path = path(told);
        let draws = draw(&independent(&Uniform), &path, 1, 5, COUNT);
        assert!(distance(times(&draws), |t| (t - path.first) / (path.last - path.first)) < FAR, "{told:?}");
        assert!(draws.iter().all(|draw| draw.correction == 1.0));
    }
}

#[test]
fn discrete_levels_are_equally_likely() {
    for told in [Told::Smld, Told::Ddpm] {
        let (conditioning, path) = (told.conditioning(), path(told));
        let mut counts = vec![0.0f64; 1000];
        for draw in draw(&independent(&Uniform), &path, 2, 0, COUNT) {
            counts[conditioning.trained(draw.t).label as usize] += 1.0;
        }
        let expected = COUNT as f64 / 1000.0;
        let chi_squared: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
        // 999 degrees of freedom: mean 999, standard deviation 45.
        assert!((chi_squared - 999.0).abs() < 5.0 * 45.0, "{told:?}: {chi_squared}");
    }
}

#[test]
fn importance_follows_the_likelihood_weighting() {
    // Where α ends at 0 the density has no bound there, and quadrature does not find its integral.
    let kinds = FamilyKind::ALL.iter().copied().filter(|kind| kind.published().sde().alpha(1.0) > 1e-3);
    for kind in kinds {
        let path = path(Told::Continuous(kind));
        let sde = path.family.sde();
        let weight = |t: f64| (sde.diffusion(t) / sde.sigma(t)).powi(2);
        // The distribution function by quadrature of g²/σ², at a few hundred places.
        let (places, ratio) = (400, (path.last / path.first).ln());
        let at = |i: usize| path.first * (ratio * i as f64 / places as f64).exp();
        let mut sums = vec![0.0];
        for i in 0..places {
            let inside = |j: usize| at(i) * (at(i + 1) / at(i)).powf((j as f64 + 0.5) / 50.0);
            let part: f64 = (0..50).map(|j| weight(inside(j)) * inside(j)).sum::<f64>() * ratio / places as f64 / 50.0;
            sums.push(sums[i] + part);
        }
        let total = sums[places];
        let distribution = |t: f64| {
            let place = ((t / path.first).ln() / ratio * places as f64).clamp(0.0, places as f64);
            let (below, share) = ((place as usize).min(places - 1), place - (place as usize).min(places - 1) as f64);
            (sums[below] + share * (sums[below + 1] - sums[below])) / total
        };
        let draws = draw(&independent(&Importance), &path, 3, 1, COUNT);
        assert!(distance(times(&draws), distribution) < FAR, "{kind}");
        // Uniform times are another law, but for VE.
        let uniform = times(&score_explorer::train::draw(&independent(&Uniform), &path, 3, 1, COUNT));
        assert_eq!(distance(uniform, distribution) > FAR, kind != FamilyKind::Ve, "{kind}");
    }
}

#[test]
fn importance_leaves_the_mean_of_a_loss_and_lowers_its_variance() {
    for kind in [FamilyKind::Vp, FamilyKind::SubVp] {
        let path = path(Told::Continuous(kind));
        let sde = path.family.sde();
        // The likelihood-weighted loss of a network that is off by a smooth function of t.
        let loss = |t: f64| (sde.diffusion(t) / sde.sigma(t)).powi(2) * (1.0 + 0.5 * (3.0 * t).sin());
        let exact = integral(path.first, path.last, loss) / (path.last - path.first);
        let spread = |entry: &'static dyn Times| {
            let draws = draw(&independent(entry), &path, 4, 2, COUNT);
            let values: Vec<f64> = draws.iter().map(|draw| loss(draw.t) * draw.correction).collect();
            let mean = values.iter().sum::<f64>() / COUNT as f64;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / COUNT as f64;
            (mean, (variance / COUNT as f64).sqrt())
        };
        let ((mean, error), (_, error_of_uniform)) = (spread(&Importance), spread(&Uniform));
        assert!((mean - exact).abs() < 5.0 * error, "{kind}: {mean} ± {error}, not {exact}");
        assert!(error * 20.0 < error_of_uniform, "{kind}: {error}, {error_of_uniform} of uniform times");
        // So close that forgetting the interval's length or a factor 2 shows.
        assert!(5.0 * error < 0.01 * exact);
    }
}

#[test]
fn log_normal_noise_levels_are_log_normal() {
    let path = path(Told::Edm);
    let choice = independent(&LogNormal).with(&P_MEAN, -0.8).with(&P_STD, 1.6);
    let draws = draw(&choice, &path, 5, 3, COUNT);
    let sigmas: Vec<f64> = draws.iter().map(|draw| path.family.sde().sigma(draw.t).ln()).collect();
    // Φ by Simpson's rule.
    let normal = |x: f64| {
        let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        let h = x / 400.0;
        let inner = |i: usize| if i % 2 == 1 { 4.0 } else { 2.0 } * density(i as f64 * h);
        0.5 + h / 3.0 * (density(0.0) + (1..400).map(inner).sum::<f64>() + density(x))
    };
    // What lies beyond the ends is at them: a step of the distribution function, less than 1 in 1,000.
    let inside = |x: f64| if x >= 80f64.ln() - 1e-9 { 1.0 } else { normal((x + 0.8) / 1.6) };
    assert!(distance(sigmas.clone(), inside) < FAR);
    assert!(distance(sigmas, |x| normal((x + 0.8) / 1.7)) > FAR);
}

#[test]
fn strata_hold_one_time_each_and_lower_the_variance() {
    let path = path(Told::Continuous(FamilyKind::Vp));
    let images = 64;
    let (spread, scattered) = (Choice::<dyn Times>::new(&Uniform), independent(&Uniform));
    let share = |t: f64| (t - path.first) / (path.last - path.first);
    // Variance of a batch's mean of t², over many steps; and which strata the first image of a batch had.
    let (mut first, mut variances) = (Vec::new(), [0.0; 2]);
    let steps = 400;
    for step in 0..steps {
        let mut strata: Vec<usize> =
            draw(&spread, &path, 6, step, images).iter().map(|draw| (share(draw.t) * images as f64) as usize).collect();
        first.push(strata[0] as f64);
        strata.sort_unstable();
        assert_eq!(strata, (0..images).collect::<Vec<_>>());
        for (choice, variance) in [&spread, &scattered].iter().zip(&mut variances) {
            let mean = draw(choice, &path, 7, step, images).iter().map(|draw| share(draw.t).powi(2)).sum::<f64>()
                / images as f64;
            *variance += (mean - 1.0 / 3.0).powi(2) / steps as f64;
        }
    }
    // Var of t² is 4/45; within strata of width 1/n it is about E[(2t)²]/(12·n²).
    let expected = [4.0 / 3.0 / 12.0 / (images as f64).powi(3), 4.0 / 45.0 / images as f64];
    for (variance, expected) in variances.iter().zip(expected) {
        // A sample variance of 400 has a relative error of √(2/400) = 0.07.
        assert!((variance / expected - 1.0).abs() < 0.35, "{variance}, not {expected}");
    }
    // An image's place in the batch says nothing of its noise.
    assert!(distance(first, |stratum| (stratum + 0.5) / images as f64) < FAR + 0.5 * 20.0 / images as f64);
}

#[test]
fn times_are_a_function_of_seed_step_and_image() {
    let path = path(Told::Continuous(FamilyKind::SubVp));
    let choice = Choice::<dyn Times>::new(&Importance);
    let all = draw(&choice, &path, 8, 17, 40);
    assert_eq!(all, draw(&choice, &path, 8, 17, 40));
    assert_ne!(all, draw(&choice, &path, 8, 18, 40));
    assert_ne!(all, draw(&choice, &path, 9, 17, 40));
    // Without strata, images do not depend on how many there are.
    let choice = independent(&Importance);
    assert_eq!(draw(&choice, &path, 8, 17, 40)[..7], draw(&choice, &path, 8, 17, 7)[..]);
}

#[test]
fn continuous_times_are_refused_for_discrete_levels() {
    for entry in [&Importance as &'static dyn Times, &LogNormal] {
        let refused = Choice::new(entry).check_for(&path(Told::Ddpm)).unwrap_err().to_string();
        assert!(refused.ends_with("; choose uniform"), "{refused}");
        Choice::new(entry).check_for(&path(Told::Edm)).unwrap();
    }
    Choice::<dyn Times>::new(&Uniform).check_for(&path(Told::Smld)).unwrap();
}

#[test]
fn a_label_has_a_time_at_which_the_network_is_told_it() {
    for told in Told::ALL {
        let conditioning = told.conditioning();
        for t in [0.0005, 0.2345, 0.5005, 0.8765, 0.9995] {
            let label = conditioning.trained(t).label;
            let again = conditioning.trained(conditioning.time_of(label)).label;
            assert!((again - label).abs() <= 1e-9 * label.abs(), "{told:?}: {label} became {again}");
        }
    }
}
