//! Small models that diffusers wrote, against what it answered (tests/data/diffusers/make.py).

use super::super::solver::published::{RECORDED, numbers};
use super::{build, build_of_tensors, image, relative_error, values};
use burn::tensor::{Device, Tensor};
use score_explorer::checkpoint::{
    About, OpenOptions, adopt, open as open_with, open_network, read_diffusers_config, read_tensors,
};
use score_explorer::network::Weights;
use score_explorer::score::{Conditioning, Description, NetworkScore, Predicts, ScoreModel, Threshold};
use score_explorer::sde::{Family, FamilyKind, Flow, LabelConvention, Level, Range, ScaledLinear};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/diffusers").join(name)
}

fn figures(name: &str) -> (Weights, Vec<f64>) {
    let recorded = read_tensors(&folder(name).join("io.safetensors")).unwrap();
    let labels = recorded["t"].values.iter().map(|&t| f64::from(t)).collect();
    (recorded, labels)
}

/// Both compute in single precision: rounding of sums of some hundred terms, through some twenty layers.
const ROUNDING: f64 = 1e-5;

fn gives_recorded_output(name: &str, device: &Device) {
    agrees(name, &build(&open_network(&folder(name), None).unwrap(), device), device);
}

fn agrees(name: &str, model: &NetworkScore, device: &Device) {
    let (recorded, labels) = figures(name);
    let found = values(model.network().forward(image(&recorded["x"], device), &labels).unwrap());
    // The two labels' outputs may differ by orders of magnitude.
    for (found, expected) in found.chunks(192).zip(recorded["output"].values.chunks(192)) {
        let error = relative_error(found, expected);
        println!("{name}: {error:.1e}");
        assert!(error < ROUNDING, "{name}: off by {error:.1e}");
    }
}

#[test]
fn ddpm_with_the_old_names_answers_as_diffusers() {
    gives_recorded_output("ddpm", &Device::flex());
}

#[test]
fn heads_scales_and_margins_answer_as_diffusers() {
    gives_recorded_output("heads", &Device::flex());
}

#[test]
fn ncsnpp_answers_as_diffusers() {
    gives_recorded_output("ncsnpp", &Device::flex());
}

#[test]
fn tensor_operations_answer_as_diffusers_too() {
    for name in ["ddpm", "heads", "ncsnpp"] {
        let opened = open_network(&folder(name), None).unwrap();
        agrees(name, &build_of_tensors(&opened, &Device::flex()), &Device::flex());
    }
}

#[test]
fn predicted_noise_becomes_a_score_by_the_schedule() {
    let (recorded, labels) = figures("heads");
    let opened = open_network(&folder("heads"), None).unwrap();
    assert_eq!((opened.description.range, opened.description.levels), (Range::Symmetric, 500));
    let Family::Vp(vp) = opened.description.family else { panic!("{:?}", opened.description.family) };
    let model = build(&opened, &Device::flex());
    let x = image(&recorded["x"], &Device::flex());
    // √(1 − ᾱ) of DDPM: β from 0.0002 to 0.01 in 500 steps.
    let beta = |step: usize| 2e-4 + (0.01 - 2e-4) * step as f64 / 499.0;
    assert!((vp.beta_min() - 0.1).abs() < 1e-12 && (vp.beta_max() - 5.0).abs() < 1e-12);
    let last = 333;
    let sigma = (1.0 - (0..=last).map(|step| 1.0 - beta(step)).product::<f64>()).sqrt();
    let at = opened.description.published_level(last as f64 / 499.0);
    assert!((model.label(at) - labels[1]).abs() < 1e-6, "{}", model.label(at));
    let score = values(model.score(&x.clone().narrow(0, 1, 1), &[at]).unwrap());
    let expected: Vec<f32> = recorded["output"].values[192..].iter().map(|&e| (-f64::from(e) / sigma) as f32).collect();
    let error = relative_error(&score, &expected);
    assert!(error < 1e-4, "off by {error:.1e}");
}

#[test]
fn answers_of_ncsnpp_are_scores_at_any_sigma() {
    let (recorded, labels) = figures("ncsnpp");
    let opened = open_network(&folder("ncsnpp"), None).unwrap();
    let Family::Ve(ve) = opened.description.family else { panic!("{:?}", opened.description.family) };
    assert_eq!((ve.sigma_min(), ve.sigma_max(), opened.description.range), (0.01, 1348.0, Range::Unit));
    let model = build(&opened, &Device::flex());
    let at: Vec<Level> = labels.iter().map(|&sigma| Level::new(1.0, sigma)).collect();
    let score = values(model.score(&image(&recorded["x"], &Device::flex()), &at).unwrap());
    for (found, expected) in score.chunks(192).zip(recorded["output"].values.chunks(192)) {
        // σ comes back from its time: rounding in the logarithm.
        assert!(relative_error(found, expected) < 1e-4);
    }
}

