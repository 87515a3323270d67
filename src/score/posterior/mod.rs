//! Scores of the posterior p(x | y) of a linear measurement, from the score of p(x).

mod exact;
mod null_space;
mod pi_gdm;

pub use exact::Exact;
pub use null_space::NullSpace;
pub use pi_gdm::PiGdm;
