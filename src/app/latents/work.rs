//! What is computed next: encodings, then a draft of the strip, then the way back, likelihoods, the exact strip.
//!
//! Nothing here is queued: every frame the next thing that lacks is looked for, and a task whose
//! result nobody wants any more is dropped, which stops it. So slots, undo and settings need not tell anyone.

use super::Latents;
use super::draft::quick;
use super::job::{Job, job};
use super::middle::{Asked, Next};
use super::original::PictureKey;
use super::strip::{Strip, StripKey};
use crate::Pixels;
use crate::app::photos::Source;
use crate::app::status::TaskLine;
use crate::app::{Context, Draft, Notice, Session};
use crate::engine::{Decode, DeviceChoice, Encode, Failure, Likelihood, Options, Priority};
use crate::task::{Estimate, Flow, Latents as Encodings};

/// Before this share is covered, the time left is a guess that nobody should read.
const KNOWN: f64 = 0.05;
/// Pictures of a set that are measured together.
const SET_BATCH: usize = 8;

/// A task's purpose.
#[derive(Clone, Debug)]
pub enum Purpose {
    Open(Vec<Opening>),
    Encode { keys: Vec<PictureKey>, flow: Flow },
    Back { keys: Vec<PictureKey>, flow: Flow },
    Likelihood { key: PictureKey, flow: Flow, estimate: Estimate },
    Set { first: usize, count: usize },
    Frames { key: StripKey, places: Vec<usize>, fine: bool },
}

/// A saved latent on its way into a slot.
#[derive(Clone, Debug)]
pub struct Opening {
    pub slot: usize,
    pub source: Source,
    pub name: String,
    /// One sample.
    pub latents: Encodings,
}

/// A task under way.
pub struct UnderWay {
    pub purpose: Purpose,
    pub job: Box<dyn Job>,
}

/// Why nothing is begun.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    /// The pictures were there when the window opened.
    Fresh,
    Stopped,
    Failed(Failure),
}

/// The task under way, and what was asked for beyond encodings and strip.
#[derive(Default)]
pub struct Work {
    pub under_way: Option<UnderWay>,
    pub held: Option<Held>,
    /// The flow that changed settings make, if it was asked to encode again by it.
    pub accepted: Option<Flow>,
    /// Latents that were read from files.
    pub to_open: Vec<Opening>,
    /// The flow of the newest file of latents, which the settings are to make.
    pub opened: Option<Flow>,
    /// Pictures whose likelihood is wanted.
    pub to_measure: Vec<PictureKey>,
    /// The newest time from a moved slider to its picture.
    pub answered: Option<std::time::Duration>,
}

impl Latents {
    /// Takes in what threads and engine have said, and begins what lacks next. Never waits.
    pub(super) fn advance(&mut self, ctx: &egui::Context, cx: &mut Context) -> Vec<Notice> {
        let mut notices = self.take_loaded(&mut cx.consent);
        let Context { session, draft: shared, .. } = cx;
        notices.extend(self.take_news(session));
        if let Some(flow) = self.work.opened.take() {
            session.inspect(&flow.model, shared.device);
            self.draft.take(&flow);
            shared.take_flow(&flow);
        }
        if !self.opened {
            return notices;
        }
        self.learn_shape(session, shared);
        for (original, key) in self.board.take_uncut() {
            self.originals.cut(ctx, original, key);
        }
        let Ok(flow) = self.draft.flow(shared) else { return notices };
        self.renew_strip();
        if self.measure.renew(&flow, &self.draft.estimate(), &self.board, self.draft.set_size) {
            let shape = self.board.shape.unwrap_or([3, 32, 32]);
            self.originals.set(ctx, self.measure.folder.clone(), self.draft.set_size, shape);
        }
        self.drop_unwanted(&flow);
        if self.work.under_way.is_none()
            && let Some(purpose) =
                self.next_opening().or_else(|| self.work.held.is_none().then(|| self.next_purpose(&flow))?)
        {
            let job = self.job(session, &purpose, shared.device);
            self.work.under_way = job.map(|job| UnderWay { purpose, job });
        }
        self.decode_middle(ctx, session, shared.device);
        self.board.tidy();
        notices
    }

