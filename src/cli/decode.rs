use super::Failure;
use super::choices::defaulting;
use super::drive::Session;
use super::flow_options::SolverOptions;
use super::library::agreed;
use super::options::DeviceOption;
use super::output::{known, writable};
use crate::Pixels;
use crate::checkpoint::{read_latents, write_grid, write_tensors};
use crate::engine::Decode;
use crate::network::{Array, Weights};
use crate::sde::Range;
use crate::task::{ModelRef, temper};
use clap::Arg;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(
    mut_args(as_encoded),
    after_help = "\
Examples:
  score-explorer decode latents.safetensors --output grid.png
  score-explorer decode latents.npz --temperature 0.8 --solver dpm++ --steps 8 \\
      --output quick.png
  score-explorer decode latents.safetensors --model exact:worlds \\
      --tensor x.safetensors --json"
)]
pub(super) struct Args {
    /// Latents from `encode` (.safetensors or .npz)
    latents: PathBuf,
    /// Model to decode with [default: as encoded]
    #[arg(long, short)]
    model: Option<ModelRef>,
    #[command(flatten)]
    solver: SolverOptions,
    /// Scale the latents by this factor
    #[arg(long, value_name = "T", default_value_t = 1.0, value_parser = temperature, allow_negative_numbers = true)]
    temperature: f64,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// Grid of all images (PNG, JPEG, WebP, GIF or BMP)
    #[arg(long, short, value_name = "FILE", default_value = "grid.png", help_heading = "Output")]
    output: PathBuf,
    /// Enlarge each pixel to N×N
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u8).range(1..=64), help_heading = "Output")]
    zoom: u8,
    /// Images as a tensor: safetensors with `x`, N×C×H×W in [0, 1]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    tensor: Option<PathBuf>,
    /// Print a JSON summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    known(Some(&args.output), &["png", "jpg", "jpeg", "webp", "gif", "bmp"])?;
    let files = || std::iter::once(&args.output).chain(&args.tensor);
    files().try_for_each(|file| writable(file))?;
    let latents = read_latents(&args.latents)?;
    let mut flow = args.solver.over(latents.flow)?;
    flow.model = agreed(&args.latents, &flow.model, args.model.as_ref())?;
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
    println!("{} images, NFE up to {most}, {seconds:.1} s, {device}", decoded.nfe.len());
    Ok(())
}

/// Options of the solver default to what the latents were encoded with.
fn as_encoded(arg: Arg) -> Arg {
    if arg.get_help_heading() == Some("Solver") { defaulting(arg, "as encoded") } else { arg }
}

/// A positive, finite factor.
pub(super) fn temperature(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|t| *t > 0.0 && t.is_finite()).ok_or_else(|| "not a positive number; choose one such as 0.9".into())
}
