//! Under the pictures: where in the run one looks, playback, and branching.

use super::theme::{SMALL, Theme, UNIT};
use super::widgets::icon::{self, Icon};
use super::{Cursor, RunView};
use crate::engine::{Recorded, TaskId};
use egui::{
    Align2, EventFilter, FontId, Key, Modifiers, Pos2, Rect, Response, RichText, Role, Sense, Stroke, Ui, WidgetInfo,
    pos2, vec2,
};
use serde::{Deserialize, Serialize};

/// Recorded steps a second at speed 1.
const RATE: f32 = 10.0;
/// The speeds of playback.
const SPEEDS: [f32; 6] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0];

/// What the timeline remembers. The speed is saved with the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimelineState {
    /// Speed of playback: one of ¼ to 8.
    pub speed: f32,
    #[serde(skip)]
    pub playing: bool,
    /// Runs that branched from the one shown, and after how many of its steps. Set by the window.
    #[serde(skip)]
    pub branches: Vec<(TaskId, usize)>,
    /// What the buttons to branch and to save do here.
    #[serde(skip)]
    pub tips: Tips,
    /// The part of a step that playback has come beyond the one shown.
    #[serde(skip)]
    carry: f32,
}

impl TimelineState {
    /// A timeline whose buttons do this.
    pub fn new(tips: Tips) -> Self {
        TimelineState { tips, ..TimelineState::default() }
    }
}

/// What the buttons to branch and to save do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tips {
    pub branch: &'static str,
    pub save: &'static str,
}

impl Default for Tips {
    fn default() -> Self {
        Tips {
            branch: "Branch: continue from this step with other settings (B)",
            save: "Save the images of this step (Ctrl+S)",
        }
    }
}

impl Default for TimelineState {
    fn default() -> Self {
        TimelineState { speed: 1.0, playing: false, branches: Vec::new(), tips: Tips::default(), carry: 0.0 }
    }
}

/// What a person asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimelineAction {
    #[default]
    None,
    /// Continue from the step shown with other settings.
    Branch,
    /// Save the step shown.
    Save,
    /// Show a run that branched from this one.
    Open(TaskId),
}

/// Two rows: playback, scrub bar, branch and save; and the figures of the step shown.
pub fn ui(ui: &mut Ui, run: &mut RunView, state: &mut TimelineState) -> TimelineAction {
    let looked_at = run.cursor;
    play(ui, run, state);
    let mut action = keys(ui, run);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = UNIT;
        playback(ui, run, state);
        let buttons = 2.0 * 24.0 + 3.0 * UNIT;
        let width = (ui.available_width() - buttons).max(80.0);
        if let Some(other) = scrub(ui, run, state, width) {
            action = TimelineAction::Open(other);
        }
        ui.add_space(UNIT);
        let Tips { branch, save } = state.tips;
        let fork = ui.add_enabled_ui(can_branch(run), |ui| icon::button(ui, Icon::BRANCH, false, "Branch", branch));
        if fork.inner.on_disabled_hover_text("Branching needs a step between the first and the last").clicked() {
            action = TimelineAction::Branch;
        }
        let some = run.snapshot.is_some();
        if ui.add_enabled_ui(some, |ui| icon::button(ui, Icon::SAVE, false, "Save", save)).inner.clicked() {
            action = TimelineAction::Save;
        }
    });
    figures(ui, run);
    if run.cursor != looked_at {
        // Pictures and plots may have been laid out before.
        ui.request_repaint();
    }
    action
}

/// Steps of the whole run.
fn steps(run: &RunView) -> usize {
    run.report.times.len().saturating_sub(1).max(1)
}

fn shown_step(run: &RunView) -> usize {
    run.shown().0.map_or(0, |moment| moment.step)
}

fn newest_step(run: &RunView) -> usize {
    run.snapshot.as_ref().map_or(0, |snapshot| snapshot.newest.step)
}

/// A branch begins after at least one step and before the last.
pub fn can_branch(run: &RunView) -> bool {
    let step = shown_step(run);
    run.snapshot.is_some() && step >= 1 && step < steps(run)
}

