//! Loss and gradient over a training, and the loss by noise level now.

use super::{Beside, Course};
use crate::app::figure::{Scale, label, log_marks, power_of_ten, quiet, quiet_axis, section, short};
use crate::app::panes;
use crate::app::theme::Theme;
use crate::train::{History, LEVELS, Point, Remembered, copying};
use egui::{RichText, Ui};
use egui_plot::{AxisHints, Line, PlotPoint};
use std::sync::Arc;

/// Steps of which the present loss by noise level is the mean, at least.
const RECENT: u32 = 100;

/// Shows the plots.
pub fn ui(ui: &mut Ui, course: Option<&Course>, beside: Option<&Beside>) {
    let beside = beside.and_then(|beside| beside.history.as_deref());
    let own = course.and_then(Course::history).map(Arc::as_ref).filter(|history| !history.points.is_empty());
    let Some(history) = own.or(beside) else {
        return panes::figures(ui, 8, |ui| {
            let text = "Loss and gradient will be plotted here, once a training has begun.";
            ui.label(RichText::new(text).weak());
        });
    };
    panes::figures(ui, 4, |ui| {
        let height = ((ui.clip_rect().height() - 150.0) / 4.0).clamp(72.0, 180.0);
        let tip = "Mean loss of the batches, by images seen: what the objective minimises";
        over_time(ui, "loss", tip, [Some(history), beside], height, |point| point.mean_loss());
        let tip = "Euclidean norm of the whole gradient before it is clipped, by images seen";
        over_time(ui, "gradient norm", tip, [Some(history), beside], height, |point| point.mean_gradient());
        by_level(ui, history, height);
        if let Some(shown) = course.and_then(|course| course.shown.as_ref())
            && !shown.remembered.is_empty()
        {
            remembered(ui, &shown.remembered, height);
        }
    });
}

/// Whether it learns or copies.
fn remembered(ui: &mut Ui, all: &[Remembered], height: f32) {
    let theme = Theme::of(ui);
    let tip = "Error of denoised images (root mean square, in [−1, 1]) by noise level σ/α: of training images, of images \
               that the training never sees, and of these by the exact score of the training images, which only copies. \
               0%: unseen images are denoised as well as training images (learning); 100%: as badly as by the exact score \
               (copying)";
    let figure = copying(all).map(|share| format!("copying {:.0}%", 100.0 * share));
    let curve = |figure: &dyn Fn(&Remembered) -> f64| -> Vec<PlotPoint> {
        all.iter().map(|at| PlotPoint::new(at.ratio.log10(), figure(at))).collect()
    };
    let curves = [
        ("training images", curve(&|at| at.seen), theme.series[1]),
        ("unseen images", curve(&|at| at.unseen), theme.series[0]),
        ("exact score, unseen", curve(&|at| at.exact), theme.weak),
    ];
    section(ui, "memorisation", tip, figure, |ui| {
        let x = quiet_axis(ui, AxisHints::new_x()).formatter(power_of_ten);
        let plot = quiet(ui, "memorisation", Scale::Plain, height).custom_x_axes(vec![x]).x_grid_spacer(log_marks);
        let plot = plot.include_y(0.0).label_formatter(|near| label(near, "log₁₀ σ/α", Scale::Plain));
        plot.legend(egui_plot::Legend::default().position(egui_plot::Corner::LeftTop)).show(ui, |plot| {
            for (name, points, colour) in &curves {
                plot.line(Line::new(*name, &**points).color(*colour).width(1.5));
            }
        });
    });
}

/// A figure over the images seen, of one training and of another beside it.
fn over_time(
    ui: &mut Ui,
    name: &str,
    tip: &str,
    histories: [Option<&History>; 2],
    height: f32,
    figure: impl Fn(&Point) -> f64,
) {
    let point = |point: &Point| PlotPoint::new(point.images as f64, figure(point).max(1e-12).log10());
    let of = |history: Option<&History>| -> Vec<PlotPoint> {
        history.into_iter().flat_map(|history| &history.points).map(point).collect()
    };
    let [points, others] = histories.map(of);
    let theme = Theme::of(ui);
    let last = histories[0].and_then(|history| history.points.last()).map(|point| short(figure(point)));
    section(ui, name, tip, last, |ui| {
        let plot = quiet(ui, name, Scale::Log, height).label_formatter(|near| label(near, "images", Scale::Log));
        plot.show(ui, |plot| {
            plot.line(Line::new("compared with", &*others).color(theme.weak).width(1.0));
            plot.line(Line::new(name, &*points).color(theme.accent).width(1.5));
        });
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
