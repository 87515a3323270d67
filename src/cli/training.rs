//! What `train` and `finetune` have in common: the options of a training, and doing it.

use super::choices::{Given, Options, flattened};
use super::drive::Session;
use super::options::DeviceOption;
use super::progress::human;
use super::{Failure, stopping};
use crate::checkpoint::ReadProgress;
use crate::data::{Data, DataSource, Place};
use crate::engine::{Train, TrainReport};
use crate::network::peak_memory;
use crate::registry::{Category, Choice, find};
use crate::train::{
    Average, Folder, Objective, Optimizer, Recipe, Schedule, Size, Times, Trainer, Training, initial_weights,
};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Everything that decides a training but the network, and how it is done.
#[derive(Debug, clap::Args)]
pub(super) struct TrainingOptions {
    /// Training images: a folder, .tar or .zip (class folders give classes), CIFAR's binary archive, IDX files, or
    /// worlds:32, worlds:64 [default: those of the training in the folder]
    #[arg(long, value_name = "DATA")]
    pub(super) data: Option<Place>,
    /// Folder of the training
    #[arg(long, short, value_name = "FOLDER")]
    pub(super) output: PathBuf,
    /// Height and width of the images [default: the network's, else the data's own]
    #[arg(long, value_name = "PIXELS", help_heading = "Data")]
    image_size: Option<usize>,
    /// Channels of the images: 1 (grey) or 3 [default: the network's, else the data's own]
    #[arg(long, value_name = "N", help_heading = "Data")]
    channels: Option<usize>,
    /// Do not mirror half of the images
    #[arg(long, help_heading = "Data")]
    no_flips: bool,

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
    /// Tell the network the class of each image, so that samples can be of a class
    #[arg(long, help_heading = "Training")]
    conditional: bool,
    /// Share of the images whose class it is not told, for classifier-free guidance [default: 0.1 where it is conditional]
    #[arg(long, value_name = "P", help_heading = "Training")]
    label_dropout: Option<f64>,
    /// Share of the features inside blocks that are left out at random [default: 0]
    #[arg(long, value_name = "P", help_heading = "Training")]
    dropout: Option<f64>,
    /// Images from one stored average to the next, of which `average` makes one of any length afterwards [default: none]
    #[arg(long, value_name = "N", help_heading = "Training")]
    snapshots: Option<u64>,
    /// Seed of new weights, the order of the images and all noise
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
        pub(super) struct $holder(pub(super) Given);

        fn $function() -> Options {
            Options::of::<$category>($help, $heading, |_| true)
        }

        flattened!($holder, $function());

        impl $holder {
            /// What these options make of a choice.
            ///
            /// # Errors
            /// If they do not belong to it.
            pub(super) fn over(&self, base: &Choice<$category>) -> Result<Choice<$category>, Failure> {
                over(&$function(), &self.0, base)
            }
        }
    )*};
}

options! {
    SizeOptions(size_options): dyn Size, "Size of the network [default: small]", "Network";
    RecipeOptions(recipe_options): dyn Recipe, "How the network is built and conditioned [default: score-sde]", "Network";
    ObjectiveOptions(objective_options): dyn Objective, "What is minimised [default: as suits the network]", "Training";
    TimesOptions(times_options): dyn Times, "At which noise levels [default: as suits the network]", "Training";
    OptimizerOptions(optimizer_options): dyn Optimizer, "How the weights move [default: adam]", "Training";
    ScheduleOptions(schedule_options): dyn Schedule, "Course of the learning rate [default: warm-up]", "Training";
    AverageOptions(average_options): dyn Average, "Average of the weights [default: ema]", "Training";
}

/// What options make of a choice.
fn over<E: ?Sized + Category>(options: &Options, given: &Given, base: &Choice<E>) -> Result<Choice<E>, Failure> {
    let slug = given.slug().or_else(|| options.implied(given));
    let entry = slug.and_then(find::<E>).unwrap_or_else(|| base.entry());
    let mut choice = Choice::new(entry);
    if entry.about().slug == base.about().slug {
        *choice.settings_mut() = base.settings().clone();
    }
    options.apply(given, entry.about(), choice.settings_mut())?;
    choice.check()?;
    Ok(choice)
}

