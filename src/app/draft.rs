//! The settings that the panel edits: every value can be reached by hand, also such as make no run yet.

use crate::engine::DeviceChoice;
use crate::sde::{Family, FamilyKind, ParameterError, SubVp, Ve, Vp};
use crate::solver::{Corrector, Grid, Hmc, Norms, Predictor, PredictorCorrector, Rho, Snr, Solver};
use crate::task::{Count, Flow, ModelRef, Origin, Run, Steps};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Most samples that the window offers.
pub const MOST_SAMPLES: usize = 64;

/// Which solver is chosen; its parameters are kept beside it, so that none is lost by looking at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    Pc,
    Ddim,
    Heun,
    DpmPlusPlus,
}

impl Method {
    pub const ALL: [Method; 4] = [Method::DpmPlusPlus, Method::Ddim, Method::Heun, Method::Pc];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            Method::Pc => "PC",
            Method::Ddim => "DDIM",
            Method::Heun => "Heun",
            Method::DpmPlusPlus => "DPM++",
        }
    }
}

/// Which corrector is chosen; HMC's own parameters are kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CorrectorKind {
    None,
    Langevin,
    Ald,
    Hmc,
}

impl CorrectorKind {
    pub const ALL: [CorrectorKind; 4] =
        [CorrectorKind::None, CorrectorKind::Langevin, CorrectorKind::Ald, CorrectorKind::Hmc];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            CorrectorKind::None => "None",
            CorrectorKind::Langevin => "Langevin",
            CorrectorKind::Ald => "Annealed Langevin",
            CorrectorKind::Hmc => "HMC",
        }
    }
}

/// Which time grid is chosen; ρ is kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GridKind {
    Uniform,
    Quadratic,
    Edm,
    LogSnr,
}

impl GridKind {
    pub const ALL: [GridKind; 4] = [GridKind::Uniform, GridKind::Quadratic, GridKind::Edm, GridKind::LogSnr];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            GridKind::Uniform => "Uniform",
            GridKind::Quadratic => "Quadratic",
            GridKind::Edm => "EDM ρ",
            GridKind::LogSnr => "log-SNR",
        }
    }
}

/// All settings of the next run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    pub model: ModelRef,
    pub family: FamilyKind,
    /// σ_min and σ_max.
    pub ve: [f64; 2],
    /// β_min and β_max.
    pub vp: [f64; 2],
    /// β_min and β_max.
    pub sub_vp: [f64; 2],
    pub method: Method,
    pub predictor: Predictor,
    pub corrector: CorrectorKind,
    pub snr: f64,
    pub corrector_steps: u32,
    pub leapfrog: u32,
    pub adjusted: bool,
    pub norms: Norms,
    pub grid: GridKind,
    pub rho: f64,
    pub steps: usize,
    pub denoise: bool,
    /// Keep every estimate of x(0) inside the data's range.
    pub clip: bool,
    pub seed: u64,
    /// Keep the seed from one run to the next.
    pub seed_locked: bool,
    pub count: usize,
    pub device: DeviceChoice,
}

impl Default for Draft {
    fn default() -> Self {
        let (ve, vp) = (Ve::default(), Vp::default());
        let betas = [vp.beta_min(), vp.beta_max()];
        let mut draft = Draft {
            model: Run::default().model,
            family: FamilyKind::Vp,
            ve: [ve.sigma_min(), ve.sigma_max()],
            vp: betas,
            sub_vp: betas,
            method: Method::DpmPlusPlus,
            predictor: Predictor::ReverseDiffusion,
            corrector: CorrectorKind::Langevin,
            snr: Snr::default().get(),
            corrector_steps: 1,
            leapfrog: Hmc::default().leapfrog.get(),
            adjusted: Hmc::default().adjusted,
            norms: Norms::Sample,
            grid: GridKind::LogSnr,
            rho: Rho::default().get(),
            steps: 20,
            denoise: true,
            clip: true,
            seed: 0,
            seed_locked: true,
            count: 16,
            device: DeviceChoice::Auto,
        };
        draft.take(&Run::default());
        draft
    }
}

