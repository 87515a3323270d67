use super::Failure;
use super::choices::defaulting;
use super::drive::Session;
use super::flow_options::SolverOptions;
use super::library::agreed;
use super::options::DeviceOption;
use super::output::{PICTURES, check_files, check_images, fit, known, names, write_images};
use crate::Pixels;
use crate::checkpoint::{Layout, read_latents, write_grid, write_samples};
use crate::engine::Decode;
use crate::sde::Range;
use crate::task::{ModelRef, temper};
use crate::text::counted;
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
    /// Grid of all images (PNG, JPEG, WebP, GIF or BMP) [default: grid.png, unless --images is given]
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Folder for each image on its own, at its own size: 000000.png, 000001.png, …
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    images: Option<PathBuf>,
    /// Enlarge each pixel to N×N
    #[arg(long, value_name = "N", default_value = "4", allow_negative_numbers = true, value_parser = clap::value_parser!(u8).range(1..=64), help_heading = "Output")]
    zoom: u8,
    /// Images as a tensor: safetensors with `x`, N×C×H×W in [0, 1]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    tensor: Option<PathBuf>,
    /// Print a JSON summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let output = args.output.clone().or_else(|| args.images.is_none().then(|| "grid.png".into()));
    known(output.as_deref(), &PICTURES)?;
    check_files(output.iter().chain(&args.tensor).map(PathBuf::as_path))?;
    let latents = read_latents(&args.latents)?;
    let mut flow = args.solver.over(latents.flow)?;
    flow.model = agreed(&args.latents, &flow.model, args.model.as_ref(), "model")?;
    let mut session = Session::open(args.device.into())?;
    let model = session.inspect(&flow.model)?;
    if latents.pixels.shape.get(1..) != Some(model.shape.as_slice()) {
        let [_, channels, height, width] = latents.pixels.shape;
        let [c, h, w] = model.shape;
        return Err(Failure::Input(format!(
            "{:?} holds latents of {channels}×{height}×{width} but {} has images of {c}×{h}×{w}; choose the --model that \
             they were encoded with",
            args.latents, model.name
        )));
    }
    args.images.as_ref().map_or(Ok(()), |folder| check_images(folder, latents.pixels.shape[0]))?;
    let files = output.iter().map(PathBuf::as_path);
    let zoom = fit(files, latents.pixels.shape, Layout::Grid, args.zoom.into(), &mut session.progress)?;
    let warm = temper(&latents.pixels.values, args.temperature);
    let latents = Pixels { shape: latents.pixels.shape, values: warm.into() };
    let done = session.perform(Decode { flow: flow.clone(), latents })?;
    drop(session);
    let decoded = done.output;
    if let Some(folder) = &args.images {
        write_images(folder, &decoded.pictures, Range::Unit)?;
    }
    if let Some(file) = &output {
        write_grid(file, &decoded.pictures, Range::Unit, zoom)?;
    }
    if let Some(file) = &args.tensor {
        write_samples(file, &[("x", &decoded.pictures)], true)?;
    }
    let files: Vec<_> = args.images.iter().chain(&output).chain(&args.tensor).collect();
    let (seconds, device) = (done.seconds, &done.report.device.name);
    if args.json {
        println!(
            "{}",
            json!({ "files": names(&files), "seconds": seconds, "device": device, "flow": flow, "nfe": decoded.nfe })
        );
        return Ok(());
    }
    files.iter().for_each(|file| say!("wrote {}", file.display()));
    let most = decoded.nfe.iter().max().unwrap_or(&0);
    say!("{}, NFE up to {most}, {seconds:.1} s, {device}", counted(decoded.nfe.len(), "image"));
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
