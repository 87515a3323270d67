//! Configurations inferred from names and shapes, against those that the networks were made with.

use super::{AsUnet as _, folder, open};
use score_explorer::checkpoint::{
    Described, ModuleKind, OpenOptions, Overrides, Structure, infer, open as open_with, read_torch,
};
use score_explorer::network::{BlockKind, Combine, Config, Embedding, Progressive, ProgressiveInput, Weights};
use score_explorer::score::Description;
use score_explorer::sde::{Family, Range};
use serde_json::Value;
use std::path::Path;

const NETS: [&str; 6] = [
    "ddpm-vp-cifar10-discrete",
    "ddpmpp-subvp-cifar10",
    "ddpmpp-vp-cifar10",
    "ncsnpp-ve-cifar10-discrete",
    "ncsnpp-ve-ffhq1024",
    "ncsnpp-vp-cifar10",
];

/// Structure of a network of this configuration, as PyTorch's code has it or, unordered, as JAX's has.
fn structure(config: &Config, ordered: bool) -> Structure {
    let parameters = config.parameters();
    let published = Structure::published(parameters.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())));
    let mut modules = published.modules;
    if !ordered {
        modules.sort_by_key(ModuleKind::of);
    }
    Structure { modules, ordered, levels: None }
}

fn nothing_told(structure: &Structure) -> Described {
    infer(structure, Path::new(""), &Overrides::default()).unwrap()
}

/// All that shapes tell: with `image_size` apart, which is told by no shape, attention is a matter of levels.
fn shape(config: &Config) -> Config {
    let size = 1 << 12;
    let level = |resolution: &usize| (config.image_size / resolution).ilog2();
    let mut attn_resolutions: Vec<usize> = config.attn_resolutions.iter().map(|at| size >> level(at)).collect();
    attn_resolutions.sort_unstable();
    let known = open("ddpmpp-vp-cifar10").description.unet();
    Config {
        nf: config.nf,
        ch_mult: config.ch_mult.clone(),
        num_res_blocks: config.num_res_blocks,
        attn_resolutions,
        conditional: config.conditional,
        resblock_type: config.resblock_type,
        progressive: config.progressive,
        progressive_input: config.progressive_input,
        progressive_combine: config.progressive_combine,
        embedding_type: config.embedding_type,
        num_channels: config.num_channels,
        ..known
    }
}

#[test]
fn fixtures_without_their_configuration_have_its_shapes() {
    for net in NETS {
        let truth = open(net).description;
        let found = nothing_told(&structure(&truth.unet(), true)).description.unet();
        assert_eq!(shape(&found), shape(&truth.unet()), "{net}");
        assert_eq!(found.image_size, truth.unet().image_size, "{net}");
        // JAX's code may have put attention elsewhere, with the same parameters.
        let found = nothing_told(&structure(&truth.unet(), false)).description.unet();
        assert_eq!(structure(&found, false), structure(&truth.unet(), false), "{net}");
    }
}

/// Nothing is guessed in silence: whoever is told of every assumption has the whole configuration.
#[test]
fn fixtures_with_their_assumptions_corrected_have_the_whole_description() {
    for net in NETS {
        let text = std::fs::read_to_string(folder(net).join("config.json")).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        let truth = open(net).description;
        let weights: Weights = read_torch(&folder(net).join("checkpoint.pth")).unwrap().model;
        let sigmas = &weights["sigmas"].values;
        let levels = Some((sigmas.len(), truth.unet().sigma_min, truth.unet().sigma_max));
        let seen = Structure { levels, ..structure(&truth.unet(), true) };
        let mut told = Vec::new();
        // What is told may raise further questions.
        let found = loop {
            let found =
                infer(&seen, Path::new(""), &Overrides::parse(told.iter().map(String::as_str)).unwrap()).unwrap();
            if found.assumed.is_empty() {
                break found.description;
            }
            for field in found.assumed.into_iter().map(|it| it.field) {
                let (section, name) = field.split_once('.').unwrap();
                // DDPM's configuration says nothing of what only NCSN++ has.
                told.push(format!("{field}={}", file[section][name]));
            }
            assert!(told.len() < 40, "{net}: {told:?}");
        };
        let config = Config { fourier_scale: truth.unet().fourier_scale, ..found.unet() };
        assert_eq!(config, truth.unet(), "{net}");
        assert_eq!((found.family, found.continuous, found.levels), (truth.family, truth.continuous, truth.levels));
        assert_eq!(found.range, truth.range, "{net}");
    }
}

