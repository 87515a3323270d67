//! Reading the configurations of diffusers: a `UNet2DModel` and the scheduler that it was trained with.

use crate::checkpoint::ConfigError;
use crate::checkpoint::config::{FLAG, NUMBER, Section, WHOLE, WHOLES, disordered, parse};
use crate::checkpoint::score_sde::ddpmpp;
use crate::network::{BlockKind, Config, Embedding, Nonlinearity, Progressive, ProgressiveInput, Variant};
use crate::score::Description;
use crate::sde::{Family, Range, Ve, Vp};
use serde_json::Value;
use std::f64::consts::SQRT_2;

const CLASS: &str = "_class_name";
const NAMES: &str = "a list of names";

/// Reads a configuration of diffusers: `model`, the text of `config.json` of a `UNet2DModel`, and `scheduler`, that of the
/// `scheduler_config.json` beside it.
///
/// # Errors
/// If a text is not such JSON, a field is not known, or no network can be built from it.
pub fn read_diffusers_config(model: &str, scheduler: &str) -> Result<Description, ConfigError> {
    let (model, scheduler) = (parse(model)?, parse(scheduler)?);
    let (model, scheduler) = (Section::whole(&model, "config"), Section::whole(&scheduler, "scheduler_config"));
    let class: String = model.get(CLASS, "UNet2DModel")?;
    if class != "UNet2DModel" {
        return Err(model.unknown(CLASS, &Value::String(class), "UNet2DModel"));
    }
    let process = process(&scheduler)?;
    let config = architecture(&model, &process)?;
    config.check()?;
    let Process { family, continuous, levels, range } = process;
    Ok(Description::new(config.into(), family, continuous, levels, range))
}

/// What the noise was.
struct Process {
    family: Family,
    continuous: bool,
    levels: usize,
    range: Range,
}

fn process(scheduler: &Section) -> Result<Process, ConfigError> {
    let known = "DDPMScheduler, DDIMScheduler, PNDMScheduler or ScoreSdeVeScheduler";
    let class: String = scheduler.get(CLASS, known)?;
    match class.as_str() {
        "ScoreSdeVeScheduler" => {
            let (min, max) = (scheduler.or("sigma_min", NUMBER, 0.01)?, scheduler.or("sigma_max", NUMBER, 1348.0)?);
            let family = Ve::new(min, max).map_err(|_| disordered("sigma_min to sigma_max", min, max))?;
            let levels = scheduler.or("num_train_timesteps", WHOLE, 2000)?;
            Ok(Process { family: Family::Ve(family), continuous: true, levels, range: Range::Unit })
        }
        // Samplers of the same process.
        "DDPMScheduler" | "DDIMScheduler" | "PNDMScheduler" => {
            scheduler.must("beta_schedule", "linear", "linear")?;
            scheduler.must("prediction_type", "epsilon", "epsilon")?;
            scheduler.without("trained_betas")?;
            scheduler.must("rescale_betas_zero_snr", false, "false")?;
            let levels: usize = scheduler.or("num_train_timesteps", WHOLE, 1000)?;
            // β_i of the steps is β(t)/N of the SDE (Song et al. 2021, appendix B).
            let (first, last) = (scheduler.or("beta_start", NUMBER, 1e-4)?, scheduler.or("beta_end", NUMBER, 0.02)?);
            let family = Vp::new(first * levels as f64, last * levels as f64);
            let family = family.map_err(|_| disordered("beta_start to beta_end", first, last))?;
            Ok(Process { family: Family::Vp(family), continuous: false, levels, range: Range::Symmetric })
        }
        _ => Err(scheduler.unknown(CLASS, &Value::String(class), known)),
    }
}

