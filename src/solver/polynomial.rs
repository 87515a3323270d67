//! Polynomials through past values, and their integrals: the weights of multistep methods.

/// Nodes and weights of Gauss and Legendre's rule on [−1, 1], symmetric: exact for polynomials up to degree 31.
const RULE: [[f64; 2]; 8] = [
    [0.095_012_509_837_637_44, 0.189_450_610_455_068_5],
    [0.281_603_550_779_258_9, 0.182_603_415_044_923_6],
    [0.458_016_777_657_227_4, 0.169_156_519_395_002_54],
    [0.617_876_244_402_643_7, 0.149_595_988_816_576_73],
    [0.755_404_408_355_003, 0.124_628_971_255_533_87],
    [0.865_631_202_387_831_7, 0.095_158_511_682_492_78],
    [0.944_575_023_073_232_6, 0.062_253_523_938_647_894],
    [0.989_400_934_991_649_9, 0.027_152_459_411_754_096],
];
/// Parts into which an interval is divided, so that also a steep integrand is exact to about 1e-12.
const PARTS: usize = 8;

/// The polynomial that is 1 at `nodes[k]` and 0 at the others, at `u` (Lagrange).
pub(super) fn lagrange(nodes: &[f64], k: usize, u: f64) -> f64 {
    let others = nodes.iter().enumerate().filter(|(other, _)| *other != k);
    others.map(|(_, node)| (u - node) / (nodes[k] - node)).product()
}

/// ∫ f(u) du from `a` to `b`.
pub(super) fn integral(a: f64, b: f64, f: impl Fn(f64) -> f64) -> f64 {
    let half = 0.5 * (b - a) / PARTS as f64;
    let middles = (0..PARTS).map(|part| a + half * (2 * part + 1) as f64);
    let around = |middle: f64| RULE.map(|[node, weight]| weight * (f(middle - half * node) + f(middle + half * node)));
    half * middles.map(|middle| around(middle).iter().sum::<f64>()).sum::<f64>()
}

/// ∫ w(u)·P(u) du from `a` to `b` of the polynomial P through a value at each node, as a weight of each value.
pub(super) fn weights(nodes: &[f64], a: f64, b: f64, w: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..nodes.len()).map(|k| integral(a, b, |u| w(u) * lagrange(nodes, k, u))).collect()
}

/// The solution of A·x = b, by elimination with pivots; A by rows.
pub(super) fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for column in 0..n {
        let largest = (column..n).max_by(|&i, &j| a[i][column].abs().total_cmp(&a[j][column].abs()));
        let pivot = largest.unwrap_or(column);
        a.swap(column, pivot);
        b.swap(column, pivot);
        for row in column + 1..n {
            let (above, below) = a.split_at_mut(row);
            let (pivot, own) = (&above[column], &mut below[0]);
            let factor = own[column] / pivot[column];
            own.iter_mut().zip(pivot).skip(column).for_each(|(own, pivot)| *own -= factor * pivot);
            b[row] -= factor * b[column];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|other| a[row][other] * b[other]).sum();
        b[row] = (b[row] - known) / a[row][row];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrals_are_those_of_calculus() {
        assert!((integral(-1.0, 2.0, |u| u.powi(5)) - 10.5).abs() < 1e-12);
        assert!((integral(0.0, 30.0, |u| (-u).exp()) - 1.0).abs() < 1e-12);
        assert!((integral(2.0, 1.0, f64::ln) + 2.0 * 2f64.ln() - 1.0).abs() < 1e-14);
    }

    #[test]
    fn weights_on_equal_steps_are_those_of_adams_and_bashforth() {
        let found = weights(&[0.0, -1.0, -2.0, -3.0], 0.0, 1.0, |_| 1.0);
        for (found, expected) in found.iter().zip([55.0, -59.0, 37.0, -9.0]) {
            assert!((found - expected / 24.0).abs() < 1e-13, "{found} {expected}/24");
        }
    }

    #[test]
    fn a_system_is_solved_whatever_its_pivots() {
        let a = vec![vec![0.0, 2.0, 1.0], vec![1.0, 1.0, 1.0], vec![2.0, -1.0, 3.0]];
        let x = solve(a, vec![7.0, 6.0, 9.0]);
        for (found, expected) in x.iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - expected).abs() < 1e-14, "{x:?}");
        }
    }
}
