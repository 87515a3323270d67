use super::{Method, Posterior, Recipe, Walk};
use crate::Image;
use crate::registry::{Choice, Settings, entry};
use crate::score::{Condition, ScoreError, ScoreModel, posterior};
use crate::sde::Level;
use crate::solver::{Edm, Heun, Unconstrained};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

entry! {
    /// The exact posterior, of models that have one.
    Exact {
        slug: "exact",
        name: "Exact",
        summary: "The posterior itself, which all other methods approximate",
    }
}

impl Method for Exact {
    fn is_exact(&self) -> bool {
        true
    }

    /// The only error that is left is the solver's: ancestral steps as few as these lose a fifth of the variance.
    fn recipe(&self) -> Recipe {
        Recipe { solver: Choice::new(&Heun), grid: Choice::new(&Edm), steps: 20, resampling: None }
    }

    fn solve(&self, _settings: &Settings, posterior: &Posterior<'_>, walk: Walk<'_>) -> Result<Image, ScoreError> {
        walk(&ExactPosterior::new(posterior.model, posterior.condition)?, &Unconstrained)
    }
}

/// The exact score of the posterior, for models that have one ([`ScoreModel::given`]).
pub struct ExactPosterior<'a> {
    model: &'a dyn ScoreModel,
    condition: &'a Condition,
    posterior: RefCell<Rc<dyn ScoreModel + 'a>>,
    /// The condition's version that the posterior was made from.
    version: Cell<usize>,
}

impl<'a> ExactPosterior<'a> {
    /// # Errors
    /// If the model has no exact posterior, or it is too large.
    pub fn new(model: &'a dyn ScoreModel, condition: &'a Condition) -> Result<Self, ScoreError> {
        let posterior = posterior(model, &condition.measurement())?;
        let version = Cell::new(condition.version());
        Ok(ExactPosterior { model, condition, posterior: RefCell::new(posterior.into()), version })
    }

    fn posterior(&self) -> Result<Rc<dyn ScoreModel + 'a>, ScoreError> {
        if self.version.get() != self.condition.version() {
            self.version.set(self.condition.version());
            self.posterior.replace(posterior(self.model, &self.condition.measurement())?.into());
        }
        Ok(self.posterior.borrow().clone())
    }
}

impl ScoreModel for ExactPosterior<'_> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.posterior()?.score(x, at)
    }
}
