//! Configurations and weights from strangers.

use super::{AsUnet as _, folder, open};
use burn::tensor::Device;
use score_explorer::checkpoint::{Overrides, PUBLISHED, read_score_sde_config, read_torch};
use score_explorer::network::{BlockKind, Classes, Config, Embedding, Joins, Network, Variant, WeightsError};
use score_explorer::score::Description;
use score_explorer::sde::{Family, LabelConvention, Range};
use serde_json::{Value, json};

fn published(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder(name).join("config.json")).unwrap()).unwrap()
}

fn unet(description: &Description) -> &Config {
    description.config.unet().unwrap()
}

/// What is said of the DDPM++ configuration with one field changed, or removed where it is null.
fn complaint(section: &str, field: &str, value: Value) -> String {
    let mut config = published("ddpmpp-subvp-cifar10");
    let fields = config[section].as_object_mut().unwrap();
    match value {
        Value::Null => drop(fields.remove(field).unwrap()),
        value => drop(fields.insert(field.to_owned(), value)),
    }
    read_score_sde_config(&config.to_string(), &Overrides::default()).unwrap_err().to_string()
}

#[test]
fn published_configurations_name_family_range_and_levels() {
    // This one has no β at all.
    let ffhq = read_score_sde_config(&published("ncsnpp-ve-ffhq1024").to_string(), &Overrides::default()).unwrap();
    let Family::Ve(ve) = ffhq.family else { panic!("{:?}", ffhq.family) };
    assert_eq!((ve.sigma_min(), ve.sigma_max()), (0.01, 1348.0));
    assert_eq!((ffhq.range, ffhq.continuous, ffhq.levels), (Range::Unit, true, 2000));
    assert_eq!(unet(&ffhq).fourier_scale, Some(16.0));
    let discrete =
        read_score_sde_config(&published("ncsnpp-ve-cifar10-discrete").to_string(), &Overrides::default()).unwrap();
    assert_eq!((discrete.continuous, discrete.levels), (false, 1000));
    let sub_vp = read_score_sde_config(&published("ddpmpp-subvp-cifar10").to_string(), &Overrides::default()).unwrap();
    let Family::SubVp(sde) = sub_vp.family else { panic!("{:?}", sub_vp.family) };
    assert_eq!((sde.beta_min(), sde.beta_max(), sub_vp.range), (0.1, 20.0, Range::Symmetric));
}

