//! The Inception-v3 network of FID (Szegedy et al. 2016; the weights of 2015-12-05, which differ from later ones in their
//! pooling: means leave out what is beyond the border, and the last block takes the largest).

use super::host;
use super::{Array, Weights, WeightsError};

/// Height and width of its images.
pub const INCEPTION_SIDE: usize = 299;
/// Its features, means of the last block over space.
pub const INCEPTION_FEATURES: usize = 2048;
/// Its classes.
pub const INCEPTION_CLASSES: usize = 1008;
/// Added to variances.
const EPSILON: f64 = 0.001;

/// A convolution without bias, then a normalisation by fixed moments, then a rectifier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conv {
    pub outputs: usize,
    /// Height and width.
    pub kernel: [usize; 2],
    pub stride: usize,
    pub padding: [usize; 2],
}

/// 3×3 windows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pooling {
    /// The largest of each second window, within the border.
    Halve,
    /// The mean around each pixel of what is within the border.
    Mean,
    /// The largest around each pixel.
    Largest,
}

/// One layer after the other, or branches side by side.
#[derive(Clone, Debug)]
pub(super) enum Layer<C> {
    Conv(C),
    Pool(Pooling),
    Mixed(Vec<Vec<Side<C>>>),
}

/// A step of a branch.
#[derive(Clone, Debug)]
pub(super) enum Side<C> {
    Conv(C),
    Pool(Pooling),
    /// Two convolutions of the same, at the end.
    Fork([C; 2]),
}

/// A convolution by its name in files.
type Named = (String, Conv);

fn conv(name: &str, outputs: usize, kernel: [usize; 2], stride: usize, padding: [usize; 2]) -> Named {
    (name.to_owned(), Conv { outputs, kernel, stride, padding })
}

/// Square, or long, of stride one and of the same size.
fn same(name: String, outputs: usize, kernel: [usize; 2]) -> Side<Named> {
    Side::Conv(conv(&name, outputs, kernel, 1, kernel.map(|side| side / 2)))
}

/// All layers behind the first.
fn layers() -> Vec<Layer<Named>> {
    let plain = |name, outputs, kernel, padding| Layer::Conv(conv(name, outputs, [kernel; 2], 1, [padding; 2]));
    vec![
        plain("Conv2d_2a_3x3", 32, 3, 0),
        plain("Conv2d_2b_3x3", 64, 3, 1),
        Layer::Pool(Pooling::Halve),
        plain("Conv2d_3b_1x1", 80, 1, 0),
        plain("Conv2d_4a_3x3", 192, 3, 0),
        Layer::Pool(Pooling::Halve),
        block_a("Mixed_5b", 32),
        block_a("Mixed_5c", 64),
        block_a("Mixed_5d", 64),
        block_b("Mixed_6a"),
        block_c("Mixed_6b", 128),
        block_c("Mixed_6c", 160),
        block_c("Mixed_6d", 160),
        block_c("Mixed_6e", 192),
        block_d("Mixed_7a"),
        block_e("Mixed_7b", Pooling::Mean),
        block_e("Mixed_7c", Pooling::Largest),
    ]
}

fn block_a(name: &str, pooled: usize) -> Layer<Named> {
    let part = |part: &str, outputs, kernel| same(format!("{name}.{part}"), outputs, kernel);
    Layer::Mixed(vec![
        vec![part("branch1x1", 64, [1, 1])],
        vec![part("branch5x5_1", 48, [1, 1]), part("branch5x5_2", 64, [5, 5])],
        vec![
            part("branch3x3dbl_1", 64, [1, 1]),
            part("branch3x3dbl_2", 96, [3, 3]),
            part("branch3x3dbl_3", 96, [3, 3]),
        ],
        vec![Side::Pool(Pooling::Mean), part("branch_pool", pooled, [1, 1])],
    ])
}

fn block_b(name: &str) -> Layer<Named> {
    let part = |part: &str, outputs, kernel| same(format!("{name}.{part}"), outputs, kernel);
    let halved = |part: &str, outputs| Side::Conv(conv(&format!("{name}.{part}"), outputs, [3, 3], 2, [0, 0]));
    Layer::Mixed(vec![
        vec![halved("branch3x3", 384)],
        vec![part("branch3x3dbl_1", 64, [1, 1]), part("branch3x3dbl_2", 96, [3, 3]), halved("branch3x3dbl_3", 96)],
        vec![Side::Pool(Pooling::Halve)],
    ])
}

