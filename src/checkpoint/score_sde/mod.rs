//! What score_sde publishes (Song et al. 2021): configurations, and checkpoints of its PyTorch and JAX code.

mod config;
pub(super) mod flax;
pub(super) mod flax_names;
mod infer;
mod structure;
mod write;

pub use config::read_score_sde_config;
pub use infer::infer;
pub(super) use structure::module_of;
pub use structure::{Module, ModuleKind, Structure};
pub(super) use write::write;
