//! Runs by preset.

use super::{ModelRef, Run, Steps};
use crate::solver::{BATCH, NORMS, Preset, SAMPLE};

impl Run {
    /// Sets solver, grid, steps, last-step denoising and clipping to those of a preset.
    pub fn apply(&mut self, preset: &Preset) {
        self.solver = preset.solver.clone();
        self.set_norms();
        self.grid = preset.grid.clone();
        self.denoise = true;
        self.clip = preset.clip;
        self.steps = Steps::new(preset.steps).unwrap_or(self.steps);
    }

    /// Sets over what a corrector's norms are taken to what suits the model: in the few dimensions of a mixture, a sample's
    /// own norms would widen the distribution.
    pub fn set_norms(&mut self) {
        let norms = if matches!(self.model, ModelRef::Mixture(_)) { &BATCH } else { &SAMPLE };
        self.solver.settings_mut().set_nearest(&NORMS, norms.slug);
    }

    /// The preset that this run follows, if any.
    pub fn preset(&self) -> Option<&'static Preset> {
        Preset::all().iter().find(|preset| {
            let mut same = self.clone();
            same.apply(preset);
            same == *self
        })
    }
}
