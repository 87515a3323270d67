//! The workspace "Trajectory": how does it get there?

use super::layout::{Layout, Pane};
use super::models::Models;
use super::picture::{Hovered, PictureView};
use super::setup::{Setup, is_stale};
use super::status::{dot, state_color};
use super::theme::Theme;
use super::timeline::{self, TimelineAction, TimelineState};
use super::{Action, Draft, Session, plots};
use crate::engine::RunId;
use crate::score::Description;
use egui::{Frame, Margin, RichText, ScrollArea, Ui};

/// What all workspaces share: the session, the next run's settings, the models.
pub struct Desk<'a> {
    pub session: &'a mut Session,
    pub draft: &'a mut Draft,
    pub models: &'a mut Models,
    pub actions: &'a mut Vec<Action>,
}

/// The workspace's own state.
pub struct Trajectory {
    pub layout: Layout,
    pub picture: PictureView,
    timeline: TimelineState,
    hovered: Option<Hovered>,
}

impl Trajectory {
    /// The workspace with a layout that was saved.
    pub fn new(layout: Layout, picture: PictureView) -> Self {
        Trajectory { layout, picture, timeline: TimelineState::default(), hovered: None }
    }

    /// The sample that is pointed at.
    pub fn sample(&self) -> Option<usize> {
        self.hovered.as_ref().map(|hovered| hovered.sample)
    }

    /// Shows the workspace in all the room there is.
    pub fn ui(&mut self, ui: &mut Ui, desk: &mut Desk<'_>) {
        let Trajectory { layout, picture, timeline, hovered } = self;
        let mut pointed = None;
        layout.ui(ui, &mut |ui, pane| match pane {
            Pane::Setup => setup(ui, desk),
            Pane::Picture => pointed = centre(ui, picture, timeline, desk),
            Pane::Plots => {
                panel(ui).inner_margin(Margin::symmetric(8, 4)).show(ui, |ui| {
                    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                        let family = desk.draft.family().unwrap_or_else(|_| desk.draft.family.published());
                        let run = desk.session.current().map(|entry| &entry.view);
                        let model = run.map_or(&desk.draft.model, |run| &run.report.run.model);
                        let report = desk.session.model(model);
                        let trained = report.and_then(|report| report.description.as_ref());
                        let trained = trained.map(Description::trained_ratios).unwrap_or_default();
                        plots::ui(ui, run, plots::Path { family: &family, trained: &trained }, hovered.as_ref());
                    });
                });
            }
        });
        self.hovered = pointed;
    }
}

/// The ground of a side pane.
fn panel(ui: &Ui) -> Frame {
    Frame::new().fill(ui.visuals().panel_fill)
}

fn setup(ui: &mut Ui, desk: &mut Desk<'_>) {
    panel(ui).show(ui, |ui| {
        let session = &*desk.session;
        Setup { draft: desk.draft, models: desk.models, session, actions: desk.actions }.ui(ui);
    });
}

/// The strip of runs, the picture, the timeline.
fn centre(
    ui: &mut Ui,
    picture: &mut PictureView,
    timeline: &mut TimelineState,
    desk: &mut Desk<'_>,
) -> Option<Hovered> {
    strip(ui, desk);
    let bar = Frame::new().inner_margin(Margin::symmetric(8, 6)).fill(ui.visuals().panel_fill);
    let session = &mut *desk.session;
    timeline.branches = branches(session);
    if let Some(entry) = session.current_mut() {
        let asked = egui::Panel::bottom("timeline")
            .resizable(false)
            .frame(bar)
            .show(ui, |ui| timeline::ui(ui, &mut entry.view, timeline))
            .inner;
        match asked {
            TimelineAction::None => {}
            TimelineAction::Branch => desk.actions.push(Action::OfferBranch),
            TimelineAction::Save => desk.actions.push(Action::OfferExport),
            TimelineAction::Open(other) => desk.actions.push(Action::Select(other)),
        }
    }
    let next = desk.draft.run().ok();
    picture.stale = is_stale(session, next.as_ref());
    let margin = Margin { left: 6, right: 6, top: 4, bottom: 0 };
    let well = panel(ui).inner_margin(margin);
    let shown = egui::CentralPanel::no_frame().frame(well).show(ui, |ui| match session.current() {
        Some(entry) => picture.ui(ui, &entry.view).hovered,
        None => {
            picture.empty(ui, desk.draft.count);
            None
        }
    });
    shown.inner
}

/// The runs that branched from the one that is looked at, and after how many of its steps.
fn branches(session: &Session) -> Vec<(RunId, usize)> {
    let parent = |entry: &super::Entry| entry.view.parent.map(|(parent, step)| (parent, entry.id(), step));
    let of_shown = |(parent, id, step)| (Some(parent) == session.shown).then_some((id, step));
    session.runs.iter().filter_map(parent).filter_map(of_shown).collect()
}

/// One tab for each run, with its state's colour.
fn strip(ui: &mut Ui, desk: &mut Desk<'_>) {
    let theme = Theme::of(ui);
    let session = &*desk.session;
    if session.runs.is_empty() {
        return;
    }
    let frame = Frame::new().inner_margin(Margin::symmetric(8, 2)).fill(theme.panel);
    egui::Panel::top("runs").resizable(false).frame(frame).show(ui, |ui| {
        egui::ScrollArea::horizontal().show(ui, |ui| {
            ui.horizontal(|ui| {
                for entry in &session.runs {
                    ui.push_id(entry.id().0, |ui| tab(ui, entry, session.shown == Some(entry.id()), desk.actions));
                }
            });
        });
    });
}

fn tab(ui: &mut Ui, entry: &super::Entry, chosen: bool, actions: &mut Vec<Action>) {
    ui.spacing_mut().item_spacing.x = 4.0;
    let theme = Theme::of(ui);
    dot(ui, state_color(&entry.view.state, theme));
    let run = &entry.view.report.run;
    let tip = format!(
        "{} in {}, {} steps, seed {}, on {}",
        entry.view.report.model.name,
        run.family.kind(),
        run.steps.get(),
        run.seed,
        entry.view.report.device.name
    );
    if ui.selectable_label(chosen, &entry.name).on_hover_text(tip).clicked() {
        actions.push(Action::Select(entry.id()));
    }
    let close = ui.add(egui::Button::new(RichText::new("×").weak()).frame(false));
    let name = format!("Close {}", entry.name);
    if close.on_hover_text("Forget this run and free what it recorded").accessible_name(name).clicked() {
        actions.push(Action::Close(entry.id()));
    }
    ui.add_space(8.0);
}
