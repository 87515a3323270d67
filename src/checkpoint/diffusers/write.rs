//! Writing what diffusers reads: the folder of a pipeline with its configuration, scheduler and weights.

use super::{CONFIG, SCHEDULER, names, read_diffusers_config};
use crate::checkpoint::export::{ExportError, Project, agree};
use crate::checkpoint::tensors::{Encoded, write_encoded};
use crate::checkpoint::{FileError, OpenedNetwork, write_atomically};
use crate::network::{BlockKind, Config, Joins, Nonlinearity, Progressive, ProgressiveInput};
use crate::score::{Description, Predicts, Threshold};
use crate::sde::Family;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::f64::consts::SQRT_2;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes a pipeline's folder.
///
/// # Errors
/// If `UNet2DModel` and a scheduler cannot be this network, or a file cannot be written.
pub(in crate::checkpoint) fn write(network: &OpenedNetwork, output: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let project = Project::Diffusers;
    let OpenedNetwork { description, weights } = network;
    let unknown = |why: &str| ExportError::Unknown { project, why: why.into() };
    let config = description.config.unet().ok_or_else(|| unknown("UNet2DModel is not an NCSN"))?;
    if let Some(why) = foreign(description, config) {
        return Err(unknown(why));
    }
    let (model, (pipeline, scheduler)) = (text(&unet(config)), scheduler(description));
    let class = scheduler["_class_name"].clone();
    let scheduler = text(&scheduler);
    let there = read_diffusers_config(&model, &scheduler).map_err(|error| unknown(&error.to_string()))?;
    agree(project, description, &there)?;
    let index = json!({
        "_class_name": pipeline, "_diffusers_version": VERSION,
        "unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", class],
    });
    let weights =
        names::theirs(weights, config).map_err(|source| FileError::Weights { path: output.into(), source })?;

    let [unet, beside] = ["unet", "scheduler"].map(|part| output.join(part));
    for folder in [&unet, &beside] {
        let wrong = |source| FileError::Write { path: folder.clone(), source };
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    let files = [
        (output.join("model_index.json"), text(&index)),
        (unet.join(CONFIG), model),
        (beside.join(SCHEDULER), scheduler),
    ];
    for (path, text) in &files {
        write_atomically(path, |out| out.write_all(text.as_bytes()))?;
    }
    let path = unet.join("diffusion_pytorch_model.safetensors");
    let tensors = weights.iter().map(|(name, array)| (name.as_str(), Encoded::single(array))).collect();
    write_encoded(&path, tensors, Some(HashMap::from([("format".into(), "pt".into())])))?;
    Ok(files.into_iter().map(|(path, _)| path).chain([path]).collect())
}

/// What people's networks have most often that its classes do not.
fn foreign(description: &Description, config: &Config) -> Option<&'static str> {
    let skips =
        config.progressive == Progressive::OutputSkip && config.progressive_input == ProgressiveInput::InputSkip;
    let causes = [
        (config.variant.sigma_data.is_some(), "UNet2DModel does not have EDM's preconditioning"),
        (config.resblock_type == BlockKind::Adm, "UNet2DModel's blocks do not resample"),
        (
            config.resblock_type == BlockKind::BigGan && !skips,
            "UNet2DModel has BigGAN's blocks only where the image and the output skip over the resolutions",
        ),
        (
            config.variant.classes.as_ref().is_some_and(|classes| classes.joins == Joins::Features),
            "UNet2DModel's classes join the embedding of the noise level, not its features",
        ),
        (matches!(description.family, Family::SubVp(_)), "no scheduler is for sub-VP"),
        (
            !matches!(description.family, Family::Ve(_) | Family::Flow(_)) && description.continuous,
            "schedulers of VP have discrete steps, and it was trained on continuous times",
        ),
    ];
    causes.into_iter().find_map(|(is, why)| is.then_some(why))
}

/// The release whose classes these are.
const VERSION: &str = "0.42.1";

