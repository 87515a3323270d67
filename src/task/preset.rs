//! Runs by preset.

use super::{ModelRef, Run, Steps};
use crate::registry::Choice;
use crate::solver::{BATCH, Grid, Group, LogSnr, NORMS, PredictorCorrector, Preset, SAMPLE, Solver};

/// The preset of a first start: the fast one of 20 steps.
pub(super) fn first_start() -> Preset {
    let fast = Preset::all().into_iter().find(|preset| preset.group == Group::Fast && preset.steps == 20);
    let (solver, grid): (Choice<dyn Solver>, Choice<dyn Grid>) =
        (Choice::new(&PredictorCorrector), Choice::new(&LogSnr));
    let plain = || Preset {
        name: String::new(),
        summary: String::new(),
        group: Group::Fast,
        solver,
        grid,
        steps: 20,
        clip: true,
    };
    fast.unwrap_or_else(plain)
}

impl Run {
    /// Sets solver, grid, steps, last-step denoising and clipping to those of a preset.
    pub fn apply(&mut self, preset: &Preset) {
        // In the few dimensions of a mixture, a sample's own norms would widen the distribution.
        let norms = if matches!(self.model, ModelRef::Mixture(_)) { &BATCH } else { &SAMPLE };
        self.solver = preset.solver.clone().with(&NORMS, norms.slug);
        self.grid = preset.grid.clone();
        self.denoise = true;
        self.clip = preset.clip;
        self.steps = Steps::new(preset.steps).unwrap_or(self.steps);
    }

    /// The preset that this run follows, if any.
    pub fn preset(&self) -> Option<Preset> {
        Preset::all().into_iter().find(|preset| {
            let mut same = self.clone();
            same.apply(preset);
            same == *self
        })
    }
}
