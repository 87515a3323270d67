use super::{BATCH, fitting, noise, refused, report, tensor};
use crate::engine::recording::Observed;
use crate::engine::watched::Watched;
use crate::engine::{Context, Ending, Recorded, RunReport, Task};
use crate::score::{Clipped, Condition, InRange, ScoreModel};
use crate::solver::{Observer, StepState};
use crate::task::{Observation, Restoration, RestorationError, Restored, restore};
use burn::tensor::Device;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Draws samples of what else a measured picture could be. Sent other observation on the way, it goes on with that from its
/// present noise level.
#[derive(Clone, Debug)]
pub struct Restore {
    pub restoration: Restoration,
    pub observation: Observation,
    /// The recorded state that the restoration branches from, as it says: with it at hand, the parents are not run again.
    pub from: Option<Arc<Recorded>>,
}

impl Task for Restore {
    type Report = RunReport;
    type Message = Observation;
    type Output = Restored;

    fn run(self, context: &Context<Self>) -> Result<Restored, Ending> {
        let Restore { restoration, mut observation, from } = self;
        restoration.check().map_err(refused)?;
        let run = &restoration.run;
        let loaded = context.open(&run.model, restoration.method.entry().is_differentiated())?;
        let model = InRange::new(&*loaded.model, run.family.facts().range);
        let model = Clipped::new(Watched::new(model, context, BATCH), run.clip);
        fitting(run.count.get(), model.shape())?;
        let plan = restoration.plan(&model);
        let (samples, evaluations) = (run.count.get(), restoration.evaluations(&plan));
        let report = report(context, run, &plan, evaluations, &loaded, &model);
        context.begin(samples, report, plan.notices.iter().cloned());
        context.gate()?;
        observation = newest(context).unwrap_or(observation);

        let device = &context.device().0;
        let noise = noise(run, model.shape(), device);
        let condition = Condition::new(observation.measure(&restoration, &model, device)?);
        let start = match from {
            Some(recorded) => tensor(&recorded.x, device),
            None => restoration.first_state(&plan, &model, &observation, &noise)?,
        };
        context.meter.count_from_here();
        let mut observed = Observed::new(context, run.family.sde(), plan.steps.len(), evaluations, 0);
        observed.first(&start, plan.time_after(0))?;
        let mut held =
            Held { observed, restoration: &restoration, model: &model, device, condition: &condition, refused: None };
        let end = restore(&restoration, &plan, &model, &condition, start, &noise, &mut held);
        if let Some(error) = held.refused {
            return Err(error.into());
        }
        let end = held.observed.end(end)?;
        let measurement = condition.measurement();
        Ok(Restored::new(&end, &measurement, model.range(), context.meter.nfe(), condition.version())?)
    }
}

/// The newest observation that was sent, if any was.
fn newest(context: &Context<Restore>) -> Option<Observation> {
    std::iter::from_fn(|| context.message()).last()
}

/// Gives a restoration newer observation.
struct Held<'a> {
    observed: Observed<'a, Restore>,
    restoration: &'a Restoration,
    model: &'a dyn ScoreModel,
    device: &'a Device,
    condition: &'a Condition,
    refused: Option<RestorationError>,
}

impl Observer for Held<'_> {
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()> {
        if let Some(observation) = newest(self.observed.context) {
            match observation.measure(self.restoration, self.model, self.device) {
                Ok(measurement) => self.condition.exchange(measurement),
                Err(error) => {
                    self.refused = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        self.observed.observe(state)
    }
}
