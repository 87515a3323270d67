//! Sums over the Gaussians of a mixture at a point: the inner loop of everything exact.
//!
//! Sixteen Gaussians at a time in a fixed order, so that the bits are the same on every processor.

/// Gaussians of one step of the loop.
pub(super) const LANES: usize = 16;

type Lanes = [f32; LANES];

/// The Gaussians of a noised mixture, sixteen in each row. What is left over at the end has the weight 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

/// Sixteen Gaussians with axes along the coordinates.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// Means.
    x: Lanes,
    y: Lanes,
    /// Inverse variances.
    px: Lanes,
    py: Lanes,
    /// Weight times the root of both inverse variances.
    weight: Lanes,
    /// What a pull is multiplied by, to be added to `clean`.
    gain: [Lanes; 2],
    clean: [Lanes; 2],
}

/// One Gaussian, as the table takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noised {
    /// Mean of x(0) and its variances.
    pub mean: [f64; 2],
    pub variance: [f64; 2],
    pub weight: f64,
}

/// Which sums are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Σ e and Σ e·q.
    Score,
    /// Σ e and Σ e·(μ + α·s²·q): the mean of x(0).
    Clean,
    /// Those of `Score`, then Σ e·q_x², Σ e·q_x·q_y, Σ e·q_y², Σ e·p_x, Σ e·p_y.
    Second,
}

/// Sums with e = weight·exp(−½(d − least)) over all Gaussians, q = (x − mean)·p their pulls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    /// The least squared distance d of all.
    pub least: f32,
    pub total: f32,
    pub first: [f32; 2],
    pub second: [f32; 3],
    pub precision: [f32; 2],
}

impl Table {
    /// Fills the table with Gaussians noised to α and σ.
    pub(super) fn fill(&mut self, gaussians: &[Noised], alpha: f64, sigma: f64) {
        self.rows.clear();
        for chunk in gaussians.chunks(LANES) {
            let of = |value: &dyn Fn(&Noised) -> f64| -> Lanes {
                std::array::from_fn(|lane| chunk.get(lane).or(chunk.last()).map_or(0.0, |one| value(one) as f32))
            };
            let precision = |one: &Noised, axis: usize| 1.0 / (alpha * alpha * one.variance[axis] + sigma * sigma);
            let mut row = Row {
                x: of(&|one| alpha * one.mean[0]),
                y: of(&|one| alpha * one.mean[1]),
                px: of(&|one| precision(one, 0)),
                py: of(&|one| precision(one, 1)),
                weight: of(&|one| one.weight * (precision(one, 0) * precision(one, 1)).sqrt()),
                gain: [0, 1].map(|axis| of(&|one: &Noised| alpha * one.variance[axis])),
                clean: [0, 1].map(|axis| of(&|one: &Noised| one.mean[axis])),
            };
            row.weight.iter_mut().skip(chunk.len()).for_each(|weight| *weight = 0.0);
            self.rows.push(row);
        }
    }

    /// The sums at each point. `distances` is room for as many numbers as there are Gaussians.
    pub(super) fn sums(&self, points: &[[f32; 2]], wanted: Wanted, sums: &mut [Sums], room: &mut Vec<Lanes>) {
        room.resize(self.rows.len(), [0.0; LANES]);
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
            fn with_avx512(rows: &[Row], points: &[[f32; 2]], wanted: Wanted, sums: &mut [Sums], room: &mut [Lanes]) {
                all(rows, points, wanted, sums, room);
            }
            #[target_feature(enable = "avx2")]
            fn with_avx2(rows: &[Row], points: &[[f32; 2]], wanted: Wanted, sums: &mut [Sums], room: &mut [Lanes]) {
                all(rows, points, wanted, sums, room);
            }
            let has_avx512 = std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512dq")
                && std::arch::is_x86_feature_detected!("avx512vl");
            if has_avx512 {
                // SAFETY: the processor has just been asked for these instructions.
                return unsafe { with_avx512(&self.rows, points, wanted, sums, room) };
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has just been asked for AVX2.
                return unsafe { with_avx2(&self.rows, points, wanted, sums, room) };
            }
        }
        all(&self.rows, points, wanted, sums, room);
    }
}