impl Draft {
    /// The run that these settings make, or one sentence of why they make none.
    pub fn run(&self) -> Result<Run, String> {
        let run = Run {
            model: self.model.clone(),
            family: self.family().map_err(sentence)?,
            solver: self.solver()?,
            grid: self.grid()?,
            steps: Steps::new(self.steps).map_err(sentence)?,
            // Deterministic solvers have no last noise to leave out.
            denoise: self.denoise || self.method != Method::Pc,
            clip: self.clip,
            seed: self.seed,
            count: Count::new(self.count).map_err(sentence)?,
            origin: Origin::Prior,
        };
        run.check().map_err(sentence)?;
        Ok(run)
    }

    /// The parameters of the family that is chosen, to be edited.
    pub fn parameters(&mut self) -> &mut [f64; 2] {
        match self.family {
            FamilyKind::Ve => &mut self.ve,
            FamilyKind::Vp => &mut self.vp,
            FamilyKind::SubVp => &mut self.sub_vp,
        }
    }

    /// The family with its parameters.
    ///
    /// # Errors
    /// If the parameters make no SDE.
    pub fn family(&self) -> Result<Family, ParameterError> {
        Ok(match self.family {
            FamilyKind::Ve => Family::Ve(Ve::new(self.ve[0], self.ve[1])?),
            FamilyKind::Vp => Family::Vp(Vp::new(self.vp[0], self.vp[1])?),
            FamilyKind::SubVp => Family::SubVp(SubVp::new(self.sub_vp[0], self.sub_vp[1])?),
        })
    }

    fn solver(&self) -> Result<Solver, String> {
        Ok(match self.method {
            Method::Ddim => Solver::Ddim,
            Method::Heun => Solver::Heun,
            Method::DpmPlusPlus => Solver::DpmPlusPlus,
            Method::Pc => Solver::Pc(PredictorCorrector {
                predictor: self.predictor,
                corrector: self.corrector(),
                snr: Snr::new(self.snr).map_err(sentence)?,
                corrector_steps: positive(self.corrector_steps),
                norms: self.norms,
            }),
        })
    }

    fn corrector(&self) -> Corrector {
        match self.corrector {
            CorrectorKind::None => Corrector::None,
            CorrectorKind::Langevin => Corrector::Langevin,
            CorrectorKind::Ald => Corrector::Ald,
            CorrectorKind::Hmc => Corrector::Hmc(Hmc { leapfrog: positive(self.leapfrog), adjusted: self.adjusted }),
        }
    }

    fn grid(&self) -> Result<Grid, String> {
        match self.grid {
            GridKind::Uniform => Ok(Grid::Uniform),
            GridKind::Quadratic => Ok(Grid::Quadratic),
            GridKind::Edm => Ok(Grid::Edm { rho: Rho::new(self.rho).map_err(sentence)? }),
            GridKind::LogSnr => Ok(Grid::LogSnr),
        }
    }

    /// Takes over all that `run` says; what it does not say stays.
    pub fn take(&mut self, run: &Run) {
        self.model = run.model.clone();
        self.take_family(&run.family);
        self.take_solver(&run.solver);
        match run.grid {
            Grid::Uniform => self.grid = GridKind::Uniform,
            Grid::Quadratic => self.grid = GridKind::Quadratic,
            Grid::LogSnr => self.grid = GridKind::LogSnr,
            Grid::Edm { rho } => (self.grid, self.rho) = (GridKind::Edm, rho.get()),
        }
        self.steps = run.steps.get();
        self.denoise = run.denoise;
        self.clip = run.clip;
        self.seed = run.seed;
        self.count = run.count.get().min(MOST_SAMPLES);
    }

    /// Takes over the model and the family of a journey.
    pub fn take_journey(&mut self, flow: &Flow) {
        self.model = flow.model.clone();
        self.take_family(&flow.family);
    }

