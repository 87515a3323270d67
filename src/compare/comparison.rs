use super::{Cell, CompareError, Reference, presets};
use crate::checkpoint::{FileError, read_json, write_json};
use crate::metric::{FeatureRef, Measure, Measured};
use crate::registry::{Category, Choice};
use crate::sde::Family;
use crate::task::{Count, ModelRef, Origin, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Below so many samples, distances depend on their number: they compare at equal counts only.
pub const FEW: usize = 2048;
/// Features of a cell are kept by themselves where they take no more bytes than this.
const SMALL: u64 = 64 << 20;

/// Above so many features, only these are measured unless others are asked for: extrapolations take minutes.
const MANY: usize = 1024;
const QUICK: [&str; 4] = ["fd", "kid", "is", "prdc"];

/// What is compared, and with what: a value, and a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub model: ModelRef,
    /// The family of cells that have none of their own.
    #[serde(flatten)]
    pub family: Family,
    /// Seed of all noise, the same in every cell.
    pub seed: u64,
    /// Samples of each cell.
    pub count: Count,
    pub features: FeatureRef,
    pub reference: Reference,
    #[serde(default)]
    pub keep: Keep,
    /// What is measured, as `metric` writes it; nothing: all that does not take long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<String>,
    /// What is compared.
    pub cells: Vec<Cell>,
}

/// What is kept of the samples besides their sums and the first few images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Their features, which all measures but the Fréchet distance need; where nothing is said, if they are small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<bool>,
    /// All of them, as images.
    #[serde(default)]
    pub samples: bool,
}

impl Comparison {
    /// More than any chart shows.
    pub const MOST_CELLS: usize = 1000;

    /// Whether its parts fit together.
    ///
    /// # Errors
    /// If there are no cells or too many, two share a name, or one is not possible.
    pub fn check(&self) -> Result<(), CompareError> {
        match self.cells.len() {
            0 => return Err(CompareError::NoCells),
            1..=Self::MOST_CELLS => {}
            more => return Err(CompareError::Cells(more)),
        }
        let mut names = BTreeSet::new();
        for cell in &self.cells {
            if !names.insert(cell.slug()) {
                return Err(CompareError::Twice(cell.name.clone()));
            }
            self.run(cell).check()?;
        }
        self.measures(0)?;
        Ok(self.features.choice().0.check()?)
    }

    /// The run that draws the samples of a cell.
    pub fn run(&self, cell: &Cell) -> Run {
        let base = Run {
            model: self.model.clone(),
            family: self.family,
            seed: self.seed,
            count: self.count,
            guidance: None,
            origin: Origin::Prior,
            ..Run::default()
        };
        let mut run = cell.run_of(base);
        // In few dimensions a sample's own norms are never right; elsewhere the cell's stay.
        if matches!(run.model, ModelRef::Mixture(_)) {
            run.set_norms();
        }
        run
    }

    /// The models that its cells sample, each once.
    pub fn models(&self) -> Vec<&ModelRef> {
        let mut models: Vec<&ModelRef> = Vec::new();
        for model in self.cells.iter().map(|cell| cell.model.as_ref().unwrap_or(&self.model)) {
            if !models.contains(&model) {
                models.push(model);
            }
        }
        models
    }

    /// The same, with its models named so that they are found from any folder.
    pub fn absolute(&self) -> Comparison {
        let of_cell = |cell: &Cell| Cell { model: cell.model.as_ref().map(ModelRef::absolute), ..cell.clone() };
        Comparison { model: self.model.absolute(), cells: self.cells.iter().map(of_cell).collect(), ..self.clone() }
    }

    /// All that decides a cell's samples besides the bits of its model, and which that is where it is not the comparison's,
    /// as text: not their number, not a name.
    pub fn settings(&self, cell: &Cell) -> String {
        let run = self.run(cell);
        let mut run = serde_json::to_value(Run { model: run.model.absolute(), ..run }).unwrap_or_default();
        if let Value::Object(fields) = &mut run {
            fields.retain(|field, _| (field != "model" || cell.model.is_some()) && field != "count");
        }
        run.to_string()
    }

