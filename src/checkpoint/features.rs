//! Files of features and their moments, and what extractors are made of.

use super::npz::Npz;
use super::progress::ReadProgress;
use super::tensors::{self, Encoded};
use super::{FileError, OpenedClassifier, checksum, classifier, read_classifier, read_torch, start};
use crate::Pixels;
use crate::metric::{
    Bundled, Extractor, FeatureNetwork, FeatureRef, Features, Loaded, MOST_FEATURES, Material, MetricError, Moments,
    Sample,
};
use crate::network::{Array, Weights};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The classifiers whose features are part of the program.
const WORLDS: &[u8] = include_bytes!("../../checkpoints/worlds-features.safetensors");
const C10: &[u8] = include_bytes!("../../checkpoints/cifar10-features.safetensors");
/// Features of Little Worlds by it.
const DRAWN: &[u8] = include_bytes!("../../assets/worlds-drawn.safetensors");
const TEST: &[u8] = include_bytes!("../../assets/worlds-test.safetensors");
/// Names of mean and covariance in published `.npz` files, then that of features.
const MOMENTS: [[&str; 2]; 2] = [["mu", "sigma"], ["m", "s"]];
const POOL: &str = "pool_3";
/// Names of tensors in files of features.
const FEATURES: &str = "features";
const LOGITS: &str = "logits";
/// Names in their metadata: of the Fréchet distance, and what they were taken with.
const METRIC: &str = "metric";
const IDENTITY: &str = "identity";

const STATISTICS: &str = "a file of statistics";
const FEATURE_FILE: &str = "a file of features";
const IMAGES: &str = "a file of images";

/// What a file of features or statistics holds.
#[derive(Clone, Debug)]
pub struct FeatureFile {
    pub sample: Sample,
    /// What the Fréchet distance of these features is called, where it says so.
    pub metric: Option<String>,
    /// [`FeatureNetwork::identity`], where it says so.
    pub identity: Option<String>,
}

/// Features or their moments, if a file holds such: a `.npz` with `mu` and `sigma`, `m` and `s`, or `pool_3`; a safetensors
/// file with `features` (N×D), and perhaps `logits`.
///
/// # Errors
/// If it cannot be read, or they are not finite or of other shapes.
pub fn read_features(path: &Path) -> Result<Option<FeatureFile>, FileError> {
    if path.is_dir() {
        return Ok(None);
    }
    let (begin, length) = start(path)?;
    if tensors::begins(&begin, length) {
        return of_safetensors(path);
    }
    if begin.starts_with(b"PK\x03\x04") { of_npz(path) } else { Ok(None) }
}

fn of_npz(path: &Path) -> Result<Option<FeatureFile>, FileError> {
    let mut file = Npz::open(path)?;
    let refused = |source| FileError::Features { path: path.into(), source };
    let sample = if let Some([mean, covariance]) = MOMENTS.iter().find(|names| names.iter().all(|name| file.has(name)))
    {
        let (shape, mean) = file.doubles(mean)?;
        let (square, covariance) = file.doubles(covariance)?;
        if shape.len() != 1 || square != [shape[0], shape[0]] {
            let reason = format!("its mean is {shape:?} and its covariance {square:?}; they are D and D×D");
            return Err(FileError::format(path, STATISTICS, reason));
        }
        let moments = Moments::new(None, mean, &covariance).map_err(refused)?;
        Sample { moments: Some(moments), ..Sample::default() }
    } else if file.has(POOL) {
        Sample::of(bounded(rows(file.array(POOL)?, path, POOL)?, path)?, None)
    } else {
        return Ok(None);
    };
    Ok(Some(FeatureFile { sample, metric: None, identity: None }))
}

fn of_safetensors(path: &Path) -> Result<Option<FeatureFile>, FileError> {
    let (notes, shapes) = tensors::read_header(path)?;
    if !shapes.contains_key(FEATURES) {
        return Ok(None);
    }
    let wanted = |name: &str| name == FEATURES || name == LOGITS;
    let (_, arrays) = tensors::read_some(path, &wanted, &ReadProgress::default())?;
    of_arrays(&notes, arrays, path).map(Some)
}

