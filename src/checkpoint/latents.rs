use super::npz::{Npz, write_npz};
use super::tensors::{Encoded, read_metadata, write_encoded};
use super::{FileError, read_tensors};
use crate::Pixels;
use crate::network::Array;
use crate::task::{Flow, Latents};
use std::collections::HashMap;
use std::path::Path;

const WHAT: &str = "latents that can be used";
/// Name of the array.
const ARRAY: &str = "latents";
/// Where the flow is told, as JSON.
const FLOW: &str = "flow";
/// Flows are some hundred bytes.
const MAX_FLOW: usize = 1 << 16;

/// Writes latents with the flow that made them: `.safetensors` (tensor `latents`, the flow among the
/// metadata) or `.npz` (array `latents`, and the flow's JSON as bytes in `flow`).
///
/// # Errors
/// If the extension is another one, or the file cannot be written.
pub fn write_latents(path: &Path, latents: &Latents) -> Result<(), FileError> {
    let flow = serde_json::to_string(&latents.flow)
        .map_err(|error| FileError::format(path, WHAT, format!("the flow cannot be written ({error})")))?;
    let array = Array { shape: latents.pixels.shape.to_vec(), values: latents.pixels.values.to_vec() };
    if is_npz(path)? {
        write_npz(path, &[(ARRAY, &array)], &[(FLOW, &flow)])
    } else {
        let metadata = HashMap::from([(FLOW.to_owned(), flow)]);
        write_encoded(path, vec![(ARRAY, Encoded::single(&array))], Some(metadata))
    }
}

/// Reads what [`write_latents`] wrote.
///
/// # Errors
/// If the file cannot be read, or does not hold a flow and finite latents of four dimensions.
pub fn read_latents(path: &Path) -> Result<Latents, FileError> {
    let wrong = |reason: String| FileError::format(path, WHAT, reason);
    let (array, flow) = if is_npz(path)? {
        let mut file = Npz::open(path)?;
        (file.array(ARRAY)?, Some(file.text(FLOW)?))
    } else {
        let flow = read_metadata(path)?.remove(FLOW);
        let array = read_tensors(path)?.remove(ARRAY);
        (array.ok_or_else(|| wrong(format!("the tensor {ARRAY:?} is missing")))?, flow)
    };
    let flow = flow.filter(|text| text.len() <= MAX_FLOW);
    let flow = flow.ok_or_else(|| wrong("it does not say how they were made; encode the pictures again".into()))?;
    let flow: Flow = serde_json::from_str(&flow).map_err(|error| wrong(format!("the flow is wrong: {error}")))?;
    flow.check().map_err(|error| wrong(error.to_string()))?;
    let Ok(shape) = <[usize; 4]>::try_from(array.shape.as_slice()) else {
        return Err(wrong(format!("they are of the shape {:?}, not N×C×H×W", array.shape)));
    };
    if shape.contains(&0) || !array.values.iter().all(|value| value.is_finite()) {
        return Err(wrong("they are empty, or hold values that are not finite".into()));
    }
    Ok(Latents { pixels: Pixels { shape, values: array.values.into() }, flow })
}

/// Whether a `.safetensors` file says that it holds latents; false where it cannot be read.
pub fn holds_latents(path: &Path) -> bool {
    read_metadata(path).is_ok_and(|metadata| metadata.contains_key(FLOW))
}

fn is_npz(path: &Path) -> Result<bool, FileError> {
    match path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).as_deref() {
        Some("npz") => Ok(true),
        Some("safetensors") => Ok(false),
        _ => Err(FileError::format(path, WHAT, "its name must end in .safetensors or .npz")),
    }
}
