//! Networks whose weights a formula fills, against what published code answered (tests/data/filled/make.py).

use super::{build, build_of_tensors, image, noise, relative_error, same_bits_for_any_number_of_threads, values};
use crate::graphics::graphics;
use crate::recorded::figures;
use burn::tensor::Device;
use score_explorer::checkpoint::{OpenOptions, Opened, OpenedNetwork, Overrides, open, read_tensors, write_tensors};
use score_explorer::network::{Array, Labels, Learner, Network, Weights};
use score_explorer::score::{NetworkScore, ScoreModel};
use score_explorer::sde::{FamilyKind, Level};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What was recorded of a network.
pub(crate) struct Filled {
    pub(crate) name: &'static str,
    pub(crate) facts: Value,
    pub(crate) figures: Weights,
}

impl Filled {
    pub(crate) fn read(name: &'static str) -> Filled {
        let file =
            |end: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/filled").join(format!("{name}.{end}"));
        Filled { name, facts: figures(&file("json")), figures: read_tensors(&file("safetensors")).unwrap() }
    }

    /// The published state dictionary.
    pub(crate) fn state(&self) -> Weights {
        let mut shapes: Vec<(String, Vec<usize>)> =
            serde_json::from_value::<serde_json::Map<String, Value>>(self.facts["tensors"].clone())
                .unwrap()
                .into_iter()
                .map(|(name, shape)| (name, serde_json::from_value(shape).unwrap()))
                .collect();
        shapes.sort();
        let array = |(number, (name, shape)): (usize, (String, Vec<usize>))| {
            let values = fill(&shape, number as u32, shape.len() == 1 && name.ends_with("weight"));
            (name, Array { shape, values })
        };
        shapes.into_iter().enumerate().map(array).collect()
    }

    /// The same as a file, opened as anybody's is.
    pub(crate) fn open(&self, told: &[&str]) -> Opened {
        let folder = tempfile::tempdir().unwrap();
        let file = self.write(folder.path());
        let overrides = Overrides::parse(told.iter().copied()).unwrap();
        open(&file, &OpenOptions { overrides, ..OpenOptions::default() }).unwrap()
    }

    /// Writes it as its project does; what is opened.
    fn write(&self, folder: &Path) -> PathBuf {
        match self.facts.get("config") {
            Some(config) => {
                std::fs::write(folder.join("config.json"), with_class(config, "UNet2DModel")).unwrap();
                let scheduler = with_class(&self.facts["scheduler"], "DDPMScheduler");
                std::fs::write(folder.join("scheduler_config.json"), scheduler).unwrap();
                write_tensors(&folder.join("diffusion_pytorch_model.safetensors"), &self.state()).unwrap();
                folder.into()
            }
            None => {
                let file = folder.join("state.safetensors");
                write_tensors(&file, &self.state()).unwrap();
                file
            }
        }
    }

    pub(crate) fn labels(&self) -> Vec<f64> {
        self.figures["t"].values.iter().map(|&t| f64::from(t)).collect()
    }

    pub(crate) fn classes(&self) -> Vec<Option<usize>> {
        self.figures.get("y").map(|y| y.values.iter().map(|&y| Some(y as usize)).collect()).unwrap_or_default()
    }

    /// Holds what a network answers to the recorded labels and classes against what was recorded.
    pub(crate) fn agrees(&self, model: &NetworkScore, device: &Device, tolerance: f64) {
        let x = image(&self.figures["x"], device);
        let (labels, classes) = (self.labels(), self.classes());
        let mut asked = vec![("output", &classes[..])];
        if self.figures.contains_key("without") {
            asked.push(("without", &[]));
        }
        for (expected, classes) in asked {
            let found = values(model.network().forward(x.clone(), Labels { levels: &labels, classes }).unwrap());
            self.close(&found, expected, tolerance);
        }
    }