    fn take_family(&mut self, family: &Family) {
        self.family = family.kind();
        *self.parameters() = match family {
            Family::Ve(ve) => [ve.sigma_min(), ve.sigma_max()],
            Family::Vp(vp) => [vp.beta_min(), vp.beta_max()],
            Family::SubVp(sub) => [sub.beta_min(), sub.beta_max()],
        };
    }

    fn take_solver(&mut self, solver: &Solver) {
        self.method = match solver {
            Solver::Pc(_) => Method::Pc,
            Solver::Ddim => Method::Ddim,
            Solver::Heun => Method::Heun,
            Solver::DpmPlusPlus => Method::DpmPlusPlus,
        };
        let Solver::Pc(pc) = solver else { return };
        self.predictor = pc.predictor;
        self.snr = pc.snr.get();
        self.corrector_steps = pc.corrector_steps.get();
        self.norms = pc.norms;
        self.corrector = match pc.corrector {
            Corrector::None => CorrectorKind::None,
            Corrector::Langevin => CorrectorKind::Langevin,
            Corrector::Ald => CorrectorKind::Ald,
            Corrector::Hmc(hmc) => {
                (self.leapfrog, self.adjusted) = (hmc.leapfrog.get(), hmc.adjusted);
                CorrectorKind::Hmc
            }
        };
    }

    /// Brings values that no control can show (a settings file edited by hand) back into reach.
    pub fn mend(&mut self) {
        self.count = self.count.clamp(1, MOST_SAMPLES);
        self.steps = self.steps.clamp(1, Steps::MAX);
        self.corrector_steps = self.corrector_steps.clamp(1, 100);
        self.leapfrog = self.leapfrog.clamp(1, 100);
        if Snr::new(self.snr).is_err() {
            self.snr = Snr::default().get();
        }
        if Rho::new(self.rho).is_err() {
            self.rho = Rho::default().get();
        }
    }
}

/// A count that is at least one.
fn positive(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
}

/// An error as a sentence that stands alone.
pub(super) fn sentence(error: impl std::error::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    // A symbol is not a word: σ_min stays σ_min.
    if text.starts_with(['σ', 'β', 'ρ']) { format!("{text}.") } else { format!("{first}{}.", letters.as_str()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Preset;

    #[test]
    fn a_fresh_draft_makes_the_default_run() {
        assert_eq!(Draft::default().run(), Ok(Run::default()));
    }

    #[test]
    fn every_preset_in_every_family_is_taken_over_whole() {
        for preset in Preset::all() {
            for kind in FamilyKind::ALL {
                let mut run = Run { family: kind.published(), seed: 9, ..Run::default() };
                preset.apply(&mut run);
                let mut draft = Draft::default();
                draft.take(&run);
                assert_eq!(draft.run(), Ok(run), "{} in {kind}", preset.name());
            }
        }
    }

    #[test]
    fn crossed_parameters_make_no_run_and_say_why() {
        let draft = Draft { family: FamilyKind::Ve, ve: [60.0, 50.0], ..Draft::default() };
        let why = draft.run().unwrap_err();
        assert_eq!(why, "σ_min is 60 and σ_max is 50; choose 0 < σ_min < σ_max.");
    }

    #[test]
    fn parameters_of_the_families_not_chosen_are_kept() {
        let mut draft = Draft { ve: [0.02, 90.0], ..Draft::default() };
        draft.take(&Run { family: FamilyKind::SubVp.published(), ..Run::default() });
        assert_eq!((draft.ve, draft.family), ([0.02, 90.0], FamilyKind::SubVp));
    }

    #[test]
    fn doing_nothing_is_no_run() {
        let draft = Draft {
            method: Method::Pc,
            predictor: Predictor::None,
            corrector: CorrectorKind::None,
            ..Draft::default()
        };
        assert!(draft.run().unwrap_err().contains("does nothing"));
    }

    #[test]
    fn impossible_saved_values_are_mended() {
        let mut draft = Draft { count: 0, steps: 0, snr: f64::NAN, rho: -1.0, leapfrog: 0, ..Draft::default() };
        draft.mend();
        assert!(draft.run().is_ok());
    }
}
