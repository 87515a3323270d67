//! The row above the pictures, and what is written over them.

use super::field::Field;
use super::{Arrangement, Filter, Hovered, Kind, PictureSettings, View};
use crate::app::theme::{SMALL, Theme, UNIT};
use crate::app::widgets::icon::{self, Icon};
use crate::engine::{Failure, Recorded};
use egui::{Align2, Color32, FontId, Mesh, Pos2, Rect, Sense, Stroke, Ui, vec2};

/// View, layout, filter, exposure; and the colour bar where values are mapped.
pub fn toolbar(ui: &mut Ui, settings: &mut PictureSettings, kind: Kind, field: Option<&Field>) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = UNIT;
        for (key, view) in (1..).zip(View::ALL) {
            let chosen = ui.selectable_label(settings.view == view, view.name());
            if chosen.on_hover_text(format!("{} ({key})", explain(view))).clicked() {
                settings.view = view;
            }
        }
        if kind != Kind::Points {
            apart(ui);
            if kind == Kind::Pictures {
                layout(ui, settings);
            }
            filter(ui, settings);
        }
        if let Some(field) = field.filter(|field| field.map.is_some()) {
            colour_bar(ui, field);
        }
    });
}

fn explain(view: View) -> &'static str {
    match view {
        View::State => "x(t): the state of the run at the step shown",
        View::Denoised => "The denoised estimate x̂₀ = (x + σ²·score)/α",
        View::Score => "|score|: the norm of the score over channels, for every pixel",
        View::Change => "Change in the last recorded step: x now − x before, mean over channels",
    }
}

fn layout(ui: &mut Ui, settings: &mut PictureSettings) {
    let options = [
        (Arrangement::Grid, Icon::GRID, "All samples", "All samples (G)"),
        (
            Arrangement::One,
            Icon::ONE,
            "One sample",
            "One sample, as large as possible (G, or click it; Page Up and Page Down for others)",
        ),
    ];
    for (layout, icon, name, tip) in options {
        if icon::button(ui, icon, settings.layout == layout, name, tip).clicked() {
            settings.show(layout);
        }
    }
    apart(ui);
}

/// A line between two groups, unless the row ends there.
fn apart(ui: &mut Ui) {
    if ui.available_size_before_wrap().x >= 12.0 * UNIT {
        ui.separator();
    }
}

fn filter(ui: &mut Ui, settings: &mut PictureSettings) {
    let options = [
        (Filter::Nearest, Icon::NEAREST, "Sharp pixels", "Sharp pixels: each value is a square"),
        (Filter::Smooth, Icon::SMOOTH, "Smooth pixels", "Smooth: interpolated between pixels, in linear light"),
    ];
    for (filter, icon, name, tip) in options {
        if icon::button(ui, icon, settings.filter == filter, name, tip).clicked() {
            settings.filter = filter;
        }
    }
    if settings.view == View::State {
        apart(ui);
        let tip = "Scale with noise: black and white move out with σ(t), so that x(t) is not clipped";
        if icon::button(ui, Icon::EXPOSURE, settings.normalised, "Scale with noise", tip).clicked() {
            settings.normalised = !settings.normalised;
        }
    }
    if settings.zoom > 1.0 {
        let text = format!("{:.0} %", 100.0 * settings.zoom);
        if ui.button(text).on_hover_text("Fit to the window (double click)").clicked() {
            settings.reset_zoom();
        }
    }
}

/// The colours of a field and the values at its ends, on the right of the row.
fn colour_bar(ui: &mut Ui, field: &Field) {
    let width = 40.0 * UNIT;
    let left = ui.available_width();
    let Some(map) = field.map.filter(|_| left >= width) else { return };
    ui.add_space(left - width);
    let (rect, response) = ui.allocate_exact_size(vec2(width, 20.0), Sense::hover());
    let theme = Theme::of(ui);
    let font = FontId::proportional(SMALL);
    let bar = Rect::from_center_size(rect.center(), vec2(60.0, 8.0));
    ui.painter().text(
        bar.left_center() - vec2(UNIT, 0.0),
        Align2::RIGHT_CENTER,
        figure(field.low),
        font.clone(),
        theme.weak,
    );
    ui.painter().text(bar.right_center() + vec2(UNIT, 0.0), Align2::LEFT_CENTER, figure(field.high), font, theme.weak);
    let mut mesh = Mesh::default();
    let stops = super::ColourMap::STOPS - 1;
    for stop in 0..=stops {
        let place = stop as f32 / stops as f32;
        let x = bar.left() + place * bar.width();
        mesh.colored_vertex(Pos2::new(x, bar.top()), map.colour(place));
        mesh.colored_vertex(Pos2::new(x, bar.bottom()), map.colour(place));
    }
    for stop in 0..stops as u32 {
        mesh.add_triangle(2 * stop, 2 * stop + 1, 2 * stop + 2);
        mesh.add_triangle(2 * stop + 1, 2 * stop + 2, 2 * stop + 3);
    }
    ui.painter().add(mesh);
    response.on_hover_text(format!(
        "Colours from {} to {}: the 99th percentile of magnitudes at this step",
        figure(field.low),
        figure(field.high)
    ));
}

