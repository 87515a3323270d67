//! What the model answers: fills, colourings, restorations and edits of the photo, several at once, and a history of them.

mod draft;
mod laid;
mod results;
mod setup;

pub use draft::{FillDraft, Problem};

use super::Inpaint;
use super::canvas::{Canvas, Photo};
use super::hints::Hints;
use super::operation::Operation;
use super::paste::Paste;
use crate::Pixels;
use crate::app::draft::new_seed;
use crate::app::notices::Retries;
use crate::app::photos::Crop;
use crate::app::saving::SaveJob;
use crate::app::status::TaskLine;
use crate::app::textures::Textures;
use crate::app::{Draft, Notice, Session};
use crate::checkpoint::write_photo;
use crate::engine::{Command, DeviceChoice, Job, JobId, JobProgress, JobResult, JobUpdate};
use crate::task::{Evidence, Restoration, Restored, Shows};
use laid::Laid;
pub use results::ui;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most answers that are kept.
const KEPT: usize = 24;
/// Bytes of photos that answers may keep alive.
const KEPT_BYTES: usize = 512 << 20;

/// What is asked of the model, before it is.
#[derive(Clone, Debug)]
pub struct Question {
    problem: Problem,
    restoration: Restoration,
    device: DeviceChoice,
    evidence: Evidence,
    /// What was painted on, to come back to.
    photo: Photo,
    hints: Hints,
    crop: Crop,
    mask: Arc<Vec<u8>>,
    /// The canvas' generation that the evidence is of.
    generation: u64,
}

/// A question that the engine works on.
struct UnderWay {
    id: JobId,
    question: Question,
    progress: Option<JobProgress>,
    began: Instant,
    /// Until the first estimate was seen.
    first: Option<Duration>,
}

/// An answer.
pub struct Answer {
    question: Question,
    pub restored: Restored,
    pub seconds: f64,
}

/// The answers, and what is asked.
#[derive(Default)]
pub struct Fills {
    pub draft: FillDraft,
    under_way: Option<UnderWay>,
    answers: Vec<Answer>,
    /// The answer that is looked at.
    shown: usize,
    /// The sample of it that is picked.
    picked: usize,
    /// The whole square is being averaged for a question.
    seeing: bool,
    /// What failed and can be asked again.
    pub(super) failed: Retries<()>,
    /// From the button to the first estimate, lately.
    pub first: Option<Duration>,
    textures: Textures,
    laid: Laid,
}

impl Fills {
    /// Nothing asked yet.
    pub fn new(mut draft: FillDraft) -> Fills {
        draft.mend();
        Fills { draft, ..Fills::default() }
    }

    /// Whether the engine works on a question.
    pub fn is_busy(&self) -> bool {
        self.under_way.is_some() || self.seeing
    }

    /// The answer that is looked at.
    pub fn answer(&self) -> Option<&Answer> {
        self.answers.get(self.shown)
    }

    /// Number of answers in the history.
    pub fn answers(&self) -> usize {
        self.answers.len()
    }

    /// The pictures to show: those on their way, else those of the answer that is looked at. N×C×S×S in [0, 1].
    fn pictures(&self) -> Option<&Pixels<f32>> {
        match &self.under_way {
            Some(job) => job.progress.as_ref().and_then(|progress| progress.estimates.as_deref()),
            None => self.answer().map(|answer| &answer.restored.pictures),
        }
    }

    fn question(&self) -> Option<&Question> {
        self.under_way.as_ref().map(|job| &job.question).or_else(|| self.answer().map(|answer| &answer.question))
    }

    /// What is under way, for the status bar.
    pub fn line(&self) -> Option<TaskLine> {
        let job = self.under_way.as_ref()?;
        let progress = job.progress.as_ref();
        let share = progress.map_or(0.0, |progress| progress.share);
        Some(TaskLine {
            what: format!("{} {}", job.question.restoration.run.count.get(), job.question.problem.noun()),
            share,
            seconds_left: progress.filter(|_| share > 0.05).map_or(f32::NAN, |progress| progress.seconds_left),
            nfe: progress.map_or(0, |progress| progress.nfe),
        })
    }

    /// Writes the photo at its full size with the picked sample in it.
    pub(super) fn save_job(&self, path: PathBuf) -> Option<SaveJob> {
        let answer = self.answer()?;
        let (paste, fill, picked) = (answer.paste(), answer.restored.pictures.clone(), self.picked);
        Some(SaveJob::new(path, "saving the photo", move |path, _| {
            let photo = paste.run(&fill, picked)?;
            write_photo(path, &photo).map_err(|error| error.to_string())
        }))
    }

