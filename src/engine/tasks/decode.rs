use super::{Way, along, refused};
use crate::Pixels;
use crate::engine::{Context, Ending, FlowReport, Task};
use crate::task::{Decoded, Flow, decode};
use std::convert::Infallible;

/// Latents, N×C×H×W and of the model's shape, become pictures.
#[derive(Clone, Debug)]
pub struct Decode {
    pub flow: Flow,
    pub latents: Pixels<f32>,
}

impl Task for Decode {
    type Report = FlowReport;
    type Message = Infallible;
    type Output = Decoded;

    fn run(self, context: &Context<Self>) -> Result<Decoded, Ending> {
        let Decode { flow, latents } = self;
        flow.check().map_err(refused)?;
        along(context, &flow, Way::Down, latents.shape[0], false, |model, device, watch| {
            decode(&flow, model, &latents, device, watch)
        })
    }
}
