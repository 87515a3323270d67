//! Comparing presets.

mod killed;
mod measured;
mod models;
mod parts;
mod presets;
mod report;

use crate::cli::Place;
use score_explorer::compare::Results;

/// The results that a folder holds.
fn results(place: &Place, folder: &str) -> Results {
    serde_json::from_slice(&place.bytes(&format!("{folder}/results.json"))).expect("results")
}

/// What must not depend on how often the work was interrupted, or divided: all but seconds.
fn figures(results: &Results) -> Vec<String> {
    let of = |cell: &score_explorer::compare::CellResult| {
        format!(
            "{} {} {:?} {:?} {:?} {:?}",
            cell.slug, cell.count, cell.evaluations, cell.distance, cell.others, cell.failure
        )
    };
    results.cells.iter().map(of).chain([format!("{:?}", results.agreement)]).collect()
}
