//! Comparing presets: cell after cell is given the same noise, until all have their samples.

mod draw;
mod live;
mod rows;
mod sight;

pub use live::{CellStanding, CompareLive, Standing};

use super::refused;
use crate::compare::{Account, CellResult, CompareError, Comparison, Folder, Identity, Part, Results, Saved, Shard};
use crate::compare::{OpenedReference, agreement, measure, result};
use crate::engine::progress::Place;
use crate::engine::{Context, DeviceReport, Ending, ModelReport, Task};
use crate::score::ScoreError;
use draw::{Drawn, Draws};
use rows::{Row, Sampled, alike, common_shape, found, place};
use sight::{Sight, reference};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Score evaluations that a solver which chooses its own steps is thought to take, before any sample of it is there.
const GUESS: f64 = 100.0;
/// The part of the time that distances on the way take at most, besides a moment.
const SHARE: u32 = 20;
const FREE: Duration = Duration::from_millis(300);

/// Compares presets in a folder until all have their samples, or a shard of these: where this was begun there, it goes on to
/// the same bits.
#[derive(Clone, Debug)]
pub struct Compare {
    pub comparison: Comparison,
    pub folder: PathBuf,
    pub shard: Shard,
    /// Whatever happens, no more than this is lost, or the samples that are being drawn together.
    pub save_every: Duration,
    /// The published weights of Inception-v3, where they are not among the models.
    pub inception: Option<PathBuf>,
    /// Only find out how long it would take: nothing is written.
    pub rehearse: bool,
}

/// What is known of a comparison when it begins.
#[derive(Clone, Debug)]
pub struct CompareReport {
    pub comparison: Comparison,
    /// The models that had to be opened.
    pub models: Vec<Arc<ModelReport>>,
    pub device: DeviceReport,
    pub estimate: Estimate,
    /// What the comparison shows while it goes on.
    pub live: CompareLive,
}

/// How long it will take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Samples that are there, and that are wanted, of all cells.
    pub there: u64,
    pub wanted: u64,
    /// Score evaluations that are left; where a solver chooses its own steps, a guess until it has samples.
    pub evaluations: f64,
    /// Cells of which the number of evaluations is such a guess.
    pub guessed: usize,
    /// Score evaluations a second, as just measured.
    pub per_second: f64,
}

