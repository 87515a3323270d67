//! Writing what score_sde's PyTorch code reads: a state dictionary and a configuration.

use super::read_score_sde_config;
use crate::checkpoint::export::{ExportError, Project, agree};
use crate::checkpoint::tensors::{Encoded, write_encoded};
use crate::checkpoint::{OpenedNetwork, Overrides, write_atomically};
use crate::network::{Architecture, Array, Config, RefineNetConfig};
use crate::score::Description;
use crate::sde::Family;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What the names of published parameters begin with.
const MODULE: &str = "module.";

/// Writes the state dictionary as safetensors, and the configuration beside it.
///
/// # Errors
/// If the published code has no such network, or a file cannot be written.
pub(in crate::checkpoint) fn write(
    network: &OpenedNetwork,
    bare: bool,
    output: &Path,
) -> Result<Vec<PathBuf>, ExportError> {
    let OpenedNetwork { description, weights } = network;
    let text = configuration(description)?;
    let sigmas = sigmas(&description.config);
    let named = |name: &str| if bare { name.to_owned() } else { format!("{MODULE}{name}") };
    let names: Vec<String> = weights.keys().map(|name| named(name)).chain([named("sigmas")]).collect();
    let tensors = names.iter().map(String::as_str).zip(weights.values().map(Encoded::single).chain(sigmas)).collect();
    // A file of safetensors says which library its tensors are for.
    write_encoded(output, tensors, Some(HashMap::from([("format".into(), "pt".into())])))?;
    let beside = output.with_extension("json");
    write_atomically(&beside, |out| out.write_all(text.as_bytes()))?;
    Ok(vec![output.into(), beside])
}

/// The configuration, once it is read as this network.
fn configuration(description: &Description) -> Result<String, ExportError> {
    let project = Project::ScoreSde;
    let candidates = match &description.config {
        Architecture::Unet(config) => vec![unet("ncsnpp", config), unet("ddpm", config)],
        Architecture::RefineNet(config) => vec![refinenet(config)],
        Architecture::Dit(_) => Vec::new(),
    };
    let mut refusal = None;
    for [data, model] in candidates {
        let text = whole(description, data, model);
        let read = read_score_sde_config(&text, &Overrides::default());
        let read = read.map_err(|error| ExportError::Unknown { project, why: error.to_string() });
        match read.and_then(|there| agree(project, description, &there)) {
            Ok(()) => return Ok(text),
            // Of the more general one.
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| ExportError::Unknown { project, why: "it has no name there".into() }))
}

/// All sections, as the published code has them.
fn whole(description: &Description, data: Value, mut model: Value) -> String {
    let (sde, ends) = match description.family {
        Family::Vp(vp) => ("vpsde", Some((vp.beta_min(), vp.beta_max()))),
        Family::SubVp(sub) => ("subvpsde", Some((sub.beta_min(), sub.beta_max()))),
        _ => ("vesde", None),
    };
    let ends = ends.map(|(least, most)| json!({ "beta_min": least, "beta_max": most }));
    if let (Some(model), Some(Value::Object(ends))) = (model.as_object_mut(), ends) {
        model.extend(ends);
    }
    let training = json!({
        "sde": sde, "continuous": description.continuous, "reduce_mean": true, "likelihood_weighting": false,
    });
    let all = json!({ "data": data, "model": model, "training": training });
    format!("{all:#}\n")
}

/// The sections `data` and `model` of a U-Net.
fn unet(name: &str, config: &Config) -> [Value; 2] {
    let data = data([config.num_channels, config.image_size], config.centered);
    let published = [
        "nf",
        "ch_mult",
        "num_res_blocks",
        "attn_resolutions",
        "resamp_with_conv",
        "conditional",
        "fir",
        "fir_kernel",
        "skip_rescale",
        "resblock_type",
        "progressive",
        "progressive_input",
        "progressive_combine",
        "embedding_type",
        "fourier_scale",
        "scale_by_sigma",
        "nonlinearity",
        "sigma_min",
        "sigma_max",
        "num_scales",
    ];
    let all = serde_json::to_value(config).unwrap_or_default();
    let field =
        |name: &str| all.get(name).filter(|value| !value.is_null()).map(|value| (name.to_owned(), value.clone()));
    let mut model: Map<String, Value> = published.into_iter().filter_map(field).collect();
    // What the published code asks for besides, as published.
    model.extend([
        ("name".to_owned(), json!(name)),
        ("normalization".to_owned(), json!("GroupNorm")),
        ("dropout".to_owned(), json!(0.0)),
        ("ema_rate".to_owned(), json!(0.9999)),
        ("init_scale".to_owned(), json!(0.0)),
        ("conv_size".to_owned(), json!(3)),
        ("attention_type".to_owned(), json!("ddpm")),
    ]);
    model.entry("fourier_scale").or_insert(json!(16));
    [data, Value::Object(model)]
}

/// The sections `data` and `model` of an NCSN or NCSNv2.
fn refinenet(config: &RefineNetConfig) -> [Value; 2] {
    let name = match (config.conditional, config.stages) {
        (true, _) => "ncsn",
        (false, 5) => "ncsnv2_128",
        (false, 6) => "ncsnv2_256",
        (false, _) => "ncsnv2_64",
    };
    let model = json!({
        "name": name, "nf": config.ngf, "sigma_max": config.sigma_begin, "sigma_min": config.sigma_end,
        "num_scales": config.num_classes, "nonlinearity": config.nonlinearity, "normalization": "InstanceNorm++",
        "ema_rate": 0.999,
    });
    [data([config.channels, config.image_size], config.rescaled), model]
}

fn data([channels, size]: [usize; 2], centered: bool) -> Value {
    json!({
        "image_size": size, "num_channels": channels, "channels": channels, "centered": centered,
        "random_flip": true, "uniform_dequantization": false,
    })
}

/// The buffer of the discrete levels, largest first, where the published class keeps one.
fn sigmas(config: &Architecture) -> Option<Encoded> {
    match config {
        Architecture::Unet(config) => {
            let sigmas: Vec<f64> = (0..config.num_scales).map(|index| config.discrete_sigma(index)).collect();
            Some(Encoded::double(&sigmas))
        }
        Architecture::RefineNet(config) if config.conditional => None,
        Architecture::Dit(_) => None,
        Architecture::RefineNet(config) => {
            let values = (0..config.num_classes).map(|index| config.sigma(index as f64) as f32).collect();
            Some(Encoded::single(&Array { shape: vec![config.num_classes], values }))
        }
    }
}
