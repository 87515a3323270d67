//! How far each method's samples are from the exact posterior, where that is known. Run by its name it takes more steps
//! and samples and prints all figures: `cargo test --release --test all -- posterior::bias --nocapture`.

use super::dense::{self, Gaussian};
use super::{doubles, gaussians, known, measure, normals, observation, pixels, restoration, run, sample_moments};
use burn::tensor::{Tensor, TensorData};
use score_explorer::Image;
use score_explorer::score::{Component, Mixture, ScoreError, ScoreModel};
use score_explorer::sde::{FamilyKind, Level, Moments, Range};
use score_explorer::task::{Count, Observation, Resampling, Restoration, Steps};

/// Steps and samples.
fn effort() -> (usize, usize) {
    if std::env::args().any(|argument| argument.contains("bias")) { (250, 2000) } else { (40, 300) }
}

/// A smooth random field of 6×6 pixels, as neighbouring pixels of pictures are alike:
/// covariance 0.25·exp(−d²/2·2²), and a little of its own in each pixel.
struct Field(Gaussian);

const FIELD: [usize; 3] = [1, 6, 6];

impl Field {
    fn new() -> Self {
        let entry = |i: usize, j: usize| {
            let apart = |a: usize, b: usize| (a as f64 - b as f64).powi(2);
            let square = apart(i / 6, j / 6) + apart(i % 6, j % 6);
            0.25 * (-square / 8.0).exp() + if i == j { 0.0025 } else { 0.0 }
        };
        let covariance = (0..36).map(|i| (0..36).map(|j| entry(i, j)).collect()).collect();
        Field(Gaussian { mean: vec![0.0; 36], covariance })
    }
}

impl ScoreModel for Field {
    fn shape(&self) -> [usize; 3] {
        FIELD
    }

    fn range(&self) -> Option<Range> {
        None
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        None
    }

    fn moments(&self) -> Option<Moments> {
        Some(Moments { mean: 0.0, mean_square: 0.2525 })
    }

    /// −(α²Σ + σ²I)⁻¹·x.
    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let noised = self.0.covariance.iter().enumerate().map(|(i, row)| {
            let entry =
                |(j, c): (usize, &f64)| at[0].alpha.powi(2) * c + if i == j { at[0].sigma.powi(2) } else { 0.0 };
            row.iter().enumerate().map(entry).collect()
        });
        let unit = (0..36).map(|i| (0..36).map(|j| f64::from(u8::from(i == j))).collect()).collect();
        let inverse = dense::solve(noised.collect(), unit).0;
        let inverse: Vec<f32> = inverse.into_iter().flatten().map(|entry| -entry as f32).collect();
        let inverse = Tensor::<2>::from_data(TensorData::new(inverse, [36, 36]), &x.device());
        let count = x.dims()[0];
        Ok(x.clone().reshape([count, 36]).matmul(inverse).reshape([count, 1, 6, 6]))
    }
}

/// Two modes whose coordinates have unlike standard deviations.
fn modes() -> Mixture {
    let mode = |weight: f64, seed: u64| {
        let mean = normals(48, seed).into_iter().map(|z| 0.25 * z).collect();
        let std = normals(48, seed + 100).into_iter().map(|z| 0.25 + 0.12 * z.tanh()).collect();
        Component { weight, mean, std }
    };
    Mixture::new([3, 4, 4], vec![mode(0.6, 31), mode(0.4, 32)]).unwrap()
}

/// An inverse problem with its exact posterior.
struct Problem {
    name: &'static str,
    model: Box<dyn ScoreModel>,
    prior: Vec<(f64, Gaussian)>,
    operator: &'static str,
    noise: f64,
    observation: Observation,
}

impl Problem {
    fn field(name: &'static str, operator: &'static str, noise: f64) -> Problem {
        let (field, shape) = (Field::new(), FIELD);
        let picture: Vec<f64> =
            (0..36).map(|i| 0.6 * ((i % 6) as f64 * 0.9).sin() * ((i / 6) as f64 * 0.7).cos()).collect();
        let left: Vec<f64> = (0..36).map(|i| f64::from(u8::from(i % 6 < 3))).collect();
        let observation = Observation { confidence: Some(pixels(&left, FIELD)), ..observation(&picture, shape) };
        let prior = vec![(1.0, field.0.clone())];
        Problem { name, model: Box::new(field), prior, operator, noise, observation }
    }