    fn close(&self, found: &[f32], expected: &str, tolerance: f64) {
        let size = found.len() / 2;
        for (found, recorded) in found.chunks(size).zip(self.figures[expected].values.chunks(size)) {
            let error = relative_error(found, recorded);
            println!("{} {expected}: {error:.1e}", self.name);
            assert!(error < tolerance, "{} {expected}: off by {error:.1e}", self.name);
        }
    }
}

fn with_class(config: &Value, class: &str) -> String {
    let mut config = config.clone();
    config["_class_name"] = class.into();
    config.to_string()
}

/// The formula of make.py.
fn fill(shape: &[usize], number: u32, is_norm: bool) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let fan: usize = shape[1..].iter().product();
    let spread = if shape.len() == 1 { 0.3 } else { (fan as f64).powf(-0.5) };
    let word = |place: u32| {
        let start = place.wrapping_mul(0x9E37_79B1).wrapping_add(number.wrapping_mul(0x85EB_CA77));
        [(15, 0x2C1B_3C6D_u32), (12, 0x297A_2D39), (15, 1)]
            .into_iter()
            .fold(start, |word, (shift, factor)| (word ^ (word >> shift)).wrapping_mul(factor))
    };
    let centre = f64::from(u8::from(is_norm));
    let value = |place: u32| centre + spread * 12_f64.sqrt() * (f64::from(word(place)) / 2_f64.powi(32) - 0.5);
    (0..count as u32).map(|place| value(place) as f32).collect()
}

/// Both compute in single precision: rounding of sums of some hundred terms, through some twenty layers.
const ROUNDING: f64 = 1e-5;

/// All ways of computing a network: the CPU's own, a graphics device's own where it has any, and tensor operations.
fn all_agree(filled: &Filled, opened: &OpenedNetwork) {
    let device = graphics();
    filled.agrees(&build(opened, &device), &device, ROUNDING);
    let device = Device::flex();
    filled.agrees(&build(opened, &device), &device, ROUNDING);
    filled.agrees(&build_of_tensors(opened, &device), &device, ROUNDING);
}

#[test]
fn class_conditional_networks_answer_as_diffusers() {
    for (name, count) in [("diffusers-classes", 3), ("diffusers-timestep", 1000)] {
        let filled = Filled::read(name);
        let opened = filled.open(&[]).network;
        assert_eq!(opened.description.config.classes(), count);
        all_agree(&filled, &opened);
        // The class makes a difference.
        let model = build(&opened, &Device::flex());
        let x = image(&filled.figures["x"], &Device::flex());
        let labels = filled.labels();
        let without = values(model.network().forward(x, &labels).unwrap());
        let apart = relative_error(&without, &filled.figures["output"].values);
        assert!(apart > 1e-2, "{name}: {apart}");
    }
}

/// The score of one class is that of the network which is told it.
#[test]
fn a_model_of_a_class_is_the_network_that_is_told_it() {
    let filled = Filled::read("diffusers-classes");
    let model = build(&filled.open(&[]).network, &Device::flex());
    let x = image(&filled.figures["x"], &Device::flex());
    let at = model.description().published_level(0.3);
    let of = |class| values(model.of_class(class).unwrap().score(&x, &[at]).unwrap());
    let label = model.label(at);
    let told = |class| {
        let labels = Labels { levels: &[label], classes: &[Some(class)] };
        values(model.network().forward(x.clone(), labels).unwrap())
    };
    // VP's score is the output divided by −σ, of a table here.
    let gain = of(0)[0] / told(0)[0];
    for class in 0..3 {
        let expected: Vec<f32> = told(class).iter().map(|value| value * gain).collect();
        let error = relative_error(&of(class), &expected);
        assert!(error < 1e-5, "class {class}: {error}");
    }
    assert!(relative_error(&of(0), &of(1)) > 1e-2);
    assert!(model.of_class(3).is_none());
    let plain = Level::new(1.0, 1.0);
    assert!(values(model.score(&x, &[plain]).unwrap()).iter().all(|value| value.is_finite()));
}

