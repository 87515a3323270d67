//! The controls of what is asked of the model.

use super::draft::{FillDraft, MOST, Problem};
use crate::app::Context;
use crate::app::inpaint::{Command, Inpaint};
use crate::app::parameters::{menu, parameters};
use crate::app::theme::Theme;
use crate::app::widgets::icon::{self, Icon};
use crate::app::widgets::{Combo, control_width, fit_sliders, named, row, seed_field, segmented};
use crate::solver::Method;
use crate::task::Resampling;
use egui::{Button, DragValue, RichText, Slider, Ui, Vec2, vec2};

/// The tabs.
pub fn tabs(ui: &mut Ui, draft: &mut FillDraft) {
    let options = [
        (Problem::Fill, "Fill", None, "Fill in the masked area of the photo"),
        (Problem::Colourise, "Colour", None, "Colourise the photo; its grey values are kept"),
        (Problem::Restore, "Restore", None, "Restore a degraded photo: downsampled, blurred, noisy"),
        (Problem::Edit, "Edit", None, "Edit the photo by noising it to t and denoising it again (SDEdit)"),
    ];
    segmented(ui, &mut draft.problem, &options);
}

/// The controls under the tabs.
pub fn ui(ui: &mut Ui, inpaint: &mut Inpaint, cx: &mut Context) {
    let draft = &mut inpaint.fills.draft;
    match draft.problem {
        Problem::Fill | Problem::Colourise => {}
        Problem::Restore => losses(ui, draft),
        Problem::Edit => edit(ui, draft),
    }
    let measured = draft.problem != Problem::Edit || draft.only_painted;
    if measured {
        method(ui, draft, cx);
    }
    sizes(ui, draft);
    if measured {
        resampling(ui, draft);
    }
    seed(ui, draft);
    let size = vec2(ui.available_width(), 34.0);
    begin(ui, inpaint, cx, size);
}

fn losses(ui: &mut Ui, draft: &mut FillDraft) {
    let tip = "Degradation A to restore from; the photo is degraded first, y = A(x) + noise";
    row(ui, "Degradation", tip, |ui| {
        let combo = Combo { name: "Degradation", tip, width: control_width(ui) };
        menu(ui, &combo, &mut draft.degradation, |operator| operator.is_degradation(), |_| None);
    });
    parameters(ui, &mut draft.degradation);
    slide(
        ui,
        "Noise σ_y",
        &mut draft.noise,
        0.0..=1.0,
        3,
        "Standard deviation of the measurement noise in y, for values from 0 to 1",
    );
}

fn edit(ui: &mut Ui, draft: &mut FillDraft) {
    slide(
        ui,
        "Strength t",
        &mut draft.strength,
        0.02..=1.0,
        2,
        "Time t to which the photo is noised before it is denoised: near 0 keeps it, 1 discards it",
    );
    ui.checkbox(&mut draft.only_painted, "Masked area only")
        .on_hover_text("Keep everything outside the mask; the masked area starts from its own colours");
}

/// A slider with its number.
fn slide(
    ui: &mut Ui,
    name: &'static str,
    value: &mut f64,
    range: std::ops::RangeInclusive<f64>,
    digits: usize,
    tip: &str,
) {
    row(ui, name, tip, |ui| {
        fit_sliders(ui);
        named(ui.add(Slider::new(value, range).fixed_decimals(digits)), name, tip);
    });
}

fn method(ui: &mut Ui, draft: &mut FillDraft, cx: &Context) {
    let exact = cx.session.model(&cx.draft.model).is_some_and(|report| report.exact);
    let tip = draft.method.about().line();
    row(ui, "Method", &tip, |ui| {
        let combo = Combo { name: "Method", tip: &tip, width: control_width(ui) };
        let impossible = |method: &(dyn Method + 'static)| {
            (method.is_exact() && !exact).then(|| {
                "Only an exact model (Little Worlds, a folder of images, a mixture) has an exact posterior.".into()
            })
        };
        let mut method = draft.method.clone();
        if menu(ui, &combo, &mut method, |_| true, impossible) {
            draft.choose(method.entry());
        }
    });
    parameters(ui, &mut draft.method);
}

