//! What a run is made of, as written on the command line.

use super::Failure;
use super::choices::{Given, Options, choice, defaulting, flattened};
use crate::engine::DeviceChoice;
use crate::registry::{Choice, Parameter, find};
use crate::sde::{Family, FamilyKind};
use crate::solver::{CORRECTOR, Grid, PREDICTOR, PredictorCorrector, Preset, Solver};
use crate::task::{Count, ModelRef, Run, Steps};
use clap::{Args, ValueEnum};

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum DeviceOption {
    /// A hardware GPU if there is one, otherwise the CPU
    #[default]
    Auto,
    /// A GPU, or a software graphics adapter if there is none
    Gpu,
    /// The same, with features of networks in half precision: half of their memory, and alike to about 0.1 %
    GpuHalf,
    /// The CPU
    Cpu,
}

impl From<DeviceOption> for DeviceChoice {
    fn from(option: DeviceOption) -> Self {
        match option {
            DeviceOption::Auto => DeviceChoice::Auto,
            DeviceOption::Gpu => DeviceChoice::Gpu,
            DeviceOption::GpuHalf => DeviceChoice::GpuHalf,
            DeviceOption::Cpu => DeviceChoice::Cpu,
        }
    }
}

/// An SDE family and its parameters.
#[derive(Debug)]
pub(super) struct FamilyOptions(Given);

fn families() -> Options {
    let entries = FamilyKind::ALL.iter().map(|kind| kind.about()).collect();
    let help = "SDE family [default: the model's own]";
    Options { name: "family", help, entries, heading: "Family", inherited: "the model's, else " }
}

flattened!(FamilyOptions, families());

impl FamilyOptions {
    /// Whether any of them was given.
    pub(super) fn is_given(&self) -> bool {
        self.0.slug().is_some() || families().implied(&self.0).is_some()
    }

    /// The family, where one was given.
    ///
    /// # Errors
    /// If options belong to another family, or make none.
    pub(super) fn given(&self) -> Result<Option<Family>, Failure> {
        self.is_given().then(|| self.of(None)).transpose()
    }

    /// The family, where `own` is the one that the model was trained in.
    ///
    /// # Errors
    /// If options belong to another family, or make none.
    pub(super) fn of(&self, own: Option<Family>) -> Result<Family, Failure> {
        let own = own.unwrap_or(Run::default().family);
        let named = |slug: &str| FamilyKind::ALL.iter().copied().find(|kind| kind.about().slug == slug);
        let kind = self.0.slug().and_then(named).unwrap_or(own.kind());
        let base = if own.kind() == kind { own } else { kind.published() };
        let mut settings = base.sde().settings();
        families().apply(&self.0, kind.about(), &mut settings)?;
        Ok(kind.with(&settings)?)
    }
}

/// A solver for samples and its parameters.
#[derive(Debug)]
pub(super) struct SolverOptions(Given);

fn solvers() -> Options {
    Options::of::<dyn Solver>("Numerical scheme [default: the preset's]", "Solver", |_| true)
}

flattened!(SolverOptions, solvers());

impl SolverOptions {
    /// Whether this parameter was given.
    pub(super) fn gives(&self, parameter: &Parameter) -> bool {
        self.0.has(&[parameter])
    }

    /// The solver with its parameters, where one is named.
    ///
    /// # Errors
    /// If options belong to another solver, or none is named.
    pub(super) fn chosen(&self) -> Result<Option<Choice<dyn Solver>>, Failure> {
        let SolverOptions(given) = self;
        let Some(solver) = given.slug().or_else(|| solvers().implied(given)).and_then(find) else {
            return match given.is_given() {
                true => Err(Failure::Usage("options of a solver have no effect without one; give --solver".into())),
                false => Ok(None),
            };
        };
        let mut solver: Choice<dyn Solver> = Choice::new(solver);
        solvers().apply(given, solver.about(), solver.settings_mut())?;
        solver.check().map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Some(solver))
    }
}

/// All that decides a run's pixels.
#[derive(Debug, Args)]
#[command(mut_arg("predictor", |arg| defaulting(arg, "the preset's")))]
#[command(mut_arg("corrector", |arg| defaulting(arg, "the preset's")))]
pub(super) struct RunOptions {
    /// Model: a name from `models`, a checkpoint, exact:FOLDER, mixture:NAME or mixture:FILE.json
    #[arg(long, short, default_value_t = Run::default().model)]
    pub model: ModelRef,

    #[command(flatten)]
    family: FamilyOptions,

