//! EDM's networks (Karras et al. 2022): state dictionaries of its Python classes, as safetensors.

mod infer;
mod names;

pub(super) use infer::{infer, is_edm};
pub(super) use names::renamed;