    fn modes(name: &'static str, operator: &'static str, noise: f64) -> Problem {
        let (model, shape) = (modes(), [3, 4, 4]);
        let ends = model.components();
        let picture: Vec<f64> = ends[0].mean.iter().zip(&ends[1].mean).map(|(a, b)| 0.55 * a + 0.45 * b).collect();
        let few: Vec<f64> = (0..16).map(|i| f64::from(u8::from(i % 5 == 0))).collect();
        let observation = Observation { confidence: Some(pixels(&few, [1, 4, 4])), ..observation(&picture, shape) };
        let prior = gaussians(&model);
        Problem { name, model: Box::new(model), prior, operator, noise, observation }
    }

    fn restoration(&self, method: &str, passes: usize) -> Restoration {
        let mut restoration = restoration(self.operator, self.noise, method, FamilyKind::Vp, "pc:ancestral");
        let (steps, count) = effort();
        restoration.run.steps = Steps::new(steps).unwrap();
        restoration.run.count = Count::new(count).unwrap();
        restoration.resampling = (passes > 1).then(|| Resampling::new(10, passes).unwrap());
        restoration
    }

    fn posterior(&self) -> Vec<(f64, Gaussian)> {
        let measurement = measure(&self.restoration("null-space", 1), &self.observation, &*self.model);
        let mut known = known(&measurement, self.model.shape());
        known.variance.iter_mut().for_each(|variance| *variance = variance.max(1e-12));
        dense::given(&self.prior, &known)
    }
}

/// What is wrong with a method's samples.
#[derive(Clone, Copy, Debug)]
struct Bias {
    /// Root mean square error of the mean, in units of the posterior's standard deviation.
    mean: f64,
    /// Total variance, in units of the posterior's.
    variance: f64,
    /// Share of samples in the wrong mode.
    weights: f64,
}

fn bias(problem: &Problem, method: &str, passes: usize) -> Bias {
    let samples = doubles(run(&problem.restoration(method, passes), &problem.observation, &*problem.model));
    let (posterior, size) = (problem.posterior(), problem.prior[0].1.mean.len());
    let (whole, found) = (dense::whole(&posterior), sample_moments(&samples, size));
    let squares: f64 = whole.mean.iter().zip(&found.mean).map(|(a, b)| (a - b).powi(2)).sum();
    let clean = Level { alpha: 1.0, sigma: 1e-3 };
    let mut first = 0.0;
    for x in samples.chunks(size).filter(|_| posterior.len() == 2) {
        let log = |k: usize| problem.prior[k].0.ln() + problem.prior[k].1.noised(x, clean).0;
        first += 1.0 / (1.0 + (log(1) - log(0)).exp()) / (samples.len() / size) as f64;
    }
    let weights = if posterior.len() == 2 { (first - posterior[0].0).abs() } else { 0.0 };
    Bias { mean: (squares / whole.trace()).sqrt(), variance: found.trace() / whole.trace(), weights }
}

/// Methods, passes, and for each problem the largest error of the mean and of the logarithm of the variance, and of
/// the weights: what was measured, and half as much again for other seeds.
type Row = (&'static str, &'static str, usize, [(f64, f64, f64); 5]);

#[test]
fn biases_are_within_what_is_known_of_them() {
    let problems = [
        Problem::field("field, left half known", "inpainting", 0.0),
        Problem::field("field, super-resolution", "super-resolution:2", 0.0),
        Problem::field("field, deblurred, σ 0.1", "blur:gaussian:1", 0.1),
        Problem::modes("modes, few pixels known", "inpainting", 0.0),
        Problem::modes("modes, sensed, σ 0.1", "compressed-sensing:0.2", 0.1),
    ];
    let free = (9.0, 9.0, 9.0);
    let rows: [Row; 8] = [
        ("exact", "exact", 1, [free; 5]),
        ("projection", "projection", 1, [free; 5]),
        ("RePaint, 5 passes", "projection", 5, [free; 5]),
        ("RePaint, 10 passes", "projection", 10, [free; 5]),
        ("null space", "null-space", 1, [free; 5]),
        ("null space, 5 passes", "null-space", 5, [free; 5]),
        ("ΠGDM", "pigdm", 1, [free; 5]),
        ("DPS, ζ = 1", "dps:1", 1, [free; 5]),
    ];
    for (i, problem) in problems.iter().enumerate() {
        println!("{}", problem.name);
        for (name, method, passes, bounds) in &rows {
            if *method == "exact" && problem.prior.len() == 1 {
                continue;
            }
            let found = bias(problem, method, *passes);
            let Bias { mean, variance, weights } = found;
            println!("  {name:22} mean {mean:.3}, variance {variance:.3}, weights {weights:.3}");
            let (most, logarithm, share) = bounds[i];
            assert!(mean < most && variance.ln().abs() < logarithm && weights < share, "{name}: {found:?}");
        }
    }
}
