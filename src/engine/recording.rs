//! What a task records and shows of the states that it comes to. Nothing is read back from the device but what is
//! recorded or shown; of other states only one number, which says whether all of theirs are finite. What is read back
//! comes while the next step is computed.

use super::progress::{Meter, Place};
use super::recorder::{GpuPicture, Recorded, Recorder, Snapshot, Stats};
use super::{Board, Context, Progress, Shared, Task, Wake};
use crate::network::Readback;
use crate::score::ScoreError;
use crate::sde::{Level, Sde};
use crate::solver::{Diagnostics, Observer, StepState};
use crate::{Image, Pixels};
use burn::backend::Flex;
use burn::tensor::{Tensor, TensorReadError};
use burn_wgpu::{Wgpu, WgpuRuntime};
use cubecl_runtime::runtime::Runtime;
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// States closer together than this are not worth showing.
const FRAME: Duration = Duration::from_millis(8);
/// Progress of what is not shown is told no more often than this.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// A state on a graphics device that nobody asks for is kept this often: as much is lost with the device.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// A state, still on its device.
pub(super) struct State {
    /// Steps done.
    pub(super) step: usize,
    pub(super) t: f64,
    pub(super) level: Level,
    /// Score evaluations so far, per sample.
    pub(super) nfe: usize,
    pub(super) x: Image,
    /// What the model answered on the way to it.
    pub(super) answer: Option<Answer>,
}

/// The last estimate of x(0), the score that it is from, and figures of the corrector.
pub(super) struct Answer {
    denoised: Image,
    score: Image,
    corrector: Option<Diagnostics>,
}

/// The newest state, as far as it has come on its way to the owner.
enum Newest {
    None,
    Unread(Box<State>),
    Unshown(Arc<Recorded>),
    Whole(Arc<Snapshot>),
}

/// A state whose values are on their way from the device.
struct Coming {
    state: Box<State>,
    values: Values,
    place: Place,
    /// All values, not only what tells whether they are finite.
    whole: bool,
    /// It is shown once it is there.
    show: bool,
}

/// Records and shows one task's states.
pub(super) struct Recording {
    engine: Arc<Shared>,
    board: Arc<Board>,
    recorder: RefCell<Recorder>,
    shown: bool,
    told: Cell<Option<Instant>>,
    newest: RefCell<(Newest, Place)>,
    coming: RefCell<Option<Coming>>,
    /// The last state that is in the host's memory, and when it came there.
    kept: RefCell<(Option<Arc<Recorded>>, Instant)>,
}

impl Recording {
    /// Records within `limit` bytes, and shows states on the board if they are to be `shown`.
    pub(super) fn new(engine: Arc<Shared>, board: Arc<Board>, limit: usize, shown: bool) -> Self {
        let recorder = RefCell::new(Recorder::new(limit));
        let newest = RefCell::new((Newest::None, Place::default()));
        let kept = RefCell::new((None, Instant::now()));
        Recording { engine, board, recorder, shown, told: Cell::new(None), newest, coming: RefCell::default(), kept }
    }

    /// Takes in a new state, and the place that the task is at with it. Values on a device may come with the next state.
    ///
    /// # Errors
    /// If it, or the one before, is not finite, or the device fails.
    pub(super) fn take(&self, state: State, place: Place, meter: &Meter) -> Result<(), ScoreError> {
        self.settle(meter)?;
        let due = self.is_due();
        let whole = self.recorder.borrow().wants(state.step) || (due && self.shown) || self.would_be_missed(&state);
        let values = if whole { state.values() } else { state.figure() }?;
        let is_here = values.is_here();
        let coming = Coming { state: Box::new(state), values, place, whole, show: due };
        self.coming.replace(Some(coming));
        if is_here { self.settle(meter) } else { Ok(()) }
    }

    /// Waits for the values of the last state that was taken in.
    fn settle(&self, meter: &Meter) -> Result<(), ScoreError> {
        let Some(Coming { state, values, place, whole, show }) = self.coming.take() else { return Ok(()) };
        let newest = match whole {
            true => Newest::Unshown(self.keep(*state, values)?),
            false => {
                state.check(values)?;
                Newest::Unread(state)
            }
        };
        self.newest.replace((newest, place));
        if show { self.flush(meter) } else { Ok(()) }
    }

