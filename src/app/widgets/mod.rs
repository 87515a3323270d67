//! Controls that all panels share: a labelled row, a combo, a segmented choice, room for a picture.

pub mod icon;

use super::theme::Theme;
use egui::{
    Align2, Color32, ComboBox, Rect, Response, RichText, Role, ScrollArea, Sense, Stroke, TextEdit, Ui, Vec2,
    WidgetInfo, vec2,
};

/// Width of the labels to the left of the controls.
const LABEL: f32 = 76.0;

/// Points that a row's control may take.
pub fn control_width(ui: &Ui) -> f32 {
    ui.available_width().max(40.0)
}

/// Points of a slider's value, the longest of which has seven figures, and of the gap before it.
const VALUE: f32 = 78.0;

/// Gives the sliders that follow all the room but that of their values.
pub fn fit_sliders(ui: &mut Ui) {
    ui.spacing_mut().slider_width = (control_width(ui) - VALUE).max(40.0);
}

/// A label and a control beside it. The label has the same tooltip as the control.
pub fn row<R>(ui: &mut Ui, label: &str, tip: &str, add: impl FnOnce(&mut Ui) -> R) -> R {
    ui.horizontal(|ui| {
        let height = ui.spacing().interact_size.y;
        let (area, response) = ui.allocate_exact_size(vec2(LABEL, height), Sense::hover());
        let color = ui.visuals().text_color();
        let font = egui::TextStyle::Body.resolve(ui.style());
        ui.painter().text(area.left_center(), egui::Align2::LEFT_CENTER, label, font, color);
        response.on_hover_text(tip);
        add(ui)
    })
    .inner
}

/// One choice among several, with an accessible name, a tooltip, and for each option that
/// is not possible now the sentence that says why.
pub struct Combo<'a> {
    pub name: &'a str,
    pub tip: &'a str,
    pub width: f32,
}

impl Combo<'_> {
    /// Shows the combo; whether the value changed.
    pub fn show<T: Clone + PartialEq>(
        &self,
        ui: &mut Ui,
        value: &mut T,
        options: &[T],
        text: impl Fn(&T) -> String,
        impossible: impl Fn(&T) -> Option<String>,
    ) -> bool {
        let before = value.clone();
        let shown = self.menu(ui, &text(value), |ui| {
            for option in options {
                let why = impossible(option);
                let chosen = *option == *value;
                let button = egui::Button::selectable(chosen, text(option));
                let response = ui.add_enabled(why.is_none(), button);
                if response.clicked() {
                    *value = option.clone();
                }
                if let Some(why) = why {
                    response.on_disabled_hover_text(why);
                }
            }
        });
        let _ = shown;
        *value != before
    }

    /// The same, no wider than it is to be, where something stands beside it.
    pub fn menu_beside<R>(&self, ui: &mut Ui, selected: &str, add: impl FnOnce(&mut Ui) -> R) -> Option<R> {
        let size = vec2(self.width, ui.spacing().interact_size.y);
        let layout = egui::Layout::left_to_right(egui::Align::Center);
        ui.allocate_ui_with_layout(size, layout, |ui| {
            ui.set_max_width(self.width);
            self.menu(ui, selected, add)
        })
        .inner
    }

    /// Shows a combo with a menu of one's own.
    pub fn menu<R>(&self, ui: &mut Ui, selected: &str, add: impl FnOnce(&mut Ui) -> R) -> Option<R> {
        let shown = ComboBox::from_id_salt(self.name)
            .selected_text(selected)
            .width(self.width)
            .height(440.0)
            .truncate()
            .show_ui(ui, add);
        shown.response.on_hover_text(self.tip).accessible_name(self.name);
        shown.inner
    }
}

/// One choice among few, all visible, each with its own colour. Whether the value changed.
pub fn segmented<T: Copy + PartialEq>(
    ui: &mut Ui,
    value: &mut T,
    options: &[(T, &str, Option<Color32>, &str)],
) -> bool {
    let before = *value;
    // In rows of so many that names have room.
    let rows = if options.len() > MOST_IN_A_ROW { 2 } else { 1 };
    for options in options.chunks(options.len().div_ceil(rows).max(1)) {
        segments(ui, value, options);
    }
    *value != before
}

/// Choices beside each other that still have room for their names.
const MOST_IN_A_ROW: usize = 5;

fn segments<T: Copy + PartialEq>(ui: &mut Ui, value: &mut T, options: &[(T, &str, Option<Color32>, &str)]) {
    let gap = 2.0;
    let width = (ui.available_width() - gap * (options.len() as f32 - 1.0)) / options.len() as f32;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        for &(option, name, color, tip) in options {
            let chosen = *value == option;
            let mut text = RichText::new(name);
            if let Some(color) = color
                && !chosen
            {
                text = text.color(color);
            }
            let mut button = egui::Button::new(text).selected(chosen).min_size(vec2(width, 24.0));
            if let (Some(color), true) = (color, chosen) {
                button = egui::Button::new(RichText::new(name).color(on(color)).strong())
                    .fill(color)
                    .min_size(vec2(width, 24.0));
            }
            let response = ui.add(button);
            response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, name));
            if response.on_hover_text(tip).clicked() {
                *value = option;
            }
        }
    });
}

