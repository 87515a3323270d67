//! What comes back: pictures and latents that were read, and what the engine says of its work.

use super::Latents;
use super::board::{Encoding, MOST_SLOTS};
use super::original::{Loaded, PictureKey};
use super::work::{Held, Opening};
use crate::app::consent::Consent;
use crate::app::files::file_name;
use crate::app::photos::{Crop, Source};
use crate::app::{Notice, Session};
use crate::engine::{End, Failure};
use crate::task::{Decoded, Encoded, Estimate, Flow, Latents as Encodings, Likelihood};
use std::path::Path;

impl Latents {
    /// Takes in pictures and latents that were read.
    pub(super) fn take_loaded(&mut self, consent: &mut Consent) -> Vec<Notice> {
        let mut notices = Vec::new();
        let agreed = consent.sift(&mut self.undecided, self.originals.poll(), |loaded| match loaded {
            // What was open in the last window was agreed to then.
            Loaded::Latents { path, latents, restored: None, .. } => Some((vec![&latents.flow.model], path)),
            _ => None,
        });
        for loaded in agreed {
            match loaded {
                Loaded::Original { slot, restored: true, .. } if self.is_taken(slot) => {}
                Loaded::Original { slot, original, crop, restored } => {
                    self.board.put(slot, original, crop);
                    if !restored {
                        self.work.held = None;
                    }
                }
                Loaded::Picture { key, pixels } => self.board.insert_picture(key, pixels),
                Loaded::Set { name, pixels } => self.measure.take_set(name, pixels),
                Loaded::Latents { slot: Some(slot), restored: Some(_), .. } if self.is_taken(slot) => {}
                Loaded::Latents { slot, path, restored, latents } => {
                    notices.extend(self.line_up(slot, &path, restored, &latents))
                }
                Loaded::Refused(notice) => {
                    self.measure.refused();
                    notices.push(notice);
                }
            }
        }
        notices
    }

    /// Whether something is in this slot, or about to be: what was there in the last window does not replace it.
    fn is_taken(&self, slot: usize) -> bool {
        let filled = self.board.slots.get(slot).is_some_and(|slot| slot.original.is_some());
        filled || self.work.to_open.iter().any(|opening| opening.slot == slot)
    }

    /// Samples of a file of latents wait to be decoded into slots.
    fn line_up(
        &mut self,
        slot: Option<usize>,
        path: &Path,
        restored: Option<usize>,
        latents: &Encodings,
    ) -> Option<Notice> {
        let count = latents.pixels.shape[0];
        let wanted = restored.map_or(0..count, |index| index..(index + 1).min(count));
        let slot = slot.unwrap_or(if count == 1 { self.board.free() } else { 0 });
        let file = file_name(path);
        let room = MOST_SLOTS.saturating_sub(slot);
        let left_out = wanted.len().saturating_sub(room);
        self.work.to_open.extend(wanted.take(room).enumerate().map(|(place, index)| Opening {
            slot: slot + place,
            source: Source::Latents { path: path.into(), index },
            name: format!("latent {} of {file}", index + 1),
            latents: Encodings { pixels: latents.pixels.one(index), flow: latents.flow.clone() },
        }));
        if restored.is_none() {
            self.work.held = None;
            self.work.opened = Some(latents.flow.clone());
        }
        (left_out > 0)
            .then(|| Notice::remark(format!("No free slot for the last {left_out} of the {count} latents in {file}.")))
    }

    /// Saved latents are in their slots, with the pictures that they decode to.
    pub(super) fn take_opened(&mut self, openings: Vec<Opening>, decoded: &Decoded) {
        let Decoded { pictures, nfe } = decoded;
        self.work.to_open.drain(..openings.len().min(self.work.to_open.len()));
        let [_, c, h, w] = pictures.shape;
        for (index, opening) in openings.into_iter().enumerate() {
            let picture = pictures.one(index);
            let original = self.originals.decoded(opening.source, opening.name, &picture);
            let key = PictureKey::new(&original, Crop::default(), [c, h, w]);
            self.board.put(opening.slot, original, Crop::default());
            self.board.insert_picture(key, picture.clone());
            self.board.insert_encoding(key, Encoding::new(opening.latents, 0));
            self.board.insert_back(key, picture, nfe.get(index).copied().unwrap_or_default());
        }
    }

    pub(super) fn take_encoded(&mut self, keys: Vec<PictureKey>, encoded: &Encoded) {
        for (index, key) in keys.into_iter().enumerate() {
            let Encodings { pixels, flow } = &encoded.latents;
            let latents = Encodings { pixels: pixels.one(index), flow: flow.clone() };
            let nfe = encoded.nfe.get(index).copied().unwrap_or_default();
            self.board.insert_encoding(key, Encoding::new(latents, nfe));
        }
    }

    pub(super) fn take_back(&mut self, keys: Vec<PictureKey>, decoded: &Decoded) {
        for (index, key) in keys.into_iter().enumerate() {
            let nfe = decoded.nfe.get(index).copied().unwrap_or_default();
            self.board.insert_back(key, decoded.pictures.one(index), nfe);
        }
    }

    pub(super) fn take_likelihood(&mut self, key: PictureKey, flow: Flow, estimate: Estimate, found: &[Likelihood]) {
        self.work.to_measure.retain(|other| *other != key);
        if let Some(&likelihood) = found.first() {
            self.board.insert_likelihood(key, flow, estimate, likelihood);
        }
    }

    /// Takes in what the two tasks have said.
    pub(super) fn take_news(&mut self, session: &mut Session) -> Vec<Notice> {
        let mut notices = self.hear_middle(session);
        let Some(mut under_way) = self.work.under_way.take() else { return notices };
        let (told, ended) = under_way.job.poll(session);
        notices.extend(told);
        match ended {
            None => self.work.under_way = Some(under_way),
            Some(End::Finished(taken)) => taken(self),
            Some(End::Stopped) => self.work.held = Some(Held::Stopped),
            Some(End::Failed(failure)) => notices.push(self.fail(failure)),
        }
        notices
    }

    fn hear_middle(&mut self, session: &mut Session) -> Vec<Notice> {
        let Some(asked) = self.middle.asked.take() else { return Vec::new() };
        match session.ended(&asked.task) {
            None => self.middle.asked = Some(asked),
            Some(End::Finished(decoded)) => {
                if !asked.fine {
                    self.work.answered = Some(asked.since.elapsed());
                }
                let nfe = decoded.nfe.first().copied().unwrap_or_default();
                self.middle.take(asked, decoded.pictures, nfe);
            }
            Some(End::Stopped) => {}
            Some(End::Failed(failure)) => return vec![self.fail(failure)],
        }
        Vec::new()
    }

    fn fail(&mut self, failure: Failure) -> Notice {
        self.work.under_way = None;
        self.work.to_measure.clear();
        self.work.to_open.clear();
        self.measure.stop();
        self.work.held = Some(Held::Failed(failure.clone()));
        self.failed.offer(Notice::problem(failure), ())
    }
}
