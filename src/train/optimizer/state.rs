use super::{Optimizer, Pace, Rule};
use crate::network::Parameter;
use crate::registry::Choice;
use crate::train::Real;
use rayon::prelude::*;

/// Values that one thread takes at a time.
pub(super) const PART: usize = 1 << 14;

/// What an optimiser remembers of a training: how often it moved the weights, and the moments of each parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState<F> {
    updates: u64,
    slots: Vec<Slot<F>>,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
struct Slot<F> {
    name: String,
    rule: Rule,
    size: usize,
    moments: Vec<Vec<F>>,
}

/// Weights, gradients or moments that are not those of the parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptimizerError {
    #[error("the moment {name} is missing; start the training anew")]
    Missing { name: String },
    #[error("{name} has {found} values instead of {expected}; start the training anew")]
    Size { name: String, expected: usize, found: usize },
    #[error("{found} arrays do not fit {expected} parameters")]
    Count { expected: usize, found: usize },
}

impl<F: Real> OptimizerState<F> {
    /// The state before the first update of these parameters, of which those that are not trained are left out.
    pub fn new(optimizer: &Choice<dyn Optimizer>, parameters: &[Parameter]) -> Self {
        let trained = parameters.iter().filter(|parameter| parameter.trainable);
        let rule = |parameter| optimizer.entry().rule(optimizer.settings(), parameter);
        OptimizerState::of_rules(
            trained.map(|parameter| (parameter.name.clone(), parameter.shape.iter().product(), rule(parameter))),
        )
    }

    /// The same by name, number of values and rule of each parameter.
    pub fn of_rules(rules: impl Iterator<Item = (String, usize, Rule)>) -> Self {
        let slot = |(name, size, rule): (String, usize, Rule)| {
            let moments = rule.moments().iter().map(|_| vec![F::default(); size]).collect();
            Slot { name, rule, size, moments }
        };
        OptimizerState { updates: 0, slots: rules.map(slot).collect() }
    }

    /// Updates so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The names of the parameters, in the order in which they move.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().map(|slot| slot.name.as_str())
    }

    /// Moves the weights of all parameters, in the order of [`OptimizerState::names`].
    ///
    /// # Errors
    /// If these are not arrays of all parameters; nothing has moved then.
    pub fn update(&mut self, pace: Pace, weights: &mut [&mut [F]], gradients: &[&[F]]) -> Result<(), OptimizerError> {
        for found in [weights.len(), gradients.len()] {
            if found != self.slots.len() {
                return Err(OptimizerError::Count { expected: self.slots.len(), found });
            }
        }
        for ((slot, weights), gradient) in self.slots.iter().zip(weights.iter()).zip(gradients) {
            slot.check(&slot.name, weights.len())?;
            slot.check(&slot.name, gradient.len())?;
        }
        self.updates += 1;
        let updates = self.updates;
        // Large ones first, so that none of them is left to the end.
        let mut work: Vec<_> = self.slots.iter_mut().zip(weights.iter_mut()).zip(gradients).collect();
        work.sort_by_key(|((slot, _), _)| std::cmp::Reverse(slot.size));
        work.into_par_iter().with_max_len(1).for_each(|((slot, weights), gradient)| {
            slot.rule.apply(pace, updates, weights, gradient, &mut slot.moments);
        });
        Ok(())
    }

    /// All moments, each by a name of its own: the parameter's, a point, and what it is.
    pub fn arrays(&self) -> impl Iterator<Item = (String, &[F])> {
        self.slots.iter().flat_map(|slot| {
            let names = slot.rule.moments().iter().map(|moment| format!("{}.{moment}", slot.name));
            names.zip(slot.moments.iter().map(Vec::as_slice))
        })
    }

    /// Takes up the state after `updates`, with what [`OptimizerState::arrays`] gave then.
    ///
    /// # Errors
    /// If a moment is missing or of another size; the state is then as it was.
    pub fn restore(
        &mut self,
        updates: u64,
        mut take: impl FnMut(&str) -> Option<Vec<F>>,
    ) -> Result<(), OptimizerError> {
        let mut all = Vec::new();
        for slot in &self.slots {
            for moment in slot.rule.moments() {
                let name = format!("{}.{moment}", slot.name);
                let values = take(&name).ok_or_else(|| OptimizerError::Missing { name: name.clone() })?;
                slot.check(&name, values.len())?;
                all.push(values);
            }
        }
        let moments = self.slots.iter_mut().flat_map(|slot| &mut slot.moments);
        moments.zip(all).for_each(|(moment, values)| *moment = values);
        self.updates = updates;
        Ok(())
    }
}

impl<F> Slot<F> {
    fn check(&self, name: &str, found: usize) -> Result<(), OptimizerError> {
        match found == self.size {
            true => Ok(()),
            false => Err(OptimizerError::Size { name: name.to_owned(), expected: self.size, found }),
        }
    }
}