fn sizes(ui: &mut Ui, draft: &mut FillDraft) {
    let tip = "Number of samples, 1 to 16";
    row(ui, "Samples", tip, |ui| {
        let width = (control_width(ui) - 62.0) / 2.0;
        named(
            ui.add_sized(vec2(width, 24.0), DragValue::new(&mut draft.count).range(1..=MOST).speed(0.1)),
            "Samples",
            tip,
        );
        let tip = "Number of steps N of the time grid: more are slower but more accurate";
        let (area, response) = ui.allocate_exact_size(vec2(46.0, 24.0), egui::Sense::hover());
        let (font, ink) = (egui::TextStyle::Body.resolve(ui.style()), ui.visuals().text_color());
        ui.painter().text(area.center(), egui::Align2::CENTER_CENTER, "Steps", font, ink);
        response.on_hover_text(tip);
        named(ui.add_sized(vec2(width, 24.0), DragValue::new(&mut draft.steps).range(1..=2000)), "Steps", tip);
    });
}

fn resampling(ui: &mut Ui, draft: &mut FillDraft) {
    let tip = "RePaint (Lugmayr et al. 2022): repeat each jump of several steps, re-noising in between, so that the \
               masked area comes to match what is kept";
    ui.horizontal(|ui| {
        ui.checkbox(&mut draft.resample, "Resample").on_hover_text(tip);
        ui.add_enabled_ui(draft.resample, |ui| {
            let field = DragValue::new(&mut draft.times).range(1..=Resampling::MAX_TIMES).suffix("×").speed(0.1);
            named(ui.add(field), "Repeats", "How often each jump is repeated");
            let field = DragValue::new(&mut draft.jump).range(1..=100).suffix(" steps").speed(0.1);
            named(ui.add(field), "Jump length", "Number of steps in a jump");
        });
    });
}

fn seed(ui: &mut Ui, draft: &mut FillDraft) {
    let tip = "Determines all noise: the same seed gives the same samples. Unlocked, each result uses a new one";
    row(ui, "Seed", tip, |ui| {
        let width = control_width(ui) - 28.0;
        seed_field(ui, &mut draft.seed, width, tip);
        let icon = if draft.seed_locked { Icon::LOCKED } else { Icon::UNLOCKED };
        if icon::quiet_button(ui, icon, draft.seed_locked, "Lock seed", "Keep this seed for the next result").clicked()
        {
            draft.seed_locked = !draft.seed_locked;
        }
    });
}

/// The button that begins or stops, of this size.
pub fn begin(ui: &mut Ui, inpaint: &mut Inpaint, cx: &Context, size: Vec2) {
    let (busy, draft) = (inpaint.fills.is_busy(), &inpaint.fills.draft);
    let needs_paint = draft.problem == Problem::Fill || (draft.problem == Problem::Edit && draft.only_painted);
    let verb = draft.problem.verb();
    let why = if inpaint.canvas.is_none() {
        Some("Open a photo first.".to_owned())
    } else if needs_paint && inpaint.canvas.as_mut().is_some_and(|canvas| canvas.share() <= 0.0) {
        Some("Paint over the part to replace first.".to_owned())
    } else {
        draft.restoration(&cx.draft).err()
    };
    let theme = Theme::of(ui);
    let word = if busy { "Stop" } else { verb };
    let text = RichText::new(word).size(15.0).strong().color(theme.on_selected);
    let button = Button::new(text).fill(theme.selected);
    let response = ui.add_enabled_ui(busy || why.is_none(), |ui| ui.add_sized(size, button)).inner;
    let ink = theme.on_selected.gamma_multiply(if busy || why.is_none() { 0.75 } else { 0.4 });
    let font = egui::TextStyle::Small.resolve(ui.style());
    let place = response.rect.right_center() - vec2(10.0, 0.0);
    if size.x > 160.0 {
        ui.painter().text(place, egui::Align2::RIGHT_CENTER, if busy { "Esc" } else { "Enter" }, font, ink);
    }
    let tip = if busy { "Stop and keep earlier results (Esc)" } else { "Start sampling (Enter)" };
    if let Some(why) = &why {
        response.clone().on_disabled_hover_text(why);
    }
    if named(response, word, tip).clicked() {
        inpaint.commands.push(Command::FillOrStop);
    }
}
