use super::refused;
use super::weights::{model, samples};
use crate::Pixels;
use crate::checkpoint::ReadProgress;
use crate::engine::progress::Place;
use crate::engine::{Context, DeviceReport, Ending, Failure, Task, locked};
use crate::network::Weights;
use crate::task::ModelRef;
use crate::train::{Folder, History, Levels, Memorisation, Notes, Point, Remembered, TrainError, Trainer, Training};
use std::convert::Infallible;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Part of the time that these may take, at most.
const SHARE: u32 = 20;

/// Trains a network until it is stopped or done, in a folder: where one was begun there, it goes on to the same bits.
#[derive(Clone, Debug)]
pub struct Train {
    pub training: Training,
    pub folder: PathBuf,
    /// Whatever happens, no more than this is lost.
    pub save_every: Duration,
    /// Whether samples are drawn on the way, for whoever looks.
    pub samples: bool,
}

/// What is known of a training when it begins.
#[derive(Clone, Debug)]
pub struct TrainReport {
    pub training: Training,
    pub device: DeviceReport,
    /// Number of parameters.
    pub parameters: usize,
    /// Number of pictures; `None` where there is no end of them.
    pub pictures: Option<u64>,
    pub classes: Vec<String>,
    /// Images seen before, where it goes on.
    pub resumed: u64,
    /// What the training shows while it goes on.
    pub live: Live,
}

/// What a training shows: the newest of everything.
#[derive(Clone, Debug)]
pub struct Live(Arc<Mutex<Shown>>);

/// The newest of everything.
#[derive(Clone, Debug)]
pub struct Shown {
    pub history: Arc<History>,
    pub steps: u64,
    pub images: u64,
    /// In this sitting.
    pub images_per_second: f64,
    /// Seconds of computing, those of former sittings included.
    pub seconds: f64,
    pub saved: Option<Instant>,
    pub samples: Option<Arc<Samples>>,
    /// What the average of the weights remembers of its training pictures, where that can be told.
    pub remembered: Arc<[Remembered]>,
}

/// Samples of a network that is being trained, from the same noise each time, in [0, 1] (N×C×H×W).
#[derive(Clone, Debug)]
pub struct Samples {
    /// Images seen.
    pub images: u64,
    /// Of the weights as they are.
    pub live: Pixels<f32>,
    /// Of their average.
    pub averaged: Pixels<f32>,
}

impl Live {
    /// What is shown now.
    pub fn shown(&self) -> Shown {
        locked(&self.0).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut locked(&self.0));
    }
}

impl Task for Train {
    type Report = TrainReport;
    type Message = Infallible;
    /// Where the model is.
    type Output = PathBuf;

    fn run(self, context: &Context<Self>) -> Result<PathBuf, Ending> {
        let mut sitting = Sitting::open(self, context)?;
        let ended = sitting.go_on(context);
        // Whatever ended it, what was made is kept.
        let saved = sitting.save(context);
        match ended {
            Err(Ending::Failed(failure)) => Err(failure.into()),
            ended => saved.and(ended).map(|()| sitting.folder.model()),
        }
    }
}

/// A training from one start of the task to its end.
struct Sitting {
    task: Train,
    folder: Folder,
    /// Other programs do not train here meanwhile.
    _claim: File,
    trainer: Trainer,
    metrics: crate::train::Metrics,
    levels: Levels,
    memorisation: Option<Memorisation>,
    notes: Notes,
    live: Live,
    /// When this sitting began, and how many images had been seen then.
    before: (f64, u64),
    saved: (Instant, u64),
    /// When samples were drawn last, and how long that took.
    sampled: Option<(Instant, Duration)>,
}

impl Sitting {
    fn open(task: Train, context: &Context<Train>) -> Result<Sitting, Ending> {
        let mut training = task.training.clone();
        training.check().map_err(refused)?;
        let folder = Folder::new(&task.folder);
        let last = folder.last().map_err(refused)?;
        let what = training.source.place.to_string();
        let hear = |fraction| context.hears(&what, Some(fraction));
        let all = training.source.open(&ReadProgress::new(&hear));
        context.loaded();
        let all = match all {
            Err(crate::data::DataError::File(crate::checkpoint::FileError::Cancelled(_))) => {
                return Err(Ending::Stopped);
            }
            all => all.map_err(refused)?,
        };
        let [data, held_out] = all.split();
        training.network.moments = Some(data.moments(training.network.range));
        training.tell_classes(&data.class_names()).map_err(refused)?;
        let checksum = data.checksum();
        let (pictures, warnings) = (data.len(), data.warnings().to_vec());
        let classes = data.class_names().into_iter().map(str::to_owned).collect();
        let start = match &training.start {
            // A teacher is needed on the way, too.
            Some(model) if last.is_none() || training.is_taught() => Some(started(model, &training, context)?),
            _ => None,
        };
        let memorisation = task.samples.then(|| Memorisation::new(&data, &held_out, &context.device().0)).flatten();
        let mut trainer = Trainer::new(training, data, start).map_err(refused)?;
        let training = trainer.training().clone();
        folder.begin(&training).map_err(refused)?;
        let claim = folder.claim().map_err(refused)?;
        let mut notes = Notes { data: checksum.clone(), seconds: 0.0 };
        if let Some((state, last)) = last {
            if last.data != checksum {
                return Err(refused(crate::train::FolderError::Data(task.folder.clone())).into());
            }
            trainer.restore(state).map_err(refused)?;
            notes = last;
        }
        let (points, metrics) = folder.metrics_up_to(trainer.steps()).map_err(refused)?;
        let levels = training.levels();
        let mut history = History::new(levels);
        points.into_iter().for_each(|point: Point| history.add(point));
        let live = Live(Arc::new(Mutex::new(Shown {
            history: Arc::new(history),
            steps: trainer.steps(),
            images: trainer.images(),
            images_per_second: 0.0,
            seconds: notes.seconds,
            saved: None,
            samples: None,
            remembered: Arc::default(),
        })));
        let report = TrainReport {
            device: context.device_to_learn_on(&training.network.config).1.clone(),
            parameters: training.network.config.count(),
            pictures,
            classes,
            resumed: trainer.images(),
            live: live.clone(),
            training,
        };
        context.begin(1, report, warnings);
        let (before, saved) = ((notes.seconds, trainer.images()), (Instant::now(), trainer.steps()));
        Ok(Sitting {
            task,
            folder,
            _claim: claim,
            trainer,
            metrics,
            levels,
            memorisation,
            notes,
            live,
            before,
            saved,
            sampled: None,
        })
    }

