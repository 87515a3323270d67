//! An account of features that does not depend on who counted what, and when.

use super::features::same_dims;
use super::{Features, MetricError, Moments};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Samples that are summed one after the other.
pub const BLOCK: u64 = 64;

/// Sums over a block of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Sums {
    dims: usize,
    count: u64,
    sum: Vec<f64>,
    products: Vec<f64>,
}

impl Sums {
    /// From what was written of some.
    ///
    /// # Errors
    /// If there are more or fewer numbers than `dims` features have, or one is not finite.
    pub fn new(dims: usize, count: u64, sum: Vec<f64>, products: Vec<f64>) -> Result<Self, MetricError> {
        if dims == 0 || sum.len() != dims || products.len() != triangle(dims) {
            return Err(MetricError::Damaged("it has other numbers of features and of their products"));
        }
        if !sum.iter().chain(&products).all(|value| value.is_finite()) {
            return Err(MetricError::Damaged("a sum is not a finite number"));
        }
        Ok(Sums { dims, count, sum, products })
    }

    /// Over rows in their order. Products of single precision are exact in double precision, so that all processors
    /// give the same bits, whether they round between product and sum or not.
    fn of(dims: usize, rows: &[&[f32]]) -> Self {
        let mut sum = vec![0.0; dims];
        for row in rows {
            sum.iter_mut().zip(*row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        let mut products = vec![0.0; triangle(dims)];
        let mut lines: Vec<(usize, &mut [f64])> = Vec::with_capacity(dims);
        let mut rest = &mut products[..];
        for first in 0..dims {
            let (line, others) = rest.split_at_mut(dims - first);
            lines.push((first, line));
            rest = others;
        }
        lines.into_par_iter().with_min_len(16).for_each(|(first, line)| {
            for row in rows {
                let factor = f64::from(row[first]);
                line.iter_mut().zip(&row[first..]).for_each(|(sum, &value)| *sum += factor * f64::from(value));
            }
        });
        Sums { dims, count: rows.len() as u64, sum, products }
    }

    /// Adds those of the samples that follow.
    fn add(&mut self, next: &Sums) {
        self.count += next.count;
        self.sum.iter_mut().zip(&next.sum).for_each(|(sum, value)| *sum += value);
        self.products.iter_mut().zip(&next.products).for_each(|(sum, value)| *sum += value);
    }

    /// D.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Number of samples.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Σ f, of length D.
    pub fn sum(&self) -> &[f64] {
        &self.sum
    }

    /// The upper triangle of Σ f·fᵀ, row by row: D·(D + 1)/2 numbers.
    pub fn products(&self) -> &[f64] {
        &self.products
    }
}

/// Numbers of the upper triangle of a D×D matrix.
fn triangle(dims: usize) -> usize {
    dims * (dims + 1) / 2
}

/// Sums over any of the samples 0, 1, 2, …, to the same bits whatever parts they were counted in, and in which order.
///
/// A block is [`BLOCK`] samples from a multiple of it, summed in order. Blocks are joined as in a binary tree: node (j, k)
/// is the samples from k·64·2ʲ up to (k + 1)·64·2ʲ, always the sum of its two halves. A tally holds the largest nodes that
/// are complete, so at most a few for each of its ranges, and the features themselves of samples whose block is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    dims: usize,
    /// By their first sample.
    nodes: BTreeMap<u64, Sums>,
    /// Samples of incomplete blocks.
    loose: BTreeMap<u64, Vec<f32>>,
}

impl Tally {
    /// Of no samples, of so many features.
    pub fn new(dims: usize) -> Self {
        Tally { dims, nodes: BTreeMap::new(), loose: BTreeMap::new() }
    }

    /// From what was written of one: complete nodes by their first sample, and samples of incomplete blocks.
    ///
    /// # Errors
    /// If a node is none of the tree, or a sample is there twice.
    pub fn from_parts(
        dims: usize,
        nodes: impl IntoIterator<Item = (u64, Sums)>,
        loose: impl IntoIterator<Item = (u64, Vec<f32>)>,
    ) -> Result<Self, MetricError> {
        let mut tally = Tally::new(dims);
        for (first, sums) in nodes {
            let aligned = sums.count >= BLOCK && sums.count.is_power_of_two() && first.is_multiple_of(sums.count);
            if !aligned || first.checked_add(sums.count).is_none() {
                return Err(MetricError::Damaged("its samples are not a part of the tree"));
            }
            same_dims(dims, sums.dims)?;
            let part = Tally { dims, nodes: [(first, sums)].into(), loose: BTreeMap::new() };
            tally = tally.merge(part)?;
        }
        for (sample, values) in loose {
            tally.add(sample, &Features::new(dims, values)?)?;
        }
        Ok(tally)
    }