    fn keep(&mut self, answer: Answer) {
        self.answers.insert(0, answer);
        (self.shown, self.picked) = (0, 0);
        let mut photos: Vec<*const image::RgbImage> = Vec::new();
        let mut bytes = 0;
        let mut kept = 0;
        for answer in &self.answers {
            bytes += answer.question.hints.bytes();
            let photo = &answer.question.photo.image;
            if !photos.contains(&Arc::as_ptr(photo)) {
                photos.push(Arc::as_ptr(photo));
                bytes += photo.as_raw().len();
            }
            if kept > 0 && (kept >= KEPT || bytes > KEPT_BYTES) {
                break;
            }
            kept += 1;
        }
        self.answers.truncate(kept);
    }
}

impl Inpaint {
    /// Takes in what the engine says of questions, and tells it what was painted since.
    pub(super) fn advance_fills(&mut self, session: &mut Session) -> Vec<Notice> {
        let Some(id) = self.fills.under_way.as_ref().map(|job| job.id) else { return Vec::new() };
        let news = session.take_news(id);
        let notices = news.into_iter().flat_map(|update| self.hear(update)).collect();
        self.exchange(session);
        notices
    }

    /// Asks, or where the engine works on a question, ends that.
    pub fn fill_or_stop(&mut self, ctx: &egui::Context, session: &mut Session, shared: &Draft) -> Option<Notice> {
        if self.fills.is_busy() {
            self.stop_filling(session);
            return None;
        }
        self.fill(ctx, session, shared)
    }

    /// Ends what is under way; what was answered before stays.
    pub(super) fn stop_filling(&mut self, session: &Session) {
        if let Some(job) = self.fills.under_way.take() {
            session.stop_job(job.id);
        }
        self.fills.seeing = false;
    }

    fn fill(&mut self, ctx: &egui::Context, session: &mut Session, shared: &Draft) -> Option<Notice> {
        let (fills, canvas) = (&mut self.fills, self.canvas.as_mut()?);
        if !fills.draft.seed_locked && !fills.answers.is_empty() {
            fills.draft.seed = new_seed();
        }
        let restoration = match fills.draft.restoration(shared) {
            Ok(restoration) => restoration,
            Err(why) => return Some(Notice::error(why)),
        };
        let (picture, trust) = canvas.evidence(self.side);
        let plane = Pixels { shape: [1, 1, self.side, self.side], values: trust.into() };
        let problem = fills.draft.problem;
        let masked = problem == Problem::Fill || (problem == Problem::Edit && fills.draft.only_painted);
        let evidence = Evidence { picture, trust: masked.then_some(plane), shows: Shows::Original };
        let question = Question {
            problem,
            restoration,
            device: shared.device,
            evidence,
            photo: canvas.photo.clone(),
            hints: canvas.hints().clone(),
            crop: canvas.crop(),
            mask: canvas.mask().values().clone(),
            generation: canvas.generation(),
        };
        if problem == Problem::Fill {
            self.begin_filling(session, question);
        } else {
            fills.seeing = true;
            self.loader.see(ctx, question, canvas.square(), self.side);
        }
        None
    }

    /// The whole square was averaged for a question.
    pub(super) fn seen(&mut self, session: &mut Session, mut question: Seen) {
        if std::mem::take(&mut self.fills.seeing) {
            question.0.evidence.picture = question.1;
            self.begin_filling(session, question.0);
        }
    }

    fn begin_filling(&mut self, session: &mut Session, question: Question) {
        let restoration = Box::new(question.restoration.clone());
        let job = Job::Restore { restoration, evidence: question.evidence.clone() };
        let id = session.job(job, question.device);
        self.fills.picked = 0;
        self.fills.under_way = Some(UnderWay { id, question, progress: None, began: Instant::now(), first: None });
    }

    /// What is painted while the engine fills becomes its evidence: it goes on from its present noise level.
    fn exchange(&mut self, session: &Session) {
        let (Some(job), Some(canvas)) = (&mut self.fills.under_way, &mut self.canvas) else { return };
        let question = &mut job.question;
        let same_photo = Arc::ptr_eq(&question.photo.image, &canvas.photo.image);
        let changed = question.generation != canvas.generation() && !canvas.is_painting();
        if question.problem != Problem::Fill || !same_photo || !changed {
            return;
        }
        let side = question.evidence.picture.shape[3];
        let (picture, trust) = canvas.evidence(side);
        question.evidence.picture = picture;
        question.evidence.trust = Some(Pixels { shape: [1, 1, side, side], values: trust.into() });
        question.generation = canvas.generation();
        question.hints = canvas.hints().clone();
        (question.mask, question.crop) = (canvas.mask().values().clone(), canvas.crop());
        session.send(Command::Exchange { id: job.id, evidence: question.evidence.clone() });
    }

