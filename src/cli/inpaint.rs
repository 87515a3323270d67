use super::Failure;
use super::restoring::{self, MaskOptions, Question, RestoringOptions};
use crate::registry::Choice;
use crate::score::Inpainting;
use crate::task::Shows;

#[derive(Debug, clap::Args)]
#[command(mut_arg("mask", |arg| arg.required(true)))]
#[command(after_help = "\
Examples:
  score-explorer inpaint --image photo.jpg --mask mask.png --count 8
  score-explorer inpaint --image photo.jpg --mask mask.png \\
      --method projection --resample 10:5 --strip samples.png
  score-explorer inpaint --image photo.jpg --mask kept.png --invert-mask
  score-explorer inpaint --image a.png --mask m.png --model exact:worlds \\
      --method exact --json")]
pub(super) struct Args {
    #[command(flatten)]
    restoring: RestoringOptions,
    #[command(flatten)]
    mask: MaskOptions,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let question =
        Question { operator: Choice::new(&Inpainting), mask: args.mask.given(), shows: Shows::Original, strength: 1.0 };
    restoring::execute(&args.restoring, &question)
}
