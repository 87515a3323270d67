//! Networks written as other projects have them are the same networks when they are opened again.

use super::data;
use burn::tensor::{Device, Tensor, TensorData};
use score_explorer::checkpoint::{OpenedNetwork, Project, export, open_network, read_tensors};
use score_explorer::network::Network;
use score_explorer::score::Description;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const NETS: [&str; 6] = [
    "ddpm-vp-cifar10-discrete",
    "ddpmpp-subvp-cifar10",
    "ddpmpp-vp-cifar10",
    "ncsnpp-ve-cifar10-discrete",
    "ncsnpp-ve-ffhq1024",
    "ncsnpp-vp-cifar10",
];

fn opened(path: &Path) -> OpenedNetwork {
    open_network(path, None).unwrap_or_else(|error| panic!("{error}"))
}

/// What a network answers for fixed noise at three labels, by other code than that of files.
fn output(network: &OpenedNetwork) -> Vec<f32> {
    let [c, h, w] = network.description.config.shape();
    let mut random = fastrand::Rng::with_seed(4);
    let x: Vec<f32> = (0..3 * c * h * w).map(|_| random.f32() * 2.0 - 1.0).collect();
    let x = Tensor::from_data(TensorData::new(x, [3, c, h, w]), &Device::flex());
    let built = Network::new(&network.description.config, &network.weights, &Device::flex()).unwrap();
    built.forward(x, &[1.0, 7.0, 17.0]).unwrap().try_into_vec_as().unwrap()
}

/// What is written as a project has it is the same network again.
fn comes_back(network: &OpenedNetwork, project: Project, path: &Path, what: &str) {
    for bare in [false, true] {
        export(network, project, bare, path).unwrap_or_else(|error| panic!("{what}: {error}"));
        let again = opened(path);
        assert!(again.weights == network.weights, "{what}: weights");
        assert_eq!(output(&again), output(network), "{what}");
        let noise = |description: &Description| {
            let Description { continuous, levels, labels, range, .. } = description.clone();
            (continuous, levels, labels, range)
        };
        assert_eq!(noise(&again.description), noise(&network.description), "{what}");
        let level = |t: f64| [&again, network].map(|network| network.description.published_level(t));
        for [a, b] in [0.01, 0.5, 1.0].map(level) {
            assert!((a.sigma / b.sigma - 1.0).abs() < 1e-12 && (a.alpha / b.alpha - 1.0).abs() < 1e-12, "{what}");
        }
    }
}

/// A value in which 50 and 50.0 are the same.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(plain).collect(),
        value => value.as_f64().map_or_else(|| value.clone(), Value::from),
    }
}

#[test]
fn every_published_network_is_written_as_score_sde_has_it() {
    let place = tempfile::tempdir().unwrap();
    for net in NETS {
        let (source, path) = (data(&format!("nets/{net}/checkpoint.pth")), place.path().join("out.safetensors"));
        let network = opened(&source);
        comes_back(&network, Project::ScoreSde, &path, net);
        // The configuration says what the published one said.
        let json = |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
        let (published, own) = (json(&source.with_file_name("config.json")), json(&path.with_extension("json")));
        let told = published["model"].as_object().unwrap();
        let (mut compared, ours) = (0, own["model"].as_object().unwrap());
        for (field, value) in ours.iter().filter_map(|(field, value)| Some((field, (value, told.get(field)?)))) {
            // DDPM's code does not read the first, and the others are no part of a trained network.
            let unread = ["embedding_type"].iter().filter(|_| net.starts_with("ddpm-"));
            if unread.chain(&["dropout", "ema_rate"]).any(|unread| unread == field) {
                continue;
            }
            assert_eq!(plain(value.0), plain(value.1), "{net}: {field}");
            compared += 1;
        }
        assert!(compared >= 14, "{net}: only {compared} fields are the published ones");
        // As loading by names needs: the buffer is there.
        assert_eq!(read_tensors(&path).unwrap()["sigmas"].values.len(), network.description.levels);
    }
    for net in ["ncsn", "ncsnv2"] {
        let network = opened(&data(&format!("ncsn/{net}/checkpoint.pth")));
        comes_back(&network, Project::ScoreSde, &place.path().join("out.safetensors"), net);
    }
}

