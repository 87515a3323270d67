//! The settings of a probability-flow ODE solve, as written on the command line.

use super::choices::{Given, Options, flattened};
use super::options::{FamilyOptions, steps};
use super::{Failure, progress::Progress};
use crate::Pixels;
use crate::checkpoint::{Kind, kind_of, read_picture, read_pictures};
use crate::engine::ModelReport;
use crate::registry::find;
use crate::solver::{Destination, Solver};
use crate::task::{Flow, ModelRef, Run, Steps};
use clap::Args;
use std::path::PathBuf;

/// The model, the family, the times and the solver.
#[derive(Debug, Args)]
pub(super) struct FlowOptions {
    /// Model: a name from `models`, a checkpoint or exact:FOLDER
    #[arg(long, short, default_value_t = Run::default().model)]
    pub(super) model: ModelRef,
    #[command(flatten)]
    family: FamilyOptions,
    /// Time at which encoding stops: 1 is the prior, less keeps more of the image
    #[arg(
        long,
        alias = "until",
        value_name = "t",
        default_value_t = 1.0,
        allow_negative_numbers = true,
        help_heading = "Time"
    )]
    t_max: f64,
    /// Time of the data, at which encoding starts
    #[arg(long, alias = "end", value_name = "t", default_value_t = Flow::END, allow_negative_numbers = true, help_heading = "Time")]
    t_min: f64,
    #[command(flatten)]
    solver: SolverOptions,
}

/// How the ODE is solved.
#[derive(Debug, Args)]
pub(super) struct SolverOptions {
    #[command(flatten)]
    solver: FlowSolver,
    /// Time steps of solvers other than adaptive [default: 32]
    #[arg(long, short = 'n', value_name = "N", value_parser = steps, allow_negative_numbers = true, help_heading = "Solver")]
    steps: Option<Steps>,
}

/// A solver that goes both ways, and its parameters.
#[derive(Debug)]
struct FlowSolver(Given);

fn solvers() -> Options {
    let help = "Numerical scheme [default: adaptive]";
    Options::of::<dyn Solver>(help, "Solver", |solver| solver.is_invertible())
}

flattened!(FlowSolver, solvers());

impl FlowOptions {
    /// The settings with a model that was opened.
    ///
    /// # Errors
    /// If options contradict each other, or a value is invalid.
    pub(super) fn flow(&self, model: &ModelReport) -> Result<Flow, Failure> {
        let family = self.family.of(model.family)?;
        let usual = Flow::new(self.model.clone(), family);
        let flow = self.solver.over(Flow { until: self.t_max, end: self.t_min, ..usual })?;
        flow.check()?;
        Ok(flow)
    }
}

impl SolverOptions {
    /// The flow with the solver that was given; the rest stays as it is.
    ///
    /// # Errors
    /// If options contradict each other, or a value is invalid.
    pub(super) fn over(&self, flow: Flow) -> Result<Flow, Failure> {
        let (FlowSolver(given), options) = (&self.solver, solvers());
        let mut solver = flow.solver.clone();
        if let Some(chosen) = given.slug().or_else(|| options.implied(given)).and_then(find) {
            solver.choose(chosen);
        }
        options.apply(given, solver.about(), solver.settings_mut())?;
        if solver.evaluations(1, Destination::Noise).is_none() && self.steps.is_some() {
            let slug = solver.about().slug;
            return Err(Failure::Usage(format!(
                "--steps has no effect on {slug}, which chooses its own steps; leave it out"
            )));
        }
        let steps = match self.steps.or(flow.steps) {
            Some(steps) => steps,
            None => Steps::new(32)?,
        };
        Ok(flow.by(solver, steps))
    }
}

/// How many images are used at most.
pub(super) fn limit(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number >= 1).ok_or_else(|| "not a whole number of 1 or more".into())
}

/// Images at the size of a model, with their names.
pub(super) struct Pictures {
    pub(super) names: Vec<String>,
    /// In [0, 1].
    pub(super) pixels: Pixels<f32>,
}

impl Pictures {
    /// Reads files, and folders or archives of them: at most the first `most` images of each.
    ///
    /// # Errors
    /// If the model is not one of images, or a file cannot be read.
    pub(super) fn read(
        paths: &[PathBuf],
        model: &ModelReport,
        most: usize,
        progress: &mut Progress,
    ) -> Result<Pictures, Failure> {
        let [channels, height, width] = images(model)?;
        // Of an oblong model, the middle of the square.
        let side = height.max(width);
        let (mut names, mut levels) = (Vec::new(), Vec::new());
        for path in paths {
            if path.is_dir() || kind_of(path).is_ok_and(|kind| kind == Kind::Images) {
                let set = read_pictures(path, Some(side))?;
                set.warnings.iter().for_each(|warning| progress.say(&format!("warning: {warning}")));
                levels.extend(set.values.into_iter().take(most.saturating_mul(3 * side * side)));
                names.extend(set.names.into_iter().take(most));
            } else {
                let (picture, notes) = read_picture(path, side)?;
                let name = path.display().to_string();
                notes.iter().for_each(|note| progress.say(&format!("note: {name}: {note}")));
                levels.extend(picture);
                names.push(name);
            }
        }
        let values = levels.iter().map(|&level| f32::from(level) / 255.0).collect();
        let colours = Pixels { shape: [names.len(), 3, side, side], values };
        Ok(Pictures { pixels: colours.seen_by(channels).middle(height, width), names })
    }
}

/// The shape of the images of a model, which must be grey or of colour.
///
/// # Errors
/// If they are not.
fn images(model: &ModelReport) -> Result<[usize; 3], Failure> {
    match model.shape {
        shape @ [1 | 3, ..] if model.range.is_some() => Ok(shape),
        _ => {
            let why = "is not a model of colour or grey images; choose another --model";
            Err(Failure::Input(format!("{} {why}", model.name)))
        }
    }
}

/// Channels and side of the images of a model, which must be square and grey or of colour.
///
/// # Errors
/// If they are not.
pub(super) fn square_images(model: &ModelReport) -> Result<(usize, usize), Failure> {
    match images(model)? {
        [channels, height, width] if height == width => Ok((channels, height)),
        [_, height, width] => {
            let why = format!("is a model of images of {height}×{width}; choose a --model of square ones");
            Err(Failure::Input(format!("{} {why}", model.name)))
        }
    }
}