    /// Shows the newest state, if states are to be shown and it has not been yet, and tells how far the task is.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn flush(&self, meter: &Meter) -> Result<(), ScoreError> {
        self.settle(meter)?;
        let new = matches!(self.newest.borrow().0, Newest::Unread(_) | Newest::Unshown(_));
        if self.shown && new {
            self.last(meter)?;
        }
        self.board.set(self.progress(self.newest.borrow().1, meter));
        self.told.set(Some(Instant::now()));
        self.engine.wake(Wake::Soon);
        Ok(())
    }

    /// The newest state, with all that is recorded; `None` before the first. It is shown, if states are.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn last(&self, meter: &Meter) -> Result<Option<Arc<Snapshot>>, ScoreError> {
        self.settle(meter)?;
        let (newest, place) = &mut *self.newest.borrow_mut();
        let moment = match std::mem::replace(newest, Newest::None) {
            Newest::None => return Ok(None),
            Newest::Unread(state) => {
                let values = state.values()?;
                self.keep(*state, values)?
            }
            Newest::Unshown(moment) => moment,
            Newest::Whole(snapshot) => {
                *newest = Newest::Whole(snapshot.clone());
                return Ok(Some(snapshot));
            }
        };
        let progress = self.progress(*place, meter);
        let timeline = self.recorder.borrow().timeline();
        let snapshot = Arc::new(Snapshot { progress, newest: moment, timeline });
        *newest = Newest::Whole(snapshot.clone());
        if self.shown {
            self.board.show(snapshot.clone());
        }
        Ok(Some(snapshot))
    }

    /// Whether the owner was last told long enough ago.
    pub(super) fn is_due(&self) -> bool {
        let interval = if self.shown { FRAME } else { TELL_EVERY };
        self.told.get().is_none_or(|told| told.elapsed() >= interval)
    }

    /// Whether a state is on a graphics device, and the last one that is not is long ago.
    fn would_be_missed(&self, state: &State) -> bool {
        self.kept.borrow().1.elapsed() >= KEEP_EVERY && !on_host(&flat(&state.x), |_| {})
    }

    /// Gives up what is on its way from a device. Returns the last state that is in the host's memory, which is the newest
    /// from now on.
    pub(super) fn retreat(&self) -> Option<Arc<Recorded>> {
        self.coming.take();
        let kept = self.kept.borrow().0.clone();
        self.newest.borrow_mut().0 = kept.clone().map_or(Newest::None, Newest::Unshown);
        kept
    }

    fn progress(&self, place: Place, meter: &Meter) -> Progress {
        Progress { recorded_bytes: self.recorder.borrow().bytes(), ..meter.progress(place) }
    }

    fn keep(&self, state: State, values: Values) -> Result<Arc<Recorded>, ScoreError> {
        let on_gpu = if self.shown { on_gpu(&state.x) } else { None };
        let kept = Arc::new(state.read(values)?);
        self.recorder.borrow_mut().push(kept.clone());
        self.kept.replace((Some(kept.clone()), Instant::now()));
        Ok(if on_gpu.is_some() { Arc::new(Recorded { on_gpu, ..(*kept).clone() }) } else { kept })
    }
}

/// Takes in what a task's solver does.
pub(super) struct Observed<'a, T: Task> {
    pub(super) context: &'a Context<T>,
    pub(super) sde: &'a dyn Sde,
    /// Steps of the task, and score evaluations that they take, where that is known.
    steps: usize,
    evaluations: Option<usize>,
    /// Steps done.
    done: usize,
    /// The first failure; the solver is told to break off.
    failure: Option<ScoreError>,
}

impl<'a, T: Task> Observed<'a, T> {
    /// Of a task of so many steps and evaluations, after the first `done` steps.
    pub(super) fn new(
        context: &'a Context<T>,
        sde: &'a dyn Sde,
        steps: usize,
        evaluations: Option<usize>,
        done: usize,
    ) -> Self {
        Observed { context, sde, steps, evaluations, done, failure: None }
    }