#[test]
fn names_in_score_sde_are_those_of_the_published_checkpoint() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("out.safetensors");
    let network = opened(&data("nets/ncsnpp-ve-ffhq1024/checkpoint.pth"));
    export(&network, Project::ScoreSde, false, &path).unwrap();
    let names: BTreeSet<String> = read_tensors(&path).unwrap().into_keys().collect();
    assert!(names.iter().all(|name| name.starts_with("module.")));
    let expected = network.weights.keys().map(|name| format!("module.{name}")).chain(["module.sigmas".into()]);
    assert_eq!(names, expected.collect());
}

#[test]
fn networks_of_diffusers_are_written_as_diffusers_has_them() {
    let place = tempfile::tempdir().unwrap();
    for name in ["ddpm", "heads", "ncsnpp"] {
        let path = place.path().join(name);
        comes_back(&opened(&data(&format!("diffusers/{name}"))), Project::Diffusers, &path, name);
        // The names are those that diffusers itself wrote (of ddpm, before it changed them).
        let own: BTreeSet<String> =
            read_tensors(&path.join("unet/diffusion_pytorch_model.safetensors")).unwrap().into_keys().collect();
        let file = data(&format!("diffusers/{name}/diffusion_pytorch_model.safetensors"));
        let file =
            if name == "heads" { data("diffusers/heads/unet/diffusion_pytorch_model.safetensors") } else { file };
        if file.is_file() {
            let theirs = read_tensors(&file).unwrap();
            assert_eq!(own, theirs.into_keys().collect());
        }
    }
    // One of score_sde's whose blocks UNet2DModel has, but not at this width.
    let network = opened(&data("nets/ncsnpp-ve-ffhq1024/checkpoint.pth"));
    let Err(error) = export(&network, Project::Diffusers, false, &place.path().join("narrow")) else {
        panic!("32 channels have another normalisation there")
    };
    assert!(error.to_string().contains("attention over 128 channels or more"), "{error}");
    assert!(!place.path().join("narrow").exists(), "nothing is written");
}

#[test]
fn networks_that_a_project_does_not_have_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("out");
    for (source, project, words) in [
        ("edm/edm-ddpmpp.safetensors", Project::ScoreSde, "sigma_data is 0.5"),
        ("edm/edm-ddpmpp.safetensors", Project::Diffusers, "preconditioning"),
        ("diffusers/heads", Project::ScoreSde, "score_sde has no such network"),
        ("ncsn/ncsnv2/checkpoint.pth", Project::Diffusers, "not an NCSN"),
        (
            "nets/ddpmpp-subvp-cifar10/checkpoint.pth",
            Project::Diffusers,
            "diffusers has no such network: UNet2DModel has",
        ),
        ("nets/ddpm-vp-cifar10-discrete/checkpoint.pth", Project::Diffusers, "attention_after_each is false"),
    ] {
        let error = export(&opened(&data(source)), project, false, &path).expect_err(source).to_string();
        assert!(error.contains(words) && error.ends_with("; choose another format"), "{source}: {error}");
        assert!(!path.exists() && !path.with_extension("json").exists(), "{source}: nothing is written");
    }
}

#[test]
#[ignore = "needs Python with torch and diffusers from PyPI, as DIFFUSERS_PYTHON"]
fn diffusers_itself_opens_what_was_written_and_answers_the_same() {
    let place = tempfile::tempdir().unwrap();
    let python = std::env::var("DIFFUSERS_PYTHON").unwrap_or_else(|_| "python3".into());
    for name in ["ddpm", "heads", "ncsnpp"] {
        let path = place.path().join(name);
        export(&opened(&data(&format!("diffusers/{name}"))), Project::Diffusers, false, &path).unwrap();
        let script = data("diffusers/check.py");
        let recorded = data(&format!("diffusers/{name}/io.safetensors"));
        let ended = Command::new(&python).arg(script).args([&path, &recorded]).output().unwrap();
        let (said, error) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "{name}: {said}\n{error}");
        let off: f64 = said.trim().parse().unwrap();
        assert!(off < 1e-5, "{name}: off by {off}");
    }
}
