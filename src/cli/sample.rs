use super::Failure;
use super::choices::{Given, Options, flattened};
use super::drive::{Recording, Session};
use super::options::{DeviceOption, RunOptions};
use super::output::OutputOptions;
use super::trace::{Trace, read_start};
use crate::checkpoint::write_run;
use crate::engine::ModelReport;
use crate::registry::find;
use crate::score::{Autoguidance, ClassifierFree, ClassifierGuidance, GuidanceKind};
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
      --guide-model cifar-noisy.safetensors
  score-explorer sample --model edm-cifar10-cond.safetensors --class 3 \\
      --guidance 1.5 --guidance-interval 0.2 2
  score-explorer sample --model worlds/model.safetensors --guidance 2 \\
      --guide-model worlds/earlier.safetensors
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

/// The kind of guidance.
#[derive(Debug)]
struct KindOptions(Given);

fn kinds() -> Options {
    let help = "What leads samples [default: classifier-free with --class where the model knows classes, autoguidance with \
                --guide-model alone, else classifier]";
    Options::of::<dyn GuidanceKind>(help, "Guidance", |_| true)
}

flattened!(KindOptions, kinds());

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Guidance")]
struct GuidanceOptions {
    /// Lead samples to a class: its name, or its number from 0
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Guidance weight w: 0 does not lead; at 1 samples are those of the class, or of the model itself [default: 1]
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    guidance: Option<f64>,
    #[command(flatten)]
    kind: KindOptions,
    /// Second model: a classifier of noised images (from `classifier train --noisy`), for autoguidance a weaker model, such
    /// as a snapshot of the same training, for classifier-free guidance one without classes
    /// [default: the bundled classifier that knows the class, of Little Worlds or CIFAR-10, or none]
    #[arg(long, alias = "classifier", value_name = "FILE")]
    guide_model: Option<ModelRef>,
    /// Noise levels σ/α of images in [−1, 1] between which the weight counts; it is 1 elsewhere
    #[arg(long, num_args = 2, value_names = ["LOW", "HIGH"])]
    guidance_interval: Option<Vec<f64>>,
    /// How far each score is brought back to its standard deviation at weight 1, from 0 to 1 [default: 0]
    #[arg(long, value_name = "PHI", allow_negative_numbers = true)]
    guidance_rescale: Option<f64>,
}

impl GuidanceOptions {
    /// What leads the samples of a model, if anything does.
    ///
    /// # Errors
    /// If the parts do not fit together.
    fn guidance(&self, model: &ModelReport) -> Result<Option<Guidance>, Failure> {
        let given = self.kind.0.slug().and_then(find::<dyn GuidanceKind>);
        if given.is_none() && self.class.is_none() && self.guide_model.is_none() {
            let set = self.guidance.is_some() || self.guidance_interval.is_some() || self.guidance_rescale.is_some();
            let what = "guidance has nothing to lead by; give --class, or a weaker model with --guide-model";
            return if set { Err(Failure::Usage(what.into())) } else { Ok(None) };
        }
        let usual: &'static dyn GuidanceKind = match self.class {
            None => &Autoguidance,
            Some(_) if !model.classes.is_empty() => &ClassifierFree,
            Some(_) => &ClassifierGuidance,
        };
        let mut guidance = Guidance::new(given.unwrap_or(usual), self.class.as_deref(), self.guidance.unwrap_or(1.0));
        guidance.guide_model = self.guide_model.clone().or(guidance.guide_model);
        guidance.interval = self.guidance_interval.as_deref().and_then(|ends| ends.try_into().ok());
        guidance.rescale = self.guidance_rescale.unwrap_or(0.0);
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
    let mut run = Run { guidance: args.guidance.guidance(&model)?, ..args.run.run(model.family)? };
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
