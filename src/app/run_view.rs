//! What the window keeps of each run: the newest snapshot, the state, and where the person looks.

use super::theme::Theme;
use crate::engine::{Failure, Recorded, RunReport, Snapshot, TaskId};
use egui::Color32;
use std::sync::Arc;

/// Where a run stands.
#[derive(Clone, Debug, PartialEq)]
pub enum RunState {
    Running,
    Paused,
    Finished,
    Stopped,
    Failed(Failure),
}

impl RunState {
    /// Its colour, the same wherever it is shown.
    pub fn color(&self, theme: &Theme) -> Color32 {
        match self {
            RunState::Running => theme.accent,
            RunState::Paused => theme.warning,
            RunState::Finished => theme.good,
            RunState::Stopped => theme.weak,
            RunState::Failed(_) => theme.bad,
        }
    }
}

/// Which recorded step of a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// The newest, whatever comes.
    Live,
    /// The moment after this many steps (or the nearest recorded one before it).
    Step(usize),
}

/// One run as the window sees it.
#[derive(Clone, Debug)]
pub struct RunView {
    pub id: TaskId,
    pub report: Arc<RunReport>,
    pub snapshot: Option<Arc<Snapshot>>,
    pub state: RunState,
    pub cursor: Cursor,
    /// The run that this one branched from, and after how many steps.
    pub parent: Option<(TaskId, usize)>,
}

impl RunView {
    /// A run that has just begun.
    pub fn new(id: TaskId, report: Arc<RunReport>) -> Self {
        RunView { id, report, snapshot: None, state: RunState::Running, cursor: Cursor::Live, parent: None }
    }

    /// All recorded steps kept so far, in order.
    pub fn timeline(&self) -> &[Arc<Recorded>] {
        self.snapshot.as_ref().map_or(&[], |snapshot| &snapshot.timeline)
    }

    /// The recorded step under the cursor, and the one before it (for the change since).
    pub fn shown(&self) -> (Option<Arc<Recorded>>, Option<Arc<Recorded>>) {
        let timeline = self.timeline();
        let newest = self.snapshot.as_ref().map(|snapshot| snapshot.newest.clone());
        let shown = match self.cursor {
            Cursor::Live => newest,
            Cursor::Step(step) => {
                let after = timeline.partition_point(|moment| moment.step <= step);
                after.checked_sub(1).and_then(|index| timeline.get(index)).cloned().or(newest)
            }
        };
        let before = shown.as_ref().and_then(|shown| {
            let index = timeline.partition_point(|moment| moment.step < shown.step);
            index.checked_sub(1).and_then(|index| timeline.get(index)).cloned()
        });
        (shown, before)
    }

    /// Whether the engine still works on it.
    pub fn is_active(&self) -> bool {
        matches!(self.state, RunState::Running | RunState::Paused)
    }
}
