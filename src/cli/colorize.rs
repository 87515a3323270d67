use super::Failure;
use super::restoring::{self, Question, RestoringOptions};
use crate::registry::Choice;
use crate::score::Colourisation;
use crate::task::Shows;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer colorize --image grey.jpg --count 8
  score-explorer colorize --image grey.jpg --method pigdm --seed 3 \\
      --output colours.png --json")]
pub(super) struct Args {
    #[command(flatten)]
    restoring: RestoringOptions,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let question =
        Question { operator: Choice::new(&Colourisation), mask: None, shows: Shows::Original, strength: 1.0 };
    restoring::execute(&args.restoring, &question)
}
