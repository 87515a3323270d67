use super::output::known;
use super::{Failure, library};
use crate::checkpoint::{
    About, OpenOptions, Opened, Overrides, adopt, check_writable, moments, open, read_card, read_pictures, slug,
};
use crate::score::Description;
use crate::sde::Moments;
use crate::task::ModelRef;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer import checkpoint_24.pth --config config.json \\
      --name \"CIFAR-10 VP\"
  score-explorer import worlds.pth --card-file worlds.txt --moments-from worlds/
  score-explorer import google/ddpm-church-256 --name church
  score-explorer import worlds.pth --output checkpoints/worlds.safetensors
  score-explorer import checkpoint_8.pth --set training.sde=subvpsde \\
      --weights raw
  score-explorer import edm-cifar10-cond.safetensors --set edm.sigma_max=80 \\
      --name cats

Without --config, the configuration is looked for beside the checkpoint: the same name with .json or .yml, or \
config.json or config.yml. If there is none, it is inferred from tensor names and shapes. What these cannot reveal is \
taken from the nearest published configuration, and listed. Code stored in a checkpoint is never executed. The weights \
are stored in half precision.")]
pub(super) struct Args {
    /// Checkpoint: PyTorch (.pth, .ckpt, .bin), safetensors, JAX, or a diffusers folder
    source: PathBuf,
    /// Its configuration (JSON or YAML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set a configuration field that is missing or was assumed wrongly, e.g. data.centered=true
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Weights to import from a training checkpoint
    #[arg(long, value_enum, default_value = "ema")]
    weights: Kind,
    /// Display name [default: the file name]
    #[arg(long)]
    name: Option<String>,
    /// Text file about it: data, licence, training
    #[arg(long, value_name = "FILE")]
    card_file: Option<PathBuf>,
    /// Training images, to measure their mean and standard deviation: a folder, .zip, .tar or .tar.gz
    #[arg(long, value_name = "PATH")]
    moments_from: Option<PathBuf>,
    /// File to write [default: in the model library, where `--model` finds it by name]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Exponential moving average
    #[value(alias = "average")]
    Ema,
    /// As training left them
    #[value(alias = "live")]
    Raw,
}

/// What names and shapes reveal, as fields of a configuration.
const REVEALED: [&str; 11] = [
    "nf",
    "ch_mult",
    "num_res_blocks",
    "attn_resolutions",
    "resblock_type",
    "conditional",
    "embedding_type",
    "progressive",
    "progressive_input",
    "num_channels",
    "image_size",
];

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let output = match &args.output {
        Some(file) => file.clone(),
        None => place_in_library(&args.name())?,
    };
    known(Some(&output), &["safetensors"])?;
    let same = |file: &Path| fs::canonicalize(file).ok();
    if same(&output).is_some_and(|file| Some(file) == same(&args.source)) {
        return Err(Failure::Usage(format!("{output:?} is the checkpoint itself; give another --output")));
    }
    let card = args.card_file.as_deref().map(read_text).transpose()?.unwrap_or_default();
    let overrides = Overrides::parse(args.set.iter().map(String::as_str));
    let overrides = overrides.map_err(|error| Failure::Usage(error.to_string()))?;
    let raw = args.weights == Kind::Raw;
    let options = OpenOptions { config: args.config.as_deref(), overrides, raw, progress: None };
    let opened = open(&args.source, &options)?;
    opened.notes.iter().for_each(|note| remark!("warning: {note}"));
    show(&opened);
    let moments = args.moments(&opened.network.description)?;
    if args.output.is_none()
        && let Some(folder) = output.parent()
    {
        let failed = |error| Failure::Output(format!("{folder:?} cannot be created: {error}; give --output"));
        fs::create_dir_all(folder).map_err(failed)?;
    }
    check_writable(&output)?;
    let about = About { name: args.name(), card, moments };
    let source = opened.file.as_deref().unwrap_or(&args.source);
    let written = adopt(opened.network, source, &about, &output)?;
    say!("wrote {}", written.display());
    if args.output.is_none()
        && let Some(stem) = written.file_stem()
    {
        say!("to sample it: score-explorer sample --model {}", stem.display());
    }
    Ok(())
}

/// Prints what was inferred, and what was assumed because nothing reveals it.
fn show(opened: &Opened) {
    if !opened.inferred {
        return;
    }
    say!("inferred from names and shapes:");
    let config = serde_json::to_value(&opened.network.description.config).unwrap_or(Value::Null);
    for (name, value) in REVEALED.iter().filter_map(|&name| Some((name, config.get(name)?))) {
        let section = if ["num_channels", "image_size"].contains(&name) { "data" } else { "model" };
        let field = format!("{section}.{name}");
        if opened.assumed.iter().all(|assumption| assumption.field != field) {
            say!("  {field} = {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    if !opened.assumed.is_empty() {
        say!("assumed, as names and shapes do not reveal it (correct it with --set FIELD=VALUE):");
        opened.assumed.iter().for_each(|assumption| say!("  {assumption}"));
    }
}

impl Args {
    fn name(&self) -> String {
        let stem = || self.source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.name.clone().unwrap_or_else(stem)
    }

    /// Moments of the images that were given, in the network's range and size.
    fn moments(&self, description: &Description) -> Result<Option<Moments>, Failure> {
        let Some(pictures) = &self.moments_from else { return Ok(None) };
        let [channels, height, width] = description.config.shape();
        let pictures = read_pictures(pictures, Some(height.max(width)))?;
        let pictures = if channels == 1 { pictures.grey() } else { pictures };
        for warning in &pictures.warnings {
            remark!("warning: {warning}");
        }
        Ok(Some(moments(&pictures, description.range)))
    }
}

/// The file of a new model in the library, which must not hold one of that name yet.
fn place_in_library(name: &str) -> Result<PathBuf, Failure> {
    let slug = slug(name);
    let Some(folder) = library().filter(|_| !slug.is_empty()) else {
        return Err(Failure::Usage("the model library has no place for this model; give --output FILE".into()));
    };
    if ModelRef::Named(slug.clone()).bundled().is_some() {
        return Err(Failure::Usage(format!("{slug} is the name of a bundled model; give another --name")));
    }
    let file = folder.join(slug).with_extension("safetensors");
    match file.exists() {
        true => Err(Failure::Usage(format!("{file:?} already exists; give another --name, or --output to replace it"))),
        false => Ok(file),
    }
}

fn read_text(path: &Path) -> Result<String, Failure> {
    Ok(read_card(path)?.trim().to_owned())
}
