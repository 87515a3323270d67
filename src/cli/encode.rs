use super::Failure;
use super::drive::Session;
use super::flow_options::{FlowOptions, Pictures};
use super::options::DeviceOption;
use super::output::{known, writable};
use crate::checkpoint::write_latents;
use crate::engine::{Decode, Encode};
use crate::task::{Encoded, Flow, largest_error, norm_in_units, psnr};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer encode cat.jpg dog.jpg --output latents.safetensors
  score-explorer encode photos.zip --first 32 --model exact:worlds --output latents.npz --check
  score-explorer encode cat.jpg --until 0.5 --solver heun --steps 50 --output half.safetensors --json")]
pub(super) struct Args {
    /// Pictures, or folders and archives (.zip, .tar) of them
    #[arg(required = true, value_name = "IMAGES")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    flow: FlowOptions,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// At most so many pictures of each folder or archive
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    first: usize,
    /// The latents (.safetensors or .npz)
    #[arg(long, short, value_name = "FILE", default_value = "latents.safetensors")]
    output: PathBuf,
    /// Decode the latents again and tell how close the pictures come back
    #[arg(long)]
    check: bool,
    /// Print one JSON object about the latents
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    known(Some(&args.output), &["safetensors", "npz"])?;
    writable(&args.output)?;
    let mut session = Session::open(args.device.into())?;
    let model = session.inspect(&args.flow.model)?;
    let flow = args.flow.flow(&model)?;
    let pictures = Pictures::read(&args.images, &model, args.first, &mut session.progress)?;
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
                "file": args.output, "seconds": seconds, "device": device, "flow": flow,
                "pictures": pictures.names, "nfe": encoded.nfe, "norm": norms,
                "psnr": checked.as_ref().map(|checked| &checked.psnr),
                "largest_error": checked.as_ref().map(|checked| &checked.largest),
                "nfe_back": checked.as_ref().map(|checked| &checked.nfe),
            })
        );
        return Ok(());
    }
    println!("wrote {}", args.output.display());
    for (index, name) in pictures.names.iter().enumerate() {
        let back = checked.as_ref().map_or(String::new(), |checked| {
            format!(", comes back at {:.1} dB (largest error {:.5})", checked.psnr[index], checked.largest[index])
        });
        println!("{name}: {} evaluations, norm {:.3} of the prior's{back}", encoded.nfe[index], norms[index]);
    }
    println!("{} pictures, {seconds:.1} s, {device}", pictures.names.len());
    Ok(())
}

/// How close pictures come back.
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
