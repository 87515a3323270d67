use super::options::DeviceOption;
use super::training::ObjectiveOptions;
use super::{Failure, devices, library::network, loss_gradients};
use crate::checkpoint::{ReadProgress, check_writable, pictures_of, read_tensors, write_tensors};
use crate::network::{Array, Network, Weights};
use crate::score::{ImageSet, NetworkScore, ScoreModel};
use crate::task::ModelRef;
use crate::{
    Image,
    sde::{FamilyKind, Level},
};
use burn::tensor::{Device, TensorData};
use std::path::{Path, PathBuf};

/// Samples that go through the network together.
const BATCH: usize = 16;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer score --model worlds-vp-small --input x.safetensors \\
      --output scores.safetensors
  score-explorer score --model checkpoint_24.pth --config config.json \\
      --input io.safetensors --output out.safetensors
  score-explorer score --model worlds-vp-small --loss-gradients \\
      --weighting likelihood --input xz.safetensors --output g.safetensors

`x` is N×C×H×W in the network's own data range (not in the [0, 1] of other commands), `t` holds one time in (0, 1] per sample. `output` is the raw output of \
the network at the published label of t, `score` is ∇ₓ log pₜ(x). An image set has no raw output; its data range is \
[−1, 1], and its score is in VP with β from 0.1 to 20.

With --loss-gradients, `x` is clean data, `z` standard normal noise of the same shape, and `t` may be replaced by \
`labels`, what the network is told. Level i of N has the times from i/N on, the least noise first. Written are \
`losses`, their mean `loss`, and its gradient by each parameter under its published name.")]
pub(super) struct Args {
    /// Model: a name from `models`, a checkpoint or exact:FOLDER
    #[arg(long, short, alias = "checkpoint")]
    model: ModelRef,
    /// Configuration of the checkpoint, if not stored beside it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Safetensors file with `x` and `t`
    #[arg(long, value_name = "FILE")]
    pub(super) input: PathBuf,
    /// Safetensors file to write, with `output` (of networks) and `score`
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Write the loss of a training on `x` and `z`, and its gradient by each parameter, instead
    #[arg(long)]
    loss_gradients: bool,
    #[command(flatten)]
    pub(super) objective: ObjectiveOptions,
    /// With --loss-gradients, print a JSON summary
    #[arg(long, requires = "loss_gradients")]
    pub(super) json: bool,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    if !args.loss_gradients && args.objective.0.is_given() {
        let why = "an objective has no effect on a score; give --loss-gradients, or leave it out";
        return Err(Failure::Usage(why.into()));
    }
    if let ModelRef::Exact(folder) = &args.model
        && !args.loss_gradients
    {
        return exact(args, folder);
    }
    let opened = network(&args.model, args.config.as_deref())?;
    let shape = opened.description.config.shape();
    let mut input = Input::read(&args.input)?;
    if args.loss_gradients {
        let batch = loss_gradients::Batch::of(&mut input, &opened.description)?;
        check_writable(&args.output)?;
        let devices = devices::open(args.device.into())?;
        return loss_gradients::write(args, &opened, &batch, &devices.choose(args.device.into()).0);
    }
    let t = input.times()?;
    let x = input.images("x", t.len(), shape)?;
    check_writable(&args.output)?;
    let devices = devices::open(args.device.into())?;
    let device = &devices.choose(args.device.into()).0;
    let network = Network::new(&opened.description.config, &opened.weights, device)?;
    let model = NetworkScore::new(network, opened.description);
    let (output, score) = evaluate(&model, &x, &t, device)?;
    let as_array = |values| Array { shape: x.shape.clone(), values };
    let tensors = Weights::from([("output".into(), as_array(output)), ("score".into(), as_array(score))]);
    write_tensors(&args.output, &tensors)?;
    say!("wrote {}", args.output.display());
    Ok(())
}

/// The score of an image set.
fn exact(args: &Args, folder: &Path) -> Result<(), Failure> {
    let set = pictures_of(folder, &ReadProgress::default())?;
    let mut input = Input::read(&args.input)?;
    let t = input.times()?;
    let x = input.images("x", t.len(), set.shape)?;
    check_writable(&args.output)?;
    let devices = devices::open(args.device.into())?;
    let device = &devices.choose(args.device.into()).0;
    let model = ImageSet::new(set.values, set.shape, device);
    let family = FamilyKind::Vp.published();
    let levels: Vec<Level> = t.iter().map(|&t| family.sde().level(t)).collect();
    let images = Image::from_data(TensorData::new(x.values, x.shape.clone()), device);
    let score = Array { shape: x.shape, values: values(model.score(&images, &levels)?)? };
    write_tensors(&args.output, &Weights::from([("score".into(), score)]))?;
    say!("wrote {}", args.output.display());
    Ok(())
}

/// The tensors of a file.
pub(super) struct Input<'a> {
    path: &'a Path,
    tensors: Weights,
}

impl Input<'_> {
    fn read(path: &Path) -> Result<Input<'_>, Failure> {
        Ok(Input { path, tensors: read_tensors(path)? })
    }

    /// One number for each sample, if they are there.
    pub(super) fn numbers(&mut self, name: &str) -> Option<Vec<f64>> {
        let array = self.tensors.remove(name)?;
        Some(array.values.into_iter().map(f64::from).collect())
    }

    /// The times of the samples.
    pub(super) fn times(&mut self) -> Result<Vec<f64>, Failure> {
        let times = self.numbers("t").ok_or_else(|| self.wrong("the tensor \"t\" is missing"))?;
        match times.iter().find(|t| !(**t > 0.0 && **t <= 1.0)) {
            Some(t) => Err(self.wrong(&format!("t = {t} is out of range (0, 1]"))),
            None => Ok(times),
        }
    }

    /// Images, one for each of so many times.
    pub(super) fn images(&mut self, name: &str, count: usize, shape: [usize; 3]) -> Result<Array, Failure> {
        let array = self.tensors.remove(name);
        let array = array.ok_or_else(|| self.wrong(&format!("the tensor {name:?} is missing")))?;
        let [channels, height, width] = shape;
        let shape = [count, channels, height, width];
        match array.shape == shape {
            true => Ok(array),
            false => Err(self
                .wrong(&format!("{name} has the shape {:?}, but for {count} times it must be {shape:?}", array.shape))),
        }
    }

    pub(super) fn wrong(&self, why: &str) -> Failure {
        Failure::Input(format!("{:?} is not a valid input file: {why}", self.path))
    }
}

/// The network's raw output and the score, of every sample.
fn evaluate(model: &NetworkScore, x: &Array, t: &[f64], device: &Device) -> Result<(Vec<f32>, Vec<f32>), Failure> {
    let network = model.description();
    let [channels, height, width] = network.config.shape();
    let (mut output, mut score) = (Vec::new(), Vec::new());
    for (x, t) in x.values.chunks((channels * height * width * BATCH).max(1)).zip(t.chunks(BATCH)) {
        let data = TensorData::new(x.to_vec(), [t.len(), channels, height, width]);
        let x = Image::from_data(data, device);
        let levels: Vec<Level> = t.iter().map(|&t| network.published_level(t)).collect();
        output.extend(values(model.output(&x, &levels)?)?);
        score.extend(values(model.score(&x, &levels)?)?);
    }
    Ok((output, score))
}

fn values(tensor: Image) -> Result<Vec<f32>, Failure> {
    let failed = |error: String| Failure::Running(format!("the device returned no result: {error}; try --device cpu"));
    let data = tensor.try_into_data().map_err(|error| failed(error.to_string()))?;
    data.try_to_vec().map_err(|error| failed(error.to_string()))
}
