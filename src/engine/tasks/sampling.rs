//! What samples a run, for tasks that do more with it.

use super::{fitting, noise, refused, report, tensor};
use crate::Image;
use crate::engine::guides::Guides;
use crate::engine::recording::Observed;
use crate::engine::{Context, Ending, Recorded, RunReport, Task, Update};
use crate::solver::{Observer, StepState};
use crate::task::{Plan, Run, first_state, prior, sample};
use std::ops::ControlFlow;

/// Samples of 3×32×32 in one evaluation.
const BATCH: usize = 64;

/// Where samples begin.
#[derive(Clone, Copy)]
pub(super) enum Beginning<'a> {
    /// At the run's own origin: its parents are run again.
    Origin,
    /// At the recorded state of its parent that it branches from.
    Parent(&'a Recorded),
    /// At a recorded state of the run itself, which the rest of its steps follow.
    Moment(&'a Recorded),
}

/// Samples a run, recorded and told of, and watched by another, who is made of the first time and state. As many states
/// of all samples as are `held` must fit into memory.
pub(super) fn sampled<T: Task<Report = RunReport>, W: Observer>(
    context: &Context<T>,
    run: &Run,
    held: usize,
    from: Beginning<'_>,
    watch: impl FnOnce(f64, &Image) -> W,
) -> Result<W, Ending> {
    run.check().map_err(refused)?;
    let loaded = context.open(&run.model, false)?;
    let guides = Guides::open(context, run, &loaded)?;
    let model_of = |run: &Run| guides.model(run, context, BATCH);
    let model = &*model_of(run);
    fitting(run.count.get() * held, model.shape())?;
    let plan = Plan::new(run, model);
    let evaluations = run.evaluations_in(plan.steps.len(), plan.destination(run));
    let report = report(context, run, &plan, evaluations, &loaded, model);
    let moment = if let Beginning::Moment(moment) = from { Some(moment) } else { None };
    match moment {
        Some(_) => context.say(Update::Report(report)),
        None => context.begin(run.count.get(), report, plan.notices.iter().cloned()),
    }

    let (device, sde) = (&context.device().0, run.family.sde());
    let noise = noise(run, model.shape(), device);
    let start = match from {
        Beginning::Parent(recorded) | Beginning::Moment(recorded) => Some(tensor(&recorded.x, device)),
        Beginning::Origin => first_state(run, &model_of, &noise)?,
    };
    let start = start.unwrap_or_else(|| prior(sde, &plan, &noise));
    let done = moment.map_or(0, |moment| moment.step);
    let mut observed = Observed::new(context, sde, plan.steps.len(), evaluations, done);
    let rest = match moment {
        Some(moment) => plan.after(moment.t, done),
        None => {
            context.meter.count_from_here();
            observed.first(&start, plan.time_after(0))?;
            plan
        }
    };
    let mut both = Both { observed, watching: watch(rest.time_after(0), &start) };
    if rest.steps.is_empty() {
        return Ok(both.watching);
    }
    let end = sample(run, &rest, model, Some(start), &noise, &mut both);
    both.observed.end(end)?;
    Ok(both.watching)
}

/// Two who watch.
struct Both<'a, T: Task, W> {
    observed: Observed<'a, T>,
    watching: W,
}

impl<T: Task, W: Observer> Observer for Both<'_, T, W> {
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()> {
        self.watching.observe(state)?;
        self.observed.observe(state)
    }
}