fn block_c(name: &str, inner: usize) -> Layer<Named> {
    let part = |part: &str, outputs, kernel| same(format!("{name}.{part}"), outputs, kernel);
    Layer::Mixed(vec![
        vec![part("branch1x1", 192, [1, 1])],
        vec![part("branch7x7_1", inner, [1, 1]), part("branch7x7_2", inner, [1, 7]), part("branch7x7_3", 192, [7, 1])],
        vec![
            part("branch7x7dbl_1", inner, [1, 1]),
            part("branch7x7dbl_2", inner, [7, 1]),
            part("branch7x7dbl_3", inner, [1, 7]),
            part("branch7x7dbl_4", inner, [7, 1]),
            part("branch7x7dbl_5", 192, [1, 7]),
        ],
        vec![Side::Pool(Pooling::Mean), part("branch_pool", 192, [1, 1])],
    ])
}

fn block_d(name: &str) -> Layer<Named> {
    let part = |part: &str, outputs, kernel| same(format!("{name}.{part}"), outputs, kernel);
    let halved = |part: &str, outputs| Side::Conv(conv(&format!("{name}.{part}"), outputs, [3, 3], 2, [0, 0]));
    Layer::Mixed(vec![
        vec![part("branch3x3_1", 192, [1, 1]), halved("branch3x3_2", 320)],
        vec![
            part("branch7x7x3_1", 192, [1, 1]),
            part("branch7x7x3_2", 192, [1, 7]),
            part("branch7x7x3_3", 192, [7, 1]),
            halved("branch7x7x3_4", 192),
        ],
        vec![Side::Pool(Pooling::Halve)],
    ])
}

fn block_e(name: &str, pooling: Pooling) -> Layer<Named> {
    let part = |part: &str, outputs, kernel| same(format!("{name}.{part}"), outputs, kernel);
    let fork = |part: &str| {
        let one = |end: &str, kernel: [usize; 2]| {
            conv(&format!("{name}.{part}{end}"), 384, kernel, 1, kernel.map(|side| side / 2))
        };
        Side::Fork([one("a", [1, 3]), one("b", [3, 1])])
    };
    Layer::Mixed(vec![
        vec![part("branch1x1", 320, [1, 1])],
        vec![part("branch3x3_1", 384, [1, 1]), fork("branch3x3_2")],
        vec![part("branch3x3dbl_1", 448, [1, 1]), part("branch3x3dbl_2", 384, [3, 3]), fork("branch3x3dbl_3")],
        vec![Side::Pool(pooling), part("branch_pool", 192, [1, 1])],
    ])
}

/// Weights on their way into layers, which know the channels that come to them.
struct Loader<'a> {
    weights: &'a Weights,
}

