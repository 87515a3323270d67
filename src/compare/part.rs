//! A part of a comparison in a file, and all parts in one.

use super::account::{Damage, Stored};
use super::{Account, CompareError, Comparison};
use crate::checkpoint::{FileError, read_arrays, write_arrays};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What samples must share to be compared or put together, besides their settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Checksum of the model's weights, images or components; of a whole comparison, of each model that it samples, with a
    /// plus between them.
    pub model: String,
    /// The features: network, weights, resizing.
    pub features: String,
    /// What computes samples: instructions of the processor, or the graphics adapter.
    pub kernels: String,
}

impl Identity {
    /// That of the comparison's model in this place of [`Comparison::models`].
    pub fn of(&self, place: usize) -> Identity {
        let model = self.model.split('+').nth(place).unwrap_or_default().to_owned();
        Identity { model, ..self.clone() }
    }

    /// What differs, if anything does, and what it is here and there.
    pub fn difference<'a>(&'a self, other: &'a Identity) -> Option<(&'static str, &'a str, &'a str)> {
        let all = [
            ("weights of the model", &self.model, &other.model),
            ("features", &self.features, &other.features),
            ("kernels", &self.kernels, &other.kernels),
        ];
        all.into_iter().find(|(_, a, b)| a != b).map(|(what, a, b)| (what, a.as_str(), b.as_str()))
    }
}

/// What one of several machines computed of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub comparison: Comparison,
    pub identity: Identity,
    /// The machine, in words.
    pub machine: String,
    /// Of each cell, its part.
    pub accounts: Vec<Account>,
}

const WHAT: &str = "a part of a comparison";
/// The note that marks such a file, with its version.
const FIELD: &str = "score-explorer-part";
const VERSION: &str = "1";

/// Writes a part, all or nothing.
///
/// # Errors
/// If it cannot be written.
pub fn write_part(path: &Path, part: &Part) -> Result<(), CompareError> {
    let wrong = |error: serde_json::Error| FileError::Format {
        path: path.into(),
        expected: WHAT,
        reason: format!("it cannot be written ({error})"),
    };
    let mut stored = Stored::default();
    let notes = &mut stored.0;
    notes.insert(FIELD.into(), VERSION.into());
    notes.insert("comparison".into(), serde_json::to_string(&part.comparison).map_err(wrong)?);
    notes.insert("identity".into(), serde_json::to_string(&part.identity).map_err(wrong)?);
    notes.insert("machine".into(), part.machine.clone());
    for (index, account) in part.accounts.iter().enumerate() {
        account.store(&format!("{index}."), true, &mut stored)?;
    }
    let (notes, arrays) = stored;
    Ok(write_arrays(path, &notes, &arrays)?)
}

/// Reads a part, which may be a stranger's.
///
/// # Errors
/// If it cannot be read, or does not hold what it says.
pub fn read_part(path: &Path) -> Result<Part, CompareError> {
    let wrong = |reason: String| FileError::Format { path: path.into(), expected: WHAT, reason };
    let mut stored: Stored = read_arrays(path, WHAT)?;
    match stored.0.get(FIELD).map(String::as_str) {
        Some(VERSION) => {}
        Some(_) => return Err(wrong("it is of another version; write it again with this program".into()).into()),
        None => return Err(wrong("it has no such notes; choose files that `compare --shard` wrote".into()).into()),
    }
    let text = |name: &str| stored.0.get(name).cloned().ok_or_else(|| wrong(format!("it lacks its {name}")));
    let json = |error: serde_json::Error| wrong(error.to_string());
    let comparison: Comparison = serde_json::from_str(&text("comparison")?).map_err(json)?;
    comparison.check()?;
    let identity = serde_json::from_str(&text("identity")?).map_err(json)?;
    let machine = crate::text::line(&text("machine")?).into_owned();
    let mut accounts = Vec::with_capacity(comparison.cells.len());
    for index in 0..comparison.cells.len() {
        let account = Account::restore(&format!("{index}."), &mut stored).map_err(|damage| damage.at(path))?;
        if account.next() > comparison.count.get() as u64 {
            return Err(Damage("it holds more samples than the comparison has".into()).at(path));
        }
        accounts.push(account);
    }
    Ok(Part { comparison, identity, machine, accounts })
}

/// All parts of a comparison in one, to the bits that one machine would have computed, in whatever order they come.
///
/// # Errors
/// If they are parts of different comparisons, or samples are missing or there twice.
pub fn merge(parts: Vec<(PathBuf, Part)>) -> Result<Part, CompareError> {
    let Some((first_path, first)) = parts.first() else { return Err(CompareError::NoParts) };
    let (comparison, identity) = (first.comparison.clone(), first.identity.clone());
    for (path, part) in &parts {
        let mismatch = |what| CompareError::Mismatch { path: path.clone(), other: first_path.clone(), what };
        if let Some((what, ..)) = identity.difference(&part.identity) {
            return Err(mismatch(what));
        }
        if let Some(what) = unlike(&comparison, &part.comparison) {
            return Err(mismatch(what));
        }
    }
    let mut machines: Vec<String> = parts.iter().map(|(_, part)| part.machine.clone()).collect();
    machines.sort();
    machines.dedup();
    let mut of_cells: Vec<Vec<(PathBuf, Account)>> = comparison.cells.iter().map(|_| Vec::new()).collect();
    for (path, part) in parts {
        for (cell, account) in of_cells.iter_mut().zip(part.accounts) {
            cell.push((path.clone(), account));
        }
    }
    let count = comparison.count.get() as u64;
    let cells = comparison.cells.iter().zip(of_cells);
    let accounts = cells.map(|(cell, parts)| joined(&cell.name, count, parts)).collect::<Result<_, _>>()?;
    Ok(Part { comparison, identity, machine: machines.join(", "), accounts })
}

/// What differs between two comparisons.
fn unlike(a: &Comparison, b: &Comparison) -> Option<&'static str> {
    let settings =
        |of: &Comparison| of.cells.iter().map(|cell| (cell.name.clone(), of.settings(cell))).collect::<Vec<_>>();
    match () {
        () if a.count != b.count => Some("numbers of samples"),
        () if a.seed != b.seed => Some("seeds"),
        () if a.features != b.features || a.keep != b.keep => Some("features"),
        () if settings(a) != settings(b) => Some("presets"),
        () => None,
    }
}

/// The parts of a cell in one.
fn joined(cell: &str, count: u64, mut parts: Vec<(PathBuf, Account)>) -> Result<Account, CompareError> {
    parts.retain(|(_, account)| account.count() > 0 || account.failure.is_some());
    parts.sort_by_key(|(_, account)| (account.first, account.next()));
    let gap = |first: u64, end: u64| CompareError::Gap { cell: cell.into(), first, last: end.saturating_sub(1) };
    let mut parts = parts.into_iter();
    let Some((_, mut whole)) = parts.next() else { return Err(gap(0, count)) };
    if whole.first > 0 && whole.failure.is_none() {
        return Err(gap(0, whole.first));
    }
    for (path, part) in parts {
        if whole.failure.is_some() {
            break;
        }
        if part.first < whole.next() {
            let last = whole.next().min(part.next()).saturating_sub(1);
            return Err(CompareError::Overlap { path, cell: cell.into(), first: part.first, last });
        }
        if part.first > whole.next() {
            return Err(gap(whole.next(), part.first));
        }
        whole.append(part).map_err(|error| Damage::from(error).at(&path))?;
    }
    match whole.next() < count && whole.failure.is_none() {
        true => Err(gap(whole.next(), count)),
        false => Ok(whole),
    }
}