    /// Preset, which other options override: fast-10, fast-20, fast-50, ode-20; a name of ComfyUI's menu, such as euler-a
    /// or dpm++-2m-karras; c2000-langevin, or p1000-, p2000- or pc1000- followed by a predictor, such as pc1000-ancestral
    /// [default: fast-20; p1000-reverse-diffusion once --solver pc, a predictor or a corrector is given]
    #[arg(long, value_name = "NAME", value_parser = preset, help_heading = "Solver")]
    preset: Option<Preset>,
    #[command(flatten)]
    solver: SolverOptions,
    /// Clip each denoised estimate x̂₀ to the data range [default: the preset's]
    #[arg(long, num_args = 0..=1, value_name = "true|false", hide_possible_values = true, default_missing_value = "true", help_heading = "Solver")]
    clip: Option<bool>,
    /// Do not clip
    #[arg(long, conflicts_with = "clip", help_heading = "Solver")]
    no_clip: bool,
    /// Keep the noise of the last step; of a corrector alone, do not denoise the last state
    #[arg(long, help_heading = "Solver")]
    no_denoise: bool,

    /// Time steps [default: the preset's]
    #[arg(long, short = 'n', value_name = "N", value_parser = steps, allow_negative_numbers = true, help_heading = "Time")]
    steps: Option<Steps>,
    /// Time grid: uniform, quadratic, edm[:RHO[:SPARE]] (karras), log-snr (exponential), ays[:TABLE], leading, trailing or
    /// linspace [default: the preset's]
    #[arg(long, value_parser = choice::<dyn Grid>, help_heading = "Time")]
    grid: Option<Choice<dyn Grid>>,
    /// The σ/α where each step begins, falling, and last where the last one arrives: 10,1,0.1,0
    #[arg(long, value_name = "LIST", value_parser = sigmas, conflicts_with_all = ["grid", "steps", "times"], help_heading = "Time")]
    sigmas: Option<Choice<dyn Grid>>,
    /// The times where each step begins, falling, and last where the last one arrives: 1,0.5,0.1,0
    #[arg(long, value_name = "LIST", value_parser = times, conflicts_with_all = ["grid", "steps"], help_heading = "Time")]
    times: Option<Choice<dyn Grid>>,

    /// Number of samples
    #[arg(long, short, value_name = "N", default_value = "16", value_parser = count, allow_negative_numbers = true)]
    count: Count,
    /// Seed of all noise; the same seed gives the same images
    #[arg(long, short, default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    seed: u64,
}

impl RunOptions {
    /// The model to be sampled.
    pub(super) fn model(&self) -> &ModelRef {
        &self.model
    }

    /// The number of samples.
    pub(super) fn count(&self) -> Count {
        self.count
    }

    /// The run, where `own` is the family that the model was trained in.
    ///
    /// # Errors
    /// If options contradict each other or make no run.
    pub(super) fn run(&self, own: Option<Family>) -> Result<Run, Failure> {
        self.over(Run::default(), own)
    }

    /// The run that these options make of another.
    ///
    /// # Errors
    /// If options contradict each other or make no run.
    pub(super) fn over(&self, base: Run, own: Option<Family>) -> Result<Run, Failure> {
        let mut run = Run { model: self.model.clone(), family: self.family.of(own)?, ..base };
        if let Some(preset) = &self.preset {
            run.apply(preset);
        }
        self.set_solver(&mut run)?;
        run.steps = self.steps.unwrap_or(run.steps);
        let grid = [&self.grid, &self.sigmas, &self.times].into_iter().flatten().next();
        run.grid = grid.cloned().unwrap_or(run.grid);
        if let Some(count) = run.grid.entry().count(run.grid.settings()) {
            run.steps = Steps::new(count)?;
        }
        run.clip = !self.no_clip && self.clip.unwrap_or(run.clip);
        run.denoise &= !self.no_denoise;
        (run.seed, run.count) = (self.seed, self.count);
        run.check()?;
        Ok(run)
    }

    fn set_solver(&self, run: &mut Run) -> Result<(), Failure> {
        let SolverOptions(given) = &self.solver;
        let named: Option<&'static dyn Solver> = given.slug().and_then(find);
        let pc: &dyn Solver = &PredictorCorrector;
        let asks_pc = match named {
            Some(solver) => solver.about().slug == pc.about().slug,
            None => given.has(&[&PREDICTOR, &CORRECTOR]),
        };
        if asks_pc && !(self.preset.is_some() && run.solver.is(pc)) {
            run.apply(&preset("p1000-reverse-diffusion")?);
        } else if let Some(solver) = named.filter(|solver| !run.solver.is(*solver)) {
            run.solver.choose(solver);
        }
        solvers().apply(given, run.solver.about(), run.solver.settings_mut())
    }
}

fn preset(text: &str) -> Result<Preset, Failure> {
    let known = || Preset::all().iter().map(Preset::slug).collect::<Vec<_>>().join(", ");
    Preset::find(text)
        .cloned()
        .ok_or_else(|| Failure::Usage(format!("unknown preset {text:?}; choose one of {}", known())))
}

