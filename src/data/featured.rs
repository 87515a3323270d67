//! The features of a set of images, of whatever kind.

use super::{Data, DataError, DataSource, Place};
use crate::Pixels;
use crate::checkpoint::{
    FeatureFile, FileError, Part, ReadProgress, SetOptions, bundled_worlds, for_each_image, read_features,
    read_image_tensor, write_features,
};
use crate::metric::{Extracted, FeatureNetwork, Features, Sample, compares};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Images of Little Worlds that stand for all, where no number is given.
const WORLDS: usize = 4096;
/// The bundled features of the test set of Little Worlds.
const WORLDS_TEST: &str = "worlds-test";
/// Images that features are taken of together.
const TOGETHER: usize = 64;

/// The features of a set, and what they were taken with.
#[derive(Clone, Debug)]
pub struct Featured {
    pub sample: Sample,
    /// What the Fréchet distance of these features is called; of files that do not say so, `None`.
    pub metric: Option<String>,
    /// [`FeatureNetwork::identity`]; of files that do not say so, `None`.
    pub identity: Option<String>,
    /// C×H×W of the images, where there were any.
    pub shape: Option<[usize; 3]>,
    /// One sentence for each thing that a person should know.
    pub warnings: Vec<String>,
    /// Seconds that the network took.
    pub seconds: f64,
}

/// How features of a set are taken.
pub struct Taking<'a> {
    /// At most so many images: of files evenly over their order, of others the first.
    pub limit: Option<usize>,
    /// Opens the network for images C×H×W.
    pub open: &'a dyn Fn([usize; 3]) -> Result<Box<dyn FeatureNetwork>, FileError>,
    /// Told how many images are done, of how many; answers whether to go on.
    pub tell: &'a dyn Fn(usize, usize) -> bool,
    /// The folder of features that were taken before, if they are kept.
    pub cache: Option<&'a Path>,
}

impl DataSource {
    /// The features of its images: of a folder, an archive, little worlds, a tensor of samples, or those that a file of
    /// features or statistics holds already.
    ///
    /// # Errors
    /// If it cannot be read, holds no images or such of several sizes, or the network does not suit them.
    pub fn features(&self, taking: &Taking<'_>) -> Result<Featured, DataError> {
        let path = match &self.place {
            Place::Worlds(size) => {
                let data = self.open(&ReadProgress::default())?;
                let count = taking.limit.unwrap_or(WORLDS);
                let network = (taking.open)([self.channels.unwrap_or(3), *size, *size])?;
                if taking.limit.is_none()
                    && *size == 32
                    && self.channels != Some(1)
                    && let Some(found) = Featured::bundled(&*network, true)?
                {
                    return Ok(found);
                }
                let digest = format!("{} {count}", data.checksum());
                let found = taking.cached(&digest, network, |taker| taker.drawn(&data, count))?;
                return Ok(Featured { shape: Some(data.shape()), ..found });
            }
            Place::Files { path, .. } => path,
        };
        if path == Path::new(WORLDS_TEST) && !path.exists() {
            let network = (taking.open)([3, 32, 32])?;
            let mut found = Featured::bundled(&*network, false)?.ok_or(DataError::OtherFeatures(WORLDS_TEST))?;
            found.warnings.extend(taking.limit.map(|_| "All of its images are taken; the limit has no effect".into()));
            return Ok(found);
        }
        if let Some(file) = read_features(path)? {
            let (mut sample, mut warnings) = (file.sample, Vec::new());
            match (taking.limit, &sample.features) {
                (Some(limit), Some(features)) if limit < features.len() => {
                    let first = |set: &Features| set.first(limit);
                    sample = Sample::of(first(features), sample.logits.as_ref().map(first));
                }
                (Some(_), None) => {
                    warnings.push(format!("{path:?} holds moments of all images; the limit has no effect"))
                }
                _ => {}
            }
            let (metric, identity) = (file.metric, file.identity);
            return Ok(Featured { sample, metric, identity, shape: None, warnings, seconds: 0.0 });
        }
        if let Some(images) = read_image_tensor(path)? {
            let [count, shape @ ..] = images.shape;
            let count = taking.limit.map_or(count, |limit| limit.min(count));
            let mut taker = Taker::new(taking, (taking.open)(shape)?);
            let size = shape.iter().product::<usize>();
            let [channels, height, width] = shape;
            let values = images.values[..count * size].into();
            taker.in_parts(&Pixels { shape: [count, channels, height, width], values }, count)?;
            return taker.found(shape);
        }
        self.of_files(path, taking)
    }

