//! The settings of what is asked of the model, as controls edit them.

use crate::app::Draft;
use crate::app::draft::sentence;
use crate::registry::Choice;
use crate::score::{Colourisation, Inpainting, Operator, SuperResolution};
use crate::solver::Method;
use crate::task::{Count, Resampling, Restoration, Steps};
use serde::{Deserialize, Serialize};

/// Most samples that the window offers.
pub const MOST: usize = 16;

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// What else could be where the photo is painted?
    #[default]
    Fill,
    /// Which colours could the photo have?
    Colourise,
    /// What could it have been before a loss?
    Restore,
    /// What is like it?
    Edit,
}

impl Problem {
    /// What the button that begins says.
    pub fn verb(self) -> &'static str {
        match self {
            Problem::Fill => "Fill in",
            Problem::Colourise => "Colourise",
            Problem::Restore => "Restore photo",
            Problem::Edit => "Edit photo",
        }
    }

    /// What its samples are called.
    pub fn noun(self) -> &'static str {
        match self {
            Problem::Fill => "inpainted samples",
            Problem::Colourise => "colourised samples",
            Problem::Restore => "restored samples",
            Problem::Edit => "edited samples",
        }
    }
}

/// All settings but those of the tools. Model, family and device are those of the next run ([`Draft`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FillDraft {
    pub problem: Problem,
    #[serde(with = "crate::registry::whole")]
    pub method: Choice<dyn Method>,
    pub count: usize,
    pub steps: usize,
    pub resample: bool,
    pub jump: usize,
    pub times: usize,
    pub seed: u64,
    pub seed_locked: bool,
    /// What is undone.
    #[serde(with = "crate::registry::whole")]
    pub degradation: Choice<dyn Operator>,
    /// σ_y of the measurement, in units of pictures from 0 to 1.
    pub noise: f64,
    /// Where edits start, t.
    pub strength: f64,
    /// Edits change only what is painted.
    pub only_painted: bool,
    /// The fill that is picked is laid on the photo.
    pub laid: bool,
    /// Pixels are interpolated on the screen.
    pub smooth: bool,
}

impl Default for FillDraft {
    fn default() -> Self {
        let usual = Restoration::default();
        let resampling = usual.resampling.unwrap_or_default();
        FillDraft {
            problem: Problem::Fill,
            method: usual.method,
            count: 4,
            steps: usual.run.steps.get(),
            resample: usual.resampling.is_some(),
            jump: resampling.jump(),
            times: resampling.times(),
            seed: 0,
            seed_locked: false,
            degradation: Choice::new(&SuperResolution),
            noise: 0.0,
            strength: 0.5,
            only_painted: false,
            laid: true,
            smooth: false,
        }
    }
}

impl FillDraft {
    /// Takes another method, and the steps and the resampling that suit it.
    pub fn choose(&mut self, method: &'static dyn Method) {
        self.method.choose(method);
        let usual = Restoration::default_for(self.method.clone());
        self.steps = usual.run.steps.get();
        self.resample = usual.resampling.is_some();
        if let Some(resampling) = usual.resampling {
            (self.jump, self.times) = (resampling.jump(), resampling.times());
        }
    }

    /// What is measured.
    pub fn operator(&self) -> Choice<dyn Operator> {
        match self.problem {
            Problem::Fill | Problem::Edit => Choice::new(&Inpainting),
            Problem::Colourise => Choice::new(&Colourisation),
            Problem::Restore => self.degradation.clone(),
        }
    }

    /// The restoration that these settings make with the model and family of `shared`, or one sentence of why none.
    pub fn restoration(&self, shared: &Draft) -> Result<Restoration, String> {
        let mut restoration = Restoration::default_for(self.method.clone());
        restoration.operator = self.operator();
        restoration.noise = if self.problem == Problem::Restore { self.noise } else { 0.0 };
        restoration.resampling = None;
        if self.resample {
            restoration.resampling = Some(Resampling::new(self.jump, self.times).map_err(sentence)?);
        }
        if self.problem == Problem::Edit {
            restoration.strength = self.strength;
            if !self.only_painted {
                // Nothing is known that could be agreed with.
                restoration.resampling = None;
            }
        }
        let run = &mut restoration.run;
        run.model = shared.model.clone();
        run.family = shared.family().map_err(sentence)?;
        run.steps = Steps::new(self.steps).map_err(sentence)?;
        run.count = Count::new(self.count).map_err(sentence)?;
        run.seed = self.seed;
        restoration.check().map_err(sentence)?;
        Ok(restoration)
    }

    /// Brings values that no control can show back into reach.
    pub fn sanitize(&mut self) {
        let fresh = FillDraft::default();
        let within = |value: f64, range: std::ops::RangeInclusive<f64>, fresh: f64| {
            if value.is_finite() { value.clamp(*range.start(), *range.end()) } else { fresh }
        };
        self.count = self.count.clamp(1, MOST);
        self.steps = self.steps.clamp(1, 2000);
        self.jump = self.jump.clamp(1, 100);
        self.times = self.times.clamp(1, Resampling::MAX_TIMES);
        self.noise = within(self.noise, 0.0..=1.0, fresh.noise);
        self.strength = within(self.strength, 0.02..=1.0, fresh.strength);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Category;

    #[test]
    fn every_question_makes_a_restoration() {
        for problem in [Problem::Fill, Problem::Colourise, Problem::Restore, Problem::Edit] {
            for degradation in <dyn Operator>::all().iter().filter(|operator| operator.is_degradation()) {
                let degradation = Choice::new(*degradation);
                let draft = FillDraft { problem, degradation, resample: true, ..FillDraft::default() };
                let made = draft.restoration(&Draft::default()).unwrap();
                assert_eq!((made.strength < 1.0, made.run.count.get()), (problem == Problem::Edit, 4));
            }
        }
    }

    #[test]
    fn impossible_saved_values_are_mended() {
        let mut draft = FillDraft {
            problem: Problem::Restore,
            count: 0,
            steps: 0,
            noise: f64::NAN,
            strength: 0.0,
            ..FillDraft::default()
        };
        draft.sanitize();
        assert!(draft.restoration(&Draft::default()).is_ok());
    }
}
