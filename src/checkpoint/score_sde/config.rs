//! Reading the published JSON configurations.

use crate::checkpoint::config::{FLAG, NUMBER, NUMBERS, Section, WHOLE, WHOLES, disordered, parse};
use crate::checkpoint::ncsn::{self, NcsnVariant};
use crate::checkpoint::{ConfigError, Overrides};
use crate::network::{BlockKind, Combine, Config};
use crate::score::Description;
use crate::sde::{Family, Range, SubVp, Ve, Vp};
use serde_json::Value;

/// Reads a configuration of score_sde (JSON with `data`, `model` and `training`), with some of its fields overridden.
/// Fields that a family or an architecture does without get their published defaults.
///
/// # Errors
/// If the text is not such JSON, a field is missing or not known (an override among them), or no network can be built
/// from it.
pub fn read_score_sde_config(json: &str, overrides: &Overrides) -> Result<Description, ConfigError> {
    let mut configuration = parse(json)?;
    overrides.apply(&mut configuration)?;
    read(&configuration)
}

pub(super) fn read(root: &Value) -> Result<Description, ConfigError> {
    let (data, model) = (Section::of(root, "data")?, Section::of(root, "model")?);
    let known = "ncsnpp (NCSN++ and DDPM++), ddpm, ncsn, ncsnv2_64, ncsnv2_128 or ncsnv2_256";
    let name: String = model.get("name", known)?;
    if let Some(variant) = NcsnVariant::named(&name) {
        return ncsn::read(root, variant);
    }
    let training = Section::of(root, "training")?;
    let config = match name.as_str() {
        "ncsnpp" => ncsnpp(&data, &model)?,
        "ddpm" => ddpm(&data, &model)?,
        _ => {
            return Err(model.unknown("name", &Value::String(name), known));
        }
    };
    config.check()?;
    let (family, continuous) = (family(&training, &model, &config)?, training.get("continuous", FLAG)?);
    let (levels, range) = (config.num_scales, if config.centered { Range::Symmetric } else { Range::Unit });
    Ok(Description::new(config.into(), family, continuous, levels, range))
}

/// DDPM as `models/ddpm.py` has it: all that is read has its published default, what is not read is left out.
fn ddpm(data: &Section, model: &Section) -> Result<Config, ConfigError> {
    let normalization: String = model.or("normalization", "GroupNorm", "GroupNorm".to_owned())?;
    if normalization != "GroupNorm" {
        return Err(model.unknown("normalization", &Value::String(normalization), "GroupNorm"));
    }
    // Whatever the configuration says, the network has a positional embedding.
    let usual = Config::ddpmpp();
    Ok(Config {
        nf: model.get("nf", WHOLE)?,
        ch_mult: model.get("ch_mult", WHOLES)?,
        num_res_blocks: model.get("num_res_blocks", WHOLE)?,
        attn_resolutions: model.get("attn_resolutions", WHOLES)?,
        resamp_with_conv: model.or("resamp_with_conv", FLAG, usual.resamp_with_conv)?,
        conditional: model.or("conditional", FLAG, usual.conditional)?,
        skip_rescale: false,
        resblock_type: BlockKind::Ddpm,
        scale_by_sigma: model.or("scale_by_sigma", FLAG, usual.scale_by_sigma)?,
        nonlinearity: model.or("nonlinearity", "swish, elu, relu or lrelu", usual.nonlinearity)?,
        norm_groups: Some(32),
        image_size: data.get("image_size", WHOLE)?,
        patch: model.or("patch", "a whole number from 1 to 4", usual.patch)?,
        num_channels: data.or("num_channels", WHOLE, data.or("channels", WHOLE, 3)?)?,
        centered: data.get("centered", FLAG)?,
        sigma_min: model.or("sigma_min", NUMBER, usual.sigma_min)?,
        sigma_max: model.or("sigma_max", NUMBER, usual.sigma_max)?,
        num_scales: model.or("num_scales", WHOLE, usual.num_scales)?,
        ..usual
    })
}

/// NCSN++ and DDPM++ as `models/ncsnpp.py` has them: what they add to DDPM.
fn ncsnpp(data: &Section, model: &Section) -> Result<Config, ConfigError> {
    Ok(Config {
        fir: model.get("fir", FLAG)?,
        fir_kernel: model.or("fir_kernel", NUMBERS, vec![1.0, 3.0, 3.0, 1.0])?,
        skip_rescale: model.get("skip_rescale", FLAG)?,
        resblock_type: model.get("resblock_type", "ddpm or biggan")?,
        progressive: model.get("progressive", "none, output_skip or residual")?,
        progressive_input: model.get("progressive_input", "none, input_skip or residual")?,
        progressive_combine: model.or("progressive_combine", "sum or cat", Combine::Sum)?,
        embedding_type: model.get("embedding_type", "positional or fourier")?,
        fourier_scale: model.or("fourier_scale", NUMBER, None)?,
        scale_by_sigma: model.get("scale_by_sigma", FLAG)?,
        norm_groups: None,
        ..ddpm(data, model)?
    })
}

/// The SDE that the network was trained with.
fn family(training: &Section, model: &Section, config: &Config) -> Result<Family, ConfigError> {
    let known = "vesde, vpsde or subvpsde";
    let sde: String = training.get("sde", known)?;
    let (beta_min, beta_max) = (model.or("beta_min", NUMBER, 0.1)?, model.or("beta_max", NUMBER, 20.0)?);
    let family = match sde.to_lowercase().as_str() {
        "vesde" => Ve::new(config.sigma_min, config.sigma_max).map(Family::Ve),
        "vpsde" => Vp::new(beta_min, beta_max).map(Family::Vp),
        "subvpsde" => SubVp::new(beta_min, beta_max).map(Family::SubVp),
        _ => {
            return Err(training.unknown("sde", &Value::String(sde), known));
        }
    };
    let fields = match sde.to_lowercase().as_str() {
        "vesde" => "model.sigma_min to model.sigma_max",
        _ => "model.beta_min to model.beta_max",
    };
    family.map_err(|error| disordered(fields, &error))
}