/// The button that a workspace is about, with the key that does the same.
pub fn main_button(ui: &mut Ui, word: &str, key: &str, size: Vec2, enabled: bool) -> Response {
    let theme = Theme::of(ui);
    let text = RichText::new(word).size(15.0).strong().color(theme.on_selected);
    let response = ui.add_enabled(enabled, egui::Button::new(text).fill(theme.selected).min_size(size));
    let place = response.rect.right_center() - vec2(10.0, 0.0);
    let font = egui::TextStyle::Small.resolve(ui.style());
    let ink = theme.on_selected.gamma_multiply(if enabled { 0.75 } else { 0.4 });
    ui.painter().text(place, Align2::RIGHT_CENTER, key, font, ink);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, word));
    response
}

/// Black or white, whichever reads better on `color`.
pub fn on(color: Color32) -> Color32 {
    let [r, g, b, _] = color.to_normalized_gamma_f32().map(|v| v.powf(2.2));
    if 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 { Color32::BLACK } else { Color32::WHITE }
}

/// A panel above all others, closed by its own button, by Esc, or by a click beside it. It scrolls where the window is too
/// low for it. `add` answers whether it is done with.
pub fn modal(ui: &Ui, name: &'static str, open: &mut bool, width: f32, add: impl FnOnce(&mut Ui) -> bool) {
    let frame = egui::Frame::popup(ui.style()).inner_margin(16);
    let shown = egui::Modal::new(egui::Id::unique(name)).frame(frame).show(ui.ctx(), |ui| {
        let room = ui.ctx().content_rect().size() - vec2(48.0, 48.0);
        ScrollArea::vertical().max_height(room.y).min_scrolled_height(room.y).show(ui, |ui| {
            ui.set_width(width.min(room.x));
            add(ui)
        })
    });
    if shown.inner.inner || shown.should_close() {
        *open = false;
    }
}

/// A number with a tooltip and an accessible name.
pub fn named(response: Response, name: &str, tip: &str) -> Response {
    response.on_hover_text(tip).accessible_name(name)
}

/// A field for a seed of 64 bits. Not a field for numbers: those hold 53 bits.
pub fn seed_field(ui: &mut Ui, seed: &mut u64, width: f32, tip: &str) {
    let id = ui.scope_id().with("seed");
    // What is being typed, which may not be a number yet.
    let typed = ui.data(|data| data.get_temp::<String>(id));
    let mut text = typed.unwrap_or_else(|| seed.to_string());
    let field = TextEdit::singleline(&mut text).id(id.with("field")).align(Align2::LEFT_CENTER);
    let response = named(ui.add_sized(vec2(width, 24.0), field), "Seed", tip);
    if response.changed()
        && let Ok(number) = text.trim().parse()
    {
        *seed = number;
    }
    if response.has_focus() {
        ui.data_mut(|data| data.insert_temp(id, text));
    } else {
        ui.data_mut(|data| data.remove::<String>(id));
    }
}

/// Room for a picture with an accessible name.
pub fn frame(ui: &mut Ui, size: egui::Vec2, sense: Sense, name: &str) -> (Rect, Response) {
    let (rect, response) = ui.allocate_exact_size(size, sense);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    (rect, response)
}

/// A dashed square that says what will be there.
pub fn dashed(ui: &Ui, rect: Rect, text: &str) {
    let theme = Theme::of(ui);
    let rect = rect.shrink(0.5);
    let corners = [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom(), rect.left_top()];
    ui.painter().extend(egui::Shape::dashed_line(&corners, Stroke::new(1.0, theme.weak), 5.0, 4.0));
    if !text.is_empty() {
        let font = egui::TextStyle::Small.resolve(ui.style());
        let galley = ui.painter().layout(text.into(), font, theme.weak, rect.width() - 12.0);
        let corner = Align2::CENTER_CENTER.align_size_within_rect(galley.size(), rect).min;
        ui.painter().galley(corner, galley, theme.weak);
    }
}

/// A length of time as people say it: "17 s", "3 min 20 s", "2 h 5 min".
pub fn human_time(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "–".into();
    }
    let whole = seconds.round() as u64;
    match whole {
        0 if seconds < 0.1 => "<0.1 s".into(),
        0..=1 => format!("{seconds:.1} s"),
        2..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A whole number in groups of three digits.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    groups.iter().map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join(",")
}

/// A quantity of memory in MB, or GB where there is more.
pub fn human_bytes(bytes: usize) -> String {
    let mb = bytes as f64 / 1e6;
    if mb < 1000.0 { format!("{mb:.0} MB") } else { format!("{:.2} GB", mb / 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        let said = [0.0, 0.4, 17.2, 200.0, 7500.0, f64::INFINITY].map(human_time);
        assert_eq!(said, ["<0.1 s", "0.4 s", "17 s", "3 min 20 s", "2 h 5 min", "–"]);
    }

    #[test]
    fn digits_come_in_threes() {
        let said = [0, 12, 999, 1000, 1_234_567].map(thousands);
        assert_eq!(said, ["0", "12", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn text_on_a_colour_is_the_one_that_reads_better() {
        assert_eq!(on(Color32::YELLOW), Color32::BLACK);
        assert_eq!(on(Color32::DARK_BLUE), Color32::WHITE);
    }
}