/// By both ways of computing them, and along a direction by differences.
#[test]
fn gradients_reach_the_table_of_classes() {
    for name in ["diffusers-classes", "edm-adm", "guided", "guided-half"] {
        let filled = Filled::read(name);
        let told: &[&str] =
            if name.starts_with("guided") { &["adm.image_size=8", "adm.num_head_channels=32"] } else { &[] };
        gradients_agree(&filled.open(told).network, &filled);
    }
}

/// Gradients of a random linear function of a network's output by all parameters.
pub(crate) fn gradients_agree(opened: &OpenedNetwork, filled: &Filled) {
    let (config, weights) = (&opened.description.config, &opened.weights);
    let (x, levels) = (&filled.figures["x"].values, filled.labels());
    // One image of a class, one of none.
    let classes = [Some(1), None];
    let labels = Labels { levels: &levels, classes: &classes };
    let probe = noise(x.len(), 4);
    let at_output = |images: std::ops::Range<usize>, values: &mut [f32]| {
        let size = probe.len() / 2;
        values.copy_from_slice(&probe[images.start * size..images.end * size]);
    };
    let device = Device::flex().autodiff();
    let network = Network::new(config, weights, &device).unwrap();
    let own = network.gradients(x, labels, None, &at_output).unwrap();
    let tensors = Network::gradients_by_tensors(config, weights, &Device::flex(), x, labels, None, &at_output).unwrap();
    let parameters = config.parameters();
    let most = tensors.iter().flatten().fold(0.0_f32, |most, value| most.max(value.abs()));
    let mut learner = Learner::default();
    let kernels = learner.gradients(config, weights, &graphics(), x, labels, None, &at_output).unwrap();
    assert!(kernels.is_some() || config.unet().is_none(), "there are kernels for all U-Nets");
    for found in std::iter::once(&own).chain(&kernels) {
        for ((found, other), (parameter, _)) in found.iter().zip(&tensors).zip(&parameters) {
            let largest = other.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            // Nothing depends on the bias of a key: there is rounding alone.
            if largest > 1e-4 * most {
                let error = relative_error(found, other);
                assert!(error < 3e-4, "{} {parameter}: {error:.1e}", filled.name);
            }
        }
    }
    same_bits_for_any_number_of_threads(|| network.gradients(x, labels, None, &at_output).unwrap());

    // Along the direction of the gradient of each part, the function grows by its square.
    let function = |weights: &Weights| {
        let network = Network::of_tensors(config, weights, &Device::flex()).unwrap();
        let shape = filled.figures["x"].shape.clone();
        let x = image(&Array { shape, values: x.clone() }, &Device::flex());
        let output = values(network.forward(x, labels).unwrap());
        output.iter().zip(&probe).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
    };
    let norm: f64 = own.iter().flatten().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let moved = |step: f64| {
        let mut weights = weights.clone();
        for ((name, _), gradient) in parameters.iter().zip(&own) {
            let array = weights.get_mut(name).unwrap();
            array.values.iter_mut().zip(gradient).for_each(|(w, g)| *w += (step * f64::from(*g) / norm) as f32);
        }
        function(&weights)
    };
    let step = 5e-3;
    let slope = (moved(step) - moved(-step)) / (2.0 * step);
    assert!((slope / norm - 1.0).abs() < 2e-2, "{}: a slope of {slope}, not {norm}", filled.name);
}