/// The features among named arrays.
fn of_arrays(notes: &tensors::Notes, mut arrays: Weights, path: &Path) -> Result<FeatureFile, FileError> {
    let mut take = |name| arrays.remove(name).map(|array| rows(array, path, name)).transpose();
    let features = take(FEATURES)?;
    let features = features.ok_or_else(|| FileError::format(path, FEATURE_FILE, "it has no `features`"))?;
    let features = bounded(features, path)?;
    let logits = take(LOGITS)?;
    if logits.as_ref().is_some_and(|logits| logits.len() != features.len()) {
        return Err(FileError::format(path, FEATURE_FILE, "it has another number of features and of logits"));
    }
    let note = |name: &str| notes.get(name).map(|text| crate::text::name(text));
    Ok(FeatureFile { sample: Sample::of(features, logits), metric: note(METRIC), identity: note(IDENTITY) })
}

/// The bundled features of Little Worlds by the classifier that ships: of the first 4,096 drawn ones (`drawn`), or of the
/// 3,000 of the test set.
///
/// # Errors
/// Never for the bundled files.
pub fn bundled_worlds(drawn: bool) -> Result<FeatureFile, FileError> {
    let (bytes, name) = if drawn { (DRAWN, "worlds:32") } else { (TEST, "worlds-test") };
    let path = Path::new(name);
    let (notes, arrays) = tensors::parse(bytes, bytes.len() as u64, path)?;
    of_arrays(&notes, arrays, path)
}

/// N×D, or N×D×1×1 as networks give it.
fn rows(array: Array, path: &Path, name: &str) -> Result<Features, FileError> {
    let (dims, is_matrix) = match *array.shape.as_slice() {
        [_, dims] | [_, dims, 1, 1] => (dims, true),
        _ => (1, false),
    };
    if !is_matrix {
        let reason = format!("{name:?} is of shape {:?}; features are N×D", array.shape);
        return Err(FileError::format(path, FEATURE_FILE, reason));
    }
    Features::new(dims, array.values).map_err(|source| FileError::Features { path: path.into(), source })
}

/// Refuses features of which no covariance fits into memory.
fn bounded(features: Features, path: &Path) -> Result<Features, FileError> {
    match features.dims() {
        ..=MOST_FEATURES => Ok(features),
        dims => {
            let source = MetricError::TooMany { dims, most: MOST_FEATURES };
            Err(FileError::Features { path: path.into(), source })
        }
    }
}

/// Writes features as safetensors, with what they were taken with, all or nothing.
///
/// # Errors
/// If the file cannot be written.
pub fn write_features(
    path: &Path,
    features: &Features,
    logits: Option<&Features>,
    metric: &str,
    identity: &str,
) -> Result<(), FileError> {
    let array =
        |set: &Features| Encoded::single(&Array { shape: vec![set.len(), set.dims()], values: set.values().to_vec() });
    let mut encoded = vec![(FEATURES, array(features))];
    encoded.extend(logits.map(|logits| (LOGITS, array(logits))));
    let notes = [(METRIC, metric), (IDENTITY, identity)].map(|(name, text)| (name.to_owned(), text.to_owned()));
    tensors::write_encoded(path, encoded, Some(HashMap::from(notes)))
}

/// The images of a safetensors file, `x`, N×C×H×W in [0, 1], as grey levels: as they would be saved.
///
/// # Errors
/// If it holds none, or numbers that are no images.
pub fn read_image_tensor(path: &Path) -> Result<Option<Pixels<u8>>, FileError> {
    if path.is_dir() {
        return Ok(None);
    }
    let (begin, length) = start(path)?;
    if !tensors::begins(&begin, length) {
        return Ok(None);
    }
    let (notes, mut arrays) = tensors::read_some(path, &|name| name == "x", &ReadProgress::default())?;
    let wrong = |reason: String| FileError::format(path, IMAGES, reason);
    let Some(Array { shape, values }) = arrays.remove("x") else {
        return Err(wrong("it has neither `features` nor images `x`; choose another file".into()));
    };
    let shape: [usize; 4] =
        shape.as_slice().try_into().map_err(|_| wrong(format!("x is of shape {shape:?}; images are N×C×H×W")))?;
    let size = shape[1..].iter().product::<usize>().max(1);
    if let Some(place) = values.iter().position(|value| !value.is_finite()) {
        return Err(wrong(format!("image {} has a value that is not a finite number; sample it again", place / size)));
    }
    // What the program itself wrote may leave the range a little, as samples do.
    let own = notes.get("range").is_some_and(|range| range == "[0, 1]");
    if let Some(value) = values.iter().find(|value| !own && !(-0.5..=1.5).contains(*value)) {
        return Err(wrong(format!("x has a value of {value}; images are in [0, 1]")));
    }
    let level = |value: &f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    Ok(Some(Pixels { shape, values: values.iter().map(level).collect() }))
}

