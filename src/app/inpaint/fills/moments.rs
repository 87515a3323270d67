//! Looking back at the steps of a fill, and going on from one of them in another way.

use super::{FillDraft, Fills, Question};
use crate::app::draft::sentence;
use crate::app::inpaint::{Command, Inpaint};
use crate::app::timeline::{self, TimelineAction, Tips};
use crate::app::{Cursor, Draft, Notice, RunView, Session};
use crate::engine::{Recorded, TaskId};
use crate::sde::unit;
use crate::task::Fork;
use egui::{Frame, Margin, Ui};
use std::sync::Arc;

/// What the timeline's buttons do here.
pub const TIPS: Tips = Tips {
    branch: "Branch: continue from this step with the current method, steps and mask (Shift+B)",
    save: "Save the photo at full size with the selected sample of this step blended in",
};

/// Shows the timeline of the fill that is looked at, under the photo.
pub fn timeline(ui: &mut Ui, inpaint: &mut Inpaint) {
    let bar = Frame::new().inner_margin(Margin::symmetric(8, 6));
    let fills = &mut inpaint.fills;
    fills.timeline.branches = fills.branches();
    let mut state = std::mem::take(&mut fills.timeline);
    let view = fills.view_mut().filter(|view| view.snapshot.is_some());
    let asked = view.map_or(TimelineAction::None, |view| {
        let panel = egui::Panel::bottom("timeline of the fill").resizable(false).frame(bar);
        panel.show(ui, |ui| timeline::ui(ui, view, &mut state)).inner
    });
    fills.timeline = state;
    let answer = |id| fills.answers.iter().position(|answer| answer.view.as_ref().is_some_and(|view| view.id == id));
    inpaint.commands.extend(match asked {
        TimelineAction::None => None,
        TimelineAction::Branch => Some(Command::Branch),
        TimelineAction::Save => Some(Command::SaveFilled),
        TimelineAction::Open(id) => answer(id).map(Command::GoBack),
    });
}

impl Fills {
    /// The fill that is looked at: the one under way, else the way to the answer that is shown.
    fn view(&self) -> Option<&RunView> {
        match &self.under_way {
            Some(under_way) => under_way.view.as_ref(),
            None => self.answer()?.view.as_ref(),
        }
    }

    fn view_mut(&mut self) -> Option<&mut RunView> {
        match &mut self.under_way {
            Some(under_way) => under_way.view.as_mut(),
            None => self.answers.get_mut(self.shown)?.view.as_mut(),
        }
    }

    /// The step shown, by the number of its steps; `None` where an answer itself is.
    pub fn moment(&self) -> Option<usize> {
        self.moment.as_ref().map(|(moment, _)| moment.step)
    }

    /// Looks at no earlier step any more.
    pub(super) fn look_at_the_newest(&mut self) {
        self.view_mut().into_iter().for_each(|view| view.cursor = Cursor::Live);
    }

    /// The answers that branched from the one that is looked at, and after how many of its steps.
    pub fn branches(&self) -> Vec<(TaskId, usize)> {
        let shown = self.view().map(|view| view.id);
        let views = self.answers.iter().filter_map(|answer| answer.view.as_ref());
        let of_shown = |view: &RunView| view.parent.filter(|(parent, _)| Some(*parent) == shown);
        views.filter_map(|view| of_shown(view).map(|(_, step)| (view.id, step))).collect()
    }

    /// Makes pictures of the step shown, unless that is an answer itself.
    pub(super) fn look(&mut self) {
        let view = self.view().filter(|view| self.under_way.is_some() || view.cursor != Cursor::Live);
        let shown = view.and_then(|view| {
            let moment = view.shown().0?;
            // What is under way begins with an estimate; looking back, there is noise before it.
            let some = moment.denoised.is_some() || view.cursor != Cursor::Live;
            some.then_some((moment, view.report.model.range.map(|_| view.report.range)))
        });
        let Some((moment, range)) = shown else {
            self.moment = None;
            return;
        };
        if !self.moment.as_ref().is_some_and(|(kept, _)| Arc::ptr_eq(kept, &moment)) {
            let pictures = moment.denoised.as_ref().map_or_else(|| unit(&moment.x, range), |of| unit(of, range));
            self.moment = Some((moment, pictures));
        }
    }

    /// The question that a branch from the step shown asks, and that moment.
    fn branch(&self, shared: &Draft) -> Result<(Question, TaskId, Arc<Recorded>), String> {
        let nothing = || "Fill in first: a branch continues a recorded run.".to_owned();
        let (view, parent) = self.view().zip(self.question()).ok_or_else(nothing)?;
        let moment = view.shown().0.ok_or_else(nothing)?;
        if !timeline::can_branch(view) {
            return Err("Go back first (←): a branch starts at a step between the first and the last.".into());
        }
        let draft = FillDraft { problem: parent.problem, ..self.draft.clone() };
        let mut restoration = draft.restoration(shared)?;
        let before = &parent.restoration;
        let run = &mut restoration.run;
        (run.model, run.family, run.count) = (before.run.model.clone(), before.run.family, before.run.count);
        (restoration.operator, restoration.noise) = (before.operator.clone(), before.noise);
        restoration.strength = before.strength;
        restoration.fork = Some(Box::new(Fork { parent: before.clone(), step: moment.step }));
        restoration.check().map_err(sentence)?;
        let question = Question { restoration, device: shared.device, ..parent.clone() };
        Ok((question, view.id, moment))
    }
}

impl Inpaint {
    /// Goes on from the step shown with what is set and painted now; its fill is kept, if it has ended.
    pub(in crate::app::inpaint) fn branch(&mut self, session: &Session, shared: &Draft) -> Option<Notice> {
        match self.fills.branch(shared) {
            Ok((mut question, parent, moment)) => {
                if let Some(canvas) = self.canvas.as_mut().filter(|_| question.observation.confidence.is_some()) {
                    question.take(canvas);
                }
                self.fills.begin(session, question, Some((parent, moment)));
                None
            }
            Err(why) => Some(Notice::remark(why)),
        }
    }
}
