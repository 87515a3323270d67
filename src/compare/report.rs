//! Results as files: a table, a chart, a page.

use super::html::html;
use super::{Chart, CompareError, Cost, Folder, Font, Results, chart_png, chart_svg};
use crate::Pixels;
use crate::checkpoint::{write_atomically, write_photo};
use std::path::Path;

/// The table as CSV (RFC 4180), a line for each cell.
pub fn csv(results: &Results) -> String {
    let measures = results.measures();
    let mut heads: Vec<String> =
        ["preset", "samples", "evaluations", "seconds", "best_by_evaluations", "best_by_seconds"]
            .map(Into::into)
            .into();
    for name in &measures {
        heads.extend([name.clone(), format!("{name} low"), format!("{name} high"), format!("{name} std")]);
    }
    heads.push("failure".into());
    let mut lines = vec![heads];
    for cell in &results.cells {
        let mut line = vec![
            cell.slug.clone(),
            cell.count.to_string(),
            cell.evaluations.to_string(),
            cell.seconds.to_string(),
            cell.best_by_evaluations.to_string(),
            cell.best_by_seconds.to_string(),
        ];
        for name in &measures {
            let figure = results.reading(cell, name);
            let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
            let interval = figure.and_then(|figure| figure.interval);
            line.extend([
                number(figure.map(|figure| figure.value)),
                number(interval.map(|[low, _]| low)),
                number(interval.map(|[_, high]| high)),
                number(figure.and_then(|figure| figure.std)),
            ]);
        }
        line.push(cell.failure.clone().unwrap_or_default());
        lines.push(line);
    }
    let field = |text: &String| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.clone(),
    };
    lines.iter().map(|line| line.iter().map(field).collect::<Vec<_>>().join(",") + "\r\n").collect()
}

/// Writes everything that came of a comparison into its folder: results, table, charts, and a page; `page` is where that
/// goes, if elsewhere. `images` are the first ones of each cell.
///
/// # Errors
/// If a chart cannot be drawn, or a file not be written.
pub fn write_report(
    folder: &Folder,
    results: &Results,
    images: &[Option<Pixels<f32>>],
    font: Font,
    page: Option<&Path>,
) -> Result<(), CompareError> {
    folder.write_results(results)?;
    let own = folder.path().join("report.html");
    write(&folder.path().join("results.csv"), &csv(results))?;
    for (cost, name) in [(Cost::Evaluations, "chart"), (Cost::Seconds, "chart-seconds")] {
        let chart = Chart { results, cost, published: false, font };
        write(&folder.path().join(format!("{name}.svg")), &chart_svg(&chart)?)?;
        write_photo(&folder.path().join(format!("{name}.png")), &chart_png(&chart)?)?;
    }
    write(page.unwrap_or(&own), &html(results, images, font)?)
}

fn write(path: &Path, text: &str) -> Result<(), CompareError> {
    Ok(write_atomically(path, |out| out.write_all(text.as_bytes()))?)
}
