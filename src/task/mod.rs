//! What a person asks for: a [`Run`] is a value that can be saved, compared and run again
//! to the same pixels; a [`Flow`] is the same for flows between data and latents, a [`Restoration`] for pictures of which something was measured.

mod convergence;
mod encoding;
mod flow;
mod guidance;
mod interpolate;
mod latents;
mod likelihood;
mod observation;
mod preset;
mod restoration;
mod restore;
mod restored;
mod run;
mod sample;
mod schedule;

pub use convergence::{Convergence, ConvergenceError, Measured, MeasuredOrder};
pub use encoding::{FlowPlan, decode, encode, host, unit};
pub use flow::{Flow, FlowError};
pub use guidance::Guidance;
pub use interpolate::{
    between, combine, histogram, largest_error, latent_std, linear, norm_in_units, psnr, spherical, temper,
};
pub use latents::{Decoded, Encoded, Estimate, Latents, Likelihood};
pub use likelihood::{likelihood, likelihood_along};
pub use observation::{Observation, Shows};
pub use restoration::{Fork, Resampling, Restoration, RestorationError};
pub use restore::restore;
pub use restored::Restored;
pub use run::{Count, ModelRef, Origin, Run, RunError, Steps};
pub use sample::{ModelOf, Plan, first_state, prior, sample};
pub use schedule::{StepSearch, StepSearchError, Trajectories};
