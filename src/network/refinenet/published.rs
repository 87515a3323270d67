//! Reading the configurations of NCSN and NCSNv2, in the words of their own releases or of score_sde.

use super::{Layout, RefineNetConfig};
use crate::network::section::{FLAG, NUMBER, Section, WHOLE, disordered};
use crate::network::{ConfigError, Description, Nonlinearity};
use crate::score::Range;
use crate::sde::{Family, Ve};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// `root` has the sections `data` and `model`.
pub(in crate::network) fn read(root: &Value, layout: Layout) -> Result<Description, ConfigError> {
    let (data, model) = (Section::of(root, "data")?, Section::of(root, "model")?);
    supported(&data, &model)?;
    let rescaled = data.or("rescaled", FLAG, data.or("centered", FLAG, false)?)?;
    let config = RefineNetConfig {
        ngf: either(&model, ["nf", "ngf"], WHOLE)?,
        stages: layout.stages,
        conditional: layout.conditional,
        nonlinearity: model.or("nonlinearity", "swish, elu, relu and lrelu", Nonlinearity::Elu)?,
        image_size: data.get("image_size", WHOLE)?,
        channels: either(&data, ["num_channels", "channels"], WHOLE)?,
        rescaled,
        sigma_begin: either(&model, ["sigma_max", "sigma_begin"], NUMBER)?,
        sigma_end: either(&model, ["sigma_min", "sigma_end"], NUMBER)?,
        num_classes: either(&model, ["num_scales", "num_classes"], WHOLE)?,
    };
    config.check()?;
    let (largest, smallest) = (config.sigma_begin, config.sigma_end);
    let family = Ve::new(smallest, largest)
        .map_err(|_| disordered("model.sigma_end to model.sigma_begin", smallest, largest))?;
    Ok(Description {
        family: Family::Ve(family),
        continuous: false,
        levels: config.num_classes,
        range: if rescaled { Range::Symmetric } else { Range::Unit },
        config: config.into(),
        name: String::new(),
        card: String::new(),
        moments: None,
    })
}

/// Refuses what the releases could be told but none of them was published with.
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
