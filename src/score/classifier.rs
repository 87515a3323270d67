//! Classifiers of data noised to any level.

use super::{ScoreError, column};
use crate::Image;
use crate::network::{Classifier, ClassifierConfig, InvalidConfig};
use crate::sde::Level;
use crate::text;
use burn::tensor::Tensor;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use serde::{Deserialize, Serialize};

/// σ/α below and above which a network is told these: what it was trained on.
const RATIOS: [f64; 2] = [0.01, 20.0];

/// Anything that tells the classes of noised data.
pub trait Classify {
    /// log p(class | x), up to a number that is the same for all classes, N×classes, of `x` (N×C×H×W) noised to `at`:
    /// one level for all samples, or one for each.
    ///
    /// # Errors
    /// If the shape is wrong or the device fails.
    fn logits(&self, x: &Image, at: &[Level]) -> Result<Tensor<2>, ScoreError>;
}

impl<C: Classify + ?Sized> Classify for &C {
    fn logits(&self, x: &Image, at: &[Level]) -> Result<Tensor<2>, ScoreError> {
        (**self).logits(x, at)
    }
}

/// A trained classifier's description. Saved in its file's metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct ClassifierDescription {
    /// The architecture, which says whether it is told the noise level: one that is not is for clean pictures.
    pub config: ClassifierConfig,
    /// Names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// Standard deviation of its data, in [−1, 1].
    pub sigma_data: f64,
    /// The name people read.
    pub name: String,
    /// Data and training: a few lines for people.
    pub card: String,
    /// Shares of pictures it had not seen that it was right about.
    pub accuracies: Vec<Accuracy>,
}

/// The share of pictures that a classifier is right about.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// σ/α of the noise on them, in units of [−1, 1].
    pub ratio: f64,
    /// From 0 to 1.
    pub share: f64,
}

/// A description as files have it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    config: ClassifierConfig,
    classes: Vec<String>,
    sigma_data: f64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    card: String,
    #[serde(default)]
    accuracies: Vec<Accuracy>,
}

impl TryFrom<Saved> for ClassifierDescription {
    type Error = InvalidConfig;

    fn try_from(saved: Saved) -> Result<Self, InvalidConfig> {
        let Saved { config, classes, sigma_data, name, card, accuracies } = saved;
        config.check()?;
        if classes.len() != config.classes {
            let rule = format!("{}, the number of classes", config.classes);
            return Err(InvalidConfig::new("the number of names", classes.len(), &rule));
        }
        if !(1e-3..=1e3).contains(&sigma_data) {
            return Err(InvalidConfig::new("sigma_data", sigma_data, "from 0.001 to 1000"));
        }
        // The file may be a stranger's.
        let classes = classes.iter().map(|class| text::name(class)).collect();
        let (name, card) = (text::name(&name), text::printable(&card).into_owned());
        Ok(ClassifierDescription { config, classes, sigma_data, name, card, accuracies })
    }
}

impl ClassifierDescription {
    /// What x/α is multiplied with on its way into the network, and what the network is told of σ/α (Karras et al. 2022,
    /// table 1: c_in and c_noise).
    pub fn place(&self, ratio: f64) -> (f64, f64) {
        let [lowest, highest] = RATIOS;
        (1.0 / self.sigma_data.hypot(ratio), ratio.clamp(lowest, highest).ln() / 4.0)
    }

    /// How many times as large as the network's own images those of a shape (channels, height, width) are: it reads the
    /// means of so many pixels a side. `None` where that is no whole number.
    pub fn shrinks(&self, [c, h, w]: [usize; 3]) -> Option<usize> {
        let [channels, height, width] = self.config.shape();
        let k = h / height;
        (k > 0 && [c, h, w] == [channels, k * height, k * width]).then_some(k)
    }

    /// The place of a class that is given by its name, in whatever case, or by its number from 0.
    pub fn class(&self, name: &str) -> Option<usize> {
        class_called(name, &self.classes)
    }

    /// The noise that a network is trained with, σ/α from the smallest to the largest.
    pub fn ratios() -> [f64; 2] {
        RATIOS
    }
}

/// The place of a class among these that is given by its name, in whatever case, or by its number from 0.
pub fn class_called(name: &str, classes: &[String]) -> Option<usize> {
    let named = classes.iter().position(|class| class.to_lowercase() == name.trim().to_lowercase());
    named.or_else(|| name.trim().parse().ok().filter(|&number: &usize| number < classes.len()))
}

/// A trained network as a classifier of pictures in [−1, 1], its own size or so many times as large.
#[derive(Debug)]
pub struct NetworkClassifier {
    network: Classifier,
    description: ClassifierDescription,
}

impl NetworkClassifier {
    /// A network and what must be known of it.
    pub fn new(network: Classifier, description: ClassifierDescription) -> Self {
        NetworkClassifier { network, description }
    }

    /// What is known of the network.
    pub fn description(&self) -> &ClassifierDescription {
        &self.description
    }

    /// What the logits of clean pictures (N×C×H×W) are a linear map of, N×F: pictures are told apart by it.
    ///
    /// # Errors
    /// Those of [`Classify::logits`].
    pub fn features(&self, x: &Image) -> Result<Tensor<2>, ScoreError> {
        let (x, labels) = self.input(x, &[Level::CLEAN])?;
        Ok(self.network.features(x, &labels)?)
    }

    /// What goes into the network.
    fn input(&self, x: &Image, at: &[Level]) -> Result<(Image, Vec<f64>), ScoreError> {
        let [n, c, h, w] = x.dims();
        let factor = self.description.shrinks([c, h, w]).filter(|_| at.len() == 1 || at.len() == n);
        let Some(k) = factor else {
            return Err(ScoreError::Shape { expected: self.description.config.shape(), found: [c, h, w] });
        };
        let x = if k == 1 { x.clone() } else { avg_pool2d(x.clone(), AvgPoolOptions::new([k, k])) };
        // The mean of k×k pixels has a k-th of their noise.
        let place = |level: Level| self.description.place(level.ratio() / k as f64);
        let scale = column(at, &x.device(), |level| place(level).0 / level.alpha);
        Ok((x * scale, at.iter().map(|&level| place(level).1).collect()))
    }
}

impl Classify for NetworkClassifier {
    fn logits(&self, x: &Image, at: &[Level]) -> Result<Tensor<2>, ScoreError> {
        let (x, labels) = self.input(x, at)?;
        Ok(self.network.logits(x, &labels)?)
    }
}
