use super::Failure;
use super::drive::Session;
use super::flow_options::{FlowOptions, Pictures, limit};
use super::options::DeviceOption;
use super::output::known;
use crate::checkpoint::{check_writable, write_latents};
use crate::engine::{Decode, Encode};
use crate::task::{Encoded, Flow, largest_error, norm_in_units, psnr};
use crate::text::counted;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer encode cat.jpg dog.jpg --output latents.safetensors
  score-explorer encode photos.zip --limit 32 --model exact:worlds \\
      --output latents.npz --check
  score-explorer encode cat.jpg --t-max 0.5 --solver heun --steps 50 \\
      --output half.safetensors --json")]
pub(super) struct Args {
    /// Images, or folders and archives (.zip, .tar, .tar.gz) of them
    #[arg(required = true, value_name = "IMAGES")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    flow: FlowOptions,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// Use at most the first N images of each folder or archive
    #[arg(long, alias = "first", value_name = "N", default_value_t = usize::MAX, hide_default_value = true, allow_negative_numbers = true, value_parser = limit)]
    limit: usize,
    /// Latents file (.safetensors or .npz)
    #[arg(long, short, value_name = "FILE", default_value = "latents.safetensors", help_heading = "Output")]
    output: PathBuf,
    /// Decode the latents again and report the reconstruction error
    #[arg(long, help_heading = "Output")]
    check: bool,
    /// Print a JSON summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    known(Some(&args.output), &["safetensors", "npz"])?;
    check_writable(&args.output)?;
    let mut session = Session::open(args.device.into())?;
    let model = session.inspect(&args.flow.model)?;
    let flow = args.flow.flow(&model)?;
    let pictures = Pictures::read(&args.images, &model, args.limit, &mut session.progress)?;
    let done = session.perform(Encode { flow: flow.clone(), images: pictures.pixels.clone() })?;
    let (encoded, seconds, device) = (done.output, done.seconds, done.report.device.name);
    let checked = if args.check { Some(check(&mut session, &flow, &pictures, &encoded)?) } else { None };
    write_latents(&args.output, &encoded.latents)?;
    drop(session);
    let std = flow.family.sde().prior_std();
    let latents = &encoded.latents.pixels;
    let norms: Vec<f64> = (0..latents.shape[0]).map(|i| norm_in_units(latents.sample(i), std)).collect();
    if args.json {
        println!(
            "{}",
            json!({
                "file": args.output.display().to_string(), "seconds": seconds, "device": device, "flow": flow,
                "pictures": pictures.names, "nfe": encoded.nfe, "norm": norms,
                "psnr": checked.as_ref().map(|checked| &checked.psnr),
                "largest_error": checked.as_ref().map(|checked| &checked.largest),
                "nfe_back": checked.as_ref().map(|checked| &checked.nfe),
            })
        );
        return Ok(());
    }
    say!("wrote {}", args.output.display());
    for (index, name) in pictures.names.iter().enumerate() {
        let back = checked.as_ref().map_or(String::new(), |checked| {
            format!(", reconstruction PSNR {:.1} dB, largest error {:.5}", checked.psnr[index], checked.largest[index])
        });
        say!("{name}: NFE {}, norm {:.3} relative to the prior{back}", encoded.nfe[index], norms[index]);
    }
    say!("{}, {seconds:.1} s, {device}", counted(pictures.names.len(), "image"));
    Ok(())
}

/// The reconstruction error of images.
struct Checked {
    psnr: Vec<f64>,
    largest: Vec<f64>,
    nfe: Vec<usize>,
}

fn check(session: &mut Session, flow: &Flow, pictures: &Pictures, encoded: &Encoded) -> Result<Checked, Failure> {
    let latents = encoded.latents.pixels.clone();
    let decoded = session.perform(Decode { flow: flow.clone(), latents })?.output;
    let pairs = || (0..pictures.names.len()).map(|i| (pictures.pixels.sample(i), decoded.pictures.sample(i)));
    Ok(Checked {
        psnr: pairs().map(|(a, b)| psnr(a, b)).collect(),
        largest: pairs().map(|(a, b)| largest_error(a, b)).collect(),
        nfe: decoded.nfe,
    })
}
