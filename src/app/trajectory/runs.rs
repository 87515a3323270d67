//! The runs that are kept side by side.

use crate::app::notices::Retries;
use crate::app::{Notice, RunState, RunView, Session};
use crate::engine::{Command, DeviceChoice, Event, Failure, Recorded, RunId, RunReport, Snapshot};
use crate::task::{Origin, Run};
use std::collections::HashSet;
use std::sync::Arc;

/// Memory for the recorded moments of all runs together, in bytes.
const RECORD_TOTAL: usize = 512 << 20;
/// The least that a new run gets of it.
const RECORD_LEAST: usize = 64 << 20;

/// A run that was asked for and has not begun: its model is being opened.
#[derive(Clone, Debug)]
pub struct Pending {
    pub id: RunId,
    pub run: Run,
    pub device: DeviceChoice,
    pub name: String,
    parent: Option<(RunId, usize)>,
}

/// A run in the strip above the picture.
#[derive(Clone, Debug)]
pub struct Entry {
    /// "Run 2", "Branch 2.1".
    pub name: String,
    pub device: DeviceChoice,
    pub view: RunView,
    branches: usize,
}

impl Entry {
    /// Its name in the engine.
    pub fn id(&self) -> RunId {
        self.view.report.id
    }

    /// Bytes that its recorded moments take.
    pub fn bytes(&self) -> usize {
        self.view.snapshot.as_ref().map_or(0, |snapshot| snapshot.progress.recorded_bytes)
    }
}

/// All runs.
#[derive(Debug, Default)]
pub struct Runs {
    pub entries: Vec<Entry>,
    /// The run that is looked at.
    pub shown: Option<RunId>,
    pub pending: Option<Pending>,
    /// Runs whose tab was closed: the end of such a run is no news.
    closed: HashSet<RunId>,
    retries: Retries<(Run, DeviceChoice)>,
    begun: u64,
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

    /// The run that the engine works on.
    pub fn active(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.view.is_active())
    }

    /// Bytes that all recorded moments take.
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(Entry::bytes).sum()
    }

    fn find(&mut self, id: RunId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id() == id)
    }

    /// Begins a run; one in progress is stopped and kept.
    pub fn begin(&mut self, session: &Session, run: Run, device: DeviceChoice) {
        self.roots += 1;
        let name = format!("Run {}", self.roots);
        let id = self.announce(session, run.clone(), device, name, None);
        session.send(Command::Start { id, run, device });
    }

    /// Continues the run `parent` from `moment` with the settings of `run`, whose model, family
    /// and number of samples become the parent's.
    pub fn branch(
        &mut self,
        session: &Session,
        parent: RunId,
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
        let id = self.announce(session, run.clone(), device, name, Some((parent, moment.step)));
        session.send(Command::Branch { id, run, from: moment, device });
    }

    fn announce(
        &mut self,
        session: &Session,
        run: Run,
        device: DeviceChoice,
        name: String,
        parent: Option<(RunId, usize)>,
    ) -> RunId {
        self.begun += 1;
        let id = RunId(self.begun);
        session.send(Command::RecordLimit(RECORD_TOTAL.saturating_sub(self.bytes()).max(RECORD_LEAST)));
        self.pending = Some(Pending { id, run, device, name, parent });
        id
    }

    /// Forgets a run and frees what it recorded; if it is in progress it is stopped.
    pub fn close(&mut self, session: &Session, id: RunId) {
        let Some(index) = self.entries.iter().position(|entry| entry.id() == id) else { return };
        let entry = self.entries.remove(index);
        if entry.view.is_active() {
            session.send(Command::Stop);
            self.closed.insert(id);
        }
        if self.shown == Some(id) {
            let neighbour = self.entries.get(index).or(self.entries.last());
            self.shown = neighbour.map(Entry::id);
        }
    }

    /// Takes in all that the engine has said of runs. Returns what a person should know.
    pub fn poll(&mut self, session: &mut Session) -> Vec<Notice> {
        self.retries.pressed().into_iter().for_each(|(run, device)| self.begin(session, run, device));
        let (news, snapshot) = session.take_runs();
        let notices = news.into_iter().flat_map(|event| self.hear(event, session)).collect();
        snapshot.into_iter().for_each(|snapshot| self.show(snapshot, session));
        notices
    }

    fn hear(&mut self, event: Event, session: &mut Session) -> Vec<Notice> {
        match event {
            Event::Started(report) => return self.started(report, session),
            Event::Paused(id) => self.settle(id, RunState::Paused),
            Event::Resumed(id) => self.settle(id, RunState::Running),
            Event::Finished(id) => self.settle(id, RunState::Finished),
            Event::Stopped(id) => self.settle(id, RunState::Stopped),
            Event::Failed { id, failure } => return self.failed(id, failure).into_iter().collect(),
            // Not of runs.
            Event::Loading { .. }
            | Event::Model(_)
            | Event::ModelFailed { .. }
            | Event::Job { .. }
            | Event::Notice(_) => {}
        }
        Vec::new()
    }

    /// Keeps the newest moment of a run, and the speed of its model.
    fn show(&mut self, snapshot: Arc<Snapshot>, session: &mut Session) {
        let Some(entry) = self.find(snapshot.id) else { return };
        let report = &entry.view.report;
        session.learn_rate(&report.run.model, report.device.gpu, snapshot.progress.evaluations_per_second);
        entry.view.snapshot = Some(snapshot);
    }

    fn started(&mut self, report: Arc<RunReport>, session: &mut Session) -> Vec<Notice> {
        let notices = session.tell_once(report.notices.iter().cloned());
        let pending = self.pending.take_if(|pending| pending.id == report.id);
        let (name, device, parent) = match pending {
            Some(pending) => (pending.name, pending.device, pending.parent),
            None => (format!("Run {}", report.id.0), DeviceChoice::Auto, None),
        };
        self.shown = Some(report.id);
        let view = RunView { parent, ..RunView::new(report) };
        self.entries.push(Entry { name, device, view, branches: 0 });
        notices
    }

    fn settle(&mut self, id: RunId, state: RunState) {
        let ended = !matches!(state, RunState::Paused | RunState::Running);
        if ended {
            self.pending.take_if(|pending| pending.id == id);
            self.closed.remove(&id);
        }
        if let Some(entry) = self.find(id) {
            entry.view.state = state;
        }
    }

    fn failed(&mut self, id: RunId, failure: Failure) -> Option<Notice> {
        let pending = self.pending.take_if(|pending| pending.id == id).map(|pending| (pending.run, pending.device));
        let closed = self.closed.contains(&id);
        let begun = self.find(id).map(|entry| (entry.view.report.run.clone(), entry.device));
        self.settle(id, RunState::Failed(failure.clone()));
        if closed {
            return None;
        }
        let notice = Notice::problem(failure);
        // A branch is tried again from its parents' beginning: the state at hand may be what failed.
        Some(match pending.or(begun) {
            Some(what) => self.retries.offer(notice, what),
            None => notice,
        })
    }
}
