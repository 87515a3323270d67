use super::Failure;
use super::choices::choice;
use super::restoring::{self, Question, RestoringOptions};
use crate::registry::Choice;
use crate::score::{Inpainting, Operator};
use crate::task::Shows;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer restore --image photo.jpg --operator super-resolution:4
  score-explorer restore --image blurred.png --operator blur:gaussian:2.0 \\
      --measured --noise 0.01
  score-explorer restore --image photo.jpg --operator compressed-sensing:0.25 \\
      --method pigdm --count 8 --json")]
pub(super) struct Args {
    #[command(flatten)]
    restoring: RestoringOptions,
    /// Degradation A: super-resolution:2|4|8, blur:gaussian:STD, blur:motion:LENGTH:ANGLE, blur:kernel:SIZE:WEIGHTS,
    /// compressed-sensing:FRACTION[:SEED], denoising (with --noise) or colorization
    #[arg(long, value_name = "A", display_order = 0, value_parser = choice::<dyn Operator>)]
    operator: Choice<dyn Operator>,
    /// The image is the measurement y; otherwise it is degraded first
    #[arg(long, help_heading = "Posterior")]
    measured: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    if args.operator.is(&Inpainting) {
        return Err(Failure::Usage("inpainting needs a mask; see `score-explorer inpaint --help`".into()));
    }
    let shows = if args.measured { Shows::Measurement } else { Shows::Original };
    let question = Question { operator: args.operator.clone(), mask: None, shows, strength: 1.0 };
    restoring::execute(&args.restoring, &question)
}
