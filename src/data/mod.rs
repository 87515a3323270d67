//! What a training or a comparison reads: pictures with their classes, from files or drawn by the program, and the order
//! in which they are taken.

mod batch;
mod featured;
mod order;
mod source;
pub mod worlds;

pub use batch::{Batch, Preparation};
pub use featured::{Featured, Taking};
pub use order::Order;
pub use source::{DataSource, Place};

use crate::checkpoint::{Classes, FileError, PictureSet, moments};
use crate::luma;
use crate::metric::MetricError;
use crate::sde::{Moments, Range};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// One of so many pictures of a set is held out.
const HELD_OUT: u64 = 10;
/// Seed of the worlds that are for training, and of those that are held out.
const SEEDS: [u64; 2] = [0, 1];
/// Worlds whose drawing tells that it is the same.
const TOLD_BY: u64 = 60;

/// Worlds that their mean and deviation are measured with.
const MEASURED: usize = 1200;

/// Why there is no data.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("no data is given; choose worlds:32, worlds:64 or a folder of images")]
    Nothing,
    #[error("unknown worlds {0:?}; choose worlds:32 or worlds:64")]
    UnknownWorlds(String),
    #[error("a size of {size} is not that of worlds:{own}; leave it out, or choose worlds:32 or worlds:64")]
    WorldSize { own: usize, size: usize },
    #[error("an image size of {size} is out of range; choose 1 to {most}")]
    Size { size: usize, most: usize },
    #[error("{0} channels are not possible; choose 1 (grey) or 3 (colour)")]
    Channels(usize),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Metric(#[from] MetricError),
    #[error("the statistics of {0} are those of the features `worlds`; choose these, or give the images")]
    OtherFeatures(&'static str),
    #[error("the images were not all looked at, as it was stopped; start again")]
    Stopped,
}

/// Pictures, with their classes if they have any. Cheap to copy.
#[derive(Clone, Debug)]
pub struct Data {
    pictures: Pictures,
    portion: Portion,
}

#[derive(Clone, Debug)]
enum Pictures {
    Worlds { size: usize, channels: usize },
    Set(Arc<PictureSet>),
}

/// Which of the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Portion {
    All,
    /// All but those that are held out.
    Training,
    HeldOut,
}

impl Data {
    fn worlds(size: usize, channels: usize) -> Self {
        Data { pictures: Pictures::Worlds { size, channels }, portion: Portion::All }
    }

    /// All pictures of a set.
    pub fn set(set: PictureSet) -> Self {
        Data { pictures: Pictures::Set(Arc::new(set)), portion: Portion::All }
    }

    /// Random grey levels, C×H×W: which pictures they are makes no difference to how fast they are learnt.
    pub fn noise(shape: [usize; 3], count: usize) -> Self {
        let mut values = vec![0; count * shape.iter().product::<usize>()];
        fastrand::Rng::with_seed(0).fill(&mut values);
        let names = (0..count).map(|index| index.to_string()).collect();
        Data::set(PictureSet { shape, values, names, classes: None, warnings: Vec::new() })
    }

    /// The same pictures in two: those for training, and those that it never sees. Every tenth of a set is held out, so
    /// that all classes are there; of worlds, those of another seed. A set of less than ten holds none out.
    pub fn split(&self) -> [Data; 2] {
        [Portion::Training, Portion::HeldOut].map(|portion| Data { pictures: self.pictures.clone(), portion })
    }

    /// C, H, W.
    pub fn shape(&self) -> [usize; 3] {
        match &self.pictures {
            Pictures::Worlds { size, channels } => [*channels, *size, *size],
            Pictures::Set(set) => set.shape,
        }
    }

