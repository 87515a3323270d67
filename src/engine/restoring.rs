//! Does restorations: what else could a measured picture be?

use super::worker::Ending;
use super::working::JobControl;
use super::{Failure, JobResult};
use crate::score::{Condition, ScoreModel};
use crate::solver::{Moment, Noise, Observer};
use crate::task::{Evidence, Restoration, RestorationError, Restored, restore as sample_posterior};
use burn::tensor::Device;
use std::cell::Cell;
use std::ops::ControlFlow;

/// Runs a restoration to its end. `begin` is told its first time, its last, and what a person should know.
pub(super) fn restore(
    restoration: &Restoration,
    evidence: &Evidence,
    model: &dyn ScoreModel,
    control: &JobControl<'_>,
    device: &Device,
    begin: impl FnOnce(f64, f64, Vec<String>),
) -> Result<JobResult, Ending> {
    let plan = restoration.plan(model);
    begin(0.0, plan.time_after(0), plan.notices.clone());
    let run = &restoration.run;
    let noise =
        Noise { seed: run.seed, first: 0, count: run.count.get(), shape: model.shape(), device: device.clone() };
    let condition = Condition::new(evidence.measure(restoration, model, device)?);
    let start = restoration.first_state(&plan, model, evidence, &noise)?;
    let mut watching = Watching {
        restoration,
        model,
        control,
        device,
        condition: &condition,
        evaluations: restoration.evaluations(&plan).unwrap_or(plan.steps.len()).max(1),
        refused: Cell::new(None),
    };
    let end = sample_posterior(restoration, &plan, model, &condition, start, &noise, &mut watching);
    if let Some(error) = watching.refused.take() {
        return Err(error.into());
    }
    let measurement = condition.measurement();
    Ok(JobResult::Restored(Restored::new(&end?, &measurement, model.range(), control.nfe(), condition.version())?))
}

/// Tells how a restoration goes, and gives it newer evidence.
struct Watching<'a> {
    restoration: &'a Restoration,
    model: &'a dyn ScoreModel,
    control: &'a JobControl<'a>,
    device: &'a Device,
    condition: &'a Condition,
    /// Network evaluations of the whole plan.
    evaluations: usize,
    refused: Cell<Option<RestorationError>>,
}

impl Observer for Watching<'_> {
    fn observe(&mut self, moment: &Moment<'_>) -> ControlFlow<()> {
        if let Some(evidence) = self.control.exchanged.take() {
            match evidence.measure(self.restoration, self.model, self.device) {
                Ok(measurement) => self.condition.exchange(measurement),
                Err(error) => {
                    self.refused.set(Some(error));
                    return ControlFlow::Break(());
                }
            }
        }
        let share = self.control.nfe() as f64 / self.evaluations as f64;
        self.control.watch(share, self.model.range(), Some(moment.x), Some(moment.denoised));
        ControlFlow::Continue(())
    }
}

impl From<RestorationError> for Ending {
    fn from(error: RestorationError) -> Self {
        Ending::Failed(Failure::from_sentence(&error.to_string(), "choose another picture or mask"))
    }
}
