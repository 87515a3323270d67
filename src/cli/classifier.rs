use super::choices::{Given, Options, flattened};
use super::options::{DeviceOption, seed};
use super::progress::{Progress, foretold, human};
use super::{Failure, devices};
use crate::checkpoint::{OpenedClassifier, ReadProgress, check_writable, read_classifier, write_classifier};
use crate::data::{Data, DataSource};
use crate::network::{Array, Classifier, ClassifierConfig, Weights};
use crate::registry::{Choice, find};
use crate::score::{Accuracy, ClassifierDescription, NetworkClassifier};
use crate::sde::Range;
use crate::train::{
    Augmentation, ClassifierError, ClassifierTrainer, ClassifierTraining, Optimizer, accuracy, combine,
};
use burn::tensor::Device;
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often a training is written on its way.
const SAVED_EVERY: Duration = Duration::from_secs(300);
/// σ/α at which classifiers of noised pictures are measured.
const RATIOS: [f64; 5] = [0.0, 0.1, 0.5, 1.0, 3.0];
/// Pictures that a classifier is measured with, where there is no end of them.
const MEASURED: u64 = 10_000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer classifier train --data worlds:32 --output kinds.safetensors
  score-explorer classifier train --data cifar-10.tar.gz --noisy \\
      --output cifar-noisy.safetensors
  score-explorer classifier evaluate --model kinds.safetensors --data set:test")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a classifier of images, or of noised images for `sample --class`
    Train(Box<Train>),
    /// Measure how often a classifier is right
    Evaluate(Evaluate),
    /// Average the weights of classifiers that went on from the same one, which is often right more often than each
    Average(Average),
}

#[derive(Debug, clap::Args)]
struct Pictures {
    /// Labelled images: worlds:32, worlds:64, or a set with classes; PATH:test for its test part
    #[arg(long, value_name = "DATA")]
    data: DataSource,
    /// Width and height of images [default: the data's own]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
}

#[derive(Debug)]
struct OptimizerOptions(Given);

fn optimizers() -> Options {
    Options::of::<dyn Optimizer>("How weights move [default: muon]", "Optimiser", |_| true)
}

flattened!(OptimizerOptions, optimizers());

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer classifier train --data worlds:32 --output kinds.safetensors
  score-explorer classifier train --data photos --test photos:test --noisy \\
      --images 1000000 --output noisy.safetensors
  score-explorer classifier train --data photos --from kinds.safetensors \\
      --images 100000 --output better.safetensors")]
struct Train {
    #[command(flatten)]
    pictures: Pictures,
    /// Images to measure it with [default: a tenth of the data, which is then not trained on]
    #[arg(long, value_name = "DATA")]
    test: Option<DataSource>,
    /// File of the classifier
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Go on from the weights of a classifier
    #[arg(long, value_name = "FILE", conflicts_with_all = ["noisy", "width", "multipliers", "blocks"])]
    from: Option<PathBuf>,
    /// Train on noised images, told the noise level: for `sample --class`, in every family
    #[arg(long)]
    noisy: bool,

    /// Channels at the highest resolution
    #[arg(long, value_name = "N", default_value_t = 32, help_heading = "Network")]
    width: usize,
    /// Channels of each resolution, in units of the width
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 2, 4, 8], help_heading = "Network")]
    multipliers: Vec<usize>,
    /// Residual blocks at each resolution
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Network")]
    blocks: usize,

    /// Images seen in all
    #[arg(long, value_name = "N", default_value_t = ClassifierTraining::default().images, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Training")]
    images: u64,
    /// Images of one update
    #[arg(long, value_name = "N", default_value_t = ClassifierTraining::default().batch as u64, value_parser = clap::value_parser!(u64).range(1..=65536), help_heading = "Training")]
    batch: u64,
    /// Share of the target that all classes get alike
    #[arg(long, value_name = "S", default_value_t = ClassifierTraining::default().smoothing, value_parser = share, help_heading = "Training")]
    smoothing: f64,
    /// Pixels by which images are shifted at most
    #[arg(long, value_name = "N", default_value_t = ClassifierTraining::default().augmentation.shift as u16, help_heading = "Training")]
    shift: u16,
    /// Side of a square that is hidden of each image
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Training")]
    cutout: u16,
    /// Do not mirror half of the images
    #[arg(long, help_heading = "Training")]
    no_flips: bool,
    /// Seed of the first weights, the order of images and all noise
    #[arg(long, default_value_t = 0, value_parser = seed, help_heading = "Training")]
    seed: u64,
    #[command(flatten)]
    optimizer: OptimizerOptions,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer classifier evaluate --model kinds.safetensors --data worlds:32
  score-explorer classifier evaluate --model noisy.safetensors --data set:test \\
      --json")]
