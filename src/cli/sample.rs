use super::Failure;
use super::drive::{Recording, Session};
use super::options::{DeviceOption, RunOptions};
use super::output::OutputOptions;
use super::trace::{Trace, read_start};
use crate::checkpoint::write_run;
use crate::task::{Count, Guidance, ModelRef, Run};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer sample
  score-explorer sample --count 64 --seed 7 --output worlds.png
  score-explorer sample --count 1000 --images samples/
  score-explorer sample --preset pc1000-reverse-diffusion --animate worlds.gif
  score-explorer sample --family ve --predictor euler-maruyama \\
      --corrector langevin --snr 0.16 --steps 500
  score-explorer sample --model exact:photos --solver heun --steps 18 \\
      --grid edm:7 --tensor x.safetensors
  score-explorer sample --solver unipc --order 3 --steps 10
  score-explorer sample --model mixture:plane.json --family ve \\
      --sigmas 40,10,2,0.5,0.1,0 --solver heun --start x.safetensors \\
      --trace states.safetensors
  score-explorer sample --class sea --guidance 2
  score-explorer sample --model cifar10.pth --class frog --guidance 2 \\
      --classifier cifar-noisy.safetensors
  score-explorer sample --model mixture:two-moons --count 1000 \\
      --save-run run.json --json")]
pub(super) struct Args {
    #[command(flatten)]
    run: RunOptions,
    #[command(flatten)]
    guidance: GuidanceOptions,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    #[command(flatten)]
    output: OutputOptions,
    /// Run file, for `score-explorer run` and the window
    #[arg(long, alias = "record", value_name = "FILE", help_heading = "Output")]
    save_run: Option<PathBuf>,
    /// Safetensors file with the first state `x`, N×C×H×W, noised to the first step's σ, in the data range of the run
    #[arg(long, value_name = "FILE", conflicts_with_all = ["count", "save_run"], help_heading = "Solver")]
    start: Option<PathBuf>,
    /// Safetensors file for the first state and that after each step: `x`, S×N×C×H×W, with `t`, `alpha` and `sigma`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    trace: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Class")]
struct GuidanceOptions {
    /// Lead samples to a class: its name, or its number from 0
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Guidance weight w of the classifier's gradient, w·∇ log p(class | x)
    #[arg(long, value_name = "W", default_value_t = 1.0, allow_negative_numbers = true, requires = "class")]
    guidance: f64,
    /// Classifier of noised images, from `classifier train --noisy`
    #[arg(long, value_name = "FILE", default_value = Guidance::SHIPPED, requires = "class")]
    classifier: ModelRef,
}

impl GuidanceOptions {
    /// What leads the samples, if anything does.
    ///
    /// # Errors
    /// If the weight is out of range.
    fn guidance(&self) -> Result<Option<Guidance>, Failure> {
        let Some(class) = self.class.clone() else { return Ok(None) };
        let guidance = Guidance { class, weight: self.guidance, classifier: self.classifier.clone() };
        guidance.check()?;
        Ok(Some(guidance))
    }
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let save_run = args.save_run.as_deref();
    // Either takes the place of the picture that is written where nothing is asked for.
    let more = save_run.or(args.trace.as_deref());
    args.output.check(more)?;
    args.trace.iter().try_for_each(|file| Trace::check(file))?;
    let mut session = Session::open(args.device.into())?;
    let model = session.inspect(&args.run.model)?;
    let mut run = Run { guidance: args.guidance.guidance()?, ..args.run.run(model.family)? };
    let start = args.start.as_deref().map(|file| read_start(file, model.shape)).transpose()?;
    if let Some(start) = &start {
        run.count = Count::new(start.x.shape[0])?;
    }
    let zoom = args.output.fit(more, &model, run.count, &mut session.progress)?;
    let recording = if args.trace.is_some() { Recording::Moments } else { args.output.recording() };
    let outcome = session.sample_from(run, start.map(Arc::new), recording)?;
    let mut files = args.output.write(&outcome, more, zoom, &mut session.progress)?;
    if let Some(file) = save_run {
        write_run(file, &outcome.report.run)?;
        files.push(file.into());
    }
    if let Some(file) = &args.trace {
        Trace::write(file, &outcome)?;
        files.push(file.clone());
    }
    drop(session);
    args.output.print(&outcome, &files)
}