fn architecture(model: &Section, process: &Process) -> Result<Config, ConfigError> {
    supported(model)?;
    let blocks = Blocks::read(model)?;
    let widths: Vec<usize> = model.or("block_out_channels", WHOLES, vec![224, 448, 672, 896])?;
    let nf = widths.first().copied().unwrap_or(0);
    let rule = "multiples of the first, one for each of down_block_types";
    if nf == 0 || widths.len() != blocks.attention.len() || widths.iter().any(|width| !width.is_multiple_of(nf)) {
        return Err(model.invalid("block_out_channels", format!("{widths:?}"), rule));
    }
    let image_size: usize = model.get("sample_size", WHOLE)?;
    let channels: usize = model.or("in_channels", WHOLE, 3)?;
    model.must("out_channels", channels, "as many as in_channels")?;
    let embedding_type = match model.or("time_embedding_type", "positional or fourier", Embedding::Positional)? {
        Embedding::Fourier if matches!(process.family, Family::Vp(_)) => {
            return Err(model.invalid("time_embedding_type", "fourier", "positional for this scheduler"));
        }
        embedding => embedding,
    };
    // Residual sums of NCSN++ are scaled everywhere, DDPM's nowhere.
    let (scale, expected) = (model.or("mid_block_scale_factor", NUMBER, 1.0)?, if blocks.skip { SQRT_2 } else { 1.0 });
    if (scale - expected).abs() > 1e-6 {
        return Err(model.invalid("mid_block_scale_factor", scale, &format!("{expected} with these blocks")));
    }
    let levels = blocks.attention.iter().enumerate().filter(|(_, attends)| **attends);
    let usual = ddpmpp();
    let (sigma_min, sigma_max) = match process.family {
        Family::Ve(ve) => (ve.sigma_min(), ve.sigma_max()),
        _ => (usual.sigma_min, usual.sigma_max),
    };
    Ok(Config {
        nf,
        ch_mult: widths.iter().map(|width| width / nf).collect(),
        num_res_blocks: model.or("layers_per_block", WHOLE, 2)?,
        attn_resolutions: levels.map(|(level, _)| image_size.checked_shr(level as u32).unwrap_or(0)).collect(),
        fir: blocks.skip,
        skip_rescale: blocks.skip,
        resblock_type: if blocks.skip { BlockKind::BigGan } else { BlockKind::Ddpm },
        progressive: if blocks.skip { Progressive::OutputSkip } else { Progressive::None },
        progressive_input: if blocks.skip { ProgressiveInput::InputSkip } else { ProgressiveInput::None },
        embedding_type,
        scale_by_sigma: embedding_type == Embedding::Fourier,
        nonlinearity: nonlinearity(model)?,
        norm_groups: norm_groups(model, &blocks, &widths)?,
        variant: variant(model, &blocks, embedding_type == Embedding::Positional)?,
        image_size,
        num_channels: channels,
        centered: !model.or("center_input_sample", FLAG, false)?,
        sigma_min,
        sigma_max,
        num_scales: process.levels,
        ..usual
    })
}

/// What would make it another network.
fn supported(model: &Section) -> Result<(), ConfigError> {
    model.must("mid_block_type", "UNetMidBlock2D", "UNetMidBlock2D")?;
    model.must("downsample_type", "conv", "conv")?;
    model.must("upsample_type", "conv", "conv")?;
    model.must("add_attention", true, "true")?;
    ["class_embed_type", "num_class_embeds", "time_embedding_dim"].iter().try_for_each(|name| model.without(name))
}

/// The kinds of blocks from the highest resolution to the lowest.
struct Blocks {
    /// `SkipDownBlock2D` and its like: NCSN++; else DDPM.
    skip: bool,
    /// Whether each has attention.
    attention: Vec<bool>,
}