struct Evaluate {
    /// Classifier
    #[arg(long, short, value_name = "FILE")]
    model: PathBuf,
    #[command(flatten)]
    pictures: Pictures,
    /// Number of images at most
    #[arg(long, value_name = "N", default_value_t = MEASURED)]
    limit: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Wortsman et al. 2022, Model soups.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  score-explorer classifier average first.safetensors second.safetensors \\
      --output both.safetensors")]
struct Average {
    /// Classifiers of one network, two or more
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Labelled images to measure the average with
    #[arg(long, value_name = "DATA")]
    test: Option<DataSource>,
    /// File of the average
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Train(args) => train(args),
        Command::Evaluate(args) => evaluate(args),
        Command::Average(args) => average(args),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| (0.0..1.0).contains(share));
    share.ok_or_else(|| "not a number from 0 to below 1".into())
}

impl Pictures {
    fn open(&self, source: &DataSource) -> Result<Data, Failure> {
        open(DataSource { size: self.size, ..source.clone() })
    }
}

fn open(source: DataSource) -> Result<Data, Failure> {
    let data = source.open(&ReadProgress::default())?;
    data.warnings().iter().for_each(|warning| remark!("warning: {warning}"));
    Ok(data)
}

impl Train {
    fn training(&self) -> Result<ClassifierTraining, Failure> {
        let usual = ClassifierTraining::default();
        let OptimizerOptions(given) = &self.optimizer;
        let named: Option<&'static dyn Optimizer> = given.slug().and_then(find);
        let mut optimizer = match named.filter(|named| !usual.optimizer.is(*named)) {
            Some(other) => Choice::new(other),
            None => usual.optimizer,
        };
        optimizers().apply(given, optimizer.about(), optimizer.settings_mut())?;
        Ok(ClassifierTraining {
            images: self.images,
            batch: self.batch as usize,
            seed: self.seed,
            optimizer,
            smoothing: self.smoothing,
            flips: !self.no_flips,
            augmentation: Augmentation { shift: self.shift.into(), cutout: self.cutout.into() },
        })
    }

    /// A training from new weights, or from those of a file.
    fn trainer(&self, data: &Data) -> Result<ClassifierTrainer, Failure> {
        let training = self.training()?;
        let Some(file) = &self.from else { return Ok(ClassifierTrainer::new(training, self.description(data)?)) };
        let OpenedClassifier { description, weights } = read_classifier(file, &ReadProgress::default())?;
        description.suits(data)?;
        let card =
            format!("{}\nThen trained on {} images of {}.", description.card, self.images, self.pictures.data.place);
        let description = ClassifierDescription { card, accuracies: Vec::new(), ..description };
        Ok(ClassifierTrainer::of(training, description, weights))
    }

    fn description(&self, data: &Data) -> Result<ClassifierDescription, Failure> {
        let [num_channels, image_size, _] = data.shape();
        let classes: Vec<String> = data.class_names().into_iter().map(str::to_owned).collect();
        if classes.is_empty() {
            return Err(ClassifierError::NoClasses.into());
        }
        let config = ClassifierConfig {
            nf: self.width,
            ch_mult: self.multipliers.clone(),
            num_res_blocks: self.blocks,
            conditional: self.noisy,
            classes: classes.len(),
            image_size,
            num_channels,
        };
        config.check().map_err(|error| Failure::Usage(error.to_string()))?;
        let kind = if self.noisy { "noised" } else { "clean" };
        Ok(ClassifierDescription {
            config,
            classes,
            sigma_data: data.moments(Range::Symmetric).variance().sqrt().max(1e-3),
            name: format!("Classifier of {kind} {}", self.pictures.data.place),
            card: format!("Trained on {} images of {}.", self.images, self.pictures.data.place),
            accuracies: Vec::new(),
        })
    }
}

fn train(args: &Train) -> Result<(), Failure> {
    check_writable(&args.output)?;
    let data = args.pictures.open(&args.pictures.data)?;
    let [data, test] = match &args.test {
        Some(test) => [data, args.pictures.open(test)?],
        None => data.split(),
    };
    let mut trainer = args.trainer(&data)?;
    trainer.description().reads(&test)?;
    let choice = args.device.into();
    let devices = devices::open(choice)?;
    let device = &devices.choose(choice).0;
    let (mut progress, began, mut saved) = (Progress::new(), Instant::now(), Instant::now());
    let write = |description: &ClassifierDescription, trainer: &ClassifierTrainer| {
        let (description, weights) = (description.clone(), trainer.weights().clone());
        write_classifier(&args.output, &OpenedClassifier { description, weights })
    };
    while !trainer.is_done() {
        let now = trainer.step(&data, device)?;
        let seconds = began.elapsed().as_secs_f64();
        let speed = now.images as f64 / seconds.max(1e-9);
        let left = foretold(args.images.saturating_sub(now.images), speed);
        let text = format!(
            "{} of {} images · loss {:.3} · {:.0} % right · {speed:.0} images/s · {} left",
            now.images,
            args.images,
            now.loss,
            100.0 * now.right,
            human(left)
        );
        progress.classifying(now.images, args.images, text);
        if saved.elapsed() >= SAVED_EVERY {
            write(trainer.description(), &trainer)?;
            saved = Instant::now();
        }
    }
    drop(progress);
    let accuracies = measured(trainer.description(), trainer.weights(), &test, MEASURED)?;
    accuracies.iter().for_each(|accuracy| say!("{}", line(accuracy)));
    write(&ClassifierDescription { accuracies, ..trainer.description().clone() }, &trainer)?;
    say!("{}", args.output.display());
    Ok(())
}

