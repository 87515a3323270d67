//! What comes back: pictures and latents that were read, and what the engine says of its work.

use super::Latents;
use super::board::{Encoding, MOST_SLOTS};
use super::original::{Loaded, PictureKey};
use super::work::{Held, Opening, Task};
use crate::Pixels;
use crate::app::photos::{Crop, Source};
use crate::app::{Notice, Session};
use crate::engine::{Failure, JobResult, JobUpdate};
use crate::task::Latents as Encodings;
use std::path::Path;

impl Latents {
    /// Takes in pictures and latents that were read.
    pub(super) fn take_loaded(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for loaded in self.originals.poll() {
            match loaded {
                Loaded::Original { slot, original, crop } => {
                    self.board.put(slot, original, crop);
                    if self.restoring > 0 {
                        self.restoring -= 1;
                    } else {
                        self.work.held = None;
                    }
                }
                Loaded::Picture { key, pixels } => self.board.insert_picture(key, pixels),
                Loaded::Set { name, pixels } => self.measure.take_set(name, pixels),
                Loaded::Latents { slot, path, only, latents } => {
                    notices.extend(self.line_up(slot, &path, only, &latents))
                }
                Loaded::Refused(notice) => {
                    self.measure.refused();
                    self.restoring = self.restoring.saturating_sub(1);
                    notices.push(notice);
                }
            }
        }
        notices
    }

    /// Samples of a file of latents wait to be decoded into slots.
    fn line_up(
        &mut self,
        slot: Option<usize>,
        path: &Path,
        only: Option<usize>,
        latents: &Encodings,
    ) -> Option<Notice> {
        let count = latents.pixels.shape[0];
        let wanted = only.map_or(0..count, |index| index..(index + 1).min(count));
        let slot = slot.unwrap_or(if count == 1 { self.board.free() } else { 0 });
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let room = MOST_SLOTS.saturating_sub(slot);
        let left_out = wanted.len().saturating_sub(room);
        self.work.to_open.extend(wanted.take(room).enumerate().map(|(place, index)| Opening {
            slot: slot + place,
            source: Source::Latents { path: path.into(), index },
            name: format!("latent {} of {file}", index + 1),
            latents: Encodings { pixels: latents.pixels.one(index), flow: latents.flow.clone() },
        }));
        if self.restoring > 0 {
            self.restoring -= 1;
        } else {
            self.work.held = None;
            self.work.opened = Some(latents.flow.clone());
        }
        (left_out > 0)
            .then(|| Notice::remark(format!("No free slot for the last {left_out} of the {count} latents in {file}.")))
    }

    /// Saved latents are in their slots, with the pictures that they decode to.
    fn take_opened(&mut self, openings: Vec<Opening>, pictures: &Pixels<f32>, nfe: &[usize]) {
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

    /// Takes in what the engine has said of the two jobs.
    pub(super) fn take_news(&mut self, session: &mut Session) -> Vec<Notice> {
        let mut notices = Vec::new();
        if let Some(id) = self.middle.asked.as_ref().map(|asked| asked.id) {
            let news = session.take_news(id);
            notices.extend(news.into_iter().filter_map(|update| self.hear_middle(update)));
        }
        if let Some(id) = self.work.under_way.as_ref().map(|job| job.id) {
            let news = session.take_news(id);
            notices.extend(news.into_iter().flat_map(|update| self.hear(update, session)));
        }
        notices
    }

    fn hear(&mut self, update: JobUpdate, session: &mut Session) -> Vec<Notice> {
        match update {
            JobUpdate::Started(report) => return session.tell_once(report.notices.iter().cloned()),
            JobUpdate::Progress(progress) => {
                if let Some(job) = &mut self.work.under_way {
                    job.progress = Some(progress);
                }
            }
            JobUpdate::Done(result) => {
                if let Some(job) = self.work.under_way.take() {
                    self.take_result(job.task, result);
                }
            }
            JobUpdate::Stopped => {
                self.work.under_way = None;
                self.work.held = Some(Held::Stopped);
            }
            JobUpdate::Failed(failure) => return vec![self.fail(failure)],
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

    fn hear_middle(&mut self, update: JobUpdate) -> Option<Notice> {
        match update {
            JobUpdate::Started(_) | JobUpdate::Progress(_) => {}
            JobUpdate::Done(JobResult::Decoded(decoded)) => {
                if let Some(asked) = self.middle.asked.take() {
                    let nfe = decoded.nfe.first().copied().unwrap_or_default();
                    if !asked.fine {
                        self.work.answered = Some(asked.since.elapsed());
                    }
                    self.middle.take(asked, decoded.pictures, nfe);
                }
            }
            JobUpdate::Done(_) | JobUpdate::Stopped => self.middle.asked = None,
            JobUpdate::Failed(failure) => {
                self.middle.asked = None;
                return Some(self.fail(failure));
            }
        }
        None
    }

    fn take_result(&mut self, task: Task, result: JobResult) {
        match (task, result) {
            (Task::Open(openings), JobResult::Decoded(decoded)) => {
                self.take_opened(openings, &decoded.pictures, &decoded.nfe);
            }
            (Task::Encode { keys, .. }, JobResult::Encoded(encoded)) => {
                for (index, key) in keys.into_iter().enumerate() {
                    let flow = encoded.latents.flow.clone();
                    let latents = Encodings { pixels: encoded.latents.pixels.one(index), flow };
                    let nfe = encoded.nfe.get(index).copied().unwrap_or_default();
                    self.board.insert_encoding(key, Encoding::new(latents, nfe));
                }
            }
            (Task::Back { keys, .. }, JobResult::Decoded(decoded)) => {
                for (index, key) in keys.into_iter().enumerate() {
                    let nfe = decoded.nfe.get(index).copied().unwrap_or_default();
                    self.board.insert_back(key, decoded.pictures.one(index), nfe);
                }
            }
            (Task::Likelihood { key, flow, estimate }, JobResult::Likelihoods(found)) => {
                self.work.to_measure.retain(|other| *other != key);
                if let Some(&likelihood) = found.first() {
                    self.board.insert_likelihood(key, flow, estimate, likelihood);
                }
            }
            (Task::Set { .. }, JobResult::Likelihoods(found)) => self.measure.take(&found),
            (Task::Frames { key, places, fine }, JobResult::Decoded(decoded)) => {
                if let Some(strip) = self.strip.as_mut().filter(|strip| strip.key == key) {
                    strip.insert(&places, &decoded.pictures, fine);
                }
            }
            // The engine answers each kind of job with its own kind of result.
            _ => {}
        }
    }
}