fn text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The configuration of the `UNet2DModel` that is nearest.
fn unet(config: &Config) -> Value {
    let variant = &config.variant;
    let skip = config.resblock_type == BlockKind::BigGan && config.progressive == Progressive::OutputSkip;
    let levels = 0..config.ch_mult.len();
    let blocks = |way: &str, level: usize| {
        let (attention, kind) = (if config.attends(level) { "Attn" } else { "" }, if skip { "Skip" } else { "" });
        format!("{attention}{kind}{way}Block2D")
    };
    let down: Vec<String> = levels.clone().map(|level| blocks("Down", level)).collect();
    let up: Vec<String> = levels.rev().map(|level| blocks("Up", level)).collect();
    let widths: Vec<usize> = config.ch_mult.iter().map(|factor| config.nf * factor).collect();
    let size = match config.image_width {
        Some(width) => json!([config.image_size, width]),
        None => json!(config.image_size),
    };
    json!({
        "_class_name": "UNet2DModel", "_diffusers_version": VERSION,
        "sample_size": size, "in_channels": config.num_channels, "out_channels": config.num_channels,
        "center_input_sample": !config.centered,
        "time_embedding_type": config.embedding_type,
        "freq_shift": variant.frequency_shift,
        "flip_sin_to_cos": variant.cosines_first,
        "down_block_types": down, "up_block_types": up, "mid_block_type": "UNetMidBlock2D",
        "block_out_channels": widths, "layers_per_block": config.num_res_blocks,
        "mid_block_scale_factor": if skip { SQRT_2 } else { 1.0 },
        "downsample_padding": u8::from(variant.margin_all_round),
        "downsample_type": "conv", "upsample_type": "conv", "dropout": 0.0,
        "act_fn": if config.nonlinearity == Nonlinearity::Relu { "relu" } else { "silu" },
        "attention_head_dim": variant.head_channels,
        "norm_num_groups": config.norm_groups,
        "attn_norm_num_groups": config.norm_groups.filter(|_| variant.scale_shift),
        "norm_eps": variant.norm_epsilon,
        "resnet_time_scale_shift": if variant.scale_shift { "scale_shift" } else { "default" },
        "add_attention": true, "class_embed_type": null,
        "num_class_embeds": variant.classes.as_ref().map(|classes| classes.count),
    })
}

/// The class of the pipeline, and the scheduler of the noise that the network was trained with.
fn scheduler(description: &Description) -> (&'static str, Value) {
    let levels = description.levels;
    if let Family::Ve(ve) = description.family {
        let scheduler = json!({
            "_class_name": "ScoreSdeVeScheduler", "_diffusers_version": VERSION, "num_train_timesteps": levels,
            "sigma_min": ve.sigma_min(), "sigma_max": ve.sigma_max(), "snr": 0.15, "sampling_eps": 1e-5,
            "correct_steps": 1,
        });
        return ("ScoreSdeVePipeline", scheduler);
    }
    if let Family::Flow(flow) = description.family {
        let scheduler = json!({
            "_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": VERSION,
            "num_train_timesteps": levels, "shift": flow.shift(), "use_dynamic_shifting": false,
        });
        return ("DiffusionPipeline", scheduler);
    }
    let predicts = match description.predicts {
        // No scheduler of these has it: it is refused when it is read back.
        Predicts::Flow => "flow_prediction",
        Predicts::Noise => "epsilon",
        Predicts::Data => "sample",
        Predicts::Velocity => "v_prediction",
    };
    // Of these families the table follows from the rates, but for linear ones that a file replaced by its own.
    let (schedule, [first, last], zero) = match description.family {
        Family::ScaledLinear(sde) => ("scaled_linear", [sde.beta_min(), sde.beta_max()], sde.zero_snr()),
        Family::Vp(sde) => ("linear", [sde.beta_min(), sde.beta_max()], sde.zero_snr()),
        _ => ("squaredcos_cap_v2", [0.1, 20.0], false),
    };
    let rate = |beta: f64| beta / levels as f64;
    let (thresholding, ratio, most, clip) = match description.threshold {
        Threshold::Range => (false, 0.995, 1.0, 1.0),
        Threshold::Wider(times) => (false, 0.995, 1.0, times),
        Threshold::Dynamic { ratio, most } => (true, ratio, most, 1.0),
    };
    let scheduler = json!({
        "_class_name": "DDPMScheduler", "_diffusers_version": VERSION, "num_train_timesteps": levels,
        "beta_start": rate(first), "beta_end": rate(last), "beta_schedule": schedule,
        "trained_betas": description.betas.as_ref().filter(|_| schedule == "linear" && !zero),
        "variance_type": "fixed_small", "clip_sample": true, "clip_sample_range": clip, "prediction_type": predicts,
        "thresholding": thresholding, "dynamic_thresholding_ratio": ratio, "sample_max_value": most,
        "timestep_spacing": "leading", "steps_offset": 0, "rescale_betas_zero_snr": zero,
    });
    ("DDPMPipeline", scheduler)
}
