//! Runs by preset.

use super::{ModelRef, Run, Steps};
use crate::solver::{BATCH, NORMS, Preset, SAMPLE};

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
    pub fn preset(&self) -> Option<&'static Preset> {
        Preset::all().iter().find(|preset| {
            let mut same = self.clone();
            same.apply(preset);
            same == *self
        })
    }
}
