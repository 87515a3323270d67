use super::refused;
use super::sampling::{Beginning, sampled};
use crate::engine::{Context, Ending, RunReport, Task};
use crate::task::{StepSearch, Trajectories};
use std::convert::Infallible;

/// Finds the steps that lose the least of a model's own trajectories.
#[derive(Clone, Debug)]
pub struct FindSteps(pub StepSearch);

impl Task for FindSteps {
    type Report = RunReport;
    type Message = Infallible;
    /// For each number of steps that was wanted, σ/α where each begins, and last 0.
    type Output = Vec<(usize, Vec<f64>)>;

    fn run(self, context: &Context<Self>) -> Result<Self::Output, Ending> {
        let FindSteps(search) = self;
        search.check().map_err(refused)?;
        let run = search.fine();
        let sde = run.family.sde();
        // All levels are kept.
        let held = StepSearch::FINE / 4;
        let trajectories = sampled(context, &run, held, Beginning::Origin, |t, x| Trajectories::new(sde, t, x))?;
        let found = trajectories.best(&search.wanted);
        Ok(search.wanted.into_iter().zip(found).collect())
    }
}
