//! The order in which pictures are taken.

use score_explorer::data::Order;
use std::collections::HashSet;

fn epoch(seed: u64, epoch: u64, len: u64) -> Vec<u64> {
    let order = Order { seed, len: Some(len) };
    (epoch * len..(epoch + 1) * len).map(|n| order.picture(n)).collect()
}

#[test]
fn every_epoch_takes_each_picture_once_in_an_order_of_its_own() {
    for len in [1, 2, 3, 4, 5, 16, 17, 100, 1000, 4097] {
        let mut orders = HashSet::new();
        for number in 0..3 {
            let order = epoch(7, number, len);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().copied().eq(0..len), "{len} pictures, epoch {number}: {order:?}");
            orders.insert(order);
        }
        assert!(len < 16 || orders.len() == 3, "{len}");
        assert!(len < 16 || epoch(7, 0, len) != epoch(8, 0, len), "{len}");
    }
    let order = Order { seed: 1, len: Some(50_000) };
    assert_eq!([0, 49_999, 50_000].map(|n| order.epoch(n)), [0, 0, 1]);
    // A place far into a training, and in a set larger than memory, is found at once.
    assert!(Order { seed: 1, len: Some((1 << 60) + 1) }.picture(u64::MAX - 5) <= 1 << 60);
    assert_eq!(Order { seed: 1, len: Some(0) }.picture(3), 0);
    assert_eq!(Order { seed: 1, len: None }.picture(1 << 40), 1 << 40);
}

/// χ² of counts that should be equal, about its mean in standard deviations.
fn excess(counts: &[u32]) -> f64 {
    let expected = counts.iter().map(|&count| f64::from(count)).sum::<f64>() / counts.len() as f64;
    let chi: f64 = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
    let freedom = counts.len() as f64 - 1.0;
    (chi - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn orders_are_as_random_as_those_of_shuffled_cards() {
    // Over epochs, any picture is first, and any follows any other, equally often.
    for len in [5u64, 12] {
        let (mut first, mut follows) = (vec![0; len as usize], vec![0; (len * len) as usize]);
        for number in 0..4000 {
            let order = epoch(3, number, len);
            first[order[0] as usize] += 1;
            order.windows(2).for_each(|pair| follows[(pair[0] * len + pair[1]) as usize] += 1);
        }
        let follows: Vec<u32> =
            (0..len * len).filter(|pair| pair / len != pair % len).map(|pair| follows[pair as usize]).collect();
        assert!(excess(&first) < 5.0 && excess(&follows) < 5.0, "{len}: {} {}", excess(&first), excess(&follows));
    }
    // Within an epoch of a set that is sorted by class, each stretch has its share of every class: the counts of ten
    // classes in stretches of 500 are hypergeometric, of variance 500·0.1·0.9·(4500/4999).
    let order = epoch(5, 2, 5000);
    let squares: f64 = order
        .chunks(500)
        .flat_map(|stretch| (0..10).map(|class| stretch.iter().filter(|&&picture| picture / 500 == class).count()))
        .map(|count| (count as f64 - 50.0).powi(2) / (45.0 * 4500.0 / 4999.0))
        .sum();
    // 81 of the 100 are free.
    assert!((squares * 0.81 - 81.0).abs() < 5.0 * f64::sqrt(2.0 * 81.0), "{squares}");
}

#[test]
fn half_of_the_draws_are_mirrored_independently_of_each_other() {
    let order = Order { seed: 11, len: Some(100) };
    let flips: Vec<bool> = (0..40_000).map(|n| order.is_flipped(n)).collect();
    let share = |count: usize| (count as f64 - 20_000.0) / 100.0;
    assert!(share(flips.iter().filter(|&&flip| flip).count()).abs() < 5.0);
    // The same picture in the next epoch, and the next draw.
    for lag in [1, 100] {
        assert!(share((0..40_000 - lag).filter(|&n| flips[n] == flips[n + lag]).count() + lag / 2).abs() < 5.0);
    }
}
