//! Reading the configurations of diffusers: a `UNet2DModel` and the scheduler that it was trained with.

use super::betas;
use crate::checkpoint::ConfigError;
use crate::checkpoint::config::{FLAG, NUMBER, Section, WHOLE, WHOLES, disordered, parse, shorten};
use crate::checkpoint::open::IGNORED;
use crate::network::{
    BlockKind, Classes, Config, Embedding, Joins, MAX_LEVELS, Nonlinearity, Progressive, ProgressiveInput, Variant,
};
use crate::score::{Description, Predicts, Threshold};
use crate::sde::{Cosine, Family, FamilyError, Flow, Range, ScaledLinear, Ve, Vp};
use serde_json::Value;
use std::f64::consts::SQRT_2;

const CLASS: &str = "_class_name";
const NAMES: &str = "a list of names";
/// Classes of a network that does not say how many it knows: as many as ImageNet has.
const UNCOUNTED: usize = 1000;

/// Reads a configuration of diffusers: `model`, the text of `config.json` of a `UNet2DModel`, and `scheduler`, that of the
/// `scheduler_config.json` beside it.
///
/// # Errors
/// If a text is not such JSON, a field is not known, or no network can be built from it.
pub fn read_diffusers_config(model: &str, scheduler: &str) -> Result<Description, ConfigError> {
    read_model(model, read_scheduler(scheduler)?)
}

/// The same of a network whose process is known.
pub fn read_model(model: &str, process: Process) -> Result<Description, ConfigError> {
    let model = parse(model)?;
    let model = Section::whole(&model, "config");
    let class: String = model.get(CLASS, "UNet2DModel")?;
    if class != "UNet2DModel" {
        return Err(model.unknown(CLASS, &Value::String(class), "UNet2DModel"));
    }
    let config = architecture(&model, &process)?;
    config.check()?;
    let Process { family, continuous, levels, range, predicts, betas, threshold, .. } = process;
    Ok(Description { predicts, betas, threshold, ..Description::new(config.into(), family, continuous, levels, range) })
}

/// What the noise was.
pub struct Process {
    family: Family,
    continuous: bool,
    levels: usize,
    range: Range,
    predicts: Predicts,
    betas: Option<Vec<f64>>,
    threshold: Threshold,
    /// Which fields of the scheduler were of no use here.
    pub ignored: Option<String>,
}

/// Fields that say what the noise was. All others say how samples are drawn.
const NOISE: [&str; 20] = [
    "beta_schedule",
    "beta_start",
    "beta_end",
    "trained_betas",
    "num_train_timesteps",
    "prediction_type",
    "rescale_betas_zero_snr",
    "timestep_type",
    "snr_shift_scale",
    "sigma_min",
    "sigma_max",
    "shift",
    "flow_shift",
    "use_flow_sigmas",
    "clip_sample",
    "clip_sample_range",
    "thresholding",
    "dynamic_thresholding_ratio",
    "sample_max_value",
    CLASS,
];

/// Fields for drawing samples, as schedulers have them unless they are told otherwise.
const USUAL: [(&str, &str); 18] = [
    ("steps_offset", "0"),
    ("timestep_spacing", "leading"),
    ("timestep_spacing", "linspace"),
    ("variance_type", "fixed_small"),
    ("variance_type", "fixed_large"),
    ("set_alpha_to_one", "true"),
    ("solver_order", "2"),
    ("solver_type", "midpoint"),
    ("solver_type", "bh2"),
    ("algorithm_type", "dpmsolver++"),
    ("lower_order_final", "true"),
    ("predict_x0", "true"),
    ("final_sigmas_type", "zero"),
    ("interpolation_type", "linear"),
    ("lambda_min_clipped", "-Infinity"),
    ("snr", "0.15"),
    ("sampling_eps", "1e-05"),
    ("correct_steps", "1"),
];

