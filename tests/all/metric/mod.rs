//! Distances between sets of images, held against published programs' figures.

mod inception;
mod reference;

use serde_json::Value;
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/metrics").join(name)
}

fn json(name: &str) -> Value {
    crate::recorded::figures(&path(name))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}
