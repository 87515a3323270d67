//! Presets over a grid of the values of one or two parameters.

use super::{Cell, CompareError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most values of an axis.
const MOST: usize = 100;

/// A parameter and the values that it takes in turn: `solver.snr=0.05,0.1,0.16`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Axis {
    /// As [`Cell::set`] takes it.
    pub key: String,
    pub values: Vec<String>,
}

impl FromStr for Axis {
    type Err = CompareError;

    fn from_str(text: &str) -> Result<Self, CompareError> {
        let wrong = || CompareError::Axis(text.into());
        let (key, values) = text.split_once('=').ok_or_else(wrong)?;
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        if key.trim().is_empty() || values.iter().any(String::is_empty) || values.len() > MOST {
            return Err(wrong());
        }
        Ok(Axis { key: key.trim().into(), values })
    }
}

impl TryFrom<String> for Axis {
    type Error = CompareError;
    fn try_from(text: String) -> Result<Self, CompareError> {
        text.parse()
    }
}

impl From<Axis> for String {
    fn from(axis: Axis) -> String {
        axis.to_string()
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}={}", self.key, self.values.join(","))
    }
}

/// Each cell with each value of each axis: its name says which.
///
/// # Errors
/// If a cell does not take one of the values.
pub fn swept(cells: &[Cell], axes: &[Axis]) -> Result<Vec<Cell>, CompareError> {
    axes.iter().try_fold(cells.to_vec(), |cells, axis| {
        let each = |cell: &Cell| axis.values.iter().map(|value| with(cell, axis, value)).collect::<Vec<_>>();
        cells.iter().flat_map(each).collect()
    })
}

fn with(cell: &Cell, axis: &Axis, value: &str) -> Result<Cell, CompareError> {
    let mut cell = cell.clone();
    cell.set(&axis.key, value)?;
    let key = axis.key.rsplit('.').next().unwrap_or_default();
    cell.name = format!("{} {key}={value}", cell.name);
    Ok(cell)
}
