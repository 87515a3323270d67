use super::options::DeviceOption;
use super::{Failure, devices, library::network};
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

`x` is N×C×H×W in the network's own data range (not in the [0, 1] of other commands), `t` holds one time in (0, 1] per sample. `output` is the raw output of \
the network at the published label of t, `score` is ∇ₓ log pₜ(x). An image set has no raw output; its data range is \
[−1, 1], and its score is in VP with β from 0.1 to 20.")]
pub(super) struct Args {
    /// Model: a name from `models`, a checkpoint or exact:FOLDER
    #[arg(long, short, alias = "checkpoint")]
    model: ModelRef,
    /// Configuration of the checkpoint, if not stored beside it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Safetensors file with `x` and `t`
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Safetensors file to write, with `output` (of networks) and `score`
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    if let ModelRef::Exact(folder) = &args.model {
        return exact(args, folder);
    }
    let opened = network(&args.model, args.config.as_deref())?;
    let config = &opened.description.config;
    let input = Input::read(&args.input, config.shape())?;
    check_writable(&args.output)?;
    let devices = devices::open(args.device.into())?;
    let device = &devices.choose(args.device.into()).0;
    let network = Network::new(config, &opened.weights, device)?;
    let model = NetworkScore::new(network, opened.description);
    let (output, score) = evaluate(&model, &input, device)?;
    let as_array = |values| Array { shape: input.shape.to_vec(), values };
    let tensors = Weights::from([("output".into(), as_array(output)), ("score".into(), as_array(score))]);
    write_tensors(&args.output, &tensors)?;
    say!("wrote {}", args.output.display());
    Ok(())
}

/// The score of an image set.
fn exact(args: &Args, folder: &Path) -> Result<(), Failure> {
    let set = pictures_of(folder, &ReadProgress::default())?;
    let input = Input::read(&args.input, set.shape)?;
    check_writable(&args.output)?;
    let devices = devices::open(args.device.into())?;
    let device = &devices.choose(args.device.into()).0;
    let model = ImageSet::new(set.values, set.shape, device);
    let family = FamilyKind::Vp.published();
    let levels: Vec<Level> = input.t.iter().map(|&t| family.sde().level(t)).collect();
    let x = Image::from_data(TensorData::new(input.x, input.shape), device);
    let score = Array { shape: input.shape.to_vec(), values: values(model.score(&x, &levels)?)? };
    write_tensors(&args.output, &Weights::from([("score".into(), score)]))?;
    say!("wrote {}", args.output.display());
    Ok(())
}

/// States and their times.
struct Input {
    shape: [usize; 4],
    x: Vec<f32>,
    t: Vec<f64>,
}

impl Input {
    fn read(path: &Path, [channels, height, width]: [usize; 3]) -> Result<Input, Failure> {
        let wrong = |why: String| Failure::Input(format!("{path:?} is not a valid input file: {why}"));
        let mut tensors = read_tensors(path)?;
        let mut take =
            |name: &str| tensors.remove(name).ok_or_else(|| wrong(format!("the tensor {name:?} is missing")));
        let (x, t) = (take("x")?, take("t")?);
        let count = t.values.len();
        let shape = [count, channels, height, width];
        if x.shape != shape {
            return Err(wrong(format!("x has the shape {:?}, but for {count} times it must be {shape:?}", x.shape)));
        }
        let t: Vec<f64> = t.values.into_iter().map(f64::from).collect();
        match t.iter().find(|t| !(**t > 0.0 && **t <= 1.0)) {
            Some(t) => Err(wrong(format!("t = {t} is out of range (0, 1]"))),
            None => Ok(Input { shape, x: x.values, t }),
        }
    }
}

/// The network's raw output and the score, of every sample.
fn evaluate(model: &NetworkScore, input: &Input, device: &Device) -> Result<(Vec<f32>, Vec<f32>), Failure> {
    let network = model.description();
    let [_, channels, height, width] = input.shape;
    let (mut output, mut score) = (Vec::new(), Vec::new());
    for (x, t) in input.x.chunks((channels * height * width * BATCH).max(1)).zip(input.t.chunks(BATCH)) {
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
