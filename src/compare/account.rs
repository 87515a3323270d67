use super::CompareError;
use super::shard::BLOCK;
use crate::Pixels;
use crate::checkpoint::{NumberArray, Numbers};
use crate::metric::{Extracted, Features, MOST_FEATURES, MetricError, Moments, Sums, Tally};
use crate::task::Count;
use std::collections::BTreeMap;

/// Samples of each cell that are kept themselves: the first ones.
pub const FIRST: u64 = 16;

/// What is known of a cell's samples: `first`, `first + 1`, … without a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The number of its first sample.
    pub first: u64,
    pub kept: Kept,
    /// Those among the first few samples of the cell, N×C×H×W: images in [0, 1], or points.
    pub images: Pixels<f32>,
    /// Score evaluations of all samples together.
    pub evaluations: u64,
    /// Seconds of computing.
    pub seconds: f64,
    /// Why it cannot go on, in one sentence.
    pub failure: Option<String>,
}

/// What is kept of features.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// Themselves, with logits where the network has classes.
    Features { features: Features, logits: Option<Features> },
    /// Their sums.
    Sums(Tally),
}

/// Arrays and notes of an account, by name.
pub(super) type Stored = (BTreeMap<String, String>, BTreeMap<String, NumberArray>);

impl Account {
    /// Of no samples yet, from `first` on, of so many features and classes, of samples of a shape C×H×W.
    pub fn begun(first: u64, dims: usize, classes: usize, shape: [usize; 3], keeps_features: bool) -> Account {
        let kept = match keeps_features {
            true => Kept::Features {
                features: Features::none(dims),
                logits: (classes > 0).then(|| Features::none(classes)),
            },
            false => Kept::Sums(Tally::new(dims)),
        };
        let [c, h, w] = shape;
        let images = Pixels { shape: [0, c, h, w], values: [].into() };
        Account { first, kept, images, evaluations: 0, seconds: 0.0, failure: None }
    }

    /// Number of samples.
    pub fn count(&self) -> u64 {
        match &self.kept {
            Kept::Features { features, .. } => features.len() as u64,
            Kept::Sums(tally) => tally.count(),
        }
    }

    /// The number of the sample that follows.
    pub fn next(&self) -> u64 {
        self.first + self.count()
    }

    /// Number of features.
    pub fn dims(&self) -> usize {
        match &self.kept {
            Kept::Features { features, .. } => features.dims(),
            Kept::Sums(tally) => tally.dims(),
        }
    }

    /// The features, where they are kept.
    pub fn features(&self) -> Option<&Features> {
        match &self.kept {
            Kept::Features { features, .. } => Some(features),
            Kept::Sums(_) => None,
        }
    }

    /// The logits, where they are kept.
    pub fn logits(&self) -> Option<&Features> {
        match &self.kept {
            Kept::Features { logits, .. } => logits.as_ref(),
            Kept::Sums(_) => None,
        }
    }

    /// Takes in the samples that follow.
    ///
    /// # Errors
    /// If they have another number of features or classes.
    pub fn add(&mut self, samples: &Pixels<f32>, found: &Extracted) -> Result<(), MetricError> {
        let next = self.next();
        match &mut self.kept {
            Kept::Features { features, logits } => {
                if let Some(logits) = logits {
                    logits.append(found.logits.as_ref().ok_or(MetricError::NoClasses)?)?;
                }
                features.append(&found.features)?;
            }
            Kept::Sums(tally) => tally.add(next, &found.features)?,
        }
        let more = FIRST.saturating_sub(next).min(samples.shape[0] as u64) as usize;
        if more > 0 {
            let size: usize = samples.shape[1..].iter().product();
            let values = [&self.images.values, samples.values.get(..more * size).unwrap_or_default()].concat();
            self.images.shape[0] += more;
            self.images.values = values.into();
        }
        Ok(())
    }

    /// Forgets the samples of a block that is not complete: where samples depend on the others of their block, they are
    /// drawn again with more of them.
    pub fn forget_incomplete(&mut self) {
        let (before, loose) = (self.count(), self.next() % BLOCK);
        if loose == 0 {
            return;
        }
        let rest = before.saturating_sub(loose);
        match &mut self.kept {
            Kept::Features { features, logits } => {
                *features = features.first(rest as usize);
                *logits = logits.as_ref().map(|logits| logits.first(rest as usize));
            }
            Kept::Sums(tally) => {
                let nodes = tally.nodes().map(|(first, sums)| (first, sums.clone()));
                *tally = Tally::from_parts(tally.dims(), nodes, []).unwrap_or_else(|_| Tally::new(tally.dims()));
            }
        }
        let images = (self.images.shape[0] as u64).min(FIRST.min(self.next()).saturating_sub(self.first)) as usize;
        let size: usize = self.images.shape[1..].iter().product();
        self.images.shape[0] = images;
        self.images.values = self.images.values.get(..images * size).unwrap_or_default().into();
        self.evaluations = (u128::from(self.evaluations) * u128::from(rest) / u128::from(before.max(1))) as u64;
    }

