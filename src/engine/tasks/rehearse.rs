use super::refused;
use crate::data::Data;
use crate::engine::{Context, Ending, Task};
use crate::train::{Trainer, Training, initial_weights};
use std::convert::Infallible;
use std::time::{Duration, Instant};

/// A step that took this long tells the speed.
const ENOUGH: Duration = Duration::from_millis(400);

/// Measures how fast a training would go, by a few steps on noise: small ones, so that it is known soon.
#[derive(Clone, Debug)]
pub struct Rehearse(pub Training);

impl Task for Rehearse {
    type Report = Infallible;
    type Message = Infallible;
    /// Seconds an image takes.
    type Output = f64;

    fn run(self, context: &Context<Self>) -> Result<f64, Ending> {
        let Rehearse(training) = self;
        let device = &context.device_to_learn_on(&training.network.config).0;
        let data = Data::noise(training.network.config.shape(), training.batch);
        let mut batch = 1;
        loop {
            // Weights are as fast whatever they are, and so is a teacher.
            let part = Training { batch, label_dropout: None, snapshots: 0, ..training.clone() };
            let start = initial_weights(&part.network.config, part.seed);
            let mut trainer = Trainer::new(part, data.clone(), Some(start)).map_err(refused)?;
            // The first step finds no memory at hand.
            let mut took = Duration::MAX;
            for _ in 0..2 {
                context.gate()?;
                let began = Instant::now();
                trainer.step(device).map_err(refused)?;
                took = took.min(began.elapsed());
            }
            if took >= ENOUGH || batch >= training.batch {
                return Ok(took.as_secs_f64() / batch as f64);
            }
            batch = (batch * 4).min(training.batch);
        }
    }
}
