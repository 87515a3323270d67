//! Distance against cost: a dot a preset, its interval, the best ones joined, and what others published as a layer.

use super::Work;
use super::view::View;
use crate::app::figure::{Scale, log_marks, power_of_ten, quiet, quiet_axis, short};
use crate::app::theme::Theme;
use crate::compare::{Cost, PublishedFigure, published};
use egui::{RichText, Ui};
use egui_plot::{AxisHints, HoverPosition, Line, MarkerShape, PlotPoint, PlotPoints, PlotUi, Points};
use std::sync::LazyLock;

/// A click this near to a dot, in points, is meant for it.
const NEAR: f32 = 10.0;

/// A preset in the chart.
pub struct Dot {
    /// Its number in the comparison.
    pub index: usize,
    pub cost: f64,
    pub value: f64,
    pub interval: Option<[f64; 2]>,
    /// Whether no other is as cheap and nearer.
    pub best: bool,
}

impl Dot {
    fn at(&self) -> [f64; 2] {
        [self.cost.log10(), self.value.log10()]
    }
}

/// The presets that have a distance: the results, or before these what is known so far.
pub fn dots(work: &Work, cost: Cost) -> Vec<Dot> {
    let mut dots: Vec<Dot> = match &work.results {
        Some(results) => {
            let of = |(index, cell): (usize, &crate::compare::CellResult)| {
                let figure = cell.distance?;
                Some(Dot { index, cost: cost.of(cell), value: figure.value, interval: figure.interval, best: false })
            };
            results.cells.iter().enumerate().filter_map(of).collect()
        }
        None => {
            let of = |(index, cell): (usize, &crate::engine::CellStanding)| {
                let (_, figure) = cell.distance?;
                let cost = if cost == Cost::Evaluations { cell.evaluations } else { cell.seconds };
                Some(Dot { index, cost, value: figure.value, interval: figure.interval, best: false })
            };
            work.standing.cells.iter().enumerate().filter_map(of).collect()
        }
    };
    // Only what is positive has a place on logarithmic axes.
    dots.retain(|dot| dot.cost > 0.0 && dot.value > 0.0);
    dots.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(a.value.total_cmp(&b.value)));
    let mut nearest = f64::INFINITY;
    for dot in &mut dots {
        dot.best = dot.value < nearest;
        nearest = nearest.min(dot.value);
    }
    dots
}

/// Shows the chart. A click on a dot chooses its preset.
pub fn ui(ui: &mut Ui, work: &Work, dots: &[Dot], view: &mut View, height: f32) {
    let theme = Theme::of(ui);
    if dots.is_empty() {
        ui.allocate_ui(egui::vec2(ui.available_width(), height), |ui| {
            ui.label(RichText::new("Distances are drawn here as they come.").weak());
        });
        return;
    }
    let others: &[PublishedFigure] = if view.published && !view.seconds { &PUBLISHED } else { &[] };
    let axes = [AxisHints::new_x(), AxisHints::new_y().min_thickness(32.0)];
    let [x, y] = axes.map(|axis| quiet_axis(ui, axis).formatter(power_of_ten));
    let names: Vec<String> = work.comparison.cells.iter().map(|cell| cell.name.clone()).collect();
    let unit = view.unit();
    let plot = quiet(ui, "distance against cost", Scale::Log, height)
        .custom_x_axes(vec![x.label(view.axis())])
        .custom_y_axes(vec![y])
        .x_grid_spacer(log_marks)
        .label_formatter(move |near: &HoverPosition<'_>| match near {
            HoverPosition::NearDataPoint { plot_name, position, .. } if !plot_name.is_empty() => {
                let [cost, value] = [position.x, position.y].map(|log| short(10f64.powf(log)));
                Some(format!("{plot_name}\n{value} at {cost} {unit}"))
            }
            _ => None,
        });
    let shown = plot.show(ui, |plot| {
        layer(plot, others, theme);
        let front: Vec<[f64; 2]> = dots.iter().filter(|dot| dot.best).map(Dot::at).collect();
        plot.line(Line::new("", front).color(theme.accent.gamma_multiply(0.6)).width(1.0));
        for dot in dots {
            let [x, y] = dot.at();
            if let Some([low, high]) = dot.interval.filter(|[low, _]| *low > 0.0) {
                plot.line(Line::new("", vec![[x, low.log10()], [x, high.log10()]]).color(theme.weak).width(1.5));
            }
            let chosen = view.selected.contains(&dot.index);
            let colour = if chosen {
                theme.warning
            } else if dot.best {
                theme.accent
            } else {
                theme.text
            };
            let name = names.get(dot.index).cloned().unwrap_or_default();
            plot.points(Points::new(name, vec![[x, y]]).radius(if chosen { 5.0 } else { 3.5 }).color(colour));
        }
    });
    let Some(pointer) = shown.response.interact_pointer_pos().filter(|_| shown.response.clicked()) else { return };
    let away = |dot: &&Dot| {
        let [x, y] = dot.at();
        shown.transform.position_from_point(&PlotPoint::new(x, y)).distance(pointer)
    };
    let nearest = dots.iter().min_by(|a, b| away(a).total_cmp(&away(b)));
    if let Some(dot) = nearest.filter(|dot| away(dot) <= NEAR) {
        view.toggle(dot.index);
    }
}

static PUBLISHED: LazyLock<Vec<PublishedFigure>> = LazyLock::new(published);

/// What others published, each named with its source.
fn layer(plot: &mut PlotUi<'_>, others: &[PublishedFigure], theme: &Theme) {
    for other in others.iter().filter(|other| other.evaluations > 0.0 && other.fid > 0.0) {
        let name = format!("{} (FID on CIFAR-10; {})", other.name, other.source);
        let at = PlotPoints::from([other.evaluations.log10(), other.fid.log10()]);
        plot.points(Points::new(name, at).shape(MarkerShape::Cross).radius(3.0).color(theme.weak));
    }
}
