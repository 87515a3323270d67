use super::CompareError;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Samples that are summed together, and never divided between machines.
pub use crate::metric::BLOCK;

/// A part of a comparison for one of several machines: `3/64` is the third of 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    index: u64,
    of: u64,
}

impl Shard {
    /// More machines than any comparison has blocks.
    pub const MAX: u64 = 1 << 20;
    /// All of it.
    pub const WHOLE: Shard = Shard { index: 1, of: 1 };

    /// # Errors
    /// If the index is not one of 1 to `of`, or there are more than [`Shard::MAX`].
    pub fn new(index: u64, of: u64) -> Result<Shard, CompareError> {
        match (1..=Shard::MAX).contains(&of) && (1..=of).contains(&index) {
            true => Ok(Shard { index, of }),
            false => Err(CompareError::Shard(format!("{index}/{of}"))),
        }
    }

    /// Whether it is all of a comparison.
    pub fn is_whole(self) -> bool {
        self.of == 1
    }

    /// Its samples of the cell in this place, of which there are so many: whole blocks of 64, and the last one as far as it goes.
    /// Successive cells begin with successive machines, so that where there are fewer blocks than machines all have work.
    pub fn samples(self, cell: usize, count: u64) -> Range<u64> {
        let blocks = u128::from(count.div_ceil(BLOCK));
        let turn = (u128::from(self.index - 1) + cell as u128) % u128::from(self.of);
        let end = |turn: u128| (blocks * turn / u128::from(self.of) * u128::from(BLOCK)) as u64;
        end(turn).min(count)..end(turn + 1).min(count)
    }
}

impl FromStr for Shard {
    type Err = CompareError;

    fn from_str(text: &str) -> Result<Self, CompareError> {
        let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        let (index, of) = numbers.ok_or_else(|| CompareError::Shard(text.into()))?;
        Shard::new(index, of)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.index, self.of)
    }
}
