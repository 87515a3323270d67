//! What can be measured of two sets whose features are known.

use super::{
    DIRECTIONS, Edge, Features, MetricError, Moments, NEIGHBOUR, REPLICAS, SPLITS, SUBSET_SIZE, SUBSETS, frechet,
    frechet_error, frechet_infinity, inception_score, inception_score_infinity, kernel_distance_over, mind, neighbours,
    subset,
};
use crate::registry::{Category, Choice, Entry, Parameter, Settings, entry};

/// What is known of a set.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub moments: Option<Moments>,
    pub features: Option<Features>,
    pub logits: Option<Features>,
}

impl Sample {
    /// Of features, with their moments where there are enough of them.
    pub fn of(features: Features, logits: Option<Features>) -> Self {
        let moments = Moments::of_features(&features).ok();
        Sample { moments, features: Some(features), logits }
    }

    /// Number of images, where it is known.
    pub fn count(&self) -> Option<u64> {
        let features = self.features.as_ref().map(|features| features.len() as u64);
        features.or_else(|| self.moments.as_ref().and_then(Moments::count))
    }

    /// Number of features.
    pub fn dims(&self) -> Option<usize> {
        self.features.as_ref().map(Features::dims).or_else(|| self.moments.as_ref().map(Moments::dims))
    }
}

/// What is compared: generated images with those of a reference.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    pub generated: &'a Sample,
    pub reference: &'a Sample,
    /// What the Fréchet distance of these features is called.
    pub metric: &'a str,
    /// What subsets, directions and resampled sets are drawn with.
    pub seed: u64,
}

impl Pair<'_> {
    /// Whether there is what a measure needs.
    pub fn suits(&self, measure: &dyn Measure) -> bool {
        let has = |sample: &Sample, needs: Needs| match needs {
            Needs::Moments => sample.moments.is_some() || sample.features.is_some(),
            Needs::Features => sample.features.is_some(),
            Needs::Logits => sample.logits.is_some(),
        };
        has(self.generated, measure.needs())
            && measure.needs_of_reference().is_none_or(|needs| has(self.reference, needs))
    }
}

/// What a measure needs of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Moments,
    Features,
    Logits,
}

/// One number that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// In JSON, such as `fd`.
    pub key: &'static str,
    /// For people, such as "FID".
    pub name: String,
    pub value: f64,
    /// Its standard error, or the deviation that is published as such.
    pub error: Option<f64>,
    /// What `error` is.
    pub error_of: &'static str,
    /// Smaller is better.
    pub falling: bool,
}

impl Figure {
    /// An interval of 95 %, where the error is a standard error.
    pub fn interval(&self) -> Option<[f64; 2]> {
        let error = self.error.filter(|_| self.error_of == BOOTSTRAP)?;
        Some([self.value - 1.96 * error, self.value + 1.96 * error])
    }
}

/// The errors of these figures are standard errors.
const BOOTSTRAP: &str = "bootstrap";

/// A measure.
pub trait Measure: Entry {
    /// Of the generated images.
    fn needs(&self) -> Needs;

    /// Of the reference; `None` where it needs none.
    fn needs_of_reference(&self) -> Option<Needs> {
        Some(self.needs())
    }

    /// What it finds.
    ///
    /// # Errors
    /// If the sets do not have what is needed, or do not fit together.
    fn measure(&self, settings: &Settings, pair: &Pair<'_>) -> Result<Vec<Figure>, MetricError>;
}

/// The measures, in the order in which they are shown.
impl Category for dyn Measure {
    const NAME: &'static str = "metric";

    fn all() -> &'static [&'static Self] {
        &[&Fd, &FdInfinity, &Kid, &Is, &IsInfinity, &Prdc, &Mind]
    }
}

/// A measure with its settings.
pub type Measured = Choice<dyn Measure>;

impl Choice<dyn Measure> {
    /// [`Measure::measure`] with the values of this choice.
    ///
    /// # Errors
    /// Those of [`Measure::measure`].
    pub fn measure(&self, pair: &Pair<'_>) -> Result<Vec<Figure>, MetricError> {
        self.entry().measure(self.settings(), pair)
    }
}

/// What a distance is called with the features of a Fréchet distance called `metric`: KID with those of FID, else such as
/// KD-worlds with those of FD-worlds.
pub fn named(metric: &str, inception: &str, other: &str) -> String {
    match metric.strip_prefix("FD") {
        Some(rest) => format!("{other}{rest}"),
        None => inception.into(),
    }
}

