use super::choices::{Given, Options, flattened};
use super::drive::Session;
use super::options::{DeviceOption, FamilyOptions};
use super::progress::human;
use super::{Failure, stopping};
use crate::checkpoint::ReadProgress;
use crate::data::{Data, DataSource, Place};
use crate::engine::{Train, TrainReport};
use crate::network::peak_memory;
use crate::registry::{Category, Choice, find};
use crate::train::{
    Average, Folder, Objective, Optimizer, Recipe, Schedule, Size, Small, Times, Trainer, Training, read_training,
};
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer train --data worlds:32 --output worlds
  score-explorer train --data photos --image-size 32 --output photos-32 \\
      --family ve --size tiny
  score-explorer train --data cifar-10-binary.tar.gz --output cifar \\
      --recipe edm --optimizer muon --images 20000000
  score-explorer train --data worlds:32 --output worlds --dry-run
  score-explorer train --config worlds/training.json --output again

The same command goes on where the training in the folder was, to the same bits: it is saved every few minutes, on \
Ctrl-C and when the system ends it. The folder's model.safetensors is the network with averaged weights, for every \
other command and for the window; metrics.jsonl has the loss of each step.")]
pub(super) struct Args {
    /// Training images: a folder, .tar or .zip (class folders give classes), CIFAR's binary archive, IDX files, or
    /// worlds:32, worlds:64
    #[arg(long, value_name = "DATA", required_unless_present = "config")]
    data: Option<Place>,
    /// Folder of the training
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// The file of a training (training.json of its folder), which other options override
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Height and width of the images [default: the data's own]
    #[arg(long, value_name = "PIXELS", help_heading = "Data")]
    image_size: Option<usize>,
    /// Channels of the images: 1 (grey) or 3 [default: the data's own]
    #[arg(long, value_name = "N", help_heading = "Data")]
    channels: Option<usize>,
    /// Do not mirror half of the images
    #[arg(long, help_heading = "Data")]
    no_flips: bool,

    #[command(flatten)]
    size: SizeOptions,
    #[command(flatten)]
    recipe: RecipeOptions,
    #[command(flatten)]
    family: FamilyOptions,

    #[command(flatten)]
    objective: ObjectiveOptions,
    #[command(flatten)]
    times: TimesOptions,
    #[command(flatten)]
    optimizer: OptimizerOptions,
    #[command(flatten)]
    schedule: ScheduleOptions,
    #[command(flatten)]
    average: AverageOptions,
    /// Images of one step
    #[arg(long, value_name = "N", help_heading = "Training")]
    batch: Option<usize>,
    /// Images after which the training is done
    #[arg(long, value_name = "N", help_heading = "Training")]
    images: Option<u64>,
    /// Images from one stored average to the next, of which averages of any length are made afterwards [default: none]
    #[arg(long, value_name = "N", help_heading = "Training")]
    snapshots: Option<u64>,
    /// Seed of the first weights, the order of the images and all noise
    #[arg(long, short, help_heading = "Training")]
    seed: Option<u64>,

    /// Say what would happen, and how long it would take
    #[arg(long)]
    dry_run: bool,
    /// Seconds from one save to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0)]
    save_every: f64,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
}

/// Options of one category of choices.
macro_rules! options {
    ($($holder:ident($function:ident): $category:ty, $help:literal, $heading:literal;)*) => {$(
        #[derive(Debug)]
        struct $holder(Given);

        fn $function() -> Options {
            Options::of::<$category>($help, $heading, |_| true)
        }

        flattened!($holder, $function());

        impl $holder {
            /// What these options make of a choice.
            fn over(&self, base: &Choice<$category>) -> Result<Choice<$category>, Failure> {
                over(&$function(), &self.0, base)
            }
        }
    )*};
}

options! {
    SizeOptions(size_options): dyn Size, "Size of the network [default: small]", "Network";
    RecipeOptions(recipe_options): dyn Recipe, "How the network is built and conditioned [default: score-sde]", "Network";
    ObjectiveOptions(objective_options): dyn Objective, "What is minimised [default: the recipe's]", "Training";
    TimesOptions(times_options): dyn Times, "At which noise levels [default: the recipe's]", "Training";
    OptimizerOptions(optimizer_options): dyn Optimizer, "How the weights move [default: adam]", "Training";
    ScheduleOptions(schedule_options): dyn Schedule, "Course of the learning rate [default: warm-up]", "Training";
    AverageOptions(average_options): dyn Average, "Average of the weights [default: ema]", "Training";
}

/// What options make of a choice.
fn over<E: ?Sized + Category>(options: &Options, given: &Given, base: &Choice<E>) -> Result<Choice<E>, Failure> {
    let slug = given.slug().or_else(|| options.implied(given).filter(|_| true));
    let entry = slug.and_then(find::<E>).unwrap_or_else(|| base.entry());
    let mut choice = Choice::new(entry);
    if entry.about().slug == base.about().slug {
        *choice.settings_mut() = base.settings().clone();
    }
    options.apply(given, entry.about(), choice.settings_mut())?;
    choice.check()?;
    Ok(choice)
}

impl Args {
    /// The training, on data that are opened if the network must be made for them.
    fn training(&self) -> Result<(Training, Option<Data>), Failure> {
        let held = Folder::new(&self.output).training()?;
        let base = match &self.config {
            Some(file) => Some(read_training(file)?),
            // The same command goes on.
            None => held,
        };
        let named = self.size.0.is_given() || self.recipe.0.is_given() || self.family.is_given();
        let (base, data) = match base {
            Some(base) if !named && self.data.as_ref().is_none_or(|place| *place == base.source.place) => (base, None),
            base => {
                let place = self.data.clone().or_else(|| base.map(|base| base.source.place));
                let place = place.ok_or_else(|| Failure::Usage("give the training images with --data".into()))?;
                let source = DataSource { place, size: self.image_size, channels: self.channels };
                let data = source.open(&ReadProgress::default())?;
                let size = self.size.over(&Choice::<dyn Size>::new(&Small))?;
                let recipe = self.recipe.over(&Choice::<dyn Recipe>::new(<dyn Recipe>::all()[0]))?;
                let family = self.family.given()?;
                let network = recipe.entry().description(&size, family, data.shape());
                (Training::usual(source, network), Some(data))
            }
        };
        let training = Training {
            objective: self.objective.over(&base.objective)?,
            times: self.times.over(&base.times)?,
            optimizer: self.optimizer.over(&base.optimizer)?,
            schedule: self.schedule.over(&base.schedule)?,
            average: self.average.over(&base.average)?,
            batch: self.batch.unwrap_or(base.batch),
            images: self.images.unwrap_or(base.images),
            snapshots: self.snapshots.unwrap_or(base.snapshots),
            seed: self.seed.unwrap_or(base.seed),
            flips: base.flips && !self.no_flips,
            ..base
        };
        training.check()?;
        Ok((training, data))
    }
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let (training, data) = args.training()?;
    let mut session = Session::open(args.device.into())?;
    if args.dry_run {
        let data = match data {
            Some(data) => data,
            None => training.source.open(&ReadProgress::default())?,
        };
        return rehearse(&session, training, data);
    }
    if !(args.save_every.is_finite() && args.save_every >= 0.0) {
        return Err(Failure::Usage(format!("--save-every {} is no time; give seconds", args.save_every)));
    }
    let task = Train {
        training,
        folder: args.output.clone(),
        start: None,
        save_every: Duration::from_secs_f64(args.save_every.min(1e6)),
        samples: false,
    };
    stopping::on_signals();
    let report = session.train(task)?;
    say!("{}", report.display());
    Ok(())
}

/// Says what a training would do, from a step or two of it.
fn rehearse(session: &Session, training: Training, data: Data) -> Result<(), Failure> {
    let parameters: usize =
        training.network.config.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    let (images, steps, batch) = (training.images, training.steps(), training.batch);
    say!("network     {}, {parameters} parameters", training.network.config.summary());
    say!("data        {}", described(&training, &data));
    say!(
        "training    {} with {} times, {}, batches of {batch}, {steps} steps ({images} images)",
        training.objective,
        training.times,
        training.optimizer,
    );
    let features = peak_memory(&training.network.config);
    let mut trainer =
        Trainer::new(training, data.split()[0].clone(), None).map_err(|error| Failure::Usage(error.to_string()))?;
    let began = Instant::now();
    trainer.step(session.device()).map_err(|error| Failure::Running(error.to_string()))?;
    // The first step finds no memory at hand.
    let first = began.elapsed();
    let began = Instant::now();
    trainer.step(session.device()).map_err(|error| Failure::Running(error.to_string()))?;
    let step = began.elapsed().min(first).as_secs_f64();
    let whole = Duration::try_from_secs_f64(step * steps as f64).unwrap_or(Duration::MAX);
    say!("speed       {step:.2} s a step, {:.0} images an hour, {} in all", 3600.0 * batch as f64 / step, human(whole));
    let resident = memory_stats::memory_stats().map_or(0, |stats| stats.physical_mem);
    say!("memory      {} MiB ({} MiB for the features of one image)", resident >> 20, features >> 20);
    Ok(())
}

fn described(training: &Training, data: &Data) -> String {
    let [channels, height, width] = data.shape();
    let count = data.len().map_or("without end".into(), |count| format!("{count} images"));
    let classes = data.class_names().len();
    let classes = if classes > 0 { format!(", {classes} classes") } else { String::new() };
    format!("{}: {count} of {channels}×{height}×{width}{classes}", training.source.place)
}

/// What is said of a training as it begins.
pub(super) fn begun(report: &TrainReport) -> String {
    let summary = report.training.network.config.summary();
    match report.resumed {
        0 => format!("training {summary}, {} parameters, on {}", report.parameters, report.device.name),
        images => format!("going on after {images} images: {summary}, on {}", report.device.name),
    }
}
