//! Where pictures come from, as a command line and a training's file write it.

use super::{Data, DataError};
use crate::checkpoint::{Part, ReadProgress, SetOptions, read_set};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// How little worlds are named, before their size.
const WORLDS: &str = "worlds:";
/// What ends the path of a set whose test part is meant.
const TEST: &str = ":test";
/// Largest width of pictures.
const MAX_SIZE: usize = 1024;

/// Where the pictures come from, and as what they are read.
///
/// As text the place is `worlds:32`, `worlds:64`, or a path, after which `:test` takes the test part of a set that is
/// divided (CIFAR, MNIST, a folder of `train` and `test`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// What is read.
    #[serde(rename = "data")]
    pub place: Place,
    /// Width and height, 1 to 1024; the set's own where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// 1 (grey) or 3; the set's own where none are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
}

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// Little worlds of this size that the program draws, without end.
    Worlds(usize),
    /// A folder or a file.
    Files { path: PathBuf, is_test: bool },
}

impl DataSource {
    /// Checks sizes and channels, and reads all pictures that are in files.
    ///
    /// # Errors
    /// If a size or a number of channels is out of range or not that of the worlds, or the set cannot be read.
    pub fn open(&self, progress: &ReadProgress) -> Result<Data, DataError> {
        if let Some(size) = self.size.filter(|size| !(1..=MAX_SIZE).contains(size)) {
            return Err(DataError::Size { size, most: MAX_SIZE });
        }
        if let Some(channels) = self.channels.filter(|channels| ![1, 3].contains(channels)) {
            return Err(DataError::Channels(channels));
        }
        match &self.place {
            Place::Worlds(own) => {
                let size = self.size.unwrap_or(*own);
                if size != *own {
                    return Err(DataError::WorldSize { own: *own, size });
                }
                Ok(Data::worlds(size, self.channels.unwrap_or(3)))
            }
            Place::Files { path, is_test } => {
                let part = if *is_test { Part::Test } else { Part::Training };
                let options = SetOptions { size: self.size, channels: self.channels, part, ..SetOptions::default() };
                Ok(Data::set(read_set(path, &options, progress)?))
            }
        }
    }
}

impl Place {
    /// Sizes of little worlds.
    pub const WORLD_SIZES: [usize; 2] = [32, 64];

    /// Height and width of its pictures, where they have no others.
    pub fn size(&self) -> Option<usize> {
        if let Place::Worlds(size) = self { Some(*size) } else { None }
    }
}

impl FromStr for DataSource {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        Ok(DataSource { place: text.parse()?, size: None, channels: None })
    }
}

impl FromStr for Place {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        if let Some(size) = text.strip_prefix(WORLDS) {
            let known = Place::WORLD_SIZES.into_iter().find(|known| known.to_string() == size);
            return known.map(Place::Worlds).ok_or_else(|| DataError::UnknownWorlds(text.into()));
        }
        if text.is_empty() {
            return Err(DataError::Nothing);
        }
        // A file of that very name comes first.
        let test = text.strip_suffix(TEST).filter(|path| !path.is_empty() && !Path::new(text).exists());
        Ok(Place::Files { path: test.unwrap_or(text).into(), is_test: test.is_some() })
    }
}

impl TryFrom<String> for Place {
    type Error = DataError;

    fn try_from(text: String) -> Result<Self, DataError> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Worlds(size) => write!(out, "{WORLDS}{size}"),
            Place::Files { path, is_test } => write!(out, "{}{}", path.display(), if *is_test { TEST } else { "" }),
        }
    }
}