/// Looks at the recorded step nearest to `step`; at the newest it keeps up with the run.
fn look_at(run: &mut RunView, step: usize) {
    let nearest = run.timeline().iter().map(|moment| moment.step).min_by_key(|kept| kept.abs_diff(step));
    let newest = newest_step(run);
    run.cursor = match nearest {
        Some(kept) if kept < newest && step < newest => Cursor::Step(kept),
        _ => Cursor::Live,
    };
}

/// Moves by a number of recorded steps.
fn move_by(run: &mut RunView, moments: isize) {
    let step = shown_step(run);
    let timeline = run.timeline();
    let place = timeline.partition_point(|moment| moment.step < step);
    let place = place.saturating_add_signed(moments);
    let step = timeline.get(place).map_or(usize::MAX, |moment| moment.step);
    look_at(run, step);
}

/// Moves the cursor while playing.
fn play(ui: &Ui, run: &mut RunView, state: &mut TimelineState) {
    if !state.playing {
        return;
    }
    // A long frame does not jump ahead.
    state.carry += ui.input(|input| input.stable_dt).min(0.1) * RATE * state.speed;
    let moments = state.carry.floor();
    state.carry -= moments;
    if moments > 0.0 {
        move_by(run, moments as isize);
    }
    if run.cursor == Cursor::Live {
        state.playing = false;
    } else {
        ui.request_repaint();
    }
}

/// ← → (with Shift ten), Home, End, B.
fn keys(ui: &Ui, run: &mut RunView) -> TimelineAction {
    let focus = ui.memory(|memory| memory.focused());
    let free = focus.is_none() || focus == Some(bar_id(ui));
    let mut branch = false;
    let mut moves = 0;
    let mut end = None;
    if ui.ctx().text_edit_focused() {
        return TimelineAction::None;
    }
    ui.input_mut(|input| {
        branch = input.consume_key(Modifiers::NONE, Key::B);
        if free {
            for (modifiers, far) in [(Modifiers::SHIFT, 10), (Modifiers::NONE, 1)] {
                moves += far * input.count_and_consume_key(modifiers, Key::ArrowRight) as isize;
                moves -= far * input.count_and_consume_key(modifiers, Key::ArrowLeft) as isize;
            }
            end = input.consume_key(Modifiers::NONE, Key::Home).then_some(0);
            end = input.consume_key(Modifiers::NONE, Key::End).then_some(usize::MAX).or(end);
        }
    });
    if moves != 0 {
        move_by(run, moves);
    }
    if let Some(step) = end {
        look_at(run, step);
    }
    if branch && can_branch(run) { TimelineAction::Branch } else { TimelineAction::None }
}

/// Back, play or pause, forward, and the speed.
fn playback(ui: &mut Ui, run: &mut RunView, state: &mut TimelineState) {
    if icon::button(ui, Icon::BACK, false, "Back", "One recorded step back (←; Shift for ten, Home for the first)")
        .clicked()
    {
        state.playing = false;
        move_by(run, -1);
    }
    let (icon, name) = if state.playing { (Icon::PAUSE, "Pause playback") } else { (Icon::PLAY, "Play") };
    let tip = "Play the recorded steps; the run itself continues";
    if icon::button(ui, icon, state.playing, name, tip).clicked() {
        state.playing = !state.playing && run.timeline().len() > 1;
        state.carry = 0.0;
        if state.playing && run.cursor == Cursor::Live {
            look_at(run, 0);
        }
    }
    let tip = "One recorded step forward (→; Shift for ten, End for the newest)";
    if icon::button(ui, Icon::FORWARD, false, "Forward", tip).clicked() {
        state.playing = false;
        move_by(run, 1);
    }
    let menu = egui::ComboBox::from_id_salt("speed").width(48.0).selected_text(speed_name(state.speed));
    let menu = menu.show_ui(ui, |ui| {
        for speed in SPEEDS {
            let text = format!("{} · {:.3} steps/s", speed_name(speed), speed * RATE);
            let text = text.replace(".000", "").replace(".500", ".5");
            ui.selectable_value(&mut state.speed, speed, text);
        }
    });
    menu.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Speed"));
    menu.response.on_hover_text("Playback speed, in recorded steps per second");
}

