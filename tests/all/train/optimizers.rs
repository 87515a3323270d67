//! Updates against published code, step by step, and what holds of any.

use super::{figures, number, numbers, relative_error};
use score_explorer::network::{Parameter, Start};
use score_explorer::registry::Choice;
use score_explorer::train::{
    Adam, AdamW, BETA_1, BETA_2, CLIP, EPSILON, InverseSqrt, LEARNING_RATE, MOMENTUM, MUON_RATE, Muon, MuonRule,
    NESTEROV, Optimizer, OptimizerState, Pace, Position, RAMP_UP_IMAGES, REFERENCE_BATCHES, Rule, Schedule, WARM_UP,
    WEIGHT_DECAY, WarmUp, norm, orthogonalised,
};
use serde_json::Value;

/// As close as the reference asks.
const CLOSE: f64 = 1e-8;

/// Named arrays of `of`, in this order.
fn arrays(of: &Value, names: &[&str]) -> Vec<Vec<f64>> {
    names.iter().map(|name| numbers(&of[name])).collect()
}

/// The shape of a nested list.
fn shape(list: &Value) -> Vec<usize> {
    let mut shape = Vec::new();
    let mut list = list;
    while let Some(items) = list.as_array() {
        shape.push(items.len());
        list = &items[0];
    }
    shape
}

fn parameters(of: &Value, names: &[&str]) -> Vec<Parameter> {
    let parameter = |&name: &&str| Parameter {
        name: name.to_owned(),
        shape: shape(&of[name]),
        trainable: true,
        inner: true,
        start: Start::Constant(0.0),
    };
    names.iter().map(parameter).collect()
}

/// Walks through the recorded steps: each has the gradient at the weights before it and the weights after it.
fn follows(
    optimizer: &Choice<dyn Optimizer>,
    warm_up: u64,
    names: &[&str],
    start: &Value,
    steps: &Value,
) -> OptimizerState<f64> {
    let steps = steps.as_array().unwrap();
    let mut weights = arrays(start, names);
    let mut state = OptimizerState::new(optimizer, &parameters(&steps[0]["gradient"], names));
    let schedule = Choice::<dyn Schedule>::new(&WarmUp).with(&WARM_UP, warm_up);
    for (index, step) in steps.iter().enumerate() {
        let gradients = arrays(&step["gradient"], names);
        let gradients: Vec<&[f64]> = gradients.iter().map(Vec::as_slice).collect();
        let norm = norm(&gradients);
        assert!((norm / number(&step["gradient_norm"]) - 1.0).abs() < CLOSE);
        let at = Position { updates: state.updates(), images: 0, batch: 1 };
        let pace = Pace { rate: schedule.factor(&at), gradient: optimizer.clip(norm) };
        let mut slices: Vec<&mut [f64]> = weights.iter_mut().map(Vec::as_mut_slice).collect();
        state.update(pace, &mut slices, &gradients).unwrap();
        for ((found, expected), name) in weights.iter().zip(arrays(&step["after"], names)).zip(names) {
            let error = relative_error(found, &expected);
            assert!(error < CLOSE, "{optimizer:?}, step {index}, {name}: off by {error:.1e}");
        }
    }
    state
}

/// Holds the moments at the end.
fn remembers(state: &OptimizerState<f64>, moments: &Value) {
    let mut count = 0;
    for (name, values) in state.arrays() {
        let (parameter, moment) = name.rsplit_once('.').unwrap();
        let error = relative_error(values, &numbers(&moments[parameter][moment]));
        assert!(error < CLOSE, "{name}: off by {error:.1e}");
        count += 1;
    }
    assert_eq!(count, moments.as_object().unwrap().values().map(|of| of.as_object().unwrap().len()).sum::<usize>());
}