#[test]
fn folders_subfolders_and_weights_name_the_same_network() {
    let whole = open_network(&folder("heads"), None).unwrap();
    for part in ["heads/unet", "heads/unet/diffusion_pytorch_model.safetensors"] {
        let again = open_network(&folder(part), None).unwrap();
        assert_eq!((again.description, again.weights), (whole.description.clone(), whole.weights.clone()));
    }
}

#[test]
fn an_imported_folder_stays_the_same_network() {
    let place = tempfile::tempdir().unwrap();
    for name in ["ddpm", "heads", "ncsnpp"] {
        let output = place.path().join("ours.safetensors");
        let about = About { name: name.into(), ..About::default() };
        let opened = open_with(&folder(name), &OpenOptions::default()).unwrap();
        adopt(opened.network, &opened.file.unwrap(), &about, &output).unwrap();
        let (ours, theirs) = (open_network(&output, None).unwrap(), open_network(&folder(name), None).unwrap());
        assert_eq!(ours.description.config, theirs.description.config);
        // What was half precision is so again, to the bit.
        assert_eq!(ours.weights, theirs.weights);
        let x: Tensor<4> = Tensor::zeros([1, 3, 8, 8], &Device::flex());
        assert!(build(&ours, &Device::flex()).score(&x, &[Level::new(0.5, 0.5)]).is_ok());
    }
}

fn json_of(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder(name)).unwrap()).unwrap()
}

#[test]
fn models_of_another_kind_are_answered_with_one_sentence() {
    let cases = [
        ("_class_name", json!("UNet2DConditionModel"), "config._class_name = UNet2DConditionModel is not supported"),
        ("class_embed_type", json!("projection"), "config.class_embed_type = projection is not supported"),
        ("downsample_type", json!("resnet"), "config.downsample_type = resnet"),
        ("mid_block_type", Value::Null, "config.mid_block_type = null"),
        ("block_out_channels", json!([4, 6]), "config.block_out_channels = [4, 6] is invalid"),
        ("block_out_channels", json!([4, 8, 8]), "one for each of down_block_types"),
        ("block_out_channels", json!([0, 0]), "config.block_out_channels = [0, 0]"),
        ("block_out_channels", json!([4, 1_u64 << 60]), "an entry of model.ch_mult"),
        (
            "down_block_types",
            json!(["DownBlock2D", "CrossAttnDownBlock2D"]),
            "DownBlock2D, CrossAttnDownBlock2D is not",
        ),
        ("down_block_types", json!(["AttnDownBlock2D", "DownBlock2D"]), "with the like on the way up"),
        ("down_block_types", json!([]), "config.down_block_types"),
        ("sample_size", json!([8, 16, 3]), "config.sample_size = [8,16,3] is not supported; use a whole number"),
        ("sample_size", Value::Null, "lacks config.sample_size"),
        ("sample_size", json!(9), "data.image_size = 9 is invalid; it must be divisible by 2"),
        ("out_channels", json!(6), "config.out_channels = 6"),
        ("attention_head_dim", json!(3), "a multiple of the width of a head, 3"),
        ("attention_head_dim", json!(0), "the width of a head, 0"),
        ("norm_num_groups", json!(3), "a multiple of its number of groups, 3"),
        ("norm_eps", json!(0.0), "norm_eps = 0 is invalid"),
        ("freq_shift", json!(2), "freq_shift = 2 is invalid"),
        ("downsample_padding", json!(2), "config.downsample_padding = 2"),
        ("time_embedding_type", json!("fourier"), "positional for this scheduler"),
        ("mid_block_scale_factor", json!(1.4), "config.mid_block_scale_factor = 1.4"),
        ("resnet_time_scale_shift", json!("scale_shift"), "config.attn_norm_num_groups = null is invalid"),
    ];
    let scheduler = json_of("ddpm/scheduler_config.json");
    for (field, value, expected) in cases {
        let mut config = json_of("ddpm/config.json");
        config[field] = value;
        says(&config, &scheduler, expected);
    }
    let cases = [
        ("_class_name", json!("EDMEulerScheduler"), "scheduler_config._class_name = EDMEulerScheduler"),
        (
            "_class_name",
            json!("FlowMatchHeunScheduler"),
            "prediction_type = epsilon is not supported; use flow_prediction",
        ),
        ("thresholding", json!("yes"), "scheduler_config.thresholding"),
        ("clip_sample_range", json!(-1.0), "scheduler_config.clip_sample_range"),
        ("beta_schedule", json!("laplace"), "scheduler_config.beta_schedule = laplace"),
        ("prediction_type", json!("flow_prediction"), "use epsilon"),
        ("trained_betas", json!([0.1]), "scheduler_config.trained_betas"),
        ("beta_end", json!(-1.0), "beta_start to beta_end = 0.0001 to -1"),
        ("num_train_timesteps", json!(1), "scheduler_config.num_train_timesteps = 1"),
        ("num_train_timesteps", json!(4_000_000_000_000_000_000_u64), "it must be from 2 to 100000"),
    ];
    for (field, value, expected) in cases {
        let mut scheduler = json_of("ddpm/scheduler_config.json");
        scheduler[field] = value;
        says(&json_of("ddpm/config.json"), &scheduler, expected);
    }
    let mut narrow = json_of("ncsnpp/config.json");
    narrow["down_block_types"][1] = json!("AttnSkipDownBlock2D");
    narrow["up_block_types"][0] = json!("AttnSkipUpBlock2D");
    says(&narrow, &json_of("ncsnpp/scheduler_config.json"), "attention over 128 channels or more");
}

