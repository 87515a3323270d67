//! Figures that others published, as they lie in `tests/data`.

use serde_json::Value;
use std::fs::File;
use std::path::Path;

/// A file of JSON, or what is packed beside its place as `.gz`.
pub fn figures(path: &Path) -> Value {
    match std::fs::read(path) {
        Ok(plain) => serde_json::from_slice(&plain).unwrap(),
        Err(_) => {
            let packed =
                File::open(format!("{}.gz", path.display())).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            serde_json::from_reader(flate2::read::GzDecoder::new(packed)).unwrap()
        }
    }
}
