use super::{Way, along, refused};
use crate::Pixels;
use crate::engine::{Context, Ending, FlowReport, Task};
use crate::task::{self, Estimate, Flow, ModelRef, likelihood};
use std::convert::Infallible;

/// log p of pictures, which are as in [`super::Encode`]: one figure for each.
#[derive(Clone, Debug)]
pub struct Likelihood {
    pub flow: Flow,
    pub images: Pixels<f32>,
    pub estimate: Estimate,
}

impl Task for Likelihood {
    type Report = FlowReport;
    type Message = Infallible;
    type Output = Vec<task::Likelihood>;

    fn run(self, context: &Context<Self>) -> Result<Vec<task::Likelihood>, Ending> {
        let Likelihood { flow, images, estimate } = self;
        flow.check().and_then(|()| estimate.check(&flow)).map_err(refused)?;
        let gradients = !estimate.exact || matches!(flow.model, ModelRef::Named(_) | ModelRef::File(_));
        along(context, &flow, Way::Up, images.shape[0], gradients, |model, device, watch| {
            likelihood(&flow, model, &images, &estimate, device, watch)
        })
    }
}