fn moments(sample: &Sample) -> Result<&Moments, MetricError> {
    match (&sample.moments, &sample.features) {
        (Some(moments), _) => Ok(moments),
        (None, Some(features)) => Err(features.at_least(2).err().unwrap_or(MetricError::NoFeatures)),
        (None, None) => Err(MetricError::NoFeatures),
    }
}

fn features(sample: &Sample) -> Result<&Features, MetricError> {
    sample.features.as_ref().ok_or(MetricError::NoFeatures)
}

fn logits(sample: &Sample) -> Result<&Features, MetricError> {
    sample.logits.as_ref().ok_or(MetricError::NoClasses)
}

const RESAMPLED: Parameter = Parameter::whole("resampled", REPLICAS as u64, 0, 10_000)
    .named(
        "Resampled sets",
        "Resampled sets",
        "Resampled sets that the interval of a Fréchet distance comes from; 0: none",
    )
    .optional();
const OF_SUBSETS: Parameter = Parameter::whole("subsets", SUBSETS as u64, 1, 10_000)
    .named("Subsets", "Subsets", "Random subsets that the kernel distance is averaged over")
    .optional();
const SIZE: Parameter = Parameter::whole("subset_size", SUBSET_SIZE as u64, 2, 100_000)
    .named("Subset size", "Subset size", "Images of a subset, at most as many as there are")
    .optional();
const OF_SPLITS: Parameter = Parameter::whole("splits", SPLITS as u64, 1, 1000)
    .named("Splits", "Splits", "Parts that the Inception score is averaged over")
    .optional();
const NEAREST: Parameter = Parameter::whole("neighbour", NEIGHBOUR as u64, 1, 100)
    .named("Neighbour", "Neighbour k", "A sample reaches as far as its k-th nearest neighbour")
    .optional();
const OF_DIRECTIONS: Parameter = Parameter::whole("directions", DIRECTIONS as u64, 1, 100_000)
    .named("Directions", "Directions", "Random directions that are averaged over")
    .optional();

/// Features from which on a resampled set takes seconds, so that fewer are made.
const MANY: usize = 1024;

entry! {
    /// [`super::frechet`].
    Fd {
        slug: "fd",
        name: "Fréchet distance",
        summary: "Distance of the Gaussians of both sets' features: FID with those of Inception-v3",
        source: "Heusel et al. 2017",
        parameters: [&RESAMPLED],
    }
}

impl Measure for Fd {
    fn needs(&self) -> Needs {
        Needs::Moments
    }

    fn measure(&self, settings: &Settings, pair: &Pair<'_>) -> Result<Vec<Figure>, MetricError> {
        let (a, b) = (moments(pair.generated)?, moments(pair.reference)?);
        let value = frechet(a, b)?;
        let asked = settings.whole(&RESAMPLED) as usize;
        let replicas = if a.dims() > MANY && asked == REPLICAS { 0 } else { asked };
        let error = match &pair.generated.features {
            Some(features) if replicas > 1 => Some(frechet_error(b, features, replicas, pair.seed)?),
            _ => None,
        };
        Ok(vec![Figure { key: "fd", name: pair.metric.into(), value, error, error_of: BOOTSTRAP, falling: true }])
    }
}

entry! {
    /// [`frechet_infinity`].
    FdInfinity {
        slug: "fd-infinity",
        name: "FD∞",
        summary: "The Fréchet distance as it would be of infinitely many generated images",
        source: "Chong and Forsyth 2020",
    }
}

impl Measure for FdInfinity {
    fn needs(&self) -> Needs {
        Needs::Features
    }

    fn needs_of_reference(&self) -> Option<Needs> {
        Some(Needs::Moments)
    }

    fn measure(&self, _: &Settings, pair: &Pair<'_>) -> Result<Vec<Figure>, MetricError> {
        let found = frechet_infinity(moments(pair.reference)?, features(pair.generated)?, pair.seed)?;
        let name = named(pair.metric, "FID∞", "FD∞");
        Ok(vec![Figure { key: "fd_infinity", name, value: found.value, error: None, error_of: "", falling: true }])
    }
}

entry! {
    /// [`kernel_distance_over`].
    Kid {
        slug: "kid",
        name: "Kernel distance",
        summary: "Squared maximum mean discrepancy with a cubic kernel, unbiased: KID with the features of Inception-v3",
        source: "Bińkowski et al. 2018",
        parameters: [&OF_SUBSETS, &SIZE],
    }
}

impl Measure for Kid {
    fn needs(&self) -> Needs {
        Needs::Features
    }

