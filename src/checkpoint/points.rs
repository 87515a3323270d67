//! Points of the plane from a table of numbers.

use super::{FileError, read_bounded};
use std::path::Path;

const WHAT: &str = "a table of points";
/// A hundred bytes for each of the points that are taken at most.
const MAX_BYTES: u64 = 8 << 20;
const REMEDY: &str = "give two finite numbers a line, such as 0.5,-1.25";

/// Reads a CSV file of x and y, a point a line, divided by commas, semicolons, tabs or blanks; the first line may name the
/// columns, and empty lines and those that begin with # are passed over. At most `most` points.
///
/// # Errors
/// If the file cannot be read, a line is not two finite numbers, or there is no point or too many.
pub fn read_points(path: &Path, most: usize) -> Result<Vec<[f64; 2]>, FileError> {
    let wrong = |reason: String| FileError::format(path, WHAT, reason);
    let bytes = read_bounded(path, MAX_BYTES, WHAT)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong(format!("it is not text; {REMEDY}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut points = Vec::new();
    for (place, (number, line)) in lines.enumerate() {
        match point(line) {
            Ok(_) if points.len() == most => return Err(wrong(format!("it has more than {most} points; give fewer"))),
            Ok(point) => points.push(point),
            // Names of columns.
            Err(_) if place == 0 && names(line) => {}
            Err(reason) => return Err(wrong(format!("in line {} {reason}; {REMEDY}", number + 1))),
        }
    }
    if points.is_empty() { Err(wrong(format!("it has no points; {REMEDY}"))) } else { Ok(points) }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    let divided = line.contains([',', ';', '\t']);
    line.split(move |letter: char| if divided { [',', ';', '\t'].contains(&letter) } else { letter.is_whitespace() })
        .map(str::trim)
        .filter(move |word| divided || !word.is_empty())
}

/// Whether no word of a line is a number, NaN and infinity among them.
fn names(line: &str) -> bool {
    words(line).all(|word| word.parse::<f64>().is_err())
}

fn point(line: &str) -> Result<[f64; 2], String> {
    let mut numbers = Vec::new();
    for word in words(line) {
        // What is shown of a stranger's file is short.
        let shown: String = word.chars().take(24).collect();
        let number: f64 = word.parse().map_err(|_| format!("{shown:?} is not a number"))?;
        if !number.is_finite() {
            return Err(format!("{shown:?} is not finite"));
        }
        numbers.push(number);
    }
    <[f64; 2]>::try_from(numbers).map_err(|numbers| format!("there are {} numbers", numbers.len()))
}