    /// Their sums, the same bits whether features were kept or not.
    ///
    /// # Errors
    /// If a sum is not finite.
    pub fn tally(&self) -> Result<Tally, MetricError> {
        match &self.kept {
            Kept::Sums(tally) => Ok(tally.clone()),
            Kept::Features { features, .. } => {
                let mut tally = Tally::new(features.dims());
                tally.add(self.first, features)?;
                Ok(tally)
            }
        }
    }

    /// Mean and covariance of the features of samples 0 to n − 1.
    ///
    /// # Errors
    /// If the first samples are missing, or there are fewer than two.
    pub fn moments(&self) -> Result<Moments, MetricError> {
        match &self.kept {
            Kept::Sums(tally) => tally.moments(),
            Kept::Features { .. } => self.tally()?.moments(),
        }
    }

    /// Score evaluations of each sample, on average.
    pub fn evaluations_each(&self) -> f64 {
        self.evaluations as f64 / self.count().max(1) as f64
    }

    /// Takes in the account of the samples that follow.
    ///
    /// # Errors
    /// If they do not follow, or are of another kind.
    pub fn append(&mut self, next: Account) -> Result<(), MetricError> {
        if next.first < self.next() {
            return Err(MetricError::Overlap(next.first..self.next().min(next.next())));
        }
        if next.first > self.next() {
            return Err(MetricError::Gap(self.next()..next.first));
        }
        match (&mut self.kept, next.kept) {
            (Kept::Features { features, logits }, Kept::Features { features: more, logits: more_logits }) => {
                features.append(&more)?;
                if let (Some(logits), Some(more)) = (logits, more_logits) {
                    logits.append(&more)?;
                }
            }
            (Kept::Sums(tally), Kept::Sums(more)) => {
                *tally = std::mem::replace(tally, Tally::new(1)).merge(more)?;
            }
            _ => return Err(MetricError::Damaged("one part has features and the other has not")),
        }
        self.images.values = [&*self.images.values, &*next.images.values].concat().into();
        self.images.shape[0] += next.images.shape[0];
        self.evaluations += next.evaluations;
        self.seconds += next.seconds;
        self.failure = self.failure.take().or(next.failure);
        Ok(())
    }

    /// Adds it to what goes into a file, under names that begin so; with sums also where features are kept, if wanted.
    pub(super) fn store(&self, prefix: &str, with_sums: bool, (notes, arrays): &mut Stored) -> Result<(), MetricError> {
        let mut note = |name: &str, text: String| notes.insert(format!("{prefix}{name}"), text);
        note("first", self.first.to_string());
        note("count", self.count().to_string());
        note("dims", self.dims().to_string());
        note("evaluations", self.evaluations.to_string());
        note("seconds", self.seconds.to_string());
        if let Some(failure) = &self.failure {
            note("failure", failure.clone());
        }
        let mut array = |name: &str, array| arrays.insert(format!("{prefix}{name}"), array);
        array("images", NumberArray::singles(&self.images.shape, self.images.values.to_vec()));
        let rows =
            |features: &Features| NumberArray::singles(&[features.len(), features.dims()], features.values().to_vec());
        if let Kept::Features { features, logits } = &self.kept {
            array("features", rows(features));
            if let Some(logits) = logits {
                array("logits", rows(logits));
            }
            if !with_sums {
                return Ok(());
            }
        }
        let tally = self.tally()?;
        for (first, sums) in tally.nodes() {
            array(&format!("sums.{first}.{}", sums.count()), NumberArray::doubles(sums.sum().to_vec()));
            array(&format!("products.{first}.{}", sums.count()), NumberArray::doubles(sums.products().to_vec()));
        }
        for (sample, values) in tally.loose() {
            array(&format!("loose.{sample}"), NumberArray::singles(&[values.len()], values.to_vec()));
        }
        Ok(())
    }

