//! Small networks of EDM, against what NVIDIA's own code answered (tests/data/edm/make.py).

use super::{build, build_of_tensors, folder, image, relative_error, values};
use crate::choices::{grid, solver};
use burn::tensor::Device;
use score_explorer::checkpoint::{
    About, OpenOptions, Overrides, adopt, open, open_network, read_score_sde_config, read_tensors,
};
use score_explorer::network::Weights;
use score_explorer::score::{InRange, NetworkScore, ScoreModel};
use score_explorer::sde::{Family, Level, Range};
use score_explorer::task::{Plan, Run, Steps};
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/edm").join(name)
}

fn figures(name: &str) -> Weights {
    read_tensors(&file(&format!("{name}-io.safetensors"))).unwrap()
}

fn model(name: &str, told: &[&str], device: &Device) -> NetworkScore {
    let asked = OpenOptions { overrides: Overrides::parse(told.iter().copied()).unwrap(), ..OpenOptions::default() };
    build(&open(&file(&format!("{name}.safetensors")), &asked).unwrap().network, device)
}

/// Both compute in single precision: rounding of sums of some hundred terms, through some twenty layers.
const ROUNDING: f64 = 1e-5;

/// Holds D(x; σ) = x + σ²·score against the recorded one; its `x` and σ are those of images in [−1, 1].
fn denoises(model: &NetworkScore, device: &Device, recorded: &Weights, expected: &str, tolerance: f64) {
    denoises_as(model, device, recorded, expected, tolerance);
}

fn denoises_as(model: &dyn ScoreModel, device: &Device, recorded: &Weights, expected: &str, tolerance: f64) {
    // A network of images in [0, 1] has half the σ.
    let (scale, shift) = if model.range() == Some(Range::Unit) { (0.5, 0.5) } else { (1.0, 0.0) };
    let levels: Vec<Level> = recorded["sigma"].values.iter().map(|&s| Level::new(1.0, f64::from(s) * scale)).collect();
    let x = image(&recorded["x"], device) * scale + shift;
    let score = values(model.score(&x, &levels).unwrap());
    let size = score.len() / levels.len();
    for (index, &Level { sigma, .. }) in levels.iter().enumerate() {
        let part = index * size..(index + 1) * size;
        let pairs = recorded["x"].values[part.clone()].iter().zip(&score[part.clone()]);
        let found: Vec<f32> = pairs.map(|(x, score)| x + (sigma * sigma / scale * f64::from(*score)) as f32).collect();
        let expected_part = &recorded[expected].values[part.clone()];
        let error = relative_error(&found, expected_part);
        println!("{expected} at σ = {sigma}: {error:.1e}");
        // x and σ²·score nearly cancel where σ is large.
        let largest = |values: &[f32]| values.iter().fold(0.0, |most: f64, &value| most.max(f64::from(value).abs()));
        let cancelled = largest(&recorded["x"].values[part]) / largest(expected_part) * f64::from(f32::EPSILON);
        let tolerance = tolerance + 2.0 * cancelled;
        assert!(error < tolerance, "{expected} at σ = {sigma}: off by {error:.1e}");
    }
}

#[test]
fn a_run_in_another_range_walks_exactly_edms_noise_levels() {
    let model = model("edm-ddpmpp", &[], &Device::flex());
    let family = model.description().family_of_runs();
    let run =
        Run { family, solver: solver("heun"), grid: grid("edm:7"), steps: Steps::new(18).unwrap(), ..Run::default() };
    let plan = Plan::new(&run, &InRange::new(&model, Range::Unit));
    assert_eq!((plan.time_after(0), plan.notices), (1.0, Vec::new()));
    // Karras et al. 2022, eq. 5 and table 1: σ from 80 to 0.002 of images in [−1, 1].
    let root = |sigma: f64| sigma.powf(1.0 / 7.0);
    let published = |i: usize| (root(80.0) + i as f64 / 17.0 * (root(0.002) - root(80.0))).powi(7);
    assert_eq!(plan.steps.len(), 18);
    for (i, step) in plan.steps.iter().enumerate() {
        // In [0, 1] all is half as large.
        let found = 2.0 * family.sde().sigma(step.t);
        assert!((found / published(i) - 1.0).abs() < 1e-9, "σ_{i} is {found}, published {}", published(i));
    }
}

/// The same of every network of VE whose data have another range than its runs.
#[test]
fn networks_of_centred_data_walk_their_own_noise_levels() {
    for net in ["ncsnpp-ve-cifar10-discrete", "ncsnpp-ve-ffhq1024"] {
        let text = std::fs::read_to_string(folder(net).join("config.json")).unwrap();
        let told = Overrides::parse(["data.centered=true"]).unwrap();
        let mut opened = super::open(net);
        opened.description = read_score_sde_config(&text, &told).unwrap();
        let model = build(&opened, &Device::flex());
        assert_eq!(model.range(), Some(Range::Symmetric));
        let (own, family) = (opened.description.family, opened.description.family_of_runs());
        for (name, steps) in [("uniform", opened.description.levels), ("edm:7", 18)] {
            let (solver, steps) = (solver("heun"), Steps::new(steps).unwrap());
            let run = Run { family, solver, grid: grid(name), steps, ..Run::default() };
            let plan = Plan::new(&run, &InRange::new(&model, Range::Unit));
            assert_eq!((plan.time_after(0), plan.notices), (1.0, Vec::new()), "{net} {name}");
            for step in &plan.steps {
                let (found, expected) = (2.0 * family.sde().sigma(step.t), own.sde().sigma(step.t));
                assert!((found / expected - 1.0).abs() < 1e-9, "{net} {name} at t = {}: {found}", step.t);
            }
        }
    }
}

