use super::{Way, along, refused};
use crate::Pixels;
use crate::engine::{Context, Ending, FlowReport, Task};
use crate::task::{Encoded, Flow, encode};
use std::convert::Infallible;

/// Pictures, N×C×H×W in [0, 1] and of the model's shape (of models whose data are no pictures: the data themselves),
/// become latents.
#[derive(Clone, Debug)]
pub struct Encode {
    pub flow: Flow,
    pub images: Pixels<f32>,
}

impl Task for Encode {
    type Report = FlowReport;
    type Message = Infallible;
    type Output = Encoded;

    fn run(self, context: &Context<Self>) -> Result<Encoded, Ending> {
        let Encode { flow, images } = self;
        flow.check().map_err(refused)?;
        along(context, &flow, Way::Up, images.shape[0], false, |model, device, watch| {
            encode(&flow, model, &images, device, watch)
        })
    }
}
