//! The cells of a comparison, as they are found and go on.

use super::Compare;
use crate::compare::{Account, CompareError, Folder, Identity, Saved};
use crate::task::Run;
use std::ops::Range;

/// A cell on its way.
pub(super) struct Row {
    pub account: Account,
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
    pub fn of(run: &Run, found: Found, begun: &dyn Fn(u64) -> Account) -> Row {
        let coupled = run.solver.entry().couples_samples(run.solver.settings());
        let account = found.there.map_or_else(|| begun(found.range.start), |(account, _)| account);
        let mut row = Row { account, end: found.range.end, saved: true, written: 0, coupled };
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

/// Whether what was found was computed with the same as what is to follow.
pub(super) fn alike(identity: &Identity, found: &[Found], folder: &Folder) -> Result<(), CompareError> {
    for (_, other) in found.iter().filter_map(|found| found.there.as_ref()) {
        if let Some((what, here, there)) = identity.difference(&other.identity) {
            let (here, there) = (here.to_owned(), there.to_owned());
            return Err(CompareError::Unlike { path: folder.path().into(), what, there, here });
        }
    }
    Ok(())
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