#[test]
fn adm_answers_as_edms_code() {
    let filled = Filled::read("edm-adm");
    let opened = filled.open(&[]).network;
    assert_eq!(opened.description.config.classes(), 3);
    let sigma_data = opened.description.config.sigma_data();
    assert_eq!((sigma_data, opened.description.config.summary().starts_with("ADM")), (Some(0.5), true));
    let device = Device::flex();
    for model in [build(&opened, &device), build_of_tensors(&opened, &device)] {
        let x = image(&filled.figures["x"], &device);
        let size = filled.figures["x"].values.len() / 2;
        for (expected, classes) in [("output", filled.classes()), ("without", vec![None, None])] {
            // D(x; σ) = x + σ²·score, of one image after the other, as each has a class of its own.
            for (place, (sigma, class)) in filled.labels().into_iter().zip(classes).enumerate() {
                let x = x.clone().narrow(0, place, 1);
                let at = [Level::new(1.0, sigma)];
                let score = match class {
                    Some(class) => model.of_class(class).unwrap().score(&x, &at),
                    None => model.score(&x, &at),
                };
                let x = values(x);
                let denoised: Vec<f32> = x
                    .iter()
                    .zip(values(score.unwrap()))
                    .map(|(x, score)| x + (sigma * sigma * f64::from(score)) as f32)
                    .collect();
                let recorded = &filled.figures[expected].values[place * size..][..size];
                let error = relative_error(&denoised, recorded);
                // x and σ²·score nearly cancel where σ is large.
                let largest = |values: &[f32]| values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                let tolerance = ROUNDING + 2.0 * f64::from(largest(&x) / largest(recorded) * f32::EPSILON);
                println!("{expected} at σ = {sigma}: {error:.1e}");
                assert!(error < tolerance, "{expected} at σ = {sigma}: off by {error:.1e}");
            }
        }
    }
}

/// With learnt variances, which are left out, in both orders of queries, keys and values, with and without convolutions
/// that resample, and with first layers half as wide as what the embedding begins with.
#[test]
fn adm_answers_as_guided_diffusion() {
    let cases: [(&str, &[&str]); 3] = [
        ("guided", &["adm.image_size=8", "adm.num_head_channels=32"]),
        ("guided-half", &["adm.image_size=8", "adm.num_head_channels=32"]),
        ("guided-new-order", &["adm.image_size=8", "adm.num_heads=4", "adm.use_new_attention_order=true"]),
    ];
    for (name, told) in cases {
        let filled = Filled::read(name);
        all_agree(&filled, &filled.open(told).network);
    }
}