/// What names of schedulers of other processes have in them.
const OTHERS: [&str; 8] = ["EDM", "Karras", "VQ", "Consistency", "CMStochastic", "ScoreSde", "Wuerstchen", "CosineDPM"];

/// The β of DDPM's process that a class takes where none are given, and the form of their table.
fn usual_betas(class: &str) -> Option<(f64, f64, &'static str)> {
    let name = class.strip_prefix("Flax").unwrap_or(class).strip_suffix("Scheduler")?;
    Some(match name {
        "DDPM"
        | "DDPMParallel"
        | "DDIM"
        | "DDIMParallel"
        | "DDIMInverse"
        | "PNDM"
        | "RePaint"
        | "DPMSolverMultistep"
        | "DPMSolverMultistepInverse"
        | "DPMSolverSinglestep"
        | "UniPCMultistep"
        | "DEISMultistep"
        | "SASolver"
        | "EulerDiscrete"
        | "EulerAncestralDiscrete"
        | "LMSDiscrete" => (1e-4, 0.02, "linear"),
        "HeunDiscrete" | "KDPM2Discrete" | "KDPM2AncestralDiscrete" | "DPMSolverSDE" => (8.5e-4, 0.012, "linear"),
        "LCM" | "TCD" => (8.5e-4, 0.012, "scaled_linear"),
        _ => return None,
    })
}

/// Reads the configuration of a scheduler for the noise that it was trained with. All but one are samplers of DDPM's
/// process, and differ only in how they draw samples.
pub fn read_scheduler(text: &str) -> Result<Process, ConfigError> {
    let value = parse(text)?;
    let scheduler = Section::whole(&value, "scheduler_config");
    let known = "DDPMScheduler, another scheduler with beta_start and beta_end, or ScoreSdeVeScheduler";
    let class: String = scheduler.get(CLASS, known)?;
    let ignored = ignored(&value);
    if class == "ScoreSdeVeScheduler" {
        let (min, max) = (scheduler.or("sigma_min", NUMBER, 0.01)?, scheduler.or("sigma_max", NUMBER, 1348.0)?);
        let family = Ve::new(min, max).map_err(|error| disordered("sigma_min to sigma_max", &error))?;
        let levels = training_steps(&scheduler, 2000)?;
        let (family, range, predicts, threshold) = (Family::Ve(family), Range::Unit, Predicts::Noise, Threshold::Range);
        return Ok(Process { family, continuous: true, levels, range, predicts, betas: None, threshold, ignored });
    }
    if let Some(family) = straight_path(&scheduler, &class)? {
        let levels = training_steps(&scheduler, 1000)?;
        let (range, predicts, threshold) = (Range::Symmetric, Predicts::Flow, threshold(&scheduler)?);
        return Ok(Process { family, continuous: true, levels, range, predicts, betas: None, threshold, ignored });
    }
    let given =
        || Some((scheduler.or("beta_start", NUMBER, None).ok()??, scheduler.or("beta_end", NUMBER, None).ok()??));
    let other = OTHERS.iter().any(|other| class.contains(other));
    let usual = usual_betas(&class).or_else(|| given().filter(|_| !other).map(|(first, last)| (first, last, "linear")));
    let Some((first, last, schedule)) = usual else {
        return Err(scheduler.unknown(CLASS, &Value::String(class), known));
    };
    let schedule: String = scheduler.or("beta_schedule", "linear", schedule.to_owned())?;
    let predicts = match scheduler.or("prediction_type", "epsilon", "epsilon".to_owned())?.as_str() {
        "epsilon" => Predicts::Noise,
        "sample" => Predicts::Data,
        "v_prediction" => Predicts::Velocity,
        other => {
            let other = Value::String(other.into());
            return Err(scheduler.unknown("prediction_type", &other, "epsilon, sample or v_prediction"));
        }
    };
    scheduler.must("timestep_type", "discrete", "discrete")?;
    scheduler.must("snr_shift_scale", 1.0, "1.0")?;
    let levels = training_steps(&scheduler, 1000)?;
    // β_i of the steps is β(t)/N of the SDE (Song et al. 2021, appendix B).
    let (first, last) = (scheduler.or("beta_start", NUMBER, first)?, scheduler.or("beta_end", NUMBER, last)?);
    if last >= 1.0 {
        return Err(scheduler.invalid(
            "beta_end",
            format!("{last:?}"),
            "below 1, as it is the variance of a step's noise",
        ));
    }
    let steps = levels as f64;
    let zero = scheduler.or("rescale_betas_zero_snr", "true or false", false)?;
    let trained = scheduler.is_given("trained_betas");
    let (first_rate, last_rate) = (first * steps, last * steps);
    let family = match schedule.as_str() {
        // A table that is given says nothing of β_start and β_end: runs follow the usual path.
        _ if trained => Ok(Family::Vp(Vp::default())),
        "squaredcos_cap_v2" => Ok(Family::Cosine(Cosine::default())),
        "scaled_linear" => {
            ScaledLinear::new(first_rate, last_rate).map(|family| Family::ScaledLinear(family.ending_in_noise(zero)))
        }
        _ => Vp::new(first_rate, last_rate).map(|family| Family::Vp(family.ending_in_noise(zero))),
    };
    let family = family.map_err(|error| match error {
        FamilyError::Extreme { most, .. } => {
            scheduler.invalid("beta_end", format!("{last:?}"), &format!("at most {} with {levels} steps", most / steps))
        }
        _ => disordered("beta_start to beta_end", &FamilyError::Beta { min: first, max: last }),
    })?;
    let betas = betas::read(&scheduler, &schedule, [first, last], levels, zero)?;
    let (range, threshold) = (Range::Symmetric, threshold(&scheduler)?);
    Ok(Process { family, continuous: false, levels, range, predicts, betas, threshold, ignored })
}