    /// What is under way, for the status bar.
    pub fn line(&self) -> Option<TaskLine> {
        let UnderWay { purpose, job } = self.work.under_way.as_ref()?;
        let what = match purpose {
            Purpose::Open(_) => "opening latents".into(),
            Purpose::Encode { keys, .. } => format!("encoding {}", self.board.letters(keys)),
            Purpose::Back { keys, .. } => format!("decoding {}", self.board.letters(keys)),
            Purpose::Likelihood { key, .. } => format!("measuring {}", self.board.letters(&[*key])),
            Purpose::Set { first, .. } => format!("measuring the set, {first} of {}", self.measure.total()),
            Purpose::Frames { fine: false, .. } => "filling the strip".into(),
            Purpose::Frames { .. } => {
                let (exact, all) = self.strip.as_ref().map_or((0, 0), |strip| (strip.exact(), strip.len()));
                format!("refining the strip, {exact} of {all}")
            }
        };
        Some(TaskLine::new(what, job.progress(), KNOWN))
    }

    /// Ends what is under way and begins nothing until asked.
    pub(super) fn stop_work(&mut self) {
        self.middle.hold();
        if self.work.under_way.take().is_some() {
            self.work.held = Some(Held::Stopped);
        }
        self.work.to_measure.clear();
        self.work.to_open.clear();
        self.measure.stop();
    }

    /// Goes on; by changed settings where they were changed.
    pub fn go_on(&mut self, shared: &Draft) {
        self.work.held = None;
        self.work.accepted = self.draft.flow(shared).ok();
    }

    /// Whether a picture's encoding was made by another flow than the settings make.
    pub fn is_stale(&self, shared: &Draft) -> bool {
        let Ok(flow) = self.draft.flow(shared) else { return false };
        let old = |key: &PictureKey| self.board.encoding(key).is_some_and(|encoding| encoding.latents.flow != flow);
        self.work.accepted.as_ref() != Some(&flow) && self.board.keys().iter().any(old)
    }

    /// Asks for the likelihood of a picture.
    pub fn measure_picture(&mut self, key: PictureKey) {
        self.work.held = None;
        if !self.work.to_measure.contains(&key) {
            self.work.to_measure.push(key);
        }
    }

    fn next_opening(&self) -> Option<Purpose> {
        let first = self.work.to_open.first()?;
        let alike = |other: &&Opening| {
            other.latents.flow == first.latents.flow && other.latents.pixels.shape == first.latents.pixels.shape
        };
        Some(Purpose::Open(self.work.to_open.iter().take_while(alike).cloned().collect()))
    }

    fn learn_shape(&mut self, session: &mut Session, shared: &Draft) {
        match session.model(&shared.model) {
            Some(report) => {
                self.board.shape = report.range.map(|_| report.shape);
                self.no_pictures = report.range.is_none();
            }
            None if self.inspected.as_ref() != Some(&shared.model) => {
                session.inspect(&shared.model, shared.device);
                self.inspected = Some(shared.model.clone());
            }
            None => {}
        }
    }

    fn renew_strip(&mut self) {
        let wanted = Strip::wanted(&self.board, &self.draft);
        if self.strip.as_ref().map(|strip| &strip.key) != wanted.as_ref() {
            self.strip = wanted.and_then(|key| Strip::new(key, &self.board));
        }
        if let Some(strip) = &mut self.strip {
            strip.take_ends(&self.board);
        }
    }

    /// Drops the task under way where nobody wants its result any more.
    fn drop_unwanted(&mut self, flow: &Flow) {
        let Some(under_way) = &self.work.under_way else { return };
        let shown = self.board.keys();
        let wanted = match &under_way.purpose {
            Purpose::Encode { keys, flow: of } => of == flow && keys.iter().any(|key| shown.contains(key)),
            Purpose::Back { keys, .. } => keys.iter().any(|key| shown.contains(key)),
            Purpose::Likelihood { key, .. } => shown.contains(key),
            Purpose::Set { .. } => self.measure.is_wanted(),
            Purpose::Open(_) => true,
            Purpose::Frames { key, .. } => self.strip.as_ref().is_some_and(|strip| strip.key == *key),
        };
        if !wanted {
            self.work.under_way = None;
        }
    }

