//! Averages of weights against published code, and lengths chosen afterwards.

use super::{figures, number, numbers, relative_error};
use score_explorer::registry::Choice;
use score_explorer::train::{
    Average, DECAY, Ema, HALF_LIFE, HalfLife, Power, Profile, RAMP_UP_RATIO, SIGMA_REL, Update, WARM, coefficients,
    combine, follow, gamma_of, half_life_decay,
};
use serde_json::Value;

/// As close as the reference asks.
const CLOSE: f64 = 1e-8;

/// Follows the recorded weights with the decay that `decay` gives for each update.
fn follows(all: &Value, case: &Value, decay: impl Fn(&Update) -> f64) {
    let batch = case["batch"].as_u64().unwrap_or(1);
    let mut average = numbers(&all["start"]);
    let sequence = all["sequence"].as_array().unwrap();
    for (index, (weights, after)) in sequence.iter().zip(case["after"].as_array().unwrap()).enumerate() {
        let number = index as u64 + 1;
        let decay = decay(&Update { number, images: number * batch, batch });
        if let Some(beta) = case.get("beta") {
            assert!((decay - numbers(beta)[index]).abs() < CLOSE, "{decay}");
        }
        follow(&mut average, &numbers(weights), decay);
        let error = relative_error(&average, &numbers(after));
        assert!(error < CLOSE, "update {number}: off by {error:.1e}");
    }
}

#[test]
fn averages_are_the_published_ones() {
    let all = &figures("optimizers.json")["averages"];
    let cases = |name: &str| all[name].as_array().unwrap().clone();
    for case in cases("score_sde").iter().chain(&cases("traditional")) {
        let warm = case["num_updates_warmup"] == true;
        let average = Choice::<dyn Average>::new(&Ema).with(&DECAY, number(&case["decay"])).with(&WARM, warm);
        follows(all, case, |update| average.decay(update));
    }
    for case in cases("edm") {
        let average = Choice::<dyn Average>::new(&HalfLife)
            .with(&HALF_LIFE, 1e3 * number(&case["halflife_kimg"]))
            .with(&RAMP_UP_RATIO, case["rampup_ratio"].as_f64().unwrap_or(0.0));
        follows(all, &case, |update| average.decay(update));
    }
    for case in cases("edm2_traditional") {
        let (half_life, ratio) = (1e6 * number(&case["halflife_Mimg"]), case["rampup_ratio"].as_f64().unwrap_or(0.0));
        follows(all, &case, |update| half_life_decay(half_life, ratio, update.images, update.batch));
    }
    for case in cases("power_function") {
        let average = Choice::<dyn Average>::new(&Power).with(&SIGMA_REL, number(&case["sigma_rel"]));
        follows(all, &case, |update| average.decay(update));
    }
}

#[test]
fn the_width_of_a_profile_gives_its_exponent() {
    let all = &figures("optimizers.json")["averages"];
    for pair in all["sigma_rel_to_gamma"].as_array().unwrap() {
        let [sigma_rel, gamma] = [number(&pair[0]), number(&pair[1])];
        assert!((gamma_of(sigma_rel) / gamma - 1.0).abs() < CLOSE, "{sigma_rel}");
    }
}

fn profile(value: &Value) -> Profile {
    Profile { images: number(&value["images"]), sigma_rel: number(&value["sigma_rel"]) }
}

#[test]
fn averages_chosen_afterwards_are_the_published_ones() {
    let all = figures("optimizers.json");
    let recorded = &all["averages"]["post_hoc"];
    let snapshots = recorded["snapshots"].as_array().unwrap();
    let stored: Vec<Profile> = snapshots.iter().map(profile).collect();
    let weights: Vec<Vec<f64>> = snapshots.iter().map(|snapshot| numbers(&snapshot["weights"])).collect();
    let weights: Vec<&[f64]> = weights.iter().map(Vec::as_slice).collect();
    for target in recorded["targets"].as_array().unwrap() {
        let factors = coefficients(&stored, profile(target)).unwrap();
        let mut expected = vec![0.0; stored.len()];
        let places = target["snapshots"].as_array().unwrap().iter().map(|place| place.as_u64().unwrap() as usize);
        places.zip(numbers(&target["coefficients"])).for_each(|(place, factor)| expected[place] = factor);
        let error = relative_error(&factors, &expected);
        assert!(error < CLOSE, "{target}: factors are off by {error:.1e}");
        let error = relative_error(&combine(&weights, &factors), &numbers(&target["weights"]));
        assert!(error < CLOSE, "{target}: weights are off by {error:.1e}");
    }
}

/// The weight at update k of a training whose weights move and come to rest.
fn course(k: f64) -> f64 {
    (0.045 * k).cos() + 1.5 * (-0.06 * k).exp()
}

#[test]
fn an_average_chosen_afterwards_is_near_the_one_that_was_kept() {
    // Two widths tracked, a snapshot every 64 updates: any width between them, and beyond, to a share of their difference.
    let (batch, updates) = (128.0, 1024);
    let widths = [0.05, 0.10, 0.07, 0.14];
    let averages = widths.map(|width| Choice::<dyn Average>::new(&Power).with(&SIGMA_REL, width));
    let mut values = [[0.0]; 4];
    let (mut stored, mut kept) = (Vec::new(), Vec::new());
    for number in 1..=updates {
        let update = Update { number, images: number * 128, batch: 128 };
        for (average, value) in averages.iter().zip(&mut values) {
            follow(value, &[course(number as f64)], average.decay(&update));
        }
        if number % 64 == 0 {
            for place in 0..2 {
                stored.push(Profile { images: number as f64 * batch, sigma_rel: widths[place] });
                kept.push(values[place]);
            }
        }
    }
    let kept: Vec<&[f64]> = kept.iter().map(|value| value.as_slice()).collect();
    for place in 2..4 {
        let wanted = Profile { images: updates as f64 * batch, sigma_rel: widths[place] };
        let found = combine(&kept, &coefficients(&stored, wanted).unwrap())[0];
        let (error, apart) = ((found - values[place][0]).abs(), (values[0][0] - values[1][0]).abs());
        println!("σ_rel = {}: off by {error:.1e}, and the two that were tracked are {apart:.1e} apart", widths[place]);
        assert!(error < 0.02 * apart, "σ_rel = {}: {found}, not {}", widths[place], values[place][0]);
    }
}

#[test]
fn a_stored_average_is_itself() {
    let stored: Vec<Profile> =
        (1..=5).flat_map(|k| [0.05, 0.1].map(|sigma_rel| Profile { images: f64::from(k) * 1e4, sigma_rel })).collect();
    for (place, &wanted) in stored.iter().enumerate() {
        for (other, factor) in coefficients(&stored, wanted).unwrap().into_iter().enumerate() {
            let expected = if other == place { 1.0 } else { 0.0 };
            assert!((factor - expected).abs() < 1e-6, "{place}, {other}: {factor}");
        }
    }
    let early = Profile { images: 5e3, sigma_rel: 0.05 };
    assert!(coefficients(&stored, early).unwrap_err().to_string().ends_with("; choose a later moment"));
    assert!(coefficients(&[stored[0], stored[0]], stored[1]).is_err());
}
