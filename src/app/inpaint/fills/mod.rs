//! What the model answers: fills, colourings, restorations and edits of the photo, several at once, and a history of them.

mod draft;
mod laid;
mod moments;
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
use crate::app::timeline::TimelineState;
use crate::app::{Draft, Notice, RunState, RunView, Session};
use crate::checkpoint::write_photo;
use crate::engine::{DeviceChoice, End, Options, Recorded, Restore, TaskHandle, TaskId, Update};
use crate::task::{Observation, Restoration, Restored, Shows};
use laid::Laid;
pub use moments::timeline;
pub use results::ui;
pub use setup::begin;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most answers that are kept.
const KEPT: usize = 24;
/// Bytes of photos that answers may keep alive.
const KEPT_BYTES: usize = 512 << 20;
/// Memory for the recorded steps of one fill, and of all answers together, in bytes.
const RECORD: usize = 64 << 20;
const RECORD_TOTAL: usize = 256 << 20;

/// What is asked of the model, before it is.
#[derive(Clone, Debug)]
pub struct Question {
    problem: Problem,
    restoration: Restoration,
    device: DeviceChoice,
    observation: Observation,
    /// What was painted on, to come back to.
    photo: Photo,
    hints: Hints,
    crop: Crop,
    mask: Arc<Vec<u8>>,
    /// The canvas' generation that the observation is of.
    generation: u64,
}

/// A question that the engine works on.
struct UnderWay {
    task: TaskHandle<Restore>,
    question: Question,
    /// The answer that it branched from, and after how many of its steps.
    parent: Option<(TaskId, usize)>,
    /// Once it has begun.
    view: Option<RunView>,
    began: Instant,
    /// The first estimate was seen.
    seen: bool,
}

/// An answer.
pub struct Answer {
    question: Question,
    pub restored: Restored,
    pub seconds: f64,
    /// The way to it.
    view: Option<RunView>,
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
    timeline: TimelineState,
    /// The step shown, and its estimates; `None` where an answer itself is.
    moment: Option<(Arc<Recorded>, Pixels<f32>)>,
}

impl Fills {
    /// Nothing asked yet.
    pub fn new(mut draft: FillDraft) -> Fills {
        draft.sanitize();
        Fills { draft, timeline: TimelineState::new(moments::TIPS), ..Fills::default() }
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

    /// The pictures to show: those of the step shown, else the answer itself. N×C×S×S in [0, 1].
    pub fn pictures(&self) -> Option<&Pixels<f32>> {
        let answer = self.answer().filter(|_| self.under_way.is_none()).map(|answer| &answer.restored.pictures);
        self.moment.as_ref().map(|(_, estimates)| estimates).or(answer)
    }

    /// What an answer was made from; the newest is the first.
    pub fn observation(&self, answer: usize) -> Option<&Observation> {
        self.answers.get(answer).map(|answer| &answer.question.observation)
    }

    fn question(&self) -> Option<&Question> {
        self.under_way.as_ref().map(|job| &job.question).or_else(|| self.answer().map(|answer| &answer.question))
    }

    /// What is under way, for the status bar.
    pub fn line(&self) -> Option<TaskLine> {
        let UnderWay { task, question, .. } = self.under_way.as_ref()?;
        let what = format!("{} {}", question.restoration.run.count.get(), question.problem.noun());
        Some(TaskLine::new(what, task.progress(), 0.05))
    }

    /// Writes the photo at its full size with the picked sample in it.
    pub(super) fn save_job(&self, path: PathBuf) -> Option<SaveJob> {
        let (fill, picked) = (self.pictures()?.clone(), self.picked);
        let paste = self.question()?.paste(fill.shape[3]);
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
        let mut recorded = 0;
        for view in self.answers.iter_mut().filter_map(|answer| answer.view.as_mut()) {
            recorded += view.snapshot.as_ref().map_or(0, |snapshot| snapshot.progress.recorded_bytes);
            view.snapshot.take_if(|_| recorded > RECORD_TOTAL);
        }
    }
}

impl Inpaint {
    /// Takes in what the engine says of questions, and tells it what was painted since.
    pub(super) fn advance_fills(&mut self, session: &mut Session) -> Vec<Notice> {
        let notices = self.fills.poll(session);
        self.exchange();
        self.fills.look();
        notices
    }

    /// Asks, or where the engine works on a question, ends that.
    pub fn fill_or_stop(&mut self, ctx: &egui::Context, session: &Session, shared: &Draft) -> Option<Notice> {
        if self.fills.is_busy() {
            self.stop_filling();
            return None;
        }
        self.fill(ctx, session, shared)
    }

    /// Ends what is under way; what was answered before stays.
    pub(super) fn stop_filling(&mut self) {
        self.fills.under_way = None;
        self.fills.seeing = false;
    }

    fn fill(&mut self, ctx: &egui::Context, session: &Session, shared: &Draft) -> Option<Notice> {
        let (fills, canvas) = (&mut self.fills, self.canvas.as_mut()?);
        if !fills.draft.seed_locked && !fills.answers.is_empty() {
            fills.draft.seed = new_seed();
        }
        let restoration = match fills.draft.restoration(shared) {
            Ok(restoration) => restoration,
            Err(why) => return Some(Notice::error(why)),
        };
        let (picture, confidence) = canvas.observation(self.side);
        let plane = Pixels { shape: [1, 1, self.side, self.side], values: confidence.into() };
        let problem = fills.draft.problem;
        let masked = problem == Problem::Fill || (problem == Problem::Edit && fills.draft.only_painted);
        let observation = Observation { picture, confidence: masked.then_some(plane), shows: Shows::Original };
        let question = Question {
            problem,
            restoration,
            device: shared.device,
            observation,
            photo: canvas.photo.clone(),
            hints: canvas.hints().clone(),
            crop: canvas.crop(),
            mask: canvas.mask().values().clone(),
            generation: canvas.generation(),
        };
        if problem == Problem::Fill {
            self.fills.begin(session, question, None);
        } else {
            fills.seeing = true;
            self.loader.see(ctx, question, canvas.square(), self.side);
        }
        None
    }

