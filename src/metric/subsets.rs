//! Which samples are drawn: functions of a seed and a number, the same on every machine.

use crate::solver::{Purpose, Words};

/// `size` different ones of `count` samples, or all, in random order.
pub fn subset(count: usize, size: usize, seed: u64, number: u64) -> Vec<usize> {
    let mut words = Words::new(seed, Purpose::Subset, number);
    let mut all: Vec<usize> = (0..count).collect();
    let size = size.min(count);
    for place in 0..size {
        let other = place + below(&mut words, count - place);
        all.swap(place, other);
    }
    all.truncate(size);
    all
}

/// As many of `count` samples, each any one of them (the bootstrap, Efron 1979).
pub fn resample(count: usize, seed: u64, number: u64) -> Vec<usize> {
    let mut words = Words::new(seed, Purpose::Subset, number);
    (0..count).map(|_| below(&mut words, count)).collect()
}

/// A number below another, which is less than 2³².
fn below(words: &mut Words, count: usize) -> usize {
    ((u64::from(words.word()) * count as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_different_samples_and_each_is_as_likely() {
        let mut often = [0; 10];
        for number in 0..4000 {
            let mut drawn = subset(10, 4, 1, number);
            drawn.iter().for_each(|&sample| often[sample] += 1);
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn.len(), 4);
        }
        // Five standard deviations of a binomial of 4000 with chance 0.4.
        assert!(often.iter().all(|&times| (f64::from(times) - 1600.0).abs() < 5.0 * 31.0), "{often:?}");
        let mut all = subset(50, 50, 2, 3);
        all.sort_unstable();
        assert!(all.into_iter().eq(0..50));
        assert!(resample(50, 2, 3).iter().all(|&sample| sample < 50));
    }
}
