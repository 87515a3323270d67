//! Writing networks as other projects have them. What a project would make of the files is read back first: where that is
//! another network, nothing is written.

use super::{FileError, OpenedNetwork, diffusers, score_sde};
use crate::network::{Architecture, BlockKind, Config, Embedding, ProgressiveInput};
use crate::score::Description;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A project whose format is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Project {
    /// Song et al. 2021: a state dictionary as safetensors, with its configuration beside it.
    ScoreSde,
    /// A folder of a pipeline with a `UNet2DModel`.
    Diffusers,
}

impl Project {
    fn name(self) -> &'static str {
        match self {
            Project::ScoreSde => "score_sde",
            Project::Diffusers => "diffusers",
        }
    }
}

/// Why a network is not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("{} has no such network: {why}; choose another format", project.name())]
    Unknown { project: Project, why: String },
    #[error(transparent)]
    File(#[from] FileError),
}

/// Writes a network as another project has it, in single precision: `output` is a .safetensors file, beside which a .json
/// of that name is written, or a folder. Returns the files. `bare` leaves out `module.`, with which the names in
/// score_sde's checkpoints begin.
///
/// # Errors
/// If the project's code has no such network, or a file cannot be written.
pub fn export(
    network: &OpenedNetwork,
    project: Project,
    bare: bool,
    output: &Path,
) -> Result<Vec<PathBuf>, ExportError> {
    match project {
        Project::ScoreSde => score_sde::write(network, bare, output),
        Project::Diffusers => diffusers::write(network, output),
    }
}

/// Refuses a project that would read another network.
pub(super) fn agree(project: Project, own: &Description, there: &Description) -> Result<(), ExportError> {
    let (own, there) = (fields(own), fields(there));
    let differs = own.iter().find_map(|(name, value)| {
        let other = there.iter().find(|(known, _)| known == name).map_or(&Value::Null, |(_, value)| value);
        (!same(value, other)).then(|| format!("{name} is {value}, there {other}"))
    });
    differs.map_or(Ok(()), |why| Err(ExportError::Unknown { project, why }))
}

/// Rounding in a unit of the noise apart.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs(),
            _ => a == b,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

/// All that decides what a network computes, by name.
fn fields(description: &Description) -> Vec<(String, Value)> {
    let config = match &description.config {
        Architecture::Unet(config) => Architecture::Unet(essential(config)),
        other => other.clone(),
    };
    let Description { family, continuous, levels, labels, predicts, betas, range, .. } = description;
    let whole = serde_json::json!({
        "config": config, "family": family, "continuous": continuous, "levels": levels, "labels": labels, "range": range,
        "predicts": predicts, "betas": betas,
    });
    let mut flat = Vec::new();
    flatten("", whole, &mut flat);
    flat
}

/// The members of sections one by one.
fn flatten(name: &str, value: Value, flat: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) if ["", "config", "variant"].contains(&name) => {
            members.into_iter().for_each(|(name, value)| flatten(&name, value, flat));
        }
        value => flat.push((name.to_owned(), value)),
    }
}

/// The same network, where settings that nothing in it reads have their defaults.
fn essential(config: &Config) -> Config {
    let usual = Config::ddpmpp();
    let mut own = config.clone();
    own.attn_resolutions = (0..own.ch_mult.len())
        .filter(|&level| own.attends(level))
        .map(|level| (own.image_size / usize::from(own.patch.max(1))) >> level)
        .collect();
    own.variant.attention_after_each &= !own.attn_resolutions.is_empty();
    // What its first weights were drawn from.
    own.fourier_scale = None;
    if own.embedding_type == Embedding::Fourier {
        (own.variant.cosines_first, own.variant.frequency_shift) = (false, 1.0);
    }
    if own.resblock_type == BlockKind::BigGan {
        (own.resamp_with_conv, own.variant.margin_all_round) = (true, false);
    }
    if own.progressive_input != ProgressiveInput::InputSkip {
        own.progressive_combine = usual.progressive_combine;
    }
    if !own.fir {
        own.fir_kernel = usual.fir_kernel;
    }
    if !own.scale_by_sigma {
        (own.sigma_min, own.sigma_max) = (usual.sigma_min, usual.sigma_max);
    }
    own
}
