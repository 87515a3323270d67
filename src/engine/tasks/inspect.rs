use crate::engine::{Context, Ending, ModelReport, Task};
use crate::task::ModelRef;
use std::convert::Infallible;
use std::sync::Arc;

/// Opens a model and says what it is. It stays open, for whoever computes with it on the same device next.
#[derive(Clone, Debug)]
pub struct Inspect(pub ModelRef);

impl Task for Inspect {
    type Report = Infallible;
    type Message = Infallible;
    type Output = Arc<ModelReport>;

    fn run(self, context: &Context<Self>) -> Result<Arc<ModelReport>, Ending> {
        Ok(context.open(&self.0, false)?.report.clone())
    }
}
