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
    let clean = Level::new(1.0, 1e-3);
    let mut first = 0.0;
    for x in samples.chunks(size).filter(|_| posterior.len() == 2) {
        let log = |k: usize| problem.prior[k].0.ln() + problem.prior[k].1.noised(x, clean).0;
        first += 1.0 / (1.0 + (log(1) - log(0)).exp()) / (samples.len() / size) as f64;
    }
    let weights = if posterior.len() == 2 { (first - posterior[0].0).abs() } else { 0.0 };
    Bias { mean: (squares / whole.trace()).sqrt(), variance: found.trace() / whole.trace(), weights }
}

/// Methods, passes, and for each problem the error of the mean, the ratio of variances and the error of the weights that
/// were measured: in a short run (40 steps, 300 samples), and in a long one (250 and 2,000).
type Row = (&'static str, &'static str, usize, [[(f64, f64, f64); 5]; 2]);

#[test]
fn biases_are_within_what_is_known_of_them() {
    let problems = [
        Problem::field("field, left half known", "inpainting", 0.0),
        Problem::field("field, super-resolution", "super-resolution:2", 0.0),
        Problem::field("field, deblurred, σ 0.1", "blur:gaussian:1", 0.1),
        Problem::modes("modes, few pixels known", "inpainting", 0.0),
        Problem::modes("modes, sensed, σ 0.1", "compressed-sensing:0.2", 0.1),
    ];
    let rows: [Row; 8] = [
        (
            "exact",
            "exact",
            1,
            [
                [(0.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.047, 0.757, 0.005), (0.046, 0.761, 0.008)],
                [(0.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.022, 0.963, 0.002), (0.022, 0.953, 0.003)],
            ],
        ),
        (
            "projection",
            "projection",
            1,
            [
                [
                    (0.119, 1.406, 0.0),
                    (0.245, 0.922, 0.0),
                    (0.374, 0.471, 0.0),
                    (0.479, 1.103, 0.368),
                    (0.416, 1.171, 0.306),
                ],
                [
                    (0.073, 1.614, 0.0),
                    (0.216, 1.017, 0.0),
                    (1.072, 0.253, 0.0),
                    (0.437, 1.331, 0.344),
                    (0.385, 1.368, 0.29),
                ],
            ],
        ),
        (
            "RePaint, 5 passes",
            "projection",
            5,
            [
                [
                    (0.069, 1.212, 0.0),
                    (0.066, 0.79, 0.0),
                    (0.204, 0.562, 0.0),
                    (0.324, 1.092, 0.252),
                    (0.289, 1.244, 0.209),
                ],
                [
                    (0.2, 1.363, 0.0),
                    (0.026, 0.941, 0.0),
                    (0.794, 0.295, 0.0),
                    (0.338, 1.3, 0.276),
                    (0.273, 1.459, 0.213),
                ],
            ],
        ),
        (
            "RePaint, 10 passes",
            "projection",
            10,
            [
                [
                    (0.083, 1.212, 0.0),
                    (0.055, 0.781, 0.0),
                    (0.209, 0.571, 0.0),
                    (0.396, 1.137, 0.32),
                    (0.367, 1.417, 0.272),
                ],
                [
                    (0.28, 1.218, 0.0),
                    (0.026, 0.882, 0.0),
                    (0.75, 0.294, 0.0),
                    (0.32, 1.271, 0.258),
                    (0.267, 1.496, 0.18),
                ],
            ],
        ),
        (
            "null space",
            "null-space",
            1,
            [
                [
                    (0.126, 1.434, 0.0),
                    (0.257, 0.958, 0.0),
                    (0.193, 0.786, 0.0),
                    (0.527, 1.141, 0.425),
                    (0.484, 1.213, 0.372),
                ],
                [
                    (0.076, 1.674, 0.0),
                    (0.218, 1.055, 0.0),
                    (0.161, 0.927, 0.0),
                    (0.453, 1.35, 0.362),
                    (0.421, 1.404, 0.32),
                ],
            ],
        ),
        (
            "null space, 5 passes",
            "null-space",
            5,
            [
                [
                    (0.066, 1.252, 0.0),
                    (0.066, 0.793, 0.0),
                    (0.071, 0.762, 0.0),
                    (0.358, 1.096, 0.275),
                    (0.308, 1.131, 0.232),
                ],
                [
                    (0.2, 1.38, 0.0),
                    (0.026, 0.943, 0.0),
                    (0.038, 0.932, 0.0),
                    (0.373, 1.321, 0.305),
                    (0.313, 1.315, 0.251),
                ],
            ],
        ),
        (
            "ΠGDM",
            "pigdm",
            1,
            [
                [
                    (0.512, 1.051, 0.0),
                    (0.107, 0.86, 0.0),
                    (0.109, 0.804, 0.0),
                    (0.286, 0.941, 0.172),
                    (0.105, 0.845, 0.042),
                ],
                [
                    (0.491, 1.261, 0.0),
                    (0.086, 0.964, 0.0),
                    (0.086, 0.947, 0.0),
                    (0.252, 1.136, 0.158),
                    (0.104, 1.055, 0.056),
                ],
            ],
        ),
        (
            "DPS, ζ = 1",
            "dps:1",
            1,
            [
                [
                    (0.377, 1.127, 0.0),
                    (0.067, 1.06, 0.0),
                    (0.941, 0.173, 0.0),
                    (0.31, 1.143, 0.242),
                    (0.14, 0.94, 0.072),
                ],
                [
                    (0.582, 0.932, 0.0),
                    (0.054, 1.138, 0.0),
                    (2.552, 0.288, 0.0),
                    (0.226, 1.515, 0.232),
                    (0.112, 1.021, 0.008),
                ],
            ],
        ),
    ];
    let long = usize::from(effort().1 > 300);
    for (i, problem) in problems.iter().enumerate() {
        println!("{}", problem.name);
        for (name, method, passes, measured) in &rows {
            if *method == "exact" && problem.prior.len() == 1 {
                continue;
            }
            let found = bias(problem, method, *passes);
            let Bias { mean, variance, weights } = found;
            println!("  {name:22} mean {mean:.3}, variance {variance:.3}, weights {weights:.3}");
            // Half as much again as was measured, and what so many samples leave open.
            let (most, ratio, share) = measured[long][i];
            let within = |found: f64, measured: f64, open: f64| found <= 1.5 * measured + open;
            let as_known = within(mean, most, 0.02)
                && within(variance.ln().abs(), ratio.ln().abs(), 0.05)
                && within(weights, share, 0.02);
            assert!(as_known, "{name}: {found:?}, measured {:?}", measured[long][i]);
        }
    }
}
