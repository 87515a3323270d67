//! The slots, and what is known of the pictures in them.

use super::original::{Original, PictureKey};
use crate::Pixels;
use crate::app::photos::{Crop, Source};
use crate::sde::Sde;
use crate::task::{Estimate, Flow, Latents, Likelihood, histogram, largest_error, latent_std, norm_in_units, psnr};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Most slots.
pub const MOST_SLOTS: usize = 6;
/// Bins of a latent's histogram, and how far it reaches in units of the prior's standard deviation.
pub const BINS: usize = 41;
pub const REACH: f64 = 4.0;

/// A place for a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    pub original: Option<Arc<Original>>,
    pub crop: Crop,
    /// In weighted sums.
    pub weight: f64,
}

impl Slot {
    fn empty(weight: f64) -> Slot {
        Slot { original: None, crop: Crop::default(), weight }
    }
}

/// A slot as it is saved: pictures that lie in files come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedSlot {
    pub source: Option<Source>,
    pub crop: Crop,
    pub weight: f64,
}

/// A picture as a latent, and the way back.
#[derive(Clone, Debug)]
pub struct Encoding {
    /// One sample, and the flow that made it.
    pub latents: Latents,
    pub nfe: usize,
    /// ‖z‖/(√D·std).
    pub norm: f64,
    /// Densities of z/std; see [`BINS`].
    pub histogram: Vec<f64>,
    /// Standard deviation that latents of the model's own data have.
    pub std: f64,
    pub back: Option<Back>,
}

/// A latent decoded again.
#[derive(Clone, Debug)]
pub struct Back {
    /// 1×C×H×W.
    pub picture: Pixels<f32>,
    /// 1×C×H×W: |picture − photo|, four times as bright.
    pub error: Pixels<f32>,
    pub nfe: usize,
    /// dB.
    pub psnr: f64,
    /// Largest absolute difference of a value in [0, 1].
    pub largest: f64,
}

impl Encoding {
    /// The figures of a latent.
    pub fn new(latents: Latents, nfe: usize) -> Encoding {
        let sde: &dyn Sde = latents.flow.family.sde();
        let std = latent_std(sde, latents.flow.until, None);
        let values = latents.pixels.sample(0);
        let (norm, histogram) = (norm_in_units(values, std), histogram(values, std, BINS, REACH));
        Encoding { norm, histogram, std, latents, nfe, back: None }
    }
}

impl Back {
    /// A reconstruction held against its picture.
    pub fn new(picture: Pixels<f32>, nfe: usize, photo: &Pixels<f32>) -> Back {
        let difference = |(a, b): (&f32, &f32)| 4.0 * (a - b).abs();
        let values: Vec<f32> = picture.values.iter().zip(photo.values.iter()).map(difference).collect();
        let error = Pixels { shape: picture.shape, values: values.into() };
        let psnr = psnr(&photo.values, &picture.values);
        let largest = largest_error(&photo.values, &picture.values);
        Back { picture, error, nfe, psnr, largest }
    }
}

/// All slots, and what was computed for the pictures that are or were in them.
#[derive(Debug)]
pub struct Board {
    pub slots: Vec<Slot>,
    /// The slot that keys and drops go to.
    pub focused: usize,
    /// The model's shape, once it is known.
    pub shape: Option<[usize; 3]>,
    /// 1×C×H×W in [0, 1]; `None` while it is being cut.
    pictures: HashMap<PictureKey, Option<Pixels<f32>>>,
    encodings: HashMap<PictureKey, Encoding>,
    likelihoods: HashMap<PictureKey, (Flow, Estimate, Likelihood)>,
}

impl Default for Board {
    fn default() -> Self {
        Board {
            slots: vec![Slot::empty(0.5), Slot::empty(0.5)],
            focused: 0,
            shape: None,
            pictures: HashMap::new(),
            encodings: HashMap::new(),
            likelihoods: HashMap::new(),
        }
    }
}

impl Board {
    /// "A", "B", …
    pub fn name(index: usize) -> char {
        (b'A' + index.min(25) as u8) as char
    }

    /// The picture in a slot.
    pub fn key(&self, index: usize) -> Option<PictureKey> {
        let slot = self.slots.get(index)?;
        Some(PictureKey::new(slot.original.as_deref()?, slot.crop, self.shape?))
    }