    fn next_purpose(&self, flow: &Flow) -> Option<Purpose> {
        let lacking = |key: &PictureKey| match self.board.encoding(key) {
            None => true,
            Some(encoding) => encoding.latents.flow != *flow && self.work.accepted.as_ref() == Some(flow),
        };
        let shown = self.board.keys();
        let ready = |key: &&PictureKey| self.board.picture(key).is_some();
        let keys: Vec<PictureKey> = shown.iter().filter(ready).filter(|key| lacking(key)).copied().collect();
        if !keys.is_empty() {
            return Some(Purpose::Encode { keys, flow: flow.clone() });
        }
        let frames = self.next_frames();
        if let Some(Purpose::Frames { fine: false, .. }) = frames {
            return frames;
        }
        let alone = |key: &&PictureKey| self.board.encoding(key).is_some_and(|encoding| encoding.back.is_none());
        if let Some(first) = shown.iter().find(alone).and_then(|key| self.board.encoding(key)) {
            let of = first.latents.flow.clone();
            let same = |key: &&PictureKey| self.board.encoding(key).is_some_and(|e| e.latents.flow == of);
            let keys = shown.iter().filter(alone).filter(same).copied().collect();
            return Some(Purpose::Back { keys, flow: of });
        }
        let measured = flow.clone().measured();
        if let Some(&key) = self.work.to_measure.iter().find(ready) {
            return Some(Purpose::Likelihood { key, flow: measured, estimate: self.draft.estimate() });
        }
        if let Some((first, count)) = self.measure.next(SET_BATCH) {
            return Some(Purpose::Set { first, count });
        }
        frames
    }

    fn next_frames(&self) -> Option<Purpose> {
        let strip = self.strip.as_ref()?;
        let (places, fine) = strip.next(self.middle.place)?;
        Some(Purpose::Frames { key: strip.key.clone(), places, fine })
    }

    /// Begins a task for this purpose, unless something that it needs lacks.
    fn job(&self, session: &Session, purpose: &Purpose, device: DeviceChoice) -> Option<Box<dyn Job>> {
        let (options, purpose) = (Options::on(device), purpose.clone());
        let decode = |flow: Flow, latents| session.begin(Decode { flow, latents }, options);
        let measure = |likelihood| session.begin(likelihood, options);
        Some(match purpose {
            Purpose::Open(openings) => {
                let latents = Pixels::together(openings.iter().map(|opening| Some(&opening.latents.pixels)))?;
                let task = decode(openings.first()?.latents.flow.clone(), latents);
                job(task, move |latents, decoded| latents.take_opened(openings, &decoded))
            }
            Purpose::Encode { keys, flow } => {
                let images = Pixels::together(keys.iter().map(|key| self.board.picture(key)))?;
                let task = session.begin(Encode { flow, images }, Options { shown: true, ..options });
                job(task, move |latents, encoded| latents.take_encoded(keys, &encoded))
            }
            Purpose::Back { keys, flow } => {
                let latent = |key| self.board.encoding(key).map(|encoding| &encoding.latents.pixels);
                let task = decode(flow, Pixels::together(keys.iter().map(latent))?);
                job(task, move |latents, decoded| latents.take_back(keys, &decoded))
            }
            Purpose::Likelihood { key, flow, estimate } => {
                let images = self.board.picture(&key)?.clone();
                let task = measure(Likelihood { flow: flow.clone(), images, estimate });
                job(task, move |latents, found| latents.take_likelihood(key, flow, estimate, &found))
            }
            Purpose::Set { first, count } => {
                job(measure(self.measure.task(first, count)?), |latents, found| latents.measure.take(&found))
            }
            Purpose::Frames { key, places, fine } => {
                let flow = if fine { key.flow.clone() } else { quick(&key.flow) };
                let task = decode(flow, self.strip.as_ref()?.latents_of(&places));
                job(task, move |latents, decoded| {
                    if let Some(strip) = latents.strip.as_mut().filter(|strip| strip.key == key) {
                        strip.insert(&places, &decoded.pictures, fine);
                    }
                })
            }
        })
    }

    /// Decodes for the picture in the middle, before anything else.
    fn decode_middle(&mut self, ctx: &egui::Context, session: &Session, device: DeviceChoice) {
        if let Some(soon) = self.middle.play(self.strip.as_ref()) {
            ctx.request_repaint_after(soon);
        }
        let wanted = self.middle.wanted(&self.board, &self.draft);
        match self.middle.advance(wanted, self.strip.as_ref()) {
            Next::Nothing => {}
            Next::Wait(time) => ctx.request_repaint_after(time),
            Next::Decode { fine: true, .. } if self.work.held.is_some() => {}
            Next::Decode { key, fine, since } => {
                let Some(latents) = key.latent(&self.board) else { return };
                let flow = if fine { key.flow.clone() } else { quick(&key.flow) };
                let options = Options { priority: Priority::Interactive, ..Options::on(device) };
                let task = session.begin(Decode { flow, latents }, options);
                self.middle.asked = Some(Asked { task, key, fine, since });
            }
        }
    }
}
