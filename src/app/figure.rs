//! Compact plots, as all workspaces show them.

use super::theme::{SMALL, Theme, UNIT};
use egui::{Align2, CollapsingHeader, Color32, FontId, RichText, Ui, vec2};
use egui_plot::{AxisHints, GridInput, GridMark, Plot, PlotPoint, PlotPoints, PlotUi, Points};
use std::ops::RangeInclusive;

/// A title that folds, with the present figure at its right.
pub fn section(ui: &mut Ui, title: &str, tip: &str, figure: Option<String>, body: impl FnOnce(&mut Ui)) {
    let right = ui.max_rect().right();
    let header = CollapsingHeader::new(RichText::new(title).small()).id_salt(title).default_open(true);
    let header = header.show_unindented(ui, body).header_response.on_hover_text(tip);
    if let Some(figure) = figure {
        let at = egui::pos2(right - UNIT, header.rect.center().y);
        ui.painter().text(at, Align2::RIGHT_CENTER, figure, FontId::proportional(SMALL), Theme::of(ui).weak);
    }
}

/// Whether an axis shows numbers or their powers of ten.
#[derive(Clone, Copy, PartialEq)]
pub enum Scale {
    Plain,
    Log,
}

/// A compact plot that nothing can drag out of place.
pub fn quiet<'a>(ui: &Ui, id: &str, y: Scale, height: f32) -> Plot<'a> {
    let axes = [AxisHints::new_x(), AxisHints::new_y().min_thickness(32.0)];
    let [x_axis, y_axis] = axes.map(|axis| quiet_axis(ui, axis));
    let plot = match y {
        Scale::Log => Plot::new(id).custom_y_axes(vec![y_axis.formatter(power_of_ten)]).y_grid_spacer(log_marks),
        Scale::Plain => Plot::new(id).custom_y_axes(vec![y_axis.formatter(|mark, _| short(mark.value))]),
    };
    plot.height(height)
        // The last figure of the x axis hangs over by half.
        .width(ui.available_width() - 2.0 * UNIT)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_axis_zoom_drag(false)
        .allow_double_click_reset(false)
        .show_crosshair(false)
        .set_margin_fraction(vec2(0.02, 0.08))
        .grid_spacing(24.0..=120.0)
        .grid_color(Theme::of(ui).line)
        .grid_fade(0.0)
        .custom_x_axes(vec![x_axis])
}

/// An axis of such a plot.
pub fn quiet_axis<'a>(ui: &Ui, axis: AxisHints<'a>) -> AxisHints<'a> {
    // Figures are shown where they are 14 points apart, all equally strong.
    let axis = axis.label_spacing(egui::Rangef::new(14.0, 15.0));
    axis.tick_label_font(FontId::proportional(SMALL - 1.0)).tick_label_color(Theme::of(ui).weak)
}

/// Grid marks of an axis in log₁₀: powers of ten, and where few of them are seen 2 and 5 times those.
pub fn log_marks(input: GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let decades = (high - low).abs();
    // No more than four powers, however far the axis reaches.
    let stride = (decades / 3.5).ceil().max(1.0);
    let factors: &[f64] = match decades {
        few if few < 0.5 => &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        few if few < 1.6 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let first = (low / stride).floor() as i64;
    let last = (high / stride).ceil().min(low / stride + 50.0) as i64;
    let powers = (first..=last).map(|power| power as f64 * stride);
    let marks = powers.flat_map(|power| factors.iter().map(move |factor| power + factor.log10()));
    // One step size for all: none is fainter than the others.
    marks.filter(|value| (low..=high).contains(value)).map(|value| GridMark { value, step_size: stride }).collect()
}

/// What is said of a point.
pub fn label(near: &egui_plot::HoverPosition<'_>, axis: &str, y: Scale) -> Option<String> {
    match near {
        egui_plot::HoverPosition::NearDataPoint { plot_name, position, .. } => {
            let value = if y == Scale::Log { 10f64.powf(position.y) } else { position.y };
            Some(format!("{plot_name} {}\n{axis} {}", short(value), short(position.x)))
        }
        egui_plot::HoverPosition::Elsewhere { .. } => None,
    }
}

/// A mark of an axis in log₁₀.
pub fn power_of_ten(mark: GridMark, _range: &RangeInclusive<f64>) -> String {
    short(10f64.powf(mark.value))
}

/// Measured points.
pub fn dots<'a>(plot: &mut PlotUi<'a>, name: &str, points: &'a [PlotPoint], colour: Color32) {
    // Many dots are a line.
    let radius = if points.len() > 120 { 1.2 } else { 2.2 };
    plot.points(Points::new(name, PlotPoints::Borrowed(points)).radius(radius).color(colour));
}

/// A number with three significant digits.
pub fn short(value: f64) -> String {
    let text = match value.abs() {
        0.0 => return "0".into(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.1e}").replace(".0e", "e"),
        size => {
            let digits = (2 - size.log10().floor() as i32).clamp(0, 5) as usize;
            let text = format!("{value:.digits$}");
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
        }
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_axes_are_marked_at_round_numbers() {
        let marks = |low: f64, high: f64| -> Vec<String> {
            let input = GridInput { bounds: (low.log10(), high.log10()), base_step_size: 0.1 };
            log_marks(input).into_iter().map(|mark| short(10f64.powf(mark.value))).collect()
        };
        assert_eq!(marks(0.45, 1.3), ["0.5", "0.6", "0.7", "0.8", "0.9", "1"]);
        assert_eq!(marks(0.4, 12.0), ["0.5", "1", "2", "5", "10"]);
        assert_eq!(marks(0.4, 60.0), ["1", "10"]);
        assert_eq!(marks(1e-7, 1.5), ["1e−6", "0.001", "1"]);
    }

    #[test]
    fn figures_have_three_digits() {
        let found = [0.0, 0.5, 1.0, 12.345, 50.0, 1234.5, -0.001_234, 1.2e-7].map(short);
        assert_eq!(found, ["0", "0.5", "1", "12.3", "50", "1234", "−0.00123", "1.2e−7"]);
    }
}