    /// D.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Number of samples.
    pub fn count(&self) -> u64 {
        self.nodes.values().map(Sums::count).sum::<u64>() + self.loose.len() as u64
    }

    /// The complete nodes, by their first sample.
    pub fn nodes(&self) -> impl Iterator<Item = (u64, &Sums)> {
        self.nodes.iter().map(|(first, sums)| (*first, sums))
    }

    /// Samples whose block is not complete, with their features.
    pub fn loose(&self) -> impl Iterator<Item = (u64, &[f32])> {
        self.loose.iter().map(|(sample, values)| (*sample, &values[..]))
    }

    /// Which samples are there: ranges in their order, with gaps between them.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let nodes = self.nodes.iter().map(|(first, sums)| *first..first + sums.count);
        let mut parts: Vec<Range<u64>> = nodes.chain(self.loose.keys().map(|&sample| sample..sample + 1)).collect();
        parts.sort_by_key(|part| part.start);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for part in parts {
            match ranges.last_mut() {
                Some(last) if last.end == part.start => last.end = part.end,
                _ => ranges.push(part),
            }
        }
        ranges
    }

    /// Counts samples `first`, `first + 1`, … with these features.
    ///
    /// # Errors
    /// If one was counted already, or the features are of another number; then nothing was counted.
    pub fn add(&mut self, first: u64, features: &Features) -> Result<(), MetricError> {
        same_dims(self.dims, features.dims())?;
        let Some(end) = first.checked_add(features.len() as u64) else {
            return Err(MetricError::Damaged("a sample has a number that is too large"));
        };
        self.disjoint(std::slice::from_ref(&(first..end)))?;
        for (sample, row) in (first..end).zip(features.rows()) {
            self.loose.insert(sample, row.to_vec());
            if (sample + 1).is_multiple_of(BLOCK) {
                self.close(sample / BLOCK);
            }
        }
        if !end.is_multiple_of(BLOCK) {
            self.close(end / BLOCK);
        }
        Ok(())
    }

    /// Both tallies in one.
    ///
    /// # Errors
    /// If a sample is in both, or the features are of another number.
    pub fn merge(mut self, other: Tally) -> Result<Tally, MetricError> {
        same_dims(self.dims, other.dims)?;
        self.disjoint(&other.ranges())?;
        for (first, sums) in other.nodes {
            self.put(first, sums);
        }
        let blocks: Vec<u64> = other.loose.keys().map(|sample| sample / BLOCK).collect();
        self.loose.extend(other.loose);
        blocks.into_iter().for_each(|block| self.close(block));
        Ok(self)
    }

    /// The moments of samples 0 to n − 1, all that there are.
    ///
    /// # Errors
    /// If there is a gap, or there are fewer than two.
    pub fn moments(&self) -> Result<Moments, MetricError> {
        let mut expected = 0;
        for range in self.ranges() {
            if range.start > expected {
                return Err(MetricError::Gap(expected..range.start));
            }
            expected = range.end;
        }
        // From the last to the first: the small before the large.
        let rest: Vec<&[f32]> = self.loose.values().map(Vec::as_slice).collect();
        let mut total = Sums::of(self.dims, &rest);
        for sums in self.nodes.values().rev() {
            total.add(sums);
        }
        Moments::of(&total)
    }

    /// Whether none of these samples was counted.
    fn disjoint(&self, others: &[Range<u64>]) -> Result<(), MetricError> {
        for own in self.ranges() {
            for other in others {
                let both = own.start.max(other.start)..own.end.min(other.end);
                if !both.is_empty() {
                    return Err(MetricError::Overlap(both));
                }
            }
        }
        Ok(())
    }

    /// Sums a block if it is complete.
    fn close(&mut self, block: u64) {
        let Some(end) = (block + 1).checked_mul(BLOCK) else { return };
        let samples = block * BLOCK..end;
        if self.loose.range(samples.clone()).count() as u64 != BLOCK {
            return;
        }
        let rows: Vec<&[f32]> = self.loose.range(samples.clone()).map(|(_, values)| &values[..]).collect();
        let sums = Sums::of(self.dims, &rows);
        self.loose.retain(|sample, _| !samples.contains(sample));
        self.put(samples.start, sums);
    }

