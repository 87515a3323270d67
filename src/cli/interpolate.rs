use super::Failure;
use super::decode::temperature;
use super::drive::Session;
use super::flow_options::{FlowOptions, Pictures};
use super::options::DeviceOption;
use super::output::{known, writable};
use crate::Pixels;
use crate::checkpoint::{Animation, write_animation, write_strip};
use crate::engine::{Decode, Encode};
use crate::sde::Range;
use crate::task::{between, temper};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// How long an animation takes from one picture to the other.
const ANIMATION: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer interpolate cat.jpg dog.jpg --frames 16 --output strip.png
  score-explorer interpolate a.png b.png --solver dpm++ --steps 20 --animate walk.gif
  score-explorer interpolate a.png b.png --linear --temperature 0.9 --output strip.png --json")]
pub(super) struct Args {
    /// The picture to begin with
    a: PathBuf,
    /// The picture to arrive at
    b: PathBuf,
    #[command(flatten)]
    flow: FlowOptions,
    /// Number of pictures, both ends among them
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u16).range(2..=512))]
    frames: u16,
    /// On a straight line, not on a great circle
    #[arg(long)]
    linear: bool,
    /// Scale the latents
    #[arg(long, value_name = "x", default_value_t = 1.0, value_parser = temperature, allow_negative_numbers = true)]
    temperature: f64,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// All pictures in a row
    #[arg(long, short, value_name = "FILE", default_value = "strip.png")]
    output: PathBuf,
    /// There and back as a loop (GIF, or PNG that moves)
    #[arg(long, value_name = "FILE")]
    animate: Option<PathBuf>,
    /// How often each pixel is repeated
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u8).range(1..=64))]
    zoom: u8,
    /// Print one JSON object about the pictures
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    known(Some(&args.output), &["png", "jpg", "jpeg", "webp", "gif", "bmp"])?;
    known(args.animate.as_deref(), &["gif", "png", "apng"])?;
    let files = || std::iter::once(&args.output).chain(&args.animate);
    files().try_for_each(|file| writable(file))?;
    let mut session = Session::open(args.device.into())?;
    let model = session.inspect(&args.flow.model)?;
    let flow = args.flow.flow(&model)?;
    let ends = [args.a.clone(), args.b.clone()];
    let pictures = Pictures::read(&ends, &model, 1, &mut session.progress)?;
    let done = session.perform(Encode { flow: flow.clone(), images: pictures.pixels })?;
    let (encoded, encoding, device) = (done.output, done.seconds, done.report.device.name);
    let row = between(&encoded.latents.pixels, 0, 1, args.frames.into(), !args.linear);
    let latents = Pixels { shape: row.shape, values: temper(&row.values, args.temperature).into() };
    let done = session.perform(Decode { flow: flow.clone(), latents })?;
    let decoded = done.output;

    write_strip(&args.output, &decoded.pictures, Range::Unit, args.zoom.into())?;
    if let Some(file) = &args.animate {
        let animation = there_and_back(&decoded.pictures, args.zoom.into());
        write_animation(file, &animation, &mut |share| {
            session.progress.writing(share);
            true
        })?;
    }
    drop(session);
    let seconds = encoding + done.seconds;
    if args.json {
        let files: Vec<_> = files().collect();
        println!(
            "{}",
            json!({
                "files": files, "seconds": seconds, "device": device, "flow": flow,
                "nfe_encode": encoded.nfe, "nfe_decode": decoded.nfe,
            })
        );
        return Ok(());
    }
    files().for_each(|file| println!("wrote {}", file.display()));
    println!("{} pictures, {seconds:.1} s, {device}", args.frames);
    Ok(())
}

/// A loop over the pictures, forwards and backwards.
fn there_and_back(pictures: &Pixels<f32>, zoom: usize) -> Animation {
    let count = pictures.shape[0];
    let order = (0..count).chain((1..count.saturating_sub(1)).rev());
    let frames = order.map(|i| pictures.one(i)).collect();
    let frame_time = (ANIMATION / count.max(1) as u32).max(Duration::from_millis(20));
    Animation { frames, range: Range::Unit, frame_time, zoom }
}