#[inline(always)]
fn all(rows: &[Row], points: &[[f32; 2]], wanted: Wanted, sums: &mut [Sums], room: &mut [Lanes]) {
    let pairs = points.iter().zip(sums);
    match wanted {
        Wanted::Score => pairs.for_each(|(&point, sums)| *sums = at::<3>(rows, point, room, score)),
        Wanted::Clean => pairs.for_each(|(&point, sums)| *sums = at::<3>(rows, point, room, clean)),
        Wanted::Second => pairs.for_each(|(&point, sums)| *sums = at::<8>(rows, point, room, second)),
    }
}

/// The sums of `N` terms at one point.
#[inline(always)]
fn at<const N: usize>(
    rows: &[Row],
    [x, y]: [f32; 2],
    room: &mut [Lanes],
    terms: impl Fn(&Row, usize, f32, [f32; 2]) -> [f32; N],
) -> Sums {
    let mut least = [f32::INFINITY; LANES];
    for (row, distances) in rows.iter().zip(room.iter_mut()) {
        for lane in 0..LANES {
            let (dx, dy) = (x - row.x[lane], y - row.y[lane]);
            let distance = dx * dx * row.px[lane] + dy * dy * row.py[lane];
            distances[lane] = distance;
            least[lane] = if distance < least[lane] { distance } else { least[lane] };
        }
    }
    let least = least.into_iter().fold(f32::INFINITY, f32::min);
    let mut sums = [[0.0f32; LANES]; N];
    for (row, distances) in rows.iter().zip(room.iter()) {
        for lane in 0..LANES {
            let e = row.weight[lane] * exp(-0.5 * (distances[lane] - least));
            let pull = [(x - row.x[lane]) * row.px[lane], (y - row.y[lane]) * row.py[lane]];
            let terms = terms(row, lane, e, pull);
            for (sum, term) in sums.iter_mut().zip(terms) {
                sum[lane] += term;
            }
        }
    }
    let whole = |n: usize| sums.get(n).map_or(0.0, |lanes| lanes.iter().sum());
    Sums {
        least,
        total: whole(0),
        first: [whole(1), whole(2)],
        second: [whole(3), whole(4), whole(5)],
        precision: [whole(6), whole(7)],
    }
}

#[inline(always)]
fn score(_row: &Row, _lane: usize, e: f32, [qx, qy]: [f32; 2]) -> [f32; 3] {
    [e, e * qx, e * qy]
}

#[inline(always)]
fn clean(row: &Row, lane: usize, e: f32, [qx, qy]: [f32; 2]) -> [f32; 3] {
    let x = row.clean[0][lane] + row.gain[0][lane] * qx;
    let y = row.clean[1][lane] + row.gain[1][lane] * qy;
    [e, e * x, e * y]
}

#[inline(always)]
fn second(row: &Row, lane: usize, e: f32, [qx, qy]: [f32; 2]) -> [f32; 8] {
    [e, e * qx, e * qy, e * qx * qx, e * qx * qy, e * qy * qy, e * row.px[lane], e * row.py[lane]]
}

/// eˣ for x up to 0, to a part in 10⁷; below −87 as at −87, which is next to nothing.
#[inline(always)]
fn exp(x: f32) -> f32 {
    use std::f32::consts::LOG2_E;
    /// Adding and taking away 1.5·2²³ rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first of few digits.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = if x > -87.0 { x } else { -87.0 };
    let shifted = x * LOG2_E + ROUND;
    let power = shifted - ROUND;
    let r = x - power * LN_2[0] - power * LN_2[1];
    let series =
        1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    // 2ᵏ from the last bits of k + 1.5·2²³.
    let scale = f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    series * scale
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn the_exponential_is_that_of_the_standard_library() {
        for step in 0..=87_000 {
            let x = -0.001 * step as f32;
            let known = f64::from(x).exp();
            assert!((f64::from(exp(x)) / known - 1.0).abs() < 3e-7, "{x}: {}, not {known}", exp(x));
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) < 1e-37 && exp(f32::NEG_INFINITY) < 1e-37);
    }
}
