use super::npz::{Npz, write_npz};
use super::run_file::nameable;
use super::tensors::{Encoded, read_metadata, write_encoded};
use super::{FileError, read_tensors};
use crate::Pixels;
use crate::network::Array;
use crate::task::{Flow, Latents};
use std::collections::HashMap;
use std::path::Path;

const WHAT: &str = "a valid latents file";
/// Name of the array.
const ARRAY: &str = "latents";
/// Where the settings of the ODE solve are, as JSON.
pub(super) const FLOW: &str = "flow";
/// Flows are some hundred bytes.
const MAX_FLOW: usize = 1 << 16;

/// Writes latents with the settings that made them: `.safetensors` (tensor `latents`, the settings among the
/// metadata) or `.npz` (array `latents`, and the JSON of the settings as bytes in `flow`).
///
/// # Errors
/// If the extension is another one, or the file cannot be written.
pub fn write_latents(path: &Path, latents: &Latents) -> Result<(), FileError> {
    let flow = Flow { model: nameable(path, &latents.flow.model)?, ..latents.flow.clone() };
    let flow = serde_json::to_string(&flow)
        .map_err(|error| FileError::format(path, WHAT, format!("its settings cannot be written ({error})")))?;
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
/// If the file cannot be read, or does not hold settings and finite latents of four dimensions.
pub fn read_latents(path: &Path) -> Result<Latents, FileError> {
    let wrong = |reason: String| FileError::format(path, WHAT, reason);
    let (array, flow) = if is_npz(path)? {
        let mut file = Npz::open(path)?;
        // The small one first.
        let flow = file.text(FLOW, MAX_FLOW as u64)?;
        (file.array(ARRAY)?, Some(flow))
    } else {
        let flow = read_metadata(path)?.remove(FLOW);
        let array = read_tensors(path)?.remove(ARRAY);
        (array.ok_or_else(|| wrong(format!("the tensor {ARRAY:?} is missing")))?, flow)
    };
    let flow = flow.filter(|text| text.len() <= MAX_FLOW);
    let flow = flow.ok_or_else(|| wrong("it lacks the settings of the encoding; encode the images again".into()))?;
    let flow: Flow =
        serde_json::from_str(&flow).map_err(|error| wrong(format!("its settings are invalid: {error}")))?;
    flow.check().map_err(|error| wrong(error.to_string()))?;
    let Ok(shape) = <[usize; 4]>::try_from(array.shape.as_slice()) else {
        return Err(wrong(format!("the latents have the shape {:?}, not N×C×H×W", array.shape)));
    };
    if shape.contains(&0) || !array.values.iter().all(|value| value.is_finite()) {
        return Err(wrong("the latents are empty or not finite".into()));
    }
    Ok(Latents { pixels: Pixels { shape, values: array.values.into() }, flow })
}

/// Whether a `.safetensors` file holds latents; false where it cannot be read.
pub(super) fn holds_latents(path: &Path) -> bool {
    read_metadata(path).is_ok_and(|metadata| metadata.contains_key(FLOW))
}

fn is_npz(path: &Path) -> Result<bool, FileError> {
    match path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).as_deref() {
        Some("npz") => Ok(true),
        Some("safetensors") => Ok(false),
        _ => Err(FileError::format(path, WHAT, "its name must end in .safetensors or .npz")),
    }
}
