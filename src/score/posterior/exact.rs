use crate::Image;
use crate::score::measurement::posterior;
use crate::score::{Condition, ScoreError, ScoreModel};
use crate::sde::Level;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The exact score of the posterior, for models that have one ([`ScoreModel::given`]).
pub struct Exact<'a> {
    model: &'a dyn ScoreModel,
    condition: &'a Condition,
    posterior: RefCell<Rc<dyn ScoreModel + 'a>>,
    /// The condition's version that the posterior was made from.
    version: Cell<usize>,
}

impl<'a> Exact<'a> {
    /// # Errors
    /// If the model has no exact posterior, or it is too large.
    pub fn new(model: &'a dyn ScoreModel, condition: &'a Condition) -> Result<Self, ScoreError> {
        let posterior = posterior(model, &condition.measurement())?;
        let version = Cell::new(condition.version());
        Ok(Exact { model, condition, posterior: RefCell::new(posterior.into()), version })
    }

    fn posterior(&self) -> Result<Rc<dyn ScoreModel + 'a>, ScoreError> {
        if self.version.get() != self.condition.version() {
            self.version.set(self.condition.version());
            self.posterior.replace(posterior(self.model, &self.condition.measurement())?.into());
        }
        Ok(self.posterior.borrow().clone())
    }
}

impl ScoreModel for Exact<'_> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.posterior()?.score(x, at)
    }
}