#[test]
fn adam_and_adamw_take_the_published_steps() {
    let all = figures("optimizers.json");
    let entries: [(&str, &'static dyn Optimizer); 2] = [("adam", &Adam), ("adamw", &AdamW)];
    for (name, entry) in entries {
        for case in all[name].as_array().unwrap() {
            let optimizer = Choice::new(entry)
                .with(&LEARNING_RATE, number(&case["lr"]))
                .with(&BETA_1, number(&case["beta1"]))
                .with(&BETA_2, number(&case["beta2"]))
                .with(&EPSILON, number(&case["eps"]))
                .with(&WEIGHT_DECAY, number(&case["weight_decay"]))
                .with(&CLIP, case["grad_clip"].as_f64().unwrap_or(0.0).max(0.0));
            let start = &all["problems"][case["problem"].as_str().unwrap()]["start"];
            let warm_up = case["warmup"].as_u64().unwrap_or(0);
            let state = follows(&optimizer, warm_up, &["weight", "bias"], start, &case["steps"]);
            assert_eq!(state.updates(), 12);
            remembers(&state, &case["moments"]);
        }
    }
}

/// Where the recorded problem starts.
fn separate(all: &Value) -> Value {
    let problem = all["problems"]["separate"].as_object().unwrap();
    problem.iter().map(|(name, of)| (name.clone(), of["start"].clone())).collect::<serde_json::Map<_, _>>().into()
}

fn muon(case: &Value) -> Choice<dyn Optimizer> {
    assert_eq!(case["newton_schulz_steps"], 5);
    Choice::<dyn Optimizer>::new(&Muon)
        .with(&MUON_RATE, number(&case["lr"]))
        .with(&MOMENTUM, number(&case["momentum"]))
        .with(&NESTEROV, case["nesterov"] == true)
        .with(&WEIGHT_DECAY, number(&case["weight_decay"]))
        .with(&CLIP, 0.0)
}

#[test]
fn muon_takes_the_published_steps() {
    let all = figures("optimizers.json");
    for case in all["muon"].as_array().unwrap() {
        let state = follows(&muon(case), 0, &["weight", "wide", "kernel"], &separate(&all), &case["steps"]);
        remembers(&state, &case["momenta"]);
    }
}

#[test]
fn adam_beside_muon_takes_the_published_steps() {
    // Its weight decay is that of Muon in the program; here it has one of its own.
    let all = figures("optimizers.json");
    let case = &all["muon_with_adam"];
    let names = ["weight", "wide", "kernel", "bias"];
    let start = separate(&all);
    let choice = muon(&case["muon"]).with(&LEARNING_RATE, number(&case["adam"]["lr"]));
    let rule = |parameter: &Parameter| {
        let rule = choice.entry().rule(choice.settings(), parameter);
        match rule {
            Rule::Adam(mut rule) => {
                assert_eq!(parameter.name, "bias");
                let found = [rule.beta_1, rule.beta_2, rule.epsilon];
                assert_eq!(found, ["beta1", "beta2", "eps"].map(|key| number(&case["adam"][key])));
                rule.weight_decay = number(&case["adam"]["weight_decay"]);
                Rule::Adam(rule)
            }
            rule => rule,
        }
    };
    let rules = parameters(&start, &names).into_iter().map(|p| (p.name.clone(), p.shape.iter().product(), rule(&p)));
    let mut state = OptimizerState::of_rules(rules);
    let mut weights = arrays(&start, &names);
    for step in case["steps"].as_array().unwrap() {
        let gradients = arrays(&step["gradient"], &names);
        let gradients: Vec<&[f64]> = gradients.iter().map(Vec::as_slice).collect();
        let mut slices: Vec<&mut [f64]> = weights.iter_mut().map(Vec::as_mut_slice).collect();
        state.update(Pace { rate: 1.0, gradient: 1.0 }, &mut slices, &gradients).unwrap();
        for ((found, expected), name) in weights.iter().zip(arrays(&step["after"], &names)).zip(names) {
            let error = relative_error(found, &expected);
            assert!(error < CLOSE, "{name}: off by {error:.1e}");
        }
    }
}

#[test]
fn newton_and_schulz_make_the_published_matrices() {
    let all = figures("optimizers.json");
    for case in all["newton_schulz"].as_array().unwrap() {
        let (input, iterations) = (numbers(&case["input"]), case["steps"].as_u64().unwrap() as usize);
        let rows = shape(&case["input"])[0];
        let error = relative_error(&orthogonalised(input.clone(), rows, iterations), &numbers(&case["output"]));
        assert!(error < CLOSE, "{}, {iterations} iterations: off by {error:.1e}", case["name"]);
        // Single precision follows, where small singular values have not been blown up.
        let single = orthogonalised(input.iter().map(|x| *x as f32).collect::<Vec<f32>>(), rows, iterations);
        let single: Vec<f64> = single.into_iter().map(f64::from).collect();
        assert!(relative_error(&single, &numbers(&case["output"])) < 1e-4, "{}", case["name"]);
    }
}

#[test]
fn the_learning_rate_of_edm2_is_the_published_one() {
    for case in figures("optimizers.json")["edm2_learning_rate"].as_array().unwrap() {
        let schedule = Choice::<dyn Schedule>::new(&InverseSqrt)
            .with(&REFERENCE_BATCHES, number(&case["ref_batches"]))
            .with(&RAMP_UP_IMAGES, 1e6 * number(&case["rampup_Mimg"]));
        let [images, batch] = ["images", "batch"].map(|key| case[key].as_u64().unwrap());
        let found = number(&case["ref_lr"]) * schedule.factor(&Position { updates: images / batch, images, batch });
        assert!((found - number(&case["lr"])).abs() <= 1e-12 * found, "{case}: {found}");
    }
}

/// Parameters of the kinds that networks have, the large ones of several parts.
fn some() -> Vec<Parameter> {
    let parameter = |(index, (shape, inner)): (usize, (&[usize], bool))| Parameter {
        name: format!("p{index}"),
        shape: shape.to_vec(),
        trainable: true,
        inner,
        start: Start::Constant(0.0),
    };
    let shapes: [(&[usize], bool); 5] =
        [(&[70_001], false), (&[96, 64, 3, 3], true), (&[64, 200], true), (&[3, 96, 3, 3], false), (&[7], false)];
    shapes.into_iter().enumerate().map(parameter).collect()
}

fn waves(size: usize, seed: usize) -> Vec<f32> {
    (0..size).map(|i| ((i * 31 + seed * 77) as f32 * 0.37).sin()).collect()
}

/// Weights after a few updates on so many threads, all moments, and the norm of the gradients.
fn trained(entry: &'static dyn Optimizer, threads: usize) -> (Vec<Vec<f32>>, OptimizerState<f32>, f64) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut state = OptimizerState::new(&Choice::new(entry), &some());
        let sizes: Vec<usize> = some().iter().map(|p| p.shape.iter().product()).collect();
        let mut weights: Vec<Vec<f32>> = sizes.iter().enumerate().map(|(i, &size)| waves(size, i)).collect();
        let mut last = 0.0;
        for step in 0..3 {
            let gradients: Vec<Vec<f32>> =
                sizes.iter().enumerate().map(|(i, &size)| waves(size, 10 * step + i)).collect();
            let gradients: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
            last = norm(&gradients);
            let pace = Pace { rate: 1.0, gradient: Choice::new(entry).clip(last) };
            let mut slices: Vec<&mut [f32]> = weights.iter_mut().map(Vec::as_mut_slice).collect();
            state.update(pace, &mut slices, &gradients).unwrap();
        }
        (weights, state, last)
    })
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    for entry in [&Adam as &'static dyn Optimizer, &Muon] {
        let alone = trained(entry, 1);
        for threads in [2, 3, 7] {
            assert!(trained(entry, threads) == alone, "{}, {threads} threads", entry.about().slug);
        }
    }
}