    fn of_files(&self, path: &Path, taking: &Taking<'_>) -> Result<Featured, DataError> {
        let part = match &self.place {
            Place::Files { is_test: true, .. } => Part::Test,
            _ => Part::Training,
        };
        let mut options = SetOptions { size: self.size, channels: self.channels, part, ..SetOptions::default() };
        options.most = taking.limit.unwrap_or(options.most).min(options.most);
        let progress = ReadProgress::default();
        if taking.cache.is_some() {
            // All images are read twice, which takes a small part of the time that their features do.
            let (mut digest, mut first) = (Sha256::new(), None);
            let warnings = for_each_image::<FileError>(path, &options, &progress, &mut |images, _| {
                let [_, shape @ ..] = images.shape;
                first.get_or_insert(shape);
                digest.update(format!("{:?}", images.shape));
                digest.update(&images.values);
                Ok(())
            })?;
            let shape = first.unwrap_or_default();
            let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            let mut found = taking.cached(&digest, (taking.open)(shape)?, |taker| taker.of_files(path, &options))?;
            found.shape = Some(shape);
            found.warnings.extend(warnings);
            return Ok(found);
        }
        let (mut taker, mut first) = (None, [0; 3]);
        let warnings = for_each_image::<DataError>(path, &options, &progress, &mut |images, all| {
            let [_, shape @ ..] = images.shape;
            if taker.is_none() {
                (taker, first) = (Some(Taker::new(taking, (taking.open)(shape)?)), shape);
            }
            taker.iter_mut().try_for_each(|taker| taker.in_parts(images, all))
        })?;
        let taker = taker.ok_or_else(|| FileError::NoPictures { path: path.into(), why: String::new() })?;
        let mut found = taker.found(first)?;
        found.warnings.extend(warnings);
        Ok(found)
    }
}

impl Featured {
    /// Those of Little Worlds that ship, if the network is the one that they were taken with.
    fn bundled(network: &dyn FeatureNetwork, drawn: bool) -> Result<Option<Featured>, DataError> {
        let FeatureFile { sample, metric, identity } = bundled_worlds(drawn)?;
        let own = network.identity();
        Ok(identity.is_some_and(|identity| compares(&identity, &own)).then(|| Featured {
            sample,
            metric,
            identity: Some(own),
            shape: Some([3, 32, 32]),
            warnings: Vec::new(),
            seconds: 0.0,
        }))
    }
}

impl Taking<'_> {
    /// What was kept of these images and this network, or what `take` finds, which is then kept.
    fn cached(
        &self,
        digest: &str,
        network: Box<dyn FeatureNetwork>,
        take: impl FnOnce(Taker<'_>) -> Result<Featured, DataError>,
    ) -> Result<Featured, DataError> {
        let (metric, identity) = (network.metric().to_owned(), network.identity());
        let file = self.cache.map(|folder| place(folder, digest, &identity));
        if let Some(Ok(Some(known))) = file.as_ref().filter(|file| file.exists()).map(|file| read_features(file))
            && known.identity.as_deref() == Some(&identity)
        {
            let (sample, metric) = (known.sample, known.metric);
            let warnings = Vec::new();
            return Ok(Featured { sample, metric, identity: known.identity, shape: None, warnings, seconds: 0.0 });
        }
        let mut found = take(Taker::new(self, network))?;
        if let (Some(file), Some(features)) = (&file, &found.sample.features) {
            let written = file
                .parent()
                .map_or(Ok(()), std::fs::create_dir_all)
                .map_err(|source| FileError::Write { path: file.clone(), source });
            // Of a reference no measure wants logits.
            let written = written.and_then(|()| write_features(file, features, None, &metric, &identity));
            if let Err(error) = written {
                found.warnings.push(format!("The features are not kept for another time: {error}"));
            }
        }
        Ok(found)
    }
}

