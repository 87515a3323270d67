use super::refused;
use crate::engine::progress::Place;
use crate::engine::{Context, Ending, Task};
use crate::task::{Convergence, ConvergenceError, Measured, MeasuredOrder};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;

/// Measures how fast a solver's error falls with the number of its steps.
#[derive(Clone, Debug)]
pub struct Converge(pub Convergence);

/// Evaluations, each of which takes a fraction of a millisecond, between two of which the owner is told.
const TELL_EVERY: usize = 40;

impl Task for Converge {
    /// The rows so far; none as it begins.
    type Report = Vec<Measured>;
    type Message = Infallible;
    type Output = MeasuredOrder;

    fn run(self, context: &Context<Self>) -> Result<MeasuredOrder, Ending> {
        let Converge(measurement) = self;
        let all = measurement.evaluations().map_err(refused)?;
        context.begin(1, Vec::new(), []);
        let (done, rows) = (Cell::new(0), RefCell::new(Vec::new()));
        let gate = || {
            context.gate()?;
            done.set(done.get() + 1);
            if done.get() % TELL_EVERY == 0 {
                let (step, steps) = (rows.borrow().len(), measurement.steps.len());
                context.at(Place { step, steps, share: done.get() as f64 / all.max(1) as f64 });
            }
            Ok(())
        };
        let measured = measurement.measure(&gate, |row| {
            rows.borrow_mut().push(*row);
            context.say(crate::engine::Update::Report(rows.borrow().clone()));
        });
        measured.map_err(|error| match error {
            ConvergenceError::Score(error) => error.into(),
            error => refused(error).into(),
        })
    }
}
