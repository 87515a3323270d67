//! The settings of the next training.

use crate::data::{DataSource, Place};
use crate::registry::{Choice, Entry};
use crate::score::Description;
use crate::sde::FamilyKind;
use crate::task::ModelRef;
use crate::train::{Folder, Recipe, ScoreSde, Size, Small, Training};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Sizes of images that are offered.
const SIZES: [usize; 5] = [16, 28, 32, 64, 128];

/// Images from one stored pair of averages to the next.
const STORED: u64 = 50_000;

/// What a person sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainDraft {
    pub place: Place,
    /// Height and width of the images.
    pub image_size: usize,
    pub grey: bool,
    #[serde(flatten)]
    pub recipe: Choice<dyn Recipe>,
    #[serde(flatten)]
    pub size: Choice<dyn Size>,
    pub family: FamilyKind,
    /// How it is trained; the data and the network are those above.
    pub how: Training,
    /// The folder of the training whose averaged weights it begins with, and whose network it has.
    pub from: Option<PathBuf>,
}

impl Default for TrainDraft {
    fn default() -> Self {
        let place = Place::Worlds(32);
        let (recipe, size) = (Choice::<dyn Recipe>::new(&ScoreSde), Choice::<dyn Size>::new(&Small));
        let network = recipe.description(&size, None, [3, 32, 32]);
        let source = DataSource { place: place.clone(), size: None, channels: None };
        // A slider chooses among averages afterwards.
        let how = Training { snapshots: STORED, ..Training::usual(source, network) };
        TrainDraft { place, image_size: 32, grey: false, recipe, size, family: FamilyKind::Vp, how, from: None }
    }
}

impl TrainDraft {
    /// Whether the networks are those of a family.
    pub fn has_family(&self) -> bool {
        self.recipe.about().slug == ScoreSde.about().slug
    }

    /// The network that is trained; of a branch the one that it goes on from, also for larger images.
    pub fn network(&self) -> Description {
        if self.from.is_some() {
            let own = &self.how.network;
            let config = own.config.enlarged([self.image_size(); 2]).unwrap_or_else(|| own.config.clone());
            return Description { config, ..own.clone() };
        }
        let family = self.has_family().then(|| self.family.published());
        let side = self.image_size();
        self.recipe.description(&self.size, family, [if self.grey { 1 } else { 3 }, side, side])
    }

    /// Height and width: worlds have their own.
    pub fn image_size(&self) -> usize {
        self.place.size().unwrap_or(self.image_size)
    }

    /// Sizes of images to choose among: all, or those that the network of a branch can learn.
    pub fn sizes(&self) -> Vec<usize> {
        let own = &self.how.network.config;
        SIZES.into_iter().filter(|&size| self.from.is_none() || own.enlarged([size; 2]).is_some()).collect()
    }

    /// The training.
    pub fn training(&self) -> Result<Training, String> {
        let source = DataSource {
            place: self.place.clone(),
            size: Some(self.image_size()),
            channels: Some(if self.grey { 1 } else { 3 }),
        };
        let network = self.network();
        let ([_, own, _], side) = (network.config.shape(), self.image_size());
        if own != side {
            let remedy = format!("choose {own}×{own}, or of a U-Net twice that");
            return Err(format!("a branch of a network for {own}×{own} pixels cannot learn {side}×{side}; {remedy}"));
        }
        let start = self.from.as_ref().map(|from| ModelRef::File(Folder::new(from).model()));
        let training = Training { source, network, start, ..self.how.clone() };
        training.check().map_err(|error| error.to_string())?;
        Ok(training)
    }

    /// The settings of a training, to begin another from its weights.
    pub fn branch(&mut self, training: &Training, folder: PathBuf) {
        let [channels, side, _] = training.network.config.shape();
        self.place = training.source.place.clone();
        (self.image_size, self.grey) = (side, channels == 1);
        self.how = training.clone();
        self.how.network.moments = None;
        self.how.start_predicts = None;
        self.from = Some(folder);
    }

    /// After the network has changed: what is minimised and when is what is usual for it. A branch with larger images
    /// answers v where the noise was answered.
    pub fn renew(&mut self) {
        if self.from.is_some() {
            if self.network().config != self.how.network.config {
                self.how.bound_answers();
            }
            return;
        }
        let usual = Training::usual(self.how.source.clone(), self.network());
        self.how.objective = usual.objective;
        self.how.times = usual.times;
        self.how.network = usual.network;
    }

    /// A name for a folder.
    pub fn name(&self) -> String {
        if let Some(from) = &self.from {
            let from = from.file_name().unwrap_or_default().to_string_lossy();
            return crate::checkpoint::slug(&format!("{from} branch"));
        }
        let data = match &self.place {
            Place::Worlds(size) => format!("worlds {size}"),
            Place::Files { path, .. } => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                format!("{stem} {}", self.image_size)
            }
        };
        let family = if self.has_family() { self.family.name() } else { self.recipe.about().slug };
        crate::checkpoint::slug(&format!("{data} {family} {}", self.size.about().slug))
    }
}
