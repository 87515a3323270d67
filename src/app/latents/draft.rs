//! The settings of the workspace, as controls edit them.

use crate::app::Draft;
use crate::app::draft::sentence;
use crate::registry::Choice;
use crate::solver::{DpmSolverPlusPlus, Heun, Solver};
use crate::task::{Estimate, Flow, Steps};
use serde::{Deserialize, Serialize};

/// Evaluations that answer a moving slider: few enough to follow the slider.
pub const QUICK_STEPS: usize = 8;
/// Most pictures that the window offers for a likelihood's histogram.
pub const MOST_OF_SET: usize = 512;

/// What the middle of the room shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mix {
    /// A place on the way from A to B.
    Between,
    /// The weighted sum of all latents on the board.
    Weights,
}

/// All settings but the slots. Model, family and device are those of the next run ([`Draft`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LatentsDraft {
    #[serde(with = "crate::registry::whole")]
    pub solver: Choice<dyn Solver>,
    /// Steps of solvers that have a grid.
    pub steps: usize,
    /// Time of the latent.
    pub until: f64,
    /// Latents are scaled by this before they are decoded.
    pub temperature: f64,
    pub spherical: bool,
    /// Frames of the strip, ends included.
    pub frames: usize,
    pub mix: Mix,
    /// Weighted sums are brought to their parts' norm.
    pub keep_norm: bool,
    /// Probes of the divergence.
    pub probes: usize,
    pub rademacher: bool,
    pub dequantise: bool,
    /// Pictures of the set that likelihoods are compared with.
    pub set_size: usize,
    /// Pixels are interpolated on the screen.
    pub smooth: bool,
}

impl Default for LatentsDraft {
    fn default() -> Self {
        LatentsDraft {
            // 36 evaluations there, 36 back: pictures in seconds, and at 50 dB the same picture.
            solver: Choice::new(&Heun),
            steps: 18,
            until: 1.0,
            temperature: 1.0,
            spherical: true,
            frames: 9,
            mix: Mix::Between,
            keep_norm: true,
            probes: 1,
            rademacher: true,
            dequantise: true,
            set_size: 16,
            smooth: false,
        }
    }
}

impl LatentsDraft {
    /// The flow that these settings make with the model and family of `shared`, or one sentence of why none.
    pub fn flow(&self, shared: &Draft) -> Result<Flow, String> {
        let family = shared.family().map_err(sentence)?;
        let steps = Steps::new(self.steps).map_err(sentence)?;
        let flow = Flow { until: self.until, ..Flow::new(shared.model.clone(), family) }.by(self.solver.clone(), steps);
        flow.check().map_err(sentence)?;
        Ok(flow)
    }

    /// Takes over how a flow was made.
    pub fn take(&mut self, flow: &Flow) {
        self.until = flow.until;
        self.solver.take(&flow.solver);
        self.steps = flow.steps.map_or(self.steps, Steps::get);
    }

    /// How log p is estimated.
    pub fn estimate(&self) -> Estimate {
        let LatentsDraft { probes, rademacher, dequantise, .. } = *self;
        Estimate { probes, rademacher, dequantise, ..Estimate::default() }
    }

    /// Brings values that no control can show back into reach.
    pub fn sanitize(&mut self) {
        self.steps = self.steps.clamp(1, 1000);
        self.frames = if self.frames > 12 { 17 } else { 9 };
        self.probes = self.probes.clamp(1, Estimate::MAX_PROBES);
        self.set_size = self.set_size.clamp(1, MOST_OF_SET);
        let finite = |value: f64, range: std::ops::RangeInclusive<f64>| {
            if value.is_finite() { value.clamp(*range.start(), *range.end()) } else { 1.0 }
        };
        self.until = finite(self.until, 0.05..=1.0);
        self.temperature = finite(self.temperature, 0.0..=2.0);
    }
}

/// The same flow by few steps, for a slider that moves.
pub fn quick(flow: &Flow) -> Flow {
    match Steps::new(QUICK_STEPS) {
        Ok(steps) => flow.clone().by(Choice::new(&DpmSolverPlusPlus), steps),
        Err(_) => flow.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Category;
    use crate::solver::{ATOL, Adaptive, RTOL};

    #[test]
    fn fresh_settings_go_the_whole_way_in_few_evaluations() {
        let flow = LatentsDraft::default().flow(&Draft::default()).unwrap();
        assert_eq!(flow, Flow::default().by(Choice::new(&Heun), Steps::new(18).unwrap()));
    }

    #[test]
    fn the_adaptive_solver_is_the_published_one_unless_changed() {
        let draft = LatentsDraft { solver: Choice::new(&Adaptive), ..LatentsDraft::default() };
        assert_eq!(draft.flow(&Draft::default()), Ok(Flow::default()));
    }

    #[test]
    fn the_settings_of_saved_latents_make_their_journey_again() {
        let shared = Draft::default();
        for solver in <dyn Solver>::all().iter().filter(|solver| solver.is_invertible()) {
            let solver = Choice::new(*solver).with(&RTOL, 1e-4).with(&ATOL, 1e-3);
            let made = LatentsDraft { solver, steps: 7, until: 0.5, ..Default::default() }.flow(&shared);
            let mut draft = LatentsDraft::default();
            draft.take(made.as_ref().unwrap());
            assert_eq!(draft.flow(&shared), made);
        }
    }

    #[test]
    fn impossible_saved_values_are_mended() {
        let mut draft = LatentsDraft { steps: 0, until: f64::NAN, temperature: 9.0, frames: 0, ..Default::default() };
        draft.sanitize();
        assert!(draft.flow(&Draft::default()).is_ok());
        assert_eq!((draft.temperature, draft.frames, draft.until), (2.0, 9, 1.0));
    }
}
