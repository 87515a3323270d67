//! NCSN (Song & Ermon 2019) and NCSNv2 (Song & Ermon 2020): configurations in the words of their own releases or of
//! score_sde, and which of the networks it is.

use super::config::{FLAG, NUMBER, Section, WHOLE, disordered, parse};
use super::{ConfigError, Overrides};
use crate::network::{Architecture, Nonlinearity, RefineNetConfig, Weights};
use crate::score::Description;
use crate::sde::{Family, Range, Ve};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Which of the published networks, by its weights or its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NcsnVariant {
    /// The norms depend on the noise level (NCSN); else the output is divided by σ (NCSNv2).
    conditional: bool,
    /// Stages on the way down: 4 for up to 64 pixels, 5 for 128, 6 for 256.
    stages: usize,
}

impl NcsnVariant {
    /// By the names that score_sde gave these networks.
    pub fn named(name: &str) -> Option<Self> {
        let (conditional, stages) = match name {
            "ncsn" => (true, 4),
            "ncsnv2" | "ncsnv2_64" => (false, 4),
            "ncsnv2_128" => (false, 5),
            "ncsnv2_256" => (false, 6),
            _ => return None,
        };
        Some(NcsnVariant { conditional, stages })
    }

    /// By the parameters that only these networks have. Their own configurations do not say which of them is meant.
    pub fn of(weights: &Weights) -> Option<Self> {
        let has = |name: &str| weights.contains_key(name);
        let stages = 4 + usize::from(has("res5.0.conv1.weight")) + usize::from(has("res31.0.conv1.weight"));
        let known = has("begin_conv.weight") && has("refine1.adapt_convs.0.1_1_conv.weight");
        known.then(|| NcsnVariant { conditional: has("normalizer.embed.weight"), stages })
    }
}

/// Reads a configuration (JSON) that does not say which of these networks it is for, with some of its fields overridden.
/// The levels of the checkpoint that it belongs to, where it keeps some, must agree with it.
pub(super) fn read_config(
    json: &str,
    variant: NcsnVariant,
    overrides: &Overrides,
    sigmas: Option<&[f32]>,
) -> Result<Description, ConfigError> {
    let mut configuration = parse(json)?;
    overrides.apply(&mut configuration)?;
    let description = read(&configuration, variant)?;
    if let (Architecture::RefineNet(config), Some(sigmas)) = (&description.config, sigmas) {
        agrees(config, sigmas)?;
    }
    Ok(description)
}

/// `root` has the sections `data` and `model`.
pub(super) fn read(root: &Value, variant: NcsnVariant) -> Result<Description, ConfigError> {
    let (data, model) = (Section::of(root, "data")?, Section::of(root, "model")?);
    supported(&data, &model)?;
    let config = RefineNetConfig {
        ngf: either(&model, ["nf", "ngf"], WHOLE)?,
        stages: variant.stages,
        conditional: variant.conditional,
        nonlinearity: model.or("nonlinearity", "swish, elu, relu or lrelu", Nonlinearity::Elu)?,
        image_size: data.get("image_size", WHOLE)?,
        channels: either(&data, ["num_channels", "channels"], WHOLE)?,
        rescaled: data.or("rescaled", FLAG, data.or("centered", FLAG, false)?)?,
        sigma_begin: either(&model, ["sigma_max", "sigma_begin"], NUMBER)?,
        sigma_end: either(&model, ["sigma_min", "sigma_end"], NUMBER)?,
        num_classes: either(&model, ["num_scales", "num_classes"], WHOLE)?,
    };
    config.check()?;
    let (largest, smallest) = (config.sigma_begin, config.sigma_end);
    let family =
        Ve::new(smallest, largest).map_err(|error| disordered("model.sigma_end to model.sigma_begin", &error))?;
    let (levels, range) = (config.num_classes, if config.rescaled { Range::Symmetric } else { Range::Unit });
    Ok(Description::new(config.into(), Family::Ve(family), false, levels, range))
}

/// Compares the levels with those that a checkpoint keeps beside its weights.
fn agrees(config: &RefineNetConfig, sigmas: &[f32]) -> Result<(), ConfigError> {
    let sigma = |kept: Option<&f32>| f64::from(kept.copied().unwrap_or_default());
    let fields = [
        ("model.num_classes", config.num_classes as f64, sigmas.len() as f64, 0.0),
        ("model.sigma_begin", config.sigma_begin, sigma(sigmas.first()), 1e-3),
        ("model.sigma_end", config.sigma_end, sigma(sigmas.last()), 1e-3),
    ];
    for (field, value, kept, tolerance) in fields {
        if (kept / value - 1.0).abs() > tolerance || kept.is_nan() {
            return Err(ConfigError::invalid(field, value, &format!("{kept}, as in the checkpoint")));
        }
    }
    Ok(())
}

/// Refuses options of the releases that no published network uses.
fn supported(data: &Section, model: &Section) -> Result<(), ConfigError> {
    data.must("logit_transform", false, "false")?;
    model.must("spec_norm", false, "false")?;
    model.must("sigma_dist", "geometric", "geometric")?;
    model.must("normalization", "InstanceNorm++", "InstanceNorm++")
}

/// A field by the name it has in score_sde, or by that of the own releases.
fn either<T: DeserializeOwned>(
    section: &Section,
    [name, own]: [&str; 2],
    known: &'static str,
) -> Result<T, ConfigError> {
    match section.or(name, known, None)? {
        Some(value) => Ok(value),
        None => section.get(own, known),
    }
}
