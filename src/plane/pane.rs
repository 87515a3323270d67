//! A solver beside others: how a cloud of particles is led from noise to data.

use super::posterior::Known;
use crate::registry::{Choice, ChoiceError, number};
use crate::score::ScoreModel;
use crate::sde::{Family, Sde};
use crate::solver::{BATCH, Grid, Heun, Method, NORMS, Solver};
use crate::task::{ModelRef, Plan, Resampling, Restoration, RestorationError, Run, RunError, Steps};
use serde::{Deserialize, Serialize};

/// How one cloud is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pane {
    /// The solver with its parameters, as `ddim:0.5`.
    #[serde(with = "crate::registry::text")]
    pub solver: Choice<dyn Solver>,
    /// The time grid.
    #[serde(with = "crate::registry::text")]
    pub grid: Choice<dyn Grid>,
    /// Steps of it.
    pub steps: Steps,
    /// Leave the last update's noise out, as published; of correctors alone, denoise the last state.
    #[serde(default = "yes")]
    pub denoise: bool,
    /// Time at which it starts, from the prior of that time: T.
    #[serde(default = "one")]
    pub from: f64,
    /// Time of the last evaluation, ε; without it that of the grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    /// Follow the learned network in place of the exact score.
    #[serde(default)]
    pub learned: bool,
    /// How what is known is imposed; without it the prior is sampled.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::scene::maybe")]
    pub method: Option<Choice<dyn Method>>,
    /// RePaint's resampling, of a method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resampling: Option<Resampling>,
    /// What leads it to a class, or to what is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<Guide>,
}

/// Guidance to a class of the data or to the data given what is known, by the exact scores with and without that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guide {
    /// Without a class, it leads to what is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<usize>,
    /// 0 is without guidance, 1 the class or posterior itself, more leads beyond it.
    pub weight: f64,
}

impl Guide {
    /// Largest weight.
    pub const MOST: f64 = 100.0;
}

/// A pane that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PaneError {
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Restoration(#[from] RestorationError),
    #[error("a start at t = {0} is out of range; choose a number above 0, up to 1")]
    From(f64),
    #[error("a last evaluation at t = {to} is out of range; choose a number above 0, below the start at {from}")]
    To { from: f64, to: f64 },
    #[error("a guidance weight of {0} is out of range; choose 0 to {most}", most = Guide::MOST)]
    Weight(f64),
    #[error("the data have no class {class}; choose {known}")]
    Class { class: usize, known: String },
    #[error("a method, or guidance without a class, needs something that is known; give the scene a measurement")]
    NothingKnown,
    #[error("{0} is for a line or a point, not for a half-plane; choose the method exact, without resampling")]
    HalfPlane(&'static str),
    #[error("guidance and a method for what is known do not go together; choose one of them")]
    Both,
    #[error("guidance is by exact scores of the data; follow the exact score")]
    GuidedNetwork,
    #[error("a method's last evaluation is that of its grid; leave `to` out")]
    MethodTo,
    #[error("resampling is of methods; choose a method, or leave it out")]
    Resampling,
}

impl Default for Pane {
    fn default() -> Self {
        Pane::new(Choice::new(&Heun), Steps::new(20).unwrap_or(Run::default().steps))
    }
}

impl Pane {
    /// What it is called: "Heun, learned, 20 steps".
    pub fn title(&self) -> String {
        let solver = self.solver.entry().title(self.solver.settings());
        let method = self.method.as_ref().map(|method| method.about().name.to_owned());
        let guide = self.guidance.map(|Guide { class, weight }| {
            let to = class.map_or_else(|| "measurement".into(), |class| format!("class {class}"));
            format!("{to}, w = {}", number(weight))
        });
        let learned = self.learned.then(|| "learned".to_owned());
        let steps = format!("{} steps", self.steps.get());
        let parts = [Some(solver), method, guide, learned, Some(steps)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// A solver on its own grid, as [`Pane::suited`].
    pub fn new(solver: Choice<dyn Solver>, steps: Steps) -> Self {
        let (solver, grid) = (Pane::suited(solver.clone()), solver.entry().grid());
        Pane {
            solver,
            grid,
            steps,
            denoise: true,
            from: 1.0,
            to: None,
            learned: false,
            method: None,
            resampling: None,
            guidance: None,
        }
    }

    /// A solver whose corrector, where it has one, takes the norms of the whole batch: of two coordinates the score of a
    /// single particle may be nearly 0, and a step in proportion to its inverse leads out of the plane.
    #[must_use]
    pub fn suited(solver: Choice<dyn Solver>) -> Choice<dyn Solver> {
        solver.with(&NORMS, BATCH.slug)
    }

    /// Whether the parts fit together and, in a scene, its family, what is known and the classes of its data.
    ///
    /// # Errors
    /// If they do not.
    pub fn check(&self, family: &Family, known: Option<&Known>, classes: &[usize]) -> Result<(), PaneError> {
        self.run(family).check()?;
        if !(self.from > 0.0 && self.from <= 1.0) {
            return Err(PaneError::From(self.from));
        }
        if let Some(to) = self.to.filter(|to| !(*to > 0.0 && *to < self.from)) {
            return Err(PaneError::To { from: self.from, to });
        }
        if let Some(Guide { class, weight }) = self.guidance {
            if self.learned {
                return Err(PaneError::GuidedNetwork);
            }
            if !(0.0..=Guide::MOST).contains(&weight) {
                return Err(PaneError::Weight(weight));
            }
            match class {
                None if known.is_none() => return Err(PaneError::NothingKnown),
                Some(class) if !classes.contains(&class) => {
                    let known = classes.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
                    return Err(PaneError::Class { class, known });
                }
                _ => {}
            }
        }
        let Some(method) = &self.method else {
            return if self.resampling.is_some() { Err(PaneError::Resampling) } else { Ok(()) };
        };
        match known {
            None => return Err(PaneError::NothingKnown),
            Some(Known::HalfPlane { .. }) if !method.entry().is_exact() || self.resampling.is_some() => {
                return Err(PaneError::HalfPlane(method.about().name));
            }
            Some(_) => {}
        }
        if self.guidance.is_some() {
            return Err(PaneError::Both);
        }
        if self.to.is_some() {
            return Err(PaneError::MethodTo);
        }
        Ok(self.restoration(family, method.clone()).check()?)
    }

    /// The same as a run of any model.
    pub(super) fn run(&self, family: &Family) -> Run {
        Run {
            model: ModelRef::Mixture("plane".into()),
            family: *family,
            solver: self.solver.clone(),
            grid: self.grid.clone(),
            steps: self.steps,
            denoise: self.denoise,
            clip: false,
            ..Run::default()
        }
    }

    /// The same as a restoration by a method.
    pub(super) fn restoration(&self, family: &Family, method: Choice<dyn Method>) -> Restoration {
        let usual = Restoration::default_for(method);
        Restoration { run: self.run(family), resampling: self.resampling, strength: self.from, ..usual }
    }

    /// The steps that it takes.
    pub fn plan(&self, family: &Family, model: &dyn ScoreModel) -> Plan {
        if let Some(method) = &self.method {
            return self.restoration(family, method.clone()).plan(model);
        }
        let sde: &dyn Sde = family.sde();
        let whole = Plan::new(&self.run(family), model);
        let usual = whole.steps.last().map_or(self.from, |last| last.t);
        let (from, to) = (self.from.min(whole.time_after(0)), self.to.unwrap_or(usual));
        Plan { steps: self.grid.steps(sde, self.steps.get(), from, to), ..whole }
    }
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}
