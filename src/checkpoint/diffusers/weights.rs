//! The files of a network's weights: whole or in parts, in one precision or another, with and without EMA.

use super::WHAT;
use crate::checkpoint::{FileError, foreign, read_bounded};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// How all names of weights begin.
const STEM: &str = "diffusion_pytorch_model";
/// An index names every tensor.
const MAX_INDEX: u64 = 16 << 20;

/// The files that were chosen.
#[derive(Debug)]
pub struct Chosen {
    pub files: Vec<PathBuf>,
    /// Which variant that is, where it is one.
    pub note: Option<String>,
    /// Whether the folder has files of raw weights.
    pub has_raw: bool,
}

/// How weights are kept, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Format {
    Safetensors,
    /// The list of the parts of one of the others.
    Index,
    Bin,
    BinIndex,
}

/// Format and variant that a name tells: `diffusion_pytorch_model.fp16.safetensors`. A part by itself is none.
fn parse(name: &str) -> Option<(Format, String)> {
    let rest = name.strip_prefix(STEM)?;
    let (mut format, mut variant) = (None, Vec::new());
    for word in rest.strip_prefix('.')?.split('.') {
        format = match (format, word) {
            (None, "safetensors") => Some(Format::Safetensors),
            (None, "bin") => Some(Format::Bin),
            (Some(Format::Safetensors), "index") => Some(Format::Index),
            (Some(Format::Bin), "index") => Some(Format::BinIndex),
            (Some(Format::Index | Format::BinIndex), "json") => format,
            (format, word) if !word.contains("-of-") => {
                variant.push(word);
                format
            }
            _ => return None,
        };
    }
    Some((format?, variant.join(".")))
}

/// Whether a file of this name has weights, or lists them.
pub fn is_weights(name: &str) -> bool {
    name.starts_with(STEM)
}

/// Whether a file of this name has all weights.
pub fn is_whole(name: &str) -> bool {
    parse(name).is_some_and(|(format, _)| matches!(format, Format::Safetensors | Format::Bin))
}

/// The weights in a folder: those without a variant, else the best of the variants; of formats, safetensors. `raw`: those
/// that are said to be without EMA.
pub fn files(folder: &Path, raw: bool) -> Result<Chosen, FileError> {
    let names = fs::read_dir(folder).map_err(|source| FileError::read(folder, source))?.filter_map(Result::ok);
    let mut variants: BTreeMap<String, BTreeMap<Format, String>> = BTreeMap::new();
    let mut in_parts = false;
    for name in names.filter_map(|file| file.file_name().into_string().ok()) {
        in_parts |= is_weights(&name) && name.contains("-of-");
        if let Some((format, variant)) = parse(&name) {
            variants.entry(variant).or_default().insert(format, name);
        }
    }
    let rank = |variant: &str| match variant {
        "non_ema" if raw => 0,
        "non_ema" => 4,
        "" => 1,
        "ema" => 2,
        _ => 3,
    };
    let best = variants.iter().min_by_key(|(variant, _)| rank(variant));
    let chosen = best.and_then(|(variant, formats)| Some((variant, formats.first_key_value()?)));
    let Some((variant, (format, name))) = chosen else {
        let reason = match in_parts {
            true => format!("the list of its weights' parts is missing; download {STEM}.safetensors.index.json, too"),
            false => format!("its weights are missing; put {STEM}.safetensors there"),
        };
        return Err(FileError::format(folder, WHAT, reason));
    };
    let has_raw = variants.contains_key("non_ema");
    // What was asked for is no news.
    let usual = variant.is_empty() || raw && has_raw;
    let note = (!usual).then(|| {
        let others: Vec<&str> = variants.keys().filter(|other| *other != variant).map(String::as_str).collect();
        let beside = if others.is_empty() { String::new() } else { format!(", not {}", others.join(", ")) };
        format!("The variant {variant} of its weights is used{beside}.")
    });
    let path = folder.join(name);
    let files = if matches!(format, Format::Index | Format::BinIndex) { parts(&path, folder)? } else { vec![path] };
    Ok(Chosen { files, note, has_raw })
}

/// The parts that an index lists.
fn parts(index: &Path, folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let wrong = |reason: String| FileError::format(index, "a valid index of weights", reason);
    let text = read_bounded(index, MAX_INDEX, WHAT)?;
    let no_json = |error| format!("it is not JSON ({error}); download it again");
    let value: Value = serde_json::from_slice(&text)
        .map_err(|error| wrong(foreign::no_settings(&text).unwrap_or_else(|| no_json(error))))?;
    let map = value.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| wrong("it lacks weight_map; download it again".into()))?;
    let names: BTreeSet<&str> = map.values().filter_map(Value::as_str).collect();
    let mut files = Vec::new();
    for name in names {
        let plain = matches!(Path::new(name).components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
        if !plain {
            return Err(wrong(format!("its part {name:?} is not a file's name; download it again")));
        }
        let file = folder.join(name);
        if file.symlink_metadata().is_err() {
            return Err(wrong(format!("its part {name:?} is missing; download it into the same folder")));
        }
        files.push(file);
    }
    if files.is_empty() { Err(wrong("it lists no parts; download it again".into())) } else { Ok(files) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_format_and_variant() {
        for (name, format, variant) in [
            ("diffusion_pytorch_model.safetensors", Format::Safetensors, ""),
            ("diffusion_pytorch_model.fp16.safetensors", Format::Safetensors, "fp16"),
            ("diffusion_pytorch_model.non_ema.bin", Format::Bin, "non_ema"),
            ("diffusion_pytorch_model.safetensors.index.json", Format::Index, ""),
            ("diffusion_pytorch_model.safetensors.index.fp16.json", Format::Index, "fp16"),
            ("diffusion_pytorch_model.fp16.bin.index.json", Format::BinIndex, "fp16"),
        ] {
            assert_eq!(parse(name), Some((format, variant.to_owned())), "{name}");
        }
        for name in [
            "diffusion_pytorch_model-00001-of-00002.safetensors",
            "diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
            "diffusion_flax_model.msgpack",
            "model.safetensors",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