fn speed_name(speed: f32) -> &'static str {
    match speed {
        s if s < 0.4 => "¼×",
        s if s < 0.8 => "½×",
        s if s < 1.5 => "1×",
        s if s < 3.0 => "2×",
        s if s < 6.0 => "4×",
        _ => "8×",
    }
}

fn bar_id(ui: &Ui) -> egui::Id {
    ui.ctx().viewport_id().0.with("timeline bar")
}

/// The bar: a click or drag looks at a recorded step. Returns a branch that was clicked.
fn scrub(ui: &mut Ui, run: &mut RunView, state: &mut TimelineState, width: f32) -> Option<TaskId> {
    let (_, rect) = ui.allocate_space(vec2(width, 28.0));
    let response = ui.interact(rect, bar_id(ui), Sense::click_and_drag());
    let bar = Bar { rail: rect.shrink2(vec2(34.0, 8.0)).translate(vec2(0.0, 4.0)), steps: steps(run) };
    let filter = EventFilter { horizontal_arrows: true, ..Default::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    let pointed = response.interact_pointer_pos();
    let branch = pointed.filter(|_| response.clicked()).and_then(|at| bar.branch_at(&state.branches, at));
    if let Some(at) = pointed.filter(|_| branch.is_none() && (response.dragged() || response.clicked())) {
        state.playing = false;
        look_at(run, bar.step_at(at));
    }
    bar.paint(ui, run, state, &response);
    response.widget_info(|| WidgetInfo::slider(true, shown_step(run) as f64, "Recorded step"));
    let under = response.hover_pos().map(|at| bar.step_at(at));
    if let Some(step) = under
        && let Some(t) = run.report.times.get(step)
    {
        let mark = response.hover_pos().and_then(|at| bar.branch_at(&state.branches, at));
        let text = match mark {
            Some(_) => format!("Branch at step {step} of {}, t = {t:.4}: click to show it", bar.steps),
            None => format!("t = {t:.4}, step {step} of {}", bar.steps),
        };
        response.on_hover_text_at_pointer(text);
    }
    branch
}

/// Places on the scrub bar: linear in the number of steps done.
struct Bar {
    rail: Rect,
    steps: usize,
}

impl Bar {
    fn place(&self, step: usize) -> Pos2 {
        let part = step.min(self.steps) as f32 / self.steps as f32;
        pos2(self.rail.left() + part * self.rail.width(), self.rail.center().y)
    }

    fn step_at(&self, at: Pos2) -> usize {
        let part = ((at.x - self.rail.left()) / self.rail.width().max(1.0)).clamp(0.0, 1.0);
        (part * self.steps as f32).round() as usize
    }

    fn branch_at(&self, branches: &[(TaskId, usize)], at: Pos2) -> Option<TaskId> {
        let near = |step: usize| (at.x - self.place(step).x).abs() <= 6.0 && at.y < self.rail.center().y - 1.0;
        branches.iter().find(|(_, step)| near(*step)).map(|(run, _)| *run)
    }

    fn paint(&self, ui: &Ui, run: &RunView, state: &TimelineState, response: &Response) {
        let theme = Theme::of(ui);
        let painter = ui.painter();
        let middle = self.rail.center().y;
        let rail = |from: f32, to: f32| Rect::from_min_max(pos2(from, middle - 1.5), pos2(to, middle + 1.5));
        painter.rect_filled(rail(self.rail.left(), self.rail.right()), 1, theme.raised);
        let newest = self.place(newest_step(run));
        painter.rect_filled(rail(self.rail.left(), newest.x), 1, theme.weak.gamma_multiply(0.55));
        self.ticks(ui, run.timeline().iter().map(|moment| moment.step));
        for (_, step) in &state.branches {
            let at = self.place(*step);
            painter.line_segment([at - vec2(0.0, 2.0), at], Stroke::new(1.0, theme.text));
            Icon::BRANCH.paint(painter, at - vec2(0.0, 8.0), theme.text);
        }
        if run.parent.is_some() {
            Icon::BRANCH.paint(painter, self.place(0) - vec2(0.0, 8.0), theme.weak);
        }
        if run.is_active() {
            painter.circle_filled(newest, 3.0, theme.text);
        }
        self.ends(ui, run);
        let target = self.place(shown_step(run)).x;
        let gliding = ui.ctx().animate_value_with_time(response.id, target, 0.08);
        // Where frames are slow a glide would only lag behind.
        let slow = ui.input(|input| input.stable_dt) > 0.04;
        let x = if response.dragged() || slow { target } else { gliding };
        let radius = if response.hovered() || response.has_focus() { 7.0 } else { 6.0 };
        painter.circle(pos2(x, middle), radius, theme.accent, Stroke::new(2.0, theme.panel));
        if response.has_focus() {
            painter.circle_stroke(pos2(x, middle), radius + 2.0, Stroke::new(1.0, theme.accent));
        }
    }

    /// Marks under the rail for recorded steps, no denser than they can be seen.
    fn ticks(&self, ui: &Ui, steps: impl Iterator<Item = usize>) {
        let line = Stroke::new(1.0, Theme::of(ui).weak);
        let mut last = f32::NEG_INFINITY;
        for step in steps {
            let at = self.place(step);
            if at.x - last >= 3.0 {
                ui.painter().line_segment([at + vec2(0.0, 5.0), at + vec2(0.0, 9.0)], line);
                last = at.x;
            }
        }
    }

    /// The times at both ends.
    fn ends(&self, ui: &Ui, run: &RunView) {
        let theme = Theme::of(ui);
        let time = |t: Option<&f64>| t.map_or(String::new(), |t| format!("{t:.2}").replace(".00", ""));
        let (first, last) = (time(run.report.times.first()), time(run.report.times.last()));
        let font = FontId::proportional(SMALL);
        let gap = vec2(10.0, 0.0);
        let left = if first.len() > 1 { first } else { format!("t={first}") };
        ui.painter().text(self.rail.left_center() - gap, Align2::RIGHT_CENTER, left, font.clone(), theme.weak);
        ui.painter().text(self.rail.right_center() + gap, Align2::LEFT_CENTER, format!("t={last}"), font, theme.weak);
    }
}

/// t, σ, α, step and evaluations of the step shown.
fn figures(ui: &mut Ui, run: &RunView) {
    let Some(shown) = run.shown().0 else {
        ui.label(RichText::new("Nothing recorded yet").small().weak());
        return;
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0 * UNIT;
        for (text, tip) in moment_figures(&shown, steps(run)) {
            ui.label(RichText::new(text).small()).on_hover_text(tip);
        }
        let live = run.cursor == Cursor::Live && run.is_active();
        let behind = newest_step(run).saturating_sub(shown.step);
        if live {
            ui.label(RichText::new("● live").small().color(Theme::of(ui).accent)).on_hover_text("Follows the run");
        } else if run.is_active() && behind > 0 {
            let steps = if behind == 1 { "step" } else { "steps" };
            let text = RichText::new(format!("{behind} {steps} behind the run")).small().weak();
            ui.label(text).on_hover_text("The run continues; End shows its newest state");
        }
    });
}