/// Flow matching, and how samples are clipped, are as a scheduler says.
#[test]
fn straight_paths_and_thresholds_are_read() {
    let read = |scheduler: Value| {
        read_diffusers_config(&json_of("ddpm/config.json").to_string(), &scheduler.to_string()).unwrap()
    };
    let flow = read(json!({ "_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0 }));
    assert_eq!(flow.family, Family::Flow(Flow::new(3.0).unwrap()));
    assert_eq!((flow.predicts, flow.labels, flow.continuous), (Predicts::Flow, LabelConvention::FlowTime, true));
    let multistep = json!({
        "_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": true, "flow_shift": 2.0,
        "prediction_type": "flow_prediction",
    });
    assert_eq!(read(multistep).family, Family::Flow(Flow::new(2.0).unwrap()));
    let with = |field: &str, value: Value| {
        let mut scheduler = json_of("ddpm/scheduler_config.json");
        scheduler[field] = value;
        scheduler
    };
    assert_eq!(read(with("clip_sample_range", json!(2.0))).threshold, Threshold::Wider(2.0));
    let mut dynamic = with("thresholding", json!(true));
    (dynamic["dynamic_thresholding_ratio"], dynamic["sample_max_value"]) = (json!(0.9), json!(1.5));
    assert_eq!(read(dynamic).threshold, Threshold::Dynamic { ratio: 0.9, most: 1.5 });
    assert_eq!(read(with("beta_schedule", json!("squaredcos_cap_v2"))).family, FamilyKind::Cosine.published());
    let scaled = read(with("beta_schedule", json!("scaled_linear"))).family;
    assert_eq!(scaled, Family::ScaledLinear(ScaledLinear::new(0.1, 20.0).unwrap()));
}

fn says(config: &Value, scheduler: &Value, expected: &str) {
    let said = read_diffusers_config(&config.to_string(), &scheduler.to_string()).unwrap_err().to_string();
    assert!(said.contains(expected), "{expected}: {said}");
    assert!(said.len() < 350 && !said.contains('\n'), "{said}");
}

/// The published repositories' own configurations.
#[test]
fn published_repositories_are_networks_of_their_published_size() {
    let ddpm = |channels: Value, sample_size: usize, attention: usize| {
        let levels = channels.as_array().unwrap().len();
        let kind = |level: usize, way: &str| format!("{}{way}Block2D", if level == attention { "Attn" } else { "" });
        let mut config = json_of("ddpm/config.json");
        config["block_out_channels"] = channels;
        config["sample_size"] = json!(sample_size);
        config["layers_per_block"] = json!(2);
        config["norm_num_groups"] = json!(32);
        config["down_block_types"] = (0..levels).map(|level| kind(level, "Down")).collect();
        config["up_block_types"] = (0..levels).rev().map(|level| kind(level, "Up")).collect();
        let scheduler = json_of("ddpm/scheduler_config.json").to_string();
        read_diffusers_config(&config.to_string(), &scheduler).unwrap().config.parameters()
    };
    let size = |parameters: Vec<(String, Vec<usize>)>| -> usize {
        parameters.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    };
    // google/ddpm-cifar10-32, 35.7 million (Ho et al. 2020), and google/ddpm-church-256, 114 million.
    assert_eq!(size(ddpm(json!([128, 256, 256, 256]), 32, 1)) / 100_000, 357);
    assert_eq!(size(ddpm(json!([128, 128, 256, 256, 512, 512]), 256, 4)) / 1_000_000, 113);
}

/// A scheduler with these fields beside the usual ones.
fn scheduled(fields: Value) -> Result<Description, String> {
    let mut scheduler = json_of("ddpm/scheduler_config.json");
    for (name, value) in fields.as_object().unwrap() {
        scheduler[name] = value.clone();
    }
    read_diffusers_config(&json_of("ddpm/config.json").to_string(), &scheduler.to_string())
        .map_err(|error| error.to_string())
}

#[test]
fn tables_of_noise_are_those_of_diffusers() {
    let tables = RECORDED["tables"].as_object().unwrap();
    assert_eq!(tables.len(), 9);
    for (name, table) in tables {
        let [first, last] = if name.starts_with("scaled") { [0.00085, 0.012] } else { [1e-4, 0.02] };
        let schedule = match name.as_str() {
            name if name.starts_with("scaled") => "scaled_linear",
            name if name.starts_with("cosine") => "squaredcos_cap_v2",
            _ => "linear",
        };
        let described = scheduled(json!({
            "beta_schedule": schedule, "beta_start": first, "beta_end": last, "num_train_timesteps": 1000,
            "rescale_betas_zero_snr": name.contains("zero-snr"), "trained_betas": null,
        }))
        .unwrap();
        let found = described.trained_ratios();
        let bars = numbers(table);
        assert_eq!(found.len(), bars.len());
        for (index, (found, bar)) in found.iter().rev().zip(&bars).enumerate() {
            // Where nothing of the data is left, σ/α is that of ᾱ = 2⁻²⁴.
            let bar = if described.betas.is_some() { bar.max(2f64.powi(-24)) } else { *bar };
            let expected = ((1.0 - bar) / bar).sqrt();
            // ᾱ is a product of a thousand factors.
            assert!((found / expected - 1.0).abs() < 1e-9, "{name} {index}: {found} {expected}");
        }
    }
}

#[test]
fn betas_of_a_list_are_taken_as_they_are() {
    let betas: Vec<f64> = (0..1000).map(|i| 1e-4 + 1e-5 * f64::from(i)).collect();
    let described = scheduled(json!({ "trained_betas": betas, "num_train_timesteps": 1000 })).unwrap();
    let bar: f64 = betas.iter().map(|beta| 1.0 - beta).product();
    let found = described.trained_ratios()[0];
    assert!((found / ((1.0 - bar) / bar).sqrt() - 1.0).abs() < 1e-9);
    let again: Description = serde_json::from_value(serde_json::to_value(&described).unwrap()).unwrap();
    assert_eq!(again, described);
    let refused = scheduled(json!({ "trained_betas": vec![1.5; 1000], "num_train_timesteps": 1000 })).unwrap_err();
    assert!(refused.contains("trained_betas = 1.5 is invalid"), "{refused}");
}

#[test]
fn each_prediction_becomes_the_same_score() {
    // x = α·x(0) + σ·z: whichever of z, x(0) and v = α·z − σ·x(0) a network answers, the score is −z/σ.
    let (clean, z) = (0.7, -1.3);
    for index in [0, 40, 500, 999] {
        let described = scheduled(json!({ "num_train_timesteps": 1000 })).unwrap();
        let ratio = described.trained_ratios()[999 - index];
        let (alpha, sigma) = (1.0 / ratio.hypot(1.0), ratio / ratio.hypot(1.0));
        let x = alpha * clean + sigma * z;
        for (word, answer) in [("epsilon", z), ("sample", clean), ("v_prediction", alpha * z - sigma * clean)] {
            let described = scheduled(json!({ "prediction_type": word, "num_train_timesteps": 1000 })).unwrap();
            let place = Conditioning::new(described).trained(index as f64 / 1000.0 + 1e-6);
            assert_eq!(place.label, index as f64);
            let score = place.gain * answer + place.skip * x;
            assert!((score + z / sigma).abs() < 1e-9 * (z / sigma).abs().max(1.0), "{word} {index}: {score}");
        }
    }
}
