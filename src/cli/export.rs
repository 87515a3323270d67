use super::Failure;
use super::library::network;
use super::output::known;
use crate::checkpoint::{Project, check_writable, export};
use crate::task::ModelRef;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer export --model worlds-vp-small --format score-sde \\
      --output worlds.safetensors
  score-explorer export --model church --format diffusers --output church/

score-sde writes a state dictionary by the published names, buffers included, and its configuration as .json beside it; \
diffusers writes the folder of a pipeline. Weights are written in single precision. A network that the project's code \
cannot build is refused.")]
pub(super) struct Args {
    /// Network: a name from `models` or a checkpoint
    #[arg(long, short)]
    model: ModelRef,
    /// Configuration of the checkpoint, if not stored beside it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Project that is to read it
    #[arg(long, value_enum)]
    format: Format,
    /// File (.safetensors) or folder to write
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,
    /// Leave out `module.`, with which names in score_sde's checkpoints begin
    #[arg(long)]
    bare_names: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Song et al. 2021: .safetensors with .json
    ScoreSde,
    /// A pipeline's folder with a UNet2DModel
    Diffusers,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let project = match args.format {
        Format::ScoreSde => Project::ScoreSde,
        Format::Diffusers => Project::Diffusers,
    };
    if project == Project::ScoreSde {
        known(Some(&args.output), &["safetensors"])?;
        check_writable(&args.output)?;
    } else if args.bare_names {
        return Err(Failure::Usage("--bare-names has no effect on diffusers; leave it out".into()));
    }
    let opened = network(&args.model, args.config.as_deref())?;
    for file in export(&opened, project, args.bare_names, &args.output)? {
        say!("wrote {}", file.display());
    }
    Ok(())
}