#[test]
fn a_restored_state_goes_on_to_the_same_bits() {
    let (mut weights, mut state, _) = trained(&Muon, 2);
    let kept: std::collections::BTreeMap<String, Vec<f32>> =
        state.arrays().map(|(name, values)| (name, values.to_vec())).collect();
    let mut restored = OptimizerState::<f32>::new(&Choice::<dyn Optimizer>::new(&Muon), &some());
    assert!(restored.restore(3, |name| kept.get(name).map(|values| values[1..].to_vec())).is_err());
    assert!(restored.restore(3, |name| kept.get(name).filter(|_| name != "p4.exp_avg").cloned()).is_err());
    assert_eq!(restored.updates(), 0);
    restored.restore(3, |name| kept.get(name).cloned()).unwrap();
    assert!(restored == state);
    let mut again = weights.clone();
    let gradients: Vec<Vec<f32>> = weights.iter().enumerate().map(|(i, w)| waves(w.len(), 40 + i)).collect();
    let gradients: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
    for (state, weights) in [(&mut state, &mut weights), (&mut restored, &mut again)] {
        let mut slices: Vec<&mut [f32]> = weights.iter_mut().map(Vec::as_mut_slice).collect();
        state.update(Pace { rate: 0.3, gradient: 0.5 }, &mut slices, &gradients).unwrap();
        // Arrays of other parameters are refused before anything moves.
        let updates = state.updates();
        assert!(state.update(Pace { rate: 0.3, gradient: 0.5 }, &mut slices[1..], &gradients[1..]).is_err());
        slices.swap(0, 1);
        assert!(state.update(Pace { rate: 0.3, gradient: 0.5 }, &mut slices, &gradients).is_err());
        assert_eq!(state.updates(), updates);
    }
    assert!(weights == again && state == restored);
}

#[test]
fn muon_moves_matrices_between_features_only() {
    let folder = super::data().join("nets/ncsnpp-ve-ffhq1024");
    let opened =
        score_explorer::checkpoint::open_network(&folder.join("checkpoint.pth"), Some(&folder.join("config.json")))
            .unwrap();
    let (choice, plan) = (Choice::<dyn Optimizer>::new(&Muon), opened.description.config.plan());
    let image = opened.description.config.shape()[0];
    let mut filters = 0;
    for parameter in &plan {
        let Rule::Muon(MuonRule { shape, .. }) = choice.entry().rule(choice.settings(), parameter) else { continue };
        assert_eq!(shape, parameter.shape);
        assert!(shape.len() >= 2 && shape[0] != image && shape[1] != image, "{} {shape:?}", parameter.name);
        filters += 1;
    }
    let matrices = plan.iter().filter(|parameter| parameter.shape.len() >= 2).count();
    // All but the stem, the pyramids' maps from and to images, and the embedding's first map.
    assert!(filters > matrices / 2 && filters < matrices, "{filters} of {matrices}");
}