    /// Takes in the first state, before anything is evaluated.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn first(&mut self, x: &Image, t: f64) -> Result<(), ScoreError> {
        self.take(0, t, self.sde.level(t), x.clone(), None)
    }

    /// The last state, unless taking in one before it failed.
    ///
    /// # Errors
    /// What failed first.
    pub(super) fn end(self, end: Result<Image, ScoreError>) -> Result<Image, ScoreError> {
        self.failure.map_or(end, Err)
    }

    fn take(&self, step: usize, t: f64, level: Level, x: Image, answer: Option<Answer>) -> Result<(), ScoreError> {
        let (began, meter, nfe) = (Instant::now(), &self.context.meter, self.context.meter.nfe());
        // Where the evaluations to come are not known, the steps are.
        let (done, whole) = self.evaluations.map_or((step, self.steps), |evaluations| (nfe, evaluations));
        let share = if step == self.steps { 1.0 } else { done as f64 / whole.max(1) as f64 };
        let state = State { step, t, level, nfe, x, answer };
        self.context.reach(Place { step, steps: self.steps, share }, state)?;
        meter.spend(|spent| &mut spent.recording, began.elapsed());
        Ok(())
    }
}

impl<T: Task> Observer for Observed<'_, T> {
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()> {
        self.done += 1;
        let (denoised, score) = (state.denoised.clone(), state.score.clone());
        let answer = Some(Answer { denoised, score, corrector: state.corrector.cloned() });
        let (t, level) = (state.step.next, self.sde.target(&state.step));
        match self.take(self.done, t, level, state.x.clone(), answer) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl State {
    /// Asks for everything.
    ///
    /// # Errors
    /// If the device fails.
    fn values(&self) -> Result<Values, ScoreError> {
        let mut tensors = vec![flat(&self.x)];
        if let Some(Answer { denoised, score, corrector }) = &self.answer {
            tensors.extend([flat(denoised), flat(&score.clone().square().sum_dim(1))]);
            tensors.extend(corrector.iter().map(|figures| figures.step_size.clone()));
            tensors.extend(corrector.iter().filter_map(|figures| figures.accept_rate.clone()));
        }
        Values::ask(tensors)
    }

    /// What came of [`State::values`].
    ///
    /// # Errors
    /// If the device fails, or a value is not finite.
    fn read(self, read: Values) -> Result<Recorded, ScoreError> {
        let State { step, t, level, nfe, x, answer } = self;
        let mut values: Arc<[f32]> = Arc::default();
        let mut stats = Stats::default();
        let (mut denoised, mut magnitude): (Arc<[f16]>, Arc<[f16]>) = Default::default();
        let root_mean = |sum: f64, count: usize| (sum / count.max(1) as f64).sqrt();
        read.tell(|index, read| match index {
            0 => (values, stats.rms) = (read.into(), root_mean(sum(read, |x| x * x), read.len())),
            1 => denoised = halves(read),
            2 => {
                stats.score_rms = root_mean(sum(read, |x| x), values.len());
                let roots: Vec<f32> = read.iter().map(|square| square.sqrt()).collect();
                magnitude = halves(&roots);
            }
            3 => stats.step_size = Some(mean(read)),
            _ => stats.accept_rate = Some(mean(read)),
        })?;
        // One figure that is not finite makes its mean so, too.
        if !(stats.rms.is_finite() && stats.score_rms.is_finite()) {
            return Err(ScoreError::NotFinite { ratio: level.ratio() });
        }
        let [n, _, h, w] = x.dims();
        let pixels = |values, shape| answer.as_ref().map(|_| Pixels { shape, values });
        Ok(Recorded {
            step,
            t,
            level,
            nfe,
            x: Pixels { shape: x.dims(), values },
            denoised: pixels(denoised, x.dims()),
            score: pixels(magnitude, [n, 1, h, w]),
            stats,
            on_gpu: None,
        })
    }

    /// Asks for what tells whether all are finite: of those on a device, one number.
    ///
    /// # Errors
    /// If the device fails.
    fn figure(&self) -> Result<Values, ScoreError> {
        let score = self.answer.as_ref().map(|answer| &answer.score);
        let (mut asked, mut far) = (Vec::new(), None::<Tensor<1>>);
        for image in [Some(&self.x), score].into_iter().flatten() {
            let flat = flat(image);
            if on_host(&flat, |_| {}) {
                asked.push(flat);
                continue;
            }
            let squares = flat.square().sum();
            far = Some(far.map_or(squares.clone(), |far| far + squares));
        }
        asked.extend(far);
        Values::ask(asked)
    }

    /// What came of [`State::figure`].
    ///
    /// # Errors
    /// If a value is not finite, or the device fails.
    fn check(&self, figure: Values) -> Result<(), ScoreError> {
        let mut total = 0.0;
        figure.tell(|_, values| total += sum(values, f32::abs))?;
        if total.is_finite() { Ok(()) } else { Err(ScoreError::NotFinite { ratio: self.level.ratio() }) }
    }
}

fn flat(x: &Image) -> Tensor<1> {
    x.clone().flatten(0, 3)
}

/// Values of tensors. Those that do not lie in the host's memory are on their way, together.
struct Values {
    /// Those in the host's memory, by their places.
    here: Vec<(usize, Tensor<1>)>,
    /// Places and sizes of the others.
    sizes: Vec<(usize, usize)>,
    far: Option<Readback>,
}

impl Values {
    /// Asks for them.
    ///
    /// # Errors
    /// If the device fails.
    fn ask(tensors: Vec<Tensor<1>>) -> Result<Self, ScoreError> {
        let (here, there): (Vec<_>, Vec<_>) =
            tensors.into_iter().enumerate().partition(|(_, tensor)| on_host(tensor, |_| {}));
        let sizes = there.iter().map(|(index, tensor)| (*index, tensor.dims()[0])).collect();
        let far: Vec<_> = there.into_iter().map(|(_, tensor)| tensor).collect();
        let far = if far.is_empty() { None } else { Some(Readback::begin(&Tensor::cat(far, 0)).map_err(failed)?) };
        Ok(Values { here, sizes, far })
    }

    /// Nothing has to be waited for.
    fn is_here(&self) -> bool {
        self.far.is_none()
    }

    /// Tells each tensor's index and values, once they are there.
    ///
    /// # Errors
    /// If the device fails.
    fn tell(self, mut each: impl FnMut(usize, &[f32])) -> Result<(), ScoreError> {
        for (index, tensor) in self.here {
            on_host(&tensor, |values| each(index, values));
        }
        let read = self.far.map_or(Ok(Vec::new()), Readback::finish).map_err(failed)?;
        let mut rest = read.as_slice();
        for (index, size) in self.sizes {
            let (values, others) = rest.split_at(size.min(rest.len()));
            each(index, values);
            rest = others;
        }
        Ok(())
    }
}

fn failed(error: TensorReadError) -> ScoreError {
    ScoreError::Device(error.to_string())
}

/// Tells a tensor's values without copying them, if they lie in the host's memory; whether they do.
fn on_host(tensor: &Tensor<1>, tell: impl FnOnce(&[f32])) -> bool {
    let Ok(host) = tensor.clone().try_into_primitive::<Flex>() else { return false };
    let size: usize = tensor.dims().iter().product();
    let values = host.is_contiguous().then(|| host.storage::<f32>().get(host.layout().start_offset()..)).flatten();
    match values.and_then(|values| values.get(..size)) {
        Some(values) => tell(values),
        None => return false,
    }
    true
}

fn mean(values: &[f32]) -> f64 {
    sum(values, |x| x) / values.len().max(1) as f64
}

/// Σ term(x), in sixteen interleaved parts so that the compiler may use wide registers.
fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let of_part = |part: &[f32]| {
        let mut lanes = [0.0_f32; 16];
        for values in part.chunks(lanes.len()) {
            lanes.iter_mut().zip(values).for_each(|(lane, &x)| *lane += term(x));
        }
        lanes.into_iter().map(f64::from).sum::<f64>()
    };
    // In parts, so that large images lose no digits.
    values.chunks(1 << 12).map(of_part).sum()
}

fn halves(values: &[f32]) -> Arc<[f16]> {
    let mut narrow = vec![f16::ZERO; values.len()];
    narrow.convert_from_f32_slice(values);
    narrow.into()
}

/// The tensor's own buffer, where it lies on a wgpu device.
fn on_gpu(x: &Image) -> Option<GpuPicture> {
    let tensor = x.clone().try_into_primitive::<Wgpu>().ok()?;
    if !tensor.is_contiguous() {
        return None;
    }
    let client = tensor.client.clone();
    let resource = client.get_resource::<<WgpuRuntime as Runtime>::Server>(tensor.handle.clone()).ok()?;
    let resource = resource.resource();
    Some(GpuPicture {
        shape: x.dims(),
        buffer: resource.buffer.clone(),
        offset: resource.offset,
        size: resource.size,
        _tensor: x.clone(),
    })
}
