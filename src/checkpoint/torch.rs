use super::FileError;
use crate::network::{Array, Weights};
use std::path::Path;

/// What a published score_sde PyTorch checkpoint holds.
#[derive(Debug)]
pub struct Checkpoint {
    /// The live weights by name, without the `module.` prefix; buffers included.
    pub model: Weights,
    /// Names of `model` in the file's order.
    pub order: Vec<String>,
    /// EMA weights in parameter order.
    pub ema: Vec<Array>,
    /// Training steps done.
    pub step: Option<u64>,
    /// The EMA's decay.
    pub ema_decay: Option<f64>,
}

/// Reads a `.pth` without running any of its code.
///
/// # Errors
/// If the file is no such checkpoint, is damaged, or asks for anything but tensors and plain values.
pub fn read_torch(path: &Path) -> Result<Checkpoint, FileError> {
    let _ = path;
    todo!("helper: checkpoint")
}
