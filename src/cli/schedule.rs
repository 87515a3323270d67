use super::Failure;
use super::drive::Session;
use super::options::{DeviceOption, RunOptions};
use crate::checkpoint::check_writable;
use crate::compare::{Cell, write_presets};
use crate::engine::FindSteps;
use crate::task::{Count, Run, StepSearch};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer schedule --for 5,8,10 --output found.json
  score-explorer schedule --model mine --solver unipc --for 6
  score-explorer compare --presets found.json,dpm++-10 --output report.html

Samples walk a fine grid of the model; of all ways to leave levels out, those whose steps of Euler's method miss the \
trajectories least are found by dynamic programming (GITS, Chen et al. 2024). They serve any solver. What is written \
is a file of presets for `compare`; one list is also what `sample --sigmas` takes.")]
pub(super) struct Args {
    #[command(flatten)]
    run: RunOptions,
    /// Numbers of steps that levels are found for
    #[arg(long = "for", value_name = "LIST", value_delimiter = ',', default_values_t = [5, 8, 10, 20])]
    wanted: Vec<usize>,
    /// Trajectories that are watched
    #[arg(long, value_name = "N", default_value_t = StepSearch::USUAL_COUNT)]
    trajectories: usize,
    /// File of presets to write (.json)
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    super::output::known(args.output.as_deref(), &["json"])?;
    args.output.as_deref().map_or(Ok(()), check_writable)?;
    let mut session = Session::open(args.device.into())?;
    let own = session.inspect(args.run.model())?;
    let run = Run { count: Count::new(args.trajectories)?, ..args.run.run(own.family)? };
    let search = StepSearch { run: run.clone(), wanted: args.wanted.clone() };
    search.check().map_err(|error| Failure::Usage(error.to_string()))?;
    let done = session.perform(FindSteps(search))?;
    for notice in &done.notices {
        remark!("{notice}");
    }
    let cells =
        done.output.iter().map(|(steps, ratios)| Cell::found(&run, *steps, ratios)).collect::<Result<Vec<_>, _>>()?;
    if args.json {
        let each = done.output.iter().map(|(steps, ratios)| json!({ "steps": steps, "sigmas": ratios }));
        say!("{:#}", json!({ "solver": run.solver.about().slug, "found": each.collect::<Vec<_>>() }));
    } else {
        for (steps, ratios) in &done.output {
            let list: Vec<String> = ratios.iter().map(|&ratio| (ratio as f32).to_string()).collect();
            // To be copied whole, however long it is.
            println!("{steps:>3} steps  --sigmas {}", list.join(","));
        }
    }
    if let Some(path) = &args.output {
        write_presets(path, &cells)?;
        remark!("wrote {}", path.display());
    }
    Ok(())
}
