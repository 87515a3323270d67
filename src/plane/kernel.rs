//! Sums over the Gaussians of a mixture at a point: the inner loop of everything exact.
//!
//! Sixteen Gaussians at a time in a fixed order, so that the bits are the same on every processor.

/// Gaussians of one step of the loop.
pub(super) const LANES: usize = 16;

type Lanes = [f32; LANES];

/// The Gaussians of clean data, sixteen in each row. What is left over at the end has the weight 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Base {
    rows: Vec<Clean>,
}

/// Sixteen Gaussians with axes along the coordinates.
#[derive(Clone, Copy, Debug)]
struct Clean {
    mean: [Lanes; 2],
    variance: [Lanes; 2],
    weight: Lanes,
}

/// The same, noised to one level.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    mean: [Lanes; 2],
    /// Inverse variances.
    precision: [Lanes; 2],
    /// Weight times the root of both inverse variances.
    weight: Lanes,
    /// What is averaged: `base` + `gain`·pull.
    base: [Lanes; 2],
    gain: [Lanes; 2],
}

/// One Gaussian of clean data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Single {
    pub mean: [f64; 2],
    pub variance: [f64; 2],
    pub weight: f64,
}

/// Which sums are wanted, besides Σ e.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Σ e·q.
    Score,
    /// Σ e·(μ + α·s²·q), of which the mean of x(0) follows.
    Clean,
    /// Σ e·q, then Σ e·q_x², Σ e·q_x·q_y, Σ e·q_y², Σ e·p_x, Σ e·p_y.
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

impl Base {
    pub(super) fn new(gaussians: &[Single]) -> Self {
        let row = |chunk: &[Single]| {
            let of = |value: &dyn Fn(&Single) -> f64| -> Lanes {
                std::array::from_fn(|lane| chunk.get(lane).or(chunk.last()).map_or(0.0, |one| value(one) as f32))
            };
            let mut row = Clean {
                mean: [0, 1].map(|axis| of(&|one: &Single| one.mean[axis])),
                variance: [0, 1].map(|axis| of(&|one: &Single| one.variance[axis])),
                weight: of(&|one| one.weight),
            };
            row.weight.iter_mut().skip(chunk.len()).for_each(|weight| *weight = 0.0);
            row
        };
        // Neighbours in the plane are neighbours in the rows, so that far rows can be passed over.
        let mut gaussians = gaussians.to_vec();
        gaussians.sort_by_cached_key(|one| place(one.mean));
        Base { rows: gaussians.chunks(LANES).map(row).collect() }
    }

    /// Noised to α and σ, for what is wanted.
    pub(super) fn at(&self, alpha: f64, sigma: f64, wanted: Wanted) -> Table {
        let mut table = Table::default();
        fill(&self.rows, [alpha as f32, (sigma * sigma) as f32], wanted, &mut table.rows);
        table
    }

    /// The sums at each point, each noised to its own α and σ.
    pub(super) fn sums_each(&self, points: &[([f32; 2], [f64; 2])], wanted: Wanted, sums: &mut [Sums]) {
        dispatched(EachLevel { rows: &self.rows, points, wanted, sums });
    }
}

impl Table {
    /// The sums at each point.
    pub(super) fn sums(&self, points: &[[f32; 2]], wanted: Wanted, sums: &mut [Sums]) {
        dispatched(OneLevel { rows: &self.rows, points, wanted, sums });
    }
}

/// A place along Morton's curve, which visits near places one after the other.
fn place(at: [f64; 2]) -> u32 {
    let [x, y] = at.map(|x| ((x + 2.0) * 256.0).clamp(0.0, 1023.0) as u32);
    (0..10).fold(0, |code, bit| code | (x >> bit & 1) << (2 * bit) | (y >> bit & 1) << (2 * bit + 1))
}

/// Work that is compiled for several instruction sets; what it does must be inlined.
trait Work {
    fn run(self);
}

/// Does it by the widest registers that the processor has.
fn dispatched(work: impl Work) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
        fn with_avx512(work: impl Work) {
            work.run();
        }
        #[target_feature(enable = "avx2")]
        fn with_avx2(work: impl Work) {
            work.run();
        }
        let has_avx512 = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl");
        if has_avx512 {
            // SAFETY: the processor has just been asked for these instructions.
            return unsafe { with_avx512(work) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been asked for AVX2.
            return unsafe { with_avx2(work) };
        }
    }
    work.run();
}

struct OneLevel<'a> {
    rows: &'a [Row],
    points: &'a [[f32; 2]],
    wanted: Wanted,
    sums: &'a mut [Sums],
}

impl Work for OneLevel<'_> {
    #[inline(always)]
    fn run(self) {
        let mut room = vec![[0.0; LANES]; self.rows.len()];
        for (&point, sums) in self.points.iter().zip(self.sums) {
            *sums = any(self.rows, point, &mut room, self.wanted);
        }
    }
}

struct EachLevel<'a> {
    rows: &'a [Clean],
    points: &'a [([f32; 2], [f64; 2])],
    wanted: Wanted,
    sums: &'a mut [Sums],
}

impl Work for EachLevel<'_> {
    #[inline(always)]
    fn run(self) {
        let (mut rows, mut room) = (Vec::new(), vec![[0.0; LANES]; self.rows.len()]);
        for (&(point, [alpha, sigma]), sums) in self.points.iter().zip(self.sums) {
            fill(self.rows, [alpha as f32, (sigma * sigma) as f32], self.wanted, &mut rows);
            *sums = any(&rows, point, &mut room, self.wanted);
        }
    }
}