impl Estimate {
    /// Time left; zero where nothing is.
    pub fn left(&self) -> Duration {
        let seconds = self.evaluations / self.per_second.max(1e-9);
        if self.evaluations > 0.0 {
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        } else {
            Duration::ZERO
        }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Compared {
    pub part: Part,
    /// Of a whole comparison.
    pub results: Option<Results>,
}

impl Task for Compare {
    type Report = CompareReport;
    type Message = Infallible;
    /// `None` of a rehearsal.
    type Output = Option<Compared>;

    fn run(self, context: &Context<Self>) -> Result<Option<Compared>, Ending> {
        self.comparison.check().map_err(refused)?;
        let folder = Folder::new(&self.folder);
        if self.rehearse {
            Queue::open(self, folder, context)?.report(context);
            return Ok(None);
        }
        let (whole, comparison) = (self.shard.is_whole(), self.comparison.clone());
        let begin = |folder: &Folder| {
            folder.begin(&comparison)?;
            folder.claim()
        };
        // A new folder is made only once everything is open.
        let is_new = folder.comparison().map_err(refused)?.is_none();
        let claim = if is_new { None } else { Some(begin(&folder).map_err(refused)?) };
        let mut queue = Queue::open(self, folder, context)?;
        if whole {
            // Before time is spent on samples.
            queue.reference = Some(reference(&queue.task, &queue.sight, queue.shape, context)?);
        }
        let _claim = match claim {
            Some(claim) => claim,
            None => begin(&queue.folder).map_err(refused)?,
        };
        queue.report(context);
        let ended = queue.go_on(context);
        // Whatever ended it, what was computed is kept.
        let saved = queue.save_all();
        match ended {
            Err(Ending::Failed(failure)) => return Err(failure.into()),
            ended => saved.map_err(refused).map_err(Ending::from).and(ended)?,
        }
        let results = if whole { Some(queue.results(context)?) } else { None };
        Ok(Some(Compared { part: queue.into_part(), results }))
    }
}

/// A comparison from one start of the task to its end.
struct Queue {
    task: Compare,
    folder: Folder,
    rows: Vec<Row>,
    /// The models of [`Comparison::models`], and what all of it is computed with.
    models: Vec<Sampled>,
    saved: Saved,
    sight: Sight,
    /// C×H×W of a sample.
    shape: [usize; 3],
    /// What distances are measured to, of a whole comparison.
    reference: Option<OpenedReference>,
    live: CompareLive,
    estimate: Estimate,
    last_save: Instant,
    /// Score evaluations of this sitting.
    done: f64,
    /// When it began, and how long distances on the way took: in all, and the last of them.
    began: Instant,
    measuring: [Duration; 2],
}

impl Queue {
    fn open(task: Compare, folder: Folder, context: &Context<Compare>) -> Result<Queue, Ending> {
        let comparison = &task.comparison;
        let found = found(&task, &folder).map_err(refused)?;
        let models = comparison.models().into_iter();
        let models: Vec<Sampled> =
            models.map(|model| Sampled::of(model, comparison, &found, context)).collect::<Result<_, _>>()?;
        let shape = common_shape(&models).map_err(refused)?;
        let sight = Sight::open(&task, shape, context)?;
        let fresh = models.iter().any(|model| model.loaded.is_some());
        let known = found.iter().find_map(|found| found.there.as_ref()).filter(|_| !fresh);
        let (_, device) = context.device();
        let mut saved = match known {
            Some((_, saved)) => saved.clone(),
            None => {
                let identity = Identity { model: String::new(), features: sight.identity(), kernels: kernels(device) };
                Saved { identity, machine: device.name.clone() }
            }
        };
        let checksums: Vec<&str> = models.iter().map(|model| model.checksum.as_str()).collect();
        saved.identity.model = checksums.join("+");
        for (cell, found) in comparison.cells.iter().zip(&found) {
            alike(&saved.identity.of(place(comparison, cell)), found, &folder).map_err(refused)?;
        }
        let begun = |first| {
            let keeps = comparison.keeps_features(sight.dims());
            Account::begun(first, sight.dims(), sight.classes(), shape, keeps)
        };
        let cells = comparison.cells.iter().zip(found);
        let rows: Vec<Row> =
            cells.map(|(cell, found)| Row::of(&comparison.run(cell), place(comparison, cell), found, &begun)).collect();
        let live = CompareLive::new(&rows.iter().map(|row| (&row.account, row.end)).collect::<Vec<_>>());
        let mut queue = Queue {
            folder,
            rows,
            models,
            saved,
            sight,
            shape,
            reference: None,
            live,
            estimate: Estimate::default(),
            last_save: Instant::now(),
            done: 0.0,
            began: Instant::now(),
            measuring: [Duration::ZERO; 2],
            task,
        };
        queue.estimate(context)?;
        Ok(queue)
    }

    fn report(&self, context: &Context<Compare>) {
        let report = CompareReport {
            comparison: self.task.comparison.clone(),
            models: self.models.iter().filter_map(|model| Some(model.loaded.as_ref()?.report.clone())).collect(),
            device: context.device().1.clone(),
            estimate: self.estimate,
            live: self.live.clone(),
        };
        let warnings = self.reference.iter().flat_map(|reference| reference.warnings.clone());
        context.begin(1, report, warnings);
    }

    /// Score evaluations of each sample of a cell, as far as they are known; whether that is a guess.
    fn evaluations(&self, index: usize) -> (f64, bool) {
        let (row, cell) = (&self.rows[index], &self.task.comparison.cells[index]);
        match (row.account.count(), self.task.comparison.run(cell).evaluations()) {
            (_, Some(known)) => (known as f64, false),
            (0, None) => (GUESS, true),
            _ => (row.account.evaluations_each(), false),
        }
    }

    /// Score evaluations that are left, by what is known of them now.
    fn left(&self) -> f64 {
        (0..self.models.len()).map(|model| self.left_of(model)).fold(0.0, |a, b| a + b)
    }

    /// Those of the model in a place.
    fn left_of(&self, model: usize) -> f64 {
        let rows = self.rows.iter().enumerate().filter(|(_, row)| row.model == model && !row.is_done());
        rows.map(|(index, row)| (row.end - row.account.next()) as f64 * self.evaluations(index).0)
            .fold(0.0, |a, b| a + b)
    }

    /// How long it will take.
    fn estimate(&mut self, context: &Context<Compare>) -> Result<(), Ending> {
        let wanted = |row: &Row| row.end - row.account.first;
        let (left, mut seconds) = (self.left(), 0.0);
        for (place, model) in self.models.iter().enumerate() {
            if let Some(loaded) = &model.loaded {
                let per_second = Draws::new(loaded, context).speed(&self.task.comparison)?;
                seconds += self.left_of(place) / per_second;
            }
        }
        self.estimate = Estimate {
            there: self.rows.iter().map(|row| row.account.count()).sum(),
            wanted: self.rows.iter().map(wanted).sum(),
            evaluations: left,
            guessed: (0..self.rows.len())
                .filter(|&index| !self.rows[index].is_done() && self.evaluations(index).1)
                .count(),
            per_second: if seconds > 0.0 { left / seconds } else { 0.0 },
        };
        Ok(())
    }

    /// Chunk after chunk, of the cell that has the fewest samples.
    fn go_on(&mut self, context: &Context<Compare>) -> Result<(), Ending> {
        loop {
            let open = self.rows.iter().enumerate().filter(|(_, row)| !row.is_done());
            let next = open.min_by_key(|(index, row)| (row.account.count(), *index)).map(|(index, _)| index);
            let Some(index) = next else { return Ok(()) };
            let Some(loaded) = self.models[self.rows[index].model].loaded.clone() else { return Ok(()) };
            self.draw(index, &Draws::new(&loaded, context), context)?;
            if self.rows[index].is_done() || self.last_save.elapsed() >= self.task.save_every {
                self.save_all().map_err(refused)?;
            }
        }
    }

    /// Draws the samples of a cell that follow.
    fn draw(&mut self, index: usize, draws: &Draws<'_>, context: &Context<Compare>) -> Result<(), Ending> {
        let cell = &self.task.comparison.cells[index];
        let (run, row) = (self.task.comparison.run(cell), &self.rows[index]);
        let first = row.account.next();
        let range = draws.chunk(first, row.end, row.coupled);
        let (done, left, there) = (self.done, self.left(), self.there());
        let place = |evaluations: f64| Place {
            step: there.0 as usize,
            steps: there.1 as usize,
            share: ((done + evaluations) / (done + left).max(1.0)).min(1.0),
        };
        let began = Instant::now();
        let drawn = draws.draw(&run, range, &place);
        let outcome = match drawn {
            Ok(drawn) => self.take_in(index, drawn, began.elapsed()),
            Err(error @ (ScoreError::Stopped | ScoreError::Device(_))) => return Err(error.into()),
            Err(error) => Err(error.to_string()),
        };
        let row = &mut self.rows[index];
        row.saved = false;
        if let Err(sentence) = outcome {
            row.account.failure = Some(sentence);
        }
        let (account, end) = (&row.account, row.end);
        let is_worth_it = account.count().is_power_of_two() || account.next() == end;
        if account.failure.is_none() && is_worth_it && self.has_time_to_measure() {
            let began = Instant::now();
            self.measure_so_far(index);
            let took = began.elapsed();
            self.measuring = [self.measuring[0] + took, took];
        }
        self.live.show(index, &self.rows[index].account);
        context.at(place(0.0));
        Ok(())
    }

    /// Takes samples into a cell's account; why not, where they are not finite.
    fn take_in(&mut self, index: usize, drawn: Drawn, took: Duration) -> Result<(), String> {
        self.done += drawn.evaluations as f64;
        let (cell, row) = (&self.task.comparison.cells[index], &mut self.rows[index]);
        let first = row.account.next();
        let found = self.sight.see(&drawn.samples).map_err(|error| error.to_string())?;
        row.account.add(&drawn.samples, &found).map_err(|error| error.to_string())?;
        row.account.evaluations += drawn.evaluations;
        row.account.seconds += took.as_secs_f64();
        if self.task.comparison.keep.samples && self.sight.sees_images() {
            let written = self.folder.write_samples(&self.task.comparison, cell, &drawn.samples, first);
            written.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Samples that are there, and that are wanted.
    fn there(&self) -> (u64, u64) {
        let there = self.rows.iter().map(|row| row.account.count()).sum();
        (there, self.estimate.wanted)
    }

    /// Whether a distance takes no more than a small share of the time: eigenvalues of many features take seconds.
    fn has_time_to_measure(&self) -> bool {
        let [all, last] = self.measuring;
        let foreseen =
            if last.is_zero() { Duration::from_secs_f64((self.sight.dims() as f64 / 2000.0).powi(3)) } else { last };
        (all + foreseen) * SHARE <= self.began.elapsed() + FREE * SHARE
    }

    /// Tells the distance of a cell as far as it has come.
    fn measure_so_far(&mut self, index: usize) {
        let account = &self.rows[index].account;
        let to = self.reference.as_ref().and_then(|reference| reference.sample.moments.as_ref());
        let Some(to) = to.filter(|_| account.count() >= 2) else { return };
        let distance = account.moments().and_then(|moments| crate::metric::frechet(&moments, to));
        if let Ok(distance) = distance {
            self.live.measured(index, account.count(), distance);
        }
    }

    /// Saves all cells that have changed, with their first images.
    fn save_all(&mut self) -> Result<(), CompareError> {
        for (cell, row) in self.task.comparison.cells.iter().zip(&mut self.rows) {
            if row.saved {
                continue;
            }
            let identity = self.saved.identity.of(row.model);
            let saved = Saved { identity, machine: self.saved.machine.clone() };
            self.folder.save(&self.task.comparison, cell, &row.account, &saved)?;
            let first = row.account.images.shape[0];
            if self.sight.sees_images() && row.written < first {
                self.folder.write_images(&self.task.comparison, cell, &row.account)?;
                row.written = first;
            }
            row.saved = true;
        }
        self.last_save = Instant::now();
        Ok(())
    }

    /// What came of all cells, which goes into the folder too.
    fn results(&mut self, context: &Context<Compare>) -> Result<Results, Ending> {
        let Some(reference) = &self.reference else { return Err(Ending::Stopped) };
        let comparison = &self.task.comparison;
        self.live.measuring();
        context.wake();
        let mut cells: Vec<CellResult> = Vec::new();
        for (index, (cell, row)) in comparison.cells.iter().zip(&self.rows).enumerate() {
            context.gate()?;
            let measured = match row.account.failure {
                None => measure(&row.account, reference, comparison, self.sight.metric()),
                Some(_) => Err(CompareError::NoCells),
            };
            cells.push(result(&cell.name, cell.slug(), &row.account, measured));
            self.live.finished(index, cells.last().and_then(|cell| cell.distance), row.account.count());
        }
        let images: Vec<_> = self.rows.iter().map(|row| &row.account.images).collect();
        let mut results = Results {
            comparison: comparison.clone(),
            model: comparison.models().into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            machine: self.saved.machine.clone(),
            metric: self.sight.metric().into(),
            features: self.saved.identity.features.clone(),
            reference: reference.name.clone(),
            reference_count: reference.sample.count(),
            agreement: agreement(&images),
            cells,
        };
        results.mark_best();
        self.folder.write_results(&results).map_err(refused)?;
        Ok(results)
    }

    fn into_part(self) -> Part {
        let Queue { task, rows, saved, .. } = self;
        Part {
            comparison: task.comparison,
            identity: saved.identity,
            machine: saved.machine,
            accounts: rows.into_iter().map(|row| row.account).collect(),
        }
    }
}

/// What computes samples: another gives other bits.
fn kernels(device: &DeviceReport) -> String {
    if device.gpu { device.name.clone() } else { crate::network::instructions().into() }
}
