use super::output::writable;
use super::{Failure, library};
use crate::checkpoint::{About, import, moments, open_network, read_pictures};
use crate::score::Moments;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer import checkpoint_24.pth --config config.json --name \"CIFAR-10 VP\"
  score-explorer import worlds.pth --card-file worlds.txt --moments-from worlds/
  score-explorer import google/ddpm-church-256 --name church
  score-explorer import worlds.pth --output checkpoints/worlds.safetensors

The configuration is also found beside the checkpoint, as the same name with .json or .yml, or as config.json or .yml.
No code in a checkpoint is run. The weights are kept in half precision.")]
pub(super) struct Args {
    /// A published PyTorch checkpoint (.pth) with its EMA weights, or a folder of diffusers
    source: PathBuf,
    /// Its configuration, JSON or YAML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The name that people read [default: the file's]
    #[arg(long)]
    name: Option<String>,
    /// A text about it: data, licence, training
    #[arg(long, value_name = "FILE")]
    card_file: Option<PathBuf>,
    /// Pictures that it was trained on, to measure their mean and spread: a folder, .zip or .tar
    #[arg(long, value_name = "PATH")]
    moments_from: Option<PathBuf>,
    /// Where to write it [default: the library, where `--model` finds it by name]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let output = match &args.output {
        Some(file) => file.clone(),
        None => place_in_library(&args.name())?,
    };
    let card = args.card_file.as_deref().map(read_text).transpose()?.unwrap_or_default();
    let moments = args.moments()?;
    if args.output.is_none()
        && let Some(folder) = output.parent()
    {
        let failed = |error| Failure::Output(format!("{folder:?} cannot be made: {error}; give --output"));
        fs::create_dir_all(folder).map_err(failed)?;
    }
    writable(&output)?;
    let about = About { name: args.name(), card, moments };
    let written = import(&args.source, args.config.as_deref(), &about, &output)?;
    println!("wrote {}", written.display());
    if args.output.is_none()
        && let Some(stem) = written.file_stem()
    {
        println!("sample it with: score-explorer sample --model {}", stem.display());
    }
    Ok(())
}

impl Args {
    fn name(&self) -> String {
        let stem = || self.source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.name.clone().unwrap_or_else(stem)
    }

    /// Moments of the pictures that were given, in the network's range and size.
    fn moments(&self) -> Result<Option<Moments>, Failure> {
        let Some(pictures) = &self.moments_from else { return Ok(None) };
        let description = open_network(&self.source, self.config.as_deref())?.description;
        let [_, side, _] = description.config.shape();
        let pictures = read_pictures(pictures, Some(side))?;
        for warning in &pictures.warnings {
            eprintln!("warning: {warning}");
        }
        Ok(Some(moments(&pictures, description.range)))
    }
}

/// The file of a new model in the library, which must not hold one of that name yet.
fn place_in_library(name: &str) -> Result<PathBuf, Failure> {
    let slug = slug(name);
    let Some(folder) = library().filter(|_| !slug.is_empty()) else {
        return Err(Failure::Usage("there is no place for this model in the library; give --output FILE".into()));
    };
    let file = folder.join(slug).with_extension("safetensors");
    match file.exists() {
        true => {
            Err(Failure::Usage(format!("{file:?} is there already; give another --name, or --output to replace it")))
        }
        false => Ok(file),
    }
}

/// A name as part of a path and of a command line: lower-case letters and digits, hyphens between.
fn slug(name: &str) -> String {
    let lower = name.to_lowercase();
    lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let failed = |error| Failure::Input(format!("{path:?} cannot be read: {error}; check the path"));
    fs::read_to_string(path).map(|text| text.trim().to_owned()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_plain_file_name() {
        assert_eq!(slug("CIFAR-10 VP (deep)"), "cifar-10-vp-deep");
        assert_eq!(slug("../.."), "");
    }
}