#[test]
fn a_wrong_configuration_is_answered_with_one_sentence() {
    let cases = [
        ("model", "nf", Value::Null, "lacks model.nf"),
        (
            "model",
            "name",
            json!("wideresnet"),
            "model.name = wideresnet is not supported; use ncsnpp (NCSN++ and DDPM++), ddpm, ncsn, ncsnv2_64",
        ),
        (
            "model",
            "resblock_type",
            json!("resnext"),
            "model.resblock_type = resnext is not supported; use ddpm or biggan",
        ),
        ("model", "nf", json!(-3), "model.nf = -3 is not supported; use a whole number"),
        ("model", "nf", json!(18), "18 is invalid; it must be a multiple of its number of groups"),
        ("model", "nf", json!(1_000_000_000_000_u64), "model.nf = 1000000000000"),
        ("model", "ch_mult", json!([]), "the number of model.ch_mult = 0"),
        ("model", "ch_mult", json!([1, 0]), "an entry of model.ch_mult = 0"),
        (
            "model",
            "ch_mult",
            json!([1, 1, 1, 1, 1, 1, 1]),
            "data.image_size = 32 is invalid; it must be divisible by 64",
        ),
        ("model", "num_res_blocks", json!(10_000_000), "model.num_res_blocks = 10000000"),
        ("model", "fir_kernel", json!([1, -1]), "the sum of model.fir_kernel = 0"),
        ("model", "fir_kernel", json!([1]), "the length of model.fir_kernel = 1"),
        ("model", "beta_min", json!(30.0), "model.beta_min to model.beta_max = 30 to 20"),
        ("model", "sigma_max", json!(1e-9), "model.sigma_min to model.sigma_max"),
        ("model", "beta_max", json!(1e308), "model.beta_min to model.beta_max = 1e308 is invalid"),
        ("model", "num_scales", json!(0), "model.num_scales = 0"),
        ("data", "image_size", json!(0), "data.image_size = 0"),
        ("data", "image_size", json!(4096), "the resolution of self-attention = 2048"),
        ("data", "centered", json!("perhaps"), "data.centered = perhaps is not supported; use true or false"),
        ("training", "sde", json!("edm"), "training.sde = edm is not supported; use vesde, vpsde or subvpsde"),
    ];
    for (section, field, value, expected) in cases {
        let said = complaint(section, field, value);
        assert!(said.contains(expected), "{section}.{field}: {said}");
        assert!(said.len() < 250 && !said.contains('\n'), "{said}");
    }
    let said = read_score_sde_config("{\"data\": ", &Overrides::default()).unwrap_err().to_string();
    assert!(said.starts_with("the configuration is not JSON"), "{said}");
    for (text, what) in [
        ("<!DOCTYPE html><title>Sign in", "it is a web page"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a Git LFS pointer"),
        ("", "it is empty"),
    ] {
        let said = read_score_sde_config(text, &Overrides::default()).unwrap_err().to_string();
        assert!(said.contains(what) && said.contains("; "), "{said}");
    }
}

#[test]
fn ddpm_has_32_groups_and_sines_whatever_else_its_configuration_says() {
    let mut config = published("ddpm-vp-cifar10-discrete");
    assert_eq!(config["model"]["embedding_type"], "fourier", "as all published configurations of ddpm");
    let read = read_score_sde_config(&config.to_string(), &Overrides::default()).unwrap();
    assert_eq!((read.continuous, read.levels, read.range), (false, 1000, Range::Symmetric));
    assert_eq!((unet(&read).norm_groups, unet(&read).embedding_type), (Some(32), Embedding::Positional));
    for (sde, name) in [("vesde", "Ve"), ("subvpsde", "SubVp")] {
        config["training"]["sde"] = json!(sde);
        let family = read_score_sde_config(&config.to_string(), &Overrides::default()).unwrap().family;
        assert!(format!("{family:?}").starts_with(name), "{family:?}");
    }
    config["model"]["nf"] = json!(48);
    let said = read_score_sde_config(&config.to_string(), &Overrides::default()).unwrap_err().to_string();
    assert!(
        said.contains("the width of a layer = 48 is invalid; it must be a multiple of its number of groups, 32"),
        "{said}"
    );
}

#[test]
fn a_description_survives_its_own_format_and_is_checked_there_too() {
    let description = open("ncsnpp-ve-ffhq1024").description;
    let mut saved = serde_json::to_value(&description).unwrap();
    assert_eq!(serde_json::from_value::<Description>(saved.clone()).unwrap(), description);
    // Version 0.1.0 did not say the labels.
    assert_eq!(saved.as_object_mut().unwrap().remove("labels"), Some(json!("sigma")));
    assert_eq!(serde_json::from_value::<Description>(saved.clone()).unwrap(), description);
    saved["labels"] = json!("time");
    assert_eq!(serde_json::from_value::<Description>(saved.clone()).unwrap().labels, LabelConvention::Time);
    saved["config"]["nf"] = json!(1_u64 << 40);
    let said = serde_json::from_value::<Description>(saved).unwrap_err().to_string();
    assert!(said.contains("model.nf = 1099511627776 is invalid"), "{said}");
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let opened = open("ddpmpp-subvp-cifar10");
    let refuse = |change: &dyn Fn(&mut score_explorer::network::Weights)| {
        let mut weights = opened.weights.clone();
        change(&mut weights);
        Network::new(&opened.description.config, &weights, &Device::flex()).unwrap_err()
    };
    let name = || "all_modules.3.Conv_0.weight".to_owned();
    assert_eq!(refuse(&|weights| drop(weights.remove(&name()))), WeightsError::Missing { name: name() });
    assert_eq!(
        refuse(&|weights| weights.get_mut(&name()).unwrap().shape = vec![16, 16, 9, 1]),
        WeightsError::Shape { name: name(), expected: vec![16, 16, 3, 3], found: vec![16, 16, 9, 1] }
    );
    assert_eq!(
        refuse(&|weights| weights.get_mut(&name()).unwrap().values[7] = f32::NAN),
        WeightsError::NotFinite { name: name() }
    );
    let stranger = opened.weights[&name()].clone();
    assert_eq!(
        refuse(&|weights| drop(weights.insert("head.weight".to_owned(), stranger.clone()))),
        WeightsError::Unused { count: 1, example: "head.weight".to_owned() }
    );
    let values = refuse(&|weights| weights.get_mut(&name()).unwrap().values.truncate(5));
    assert!(matches!(values, WeightsError::Shape { .. }), "{values}");
}

#[test]
fn an_outline_has_all_parameters_and_comes_back_to_its_resolution() {
    for net in ["ddpm-vp-cifar10-discrete", "ddpmpp-vp-cifar10", "ncsnpp-ve-cifar10-discrete", "ncsnpp-ve-ffhq1024"] {
        let path = format!("{}/tests/data/nets/{net}/config.json", env!("CARGO_MANIFEST_DIR"));
        let config =
            read_score_sde_config(&std::fs::read_to_string(path).unwrap(), &Overrides::default()).unwrap().unet();
        let all: usize = config.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let outline = config.outline();
        // The random frequencies of a Fourier embedding are counted with it.
        assert_eq!(outline.iter().map(|stage| stage.parameters).sum::<usize>(), all, "{net}");
        let last = outline.last().unwrap();
        assert_eq!((last.side, last.channels[1]), (config.image_size, config.num_channels), "{net}");
        // As many layers join on the way up as were kept on the way down, each at its own resolution.
        let joined: Vec<_> = outline.iter().filter_map(|stage| Some((stage, &outline[stage.joins?]))).collect();
        let kept = 1 + config.ch_mult.len() * config.num_res_blocks + config.ch_mult.len() - 1;
        assert_eq!(joined.len(), kept, "{net}");
        assert!(joined.iter().all(|(stage, from)| stage.side == from.side), "{net}");
    }
}

fn millions(config: &Config) -> f64 {
    let count: usize = config.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    (count as f64 / 1e5).round() / 10.0
}

#[test]
fn published_networks_have_the_parameters_that_are_said_of_them() {
    // The configurations of Song et al. 2021 and of Dhariwal and Nichol 2021 at full size, as their releases have them.
    let with = |net: &str, change: &dyn Fn(&mut Config)| {
        let path = format!("{}/tests/data/nets/{net}/config.json", env!("CARGO_MANIFEST_DIR"));
        let mut config =
            read_score_sde_config(&std::fs::read_to_string(path).unwrap(), &Overrides::default()).unwrap().unet();
        change(&mut config);
        millions(&config)
    };
    let cifar = |blocks: usize| {
        move |config: &mut Config| {
            (config.nf, config.ch_mult, config.num_res_blocks) = (128, vec![1, 2, 2, 2], blocks);
            config.attn_resolutions = vec![16];
        }
    };
    let church = |config: &mut Config| {
        (config.nf, config.ch_mult, config.num_res_blocks) = (128, vec![1, 1, 2, 2, 2, 2, 2], 2);
        (config.image_size, config.attn_resolutions) = (256, vec![16]);
    };
    let faces = |config: &mut Config| {
        (config.nf, config.ch_mult, config.num_res_blocks) = (16, vec![1, 2, 4, 8, 16, 32, 32, 32], 1);
        (config.image_size, config.attn_resolutions) = (1024, vec![16]);
    };
    let adm = |size: usize, first: [usize; 2], factors: &[usize], attention: &[usize], blocks: usize| {
        let classes = Some(Classes { count: 1000, joins: Joins::Embedding, none: false });
        let [features, nf] = first;
        let (embedding_width, told_width) = (Some(features), Some(4 * features));
        let variant = Variant { attention_after_each: true, scale_shift: true, classes, ..Variant::default() };
        let config = Config {
            nf,
            ch_mult: factors.into(),
            num_res_blocks: blocks,
            attn_resolutions: attention.into(),
            resblock_type: BlockKind::Adm,
            variant: Variant { embedding_width, told_width, ..variant },
            image_size: size,
            num_channels: 3,
            ..Config::ddpmpp()
        };
        config.check().unwrap();
        millions(&config)
    };
    let counts = [
        ("64x64_diffusion", adm(64, [192; 2], &[1, 2, 3, 4], &[32, 16, 8], 3)),
        ("128x128_diffusion", adm(128, [256; 2], &[1, 1, 2, 3, 4], &[32, 16, 8], 2)),
        ("256x256_diffusion", adm(256, [256; 2], &[1, 1, 2, 2, 4, 4], &[32, 16, 8], 2)),
        ("512x512_diffusion", adm(512, [256, 128], &[1, 2, 2, 4, 4, 8, 8], &[32, 16, 8], 2)),
        ("vp/cifar10_ddpm", with("ddpm-vp-cifar10-discrete", &cifar(2))),
        ("ve/cifar10_ncsnpp", with("ncsnpp-ve-cifar10-discrete", &cifar(4))),
        ("vp/cifar10_ddpmpp_continuous", with("ddpmpp-vp-cifar10", &cifar(4))),
        ("vp/cifar10_ddpmpp_deep_continuous", with("ddpmpp-vp-cifar10", &cifar(8))),
        ("ve/church_ncsnpp_continuous", with("ncsnpp-ve-ffhq1024", &church)),
        ("ve/ffhq_1024_ncsnpp_continuous", with("ncsnpp-ve-ffhq1024", &faces)),
    ];
    let said = |name: &str| PUBLISHED.iter().find(|published| published.name == name).unwrap().millions;
    let wrong: Vec<_> = counts.iter().filter(|(name, found)| (said(name) - found).abs() > 0.051).collect();
    assert!(wrong.is_empty(), "they have {wrong:?}");
}

#[test]
fn discrete_levels_are_those_that_the_checkpoint_keeps() {
    let checkpoint = read_torch(&folder("ncsnpp-ve-cifar10-discrete").join("checkpoint.pth")).unwrap();
    let ratios = open("ncsnpp-ve-cifar10-discrete").description.trained_ratios();
    let sigmas = &checkpoint.model["sigmas"].values;
    assert!(ratios.len() == sigmas.len() && ratios.is_sorted_by(|a, b| a > b));
    assert!(ratios.iter().zip(sigmas).all(|(a, &b)| (a / f64::from(b) - 1.0).abs() < 1e-5));
    // DDPM's table (Ho et al. 2020): β from 1e-4 to 0.02, ᾱ the running product of 1 − β.
    let ddpm = open("ddpm-vp-cifar10-discrete").description.trained_ratios();
    let mut product = 1.0;
    let table = (0..1000).map(|i| {
        product *= 1.0 - (1e-4 + (0.02 - 1e-4) * f64::from(i) / 999.0);
        f64::sqrt((1.0 - product) / product)
    });
    let table: Vec<f64> = table.collect();
    assert!(table.iter().rev().zip(&ddpm).all(|(a, b)| (a / b - 1.0).abs() < 1e-9), "{:?}", &ddpm[990..]);
    assert!(open("ddpmpp-vp-cifar10").description.trained_ratios().is_empty());
}