/// Reads what an extractor is made of. `file` is Inception's weights, or a classifier.
///
/// # Errors
/// If a file is missing, cannot be read, or is another.
pub fn load_extractor(extractor: &dyn Extractor, file: Option<&Path>) -> Result<Loaded, FileError> {
    match (extractor.material(), file) {
        (Material::Nothing, _) => Ok(Loaded::Nothing),
        (Material::Shipped(bundled), _) => {
            let bytes = match bundled {
                Bundled::Worlds => WORLDS,
                Bundled::C10 => C10,
            };
            let opened = classifier::parse(bytes, Path::new(extractor.about().slug))?;
            Ok(classified(opened, &super::checksum::hexadecimal(&Sha256::digest(bytes))))
        }
        (Material::Inception, Some(path)) => {
            let weights = inception(path)?;
            Ok(Loaded::Inception { weights, checksum: told(&checksum(path)?.0) })
        }
        (Material::File, Some(path)) => {
            let opened = read_classifier(path, &ReadProgress::default())?;
            Ok(classified(opened, &checksum(path)?.0))
        }
        (Material::Inception, None) => Err(MetricError::Weights(
            "FID needs the weights of Inception-v3, pt_inception-2015-12-05-6726825d.pth; download that file and give \
             it with --inception, or choose other features"
                .into(),
        )
        .into()),
        (Material::File, None) => {
            Err(MetricError::Weights("a classifier's features need its file; give the file itself".into()).into())
        }
    }
}

fn classified(opened: super::OpenedClassifier, checksum: &str) -> Loaded {
    let OpenedClassifier { description, weights } = opened;
    Loaded::Classifier { description: Box::new(description), weights, checksum: told(checksum) }
}

/// As much of a checksum as tells files apart.
fn told(checksum: &str) -> String {
    checksum.chars().take(16).collect()
}

/// The parameters of Inception-v3 by their published names.
fn inception(path: &Path) -> Result<Weights, FileError> {
    let (begin, length) = start(path)?;
    match tensors::begins(&begin, length) {
        true => tensors::read(path, &ReadProgress::default()).map(|(_, weights)| weights),
        false => Ok(read_torch(path)?.model),
    }
}

/// The name of the published weights of Inception-v3.
const INCEPTION: &str = "pt_inception-2015-12-05-6726825d.pth";

/// The published weights of Inception-v3, if they are among the models of a library.
pub fn inception_weights(library: &Path) -> Option<PathBuf> {
    Some(library.join(INCEPTION)).filter(|file| file.exists())
}

/// The folder beside a library of models in which features of references are kept, whether or not it exists yet.
pub fn statistics(library: &Path) -> Option<PathBuf> {
    Some(library.parent()?.join("statistics"))
}

/// Opens the network of features for images C×H×W. `inception` is the file of Inception's weights.
///
/// # Errors
/// Those of [`load_extractor`], and if weights or images do not fit.
pub fn open_features(
    features: &FeatureRef,
    inception: Option<&Path>,
    shape: [usize; 3],
) -> Result<Box<dyn FeatureNetwork>, FileError> {
    let (choice, file) = features.choice();
    let extractor = choice.entry();
    let file = file.or_else(|| inception.filter(|_| extractor.material() == Material::Inception));
    let loaded = load_extractor(extractor, file)?;
    extractor.open(choice.settings(), loaded, shape).map_err(|source| match file {
        Some(path) => FileError::Features { path: path.into(), source },
        None => source.into(),
    })
}