#[test]
fn edm_networks_denoise_as_recorded() {
    for name in ["edm-ddpmpp", "edm-ncsnpp"] {
        let model = model(name, &[], &Device::flex());
        denoises(&model, &Device::flex(), &figures(name), "denoised", ROUNDING);
        let Family::Ve(ve) = model.description().family else { panic!("{:?}", model.description().family) };
        assert_eq!((ve.sigma_min(), ve.sigma_max(), model.range()), (0.002, 80.0, Some(Range::Symmetric)));
    }
}

/// The paper's own parametrisations are those of the published networks, in other units.
#[test]
fn variance_preserving_and_exploding_preconditionings_denoise_as_recorded() {
    let vp = model("vp-ddpmpp", &[], &Device::flex());
    denoises(&vp, &Device::flex(), &figures("vp-ddpmpp"), "denoised", ROUNDING);
    assert!(matches!(vp.description().family, Family::Vp(_)));
    let ve = model("ve-ncsnpp", &[], &Device::flex());
    denoises(&ve, &Device::flex(), &figures("ve-ncsnpp"), "denoised", ROUNDING);
    let Family::Ve(family) = ve.description().family else { panic!("{:?}", ve.description().family) };
    assert_eq!((family.sigma_min(), family.sigma_max(), ve.range()), (0.01, 50.0, Some(Range::Unit)));
}

#[test]
fn a_class_that_was_told_is_the_one_that_is_painted() {
    let recorded = figures("edm-ncsnpp");
    let device = Device::flex();
    let model = model("edm-ncsnpp", &[], &device);
    denoises_as(&*model.of_class(1).unwrap(), &device, &recorded, "of_class_1", ROUNDING);
    let opened = open_network(&file("edm-ncsnpp.safetensors"), None).unwrap();
    let by_tensors = build_of_tensors(&opened, &device);
    denoises_as(&*by_tensors.of_class(1).unwrap(), &device, &recorded, "of_class_1", ROUNDING);
    // The class makes a difference.
    let apart = relative_error(&recorded["denoised"].values, &recorded["of_class_1"].values);
    assert!(apart > 1e-2, "{apart}");
}

#[test]
fn tensor_operations_denoise_as_recorded_too() {
    for name in ["edm-ddpmpp", "edm-ncsnpp", "ve-ncsnpp"] {
        let opened = open_network(&file(&format!("{name}.safetensors")), None).unwrap();
        let model = build_of_tensors(&opened, &Device::flex());
        denoises(&model, &Device::flex(), &figures(name), "denoised", ROUNDING);
    }
}

/// The files' own half precision is kept exactly; only the bias that took up the classes is rounded.
#[test]
fn imported_networks_answer_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for (name, tolerance) in [("edm-ddpmpp", ROUNDING), ("edm-ncsnpp", 1e-3), ("ve-ncsnpp", ROUNDING)] {
        let source = file(&format!("{name}.safetensors"));
        let output = folder.path().join(name);
        adopt(open_network(&source, None).unwrap(), &source, &About::default(), &output).unwrap();
        let again = open_network(&output, None).unwrap();
        assert_eq!(again.description.config, open_network(&source, None).unwrap().description.config);
        denoises(&build(&again, &Device::flex()), &Device::flex(), &figures(name), "denoised", tolerance);
    }
}

#[test]
fn what_no_shape_tells_of_a_network_of_edm_is_said() {
    let assumed = |name: &str, told: &[&str]| {
        let asked =
            OpenOptions { overrides: Overrides::parse(told.iter().copied()).unwrap(), ..OpenOptions::default() };
        let opened = open(&file(&format!("{name}.safetensors")), &asked);
        opened
            .map(|opened| opened.assumed.into_iter().map(|it| it.field).collect::<Vec<_>>())
            .map_err(|e| e.to_string())
    };
    let scales = ["edm.sigma_data", "edm.sigma_min", "edm.sigma_max"];
    let kind = ["edm.preconditioning"];
    assert_eq!(assumed("edm-ddpmpp", &[]).unwrap(), [&kind[..], &scales].concat());
    // The file names its Python class.
    assert_eq!(assumed("edm-ncsnpp", &[]).unwrap(), scales);
    assert_eq!(assumed("vp-ddpmpp", &[]).unwrap(), [""; 0]);
    let told = ["edm.preconditioning=edm", "edm.sigma_data=0.5", "edm.sigma_min=0.01", "edm.sigma_max=100"];
    assert_eq!(assumed("edm-ddpmpp", &told).unwrap(), [""; 0]);
    for (name, field, expected) in [
        ("edm-ncsnpp", "edm.class=3", "unknown field edm.class"),
        ("edm-ddpmpp", "edm.preconditioning=ve", "edm, vp, or, with a Fourier embedding, ve"),
        ("edm-ddpmpp", "edm.preconditioning=iddpm", "edm.preconditioning = \"iddpm\""),
        ("edm-ddpmpp", "edm.sigma_data=-1", "edm.sigma_data = -1"),
        ("edm-ddpmpp", "edm.sigma_max=0", "edm.sigma_min to edm.sigma_max = 0.002 to 0"),
        ("edm-ddpmpp", "model.nf=3", "unknown field model.nf; choose one of edm.preconditioning"),
    ] {
        let said = assumed(name, &[field]).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
}
