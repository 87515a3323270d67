//! The settings that the panel edits: every value can be reached by hand, also such as make no run yet.

use super::solver_panel::has_last_noise;
use crate::engine::DeviceChoice;
use crate::registry::{Choice, Settings};
use crate::sde::{Family, FamilyError, FamilyKind};
use crate::solver::{Grid, Solver};
use crate::task::{Count, Flow, Guidance, ModelRef, Origin, Run, Steps};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most samples that the window offers.
pub const MOST_SAMPLES: usize = 64;

/// Values of each family's parameters, also such as make no SDE yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<FamilyKind, Map<String, Value>>")]
pub struct Families(BTreeMap<FamilyKind, Settings>);

impl Families {
    /// Those of one family.
    pub fn of(&self, kind: FamilyKind) -> Settings {
        self.0.get(&kind).cloned().unwrap_or_else(|| kind.published().sde().settings())
    }

    /// Changes those of one family.
    pub fn set(&mut self, kind: FamilyKind, settings: Settings) {
        self.0.insert(kind, settings);
    }
}

impl From<Vec<Family>> for Families {
    fn from(families: Vec<Family>) -> Self {
        Families(families.iter().map(|family| (family.kind(), family.sde().settings())).collect())
    }
}

impl From<BTreeMap<FamilyKind, Map<String, Value>>> for Families {
    fn from(maps: BTreeMap<FamilyKind, Map<String, Value>>) -> Self {
        let read = |(kind, map): (FamilyKind, _)| (kind, Settings::read(kind.about().parameters, &map));
        Families(maps.into_iter().map(read).collect())
    }
}

/// All settings of the next run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    pub model: ModelRef,
    pub family: FamilyKind,
    pub families: Families,
    #[serde(with = "crate::registry::whole")]
    pub solver: Choice<dyn Solver>,
    #[serde(with = "crate::registry::whole")]
    pub grid: Choice<dyn Grid>,
    pub steps: usize,
    pub denoise: bool,
    /// Keep every estimate of x(0) inside the data's range.
    pub clip: bool,
    /// What leads samples to a class, if anything does.
    pub guidance: Option<Guidance>,
    pub seed: u64,
    /// Keep the seed from one run to the next.
    pub seed_locked: bool,
    pub count: usize,
    pub device: DeviceChoice,
}

impl Default for Draft {
    fn default() -> Self {
        let run = Run::default();
        Draft {
            family: run.family.kind(),
            families: vec![run.family].into(),
            model: run.model,
            solver: run.solver,
            grid: run.grid,
            steps: run.steps.get(),
            denoise: run.denoise,
            clip: run.clip,
            guidance: run.guidance,
            seed: run.seed,
            seed_locked: true,
            count: run.count.get(),
            device: DeviceChoice::Auto,
        }
    }
}

impl Draft {
    /// The run that these settings make, or one sentence of why they make none.
    pub fn run(&self) -> Result<Run, String> {
        let run = Run {
            model: self.model.clone(),
            family: self.family().map_err(sentence)?,
            solver: self.solver.clone(),
            grid: self.grid.clone(),
            steps: Steps::new(self.steps).map_err(sentence)?,
            denoise: self.denoise || !self.has_last_noise(),
            clip: self.clip,
            guidance: self.guidance.clone(),
            seed: self.seed,
            count: Count::new(self.count).map_err(sentence)?,
            origin: Origin::Prior,
        };
        run.check().map_err(sentence)?;
        Ok(run)
    }

    /// Whether the solver has noise that the last step may leave out.
    pub fn has_last_noise(&self) -> bool {
        has_last_noise(&self.solver)
    }

    /// The family with its parameters.
    ///
    /// # Errors
    /// If the parameters make no SDE.
    pub fn family(&self) -> Result<Family, FamilyError> {
        self.family.with(&self.families.of(self.family))
    }

    /// Takes over all that `run` says; what it does not say stays.
    pub fn take(&mut self, run: &Run) {
        self.model = run.model.clone();
        self.take_family(&run.family);
        self.solver.take(&run.solver);
        self.grid.take(&run.grid);
        self.steps = run.steps.get();
        self.denoise = run.denoise;
        self.clip = run.clip;
        self.guidance.clone_from(&run.guidance);
        self.seed = run.seed;
        self.count = run.count.get().min(MOST_SAMPLES);
    }

