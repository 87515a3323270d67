use super::Failure;
use super::choices::choice;
use super::options::{FamilyOptions, SolverOptions};
use crate::checkpoint::read_mixture;
use crate::registry::{Category, Choice};
use crate::score::Mixture;
use crate::solver::{Grid, Solver};
use crate::task::{Convergence, ConvergenceError, Measured, MeasuredOrder, ModelRef};
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer convergence
  score-explorer convergence --solver unipc --order 3
  score-explorer convergence --solver dpm++3m --differences exact \\
      --counts 20,40,80,160
  score-explorer convergence --solver sde-dpm++2m --family ve --json
  score-explorer convergence --solver lms --model mixture:plane.json

Deterministic solvers follow the probability-flow ODE of a mixture between two levels of σ/α; the error is the largest \
difference from the exact end. The law of what stochastic solvers make of a Gaussian is computed exactly; the error is \
that of its mean or standard deviation. Multistep methods begin with a step of first order, so that with very many \
steps order 2 is seen of them at most.")]
pub(super) struct Args {
    #[command(flatten)]
    solver: SolverOptions,
    #[command(flatten)]
    family: FamilyOptions,
    /// Exact mixture: mixture:NAME or mixture:FILE.json
    #[arg(long, short, default_value = "mixture:gaussian")]
    model: ModelRef,
    /// Time grid: uniform, quadratic, edm[:RHO], log-snr or ays[:TABLE] [default: the solver's own]
    #[arg(long, value_parser = choice::<dyn Grid>)]
    grid: Option<Choice<dyn Grid>>,
    /// Numbers of steps, rising
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = Convergence::USUAL_STEPS)]
    counts: Vec<usize>,
    /// σ/α at the beginning and at the end
    #[arg(long, value_name = "FROM,TO", value_delimiter = ',', num_args = 1..=2, default_values_t = Convergence::USUAL_RATIOS)]
    between: Vec<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let mixture = mixture(&args.model)?;
    let solvers = match args.solver.chosen()? {
        Some(solver) => vec![solver],
        None => <dyn Solver>::all().iter().map(|solver| Choice::new(*solver)).collect(),
    };
    let one = solvers.len() == 1;
    let mut all = Vec::new();
    for solver in solvers {
        let measurement = args.of(solver, &mixture)?;
        match args.measure(&measurement, one) {
            Ok(measured) => all.push(described(&measurement, &measured)),
            // Among all solvers some have nothing to measure.
            Err(ConvergenceError::OwnSteps(_) | ConvergenceError::NotLinear(_)) if !one => {}
            Err(error) => return Err(Failure::Usage(error.to_string())),
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    Ok(())
}

impl Args {
    fn of(&self, solver: Choice<dyn Solver>, mixture: &Mixture) -> Result<Convergence, Failure> {
        let &[high, low] = &self.between[..] else {
            return Err(Failure::Usage("--between needs two levels of σ/α; give such as 10,0.05".into()));
        };
        let usual = Convergence::new(solver, self.family.of(None)?, mixture.clone());
        let grid = self.grid.clone().unwrap_or_else(|| usual.grid.clone());
        Ok(Convergence { grid, steps: self.counts.clone(), ratios: [high, low], ..usual })
    }

    /// Measures, and prints a table of one solver as it comes, or a line of one among many.
    fn measure(&self, measurement: &Convergence, one: bool) -> Result<MeasuredOrder, ConvergenceError> {
        let title = measurement.solver.to_string();
        let shows = one && !self.json;
        if shows {
            say!("{title} on {}", measurement.grid);
            say!("{:>7}  {:>7}  {:>10}  {:>6}", "steps", "NFE", "error", "order");
        }
        let measured = measurement.measure(&|| Ok(()), |row| {
            if shows {
                say!("{:>7}  {:>7}  {:>10.3e}  {:>6}", row.steps, row.nfe, row.error, seen(row));
            }
        })?;
        let promised = measured.promised.map_or("-".into(), |order| order.to_string());
        let last = measured.rows.last().map(seen).unwrap_or_default();
        if shows {
            let what = if measured.of_law { "law of the samples" } else { "trajectories" };
            say!("Error of the {what}. Order measured: {last}, promised: {promised}");
        } else if !self.json {
            let law = if measured.of_law { ", of the law" } else { "" };
            say!("{title:<16}  order {last:>5} measured, {promised:>2} promised{law}");
        }
        Ok(measured)
    }
}

/// The order that a row shows.
fn seen(row: &Measured) -> String {
    row.order.map_or_else(String::new, |order| format!("{order:.2}"))
}

fn described(of: &Convergence, measured: &MeasuredOrder) -> Value {
    let row = |row: &Measured| json!({ "steps": row.steps, "nfe": row.nfe, "error": row.error, "order": row.order });
    json!({
        "solver": of.solver.to_string(),
        "grid": of.grid.to_string(),
        "family": of.family,
        "between": of.ratios,
        "error_of": if measured.of_law { "law" } else { "trajectories" },
        "promised": measured.promised,
        "measured": measured.rows.last().and_then(|row| row.order),
        "rows": measured.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// A mixture by its name or its file.
fn mixture(model: &ModelRef) -> Result<Mixture, Failure> {
    match model {
        ModelRef::Mixture(name) => match ModelRef::mixture_file(name) {
            Some(file) => Ok(read_mixture(file)?),
            None => Mixture::named(name).map_err(|error| Failure::Input(error.to_string())),
        },
        other => {
            Err(Failure::Usage(format!("{other} is not an exact mixture; choose mixture:NAME or mixture:FILE.json")))
        }
    }
}
