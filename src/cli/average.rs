use super::Failure;
use crate::checkpoint::check_writable;
use crate::train::{Folder, PosthocError, posthoc};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer average --training worlds --sigma-rel 0.07 \\
      --output worlds-07.safetensors
  score-explorer average --training worlds --sigma-rel 0.15 --images 500000 \\
      --output earlier.safetensors

A training with --snapshots stores two averages of its weights every so many images. From these an average of any other \
length is made afterwards (Karras et al. 2024, section 3.2). The shorter it is, the more often they must be stored.")]
pub(super) struct Args {
    /// Folder of the training
    #[arg(long, value_name = "FOLDER")]
    training: PathBuf,
    /// Width σ_rel of the average as a share of the training so far, 0.001 to 0.28
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    sigma_rel: f64,
    /// Moment of the training in images [default: the last stored one]
    #[arg(long, value_name = "N")]
    images: Option<u64>,
    /// Model to write (.safetensors)
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    super::output::known(Some(&args.output), &["safetensors"])?;
    let folder = Folder::new(&args.training);
    let training = folder.training()?.ok_or_else(|| {
        Failure::Input(format!("{:?} holds no training; give the folder that `train` wrote", args.training))
    })?;
    check_writable(&args.output)?;
    let made = posthoc(&folder, args.sigma_rel, args.images, &|_| true)?;
    made.write(&folder, &training, &args.output)?;
    say!("average after {} images, σ_rel {}, made from {} stored", made.images, args.sigma_rel, made.stored);
    say!("wrote {}", args.output.display());
    Ok(())
}

impl From<PosthocError> for Failure {
    fn from(error: PosthocError) -> Self {
        match error {
            PosthocError::Folder(error) => error.into(),
            PosthocError::None(_) => Failure::Input(error.to_string()),
            _ => Failure::Usage(error.to_string()),
        }
    }
}