/// A number in at most six characters.
pub fn figure(value: f32) -> String {
    let size = value.abs();
    let text = match () {
        () if value == 0.0 => "0".into(),
        () if !(0.001..9999.5).contains(&size) => format!("{value:.0e}"),
        () if size >= 99.95 => format!("{value:.0}"),
        () if size >= 9.995 => format!("{value:.1}"),
        () => format!("{value:.2}"),
    };
    text.replace('-', "−")
}

/// Sample, pixel and values under the pointer, in the lower left corner.
pub fn readout(ui: &Ui, pane: Rect, shown: &Recorded, hovered: Option<&Hovered>) {
    let Some(hovered) = hovered else { return };
    let mut text = format!("sample {} of {}", hovered.sample + 1, shown.x.shape[0]);
    if let Some([x, y]) = hovered.pixel {
        text += &format!("   pixel {x}, {y}");
    }
    // A long vector is in the panel of plots.
    let values = |values: &[f32]| values.iter().take(4).map(|value| format!("{value:>8.3}")).collect::<String>();
    if !hovered.x.is_empty() {
        text += &format!("\nx(t)    {}", values(&hovered.x));
    }
    if !hovered.denoised.is_empty() {
        text += &format!("\ndenoised{}", values(&hovered.denoised));
    }
    let theme = Theme::of(ui);
    let galley = ui.painter().layout_no_wrap(text, FontId::monospace(SMALL), theme.text);
    let place = Align2::LEFT_BOTTOM.anchor_size(pane.left_bottom() + vec2(16.0, -16.0), galley.size());
    ui.painter().rect(
        place.expand(6.0),
        4,
        theme.panel.gamma_multiply(0.92),
        Stroke::new(1.0, theme.line),
        egui::StrokeKind::Inside,
    );
    ui.painter().galley(place.min, galley, theme.text);
}

/// A few words on a ground of their own.
pub fn chip(ui: &Ui, at: Pos2, align: Align2, text: &str, ink: Color32) {
    let theme = Theme::of(ui);
    let galley = ui.painter().layout_no_wrap(text.into(), FontId::proportional(SMALL), ink);
    let grown = align.anchor_size(at, galley.size() + vec2(16.0, 8.0));
    ui.painter().rect(grown, 4, theme.panel, Stroke::new(1.0, theme.line), egui::StrokeKind::Inside);
    ui.painter().galley(grown.min + vec2(8.0, 4.0), galley, ink);
}

/// What went wrong, and what to do.
pub fn failure(ui: &Ui, pane: Rect, failure: &Failure) {
    let theme = Theme::of(ui);
    let width = (pane.width() - 64.0).clamp(80.0, 480.0);
    let layout = |text: &str, ink| ui.painter().layout(text.into(), FontId::proportional(13.0), ink, width);
    let what = layout(&failure.what, theme.bad);
    let remedy = layout(&failure.remedy, theme.text);
    let size = vec2(width, what.size().y + 8.0 + remedy.size().y);
    let place = Align2::CENTER_BOTTOM.anchor_size(pane.center_bottom() - vec2(0.0, 32.0), size);
    ui.painter().rect(place.expand(12.0), 8, theme.panel, Stroke::new(1.0, theme.bad), egui::StrokeKind::Inside);
    let below = place.min + vec2(0.0, what.size().y + 8.0);
    ui.painter().galley(place.min, what, theme.bad);
    ui.painter().galley(below, remedy, theme.text);
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn figures_are_short_and_keep_their_sign() {
        let found = [0.0, 0.1234, -0.5, 12.34, -456.7, 1234.0, 123_456.0, 0.0001].map(figure);
        assert_eq!(found, ["0", "0.12", "−0.50", "12.3", "−457", "1234", "1e5", "1e−4"]);
    }
}
