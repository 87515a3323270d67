use super::Failure;
use super::drive::Session;
use super::library::agreed;
use super::options::DeviceOption;
use super::output::OutputOptions;
use crate::checkpoint::read_run;
use crate::task::ModelRef;
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
    /// Model to use [default: the run file's]
    #[arg(long, short)]
    model: Option<ModelRef>,
    /// Second model of its guidance, such as a classifier [default: the run file's]
    #[arg(long, alias = "classifier", value_name = "FILE")]
    guide_model: Option<ModelRef>,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    #[command(flatten)]
    output: OutputOptions,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let run = read_run(&args.file)?;
    let model = agreed(&args.file, &run.model, args.model.as_ref(), "model")?;
    let run = run
        .with_model(&model)
        .with_guide_models(&mut |named| agreed(&args.file, named, args.guide_model.as_ref(), "guide-model"))?;
    args.output.check(None)?;
    let mut session = Session::open(args.device.into())?;
    let model = session.inspect(&run.model)?;
    let zoom = args.output.fit(None, &model, run.count, &mut session.progress)?;
    let outcome = session.sample(run, args.output.recording())?;
    let files = args.output.write(&outcome, None, zoom, &mut session.progress)?;
    drop(session);
    args.output.print(&outcome, &files)
}