/// The file that keeps the features of some images and a network.
fn place(folder: &Path, digest: &str, identity: &str) -> PathBuf {
    let name: String =
        Sha256::digest(format!("{digest}\n{identity}")).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    folder.join(format!("{name}.safetensors"))
}

/// Takes features of one batch after the other.
struct Taker<'a> {
    taking: &'a Taking<'a>,
    network: Box<dyn FeatureNetwork>,
    features: Features,
    logits: Option<Features>,
    seconds: f64,
}

impl<'a> Taker<'a> {
    fn new(taking: &'a Taking<'a>, network: Box<dyn FeatureNetwork>) -> Self {
        let classes = network.classes();
        let logits = (classes > 0).then(|| Features::none(classes));
        Taker { taking, features: Features::none(network.dims()), logits, network, seconds: 0.0 }
    }

    /// Takes those of a batch, of `all` images in the end.
    fn take(&mut self, images: &Pixels<u8>, all: usize) -> Result<(), DataError> {
        let began = Instant::now();
        let Extracted { features, logits } = self.network.extract(images)?;
        self.features.append(&features)?;
        if let (Some(all), Some(more)) = (&mut self.logits, &logits) {
            all.append(more)?;
        }
        self.seconds += began.elapsed().as_secs_f64();
        match (self.taking.tell)(self.features.len(), all) {
            true => Ok(()),
            false => Err(DataError::Stopped),
        }
    }

    /// The same of a large batch, told of more often.
    fn in_parts(&mut self, images: &Pixels<u8>, all: usize) -> Result<(), DataError> {
        let [count, channels, height, width] = images.shape;
        let size = channels * height * width;
        for first in (0..count).step_by(TOGETHER) {
            let some = first..count.min(first + TOGETHER);
            let values = images.values[some.start * size..some.end * size].into();
            self.take(&Pixels { shape: [some.len(), channels, height, width], values }, all)?;
        }
        Ok(())
    }

    /// Of images that the program draws.
    fn drawn(mut self, data: &Data, count: usize) -> Result<Featured, DataError> {
        let [channels, height, width] = data.shape();
        let size = channels * height * width;
        for first in (0..count).step_by(TOGETHER) {
            let some = TOGETHER.min(count - first);
            let mut values = vec![0; some * size];
            for (offset, levels) in values.chunks_exact_mut(size).enumerate() {
                data.picture((first + offset) as u64, levels);
            }
            self.take(&Pixels { shape: [some, channels, height, width], values: values.into() }, count)?;
        }
        self.found(data.shape())
    }

    fn of_files(mut self, path: &Path, options: &SetOptions) -> Result<Featured, DataError> {
        let mut first = None;
        for_each_image::<DataError>(path, options, &ReadProgress::default(), &mut |images, all| {
            let [_, shape @ ..] = images.shape;
            first.get_or_insert(shape);
            self.in_parts(images, all)
        })?;
        self.found(first.unwrap_or_default())
    }

    fn found(self, shape: [usize; 3]) -> Result<Featured, DataError> {
        Ok(Featured {
            sample: Sample::of(self.features, self.logits),
            metric: Some(self.network.metric().to_owned()),
            identity: Some(self.network.identity()),
            shape: Some(shape),
            warnings: Vec::new(),
            seconds: self.seconds,
        })
    }
}