#[test]
fn files_without_their_configuration_open_to_the_same_weights() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("alone.pth");
    for net in ["ddpm-vp-cifar10-discrete", "ncsnpp-ve-ffhq1024"] {
        let truth = open(net);
        std::fs::copy(folder(net).join("checkpoint.pth"), &path).unwrap();
        let alone = open_with(&path, &OpenOptions::default()).unwrap();
        assert!(alone.inferred);
        assert_eq!(alone.network.weights, truth.weights, "{net}");
        let found = alone.network.description;
        assert_eq!(
            (found.family, found.continuous, found.levels),
            (truth.description.family, truth.description.continuous, truth.description.levels),
            "{net}"
        );
    }
    let jax = folder("../flax");
    let path = place.path().join("checkpoint_24");
    std::fs::copy(jax.join("checkpoint_24"), &path).unwrap();
    let alone = open_with(&path, &OpenOptions::default()).unwrap().network;
    let truth = score_explorer::checkpoint::open_network(&jax.join("checkpoint_24"), None).unwrap();
    assert_eq!(alone.weights, truth.weights);
    assert_eq!(alone.description.unet(), truth.description.unet());
}

#[test]
fn every_combination_of_options_is_told_by_its_shapes() {
    let base = Config { nf: 4, image_size: 64, ..open("ddpmpp-vp-cifar10").description.unet() };
    let mut seen = 0;
    for resblock_type in [BlockKind::Ddpm, BlockKind::BigGan] {
        for progressive in [Progressive::None, Progressive::OutputSkip, Progressive::Residual] {
            for (progressive_input, progressive_combine) in [
                (ProgressiveInput::None, Combine::Sum),
                (ProgressiveInput::InputSkip, Combine::Sum),
                (ProgressiveInput::InputSkip, Combine::Cat),
                (ProgressiveInput::Residual, Combine::Sum),
            ] {
                for (ch_mult, num_res_blocks, attn_resolutions) in
                    [(vec![1, 2, 2], 1, vec![32]), (vec![1, 1, 2, 3], 2, vec![]), (vec![2, 1], 3, vec![64, 32])]
                {
                    let embedding_type = if seen % 2 == 0 { Embedding::Fourier } else { Embedding::Positional };
                    let config = Config {
                        resblock_type,
                        progressive,
                        progressive_input,
                        progressive_combine,
                        ch_mult,
                        num_res_blocks,
                        attn_resolutions,
                        embedding_type,
                        conditional: seen % 3 > 0,
                        fir: seen % 5 > 2,
                        ..base.clone()
                    };
                    let found = nothing_told(&structure(&config, true)).description.unet();
                    assert_eq!(shape(&found), shape(&config));
                    let found = nothing_told(&structure(&config, false)).description.unet();
                    assert_eq!(structure(&found, false), structure(&config, false));
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, 72);
}

/// Published configurations (score_sde, `configs/`): width, widths' factors, blocks, σ_max and levels of those that
/// follow the defaults.
#[test]
fn published_networks_are_assumed_as_they_were_published() {
    let base = open("ncsnpp-ve-ffhq1024").description.unet();
    let infer_ve = |config: &Config| {
        let Described { description, .. } = nothing_told(&structure(config, true));
        let Family::Ve(ve) = description.family else { panic!("{:?}", description.family) };
        assert!(description.continuous && description.range == Range::Unit && description.unet().scale_by_sigma);
        assert!(description.unet().fir && description.unet().skip_rescale);
        (description.unet().image_size, ve.sigma_max(), description.levels)
    };
    let cifar = Config {
        nf: 128,
        ch_mult: vec![1, 2, 2, 2],
        num_res_blocks: 8,
        progressive: Progressive::None,
        progressive_input: ProgressiveInput::Residual,
        image_size: 32,
        ..base.clone()
    };
    assert_eq!(infer_ve(&cifar), (32, 50.0, 1000));
    let celeba =
        Config { nf: 128, ch_mult: vec![1, 1, 2, 2, 2, 2, 2], num_res_blocks: 2, image_size: 256, ..base.clone() };
    assert_eq!(infer_ve(&celeba), (256, 348.0, 2000));
    let ffhq =
        Config { nf: 16, ch_mult: vec![1, 2, 4, 8, 16, 32, 32, 32], num_res_blocks: 1, image_size: 1024, ..base };
    assert_eq!(infer_ve(&ffhq), (1024, 1348.0, 2000));
    // JAX's checkpoints do not tell where attention is.
    for (config, size) in [(&cifar, 32), (&celeba, 256), (&ffhq, 1024)] {
        let Described { description, assumed, .. } = nothing_told(&structure(config, false));
        assert_eq!(description.unet().image_size, size);
        assert!(assumed.iter().any(|it| it.field == "data.image_size" && it.reason.contains("other placements")));
    }
    // Sets of LSUN have another σ_max, which PyTorch checkpoints keep and folders of others tell.
    for (path, largest, word) in [
        ("ve/church_ncsnpp_continuous/checkpoint_126", 380.0, "LSUN church"),
        ("bedroom.safetensors", 378.0, "LSUN bedroom"),
        ("church/models/faces/checkpoint_48", 348.0, "church 380"),
    ] {
        let found = infer(&structure(&celeba, true), Path::new(path), &Overrides::default()).unwrap();
        assert!(matches!(found.description.family, Family::Ve(ve) if ve.sigma_max() == largest), "{path}");
        let assumed = found.assumed.iter().find(|it| it.field == "model.sigma_max").unwrap();
        assert!(assumed.reason.contains(word), "{path}: {}", assumed.reason);
    }
    let church = Structure { levels: Some((2000, 0.01, 380.0)), ..structure(&celeba, true) };
    let found: Description = nothing_told(&church).description;
    assert!(matches!(found.family, Family::Ve(ve) if ve.sigma_max() == 380.0), "{:?}", found.family);
    let ddpm = Config {
        nf: 128,
        ch_mult: vec![1, 2, 2, 2],
        num_res_blocks: 2,
        ..open("ddpm-vp-cifar10-discrete").description.unet()
    };
    let found = nothing_told(&structure(&ddpm, true)).description;
    assert_eq!((found.unet(), found.continuous, found.range), (ddpm, false, Range::Symmetric));
    let deep = Config {
        nf: 128,
        ch_mult: vec![1, 2, 2, 2],
        num_res_blocks: 8,
        ..open("ddpmpp-vp-cifar10").description.unet()
    };
    let found = nothing_told(&structure(&deep, true)).description;
    assert_eq!(Config { fourier_scale: Some(16.0), ..found.unet() }, deep);
    assert!(found.continuous && matches!(found.family, Family::Vp(_)));
}

#[test]
fn structures_of_no_published_network_and_fields_that_are_none_are_refused() {
    let whole = structure(&open("ddpmpp-vp-cifar10").description.unet(), true);
    let refuse = |structure: &Structure, told: &[&str]| {
        let said = Overrides::parse(told.iter().copied())
            .and_then(|told| infer(structure, Path::new(""), &told))
            .unwrap_err()
            .to_string();
        assert!(said.len() < 900 && !said.contains('\n'), "{said}");
        said
    };
    assert!(refuse(&Structure::default(), &[]).contains("its first convolution"));
    let mut cut = whole.clone();
    cut.modules.truncate(20);
    assert!(refuse(&cut, &[]).contains("give its published configuration"));
    let mut odd = whole.clone();
    let name = "Conv_0.weight".to_owned();
    *odd.modules.last_mut().unwrap() = [(name, vec![7])].into();
    assert!(refuse(&odd, &[]).contains("give its published configuration"));
    assert!(refuse(&whole, &["centered"]).contains("is not FIELD=VALUE"));
    assert!(refuse(&whole, &["data.size=3"]).contains("unknown field data.size; choose one of data.centered"));
    assert!(refuse(&whole, &["data.centered=maybe"]).contains("data.centered = maybe is not supported"));
    assert!(refuse(&whole, &["data.image_size=10"]).contains("data.image_size = 10"));
    assert!(refuse(&whole, &["model.sigma_max=0"]).contains("model.sigma_min to model.sigma_max"));
}