/// A grid of these levels.
fn sigmas(list: &str) -> Result<Choice<dyn Grid>, String> {
    choice(&format!("sigmas:{list}"))
}

/// A grid of these times.
fn times(list: &str) -> Result<Choice<dyn Grid>, String> {
    choice(&format!("times:{list}"))
}

fn whole(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "not a whole number".into())
}

pub(super) fn steps(text: &str) -> Result<Steps, String> {
    Steps::new(whole(text)?).map_err(|error| error.to_string())
}

/// A seed of 64 bits.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("not a whole number from 0 to {}", u64::MAX))
}

fn count(text: &str) -> Result<Count, String> {
    Count::new(whole(text)?).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Entry as _;
    use crate::sde::Ve;
    use crate::solver::{Edm, Hmc, LEAPFROG, METROPOLIS, RHO, SNR};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: RunOptions,
    }

    fn run_of(line: &str, own: Option<Family>) -> Result<Run, String> {
        let line = Line::try_parse_from(format!("x {line}").split_whitespace()).map_err(|error| error.to_string())?;
        line.options.run(own).map_err(|failure| failure.to_string())
    }

    #[test]
    fn no_options_give_the_default_run() {
        assert_eq!(run_of("", None), Ok(Run::default()));
    }

    #[test]
    fn naming_a_predictor_or_corrector_samples_by_predictor_and_corrector() {
        let run = run_of("--corrector langevin --snr 0.2 --steps 30", None).expect("a run");
        let settings = run.solver.settings();
        let chosen = (run.solver.about().slug, settings.option(&PREDICTOR), settings.option(&CORRECTOR));
        assert_eq!(chosen, ("pc", "reverse-diffusion", "langevin"));
        assert_eq!((settings.number(&SNR), run.steps.get(), run.grid.about().slug), (0.2, 30, "uniform"));
        assert_eq!(run_of("--predictor ancestral", None).expect("a run").steps.get(), 1000);
    }

    #[test]
    fn a_run_keeps_the_models_own_family_and_its_parameters() {
        let own = Family::Ve(Ve::new(0.02, 90.0).expect("a family"));
        assert_eq!(run_of("", Some(own)).expect("a run").family, own);
        let wider = Family::Ve(Ve::new(0.02, 100.0).expect("a family"));
        assert_eq!(run_of("--sigma-max 100", Some(own)).expect("a run").family, wider);
        assert_eq!(run_of("--family sub-vp", Some(own)).expect("a run").family, FamilyKind::SubVp.published());
    }

    #[test]
    fn every_preset_can_be_named() {
        for preset in Preset::all() {
            let run = run_of(&format!("--preset {}", preset.slug()), None).expect("a run");
            assert_eq!(run.preset(), Some(preset));
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for (line, word) in [
            ("--solver heun --snr 0.1", "--snr"),
            ("--snr 0.1", "--corrector"),
            ("--solver ddim --predictor ancestral", "--predictor"),
            ("--family ve --beta-max 10", "--sigma-max"),
            ("--sigma-min 0.1", "--beta-min"),
            ("--predictor none", "does nothing"),
            ("--family ve --sigma-min 5 --sigma-max 1", "σ_min"),
            ("--corrector langevin --leapfrog 4", "hmc"),
            ("--snr nan", "SNR"),
            ("--steps 0", "steps"),
            ("--steps -3", "whole number"),
            ("--seed -3", "whole number from 0"),
            ("--seed 18446744073709551616", "to 18446744073709551615"),
            ("--count 0", "samples"),
            ("--grid edm:-1", "ρ"),
            ("--grid cosine", "log-snr"),
        ] {
            let refusal = run_of(line, None).expect_err(line);
            assert!(refusal.contains(word), "{line}: {refusal}");
        }
    }

    #[test]
    fn hmc_takes_its_own_options() {
        for line in ["--corrector hmc --leapfrog 5 --adjusted", "--corrector hmc --leapfrog-steps 5 --metropolis"] {
            let run = run_of(line, None).expect("a run");
            let settings = run.solver.settings();
            assert_eq!(settings.option(&CORRECTOR), Hmc.about().slug);
            assert_eq!((settings.whole(&LEAPFROG), settings.flag(&METROPOLIS)), (5, true));
        }
    }

    #[test]
    fn published_sampling_does_not_clip_unless_asked() {
        let clips = |line: &str| run_of(line, None).expect("a run").clip;
        assert_eq!(
            ["", "--predictor ancestral", "--predictor ancestral --clip true", "--clip false", "--no-clip"].map(clips),
            [true, false, true, false, false]
        );
    }

    #[test]
    fn edm_takes_a_rho() {
        let grid: Choice<dyn Grid> = Choice::new(&Edm);
        assert_eq!(run_of("--grid edm:3.5", None).expect("a run").grid, grid.with(&RHO, 3.5));
    }
}
