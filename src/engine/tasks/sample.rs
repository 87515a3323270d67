use super::{fitting, noise, refused, report, tensor};
use crate::engine::guides::Guides;
use crate::engine::recording::Observed;
use crate::engine::{Context, Ending, Recorded, RunReport, Snapshot, Task};
use crate::task::{Plan, Run, first_state, prior, sample};
use std::convert::Infallible;
use std::sync::Arc;

/// Samples of 3×32×32 in one evaluation.
const BATCH: usize = 64;

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
        let Sample { run, from } = self;
        run.check().map_err(refused)?;
        let loaded = context.open(&run.model, false)?;
        let guides = Guides::open(context, &run, &loaded)?;
        let model_of = |run: &Run| guides.model(run, context, BATCH);
        let model = &*model_of(&run);
        fitting(run.count.get(), model.shape())?;
        let plan = Plan::new(&run, model);
        let samples = run.count.get();
        let evaluations = run.evaluations_in(plan.steps.len(), plan.destination(&run));
        let report = report(context, &run, &plan, evaluations, &loaded, model);
        context.begin(samples, report, plan.notices.iter().cloned());

        let (device, sde) = (&context.device().0, run.family.sde());
        let noise = noise(&run, model.shape(), device);
        let start = match from {
            Some(recorded) => Some(tensor(&recorded.x, device)),
            None => first_state(&run, &model_of, &noise)?,
        };
        let start = start.unwrap_or_else(|| prior(sde, &plan, &noise));
        context.meter.count_from_here();
        let mut observed = Observed::new(context, sde, plan.steps.len(), evaluations);
        observed.first(&start, plan.time_after(0))?;
        let end = sample(&run, &plan, model, Some(start), &noise, &mut observed);
        observed.end(end)?;
        Ok(context.last()?)
    }
}
