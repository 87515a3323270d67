use super::FileError;
use crate::network::Weights;
use std::path::Path;

/// Reads all tensors of a safetensors file as `f32` (from F64, F32, F16 or BF16).
///
/// # Errors
/// If the file cannot be read or is no safetensors file.
pub fn read_tensors(path: &Path) -> Result<Weights, FileError> {
    let _ = path;
    todo!("helper: checkpoint")
}

/// Writes tensors as `f32` safetensors, all or nothing.
///
/// # Errors
/// If the file cannot be written.
pub fn write_tensors(path: &Path, tensors: &Weights) -> Result<(), FileError> {
    let _ = (path, tensors);
    todo!("helper: checkpoint")
}
