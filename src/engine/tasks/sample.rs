use super::sampling::{Beginning, sampled};
use crate::engine::{Context, Ending, Recorded, RunReport, Snapshot, Task};
use crate::solver::Unobserved;
use crate::task::Run;
use std::convert::Infallible;
use std::sync::Arc;

/// Samples a model.
#[derive(Clone, Debug)]
pub struct Sample {
    pub run: Run,
    /// The recorded state that the run branches from, as its origin says: with it at hand, the parents are not run again.
    pub from: Option<Arc<Recorded>>,
}

impl Task for Sample {
    type Report = RunReport;
    type Message = Infallible;
    /// The last state, and all that was recorded on the way to it.
    type Output = Arc<Snapshot>;

    fn run(self, context: &Context<Self>) -> Result<Arc<Snapshot>, Ending> {
        let beginning = self.from.as_deref().map_or(Beginning::Origin, Beginning::Parent);
        context.persist(|moment| {
            sampled(context, &self.run, 1, moment.map_or(beginning, Beginning::Moment), |_, _| Unobserved)?;
            Ok(context.last()?)
        })
    }
}
