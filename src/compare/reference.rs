use super::CompareError;
use crate::data::Place;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What samples are compared with.
///
/// As text: `model`, a path that ends in `.npz` or `.safetensors`, or any data that a training reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reference {
    /// The data of an exact model themselves: its images, or draws of its mixture.
    Model,
    /// Published statistics, or features of images.
    Statistics(PathBuf),
    /// Images.
    Images(Place),
}

/// What stands for the model's own data.
const MODEL: &str = "model";

impl FromStr for Reference {
    type Err = CompareError;

    fn from_str(text: &str) -> Result<Self, CompareError> {
        let text = text.trim();
        if text == MODEL {
            return Ok(Reference::Model);
        }
        let lower = text.to_lowercase();
        if [".npz", ".safetensors"].iter().any(|ending| lower.ends_with(ending)) {
            return Ok(Reference::Statistics(text.into()));
        }
        text.parse().map(Reference::Images).map_err(|_| CompareError::Reference(text.into()))
    }
}

impl TryFrom<String> for Reference {
    type Error = CompareError;
    fn try_from(text: String) -> Result<Self, CompareError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> String {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Model => out.write_str(MODEL),
            Reference::Statistics(path) => write!(out, "{}", path.display()),
            Reference::Images(place) => write!(out, "{place}"),
        }
    }
}