/// The path of flow matching, where a scheduler has that.
fn straight_path(scheduler: &Section, class: &str) -> Result<Option<Family>, ConfigError> {
    let name = if class.contains("FlowMatch") {
        "shift"
    } else if scheduler.or("use_flow_sigmas", FLAG, false)? {
        "flow_shift"
    } else {
        return Ok(None);
    };
    let predicts: String = scheduler.or("prediction_type", "flow_prediction", "flow_prediction".to_owned())?;
    if predicts != "flow_prediction" {
        return Err(scheduler.unknown("prediction_type", &Value::String(predicts), "flow_prediction"));
    }
    scheduler.must("invert_sigmas", false, "false")?;
    let shift = scheduler.or(name, NUMBER, 1.0)?;
    let [least, most] = Flow::LIMITS;
    let rule = format!("{least} to {most}");
    Flow::new(shift).map(|flow| Some(Family::Flow(flow))).map_err(|_| scheduler.invalid(name, shift, &rule))
}

/// How samples are clipped.
fn threshold(scheduler: &Section) -> Result<Threshold, ConfigError> {
    let most = scheduler.or("sample_max_value", NUMBER, 1.0)?;
    let threshold = match scheduler.or("thresholding", FLAG, false)? {
        true => Threshold::Dynamic { ratio: scheduler.or("dynamic_thresholding_ratio", NUMBER, 0.995)?, most },
        false => match scheduler.or("clip_sample_range", NUMBER, 1.0)? {
            1.0 => Threshold::Range,
            times => Threshold::Wider(times),
        },
    };
    match threshold.is_valid() {
        true => Ok(threshold),
        false => {
            let field = if most < 1.0 { "sample_max_value" } else { "clip_sample_range" };
            Err(scheduler.invalid(
                field,
                format!("{threshold:?}"),
                "above 0, a ratio from 0 to 1, a value of 1 or more",
            ))
        }
    }
}