#[test]
fn what_no_shape_of_adm_reveals_is_assumed_and_can_be_set() {
    let filled = Filled::read("guided");
    let assumed: Vec<String> = filled.open(&["adm.image_size=8"]).assumed.into_iter().map(|it| it.field).collect();
    assert_eq!(assumed, ["adm.num_head_channels", "adm.use_new_attention_order", "adm.noise_schedule"]);
    let folder = tempfile::tempdir().unwrap();
    let file = filled.write(folder.path());
    for (told, expected) in [
        ("adm.image_size=9", "data.image_size = 9"),
        ("adm.num_heads=7", "its number of heads, 7"),
        ("adm.noise_schedule=sigmoid", "adm.noise_schedule"),
        ("adm.heads=4", "unknown field adm.heads"),
    ] {
        let overrides = Overrides::parse([told]).unwrap();
        let said = open(&file, &OpenOptions { overrides, ..OpenOptions::default() }).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
    // Its networks that enlarge images take the small one in three more channels, and answer variances in as many.
    let mut state = filled.state();
    let stem = state.get_mut("input_blocks.0.0.weight").unwrap();
    stem.values = stem.values.repeat(2);
    stem.shape[1] = 6;
    write_tensors(&file, &state).unwrap();
    let said = open(&file, &OpenOptions::default()).unwrap_err().to_string();
    assert!(said.contains("enlarges"), "{said}");
}

/// ᾱ of Nichol and Dhariwal 2021, eq. 17: telescoped where no β reaches its limit, 0.999.
#[test]
fn adm_of_the_cosine_schedule_has_its_levels() {
    let filled = Filled::read("guided");
    let told = ["adm.image_size=8", "adm.num_head_channels=32", "adm.noise_schedule=cosine"];
    let opened = filled.open(&told).network;
    assert_eq!(opened.description.family, FamilyKind::Cosine.published());
    let ratios = opened.description.trained_ratios();
    assert_eq!(ratios.len(), 1000);
    let f = |t: f64| ((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
    for (index, ratio) in ratios.iter().rev().take(999).enumerate() {
        let bar = f((index + 1) as f64 / 1000.0) / f(0.0);
        let expected = ((1.0 - bar) / bar).sqrt();
        assert!((ratio / expected - 1.0).abs() < 1e-9, "level {index}: {ratio}, not {expected}");
    }
    // Where nothing of the data is left, σ/α is that of ᾱ = 2⁻²⁴.
    assert!((ratios[0] / (2_f64.powi(24) - 1.0).sqrt() - 1.0).abs() < 1e-9, "{}", ratios[0]);
    // A score is −ε/σ of the noise that the network answers to the same step.
    let (device, step) = (Device::flex(), 300);
    let (x, class) = (image(&filled.figures["x"], &device), filled.classes()[0]);
    let model = build(&opened, &device);
    let (alpha, sigma) = (1.0 / ratios[999 - step].hypot(1.0), ratios[999 - step] / ratios[999 - step].hypot(1.0));
    let of_class = model.of_class(class.unwrap()).unwrap();
    let score = values(of_class.score(&x, &[Level::new(alpha, sigma)]).unwrap());
    let labels = Labels { levels: &[step as f64], classes: &[class] };
    let noise = values(model.network().forward(x, labels).unwrap());
    let expected: Vec<f32> = noise.iter().map(|noise| -noise / sigma as f32).collect();
    let error = relative_error(&score, &expected);
    assert!(error < ROUNDING, "{error:.1e}, label {}", model.label(Level::new(alpha, sigma)));
}

/// With learnt variances, which are left out, and a row of the table for no class.
fn transformer() -> (Filled, OpenedNetwork) {
    let filled = Filled::read("dit");
    let mut state = filled.state();
    state.insert("pos_embed".into(), filled.figures["pos_embed"].clone());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dit.safetensors");
    write_tensors(&file, &state).unwrap();
    let overrides = Overrides::parse(["dit.num_heads=3"]).unwrap();
    let opened = open(&file, &OpenOptions { overrides, ..OpenOptions::default() }).unwrap();
    let assumed: Vec<&str> = opened.assumed.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(assumed, ["dit.class_dropout"]);
    // Learnt places would be another network.
    state.get_mut("pos_embed").unwrap().values[5] += 0.1;
    write_tensors(&file, &state).unwrap();
    let said = open(&file, &OpenOptions::default()).unwrap_err().to_string();
    assert!(said.contains("pos_embed"), "{said}");
    (filled, opened.network)
}

/// Published phases are in single precision: at the step 970 they are known to 3e-5.
const PHASES: f64 = 3e-5;

#[test]
fn transformers_answer_as_published_code() {
    let (filled, opened) = transformer();
    assert_eq!(opened.description.config.classes(), 3);
    let device = Device::flex();
    filled.agrees(&build(&opened, &device), &device, PHASES);
    filled.agrees(&build_of_tensors(&opened, &device), &device, PHASES);
    // A batch answers as its images do one by one.
    let model = build(&opened, &device);
    let (x, labels) = (image(&filled.figures["x"], &device), filled.labels());
    for (place, &label) in labels.iter().enumerate() {
        let alone = values(model.network().forward(x.clone().narrow(0, place, 1), &[label]).unwrap());
        let recorded = &filled.figures["without"].values[place * alone.len()..][..alone.len()];
        let error = relative_error(&alone, recorded);
        assert!(error < PHASES, "{error}");
    }
}

#[test]
fn gradients_of_a_transformer_are_its_slopes() {
    let (filled, opened) = transformer();
    gradients_agree(&opened, &filled);
}