fn moment_figures(shown: &Recorded, steps: usize) -> [(String, &'static str); 5] {
    [
        (format!("t {:.4}", shown.t), "t: time of x, from 1 (noise) to 0 (data)"),
        (format!("σ {}", short(shown.level.sigma)), "σ(t): standard deviation of the noise in x(t)"),
        (format!("α {}", short(shown.level.alpha)), "α(t): scale of the data in x(t)"),
        (format!("step {} of {steps}", shown.step), "Steps of the time grid done"),
        (format!("{} NFE", shown.nfe), "Score evaluations per sample so far"),
    ]
}

/// Four significant digits, or fewer where the number is long.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size < 1e-3 => format!("{value:.2e}").replace('-', "−"),
        size if size < 1.0 => format!("{value:.4}"),
        size if size < 10.0 => format!("{value:.3}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_its_own_place_and_is_found_there() {
        let bar = Bar { rail: Rect::from_min_size(pos2(100.0, 0.0), vec2(400.0, 24.0)), steps: 37 };
        for step in 0..=37 {
            assert_eq!(bar.step_at(bar.place(step)), step);
        }
        assert_eq!(bar.step_at(pos2(-50.0, 0.0)), 0);
        assert_eq!(bar.step_at(pos2(900.0, 0.0)), 37);
    }
}
