use super::{BATCH, noise, refused, report, tensor};
use crate::engine::recording::Observed;
use crate::engine::watched::Watched;
use crate::engine::{Context, Ending, Recorded, RunReport, Task};
use crate::score::{Clipped, Condition, InRange, ScoreModel};
use crate::solver::{Moment, Observer};
use crate::task::{Evidence, Restoration, RestorationError, Restored, restore};
use burn::tensor::Device;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Draws samples of what else a measured picture could be. Sent other evidence on the way, it goes on with that from its
/// present noise level.
#[derive(Clone, Debug)]
pub struct Restore {
    pub restoration: Restoration,
    pub evidence: Evidence,
    /// The recorded state that the restoration branches from, as it says: with it at hand, the parents are not run again.
    pub from: Option<Arc<Recorded>>,
}

impl Task for Restore {
    type Report = RunReport;
    type Message = Evidence;
    type Output = Restored;

    fn run(self, context: &Context<Self>) -> Result<Restored, Ending> {
        let Restore { restoration, mut evidence, from } = self;
        restoration.check().map_err(refused)?;
        let run = &restoration.run;
        let loaded = context.open(&run.model, restoration.method.entry().is_differentiated())?;
        let model = InRange::new(&*loaded.model, run.family.facts().range);
        let model = Clipped::new(Watched::new(model, context, BATCH), run.clip);
        let plan = restoration.plan(&model);
        let (samples, evaluations) = (run.count.get(), restoration.evaluations(&plan));
        let report = report(context, run, &plan, evaluations, &loaded, &model);
        context.begin(samples, report, plan.notices.iter().cloned());
        context.gate()?;
        evidence = newest(context).unwrap_or(evidence);

        let device = &context.device().0;
        let noise = noise(run, model.shape(), device);
        let condition = Condition::new(evidence.measure(&restoration, &model, device)?);
        let start = match from {
            Some(recorded) => tensor(&recorded.x, device),
            None => restoration.first_state(&plan, &model, &evidence, &noise)?,
        };
        context.meter.count_from_here();
        let mut observed = Observed::new(context, run.family.sde(), plan.steps.len(), evaluations);
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

/// The newest evidence that was sent, if any was.
fn newest(context: &Context<Restore>) -> Option<Evidence> {
    std::iter::from_fn(|| context.message()).last()
}

/// Gives a restoration newer evidence.
struct Held<'a> {
    observed: Observed<'a, Restore>,
    restoration: &'a Restoration,
    model: &'a dyn ScoreModel,
    device: &'a Device,
    condition: &'a Condition,
    refused: Option<RestorationError>,
}

impl Observer for Held<'_> {
    fn observe(&mut self, moment: &Moment<'_>) -> ControlFlow<()> {
        if let Some(evidence) = newest(self.observed.context) {
            match evidence.measure(self.restoration, self.model, self.device) {
                Ok(measurement) => self.condition.exchange(measurement),
                Err(error) => {
                    self.refused = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        self.observed.observe(moment)
    }
}