    fn hear(&mut self, update: JobUpdate) -> Vec<Notice> {
        let fills = &mut self.fills;
        match update {
            JobUpdate::Started(report) => return report.notices.iter().map(Notice::remark).collect(),
            JobUpdate::Progress(progress) => {
                if let Some(job) = &mut fills.under_way {
                    if progress.estimates.is_some() && job.first.is_none() {
                        job.first = Some(job.began.elapsed());
                        fills.first = job.first;
                    }
                    // Pictures that are left out while much is unheard stay as they were.
                    let before = job.progress.take().and_then(|before| before.estimates);
                    let estimates = progress.estimates.clone().or(before);
                    job.progress = Some(JobProgress { estimates, ..progress });
                }
            }
            JobUpdate::Done(JobResult::Restored(restored)) => {
                if let Some(job) = fills.under_way.take() {
                    let (picked, seconds) = (fills.picked, job.began.elapsed().as_secs_f64());
                    fills.keep(Answer { question: job.question, restored, seconds });
                    fills.picked = picked;
                }
            }
            JobUpdate::Done(_) | JobUpdate::Stopped => fills.under_way = None,
            JobUpdate::Failed(failure) => {
                fills.under_way = None;
                return vec![fills.failed.offer(Notice::problem(failure), ())];
            }
        }
        Vec::new()
    }

    /// The picked sample becomes part of the photo, which can be painted on again.
    pub(super) fn adopt(&mut self, ctx: &egui::Context) {
        let Some(answer) = self.fills.answer() else { return };
        // The photo goes on at the size that it is painted on.
        let paste = Paste { full: None, ..answer.paste() };
        let (fill, picked, crop) = (answer.restored.pictures.clone(), self.fills.picked, answer.question.crop);
        self.loader.adopt(ctx, answer.question.photo.clone(), paste, fill, picked, crop);
    }

    /// Goes back to what an answer was an answer to.
    pub(super) fn go_back(&mut self, ctx: &egui::Context, answer: usize) {
        let Some(question) = self.fills.answers.get(answer).map(|answer| answer.question.clone()) else { return };
        (self.fills.shown, self.fills.picked) = (answer, 0);
        self.fills.draft.problem = question.problem;
        let same = self.canvas.as_ref().is_some_and(|canvas| {
            Arc::ptr_eq(&canvas.photo.image, &question.photo.image)
                && Arc::ptr_eq(canvas.mask().values(), &question.mask)
                && canvas.hints().is_same(&question.hints)
        });
        if !same {
            self.canvas = Some(Canvas::new(question.photo, question.crop).with_hints(question.hints));
            self.changing = false;
            self.change(ctx, Operation::Replace(question.mask));
        }
    }
}

impl Answer {
    /// What the model was given.
    pub fn evidence(&self) -> &Evidence {
        &self.question.evidence
    }

    /// What lays its samples on the photo.
    fn paste(&self) -> Paste {
        let question = &self.question;
        let mut canvas = Canvas::new(question.photo.clone(), question.crop).with_hints(question.hints.clone());
        canvas.apply(Operation::Replace(question.mask.clone()));
        let mut paste = canvas.paste_back(self.restored.pictures.shape[3]);
        if question.evidence.trust.is_none() {
            paste.cover_square();
        }
        paste
    }
}

/// A question with the whole square at the model's size.
pub struct Seen(Question, Pixels<f32>);

impl std::fmt::Debug for Seen {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Seen({:?})", self.0.problem)
    }
}

/// Averages the whole square for a question.
pub(super) fn see(question: Question, square: [u32; 3], side: usize) -> Seen {
    let mut evidence = super::evidence::Evidence::new(side, square);
    let size = question.photo.size();
    evidence.touch_hints(&question.hints);
    evidence.refresh(&question.photo.image, &super::mask::Mask::new(size), usize::MAX);
    let picture = Pixels { shape: [1, 3, side, side], values: evidence.picture.into() };
    Seen(question, picture)
}