    /// Number of pictures; `None` where there is no end of them.
    pub fn len(&self) -> Option<u64> {
        let Pictures::Set(set) = &self.pictures else { return None };
        let (all, held_out) = (set.len() as u64, set.len() as u64 / HELD_OUT);
        Some(match self.portion {
            Portion::All => all,
            Portion::Training => all - held_out,
            Portion::HeldOut => held_out,
        })
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Names of the classes, in the order of the labels; none where the pictures have no classes.
    pub fn class_names(&self) -> Vec<&str> {
        match &self.pictures {
            Pictures::Worlds { .. } => worlds::KINDS.to_vec(),
            Pictures::Set(set) => set.classes.iter().flat_map(|classes| &classes.names).map(String::as_str).collect(),
        }
    }

    /// One sentence for each kind of files that were left out, or are not as they are in the file.
    pub fn warnings(&self) -> &[String] {
        match &self.pictures {
            Pictures::Worlds { .. } => &[],
            Pictures::Set(set) => &set.warnings,
        }
    }

    /// The grey levels of a picture, C×H×W, and its class. Beyond the last one it is the first again; where there is
    /// none, the levels are left as they are.
    pub fn picture(&self, index: u64, levels: &mut [u8]) -> Option<u32> {
        match &self.pictures {
            Pictures::Worlds { size, channels } => {
                let seed = SEEDS[usize::from(self.portion == Portion::HeldOut)];
                if *channels == 3 {
                    worlds::draw(seed, index, *size, levels);
                } else {
                    let plane = size * size;
                    let mut colours = vec![0; 3 * plane];
                    worlds::draw(seed, index, *size, &mut colours);
                    for (place, level) in levels.iter_mut().enumerate().take(plane) {
                        let colour = [0, 1, 2].map(|channel| f32::from(colours[channel * plane + place]));
                        *level = luma(colour).round() as u8;
                    }
                }
                Some(worlds::kind(index) as u32)
            }
            Pictures::Set(set) => {
                let place = self.place(index.checked_rem(self.len()?)?) as usize;
                let picture = set.picture(place);
                levels.iter_mut().zip(picture).for_each(|(level, &own)| *level = own);
                set.classes.as_ref().and_then(|classes| classes.labels.get(place).copied())
            }
        }
    }

    /// The first pictures as a set, at most `most` of them: for an exact score, or the statistics of a distance.
    pub fn first(&self, most: usize) -> PictureSet {
        let shape = self.shape();
        let size = shape.iter().product::<usize>();
        let count = self.len().map_or(most, |len| most.min(usize::try_from(len).unwrap_or(usize::MAX)));
        let mut values = vec![0; count * size];
        let pictures = values.par_chunks_mut(size.max(1)).enumerate();
        // All of them, also where the first has no class: only then are all pictures there.
        let labels: Vec<Option<u32>> = pictures.map(|(index, levels)| self.picture(index as u64, levels)).collect();
        let labels: Option<Vec<u32>> = labels.into_iter().collect();
        let names = self.class_names().into_iter().map(str::to_owned).collect();
        PictureSet {
            shape,
            values,
            names: (0..count).map(|index| index.to_string()).collect(),
            classes: labels.map(|labels| Classes { names, labels }),
            warnings: Vec::new(),
        }
    }

    /// Mean and mean square over all pixels and channels, where grey levels fill `range`; of worlds, over those of the
    /// first 1,200.
    pub fn moments(&self, range: Range) -> Moments {
        match &self.pictures {
            Pictures::Set(set) if self.portion == Portion::All => moments(set, range),
            Pictures::Set(set) => moments(&self.first(set.len()), range),
            Pictures::Worlds { .. } => moments(&self.first(MEASURED), range),
        }
    }

    /// Where a picture of this portion lies in the set.
    fn place(&self, index: u64) -> u64 {
        match self.portion {
            Portion::All => index,
            // Nine, and then one that is held out.
            Portion::Training => index + index / (HELD_OUT - 1),
            Portion::HeldOut => index * HELD_OUT + HELD_OUT - 1,
        }
    }

    /// SHA-256, in hexadecimal, of shape, pictures and classes: a training goes on with the data that it began with. Of
    /// worlds, of the first of them.
    pub fn checksum(&self) -> String {
        let digest = match &self.pictures {
            Pictures::Set(set) => set.checksum(),
            Pictures::Worlds { .. } => {
                let mut levels = vec![0; self.shape().iter().product()];
                let mut digest = Sha256::new();
                for index in 0..TOLD_BY {
                    self.picture(index, &mut levels);
                    digest.update(&levels);
                }
                digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
            }
        };
        match self.portion {
            Portion::All => digest,
            portion => format!("{digest} {portion:?}"),
        }
    }
}
