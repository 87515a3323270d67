//! Workspaces: the one door through which the window knows them.

use super::context::Context;
use super::files::OpenedFile;
use super::keys::{KeyLine, Keys};
use super::panes::Panes;
use super::photos::Offer;
use super::status::{Standing, TaskLine};
use super::theme::Theme;
use egui::Ui;
use serde_json::Value;
use std::any::Any;
use std::path::Path;

/// What a workspace says of itself.
pub struct WorkspaceInfo {
    /// On its tab; in lower case, the name under which it is saved.
    pub name: &'static str,
    /// The question that it answers.
    pub question: &'static str,
    /// What the help says first.
    pub help: &'static str,
    /// The keys that it obeys.
    pub keys: fn() -> Vec<KeyLine>,
    /// What a dropped picture does here, if anything of its own: "put this picture into a slot".
    pub picture_drop: Option<&'static str>,
    /// What can be undone, if anything: "a change of settings".
    pub undoes: Option<&'static str>,
}

/// One question, and all that answers it. Each method but the first two may be left out.
///
/// In a frame come, in this order: `poll` of every workspace; of the one that is shown `keys`, `ui` and `above`; `settle`
/// of every workspace. What is not this workspace's own is in the [`Context`]. Nothing here waits.
pub trait Workspace: Any {
    /// What it says of itself.
    fn info(&self) -> &'static WorkspaceInfo;

    /// Shows it in all the room there is.
    fn ui(&mut self, ui: &mut Ui, cx: &mut Context);

    /// Shows its panels above everything.
    fn above(&mut self, _ui: &Ui, _cx: &mut Context) {}

    /// Whether such a panel is shown: keys are not obeyed then.
    fn is_covered(&self) -> bool {
        false
    }

    /// Its panes, which the window can show and hide.
    fn panes(&mut self) -> Option<&mut Panes> {
        None
    }

    /// Takes in what its tasks, threads and dialogs have said, whether it is shown or not.
    fn poll(&mut self, _cx: &mut Context) {}

    /// Obeys keys.
    fn keys(&mut self, _keys: &Keys<'_>, _cx: &mut Context) {}

    /// Whether Esc means something on the screen, before it stops anything.
    fn takes_escape(&self) -> bool {
        false
    }

    /// Takes a file that was dropped on it, by its name; whether it does.
    fn take_drop(&mut self, _path: &Path, _cx: &mut Context) -> bool {
        false
    }

    /// Takes what was opened, shown or not; whether it does. Models never come here: they are for all.
    fn take_file(&mut self, _opened: &OpenedFile, _cx: &mut Context) -> bool {
        false
    }

    /// Takes a change back.
    fn undo(&mut self, _cx: &mut Context) {}

    /// Makes it again.
    fn redo(&mut self, _cx: &mut Context) {}

    /// No hand is on a control: what stays as it is for a moment becomes a step that can be undone.
    fn settle(&mut self, _cx: &Context) {}

    /// Where its newest run stands, for the left of the status bar.
    fn standing(&self, _theme: &Theme) -> Option<Standing> {
        None
    }

    /// What it works on, for the right of the status bar.
    fn task(&self) -> Option<TaskLine> {
        None
    }

    /// Ends that, and keeps what is done.
    fn stop(&mut self, _cx: &mut Context) {}

    /// What other workspaces can go on from.
    fn offer(&self) -> Option<Offer> {
        None
    }

    /// The window closes: ends what would be lost, and waits until it is kept.
    fn close(&mut self) {}

    /// The window can no longer be drawn: leaves what goes on, for the same workspace of the next window.
    fn leave(&mut self) -> Option<Box<dyn Any>> {
        None
    }

    /// Takes over what the same workspace of the window before left.
    fn take_over(&mut self, _left: Box<dyn Any>) {}

    /// What survives a restart; [`Settings::of`] gives it back. Called every few seconds.
    fn save(&mut self) -> Value {
        Value::Null
    }
}
