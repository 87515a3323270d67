//! Averages of any length, made after a training from those that it stored.

use super::average::add;
use super::trainer::power_prefix;
use super::{Average, Folder, FolderError, Power, Profile, ProfileError, SIGMA_REL, Training, WIDTHS, coefficients};
use crate::checkpoint::{FileError, read_state};
use crate::network::{Array, Weights};
use crate::registry::{Choice, ParameterError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A power-function average that was made afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Posthoc {
    pub weights: Weights,
    /// The moment in the training of which it is the average.
    pub images: u64,
    /// Its relative width.
    pub sigma_rel: f64,
    /// Stored averages of which it is made.
    pub stored: usize,
}

impl Posthoc {
    /// Writes it as a model of the training, which says on its card which average it is.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, folder: &Folder, training: &Training, path: &Path) -> Result<(), FolderError> {
        let mut average = Choice::<dyn Average>::new(&Power);
        average.settings_mut().set_nearest(&SIGMA_REL, self.sigma_rel);
        let steps = self.images.div_ceil(training.batch as u64);
        folder.write_model(path, &Training { average, ..training.clone() }, &self.weights, steps)
    }
}

/// Why no average can be made.
#[derive(Debug, thiserror::Error)]
pub enum PosthocError {
    #[error("{0:?} holds no stored averages; train with --snapshots, which stores them")]
    None(PathBuf),
    #[error("the reading of stored averages was ended")]
    Ended,
    #[error(transparent)]
    Width(#[from] ParameterError),
    #[error("the last stored average is of {last} images, before {images}; choose at most that")]
    Late { images: u64, last: u64 },
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl From<FileError> for PosthocError {
    fn from(error: FileError) -> Self {
        PosthocError::Folder(error.into())
    }
}

/// The average of relative width `sigma_rel` after so many images, or at the last stored moment, from the averages that a
/// training stored (Karras et al. 2024, section 3.2). A file is read at a time; `tell` hears which share of them is read, and
/// answers whether to go on.
///
/// # Errors
/// If none are stored so early, the width is out of range, or a file cannot be read.
pub fn posthoc(
    folder: &Folder,
    sigma_rel: f64,
    images: Option<u64>,
    tell: &dyn Fn(f32) -> bool,
) -> Result<Posthoc, PosthocError> {
    SIGMA_REL.admit(sigma_rel.into())?;
    let files = folder.snapshots()?;
    let Some(&last) = files.keys().last() else { return Err(PosthocError::None(folder.path().into())) };
    let images = images.unwrap_or(last);
    if images > last {
        return Err(PosthocError::Late { images, last });
    }
    let profile = |images: u64, sigma_rel| Profile { images: images as f64, sigma_rel };
    let stored: Vec<Profile> = files.keys().flat_map(|&images| WIDTHS.map(|width| profile(images, width))).collect();
    let factors = coefficients(&stored, profile(images, sigma_rel))?;
    let mut sums: BTreeMap<String, (Vec<usize>, Vec<f64>)> = BTreeMap::new();
    for (place, (path, factors)) in files.values().zip(factors.chunks(WIDTHS.len())).enumerate() {
        if !tell(place as f32 / files.len() as f32) {
            return Err(PosthocError::Ended);
        }
        if factors.iter().all(|&factor| factor == 0.0) {
            continue;
        }
        let (_, arrays) = read_state(path)?;
        for (width, &factor) in WIDTHS.iter().zip(factors) {
            let prefix = power_prefix(*width);
            let of_width = arrays.iter().filter_map(|(name, array)| Some((name.strip_prefix(&prefix)?, array)));
            for (name, Array { shape, values }) in of_width {
                let (_, sum) = sums.entry(name.to_owned()).or_insert_with(|| (shape.clone(), vec![0.0; values.len()]));
                add(sum, values, factor);
            }
        }
    }
    let array =
        |(shape, sum): (Vec<usize>, Vec<f64>)| Array { shape, values: sum.into_iter().map(|x| x as f32).collect() };
    let weights = sums.into_iter().map(|(name, sum)| (name, array(sum))).collect();
    Ok(Posthoc { weights, images, sigma_rel, stored: factors.iter().filter(|&&factor| factor != 0.0).count() })
}