/// Noises rows to α and σ².
#[inline(always)]
fn fill(clean: &[Clean], [alpha, noise]: [f32; 2], wanted: Wanted, rows: &mut Vec<Row>) {
    rows.resize(clean.len(), Row::default());
    for (row, noised) in clean.iter().zip(rows) {
        for axis in 0..2 {
            let (mean, variance) = (&row.mean[axis], &row.variance[axis]);
            set(&mut noised.mean[axis], mean, |mean| alpha * mean);
            set(&mut noised.precision[axis], variance, |variance| 1.0 / (alpha * alpha * variance + noise));
            match wanted {
                Wanted::Clean => {
                    noised.base[axis] = *mean;
                    set(&mut noised.gain[axis], variance, |variance| alpha * variance);
                }
                Wanted::Score | Wanted::Second => (noised.base[axis], noised.gain[axis]) = ([0.0; LANES], [1.0; LANES]),
            }
        }
        for lane in 0..LANES {
            noised.weight[lane] = row.weight[lane] * (noised.precision[0][lane] * noised.precision[1][lane]).sqrt();
        }
    }
}

#[inline(always)]
fn set(to: &mut Lanes, from: &Lanes, value: impl Fn(f32) -> f32) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = value(*from));
}

#[inline(always)]
fn any(rows: &[Row], point: [f32; 2], room: &mut [Lanes], wanted: Wanted) -> Sums {
    match wanted {
        Wanted::Score | Wanted::Clean => at::<3>(rows, point, room, first),
        Wanted::Second => at::<8>(rows, point, room, second),
    }
}

/// Rows that are farther than this from the nearest Gaussian, in squares of standard deviations, add less than a part in
/// 10¹⁷, and are passed over.
const FAR: f32 = 80.0;

/// The sums of `N` terms at one point.
#[inline(always)]
fn at<const N: usize>(
    rows: &[Row],
    [x, y]: [f32; 2],
    room: &mut [Lanes],
    terms: impl Fn(&Row, &Lanes, &[Lanes; 2], &mut [Lanes; N]),
) -> Sums {
    let mut least = [f32::INFINITY; LANES];
    for (row, distances) in rows.iter().zip(room.iter_mut()) {
        for lane in 0..LANES {
            let (dx, dy) = (x - row.mean[0][lane], y - row.mean[1][lane]);
            let distance = dx * dx * row.precision[0][lane] + dy * dy * row.precision[1][lane];
            distances[lane] = distance;
            least[lane] = if distance < least[lane] { distance } else { least[lane] };
        }
    }
    let least = least.into_iter().fold(f32::INFINITY, f32::min);
    let mut sums = [[0.0f32; LANES]; N];
    for (row, distances) in rows.iter().zip(room.iter()) {
        if distances.iter().fold(0, |near, distance| near | u32::from(distance - least <= FAR)) == 0 {
            continue;
        }
        let mut e = [0.0; LANES];
        for lane in 0..LANES {
            e[lane] = row.weight[lane] * exp(-0.5 * (distances[lane] - least));
        }
        let pull = [pulls(x, &row.mean[0], &row.precision[0]), pulls(y, &row.mean[1], &row.precision[1])];
        terms(row, &e, &pull, &mut sums);
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

/// (x − mean)·precision.
#[inline(always)]
fn pulls(x: f32, mean: &Lanes, precision: &Lanes) -> Lanes {
    let mut pulls = [0.0; LANES];
    pulls
        .iter_mut()
        .zip(mean.iter().zip(precision))
        .for_each(|(pull, (mean, precision))| *pull = (x - mean) * precision);
    pulls
}

/// Adds e·value to a sum.
#[inline(always)]
fn add(sum: &mut Lanes, e: &Lanes, value: impl Fn(usize) -> f32) {
    for lane in 0..LANES {
        sum[lane] += e[lane] * value(lane);
    }
}

#[inline(always)]
fn first(row: &Row, e: &Lanes, pull: &[Lanes; 2], sums: &mut [Lanes; 3]) {
    add(&mut sums[0], e, |_| 1.0);
    add(&mut sums[1], e, |lane| row.base[0][lane] + row.gain[0][lane] * pull[0][lane]);
    add(&mut sums[2], e, |lane| row.base[1][lane] + row.gain[1][lane] * pull[1][lane]);
}

#[inline(always)]
fn second(row: &Row, e: &Lanes, pull: &[Lanes; 2], sums: &mut [Lanes; 8]) {
    add(&mut sums[0], e, |_| 1.0);
    add(&mut sums[1], e, |lane| pull[0][lane]);
    add(&mut sums[2], e, |lane| pull[1][lane]);
    add(&mut sums[3], e, |lane| pull[0][lane] * pull[0][lane]);
    add(&mut sums[4], e, |lane| pull[0][lane] * pull[1][lane]);
    add(&mut sums[5], e, |lane| pull[1][lane] * pull[1][lane]);
    add(&mut sums[6], e, |lane| row.precision[0][lane]);
    add(&mut sums[7], e, |lane| row.precision[1][lane]);
}

/// eˣ for x up to 0, to a part in 10⁷; below −60 as at −60, which is next to nothing, and no number so small that
/// processors are slow with it.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    use std::f32::consts::LOG2_E;
    /// Adding and taking away 1.5·2²³ rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first of few digits.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = if x > -60.0 { x } else { -60.0 };
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
        for step in 0..=59_990 {
            let x = -0.001 * step as f32;
            let known = f64::from(x).exp();
            assert!((f64::from(exp(x)) / known - 1.0).abs() < 3e-7, "{x}: {}, not {known}", exp(x));
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) < 1e-26 && exp(f32::NEG_INFINITY) < 1e-26);
    }
}