    /// Takes over the model and the family of a flow.
    pub fn take_flow(&mut self, flow: &Flow) {
        self.model = flow.model.clone();
        self.take_family(&flow.family);
    }

    /// Takes over a family with its parameters.
    pub fn take_family(&mut self, family: &Family) {
        self.family = family.kind();
        self.families.set(family.kind(), family.sde().settings());
    }

    /// Brings values that no control can show (a settings file edited by hand) back into reach.
    pub fn sanitize(&mut self) {
        self.count = self.count.clamp(1, MOST_SAMPLES);
        self.steps = self.steps.clamp(1, Steps::MAX);
    }
}

/// A seed that nobody chose: short enough to be read out.
pub fn new_seed() -> u64 {
    fastrand::u64(..1 << 20)
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
    use crate::registry::{Category, active};
    use crate::sde::Ve;
    use crate::solver::{CORRECTOR, PREDICTOR, PredictorCorrector, Preset};

    #[test]
    fn a_fresh_draft_makes_the_default_run() {
        assert_eq!(Draft::default().run(), Ok(Run::default()));
    }

    #[test]
    fn every_preset_in_every_family_is_taken_over_whole() {
        for preset in Preset::all() {
            for &kind in FamilyKind::ALL {
                let mut run = Run { family: kind.published(), seed: 9, ..Run::default() };
                run.apply(preset);
                let mut draft = Draft::default();
                draft.take(&run);
                assert_eq!(draft.run(), Ok(run), "{} in {kind}", preset.name);
            }
        }
    }

    #[test]
    fn crossed_parameters_make_no_run_and_say_why() {
        let mut draft = Draft { family: FamilyKind::Ve, ..Draft::default() };
        let mut settings = draft.families.of(FamilyKind::Ve);
        settings.set(FamilyKind::Ve.about().parameters[0], 60.0).unwrap();
        draft.families.set(FamilyKind::Ve, settings);
        let why = draft.run().unwrap_err();
        assert_eq!(why, "σ_min is 60 and σ_max is 50; choose 0 < σ_min < σ_max.");
    }

    #[test]
    fn parameters_of_the_families_not_chosen_are_kept() {
        let mut draft = Draft::default();
        let ve = Family::Ve(Ve::new(0.02, 90.0).unwrap());
        draft.take(&Run { family: ve, ..Run::default() });
        draft.take(&Run { family: FamilyKind::SubVp.published(), ..Run::default() });
        assert_eq!((draft.families.of(FamilyKind::Ve), draft.family), (ve.sde().settings(), FamilyKind::SubVp));
    }

    #[test]
    fn values_of_solvers_not_chosen_are_kept_through_a_restart() {
        for solver in <dyn Solver>::all() {
            let mut draft = Draft::default();
            draft.solver.choose(*solver);
            for parameter in active(solver.about().parameters, draft.solver.settings()) {
                // Another value than the usual one, where there is one near.
                if let crate::registry::Value::Number(usual) = parameter.default() {
                    draft.solver.settings_mut().set_nearest(parameter, usual * 1.5);
                }
            }
            let chosen = draft.solver.clone();
            draft.solver.choose(&PredictorCorrector);
            let mut again: Draft = serde_json::from_str(&serde_json::to_string(&draft).unwrap()).unwrap();
            again.solver.choose(*solver);
            assert_eq!(again.solver, chosen);
        }
    }

    #[test]
    fn doing_nothing_is_no_run() {
        let idle: Choice<dyn Solver> = Choice::new(&PredictorCorrector);
        let idle = idle.with(&PREDICTOR, "none").with(&CORRECTOR, "none");
        let draft = Draft { solver: idle, ..Draft::default() };
        assert!(draft.run().unwrap_err().contains("does nothing"));
    }

    #[test]
    fn impossible_saved_values_are_mended() {
        let mut draft = Draft { count: 0, steps: 0, ..Draft::default() };
        draft.sanitize();
        assert!(draft.run().is_ok());
        let mut saved = serde_json::to_value(Draft::default()).unwrap();
        saved["solver"]["snr"] = (-1.0).into();
        saved["grid"]["rho"] = "steep".into();
        let draft: Draft = serde_json::from_value(saved).unwrap();
        assert_eq!(draft.run(), Ok(Run::default()));
    }
}