    /// Whether the features of each cell are kept, of so many values each.
    pub fn keeps_features(&self, dims: usize) -> bool {
        self.keep.features.unwrap_or(self.count.get() as u64 * dims as u64 * 4 <= SMALL)
    }

    /// What is measured of so many features.
    ///
    /// # Errors
    /// If a measure is unknown.
    pub fn measures(&self, dims: usize) -> Result<Vec<Measured>, CompareError> {
        if !self.measures.is_empty() {
            return Ok(self.measures.iter().map(|text| text.parse()).collect::<Result<_, _>>()?);
        }
        let is_quick = |measure: &&&'static dyn Measure| dims <= MANY || QUICK.contains(&measure.about().slug);
        Ok(<dyn Measure>::all().iter().filter(is_quick).map(|measure| Choice::new(*measure)).collect())
    }

    /// Score evaluations that all of it takes, and how many cells choose their own steps and are not among them.
    pub fn evaluations(&self) -> (u64, usize) {
        let each = self.cells.iter().map(|cell| self.run(cell).evaluations());
        each.fold((0, 0), |(sum, unknown), evaluations| match evaluations {
            Some(evaluations) => (sum + evaluations as u64 * self.count.get() as u64, unknown),
            None => (sum, unknown + 1),
        })
    }

    /// The command that makes it again: with the names of its presets, or where others than these are compared, with
    /// its file.
    pub fn command(&self, output: &str) -> String {
        let quoted =
            |text: String| match text.chars().all(|letter| letter.is_alphanumeric() || "-_./:+=,".contains(letter)) {
                true => text,
                false => format!("'{}'", text.replace('\'', r"'\''")),
            };
        let named = self.cells.iter().all(|cell| presets().contains(cell));
        let from_file = !named || self.keep != Keep::default() || !self.measures.is_empty() || self.family_is_given();
        if from_file {
            return format!("score-explorer compare --config comparison.json --output {}", quoted(output.into()));
        }
        let names: Vec<String> = self.cells.iter().map(Cell::slug).collect();
        format!(
            "score-explorer compare --presets {} --count {} --features {} --reference {} --model {} --seed {} --output {}",
            quoted(names.join(",")),
            self.count.get(),
            quoted(self.features.to_string()),
            quoted(self.reference.to_string()),
            quoted(self.model.to_string()),
            self.seed,
            quoted(output.into())
        )
    }

    /// Whether the family may be another than the model's own: parameters of files are kept to all digits.
    fn family_is_given(&self) -> bool {
        self.family != Run::default().family
    }
}

const WHAT: &str = "the file of a comparison";
/// The field that marks such a file, with its version.
const FIELD: &str = "score-explorer-comparison";
const VERSION: u64 = 1;

#[derive(Serialize)]
struct ComparisonFile<'a> {
    #[serde(rename = "score-explorer-comparison")]
    version: u64,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

/// Reads the file of a comparison.
///
/// # Errors
/// If it cannot be read, or holds no possible one.
pub fn read_comparison(path: &Path) -> Result<Comparison, CompareError> {
    let value = read_json(path, WHAT, FIELD, VERSION)?;
    let comparison: Comparison = serde_json::from_value(value).map_err(|error| FileError::Format {
        path: path.into(),
        expected: WHAT,
        reason: error.to_string(),
    })?;
    comparison.check()?;
    Ok(comparison)
}

/// Writes the file of a comparison, all or nothing.
///
/// # Errors
/// If it cannot be written.
pub fn write_comparison(path: &Path, comparison: &Comparison) -> Result<(), CompareError> {
    Ok(write_json(path, WHAT, &ComparisonFile { version: VERSION, comparison: &comparison.absolute() })?)
}
