use super::Failure;
use super::drive::Session;
use super::flow_options::SolverOptions;
use super::options::DeviceOption;
use super::output::{known, writable};
use crate::Pixels;
use crate::checkpoint::{read_latents, write_grid, write_tensors};
use crate::engine::Decode;
use crate::network::{Array, Weights};
use crate::sde::Range;
use crate::task::{ModelRef, temper};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer decode latents.safetensors --output grid.png
  score-explorer decode latents.npz --temperature 0.8 --solver dpm++ --steps 8 --output quick.png
  score-explorer decode latents.safetensors --model exact:worlds --tensor x.safetensors --json")]
pub(super) struct Args {
    /// Latents from `encode` (.safetensors or .npz)
    latents: PathBuf,
    /// Another model than the latents' own
    #[arg(long, short)]
    model: Option<ModelRef>,
    #[command(flatten)]
    solver: SolverOptions,
    /// Scale the latents first
    #[arg(long, value_name = "x", default_value_t = 1.0, value_parser = temperature, allow_negative_numbers = true)]
    temperature: f64,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// All pictures as one
    #[arg(long, short, value_name = "FILE", default_value = "grid.png")]
    output: PathBuf,
    /// How often each pixel is repeated
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u8).range(1..=64))]
    zoom: u8,
    /// The pictures as numbers in [0, 1]: safetensors with `x`, N×C×H×W
    #[arg(long, value_name = "FILE")]
    tensor: Option<PathBuf>,
    /// Print one JSON object about the pictures
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    known(Some(&args.output), &["png", "jpg", "jpeg", "webp", "gif", "bmp"])?;
    let files = || std::iter::once(&args.output).chain(&args.tensor);
    files().try_for_each(|file| writable(file))?;
    let latents = read_latents(&args.latents)?;
    let mut flow = args.solver.over(latents.flow)?;
    flow.model = args.model.clone().unwrap_or(flow.model);
    let mut session = Session::open(args.device.into())?;
    session.inspect(&flow.model)?;
    let warm = temper(&latents.pixels.values, args.temperature);
    let latents = Pixels { shape: latents.pixels.shape, values: warm.into() };
    let done = session.perform(Decode { flow: flow.clone(), latents })?;
    drop(session);
    let decoded = done.output;
    write_grid(&args.output, &decoded.pictures, Range::Unit, args.zoom.into())?;
    if let Some(file) = &args.tensor {
        let array = Array { shape: decoded.pictures.shape.to_vec(), values: decoded.pictures.values.to_vec() };
        write_tensors(file, &Weights::from([("x".into(), array)]))?;
    }
    let (seconds, device) = (done.seconds, &done.report.device.name);
    if args.json {
        let files: Vec<_> = files().collect();
        println!(
            "{}",
            json!({ "files": files, "seconds": seconds, "device": device, "flow": flow, "nfe": decoded.nfe })
        );
        return Ok(());
    }
    files().for_each(|file| println!("wrote {}", file.display()));
    let most = decoded.nfe.iter().max().unwrap_or(&0);
    println!("{} pictures, up to {most} evaluations each, {seconds:.1} s, {device}", decoded.nfe.len());
    Ok(())
}

/// A positive, finite factor.
pub(super) fn temperature(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|t| *t > 0.0 && t.is_finite()).ok_or_else(|| "a positive number is needed, such as 0.9".into())
}
