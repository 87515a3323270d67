//! The runs that are kept side by side.

use crate::app::notices::Retries;
use crate::app::{Notice, RunState, RunView, Session};
use crate::engine::{
    DeviceChoice, End, Failure, Options, Recorded, RunReport, Sample, Snapshot, TaskHandle, TaskId, Update,
};
use crate::task::{Origin, Run};
use std::sync::Arc;

/// Memory for the recorded steps of all runs together, in bytes.
const RECORD_TOTAL: usize = 512 << 20;
/// The least that a new run gets of it.
const RECORD_LEAST: usize = 64 << 20;

/// A run that was asked for and has not begun: its model is being opened.
#[derive(Debug)]
pub struct Pending {
    pub run: Run,
    pub device: DeviceChoice,
    pub name: String,
    parent: Option<(TaskId, usize)>,
    task: TaskHandle<Sample>,
}

/// A run in the strip above the picture.
#[derive(Debug)]
pub struct Entry {
    /// "Run 2", "Branch 2.1".
    pub name: String,
    pub device: DeviceChoice,
    pub view: RunView,
    branches: usize,
    /// While it goes on.
    task: Option<TaskHandle<Sample>>,
    /// It began in a window before this one, whose graphics device is lost.
    taken_over: bool,
}

impl Entry {
    /// Its name in the engine.
    pub fn id(&self) -> TaskId {
        self.view.id
    }

    /// Bytes that its recorded steps take.
    pub fn bytes(&self) -> usize {
        self.view.snapshot.as_ref().map_or(0, |snapshot| snapshot.progress.recorded_bytes)
    }

    /// Keeps the newest moment, and the speed of its model.
    fn show(&mut self, snapshot: Arc<Snapshot>, session: &mut Session) {
        let report = &self.view.report;
        session.learn_rate(&report.run.model, report.device.gpu, snapshot.progress.evaluations_per_second);
        self.view.snapshot = Some(if self.taken_over { without_device(&snapshot) } else { snapshot });
    }

    /// Takes in what the task has said. Returns how it failed, if it did.
    fn poll(&mut self, session: &mut Session) -> (Vec<Notice>, Option<Failure>) {
        let (mut notices, mut failed) = (Vec::new(), None);
        let Some(task) = self.task.take() else { return (notices, failed) };
        let mut ended = false;
        for update in session.hear(&task) {
            match update {
                // It goes on elsewhere.
                Update::Report(report) => self.view.report = Arc::new(report),
                Update::Notice(text) => notices.extend(session.tell_once([text])),
                Update::Paused => self.view.state = RunState::Paused,
                Update::Resumed => self.view.state = RunState::Running,
                Update::Ended(end) => {
                    ended = true;
                    self.view.state = match end {
                        End::Finished(_) => RunState::Finished,
                        End::Stopped => RunState::Stopped,
                        End::Failed(failure) => RunState::Failed(failed.insert(failure).clone()),
                    };
                }
            }
        }
        // The last one is there before the end is heard.
        task.snapshot().into_iter().for_each(|snapshot| self.show(snapshot, session));
        self.task = Some(task).filter(|_| !ended);
        (notices, failed)
    }
}

/// All runs.
#[derive(Debug, Default)]
pub struct Runs {
    pub entries: Vec<Entry>,
    /// The run that is looked at.
    pub shown: Option<TaskId>,
    pub pending: Option<Pending>,
    retries: Retries<(Run, DeviceChoice)>,
    roots: usize,
}

impl Runs {
    /// The run that is looked at.
    pub fn current(&self) -> Option<&Entry> {
        self.shown.and_then(|id| self.entries.iter().find(|entry| entry.id() == id))
    }

    /// The run that is looked at, to move its cursor.
    pub fn current_mut(&mut self) -> Option<&mut Entry> {
        self.shown.and_then(|id| self.find(id))
    }

    /// The newest run that goes on: one that is being stopped for it may take a moment to end.
    pub fn active(&self) -> Option<&Entry> {
        self.entries.iter().rfind(|entry| entry.view.is_active())
    }

    /// The task of the run that goes on, or is about to begin.
    pub fn task(&self) -> Option<&TaskHandle<Sample>> {
        self.pending.as_ref().map(|pending| &pending.task).or_else(|| self.active()?.task.as_ref())
    }