impl<'a> Loader<'a> {
    /// A parameter of this shape.
    fn array(&self, name: String, expected: &[usize]) -> Result<&'a Array, WeightsError> {
        let Some(array) = self.weights.get(&name) else { return Err(WeightsError::Missing { name }) };
        if array.shape != expected {
            return Err(WeightsError::Shape { name, expected: expected.to_vec(), found: array.shape.clone() });
        }
        if !array.values.iter().all(|value| value.is_finite()) {
            return Err(WeightsError::NotFinite { name });
        }
        Ok(array)
    }

    /// Weight and bias with the normalisation in them.
    fn folded(&self, (name, conv): &Named, inputs: usize) -> Result<(Vec<f32>, Vec<f32>), WeightsError> {
        let [height, width] = conv.kernel;
        let weight = self.array(format!("{name}.conv.weight"), &[conv.outputs, inputs, height, width])?;
        let of_norm = |part: &str| self.array(format!("{name}.bn.{part}"), &[conv.outputs]);
        let (gain, bias) = (of_norm("weight")?, of_norm("bias")?);
        let (mean, variance) = (of_norm("running_mean")?, of_norm("running_var")?);
        let scale =
            |output: usize| f64::from(gain.values[output]) / (f64::from(variance.values[output]) + EPSILON).sqrt();
        let row = inputs * height * width;
        let scaled = |(place, value): (usize, &f32)| (f64::from(*value) * scale(place / row)) as f32;
        let moved =
            |output: usize| (f64::from(bias.values[output]) - f64::from(mean.values[output]) * scale(output)) as f32;
        Ok((weight.values.iter().enumerate().map(scaled).collect(), (0..conv.outputs).map(moved).collect()))
    }

    fn conv(&self, named: &Named, channels: &mut usize) -> Result<host::Shifted, WeightsError> {
        let (weight, bias) = self.folded(named, *channels)?;
        *channels = named.1.outputs;
        Ok(host::Inception::convolution(&named.1, &weight, &bias))
    }

    fn layer(&self, layer: &Layer<Named>, channels: &mut usize) -> Result<Layer<host::Shifted>, WeightsError> {
        Ok(match layer {
            Layer::Conv(named) => Layer::Conv(self.conv(named, channels)?),
            Layer::Pool(pooling) => Layer::Pool(*pooling),
            Layer::Mixed(branches) => {
                let (inputs, mut outputs) = (*channels, 0);
                let mut loaded = Vec::new();
                for branch in branches {
                    let mut own = inputs;
                    let mut steps = Vec::new();
                    for step in branch {
                        steps.push(match step {
                            Side::Conv(named) => Side::Conv(self.conv(named, &mut own)?),
                            Side::Pool(pooling) => Side::Pool(*pooling),
                            Side::Fork([a, b]) => {
                                let (mut of_a, mut of_b) = (own, own);
                                let fork = [self.conv(a, &mut of_a)?, self.conv(b, &mut of_b)?];
                                own = of_a + of_b;
                                Side::Fork(fork)
                            }
                        });
                    }
                    outputs += own;
                    loaded.push(steps);
                }
                *channels = outputs;
                Layer::Mixed(loaded)
            }
        })
    }
}

/// The network with its weights, on the CPU.
#[derive(Debug)]
pub struct Inception {
    network: host::Inception,
    /// 1008 × 2048.
    classes: Vec<f32>,
}

/// What the network makes of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct InceptionOutput {
    /// 2048 means over space.
    pub features: Vec<f32>,
    /// Logits of 1008 classes without their bias, as Inception scores are published.
    pub logits: Vec<f32>,
}

impl Inception {
    /// From the parameters of the published file, by their names there. Others are left out.
    ///
    /// # Errors
    /// If one is missing, of another shape or not finite.
    pub fn new(weights: &Weights) -> Result<Self, WeightsError> {
        let loader = Loader { weights };
        let stem = conv("Conv2d_1a_3x3", 32, [3, 3], 2, [0, 0]);
        let (weight, bias) = loader.folded(&stem, 3)?;
        let mut channels = stem.1.outputs;
        let layers = layers().iter().map(|layer| loader.layer(layer, &mut channels)).collect::<Result<_, _>>()?;
        let network = host::Inception::new((&weight, &bias), layers);
        let classes = loader.array("fc.weight".into(), &[INCEPTION_CLASSES, INCEPTION_FEATURES])?;
        Ok(Inception { network, classes: classes.values.clone() })
    }

    /// Of images N×3×299×299 in [−1, 1]: each is the same in any company.
    pub fn forward(&self, images: &[f32]) -> Vec<InceptionOutput> {
        self.network.forward(images, INCEPTION_SIDE, |walk| {
            let (last, channels) = walk.run(|_, _| {});
            let area = (last.len() / channels.max(1)).max(1);
            let mean = |plane: &[f32]| (plane.iter().map(|&value| f64::from(value)).sum::<f64>() / area as f64) as f32;
            let features: Vec<f32> = last.chunks_exact(area).map(mean).collect();
            let logit = |row: &[f32]| {
                row.iter().zip(&features).map(|(&weight, &x)| f64::from(weight) * f64::from(x)).sum::<f64>() as f32
            };
            let logits = self.classes.chunks_exact(INCEPTION_FEATURES).map(logit).collect();
            InceptionOutput { features, logits }
        })
    }

    /// The features of the first image after each layer, C×H×W: to hold them against published ones.
    pub fn layers(&self, image: &[f32]) -> Vec<Vec<f32>> {
        let all = self.network.forward(image, INCEPTION_SIDE, |walk| {
            let mut all = Vec::new();
            walk.run(|_, features| all.push(features()));
            all
        });
        all.into_iter().next().unwrap_or_default()
    }
}
