use super::Failure;
use super::drive::Session;
use super::flow_options::{FlowOptions, Pictures};
use super::options::DeviceOption;
use crate::engine::Likelihood;
use crate::task::Estimate;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer likelihood cat.jpg dog.jpg
  score-explorer likelihood photos/ --first 64 --probes 4 --dequantise --json
  score-explorer likelihood test.tar --first 8 --model exact:worlds --family ve")]
pub(super) struct Args {
    /// Pictures, or folders and archives (.zip, .tar) of them
    #[arg(required = true, value_name = "IMAGES")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    flow: FlowOptions,
    /// At most so many pictures of each folder or archive
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    first: usize,
    /// Random probes for each picture; two or more give a standard error
    #[arg(long, value_name = "N", default_value_t = 1)]
    probes: usize,
    /// Probes from a Gaussian, not of ±1
    #[arg(long)]
    gaussian: bool,
    /// Probes also where the exact divergence is known
    #[arg(long)]
    estimate: bool,
    /// Add uniform noise of one grey level first
    #[arg(long)]
    dequantise: bool,
    /// Seed of probes and noise
    #[arg(long, short, default_value_t = 0)]
    seed: u64,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let mut session = Session::open(args.device.into())?;
    let model = session.inspect(&args.flow.model)?;
    let flow = args.flow.flow(&model)?;
    let estimate = Estimate {
        probes: args.probes,
        rademacher: !args.gaussian,
        seed: args.seed,
        dequantise: args.dequantise,
        exact: !args.estimate,
    };
    estimate.check(&flow)?;
    let pictures = Pictures::read(&args.images, &model, args.first, &mut session.progress)?;
    let done = session.perform(Likelihood { flow: flow.clone(), images: pictures.pixels, estimate })?;
    drop(session);
    let figures = done.output;
    let count = figures.len().max(1) as f64;
    let mean = figures.iter().map(|figure| figure.bits_per_dim).sum::<f64>() / count;
    let spread = figures.iter().map(|figure| (figure.bits_per_dim - mean).powi(2)).sum::<f64>();
    let error = (figures.len() > 1).then(|| (spread / (count - 1.0) / count).sqrt());
    if args.json {
        let each: Vec<Value> = pictures
            .names
            .iter()
            .zip(&figures)
            .map(|(name, figure)| {
                json!({
                    "picture": name,
                    "bits_per_dim": figure.bits_per_dim,
                    "standard_error": figure.standard_error,
                    "log_prior": figure.log_prior,
                    "delta_log_p": figure.delta_log_p,
                    "nfe": figure.nfe,
                })
            })
            .collect();
        println!(
            "{}",
            json!({
                "bits_per_dim": mean, "standard_error": error, "pictures": each,
                "seconds": done.seconds, "device": done.report.device.name, "flow": flow,
            })
        );
        return Ok(());
    }
    for (name, figure) in pictures.names.iter().zip(&figures) {
        let error = figure.standard_error.filter(|&error| error > 0.0).map_or(String::new(), |e| format!(" ± {e:.3}"));
        println!("{name}: {:.3}{error} bits/dim, {} evaluations", figure.bits_per_dim, figure.nfe);
    }
    let error = error.map_or(String::new(), |error| format!(" ± {error:.3}"));
    println!("mean {mean:.3}{error} bits/dim, {:.1} s, {}", done.seconds, done.report.device.name);
    Ok(())
}
