use super::Failure;
use super::restoring::{self, MaskOptions, Question, RestoringOptions};
use crate::registry::Choice;
use crate::score::Inpainting;
use crate::task::Shows;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer edit --image painted.png --strength 0.5
  score-explorer edit --image painted.png --mask mask.png --strength 0.7 \\
      --count 8 --output edits.png --json")]
pub(super) struct Args {
    #[command(flatten)]
    restoring: RestoringOptions,
    /// Time up to which the image is noised: near 0 keeps it, 1 discards it (SDEdit)
    #[arg(long, value_name = "t", display_order = 0, default_value_t = 0.5, allow_negative_numbers = true)]
    strength: f64,
    #[command(flatten)]
    mask: MaskOptions,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let mask = args.mask.given();
    let question =
        Question { operator: Choice::new(&Inpainting), mask, shows: Shows::Original, strength: args.strength };
    restoring::execute(&args.restoring, &question)
}
