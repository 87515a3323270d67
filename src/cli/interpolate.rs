use super::Failure;
use super::decode::temperature;
use super::drive::Session;
use super::flow_options::{FlowOptions, Pictures};
use super::options::DeviceOption;
use super::output::{ANIMATIONS, PICTURES, check_files, check_images, fit, known, names, write_images};
use crate::Pixels;
use crate::checkpoint::{Animation, Layout, write_animation, write_strip};
use crate::engine::{Decode, Encode};
use crate::sde::Range;
use crate::task::{between, temper};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// How long an animation takes from one image to the other.
const ANIMATION: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer interpolate cat.jpg dog.jpg --frames 16 --output strip.png
  score-explorer interpolate a.png b.png --solver dpm++ --steps 20 \\
      --animate loop.gif
  score-explorer interpolate a.png b.png --linear --temperature 0.9 \\
      --output strip.png --json")]
pub(super) struct Args {
    /// First image
    a: PathBuf,
    /// Last image
    b: PathBuf,
    #[command(flatten)]
    flow: FlowOptions,
    /// Number of frames, including both ends
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u16).range(2..=512))]
    frames: u16,
    /// Interpolate linearly, not spherically
    #[arg(long)]
    linear: bool,
    /// Scale the latents by this factor
    #[arg(long, value_name = "T", default_value_t = 1.0, value_parser = temperature, allow_negative_numbers = true)]
    temperature: f64,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// Strip of all frames (PNG, JPEG, WebP, GIF or BMP) [default: strip.png, unless --images is given]
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Folder for each frame on its own, at its own size: 000000.png, 000001.png, …
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    images: Option<PathBuf>,
    /// Animation there and back, as a loop (GIF or animated PNG)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    animate: Option<PathBuf>,
    /// Enlarge each pixel to N×N
    #[arg(long, value_name = "N", default_value = "4", allow_negative_numbers = true, value_parser = clap::value_parser!(u8).range(1..=64), help_heading = "Output")]
    zoom: u8,
    /// Print a JSON summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let output = args.output.clone().or_else(|| args.images.is_none().then(|| "strip.png".into()));
    known(output.as_deref(), &PICTURES)?;
    known(args.animate.as_deref(), &ANIMATIONS)?;
    check_files(output.iter().chain(&args.animate).map(PathBuf::as_path))?;
    args.images.as_ref().map_or(Ok(()), |folder| check_images(folder, args.frames.into()))?;
    let mut session = Session::open(args.device.into())?;
    let model = session.inspect(&args.flow.model)?;
    let flow = args.flow.flow(&model)?;
    let [channels, height, width] = model.shape;
    let (files, frames) = (output.iter().map(PathBuf::as_path), [args.frames.into(), channels, height, width]);
    let zoom = fit(files, frames, Layout::Strip, args.zoom.into(), &mut session.progress)?;
    let (files, frame) = (args.animate.iter().map(PathBuf::as_path), [1, channels, height, width]);
    let frame_zoom = fit(files, frame, Layout::Grid, args.zoom.into(), &mut session.progress)?;
    let ends = [args.a.clone(), args.b.clone()];
    let pictures = Pictures::read(&ends, &model, 1, &mut session.progress)?;
    let done = session.perform(Encode { flow: flow.clone(), images: pictures.pixels })?;
    let (encoded, encoding, device) = (done.output, done.seconds, done.report.device.name);
    let row = between(&encoded.latents.pixels, 0, 1, args.frames.into(), !args.linear);
    let latents = Pixels { shape: row.shape, values: temper(&row.values, args.temperature).into() };
    let done = session.perform(Decode { flow: flow.clone(), latents })?;
    let decoded = done.output;

    if let Some(folder) = &args.images {
        write_images(folder, &decoded.pictures, Range::Unit)?;
    }
    if let Some(file) = &output {
        write_strip(file, &decoded.pictures, Range::Unit, zoom)?;
    }
    if let Some(file) = &args.animate {
        let animation = there_and_back(&decoded.pictures, frame_zoom);
        write_animation(file, &animation, &mut |share| {
            session.progress.writing(share);
            true
        })?;
    }
    drop(session);
    let seconds = encoding + done.seconds;
    let files: Vec<_> = args.images.iter().chain(&output).chain(&args.animate).collect();
    if args.json {
        println!(
            "{}",
            json!({
                "files": names(&files), "seconds": seconds, "device": device, "flow": flow,
                "nfe_encode": encoded.nfe, "nfe_decode": decoded.nfe,
            })
        );
        return Ok(());
    }
    files.iter().for_each(|file| say!("wrote {}", file.display()));
    say!("{} frames, {seconds:.1} s, {device}", args.frames);
    Ok(())
}

/// A loop over the frames, forwards and backwards.
fn there_and_back(pictures: &Pixels<f32>, zoom: usize) -> Animation {
    let count = pictures.shape[0];
    let order = (0..count).chain((1..count.saturating_sub(1)).rev());
    let frames = order.map(|i| pictures.one(i)).collect();
    let frame_time = (ANIMATION / count.max(1) as u32).max(Duration::from_millis(20));
    Animation { frames, range: Range::Unit, frame_time, zoom }
}