    /// Bytes that all recorded steps take.
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(Entry::bytes).sum()
    }

    fn find(&mut self, id: TaskId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id() == id)
    }

    /// Begins a run, `held` before its first step or not; one in progress is stopped and kept.
    pub fn begin(&mut self, session: &Session, run: Run, device: DeviceChoice, held: bool) {
        self.roots += 1;
        let name = format!("Run {}", self.roots);
        self.announce(session, Sample { run, from: None }, device, name, None, held);
    }

    /// Continues the run `parent` from `moment` with the settings of `run`, whose model, family
    /// and number of samples become the parent's.
    pub fn branch(
        &mut self,
        session: &Session,
        parent: TaskId,
        moment: Arc<Recorded>,
        mut run: Run,
        device: DeviceChoice,
    ) {
        let Some(entry) = self.find(parent) else { return };
        entry.branches += 1;
        let number = entry.name.trim_start_matches("Run ").trim_start_matches("Branch ");
        let name = format!("Branch {number}.{}", entry.branches);
        let origin = entry.view.report.run.clone();
        (run.model, run.family, run.count) = (origin.model.clone(), origin.family, origin.count);
        run.origin = Origin::Branch { parent: Box::new(origin), step: moment.step };
        let parent = Some((parent, moment.step));
        self.announce(session, Sample { run, from: Some(moment) }, device, name, parent, false);
    }

    fn announce(
        &mut self,
        session: &Session,
        task: Sample,
        device: DeviceChoice,
        name: String,
        parent: Option<(TaskId, usize)>,
        held: bool,
    ) {
        self.stop();
        let run = task.run.clone();
        let record = RECORD_TOTAL.saturating_sub(self.bytes()).max(RECORD_LEAST);
        let task = session.begin(task, Options { record, shown: true, held, ..Options::on(device) });
        self.pending = Some(Pending { run, device, name, parent, task });
    }

    /// Ends the run that goes on, and keeps what it recorded; one that has not begun is forgotten.
    pub fn stop(&mut self) {
        self.pending = None;
        self.entries.iter().filter_map(|entry| entry.task.as_ref()).for_each(TaskHandle::stop);
    }

    /// Forgets a run and frees what it recorded; if it is in progress it is stopped.
    pub fn close(&mut self, id: TaskId) {
        let Some(index) = self.entries.iter().position(|entry| entry.id() == id) else { return };
        self.entries.remove(index);
        if self.shown == Some(id) {
            let neighbour = self.entries.get(index).or(self.entries.last());
            self.shown = neighbour.map(Entry::id);
        }
    }

    /// Takes in all that the runs have said. Returns what a person should know.
    pub fn poll(&mut self, session: &mut Session) -> Vec<Notice> {
        self.retries.pressed().into_iter().for_each(|(run, device)| self.begin(session, run, device, false));
        let mut notices = self.poll_pending(session);
        for entry in &mut self.entries {
            let (told, failed) = entry.poll(session);
            notices.extend(told);
            if let Some(failure) = failed {
                // A branch is tried again from its parents' beginning: the state at hand may be what failed.
                let again = (entry.view.report.run.clone(), entry.device);
                notices.push(self.retries.offer(Notice::problem(failure), again));
            }
        }
        notices
    }

    /// The run that was asked for becomes an entry when it begins.
    fn poll_pending(&mut self, session: &mut Session) -> Vec<Notice> {
        let Some(pending) = self.pending.take() else { return Vec::new() };
        if let Some(loading) = pending.task.loading() {
            session.loading = Some(loading);
        }
        let update = pending.task.updates().next();
        match update {
            None => self.pending = Some(pending),
            Some(Update::Report(report)) => return self.started(report, pending, session),
            Some(Update::Notice(text)) => {
                self.pending = Some(pending);
                return session.tell_once([text]);
            }
            Some(Update::Ended(End::Failed(failure))) => {
                return vec![self.retries.offer(Notice::problem(failure), (pending.run, pending.device))];
            }
            // It has ended before it began.
            Some(_) => {}
        }
        Vec::new()
    }

    fn started(&mut self, report: RunReport, pending: Pending, session: &mut Session) -> Vec<Notice> {
        let Pending { device, name, parent, task, .. } = pending;
        let notices = session.learn(report.model.clone());
        self.shown = Some(task.id());
        let view = RunView { parent, ..RunView::new(task.id(), Arc::new(report)) };
        self.entries.push(Entry { name, device, view, branches: 0, task: Some(task), taken_over: false });
        notices
    }

    /// The same in another window.
    pub fn taken_over(mut self) -> Runs {
        for entry in &mut self.entries {
            entry.taken_over = true;
            entry.view.snapshot = entry.view.snapshot.as_deref().map(without_device);
        }
        self
    }

    /// Whether one goes on that was begun in another window, which its task wakes.
    pub fn wake_another(&self) -> bool {
        self.entries.iter().any(|entry| entry.taken_over && entry.task.is_some())
    }
}

/// The same, whose newest moment does not hold the memory of a graphics device.
fn without_device(snapshot: &Snapshot) -> Arc<Snapshot> {
    let newest = Arc::new(Recorded { on_gpu: None, ..(*snapshot.newest).clone() });
    Arc::new(Snapshot { newest, ..snapshot.clone() })
}
