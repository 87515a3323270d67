//! What an evaluation takes is known before a network is built.

use super::{build, folder, image, noise};
use crate::allocations::most_held;
use burn::tensor::Device;
use score_explorer::checkpoint::{OpenedNetwork, Overrides, open_network, read_score_sde_config};
use score_explorer::network::{Architecture, Array, peak_memory};
use score_explorer::score::ScoreModel;
use serde_json::{Value, json};

/// The configuration of a small published network with other fields.
fn changed(net: &str, fields: &[(&str, Value)]) -> Result<Architecture, String> {
    let text = std::fs::read_to_string(folder(net).join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    for (field, value) in fields {
        let section = if *field == "image_size" { "data" } else { "model" };
        config[section][field] = value.clone();
    }
    let described = read_score_sde_config(&config.to_string(), &Overrides::default());
    described.map(|described| described.config).map_err(|error| error.to_string())
}

#[test]
fn networks_that_no_memory_holds_are_refused_with_the_figure() {
    let wide = |side: usize, attention: usize| {
        let fields = [("image_size", json!(side)), ("nf", json!(128)), ("ch_mult", json!([1, 1, 1, 1, 1, 1, 1]))];
        changed("ddpmpp-subvp-cifar10", &[&fields[..], &[("attn_resolutions", json!([attention]))]].concat())
    };
    let said = wide(4096, 64).unwrap_err();
    assert!(said.contains("the memory of one evaluation = ") && said.contains("it must be at most 8.6 GB"), "{said}");
    // The features of one layer alone: 128 channels of 4096² numbers of four bytes.
    let figure: f64 = said.split("= ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(figure > 4.0 * 128.0 * 4096.0 * 4096.0 / 1e9, "{said}");
    // The largest that was published: NCSN++ for 1024 pixels, of 16 to 512 channels (Song et al. 2021, appendix H).
    let fields = [
        ("image_size", json!(1024)),
        ("nf", json!(16)),
        ("ch_mult", json!([1, 2, 4, 8, 16, 32, 32, 32])),
        ("num_res_blocks", json!(1)),
        ("attn_resolutions", json!([16])),
    ];
    let largest = peak_memory(&changed("ncsnpp-ve-ffhq1024", &fields).unwrap());
    assert!((1 << 28..1 << 30).contains(&largest), "{largest}");
}

/// On one thread, whose allocations are counted.
#[test]
fn the_estimate_is_what_an_evaluation_holds() {
    for net in ["ddpmpp-subvp-cifar10", "ncsnpp-ve-ffhq1024", "ddpm-vp-cifar10-discrete"] {
        let path = folder(net).join("checkpoint.pth");
        let OpenedNetwork { mut description, weights } = open_network(&path, None).unwrap();
        // Large enough for features to be most of it.
        let Some(mut config) = description.config.unet().cloned() else { panic!("it is a U-Net") };
        let times = 64 / config.attn_resolutions[0];
        config.attn_resolutions = vec![64];
        config.image_size *= times;
        let shape = vec![1, config.num_channels, config.image_size, config.image_size];
        description.config = config.into();
        let estimate = peak_memory(&description.config) as f64;
        let opened = OpenedNetwork { description, weights };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let held = pool.install(|| {
            let device = Device::flex();
            let model = build(&opened, &device);
            let x = image(&Array { values: noise(shape.iter().product(), 1), shape }, &device);
            let at = [opened.description.family.sde().level(0.5)];
            most_held(|| model.score(&x, &at).unwrap()).1
        });
        println!("{net}: {estimate} estimated, {held} held");
        assert!((0.5..2.0).contains(&(estimate / held as f64)), "{net}: {estimate} estimated, {held} held");
    }
}