    /// Step after step.
    fn go_on(&mut self, context: &Context<Train>) -> Result<(), Ending> {
        let steps = self.trainer.training().steps();
        let started = self.trainer.steps();
        while !self.trainer.is_done() {
            context.gate()?;
            let began = Instant::now();
            let report = context.persist_in(|| {
                let device = &context.device_to_learn_on(&self.trainer.training().network.config).0;
                let trainer = &mut self.trainer;
                // On a thread of the pool, which the many short parts of a step then need not wake from outside.
                Ok(rayon::scope(|_| trainer.step(device)).map_err(failed)?)
            })?;
            let took = began.elapsed();
            context.meter.evaluated(self.trainer.training().batch, took);
            self.notes.seconds += took.as_secs_f64();
            self.metrics.add(&report, &self.levels).map_err(refused)?;
            self.show(&report);
            let done = self.trainer.steps();
            let share = (done - started) as f64 / (steps - started).max(1) as f64;
            context.at(Place { step: done as usize, steps: steps as usize, share });
            let snapshots = self.trainer.training().snapshots;
            if snapshots > 0
                && report.images / snapshots > (report.images - self.trainer.training().batch as u64) / snapshots
            {
                self.folder.write_snapshot(&self.trainer).map_err(refused)?;
            }
            if self.saved.0.elapsed() >= self.task.save_every {
                self.save(context)?;
            }
            let is_due = self.sampled.is_none_or(|(at, took)| at.elapsed() > took * SHARE);
            if self.task.samples && is_due {
                context.persist_in(|| self.sample(context))?;
            }
        }
        Ok(())
    }

    /// Puts the newest where the owner looks.
    fn show(&self, report: &crate::train::StepReport) {
        let (seconds, images) = self.before;
        let rate = (report.images - images) as f64 / (self.notes.seconds - seconds).max(1e-9);
        self.live.change(|shown| {
            shown.steps = report.step;
            shown.images = report.images;
            shown.images_per_second = rate;
            shown.seconds = self.notes.seconds;
            // Copies it only where somebody has looked since.
            Arc::make_mut(&mut shown.history).add(Point::of(report, &self.levels));
        });
    }

    fn save(&mut self, context: &Context<Train>) -> Result<(), Ending> {
        if self.saved.1 != self.trainer.steps() || !self.folder.model().is_file() {
            self.folder.save(&self.trainer, &self.notes).map_err(refused)?;
        }
        self.saved = (Instant::now(), self.trainer.steps());
        self.live.change(|shown| shown.saved = Some(self.saved.0));
        context.wake();
        Ok(())
    }

    /// Draws samples of the weights and of their average, from the same noise each time.
    fn sample(&mut self, context: &Context<Train>) -> Result<(), Ending> {
        let began = Instant::now();
        let network = &self.trainer.training().network;
        let live = samples(network, self.trainer.weights(), context)?;
        let averaged = samples(network, self.trainer.average(), context)?;
        let samples = Arc::new(Samples { images: self.trainer.images(), live, averaged });
        self.live.change(|shown| shown.samples = Some(samples));
        if let Some(memorisation) = &self.memorisation {
            let (device, _) = context.device();
            let remembered = memorisation.measure(&model(network, self.trainer.average(), context)?, device)?;
            self.live.change(|shown| shown.remembered = remembered.into());
        }
        self.sampled = Some((Instant::now(), began.elapsed()));
        context.wake();
        Ok(())
    }
}

/// The weights of a model that a training begins with, of one of smaller images those of its enlargement.
fn started(model: &ModelRef, training: &Training, context: &Context<Train>) -> Result<Weights, Ending> {
    let opened = context.read(model)?.network;
    let (own, wanted) = (opened.description.config, &training.network.config);
    let [_, height, width] = wanted.shape();
    if own.enlarged([height, width]).as_ref() != Some(wanted) {
        let what = format!("{model} is not the network that this training began with: it is {}", own.summary());
        return Err(Failure::from_sentence(&what, "choose that one, or begin another training").into());
    }
    if own != *wanted && training.is_taught() {
        let what = format!("{model} has not learnt images of {height}×{width} pixels, so it cannot teach them");
        return Err(Failure::from_sentence(&what, "finetune it on such images first, without distillation").into());
    }
    Ok(own.enlarge(opened.weights, wanted))
}

fn failed(error: TrainError) -> Failure {
    Failure::from_sentence(&error.to_string(), "change the settings of the training")
}