impl Blocks {
    fn read(model: &Section) -> Result<Self, ConfigError> {
        let plain = |way: &str, kinds: &[&str]| kinds.iter().map(|kind| format!("{kind}{way}Block2D")).collect();
        let (down, up): (Vec<String>, Vec<String>) = (
            model.or("down_block_types", NAMES, plain("Down", &["", "Attn", "Attn", "Attn"]))?,
            model.or("up_block_types", NAMES, plain("Up", &["Attn", "Attn", "Attn", ""]))?,
        );
        let skip = down.iter().any(|name| name.contains("Skip"));
        let kind = if skip { "Skip" } else { "" };
        let known = "DownBlock2D, AttnDownBlock2D, SkipDownBlock2D or AttnSkipDownBlock2D, with the like on the way up";
        let attends = |name: &String, way: &str| match name.strip_suffix(&format!("{kind}{way}Block2D")) {
            Some("") => Some(false),
            Some("Attn") => Some(true),
            _ => None,
        };
        let attention: Option<Vec<bool>> = down.iter().map(|name| attends(name, "Down")).collect();
        let upward: Option<Vec<bool>> = up.iter().rev().map(|name| attends(name, "Up")).collect();
        match (attention, upward) {
            (Some(attention), Some(upward)) if attention == upward => Ok(Blocks { skip, attention }),
            _ => Err(model.unknown("down_block_types", &Value::String(down.join(", ")), known)),
        }
    }
}

fn nonlinearity(model: &Section) -> Result<Nonlinearity, ConfigError> {
    let known = "silu, swish or relu";
    match model.or("act_fn", known, "silu".to_owned())?.as_str() {
        "silu" | "swish" => Ok(Nonlinearity::Swish),
        "relu" => Ok(Nonlinearity::Relu),
        other => Err(model.unknown("act_fn", &Value::String(other.to_owned()), known)),
    }
}

/// Groups of the normalisations; NCSN++'s own rule where they are not given.
fn norm_groups(model: &Section, blocks: &Blocks, widths: &[usize]) -> Result<Option<usize>, ConfigError> {
    let groups = model.or_null("norm_num_groups", WHOLE, Some(32))?;
    if blocks.skip {
        // These blocks fix 32 groups for their attention, and the rule for all else.
        let narrow = blocks.attention.iter().zip(widths).any(|(&attends, &width)| attends && width < 128);
        if narrow || groups.is_some() {
            let value = groups.map_or("null".to_owned(), |groups| groups.to_string());
            return Err(model.invalid("norm_num_groups", value, "null, with attention over 128 channels or more"));
        }
    } else if groups.is_none() {
        return Err(model.invalid("norm_num_groups", "null", "a whole number for these blocks"));
    }
    Ok(groups)
}

fn variant(model: &Section, blocks: &Blocks, positional: bool) -> Result<Variant, ConfigError> {
    let known = "default or scale_shift";
    let scale_shift = match model.or("resnet_time_scale_shift", known, "default".to_owned())?.as_str() {
        "default" => false,
        "scale_shift" => true,
        other => return Err(model.unknown("resnet_time_scale_shift", &Value::String(other.to_owned()), known)),
    };
    let groups: Option<usize> = model.or_null("norm_num_groups", WHOLE, Some(32))?;
    let middle: Option<usize> = model.or_null("attn_norm_num_groups", WHOLE, None)?;
    if middle != groups && (middle.is_some() || scale_shift) {
        let value = middle.map_or("null".to_owned(), |middle| middle.to_string());
        return Err(model.invalid("attn_norm_num_groups", value, "that of norm_num_groups"));
    }
    let known = "0 or 1";
    let margin_all_round = match model.or("downsample_padding", known, 1)? {
        0 => false,
        1 => true,
        other => return Err(model.unknown("downsample_padding", &Value::from(other), known)),
    };
    Ok(Variant {
        norm_epsilon: model.or("norm_eps", NUMBER, 1e-5)?,
        attention_after_each: !blocks.skip,
        head_channels: model.or_null("attention_head_dim", WHOLE, Some(8))?,
        // The Fourier embedding does not turn round.
        cosines_first: positional && model.or("flip_sin_to_cos", FLAG, true)?,
        frequency_shift: model.or("freq_shift", NUMBER, 0.0)?,
        margin_all_round,
        scale_shift,
        ..Variant::default()
    })
}
