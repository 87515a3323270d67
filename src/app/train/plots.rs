//! Loss and gradient over a training, and the loss by noise level now.

use super::Course;
use crate::app::figure::{Scale, label, log_marks, power_of_ten, quiet, quiet_axis, section, short};
use crate::app::panes;
use crate::app::theme::Theme;
use crate::train::{History, LEVELS, Point};
use egui::{RichText, Ui};
use egui_plot::{AxisHints, Line, PlotPoint};

/// Steps of which the present loss by noise level is the mean, at least.
const RECENT: u32 = 100;

/// Shows the plots.
pub fn ui(ui: &mut Ui, course: Option<&Course>) {
    let Some(history) = course.and_then(Course::history).filter(|history| !history.points.is_empty()) else {
        return panes::figures(ui, 8, |ui| {
            let text = "Loss and gradient will be plotted here, once a training has begun.";
            ui.label(RichText::new(text).weak());
        });
    };
    panes::figures(ui, 4, |ui| {
        let height = ((ui.clip_rect().height() - 120.0) / 3.0).clamp(72.0, 180.0);
        let tip = "Mean loss of the batches, by images seen: what the objective minimises";
        over_time(ui, "loss", tip, history, height, |point| point.mean_loss());
        let tip = "Euclidean norm of the whole gradient before it is clipped, by images seen";
        over_time(ui, "gradient norm", tip, history, height, |point| point.mean_gradient());
        by_level(ui, history, height);
    });
}

fn over_time(ui: &mut Ui, name: &str, tip: &str, history: &History, height: f32, figure: impl Fn(&Point) -> f64) {
    let point = |point: &Point| PlotPoint::new(point.images as f64, figure(point).max(1e-12).log10());
    let points: Vec<PlotPoint> = history.points.iter().map(point).collect();
    let last = history.points.last().map(|point| short(figure(point)));
    let colour = Theme::of(ui).accent;
    section(ui, name, tip, last, |ui| {
        quiet(ui, name, Scale::Log, height).label_formatter(|near| label(near, "images", Scale::Log)).show(
            ui,
            |plot| {
                plot.line(Line::new(name, &*points).color(colour).width(1.5));
            },
        );
    });
}

/// The mean loss of the last steps at each noise level.
fn by_level(ui: &mut Ui, history: &History, height: f32) {
    let mut sums = [(0.0, 0u32); LEVELS];
    let mut steps = 0;
    for point in history.points.iter().rev() {
        for (sum, (loss, count)) in sums.iter_mut().zip(&point.levels) {
            *sum = (sum.0 + loss, sum.1 + count);
        }
        steps += point.steps;
        if steps >= RECENT {
            break;
        }
    }
    let point = |(level, (sum, count)): (usize, &(f32, u32))| {
        let mean = f64::from(*sum / *count as f32);
        (*count > 0).then(|| PlotPoint::new(history.levels.ratio(level).log10(), mean.max(1e-12).log10()))
    };
    let points: Vec<PlotPoint> = sums.iter().enumerate().filter_map(point).collect();
    let colour = Theme::of(ui).accent;
    let tip = "Mean loss of the last hundred steps at each noise level σ/α";
    section(ui, "loss by σ/α", tip, None, |ui| {
        let x = quiet_axis(ui, AxisHints::new_x()).formatter(power_of_ten);
        let plot = quiet(ui, "loss by level", Scale::Log, height).custom_x_axes(vec![x]).x_grid_spacer(log_marks);
        plot.label_formatter(|near| label(near, "log₁₀ σ/α", Scale::Log)).show(ui, |plot| {
            plot.line(Line::new("loss", &*points).color(colour).width(1.5));
        });
    });
}
