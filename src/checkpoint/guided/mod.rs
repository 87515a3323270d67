//! OpenAI's guided-diffusion (Dhariwal and Nichol 2021): state dictionaries of its `UNetModel`.

mod infer;
mod names;

pub(super) use infer::{Found, infer, is_guided};
pub(super) use names::renamed;
