//! What a journey between pictures and latents is made of, as written on the command line.

use super::options::{FamilyOptions, steps};
use super::{Failure, progress::Progress};
use crate::Pixels;
use crate::checkpoint::{read_picture, read_pictures};
use crate::engine::ModelReport;
use crate::solver::{Stepping, Tolerance};
use crate::task::{Flow, FlowSolver, ModelRef, Run, Steps};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
enum SolverOption {
    /// Dormand–Prince 5(4) with controlled steps
    #[default]
    Adaptive,
    Heun,
    #[value(name = "dpm++")]
    DpmPlusPlus,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum SteppingOption {
    /// Each sample has its own step size
    #[default]
    Sample,
    /// One step size for all, as published
    Batch,
}

/// The model and family of a journey.
#[derive(Debug, Args)]
pub(super) struct FlowOptions {
    /// A name from `models`, a checkpoint file or exact:FOLDER
    #[arg(long, short, default_value_t = Run::default().model)]
    pub(super) model: ModelRef,
    #[command(flatten)]
    family: FamilyOptions,
    /// Where the latents lie: 1 is the whole way, less keeps more of the picture
    #[arg(long, value_name = "t", default_value_t = 1.0, allow_negative_numbers = true, help_heading = "Time")]
    until: f64,
    /// Where the data lie
    #[arg(long, value_name = "t", default_value_t = Flow::END, allow_negative_numbers = true, help_heading = "Time")]
    end: f64,
    #[command(flatten)]
    solver: SolverOptions,
}

/// How the ODE is solved.
#[derive(Debug, Args)]
#[command(next_help_heading = "Solver")]
pub(super) struct SolverOptions {
    /// [default: adaptive, or that of the latents]
    #[arg(long, value_enum)]
    solver: Option<SolverOption>,
    /// Relative tolerance of the adaptive solver [default: 1e-5]
    #[arg(long, value_name = "x", allow_negative_numbers = true)]
    rtol: Option<f64>,
    /// Absolute tolerance of the adaptive solver [default: 1e-5]
    #[arg(long, value_name = "x", allow_negative_numbers = true)]
    atol: Option<f64>,
    /// Step sizes of the adaptive solver [default: sample]
    #[arg(long, value_enum)]
    stepping: Option<SteppingOption>,
    /// Steps of the other solvers [default: 32]
    #[arg(long, short = 'n', value_name = "N", value_parser = steps, allow_negative_numbers = true)]
    steps: Option<Steps>,
}

impl FlowOptions {
    /// The journey with a model that was opened.
    ///
    /// # Errors
    /// If options contradict each other or make no journey.
    pub(super) fn flow(&self, model: &ModelReport) -> Result<Flow, Failure> {
        let solver = self.solver.solver(FlowSolver::default())?;
        let family = self.family.of(model.family)?;
        let flow = Flow { model: self.model.clone(), family, solver, until: self.until, end: self.end };
        flow.check()?;
        Ok(flow)
    }
}

impl SolverOptions {
    /// The solver, where nothing is said `before`.
    ///
    /// # Errors
    /// If options contradict each other, or a number is not possible.
    pub(super) fn solver(&self, before: FlowSolver) -> Result<FlowSolver, Failure> {
        let adaptive = self.rtol.is_some() || self.atol.is_some() || self.stepping.is_some();
        let kept = match before {
            FlowSolver::Adaptive { .. } => SolverOption::Adaptive,
            FlowSolver::Heun { .. } => SolverOption::Heun,
            FlowSolver::DpmPlusPlus { .. } => SolverOption::DpmPlusPlus,
        };
        let kind = self.solver.unwrap_or(if adaptive { SolverOption::Adaptive } else { kept });
        if kind == SolverOption::Adaptive && self.steps.is_some() {
            return Err(Failure::Usage("--steps belongs to --solver heun and dpm++; name one of them too".into()));
        }
        if kind != SolverOption::Adaptive && adaptive {
            return Err(Failure::Usage(
                "--rtol, --atol and --stepping belong to --solver adaptive; leave them or the solver out".into(),
            ));
        }
        let steps = |kept: Option<Steps>| match self.steps.or(kept) {
            Some(steps) => Ok(steps),
            None => Steps::new(32),
        };
        match (kind, before) {
            (SolverOption::Adaptive, _) => {
                let (tolerance, stepping) = match before {
                    FlowSolver::Adaptive { tolerance, stepping } => (tolerance, stepping),
                    FlowSolver::Heun { .. } | FlowSolver::DpmPlusPlus { .. } => Default::default(),
                };
                let tolerance = Tolerance::new(
                    self.rtol.unwrap_or(tolerance.relative()),
                    self.atol.unwrap_or(tolerance.absolute()),
                )?;
                let stepping = match self.stepping {
                    Some(SteppingOption::Sample) => Stepping::Sample,
                    Some(SteppingOption::Batch) => Stepping::Batch,
                    None => stepping,
                };
                Ok(FlowSolver::Adaptive { tolerance, stepping })
            }
            (SolverOption::Heun, FlowSolver::Heun { steps: kept }) => {
                Ok(FlowSolver::Heun { steps: steps(Some(kept))? })
            }
            (SolverOption::Heun, _) => Ok(FlowSolver::Heun { steps: steps(None)? }),
            (SolverOption::DpmPlusPlus, FlowSolver::DpmPlusPlus { steps: kept }) => {
                Ok(FlowSolver::DpmPlusPlus { steps: steps(Some(kept))? })
            }
            (SolverOption::DpmPlusPlus, _) => Ok(FlowSolver::DpmPlusPlus { steps: steps(None)? }),
        }
    }
}

/// Pictures in the size of a model, with their names.
pub(super) struct Pictures {
    pub(super) names: Vec<String>,
    /// In [0, 1].
    pub(super) pixels: Pixels<f32>,
}

impl Pictures {
    /// Reads files, and folders or archives of them, up to `most` pictures of each.
    ///
    /// # Errors
    /// If the model takes no pictures in colour, or a file cannot be read.
    pub(super) fn read(
        paths: &[PathBuf],
        model: &ModelReport,
        most: usize,
        progress: &mut Progress,
    ) -> Result<Pictures, Failure> {
        let [3, side, width] = model.shape else { return Err(no_pictures(model)) };
        if side != width || model.range.is_none() {
            return Err(no_pictures(model));
        }
        let (mut names, mut levels) = (Vec::new(), Vec::new());
        for path in paths {
            if path.is_dir() || is_archive(path) {
                let set = read_pictures(path, Some(side))?;
                set.warnings.iter().for_each(|warning| progress.say(&format!("warning: {warning}")));
                levels.extend(set.values.into_iter().take(most.saturating_mul(3 * side * side)));
                names.extend(set.names.into_iter().take(most));
            } else {
                levels.extend(read_picture(path, side)?);
                names.push(path.display().to_string());
            }
        }
        let values = levels.iter().map(|&level| f32::from(level) / 255.0).collect();
        Ok(Pictures { pixels: Pixels { shape: [names.len(), 3, side, side], values }, names })
    }
}

fn is_archive(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("zip") || extension.eq_ignore_ascii_case("tar"))
}

fn no_pictures(model: &ModelReport) -> Failure {
    Failure::Input(format!("{} takes no pictures in colour; choose another --model", model.name))
}