/// Steps that a network can have been trained on: a table of their β is made before the network is looked at.
fn training_steps(scheduler: &Section, usual: usize) -> Result<usize, ConfigError> {
    match scheduler.or("num_train_timesteps", WHOLE, usual)? {
        steps @ 2..=MAX_LEVELS => Ok(steps),
        steps => Err(scheduler.invalid("num_train_timesteps", steps, &format!("from 2 to {MAX_LEVELS}"))),
    }
}

/// Says which fields were of no use, of those that are not as usual.
fn ignored(scheduler: &Value) -> Option<String> {
    let fields = scheduler.as_object()?.iter().filter(|(name, value)| {
        let words = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let number: Option<f64> = words.parse().ok();
        let same = |usual: &str| usual == words || number.is_some() && number == usual.parse().ok();
        let usual = USUAL.iter().any(|(field, usual)| field == name && same(usual));
        let nothing = value.is_null() || value.as_bool() == Some(false) && name.as_str() != "set_alpha_to_one";
        !(name.starts_with('_') || NOISE.contains(&name.as_str()) || usual || nothing)
    });
    let fields: Vec<String> = fields.map(|(name, value)| format!("{name} = {}", shorten(value))).collect();
    let what = fields.join(", ");
    (!fields.is_empty())
        .then(|| format!("{IGNORED}scheduler_config.json, as samples are drawn as chosen here: {what}."))
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
    let [image_size, width] = image_size(model)?;
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
    let usual = Config::ddpmpp();
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
        image_width: (width != image_size).then_some(width),
        patch: 1,
        num_channels: channels,
        centered: !model.or("center_input_sample", FLAG, false)?,
        sigma_min,
        sigma_max,
        num_scales: process.levels,
        ..usual
    })
}

/// Height and width; one number stands for both.
fn image_size(model: &Section) -> Result<[usize; 2], ConfigError> {
    let known = "a whole number, or two for height and width";
    let size: Value = model.get("sample_size", known)?;
    let side = |value: &Value| value.as_u64().and_then(|side| usize::try_from(side).ok());
    let sides = match size.as_array().map(Vec::as_slice) {
        None => side(&size).map(|side| [side, side]),
        Some([height, width]) => side(height).zip(side(width)).map(|(height, width)| [height, width]),
        Some(_) => None,
    };
    sides.ok_or_else(|| model.unknown("sample_size", &size, known))
}

/// What would make it another network.
fn supported(model: &Section) -> Result<(), ConfigError> {
    model.must("mid_block_type", "UNetMidBlock2D", "UNetMidBlock2D")?;
    model.must("downsample_type", "conv", "conv")?;
    model.must("upsample_type", "conv", "conv")?;
    model.must("add_attention", true, "true")?;
    model.without("time_embedding_dim")
}

/// The classes that it is told: rows of a table, or numbers embedded as noise levels are.
fn classes(model: &Section, positional: bool) -> Result<Option<Classes>, ConfigError> {
    let known = "null, timestep or identity";
    let count: Option<usize> = model.or("num_class_embeds", WHOLE, None)?;
    let kind: Option<String> = model.or("class_embed_type", known, None)?;
    let count = match kind.as_deref() {
        None => count,
        Some("timestep") if positional => Some(count.unwrap_or(UNCOUNTED)),
        // What it is told is a vector that somebody makes of a class; without one it is a network of no classes.
        Some("identity") => None,
        Some(other) => return Err(model.unknown("class_embed_type", &Value::String(other.to_owned()), known)),
    };
    Ok(count.map(|count| Classes { count, joins: Joins::Embedding, none: false }))
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
    } else if groups.is_none_or(|groups| groups == 0) {
        let value = groups.map_or("null", |_| "0");
        return Err(model.invalid("norm_num_groups", value, "a whole number above 0 for these blocks"));
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
        classes: classes(model, positional)?,
        ..Variant::default()
    })
}
