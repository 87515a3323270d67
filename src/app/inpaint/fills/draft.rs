//! The settings of what is asked of the model, as controls edit them.

use crate::app::Draft;
use crate::app::draft::sentence;
use crate::score::{Factor, Kernel, Motion, Operator, Sensing, Spread};
use crate::task::{Count, Method, Resampling, Restoration, Steps};
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
            Problem::Fill => "Fill it in",
            Problem::Colourise => "Colourise",
            Problem::Restore => "Restore photo",
            Problem::Edit => "Edit photo",
        }
    }

    /// What its samples are called.
    pub fn noun(self) -> &'static str {
        match self {
            Problem::Fill => "fills",
            Problem::Colourise => "colourings",
            Problem::Restore => "restorations",
            Problem::Edit => "edits",
        }
    }
}

/// How a photo was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    #[default]
    Size,
    Blur,
    Motion,
    Sensing,
    Noise,
}

impl Loss {
    pub const ALL: [Loss; 5] = [Loss::Size, Loss::Blur, Loss::Motion, Loss::Sensing, Loss::Noise];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Size => "Super-resolution",
            Loss::Blur => "Gaussian blur",
            Loss::Motion => "Motion blur",
            Loss::Sensing => "Compressed sensing",
            Loss::Noise => "Noise",
        }
    }
}

/// All settings but those of the tools. Model, family and device are those of the workspace "Trajectory".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FillDraft {
    pub problem: Problem,
    pub method: Method,
    pub count: usize,
    pub steps: usize,
    pub resample: bool,
    pub jump: usize,
    pub times: usize,
    pub seed: u64,
    pub seed_locked: bool,
    pub loss: Loss,
    pub factor: usize,
    /// Of the Gaussian blur, in pixels of the model.
    pub spread: f64,
    pub length: f64,
    pub angle: f64,
    pub share: f64,
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
            loss: Loss::Size,
            factor: 4,
            spread: 2.0,
            length: 9.0,
            angle: 30.0,
            share: 0.25,
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
    pub fn choose(&mut self, method: Method) {
        let usual = Restoration::default_for(method);
        self.method = method;
        self.steps = usual.run.steps.get();
        self.resample = usual.resampling.is_some();
        if let Some(resampling) = usual.resampling {
            (self.jump, self.times) = (resampling.jump(), resampling.times());
        }
    }

    /// What is measured, or one sentence of why that is not possible.
    pub fn operator(&self) -> Result<Operator, String> {
        Ok(match (self.problem, self.loss) {
            (Problem::Fill | Problem::Edit, _) => Operator::Inpainting,
            (Problem::Colourise, _) => Operator::Colourisation,
            (Problem::Restore, Loss::Size) => Operator::SuperResolution(Factor::new(self.factor).map_err(sentence)?),
            (Problem::Restore, Loss::Blur) => {
                Operator::Blur(Kernel::Gaussian(Spread::new(self.spread).map_err(sentence)?))
            }
            (Problem::Restore, Loss::Motion) => {
                Operator::Blur(Kernel::Motion(Motion::new(self.length, self.angle).map_err(sentence)?))
            }
            (Problem::Restore, Loss::Sensing) => {
                Operator::CompressedSensing(Sensing::new(self.share, 0).map_err(sentence)?)
            }
            (Problem::Restore, Loss::Noise) => Operator::Denoising,
        })
    }

    /// The restoration that these settings make with the model and family of `shared`, or one sentence of why none.
    pub fn restoration(&self, shared: &Draft) -> Result<Restoration, String> {
        let mut restoration = Restoration::default_for(self.method);
        restoration.operator = self.operator()?;
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
    pub fn mend(&mut self) {
        let fresh = FillDraft::default();
        let within = |value: f64, range: std::ops::RangeInclusive<f64>, fresh: f64| {
            if value.is_finite() { value.clamp(*range.start(), *range.end()) } else { fresh }
        };
        self.count = self.count.clamp(1, MOST);
        self.steps = self.steps.clamp(1, 2000);
        self.jump = self.jump.clamp(1, 100);
        self.times = self.times.clamp(1, Resampling::MAX_TIMES);
        if Factor::new(self.factor).is_err() {
            self.factor = fresh.factor;
        }
        self.spread = within(self.spread, 0.3..=8.0, fresh.spread);
        self.length = within(self.length, 1.0..=31.0, fresh.length);
        self.angle = within(self.angle, -180.0..=180.0, fresh.angle);
        self.share = within(self.share, 0.01..=1.0, fresh.share);
        self.noise = within(self.noise, 0.0..=1.0, fresh.noise);
        self.strength = within(self.strength, 0.02..=1.0, fresh.strength);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_makes_a_restoration() {
        for problem in [Problem::Fill, Problem::Colourise, Problem::Restore, Problem::Edit] {
            for loss in Loss::ALL {
                let draft = FillDraft { problem, loss, resample: true, ..FillDraft::default() };
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
            factor: 3,
            noise: f64::NAN,
            strength: 0.0,
            ..FillDraft::default()
        };
        draft.mend();
        assert!(draft.restoration(&Draft::default()).is_ok());
    }
}
