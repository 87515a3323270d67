use super::Failure;
use super::drive::Session;
use super::options::DeviceOption;
use super::output::OutputOptions;
use crate::checkpoint::read_run;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer run run.json
  score-explorer run run.json --output again.png --animate again.gif
  score-explorer run branch.json --device cpu --tensor x.safetensors --json")]
pub(super) struct Args {
    /// Run file saved by the window or by `sample --save-run`
    file: PathBuf,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    #[command(flatten)]
    output: OutputOptions,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let run = read_run(&args.file)?;
    args.output.check(None)?;
    let mut session = Session::open(args.device.into())?;
    let model = session.inspect(&run.model)?;
    let zoom = args.output.fit(None, &model, run.count, &mut session.progress)?;
    let outcome = session.sample(run, args.output.recording())?;
    let files = args.output.write(&outcome, None, zoom, &mut session.progress)?;
    drop(session);
    args.output.print(&outcome, &files)
}
