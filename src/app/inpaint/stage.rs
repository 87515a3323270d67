//! The middle of the workspace: the photo, as large as it goes, and what is painted on it.

use super::look::Look;
use super::viewport::Placed;
use super::{Command, Inpaint, fills, hand, overlay};
use crate::app::Context;
use crate::app::theme::{Theme, UNIT};
use crate::app::widgets::{dashed, main_button};
use egui::emath::GuiRounding;
use egui::{Align, Button, Frame, Margin, Rect, RichText, Role, Sense, Stroke, Ui, UiBuilder, WidgetInfo, vec2};

/// Laid on what is painted: a colour that photos seldom have, and its strength.
const TINT: [f32; 4] = [0.93, 0.16, 0.55, 0.55];
/// What the photo is multiplied by outside the square.
const SHADE: f32 = 0.55;
/// Side of a check around the photo, in points.
const CHECK: f32 = 8.0;

/// Shows the stage. `begins`: with the button that begins, as the panel which has it is hidden.
pub fn ui(ui: &mut Ui, inpaint: &mut Inpaint, cx: &Context, begins: bool) {
    let bar = Frame::new().inner_margin(Margin::symmetric(8, 4));
    if inpaint.canvas.is_some() {
        egui::Panel::top("inpaint bar").resizable(false).frame(bar).show(ui, |ui| top(ui, inpaint, cx, begins));
    }
    if inpaint.canvas.is_some() {
        fills::timeline(ui, inpaint);
    }
    let well = Frame::new().fill(ui.visuals().extreme_bg_color);
    egui::CentralPanel::no_frame().frame(well).show(ui, |ui| match inpaint.canvas {
        Some(_) => photo(ui, inpaint),
        None => empty(ui, inpaint, cx.drops),
    });
}

/// The photo's name and size, how much of it is painted, and how large it is shown.
fn top(ui: &mut Ui, inpaint: &mut Inpaint, cx: &Context, begins: bool) {
    ui.horizontal(|ui| {
        ui.set_min_height(24.0);
        ui.with_layout(egui::Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = UNIT;
            if begins {
                fills::begin(ui, inpaint, cx, vec2(118.0, 24.0));
            }
            let Some(canvas) = &mut inpaint.canvas else { return };
            ui.toggle_value(&mut inpaint.draft.inset, "Model's view")
                .on_hover_text("Show what the model sees, in a corner");
            let commands = [
                ("+", "Zoom in", "Zoom in (+, or the wheel)", Command::Zoom(1)),
                ("Fit", "Fit", "Show the whole photo (0)", Command::Fit),
                ("1:1", "Actual pixels", "One photo pixel per screen pixel (1)", Command::Actual),
                ("−", "Zoom out", "Zoom out (−, or the wheel)", Command::Zoom(-1)),
            ];
            for (text, name, tip, command) in commands {
                let button = ui.add(Button::new(text).min_size(vec2(24.0, 24.0)));
                if button.on_hover_text(tip).accessible_name(name).clicked() {
                    inpaint.commands.push(command);
                }
            }
            ui.with_layout(egui::Layout::left_to_right(Align::Center), |ui| {
                let [width, height] = canvas.photo.size();
                let share = 100.0 * canvas.share();
                let painted = if share > 0.0 && share < 0.1 { "<0.1".into() } else { format!("{share:.1}") };
                let words = format!("{width}×{height} · {painted}% masked");
                let tip = "Size of the photo, and how much of it is masked";
                ui.add(egui::Label::new(RichText::new(&canvas.photo.name).strong()).truncate());
                // Where there is no room for it, its beginning alone says nothing.
                if ui.available_width() > 60.0 {
                    ui.add(egui::Label::new(RichText::new(words).weak()).truncate()).on_hover_text(tip);
                }
            });
        });
    });
}

fn photo(ui: &mut Ui, inpaint: &mut Inpaint) {
    let pane = ui.available_rect_before_wrap().round_to_pixels(ui.pixels_per_point());
    let response = ui.allocate_rect(pane, Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, "Photo with its mask"));
    let Some(size) = inpaint.canvas.as_ref().map(|canvas| canvas.photo.size()) else { return };
    hand::navigate(ui, &response, inpaint, size);
    let placed = inpaint.viewport.place(pane, size);
    hand::draw(ui, &response, inpaint, placed);
    let look = look(ui, inpaint, placed);
    if let (Some(canvas), Some(look)) = (&mut inpaint.canvas, look) {
        inpaint.display.paint(ui, pane, canvas, look);
    }
    inpaint.lay(ui, pane, placed);
    overlay::ui(ui, &response, inpaint, placed);
    if let Some(canvas) = inpaint.canvas.as_mut().filter(|_| inpaint.draft.inset) {
        inpaint.inset.ui(ui, pane, canvas, inpaint.side, TINT);
    }
}

/// How the photo looks, in pixels of the screen.
fn look(ui: &Ui, inpaint: &Inpaint, placed: Placed) -> Option<Look> {
    let canvas = inpaint.canvas.as_ref()?;
    let ppp = ui.pixels_per_point();
    let [light, dark] = if ui.visuals().dark_mode { [0.125, 0.098] } else { [0.90, 0.86] };
    Some(Look {
        origin: [(placed.origin.x * ppp).round(), (placed.origin.y * ppp).round()],
        scale: placed.scale * ppp,
        size: canvas.photo.size(),
        square: canvas.square(),
        tint: if inpaint.is_laid() { [TINT[0], TINT[1], TINT[2], 0.0] } else { TINT },
        checks: [light, dark, CHECK * ppp],
        shade: SHADE,
    })
}

/// What to do first.
fn empty(ui: &mut Ui, inpaint: &mut Inpaint, drops: bool) {
    let area = ui.available_rect_before_wrap();
    let side = (area.width().min(area.height()) - 48.0).clamp(200.0, 560.0);
    let rect = Rect::from_center_size(area.center(), vec2(side, side));
    dashed(ui, rect, "");
    let middle = Rect::from_center_size(rect.center(), vec2((side - 32.0).min(360.0), 190.0));
    ui.scope_builder(UiBuilder::new().max_rect(middle), |ui| {
        ui.vertical_centered(|ui| {
            if inpaint.loader.waiting {
                ui.label(RichText::new("Opening…").heading());
                return;
            }
            ui.label(RichText::new("What else could be here?").heading());
            ui.label("Open a photo, paint over the part to replace, and let the model fill it in.");
            ui.add_space(8.0);
            let button = main_button(ui, "Open a photo…", "", vec2(170.0, 36.0), true);
            if button.on_hover_text("JPEG, PNG, GIF, BMP or WebP (Ctrl+O)").clicked() {
                inpaint.commands.push(Command::OpenPhoto);
            }
            let line = Stroke::new(1.0, Theme::of(ui).weak);
            let button = Button::new("Try an example").stroke(line).min_size(vec2(170.0, 28.0));
            if ui.add(button).on_hover_text("Paint on an image of Little Worlds").clicked() {
                inpaint.commands.push(Command::World);
            }
            ui.add_space(4.0);
            let how = match drops {
                true => "Or drop a photo here, or paste one.",
                false => "Or press Ctrl+O, or paste one. Under Wayland, files cannot be dropped.",
            };
            ui.label(RichText::new(how).small().weak());
        });
    });
    ui.advance_cursor_after_rect(area);
}
