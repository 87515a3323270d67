//! What a run is made of, as written on the command line.

use super::Failure;
use crate::engine::DeviceChoice;
use crate::sde::{Family, FamilyKind, SubVp, Ve, Vp};
use crate::solver::{Corrector, Grid, Hmc, Norms, Predictor, PredictorCorrector, Rho, Snr, Solver};
use crate::task::{Count, ModelRef, Preset, Run, Steps};
use clap::{Args, ValueEnum};
use std::num::NonZero;

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum DeviceOption {
    /// The GPU where there is a real one, else the CPU
    #[default]
    Auto,
    Gpu,
    Cpu,
}

impl From<DeviceOption> for DeviceChoice {
    fn from(option: DeviceOption) -> Self {
        match option {
            DeviceOption::Auto => DeviceChoice::Auto,
            DeviceOption::Gpu => DeviceChoice::Gpu,
            DeviceOption::Cpu => DeviceChoice::Cpu,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FamilyOption {
    Vp,
    Ve,
    SubVp,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum SolverOption {
    /// Predictor and corrector in turn
    Pc,
    Ddim,
    Heun,
    #[value(name = "dpm++")]
    DpmPlusPlus,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PredictorOption {
    EulerMaruyama,
    ReverseDiffusion,
    Ancestral,
    ProbabilityFlow,
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CorrectorOption {
    Langevin,
    /// Annealed Langevin dynamics
    Ald,
    /// Hamiltonian Monte Carlo
    Hmc,
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NormsOption {
    Sample,
    Batch,
}

/// An SDE family and its parameters.
#[derive(Debug, Args)]
pub(super) struct FamilyOptions {
    /// SDE family [default: the one the model was trained in]
    #[arg(long, value_enum, help_heading = "Family")]
    family: Option<FamilyOption>,
    /// Smallest σ of VE
    #[arg(long, value_name = "σ", allow_negative_numbers = true, help_heading = "Family")]
    sigma_min: Option<f64>,
    /// Largest σ of VE
    #[arg(long, value_name = "σ", allow_negative_numbers = true, help_heading = "Family")]
    sigma_max: Option<f64>,
    /// β(0) of VP and sub-VP
    #[arg(long, value_name = "β", allow_negative_numbers = true, help_heading = "Family")]
    beta_min: Option<f64>,
    /// β(1) of VP and sub-VP
    #[arg(long, value_name = "β", allow_negative_numbers = true, help_heading = "Family")]
    beta_max: Option<f64>,
}

impl FamilyOptions {
    /// The family, where `own` is the one that the model was trained in.
    ///
    /// # Errors
    /// If options belong to another family, or make none.
    pub(super) fn of(&self, own: Option<Family>) -> Result<Family, Failure> {
        let own = own.unwrap_or(Run::default().family);
        let kind = match self.family {
            None => own.kind(),
            Some(FamilyOption::Vp) => FamilyKind::Vp,
            Some(FamilyOption::Ve) => FamilyKind::Ve,
            Some(FamilyOption::SubVp) => FamilyKind::SubVp,
        };
        let base = if own.kind() == kind { own } else { kind.published() };
        let (sigma, beta) = ((self.sigma_min, self.sigma_max), (self.beta_min, self.beta_max));
        match kind {
            FamilyKind::Ve if beta != (None, None) => {
                return Err(Failure::Usage(
                    "β belongs to VP and sub-VP; the family VE takes --sigma-min and --sigma-max".into(),
                ));
            }
            FamilyKind::Vp | FamilyKind::SubVp if sigma != (None, None) => {
                return Err(Failure::Usage(format!(
                    "σ belongs to VE; the family {kind} takes --beta-min and --beta-max"
                )));
            }
            _ => {}
        }
        Ok(match base {
            Family::Ve(ve) => {
                Family::Ve(Ve::new(sigma.0.unwrap_or(ve.sigma_min()), sigma.1.unwrap_or(ve.sigma_max()))?)
            }
            Family::Vp(vp) => Family::Vp(Vp::new(beta.0.unwrap_or(vp.beta_min()), beta.1.unwrap_or(vp.beta_max()))?),
            Family::SubVp(sub) => {
                Family::SubVp(SubVp::new(beta.0.unwrap_or(sub.beta_min()), beta.1.unwrap_or(sub.beta_max()))?)
            }
        })
    }
}

/// All that decides a run's pixels.
#[derive(Debug, Args)]
pub(super) struct RunOptions {
    /// A name from `models`, a checkpoint file, exact:FOLDER or mixture:NAME
    #[arg(long, short, default_value_t = Run::default().model)]
    pub model: ModelRef,

    #[command(flatten)]
    family: FamilyOptions,

    /// Start from a named setting, which other options change: fast-10, fast-20, fast-50, ode-20, c2000-langevin,
    /// or p1000-, p2000-, pc1000- and a predictor, such as pc1000-ancestral
    #[arg(long, value_name = "NAME", value_parser = preset, help_heading = "Solver")]
    preset: Option<Preset>,
    /// [default: pc, as --preset fast-20 has it]
    #[arg(long, value_enum, help_heading = "Solver")]
    solver: Option<SolverOption>,
    /// Implies --solver pc [default: reverse-diffusion, ancestral in the fast presets]
    #[arg(long, value_enum, help_heading = "Solver")]
    predictor: Option<PredictorOption>,
    /// Implies --solver pc [default: none]
    #[arg(long, value_enum, help_heading = "Solver")]
    corrector: Option<CorrectorOption>,
    /// The corrector's signal-to-noise ratio [default: 0.16]
    #[arg(long, value_name = "r", value_parser = snr, allow_negative_numbers = true, help_heading = "Solver")]
    snr: Option<Snr>,
    /// Corrector steps at each time [default: 1]
    #[arg(long, value_name = "M", value_parser = repeats, help_heading = "Solver")]
    corrector_steps: Option<NonZero<u32>>,
    /// Langevin's norms: of each sample, or of the batch as published [default: sample]
    #[arg(long, value_enum, help_heading = "Solver")]
    norms: Option<NormsOption>,
    /// Leapfrog steps of one HMC trajectory [default: 3]
    #[arg(long, value_name = "L", value_parser = repeats, help_heading = "Solver")]
    leapfrog: Option<NonZero<u32>>,
    /// Let HMC accept or reject its proposals
    #[arg(long, help_heading = "Solver")]
    adjusted: bool,
    /// Keep every estimate of x(0) inside the data's range [default: true in the fast presets; false once a predictor or corrector is named]
    #[arg(long, value_name = "true|false", help_heading = "Solver")]
    clip: Option<bool>,
    /// Keep the last step's noise
    #[arg(long, help_heading = "Solver")]
    no_denoise: bool,

    /// Time steps [default: 20; 1000 once a predictor or corrector is named]
    #[arg(long, short = 'n', value_name = "N", value_parser = steps, allow_negative_numbers = true, help_heading = "Time")]
    steps: Option<Steps>,
    /// uniform, quadratic, edm[:RHO] or log-snr [default: log-snr; uniform once a predictor or corrector is named]
    #[arg(long, value_parser = grid, help_heading = "Time")]
    grid: Option<Grid>,

    /// Number of samples [default: 16; 4 of restorations]
    #[arg(long, short, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    count: Option<Count>,
    /// Seed of all noise: the same seed gives the same pictures
    #[arg(long, short, default_value_t = 0)]
    seed: u64,
}

impl RunOptions {
    /// The model that is asked for.
    pub(super) fn model(&self) -> &ModelRef {
        &self.model
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
        if let Some(preset) = self.preset {
            preset.apply(&mut run);
        }
        self.set_solver(&mut run)?;
        run.steps = self.steps.unwrap_or(run.steps);
        run.grid = self.grid.unwrap_or(run.grid);
        run.clip = self.clip.unwrap_or(run.clip);
        run.denoise &= !self.no_denoise;
        (run.seed, run.count) = (self.seed, self.count.unwrap_or(run.count));
        run.check()?;
        Ok(run)
    }

    fn set_solver(&self, run: &mut Run) -> Result<(), Failure> {
        match self.solver {
            Some(SolverOption::Ddim) => run.solver = Solver::Ddim,
            Some(SolverOption::Heun) => run.solver = Solver::Heun,
            Some(SolverOption::DpmPlusPlus) => run.solver = Solver::DpmPlusPlus,
            Some(SolverOption::Pc) | None => {}
        }
        let asks_pc = self.solver == Some(SolverOption::Pc) || self.predictor.is_some() || self.corrector.is_some();
        let allows_pc = self.solver.is_none_or(|solver| solver == SolverOption::Pc);
        let has_preset = self.preset.is_some() && matches!(run.solver, Solver::Pc(_));
        if asks_pc && allows_pc && !has_preset {
            Preset::P1000(Predictor::ReverseDiffusion).apply(run);
        }
        match &mut run.solver {
            Solver::Pc(pc) => self.set_pc(pc),
            _ => match self.first_pc_option() {
                Some(option) => Err(Failure::Usage(format!(
                    "{option} has no effect on this solver; leave it out, or name a --predictor or --corrector"
                ))),
                None => Ok(()),
            },
        }
    }

    fn set_pc(&self, pc: &mut PredictorCorrector) -> Result<(), Failure> {
        if let Some(predictor) = self.predictor {
            pc.predictor = match predictor {
                PredictorOption::EulerMaruyama => Predictor::EulerMaruyama,
                PredictorOption::ReverseDiffusion => Predictor::ReverseDiffusion,
                PredictorOption::Ancestral => Predictor::Ancestral,
                PredictorOption::ProbabilityFlow => Predictor::ProbabilityFlow,
                PredictorOption::None => Predictor::None,
            };
        }
        if let Some(corrector) = self.corrector {
            pc.corrector = match corrector {
                CorrectorOption::Langevin => Corrector::Langevin,
                CorrectorOption::Ald => Corrector::Ald,
                CorrectorOption::Hmc => Corrector::Hmc(self.hmc()),
                CorrectorOption::None => Corrector::None,
            };
        }
        if !matches!(pc.corrector, Corrector::Hmc(_)) && (self.leapfrog.is_some() || self.adjusted) {
            return Err(Failure::Usage("--leapfrog and --adjusted belong to --corrector hmc; name it too".into()));
        }
        if pc.corrector == Corrector::None
            && let Some(option) = self.first_corrector_option()
        {
            return Err(Failure::Usage(format!("{option} has no effect without a corrector; name a --corrector too")));
        }
        pc.snr = self.snr.unwrap_or(pc.snr);
        pc.corrector_steps = self.corrector_steps.unwrap_or(pc.corrector_steps);
        pc.norms = match self.norms {
            Some(NormsOption::Sample) => Norms::Sample,
            Some(NormsOption::Batch) => Norms::Batch,
            None => pc.norms,
        };
        Ok(())
    }

    fn hmc(&self) -> Hmc {
        let leapfrog = self.leapfrog.unwrap_or(Hmc::default().leapfrog);
        Hmc { leapfrog, adjusted: self.adjusted }
    }

    /// The first option given that only predictor–corrector sampling has.
    fn first_pc_option(&self) -> Option<&'static str> {
        let parts = [
            (self.predictor.is_some(), "--predictor"),
            (self.corrector.is_some(), "--corrector"),
            (self.leapfrog.is_some(), "--leapfrog"),
            (self.adjusted, "--adjusted"),
        ];
        parts.into_iter().find_map(|(given, option)| given.then_some(option)).or_else(|| self.first_corrector_option())
    }

    /// The first option given that every corrector has.
    fn first_corrector_option(&self) -> Option<&'static str> {
        let given = [
            (self.snr.is_some(), "--snr"),
            (self.corrector_steps.is_some(), "--corrector-steps"),
            (self.norms.is_some(), "--norms"),
        ];
        given.into_iter().find_map(|(given, option)| given.then_some(option))
    }
}

/// A preset's name as typed: lower case, one hyphen between words.
fn slug(preset: Preset) -> String {
    preset.name().to_lowercase().replace([' ', '–'], "-")
}

fn preset(text: &str) -> Result<Preset, String> {
    let known = || Preset::all().into_iter().map(slug).collect::<Vec<_>>().join(", ");
    Preset::all().into_iter().find(|&preset| slug(preset) == text).ok_or_else(|| format!("choose one of {}", known()))
}

fn whole(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "a whole number is needed".into())
}

pub(super) fn steps(text: &str) -> Result<Steps, String> {
    Steps::new(whole(text)?).map_err(|error| error.to_string())
}

fn count(text: &str) -> Result<Count, String> {
    Count::new(whole(text)?).map_err(|error| error.to_string())
}

fn snr(text: &str) -> Result<Snr, String> {
    let number = text.parse().map_err(|_| "a number is needed, such as 0.16")?;
    Snr::new(number).map_err(|error| error.to_string())
}

fn repeats(text: &str) -> Result<NonZero<u32>, String> {
    text.parse().map_err(|_| "a whole number from 1 is needed".into())
}

fn grid(text: &str) -> Result<Grid, String> {
    match (text, text.strip_prefix("edm:")) {
        ("uniform", _) => Ok(Grid::Uniform),
        ("quadratic", _) => Ok(Grid::Quadratic),
        ("log-snr", _) => Ok(Grid::LogSnr),
        ("edm", _) => Ok(Grid::Edm { rho: Rho::default() }),
        (_, Some(rho)) => {
            let rho = rho.parse().map_err(|_| "ρ is a number, such as edm:7")?;
            Ok(Grid::Edm { rho: Rho::new(rho).map_err(|error| error.to_string())? })
        }
        _ => Err("choose uniform, quadratic, edm[:RHO] or log-snr".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let Solver::Pc(pc) = run.solver else { panic!("{:?}", run.solver) };
        assert_eq!((pc.predictor, pc.corrector), (Predictor::ReverseDiffusion, Corrector::Langevin));
        assert_eq!((pc.snr.get(), run.steps.get(), run.grid), (0.2, 30, Grid::Uniform));
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
            let run = run_of(&format!("--preset {}", slug(preset)), None).expect("a run");
            assert_eq!(Preset::of(&run), Some(preset));
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
        let run = run_of("--corrector hmc --leapfrog 5 --adjusted", None).expect("a run");
        let Solver::Pc(pc) = run.solver else { panic!("{:?}", run.solver) };
        assert_eq!(pc.corrector, Corrector::Hmc(Hmc { leapfrog: NonZero::new(5).expect("not zero"), adjusted: true }));
    }

    #[test]
    fn published_sampling_does_not_clip_unless_asked() {
        let clips = |line: &str| run_of(line, None).expect("a run").clip;
        assert_eq!(
            ["", "--predictor ancestral", "--predictor ancestral --clip true", "--clip false"].map(clips),
            [true, false, true, false]
        );
    }

    #[test]
    fn edm_takes_a_rho() {
        assert_eq!(run_of("--grid edm:3.5", None).expect("a run").grid, Grid::Edm { rho: Rho::new(3.5).expect("a ρ") });
    }
}