    fn measure(&self, settings: &Settings, pair: &Pair<'_>) -> Result<Vec<Figure>, MetricError> {
        let (a, b) = (features(pair.generated)?, features(pair.reference)?);
        let (subsets, size) = (settings.whole(&OF_SUBSETS) as usize, settings.whole(&SIZE) as usize);
        let found = kernel_distance_over(a, b, subsets, size, pair.seed)?;
        let error = (found.subsets > 1).then_some(found.std);
        let (name, error_of) = (named(pair.metric, "KID", "KD"), "deviation over subsets");
        Ok(vec![Figure { key: "kid", name, value: found.value, error, error_of, falling: true }])
    }
}

entry! {
    /// [`inception_score`] of the images in random order.
    Is {
        slug: "is",
        name: "Inception score",
        summary: "How certain each image's class is, and how different the classes; needs features with classes",
        source: "Salimans et al. 2016",
        parameters: [&OF_SPLITS],
    }
}

impl Measure for Is {
    fn needs(&self) -> Needs {
        Needs::Logits
    }

    fn needs_of_reference(&self) -> Option<Needs> {
        None
    }

    fn measure(&self, settings: &Settings, pair: &Pair<'_>) -> Result<Vec<Figure>, MetricError> {
        let logits = logits(pair.generated)?;
        let splits = (settings.whole(&OF_SPLITS) as usize).min(logits.len());
        // Files are often sorted by class.
        let shuffled = logits.select(&subset(logits.len(), logits.len(), pair.seed, SHUFFLE));
        let found = inception_score(&shuffled, splits)?;
        let (name, error) = (named(pair.metric, "IS", "IS"), (splits > 1).then_some(found.std));
        let error_of = "deviation over splits";
        Ok(vec![Figure { key: "is", name, value: found.value, error, error_of, falling: false }])
    }
}

/// So that the order shares no numbers with subsets.
const SHUFFLE: u64 = 1 << 42;

entry! {
    /// [`inception_score_infinity`].
    IsInfinity {
        slug: "is-infinity",
        name: "IS∞",
        summary: "The Inception score as it would be of infinitely many images, in one split",
        source: "Chong and Forsyth 2020",
    }
}

impl Measure for IsInfinity {
    fn needs(&self) -> Needs {
        Needs::Logits
    }

    fn needs_of_reference(&self) -> Option<Needs> {
        None
    }

    fn measure(&self, _: &Settings, pair: &Pair<'_>) -> Result<Vec<Figure>, MetricError> {
        let found = inception_score_infinity(logits(pair.generated)?, pair.seed)?;
        let name = named(pair.metric, "IS∞", "IS∞");
        Ok(vec![Figure { key: "is_infinity", name, value: found.value, error: None, error_of: "", falling: false }])
    }
}

entry! {
    /// [`neighbours`], as in the package `prdc`.
    Prdc {
        slug: "prdc",
        name: "Precision, recall, density, coverage",
        summary: "Which images lie among the neighbours of the other set's",
        source: "Kynkäänniemi et al. 2019, Naeem et al. 2020",
        parameters: [&NEAREST],
    }
}

impl Measure for Prdc {
    fn needs(&self) -> Needs {
        Needs::Features
    }

    fn measure(&self, settings: &Settings, pair: &Pair<'_>) -> Result<Vec<Figure>, MetricError> {
        let (fake, real) = (features(pair.generated)?, features(pair.reference)?);
        let found = neighbours(real, fake, settings.whole(&NEAREST) as usize, Edge::Outside)?;
        let figure = |key: &'static str, name: &str, value| Figure {
            key,
            name: named(pair.metric, name, name),
            value,
            error: None,
            error_of: "",
            falling: false,
        };
        Ok(vec![
            figure("precision", "precision", found.precision),
            figure("recall", "recall", found.recall),
            figure("density", "density", found.density),
            figure("coverage", "coverage", found.coverage),
        ])
    }
}

entry! {
    /// [`mind`].
    Mind {
        slug: "mind",
        name: "MIND",
        summary: "Sliced Wasserstein distance of the features, on the scale of a Fréchet distance",
        source: "Berthet et al. 2026",
        parameters: [&OF_DIRECTIONS],
    }
}

impl Measure for Mind {
    fn needs(&self) -> Needs {
        Needs::Features
    }

    fn measure(&self, settings: &Settings, pair: &Pair<'_>) -> Result<Vec<Figure>, MetricError> {
        let (a, b) = (features(pair.generated)?, features(pair.reference)?);
        let value = mind(a, b, settings.whole(&OF_DIRECTIONS) as usize, pair.seed)?;
        let name = named(pair.metric, "MIND", "MIND");
        Ok(vec![Figure { key: "mind", name, value, error: None, error_of: "", falling: true }])
    }
}
