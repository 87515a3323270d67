//! What a person asks for: a [`Run`] is a value that can be saved, compared and run again
//! to the same pixels; a [`Flow`] is the same for journeys between data and latents.

mod flow;
mod interpolate;
mod journey;
mod latents;
mod likelihood;
mod preset;
mod run;
mod sample;

pub use flow::{Flow, FlowError, FlowSolver};
pub use interpolate::{
    between, combine, histogram, largest_error, latent_std, linear, norm_in_units, psnr, spherical, temper,
};
pub use journey::{FlowPlan, Progress as FlowProgress, Watch, decode, encode, host, unit};
pub use latents::{Decoded, Encoded, Estimate, Latents, Likelihood};
pub use likelihood::{likelihood, likelihood_along};
pub use preset::Preset;
pub use run::{Count, ModelRef, Origin, Run, RunError, Steps};
pub use sample::{Plan, prior, sample};
