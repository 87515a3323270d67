//! Fewer Gaussians in place of many.

use super::Gaussian;
use std::collections::BTreeMap;

/// Cells of a side that are tried first; then ever larger ones.
const FINEST: f64 = 4096.0;

/// At most `most` Gaussians with the same mass, mean and mean square: those of one class in one cell of a grid
/// become one. As they are where they are few enough.
pub(super) fn merge(mut gaussians: Vec<Gaussian>, most: usize) -> Vec<Gaussian> {
    let span = |axis: usize| {
        let places = gaussians.iter().map(|gaussian| gaussian.at[axis]);
        let (low, high) = places.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
        high - low
    };
    let extent = span(0).max(span(1));
    let mut cell = extent / FINEST;
    while gaussians.len() > most {
        gaussians = in_cells(&gaussians, cell);
        cell *= 1.25;
    }
    gaussians
}

/// One Gaussian for each class in each cell of this side.
fn in_cells(gaussians: &[Gaussian], cell: f64) -> Vec<Gaussian> {
    let mut cells: BTreeMap<(usize, [i64; 2]), [f64; 4]> = BTreeMap::new();
    for gaussian in gaussians {
        let Gaussian { at: [x, y], std, weight, class } = *gaussian;
        // Points that lie on each other fall into one cell of no size.
        let key = [x, y].map(|x| if cell > 0.0 { (x / cell).floor() as i64 } else { 0 });
        let sums = cells.entry((class, key)).or_default();
        let square = 2.0 * std * std + x * x + y * y;
        sums.iter_mut().zip([1.0, x, y, square]).for_each(|(sum, term)| *sum += weight * term);
    }
    let merged = cells.into_iter().map(|((class, _), [weight, x, y, square])| {
        let at = [x / weight, y / weight];
        let variance = 0.5 * (square / weight - at[0] * at[0] - at[1] * at[1]);
        Gaussian { at, std: variance.max(1e-12).sqrt(), weight, class }
    });
    merged.collect()
}