fn average(args: &Average) -> Result<(), Failure> {
    check_writable(&args.output)?;
    let opened: Vec<OpenedClassifier> =
        args.files.iter().map(|file| read_classifier(file, &ReadProgress::default())).collect::<Result<_, _>>()?;
    let Some((first, others)) = opened.split_first() else { return Ok(()) };
    for (file, OpenedClassifier { description, weights }) in args.files.iter().zip(&opened) {
        // All weights are there, in their shapes.
        Classifier::new(&description.config, weights, &Device::flex())
            .map_err(|error| Failure::Input(format!("{}: {error}", file.display())))?;
    }
    fn told(OpenedClassifier { description, .. }: &OpenedClassifier) -> (&ClassifierConfig, &[String]) {
        (&description.config, &description.classes)
    }
    if let Some((other, file)) = others.iter().zip(&args.files[1..]).find(|(other, _)| told(other) != told(first)) {
        let [ours, theirs] = [first, other].map(|opened| opened.description.config.summary());
        let (whole, file) = (args.files[0].display(), file.display());
        return Err(Failure::Input(format!(
            "{file} ({theirs}) is not a classifier of the same network and classes as {whole} ({ours}); choose those that \
             went on from one"
        )));
    }
    let weights = mean(&opened);
    let card = format!("{}\nThe mean of the weights of {} such trainings.", first.description.card, opened.len());
    let mut description = ClassifierDescription { card, accuracies: Vec::new(), ..first.description.clone() };
    if let Some(test) = &args.test {
        let data = open(test.clone())?;
        description.accuracies = measured(&description, &weights, &data, MEASURED)?;
        description.accuracies.iter().for_each(|accuracy| say!("{}", line(accuracy)));
    }
    write_classifier(&args.output, &OpenedClassifier { description, weights })?;
    say!("{}", args.output.display());
    Ok(())
}

/// The mean of each weight, of classifiers of one network.
fn mean(opened: &[OpenedClassifier]) -> Weights {
    let factors = vec![1.0 / opened.len() as f64; opened.len()];
    let arrays = opened.first().into_iter().flat_map(|first| &first.weights);
    let mean = |(name, Array { shape, .. }): (&String, &Array)| {
        let values: Vec<&[f32]> =
            opened.iter().filter_map(|opened| Some(opened.weights.get(name)?.values.as_slice())).collect();
        (name.clone(), Array { shape: shape.clone(), values: combine(&values, &factors) })
    };
    arrays.map(mean).collect()
}

/// How often a classifier is right: at all noise levels where it is told them, else of clean pictures.
fn measured(
    description: &ClassifierDescription,
    weights: &Weights,
    data: &Data,
    limit: u64,
) -> Result<Vec<Accuracy>, Failure> {
    let device = Device::flex();
    let network = Classifier::new(&description.config, weights, &device)?;
    let classifier = NetworkClassifier::new(network, description.clone());
    let ratios = if description.config.conditional { &RATIOS[..] } else { &RATIOS[..1] };
    let at = |&ratio: &f64| Ok(Accuracy { ratio, share: accuracy(&classifier, data, ratio, limit, &device)? });
    ratios.iter().map(at).collect()
}

fn line(accuracy: &Accuracy) -> String {
    format!("{:.2} % right at σ/α = {}", 100.0 * accuracy.share, accuracy.ratio)
}

fn evaluate(args: &Evaluate) -> Result<(), Failure> {
    let OpenedClassifier { description, weights } = read_classifier(&args.model, &ReadProgress::default())?;
    let data = args.pictures.open(&args.pictures.data)?;
    let accuracies = measured(&description, &weights, &data, args.limit)?;
    if args.json {
        let config = &description.config;
        let told = json!({ "accuracies": accuracies, "classes": description.classes, "config": config });
        println!("{}", serde_json::to_string_pretty(&told)?);
        return Ok(());
    }
    say!("{}: {}", description.name, description.config.summary());
    say!("Classes: {}", description.classes.join(", "));
    accuracies.iter().for_each(|accuracy| say!("{}", line(accuracy)));
    Ok(())
}
