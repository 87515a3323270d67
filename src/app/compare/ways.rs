//! The ways of a few presets from the same noise to data, recorded to be scrubbed side by side.

use crate::Pixels;
use crate::app::Session;
use crate::compare::Comparison;
use crate::engine::{End, Options, RunReport, Sample, Snapshot, TaskHandle, Update};
use crate::sde::unit;
use crate::task::{Count, Run};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Samples of which the way is recorded.
const SAMPLES: usize = 8;
/// Memory for the recorded steps of one preset, in bytes.
const RECORD: usize = 64 << 20;

/// One preset on its way.
struct Way {
    task: Option<TaskHandle<Sample>>,
    report: Option<Arc<RunReport>>,
    snapshot: Option<Arc<Snapshot>>,
    /// What was shown last: the recorded step, and its picture.
    shown: Option<(usize, Pixels<f32>)>,
    failed: bool,
}

/// The ways, by the numbers of their presets.
#[derive(Default)]
pub struct Ways {
    of: BTreeMap<usize, Way>,
    /// Where on the way one looks, as log₁₀ σ/α; `None`: at the data.
    pub at: Option<f64>,
}

impl Ways {
    /// Records the ways of these presets that are not there yet, and takes in what has come.
    pub fn advance(&mut self, comparison: &Comparison, wanted: &[usize], session: &mut Session, options: Options) {
        if self.at.is_none() {
            return;
        }
        self.of.retain(|index, _| wanted.contains(index));
        for &index in wanted {
            let Some(cell) = comparison.cells.get(index) else { continue };
            let way = self.of.entry(index).or_insert_with(|| {
                let run = comparison.run(cell);
                let count = Count::new(SAMPLES.min(run.count.get())).unwrap_or(run.count);
                let run = Run { count, ..run };
                let options = Options { record: RECORD, shown: true, ..options };
                let task = session.begin(Sample { run, from: None }, options);
                Way { task: Some(task), report: None, snapshot: None, shown: None, failed: false }
            });
            way.poll(session);
        }
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Ways::default();
    }

    /// Whether some are still on their way.
    pub fn are_under_way(&self) -> bool {
        self.of.values().any(|way| way.task.is_some())
    }

    /// From where to where the ways go, as log₁₀ σ/α.
    pub fn ends(&self) -> Option<[f64; 2]> {
        let ratios = self.of.values().filter_map(|way| {
            let levels = &way.report.as_ref()?.levels;
            let positive: Vec<f64> =
                levels.iter().map(|level| level.ratio()).filter(|ratio| *ratio > 0.0 && ratio.is_finite()).collect();
            Some([*positive.first()?, *positive.last()?].map(f64::log10))
        });
        ratios.reduce(|a, b| [a[0].max(b[0]), a[1].min(b[1])])
    }

    /// What a preset makes of the data where one looks: its estimate of x(0), in [0, 1], N×C×H×W.
    pub fn picture(&mut self, index: usize) -> Option<Pixels<f32>> {
        let at = 10f64.powf(self.at?);
        let way = self.of.get_mut(&index)?;
        let (report, snapshot) = (way.report.as_ref()?, way.snapshot.as_ref()?);
        // The last moment that is not beyond that level; the first has no estimate yet.
        let known = snapshot.timeline.iter().filter(|moment| moment.denoised.is_some());
        let moment = known.rev().find(|moment| moment.level.ratio() >= at * (1.0 - 1e-9));
        let first = || snapshot.timeline.iter().find(|moment| moment.denoised.is_some());
        let moment = moment.or_else(first)?;
        if way.shown.as_ref().is_none_or(|(step, _)| *step != moment.step) {
            let denoised = moment.denoised.as_ref()?;
            let range = report.model.range.map(|_| report.range);
            let picture = unit(denoised, range);
            way.shown = Some((moment.step, picture));
        }
        way.shown.as_ref().map(|(_, picture)| picture.clone())
    }
}

impl Way {
    fn poll(&mut self, session: &mut Session) {
        let Some(task) = &self.task else { return };
        let mut ended = false;
        for update in session.hear(task) {
            match update {
                Update::Report(report) => self.report = Some(Arc::new(report)),
                Update::Ended(end) => {
                    ended = true;
                    match end {
                        End::Finished(snapshot) => self.snapshot = Some(snapshot),
                        End::Stopped | End::Failed(_) => self.failed = true,
                    }
                }
                _ => {}
            }
        }
        if let (false, Some(snapshot)) = (ended, task.snapshot()) {
            self.snapshot = Some(snapshot);
        }
        if ended {
            self.task = None;
        }
    }
}
