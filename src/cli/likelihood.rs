use super::Failure;
use super::drive::Session;
use super::flow_options::{FlowOptions, Pictures, limit};
use super::options::{DeviceOption, seed};
use crate::engine::Likelihood;
use crate::task::Estimate;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(mut_arg("solver", |arg| arg.hide(true)), mut_arg("steps", |arg| arg.hide(true)), mut_arg("t_max", |arg| arg.hide(true)), mut_arg("t_min", |arg| arg.help("Time of the data, at which integration starts")))]
#[command(after_help = "\
Examples:
  score-explorer likelihood cat.jpg dog.jpg
  score-explorer likelihood photos/ --limit 64 --probes 4 --json
  score-explorer likelihood test.tar --limit 8 --model exact:worlds --family ve")]
pub(super) struct Args {
    /// Images, or folders and archives (.zip, .tar, .tar.gz) of them
    #[arg(required = true, value_name = "IMAGES")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    flow: FlowOptions,
    /// Use at most the first N images of each folder or archive
    #[arg(long, alias = "first", value_name = "N", default_value_t = usize::MAX, hide_default_value = true, allow_negative_numbers = true, value_parser = limit)]
    limit: usize,
    /// Random probes per image (Hutchinson); two or more give a standard error
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Divergence")]
    probes: usize,
    /// Use Gaussian probes, not Rademacher (±1)
    #[arg(long, alias = "gaussian", help_heading = "Divergence")]
    gaussian_probes: bool,
    /// Use probes even where the exact divergence is known
    #[arg(long, alias = "estimate", help_heading = "Divergence")]
    force_probes: bool,
    /// Do not add uniform noise of one grey level to the images first; the result is then a density at grid points
    #[arg(long, alias = "no-dequantise")]
    no_dequantize: bool,
    /// Default
    #[arg(long, alias = "dequantise", hide = true, conflicts_with = "no_dequantize")]
    dequantize: bool,
    /// Seed of probes and noise
    #[arg(long, short, default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    seed: u64,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// Print a JSON summary
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let mut session = Session::open(args.device.into())?;
    let model = session.inspect(&args.flow.model)?;
    let flow = args.flow.flow(&model)?;
    let estimate = Estimate {
        probes: args.probes,
        rademacher: !args.gaussian_probes,
        seed: args.seed,
        dequantise: args.dequantize || !args.no_dequantize,
        exact: !args.force_probes,
        ..Estimate::default()
    };
    estimate.check(&flow)?;
    let pictures = Pictures::read(&args.images, &model, args.limit, &mut session.progress)?;
    let done = session.perform(Likelihood { flow: flow.clone(), images: pictures.pixels, estimate })?;
    drop(session);
    let figures = done.output;
    let count = figures.len().max(1) as f64;
    let mean = figures.iter().map(|figure| figure.bits_per_dim).sum::<f64>() / count;
    let spread = figures.iter().map(|figure| (figure.bits_per_dim - mean).powi(2)).sum::<f64>();
    let error = (figures.len() > 1).then(|| (spread / (count - 1.0) / count).sqrt());
    let note =
        (!estimate.dequantise).then(|| format!("without dequantization, bits/dim is {}", Estimate::AT_GRID_POINTS));
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
                "dequantized": estimate.dequantise, "note": note,
                "seconds": done.seconds, "device": done.report.device.name, "flow": flow,
            })
        );
        return Ok(());
    }
    for (name, figure) in pictures.names.iter().zip(&figures) {
        let error = figure.standard_error.filter(|&error| error > 0.0).map_or(String::new(), |e| format!(" ± {e:.3}"));
        say!("{name}: {:.3}{error} bits/dim, NFE {}", figure.bits_per_dim, figure.nfe);
    }
    let error = error.map_or(String::new(), |error| format!(" ± {error:.3}"));
    say!("mean {mean:.3}{error} bits/dim, {:.1} s, {}", done.seconds, done.report.device.name);
    note.iter().for_each(|note| say!("note: {note}"));
    Ok(())
}