    /// Takes an account out of what a file holds under names that begin so.
    ///
    /// # Errors
    /// What is wrong with it, where something is: the file may be a stranger's.
    pub(super) fn restore(prefix: &str, (notes, arrays): &mut Stored) -> Result<Account, Damage> {
        let number = |name: &str| {
            let text = notes.get(&format!("{prefix}{name}"));
            text.and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| Damage(format!("it lacks {name:?}")))
        };
        let (first, count, dims) = (number("first")?, number("count")?, number("dims")? as usize);
        let evaluations = number("evaluations")?;
        if first.saturating_add(count) > Count::MAX as u64 || !(1..=MOST_FEATURES).contains(&dims) {
            return Err(Damage("it claims more samples or features than are possible".into()));
        }
        let seconds = notes.get(&format!("{prefix}seconds")).and_then(|text| text.parse().ok());
        let seconds = seconds.filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0).unwrap_or(0.0);
        let failure = notes.get(&format!("{prefix}failure")).map(|text| crate::text::line(text).into_owned());
        let images = images(arrays.remove(&format!("{prefix}images")), first, count)?;
        let mut sums: Vec<(String, NumberArray)> = Vec::new();
        let parts = ["sums.", "products.", "loose."].map(|part| format!("{prefix}{part}"));
        let names: Vec<String> =
            arrays.keys().filter(|name| parts.iter().any(|part| name.starts_with(part))).cloned().collect();
        for name in names {
            if let Some(array) = arrays.remove(&name) {
                sums.push((name.get(prefix.len()..).unwrap_or_default().to_owned(), array));
            }
        }
        let tally = if sums.is_empty() { None } else { Some(tally(dims, sums)?) };
        let mut rows = |name: &str| arrays.remove(&format!("{prefix}{name}")).map(rows).transpose();
        let kept = match (rows("features")?, rows("logits")?) {
            (Some(features), logits) => Kept::Features { features, logits },
            (None, _) => Kept::Sums(tally.clone().unwrap_or_else(|| Tally::new(dims))),
        };
        let account = Account { first, kept, images, evaluations, seconds, failure };
        account.check(count, dims, tally.as_ref())?;
        Ok(account)
    }

    /// Whether what was read of it fits together.
    fn check(&self, count: u64, dims: usize, tally: Option<&Tally>) -> Result<(), Damage> {
        let wrong = |what: &str| Err(Damage(what.into()));
        if self.count() != count || self.dims() != dims {
            return wrong("it holds other samples or features than it says");
        }
        if self.logits().is_some_and(|logits| logits.len() as u64 != count) {
            return wrong("it holds logits of other samples than its features");
        }
        if let Kept::Sums(tally) = &self.kept
            && count > 0
            && !matches!(tally.ranges().as_slice(), [only] if *only == (self.first..self.first + count))
        {
            return wrong("its sums are of other samples than it says");
        }
        match tally {
            Some(tally) if self.tally()? != *tally => wrong("its sums are not those of its features"),
            _ => Ok(()),
        }
    }
}

/// What is wrong with an account in a file.
#[derive(Debug)]
pub(super) struct Damage(pub String);

impl From<MetricError> for Damage {
    fn from(error: MetricError) -> Self {
        Damage(error.to_string().rsplit_once("; ").map_or_else(|| error.to_string(), |(what, _)| what.into()))
    }
}

impl Damage {
    /// As the error of a file.
    pub(super) fn at(self, path: &std::path::Path) -> CompareError {
        CompareError::Damaged { path: path.into(), what: self.0 }
    }
}

/// The first images, of as many samples as can be.
fn images(array: Option<NumberArray>, first: u64, count: u64) -> Result<Pixels<f32>, Damage> {
    let wrong = || Damage("its images are not those of its first samples".into());
    let Some(NumberArray { shape, numbers: Numbers::Single(values) }) = array else { return Err(wrong()) };
    let shape = <[usize; 4]>::try_from(shape).map_err(|_| wrong())?;
    let expected = FIRST.min(first + count).saturating_sub(first);
    let has_pixels = !shape[1..].contains(&0);
    if shape[0] as u64 != expected || !has_pixels || !values.iter().all(|value| value.is_finite()) {
        return Err(wrong());
    }
    Ok(Pixels { shape, values: values.into() })
}

fn rows(array: NumberArray) -> Result<Features, Damage> {
    match (array.shape.as_slice(), array.numbers) {
        (&[_, dims], Numbers::Single(values)) => Ok(Features::new(dims, values)?),
        _ => Err(Damage("its features are not rows of numbers".into())),
    }
}

/// The account of sums in arrays by their names.
fn tally(dims: usize, arrays: Vec<(String, NumberArray)>) -> Result<Tally, Damage> {
    let wrong = || Damage("a name among its sums is unknown".into());
    let mut found: BTreeMap<(u64, u64), [Vec<f64>; 2]> = BTreeMap::new();
    let mut loose = Vec::new();
    for (name, array) in arrays {
        let mut words = name.split('.');
        let part = words.next().unwrap_or_default();
        let mut numbers = words.map(|word| word.parse::<u64>().ok());
        match (part, numbers.next().flatten(), numbers.next().flatten(), array.numbers) {
            ("loose", Some(sample), None, Numbers::Single(values)) => loose.push((sample, values)),
            ("sums", Some(first), Some(count), Numbers::Double(values)) => {
                found.entry((first, count)).or_default()[0] = values;
            }
            ("products", Some(first), Some(count), Numbers::Double(values)) => {
                found.entry((first, count)).or_default()[1] = values;
            }
            _ => return Err(wrong()),
        }
    }
    let node = |((first, count), [sum, products]): ((u64, u64), [Vec<f64>; 2])| {
        Ok::<_, MetricError>((first, Sums::new(dims, count, sum, products)?))
    };
    if loose.len() as u64 > 2 * BLOCK {
        return Err(Damage("it has more incomplete blocks than are possible".into()));
    }
    let nodes = found.into_iter().map(node).collect::<Result<Vec<_>, _>>()?;
    Ok(Tally::from_parts(dims, nodes, loose)?)
}