    /// The whole square was averaged for a question.
    pub(super) fn seen(&mut self, session: &Session, mut question: Seen) {
        if std::mem::take(&mut self.fills.seeing) {
            question.0.observation.picture = question.1;
            self.fills.begin(session, question.0, None);
        }
    }

    /// What is painted while the engine fills becomes its observation: it goes on from its present noise level.
    fn exchange(&mut self) {
        let (Some(UnderWay { task, question, .. }), Some(canvas)) = (&mut self.fills.under_way, &mut self.canvas)
        else {
            return;
        };
        let changed = question.generation != canvas.generation() && !canvas.is_painting();
        if question.problem == Problem::Fill && changed && question.take(canvas) {
            task.send(question.observation.clone());
        }
    }

    /// The picked sample becomes part of the photo, which can be painted on again.
    pub(super) fn adopt(&mut self, ctx: &egui::Context) {
        let (Some(fill), Some(question)) = (self.fills.pictures().cloned(), self.fills.question()) else { return };
        // The photo goes on at the size that it is painted on.
        let paste = Paste { full: None, ..question.paste(fill.shape[3]) };
        self.loader.adopt(ctx, question.photo.clone(), paste, fill, self.fills.picked, question.crop);
    }

    /// Goes back to what an answer was an answer to.
    pub(super) fn go_back(&mut self, ctx: &egui::Context, answer: usize) {
        let Some(question) = self.fills.answers.get(answer).map(|answer| answer.question.clone()) else { return };
        (self.fills.shown, self.fills.picked) = (answer, 0);
        self.fills.look_at_the_newest();
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

impl Fills {
    /// Asks the engine; from a moment of the answer that it branches from, if it does.
    fn begin(&mut self, session: &Session, question: Question, from: Option<(TaskId, Arc<Recorded>)>) {
        let parent = from.as_ref().map(|(id, moment)| (*id, moment.step));
        let (restoration, observation) = (question.restoration.clone(), question.observation.clone());
        let task = Restore { restoration, observation, from: from.map(|(_, moment)| moment) };
        let options = Options { record: RECORD, shown: true, ..Options::on(question.device) };
        let task = session.begin(task, options);
        self.picked = 0;
        self.under_way = Some(UnderWay { task, question, parent, view: None, began: Instant::now(), seen: false });
    }

    /// Takes in what the question under way has come to. Returns what a person should know.
    fn poll(&mut self, session: &mut Session) -> Vec<Notice> {
        let Some(mut under_way) = self.under_way.take() else { return Vec::new() };
        let (mut notices, mut ended) = (Vec::new(), None);
        for update in session.hear(&under_way.task) {
            match update {
                Update::Report(report) => {
                    let view = RunView::new(under_way.task.id(), Arc::new(report));
                    under_way.view = Some(RunView { parent: under_way.parent, ..view });
                }
                Update::Notice(text) => notices.push(Notice::remark(text)),
                Update::Paused | Update::Resumed => {}
                Update::Ended(end) => ended = Some(end),
            }
        }
        if let (Some(snapshot), Some(view)) = (under_way.task.snapshot(), &mut under_way.view) {
            if snapshot.newest.denoised.is_some() && !std::mem::replace(&mut under_way.seen, true) {
                self.first = Some(under_way.began.elapsed());
            }
            view.snapshot = Some(snapshot);
        }
        match ended {
            None => self.under_way = Some(under_way),
            Some(End::Finished(restored)) => self.finish(under_way, restored),
            Some(End::Stopped) => {}
            Some(End::Failed(failure)) => notices.push(self.failed.offer(Notice::problem(failure), ())),
        }
        notices
    }

    fn finish(&mut self, under_way: UnderWay, restored: Restored) {
        let UnderWay { question, mut view, began, .. } = under_way;
        view.iter_mut().for_each(|view| view.state = RunState::Finished);
        let picked = self.picked;
        self.keep(Answer { question, restored, seconds: began.elapsed().as_secs_f64(), view });
        self.picked = picked;
    }
}

impl Question {
    /// Takes in what is painted now, if it is on the same photo; whether it is.
    fn take(&mut self, canvas: &mut Canvas) -> bool {
        if !Arc::ptr_eq(&self.photo.image, &canvas.photo.image) {
            return false;
        }
        let side = self.observation.picture.shape[3];
        let (picture, confidence) = canvas.observation(side);
        self.observation.picture = picture;
        self.observation.confidence = Some(Pixels { shape: [1, 1, side, side], values: confidence.into() });
        self.generation = canvas.generation();
        self.hints = canvas.hints().clone();
        (self.mask, self.crop) = (canvas.mask().values().clone(), canvas.crop());
        true
    }

    /// What lays samples of this side on the photo.
    fn paste(&self, side: usize) -> Paste {
        let mut canvas = Canvas::new(self.photo.clone(), self.crop).with_hints(self.hints.clone());
        canvas.apply(Operation::Replace(self.mask.clone()));
        let mut paste = canvas.paste_back(side);
        if self.observation.confidence.is_none() {
            paste.inlay = paste.inlay.widened();
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
    let mut observation = super::observation::Observation::new(side, square);
    let size = question.photo.size();
    observation.touch_hints(&question.hints);
    observation.refresh(&question.photo.image, &super::mask::Mask::new(size), usize::MAX);
    let picture = Pixels { shape: [1, 3, side, side], values: observation.picture.into() };
    Seen(question, picture)
}