    /// Puts a node into the tree, joined with its sibling as long as that is there.
    fn put(&mut self, mut first: u64, mut sums: Sums) {
        loop {
            let size = sums.count;
            let sibling = first ^ size;
            if self.nodes.get(&sibling).is_none_or(|other| other.count != size) {
                break;
            }
            let Some(mut other) = self.nodes.remove(&sibling) else { break };
            if sibling < first {
                other.add(&sums);
                (first, sums) = (sibling, other);
            } else {
                sums.add(&other);
            }
        }
        self.nodes.insert(first, sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solver::{Purpose, Words};

    const DIMS: usize = 5;

    fn features(range: Range<u64>) -> Features {
        let row = |sample| {
            let mut words = Words::new(3, Purpose::World, sample);
            (0..DIMS).map(move |_| words.normal() as f32).collect::<Vec<_>>()
        };
        Features::new(DIMS, range.flat_map(row).collect()).unwrap()
    }

    fn counted(ranges: &[Range<u64>]) -> Tally {
        let mut tally = Tally::new(DIMS);
        for range in ranges {
            tally.add(range.start, &features(range.clone())).unwrap();
        }
        tally
    }

    fn part(range: Range<u64>) -> Tally {
        counted(std::slice::from_ref(&range))
    }

    #[test]
    fn any_cut_in_any_order_gives_the_same_bits() {
        for total in [1u64, 63, 64, 65, 300, 1000] {
            let whole = part(0..total);
            let mut words = Words::new(1, Purpose::Order, total);
            for _ in 0..20 {
                let mut cuts: Vec<u64> = (0..6).map(|_| u64::from(words.word()) % (total + 1)).collect();
                cuts.extend([0, total]);
                cuts.sort_unstable();
                let mut parts: Vec<Range<u64>> = cuts.windows(2).map(|cut| cut[0]..cut[1]).collect();
                for last in (1..parts.len()).rev() {
                    parts.swap(last, words.word() as usize % (last + 1));
                }
                // Half of them counted one by one, the others by one, then merged.
                let half = parts.len() / 2;
                let mut merged = counted(&parts[half..]);
                for range in &parts[..half] {
                    merged = part(range.clone()).merge(merged).unwrap();
                }
                assert_eq!(merged, whole, "{parts:?}");
                if total > 1 {
                    assert_eq!(merged.moments(), whole.moments(), "{parts:?}");
                }
            }
        }
    }

    #[test]
    fn the_tree_is_small_and_can_be_written_and_read() {
        let whole = part(100..100_000);
        assert!(whole.nodes().count() <= 2 * 11 && whole.loose().count() < 2 * BLOCK as usize);
        let (nodes, loose): (Vec<_>, Vec<_>) = (
            whole.nodes().map(|(first, sums)| (first, sums.clone())).collect(),
            whole.loose().map(|(sample, values)| (sample, values.to_vec())).collect(),
        );
        assert_eq!(Tally::from_parts(DIMS, nodes.clone(), loose).unwrap(), whole);
        let (first, sums) = nodes[0].clone();
        assert!(Tally::from_parts(DIMS, [(first + 1, sums.clone())], []).is_err());
        assert!(Tally::from_parts(DIMS + 1, [(first, sums.clone())], []).is_err());
        assert!(Tally::from_parts(DIMS, [(first, sums.clone()), (first, sums)], []).is_err());
    }

    #[test]
    fn overlaps_and_gaps_are_refused() {
        let overlap = |a, b| part(a).merge(part(b)).unwrap_err();
        assert_eq!(overlap(0..100, 99..150), MetricError::Overlap(99..100));
        // In a complete node.
        assert_eq!(overlap(0..128, 10..12), MetricError::Overlap(10..12));
        let mut tally = part(0..128);
        let before = tally.clone();
        assert!(tally.add(127, &features(127..129)).is_err());
        assert_eq!(tally, before);
        let gap = part(0..100).merge(part(150..300)).unwrap();
        assert_eq!(gap.ranges(), [0..100, 150..300]);
        assert_eq!(gap.moments().unwrap_err(), MetricError::Gap(100..150));
        assert_eq!(part(64..128).moments().unwrap_err(), MetricError::Gap(0..64));
        assert!(matches!(part(0..1).moments(), Err(MetricError::TooFew { found: 1, .. })));
        assert!(Tally::new(DIMS).moments().is_err());
        assert!(Tally::new(DIMS + 1).merge(part(0..2)).is_err());
    }

    #[test]
    fn moments_are_those_of_the_definition() {
        let (all, count) = (features(0..777), 777.0);
        let moments = part(0..777).moments().unwrap();
        let mean = |i: usize| all.rows().map(|row| f64::from(row[i])).sum::<f64>() / count;
        for i in 0..DIMS {
            assert!((moments.mean()[i] - mean(i)).abs() < 1e-14);
            for j in 0..DIMS {
                let around = |row: &[f32]| (f64::from(row[i]) - mean(i)) * (f64::from(row[j]) - mean(j));
                let exact = all.rows().map(around).sum::<f64>() / (count - 1.0);
                assert!((moments.covariance()[(i, j)] - exact).abs() < 1e-13);
            }
        }
    }
}
