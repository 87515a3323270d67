//! The cells of a comparison, as they are found and go on.

use super::Compare;
use super::sight::fingerprint;
use crate::compare::{Account, Cell, CompareError, Comparison, Folder, Identity, Saved};
use crate::engine::loader::Loaded;
use crate::engine::{Context, Ending};
use crate::task::{ModelRef, Run};
use std::ops::Range;
use std::sync::Arc;

/// A cell on its way.
pub(super) struct Row {
    pub account: Account,
    /// The place of its model.
    pub model: usize,
    /// The number behind its last sample.
    pub end: u64,
    /// Whether its file holds what is known of it, and how many of its first images have files.
    pub saved: bool,
    pub written: usize,
    /// Whether samples depend on the others of their block.
    pub coupled: bool,
}

impl Row {
    /// A cell that goes on from what was found of it.
    pub fn of(run: &Run, model: usize, found: Found, begun: &dyn Fn(u64) -> Account) -> Row {
        let coupled = run.solver.entry().couples_samples(run.solver.settings());
        let account = found.there.map_or_else(|| begun(found.range.start), |(account, _)| account);
        let mut row = Row { account, model, end: found.range.end, saved: true, written: 0, coupled };
        if coupled && !row.is_done() {
            row.account.forget_incomplete();
        }
        row
    }

    pub fn is_done(&self) -> bool {
        self.account.failure.is_some() || self.account.next() >= self.end
    }
}

/// Samples that are wanted of a cell, and what is there of it.
pub(super) struct Found {
    pub range: Range<u64>,
    pub there: Option<(Account, Saved)>,
}

impl Found {
    pub fn is_done(&self) -> bool {
        let is_done = |account: &Account| account.failure.is_some() || account.next() >= self.range.end;
        self.range.is_empty() || self.there.as_ref().is_some_and(|(account, _)| is_done(account))
    }
}

/// What is there of all cells.
pub(super) fn found(task: &Compare, folder: &Folder) -> Result<Vec<Found>, CompareError> {
    let Compare { comparison, shard, .. } = task;
    let of = |(index, cell)| {
        let there = folder.read(comparison, cell)?;
        let range = shard.samples(index, comparison.count.get() as u64);
        if let Some((account, _)) = &there {
            fits(account, &range, &cell.name, folder)?;
        }
        Ok(Found { range, there })
    };
    comparison.cells.iter().enumerate().map(of).collect()
}

/// Whether what was found of a cell was computed with the same as what is to follow.
pub(super) fn alike(identity: &Identity, found: &Found, folder: &Folder) -> Result<(), CompareError> {
    let other = found.there.as_ref().and_then(|(_, saved)| identity.difference(&saved.identity));
    match other.map(|(what, here, there)| (what, here.to_owned(), there.to_owned())) {
        Some((what, here, there)) => Err(CompareError::Unlike { path: folder.path().into(), what, there, here }),
        None => Ok(()),
    }
}

/// A model that cells sample.
pub(super) struct Sampled {
    pub model: ModelRef,
    /// Itself, where something is left to be drawn.
    pub loaded: Option<Arc<Loaded>>,
    /// What tells it from others.
    pub checksum: String,
    /// C×H×W of its samples.
    pub shape: [usize; 3],
}

impl Sampled {
    /// Opens it where cells of it are not done, which are in the order of `found`.
    pub fn of(
        model: &ModelRef,
        comparison: &Comparison,
        found: &[Found],
        context: &Context<Compare>,
    ) -> Result<Sampled, Ending> {
        let cells = comparison.cells.iter().zip(found);
        let own: Vec<&Found> =
            cells.filter(|(cell, _)| comparison.run(cell).model == *model).map(|(_, found)| found).collect();
        let there = own.iter().find_map(|found| found.there.as_ref());
        if let Some((account, saved)) = there.filter(|_| own.iter().all(|found| found.is_done())) {
            let ([_, shape @ ..], checksum) = (account.images.shape, saved.identity.model.clone());
            return Ok(Sampled { model: model.clone(), loaded: None, checksum, shape });
        }
        let loaded = context.open(model, false)?;
        let (checksum, shape) = (fingerprint(model, context)?, loaded.model.shape());
        Ok(Sampled { model: model.clone(), loaded: Some(loaded), checksum, shape })
    }
}

/// C×H×W of the samples of all models: these can be compared.
///
/// # Errors
/// If they are not of one size.
pub(super) fn common_shape(models: &[Sampled]) -> Result<[usize; 3], CompareError> {
    let Some((first, rest)) = models.split_first() else { return Err(CompareError::NoCells) };
    let words = |[c, h, w]: [usize; 3]| format!("{c}×{h}×{w}");
    match rest.iter().find(|model| model.shape != first.shape) {
        Some(other) => Err(CompareError::Sizes {
            model: first.model.clone(),
            there: words(first.shape),
            other: other.model.clone(),
            here: words(other.shape),
        }),
        None => Ok(first.shape),
    }
}

/// The place of a cell's model among those of its comparison.
pub(super) fn place(comparison: &Comparison, cell: &Cell) -> usize {
    let model = cell.model.as_ref().unwrap_or(&comparison.model);
    comparison.models().into_iter().position(|known| known == model).unwrap_or(0)
}

/// Whether what is there of a cell is the beginning of what is wanted of it.
fn fits(account: &Account, range: &Range<u64>, cell: &str, folder: &Folder) -> Result<(), CompareError> {
    let path = folder.path().to_owned();
    if account.first != range.start {
        let (there, here) = (account.first.to_string(), range.start.to_string());
        return Err(CompareError::Unlike { path, what: "shards", there, here });
    }
    match account.next() > range.end {
        true => Err(CompareError::Fewer { path, cell: cell.into(), there: account.count(), wanted: range.end }),
        false => Ok(()),
    }
}