impl TrainingOptions {
    /// The training that was begun in the folder, if one was.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub(super) fn held(&self) -> Result<Option<Training>, Failure> {
        Ok(Folder::new(&self.output).training()?)
    }

    /// Whether the data are those of a training.
    pub(super) fn is_of(&self, training: &Training) -> bool {
        self.data.as_ref().is_none_or(|place| *place == training.source.place)
    }

    /// Whether the images have the size and the channels of a training.
    pub(super) fn is_shaped_as(&self, training: &Training) -> bool {
        let [channels, height, _] = training.network.config.shape();
        self.image_size.is_none_or(|size| size == height) && self.channels.is_none_or(|given| given == channels)
    }

    /// The data, read at a size and with channels where others are not given.
    ///
    /// # Errors
    /// If none are given.
    pub(super) fn source(&self, usual: Option<&DataSource>) -> Result<DataSource, Failure> {
        let place = self.data.clone().or_else(|| usual.map(|usual| usual.place.clone()));
        let place = place.ok_or_else(|| Failure::Usage("give the training images with --data".into()))?;
        Ok(DataSource { place, size: self.image_size, channels: self.channels })
    }

    /// What the options make of a training.
    ///
    /// # Errors
    /// If its parts do not fit together.
    pub(super) fn over(&self, base: Training) -> Result<Training, Failure> {
        let training = Training {
            objective: self.objective.over(&base.objective)?,
            times: self.times.over(&base.times)?,
            optimizer: self.optimizer.over(&base.optimizer)?,
            schedule: self.schedule.over(&base.schedule)?,
            average: self.average.over(&base.average)?,
            batch: self.batch.unwrap_or(base.batch),
            images: self.images.unwrap_or(base.images),
            dropout: self.dropout.unwrap_or(base.dropout),
            snapshots: self.snapshots.unwrap_or(base.snapshots),
            label_dropout: self
                .label_dropout
                .or(base.label_dropout)
                .or(self.conditional.then_some(crate::train::LABEL_DROPOUT)),
            seed: self.seed.unwrap_or(base.seed),
            flips: base.flips && !self.no_flips,
            ..base
        };
        training.check()?;
        Ok(training)
    }

    /// Does a training, or says what it would be, on data where they are open already.
    ///
    /// # Errors
    /// If it cannot be done.
    pub(super) fn perform(&self, training: Training, data: Option<Data>) -> Result<(), Failure> {
        if !(self.save_every.is_finite() && self.save_every >= 0.0) {
            return Err(Failure::Usage(format!("--save-every {} is not a time; give seconds", self.save_every)));
        }
        Folder::new(&self.output).same(&training)?;
        let mut session = Session::open(self.device.into())?;
        if self.dry_run {
            let data = match data {
                Some(data) => data,
                None => training.source.open(&ReadProgress::default())?,
            };
            return rehearse(&session, training, data);
        }
        let task = Train {
            training,
            folder: self.output.clone(),
            save_every: Duration::from_secs_f64(self.save_every.min(1e6)),
            samples: false,
        };
        stopping::on_signals();
        let model = session.train(task)?;
        say!("{}", model.display());
        Ok(())
    }
}

/// Says what a training would do, from a step or two of it.
fn rehearse(session: &Session, mut training: Training, data: Data) -> Result<(), Failure> {
    training.tell_classes(&data.class_names()).map_err(|error| Failure::Usage(error.to_string()))?;
    let parameters: usize = training.network.config.count();
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
    // Weights are as fast whatever they are.
    let start = initial_weights(&training.network.config, training.seed);
    let device = session.device_to_learn_on(&training.network.config).clone();
    let mut trainer = Trainer::new(training, data.split()[0].clone(), Some(start))
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let began = Instant::now();
    trainer.step(&device).map_err(|error| Failure::Running(error.to_string()))?;
    // The first step finds no memory at hand.
    let first = began.elapsed();
    let began = Instant::now();
    trainer.step(&device).map_err(|error| Failure::Running(error.to_string()))?;
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
