use thiserror::Error;
pub struct Mixture;
#[derive(Debug, Error)]
#[error("stub")]
pub struct MixtureError;
