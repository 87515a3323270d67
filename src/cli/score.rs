use super::options::DeviceOption;
use super::output::writable;
use super::{Failure, devices};
use crate::checkpoint::{open_network, read_tensors, write_tensors};
use crate::network::{Array, Network, Weights};
use crate::score::{NetworkScore, ScoreModel};
use crate::{Image, sde::Level};
use burn::tensor::{Device, TensorData};
use std::path::{Path, PathBuf};

/// Samples that go through the network together.
const BATCH: usize = 16;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer score --checkpoint worlds.safetensors --input x.safetensors --output scores.safetensors
  score-explorer score --checkpoint checkpoint_24.pth --config config.json --input io.safetensors --output out.safetensors

`x` is N×C×H×W in the network's own data range, `t` one time in (0, 1] for each sample. `output` is
what the network says when it is given the published label of t, `score` is ∇ log p_t(x).")]
pub(super) struct Args {
    /// A network: .safetensors of this program, a published .pth, or a folder of diffusers
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// The configuration of a .pth, where it does not lie beside it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Safetensors with `x` and `t`
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Safetensors to write, with `output` and `score`
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let opened = open_network(&args.checkpoint, args.config.as_deref())?;
    let config = &opened.description.config;
    let input = Input::read(&args.input, config.shape())?;
    writable(&args.output)?;
    let devices = devices::open(args.device.into())?;
    let device = &devices.choose(args.device.into()).0;
    let network = Network::new(config, &opened.weights, device)?;
    let model = NetworkScore::new(network, opened.description);
    let (output, score) = evaluate(&model, &input, device)?;
    let as_array = |values| Array { shape: input.shape.to_vec(), values };
    let tensors = Weights::from([("output".into(), as_array(output)), ("score".into(), as_array(score))]);
    write_tensors(&args.output, &tensors)?;
    println!("wrote {}", args.output.display());
    Ok(())
}

/// What is asked: states and their times.
struct Input {
    shape: [usize; 4],
    x: Vec<f32>,
    t: Vec<f64>,
}

impl Input {
    fn read(path: &Path, [channels, height, width]: [usize; 3]) -> Result<Input, Failure> {
        let wrong = |why: String| Failure::Input(format!("{path:?} does not hold what is needed: {why}"));
        let mut tensors = read_tensors(path)?;
        let mut take =
            |name: &str| tensors.remove(name).ok_or_else(|| wrong(format!("the tensor {name:?} is missing")));
        let (x, t) = (take("x")?, take("t")?);
        let count = t.values.len();
        let shape = [count, channels, height, width];
        if x.shape != shape {
            return Err(wrong(format!("for {count} times x should be of shape {shape:?}, but is {:?}", x.shape)));
        }
        let t: Vec<f64> = t.values.into_iter().map(f64::from).collect();
        match t.iter().find(|t| !(**t > 0.0 && **t <= 1.0)) {
            Some(t) => Err(wrong(format!("the time {t} is not in (0, 1]"))),
            None => Ok(Input { shape, x: x.values, t }),
        }
    }
}

/// The network's raw output and the score, of every sample.
fn evaluate(model: &NetworkScore, input: &Input, device: &Device) -> Result<(Vec<f32>, Vec<f32>), Failure> {
    let sde = model.description().family.sde();
    let [_, channels, height, width] = input.shape;
    let (mut output, mut score) = (Vec::new(), Vec::new());
    for (x, t) in input.x.chunks((channels * height * width * BATCH).max(1)).zip(input.t.chunks(BATCH)) {
        let data = TensorData::new(x.to_vec(), [t.len(), channels, height, width]);
        let x = Image::from_data(data, device);
        let levels: Vec<Level> = t.iter().map(|&t| sde.level(t)).collect();
        output.extend(values(model.output(&x, &levels)?)?);
        score.extend(values(model.score(&x, &levels)?)?);
    }
    Ok((output, score))
}

fn values(tensor: Image) -> Result<Vec<f32>, Failure> {
    let failed = |error: String| Failure::Running(format!("the device gave no result: {error}; try --device cpu"));
    let data = tensor.try_into_data().map_err(|error| failed(error.to_string()))?;
    data.try_to_vec().map_err(|error| failed(error.to_string()))
}
