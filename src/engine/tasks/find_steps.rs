use super::{fitting, noise, refused, report};
use crate::engine::guides::Guides;
use crate::engine::recording::Observed;
use crate::engine::{Context, Ending, RunReport, Task};
use crate::solver::{Observer, StepState};
use crate::task::{Plan, StepSearch, Trajectories, prior, sample};
use std::convert::Infallible;
use std::ops::ControlFlow;

/// Samples of 3×32×32 in one evaluation.
const BATCH: usize = 64;

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
        run.check().map_err(refused)?;
        let loaded = context.open(&run.model, false)?;
        let guides = Guides::open(context, &run, &loaded)?;
        let model = &*guides.model(&run, context, BATCH);
        // All levels are kept.
        fitting(run.count.get() * StepSearch::FINE / 4, model.shape())?;
        let plan = Plan::new(&run, model);
        let evaluations = run.evaluations_in(plan.steps.len(), plan.destination(&run));
        let report = report(context, &run, &plan, evaluations, &loaded, model);
        context.begin(run.count.get(), report, plan.notices.iter().cloned());
        let (device, sde) = (&context.device().0, run.family.sde());
        let noise = noise(&run, model.shape(), device);
        let start = prior(sde, &plan, &noise);
        context.meter.count_from_here();
        let mut observed = Observed::new(context, sde, plan.steps.len(), evaluations);
        observed.first(&start, plan.time_after(0))?;
        let mut both = Both { observed, trajectories: Trajectories::new(sde, plan.time_after(0), &start) };
        let end = sample(&run, &plan, model, Some(start), &noise, &mut both);
        both.observed.end(end)?;
        let found = both.trajectories.best(&search.wanted);
        Ok(search.wanted.into_iter().zip(found).collect())
    }
}

/// Two who watch.
struct Both<'a, 'b> {
    observed: Observed<'a, FindSteps>,
    trajectories: Trajectories<'b>,
}

impl Observer for Both<'_, '_> {
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()> {
        self.trajectories.observe(state)?;
        self.observed.observe(state)
    }
}
