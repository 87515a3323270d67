use super::Failure;
use super::restoring::{self, Question, RestoringOptions};
use crate::registry::Choice;
use crate::score::Inpainting;
use crate::task::Shows;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer edit --image painted.png --strength 0.5
  score-explorer edit --image painted.png --mask mask.png --strength 0.7 --count 8 --output edits.png --json")]
pub(super) struct Args {
    #[command(flatten)]
    restoring: RestoringOptions,
    /// The time to which the picture is noised before it comes back: near 0 keeps it, 1 forgets it (SDEdit)
    #[arg(long, value_name = "t", default_value_t = 0.5, allow_negative_numbers = true)]
    strength: f64,
    /// Only what is white in this picture changes
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let mask = args.mask.as_deref();
    let question =
        Question { operator: Choice::new(&Inpainting), mask, shows: Shows::Original, strength: args.strength };
    restoring::execute(&args.restoring, &question)
}
