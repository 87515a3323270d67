use super::{Account, CompareError, Comparison, OpenedReference};
use crate::Pixels;
use crate::metric::{Fd, MetricError, Pair, Sample, frechet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was measured: a figure with what is known of its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub value: f64,
    /// 95% of resampled sets are between these, where samples could be drawn again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Standard deviation over parts of the samples, where the measure has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<f64>,
}

impl Reading {
    /// The figure alone.
    pub fn plain(value: f64) -> Reading {
        Reading { value, interval: None, std: None }
    }

    /// With what is known of its error.
    pub fn words(self) -> String {
        let short = |value: f64| {
            let size = value.abs();
            if size != 0.0 && !(1e-3..1e5).contains(&size) { format!("{value:.3e}") } else { format!("{value:.4}") }
        };
        match (self.interval, self.std) {
            (Some([low, high]), _) => format!("{} [{}, {}]", short(self.value), short(low), short(high)),
            (None, Some(std)) => format!("{} ± {}", short(self.value), short(std)),
            (None, None) => short(self.value),
        }
    }
}

/// What came of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellResult {
    /// Name of the cell.
    pub name: String,
    /// The same as a word.
    pub slug: String,
    /// Number of samples.
    pub count: u64,
    /// Score evaluations of each sample.
    pub evaluations: f64,
    /// Seconds of computing of each sample.
    pub seconds: f64,
    /// Fréchet distance to the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<Reading>,
    /// All other measures, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, Reading>,
    /// Whether no other cell is as cheap in evaluations, or in seconds, and nearer.
    pub best_by_evaluations: bool,
    pub best_by_seconds: bool,
    /// Why there is no distance, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    pub comparison: Comparison,
    /// The model, as people read it.
    pub model: String,
    /// What computed the samples.
    pub machine: String,
    /// What the Fréchet distance of these features is called.
    pub metric: String,
    /// The features: network, weights, resizing.
    pub features: String,
    /// The reference, and how many images it is of, where that is known.
    pub reference: String,
    pub reference_count: Option<u64>,
    pub cells: Vec<CellResult>,
    /// Mean squared difference of the first images of each two cells from equal noise, where they have any.
    pub agreement: Vec<Vec<Option<f64>>>,
}

impl Results {
    /// The line about small samples, where any are.
    pub fn few(&self) -> Option<String> {
        let fewest = self.cells.iter().filter(|cell| cell.failure.is_none()).map(|cell| cell.count).min()?;
        let line = format!(
            "{fewest} samples are fewer than {}: distances are biased upwards, and compare only at equal counts",
            super::FEW
        );
        (fewest < super::FEW as u64).then_some(line)
    }

    /// A measure of a cell by its name, the distance by that of the metric.
    pub fn reading(&self, cell: &CellResult, measure: &str) -> Option<Reading> {
        if measure == self.metric { cell.distance } else { cell.others.get(measure).copied() }
    }

    /// The names of all measures that some cell has, the distance first.
    pub fn measures(&self) -> Vec<String> {
        let mut names = vec![self.metric.clone()];
        for name in self.cells.iter().flat_map(|cell| cell.others.keys()) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Marks the cells that no other is as cheap as and better.
    pub fn mark_best(&mut self) {
        let mark = |cells: &[CellResult], cost: fn(&CellResult) -> f64| -> Vec<bool> {
            let known: Vec<Option<(f64, f64)>> =
                cells.iter().map(|cell| Some((cost(cell), cell.distance?.value))).collect();
            let beaten = |&(cost, value): &(f64, f64)| {
                let beats =
                    |other: &(f64, f64)| other.0 <= cost && other.1 <= value && (other.0 < cost || other.1 < value);
                known.iter().flatten().any(beats)
            };
            known.iter().map(|point| point.as_ref().is_some_and(|point| !beaten(point))).collect()
        };
        let by_evaluations = mark(&self.cells, |cell| cell.evaluations);
        let by_seconds = mark(&self.cells, |cell| cell.seconds);
        for (cell, (evaluations, seconds)) in self.cells.iter_mut().zip(by_evaluations.into_iter().zip(by_seconds)) {
            (cell.best_by_evaluations, cell.best_by_seconds) = (evaluations, seconds);
        }
    }
}

/// The distance of one cell's samples, and whatever else can be measured of them.
///
/// # Errors
/// If there is no distance.
pub fn measure(
    account: &Account,
    reference: &OpenedReference,
    comparison: &Comparison,
    metric: &str,
) -> Result<(Reading, BTreeMap<String, Reading>), CompareError> {
    let sample = Sample {
        moments: Some(account.moments()?),
        features: account.features().cloned(),
        logits: account.logits().cloned(),
    };
    let pair = Pair { generated: &sample, reference: &reference.sample, metric, seed: comparison.seed };
    let (mut distance, mut others) = (None, BTreeMap::new());
    for measure in comparison.measures(account.dims())? {
        if !pair.suits(measure.entry()) {
            continue;
        }
        let found = match measure.measure(&pair) {
            Ok(found) => found,
            // Of few samples there is not everything.
            Err(_) if !measure.is(&Fd) => continue,
            Err(error) => return Err(error.into()),
        };
        for figure in found {
            let std = figure.error.filter(|_| figure.interval().is_none());
            let reading = Reading { value: figure.value, interval: figure.interval(), std };
            match figure.name == metric {
                // No distance is below 0, whatever its error.
                true => {
                    let interval = reading.interval.map(|[low, high]| [low.max(0.0), high]);
                    distance = Some(Reading { interval, ..reading });
                }
                false => drop(others.insert(figure.name, reading)),
            }
        }
    }
    let distance = match (distance, &sample.moments, &reference.sample.moments) {
        (Some(distance), ..) => distance,
        // Where it was not asked for, without its interval.
        (None, Some(a), Some(b)) => Reading::plain(frechet(a, b)?),
        _ => return Err(MetricError::NoFeatures.into()),
    };
    Ok((distance, others))
}

/// The cell as it stands: what was computed, and `measured` of it.
pub fn result(
    name: &str,
    slug: String,
    account: &Account,
    measured: Result<(Reading, BTreeMap<String, Reading>), CompareError>,
) -> CellResult {
    let count = account.count();
    let (distance, others, failure) = match (account.failure.clone(), measured) {
        (Some(failure), _) => (None, BTreeMap::new(), Some(failure)),
        (None, Ok((distance, others))) => (Some(distance), others, None),
        (None, Err(error)) => (None, BTreeMap::new(), Some(error.to_string())),
    };
    CellResult {
        name: name.into(),
        slug,
        count,
        evaluations: account.evaluations_each(),
        seconds: account.seconds / count.max(1) as f64,
        distance,
        others,
        best_by_evaluations: false,
        best_by_seconds: false,
        failure,
    }
}

/// How much the first images of each two of these differ from equal noise: the mean squared difference, of images in [0, 1].
pub fn agreement(images: &[&Pixels<f32>]) -> Vec<Vec<Option<f64>>> {
    let between = |a: &Pixels<f32>, b: &Pixels<f32>| {
        let both = a.values.len().min(b.values.len());
        let squares = a.values.iter().zip(b.values.iter()).map(|(a, b)| f64::from(a - b).powi(2));
        (both > 0 && a.shape[1..] == b.shape[1..]).then(|| squares.sum::<f64>() / both as f64)
    };
    let row = |a: &&Pixels<f32>| images.iter().map(|b| between(a, b)).collect();
    images.iter().map(row).collect()
}