    /// All pictures in slots, each once, in order.
    pub fn keys(&self) -> Vec<PictureKey> {
        let mut keys = Vec::new();
        for key in (0..self.slots.len()).filter_map(|index| self.key(index)) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// Letters of the slots that hold these pictures: "A and B".
    pub fn letters(&self, keys: &[PictureKey]) -> String {
        let holds = |index: &usize| self.key(*index).is_some_and(|key| keys.contains(&key));
        let letters: Vec<String> =
            (0..self.slots.len()).filter(holds).map(|index| Board::name(index).to_string()).collect();
        letters.join(" and ")
    }

    /// A picture as the model is given it.
    pub fn picture(&self, key: &PictureKey) -> Option<&Pixels<f32>> {
        self.pictures.get(key)?.as_ref()
    }

    /// Takes in a picture that was cut.
    pub fn insert_picture(&mut self, key: PictureKey, pixels: Pixels<f32>) {
        self.pictures.insert(key, Some(pixels));
    }

    /// Pictures that nobody cuts yet; from now on somebody does.
    pub fn take_uncut(&mut self) -> Vec<(Arc<Original>, PictureKey)> {
        let mut uncut = Vec::new();
        for index in 0..self.slots.len() {
            if let (Some(key), Some(original)) = (self.key(index), self.slots[index].original.clone())
                && !self.pictures.contains_key(&key)
            {
                self.pictures.insert(key, None);
                uncut.push((original, key));
            }
        }
        uncut
    }

    /// What a picture was encoded to.
    pub fn encoding(&self, key: &PictureKey) -> Option<&Encoding> {
        self.encodings.get(key)
    }

    /// The encoding of a slot's picture.
    pub fn encoding_in(&self, index: usize) -> Option<&Encoding> {
        self.encoding(&self.key(index)?)
    }

    /// Keeps an encoding.
    pub fn insert_encoding(&mut self, key: PictureKey, encoding: Encoding) {
        self.encodings.insert(key, encoding);
    }

    /// Keeps a reconstruction.
    pub fn insert_back(&mut self, key: PictureKey, picture: Pixels<f32>, nfe: usize) {
        let Some(photo) = self.pictures.get(&key).and_then(Option::as_ref) else { return };
        let back = Back::new(picture, nfe, photo);
        if let Some(encoding) = self.encodings.get_mut(&key) {
            encoding.back = Some(back);
        }
    }

    /// The likelihood of a slot's picture, with the flow and the estimate that gave it.
    pub fn likelihood(&self, key: &PictureKey) -> Option<&(Flow, Estimate, Likelihood)> {
        self.likelihoods.get(key)
    }

    /// Keeps a likelihood.
    pub fn insert_likelihood(&mut self, key: PictureKey, flow: Flow, estimate: Estimate, likelihood: Likelihood) {
        self.likelihoods.insert(key, (flow, estimate, likelihood));
    }

    /// Whether someone's own photo is in a slot.
    pub fn has_photos(&self) -> bool {
        let originals = self.slots.iter().filter_map(|slot| slot.original.as_ref());
        originals.into_iter().any(|original| matches!(original.source, Source::File(_)))
    }

    /// Puts a photo into a slot; where there is no such slot yet, one is added.
    pub fn put(&mut self, index: usize, original: Arc<Original>, crop: Crop) {
        while self.slots.len() <= index && self.slots.len() < MOST_SLOTS {
            self.slots.push(Slot::empty(0.5));
        }
        if let Some(slot) = self.slots.get_mut(index) {
            (slot.original, slot.crop) = (Some(original), crop);
        }
    }

    /// Adds an empty slot and gives it the focus.
    pub fn add(&mut self) {
        if self.slots.len() < MOST_SLOTS {
            self.slots.push(Slot::empty(0.5));
            self.focused = self.slots.len() - 1;
        }
    }

    /// Empties A or B, takes away any other.
    pub fn clear(&mut self, index: usize) {
        if index >= 2 && index < self.slots.len() {
            self.slots.remove(index);
        } else if let Some(slot) = self.slots.get_mut(index) {
            slot.original = None;
        }
        self.focused = self.focused.min(self.slots.len().saturating_sub(1));
    }

    /// Where a picture goes that names no slot: the focused one if it is empty, else the first empty one,
    /// else the focused one.
    pub fn free(&self) -> usize {
        let empty = |index: &usize| self.slots.get(*index).is_some_and(|slot| slot.original.is_none());
        [self.focused].into_iter().chain(0..self.slots.len()).find(empty).unwrap_or(self.focused)
    }

    /// Whether no slot holds anything.
    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| slot.original.is_none())
    }

    /// What is saved of the slots.
    pub fn saved(&self) -> Vec<SavedSlot> {
        let save = |slot: &Slot| SavedSlot {
            source: slot.original.as_ref().map(|original| original.source.clone()),
            crop: slot.crop,
            weight: slot.weight,
        };
        self.slots.iter().map(save).collect()
    }

    /// Forgets what no slot, kept or undone, can show again soon: all but the newest few hundred.
    pub fn tidy(&mut self) {
        const KEPT: usize = 256;
        if self.encodings.len() > KEPT {
            let shown = self.keys();
            self.encodings.retain(|key, _| shown.contains(key));
            self.likelihoods.retain(|key, _| shown.contains(key));
            self.pictures.retain(|key, _| shown.contains(key));
        }
    }
}
