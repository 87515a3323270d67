//! The panel of plots: what theory says of the step shown, and what was measured.

use crate::app::figure::{Scale, dots, label, log_marks, power_of_ten, quiet, quiet_axis, section, short};
use crate::app::picture::Hovered;
use crate::app::theme::{SMALL, Theme, UNIT};
use crate::app::{RunView, math};
use crate::engine::{Recorded, RunReport, TaskId};
use crate::sde::Family;
use egui::{Align2, Color32, FontId, Rect, RichText, Role, Sense, Stroke, Ui, WidgetInfo, vec2};
use egui_plot::{
    AxisHints, HLine, HoverPosition, Line, LineStyle, MarkerShape, Plot, PlotPoint, PlotUi, Points, VLine,
};
use std::sync::Arc;

/// Discrete levels that can be told apart in a plot.
const MARKS: usize = 60;

/// Height of one plot, in points: such that five of them and the values of a sample are seen at once,
/// because nobody can scroll here and point at a picture.
fn height(ui: &Ui) -> f32 {
    let (titles, sample) = (32.0, 172.0);
    ((ui.clip_rect().height() - sample) / 5.0 - titles).clamp(64.0, 128.0)
}

/// What is known before any run.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    pub family: &'a Family,
    /// σ/α of the discrete levels that the model was trained on, if it was.
    pub trained: &'a [f64],
}

/// All plots, one under the other. `setup`: what is shown before any run.
/// Put it in a scroll area: it is taller than a small window.
pub fn ui(ui: &mut Ui, run: Option<&RunView>, setup: Path<'_>, hovered: Option<&Hovered>) {
    ui.spacing_mut().item_spacing.y = UNIT;
    let shown = run.and_then(|run| run.shown().0);
    if let Some(run) = run {
        let curves = curves(ui, run);
        lights(ui, "x", |ui| rms(ui, run, &curves, shown.as_deref()));
        lights(ui, "score", |ui| score(ui, run, &curves, shown.as_deref()));
        lights(ui, "ε", |ui| corrector(ui, run, &curves, shown.as_deref()));
        lights(ui, "λ", |ui| log_snr(ui, run, &curves, shown.as_deref()));
    }
    let family = run.map_or(setup.family, |run| &run.report.run.family);
    path(ui, Path { family, ..setup }, shown.as_deref().map(|shown| shown.t));
    if let (Some(run), Some(shown)) = (run, &shown) {
        sample(ui, run, shown, hovered);
    }
}

/// Shows a plot; the term of equations that it shows lights up while it is pointed at.
fn lights(ui: &mut Ui, term: &str, add: impl FnOnce(&mut Ui)) {
    if ui.scope(add).response.contains_pointer() {
        math::light(ui.ctx(), term);
    }
}

/// Points of all plots of one run, made again only when it has grown.
struct Curves {
    run: TaskId,
    moments: usize,
    newest: usize,
    /// log₁₀ of the theoretical and of the measured rms, by step.
    theory: Vec<PlotPoint>,
    rms: Vec<PlotPoint>,
    /// |score|·σ by log₁₀ σ.
    score: Vec<PlotPoint>,
    /// log₁₀ of the corrector's step size, by step.
    step_size: Vec<PlotPoint>,
    accept_rate: Vec<PlotPoint>,
    log_snr: Vec<PlotPoint>,
}

/// The curves of `run`, from the last frame where nothing has changed.
fn curves(ui: &Ui, run: &RunView) -> Arc<Curves> {
    let id = egui::Id::unique(("plots", run.id.0));
    let moments = run.timeline().len();
    let newest = run.timeline().last().map_or(0, |moment| moment.step);
    let kept = ui.data(|data| data.get_temp::<Arc<Curves>>(id));
    if let Some(kept) = kept.filter(|kept| (kept.run, kept.moments, kept.newest) == (run.id, moments, newest)) {
        return kept;
    }
    let made = Arc::new(Curves::new(run, newest));
    ui.data_mut(|data| data.insert_temp(id, made.clone()));
    made
}

impl Curves {
    fn new(run: &RunView, newest: usize) -> Curves {
        let (report, timeline) = (&run.report, run.timeline());
        let by_step = |figure: &dyn Fn(&Recorded) -> Option<f64>| -> Vec<PlotPoint> {
            let point = |moment: &Arc<Recorded>| figure(moment).map(|y| PlotPoint::new(moment.step as f64, y));
            timeline.iter().filter_map(point).filter(|point| point.y.is_finite()).collect()
        };
        let levels = || report.levels.iter().enumerate().map(|(step, level)| (step as f64, *level));
        let theory = report
            .data_rms
            .map(|data| levels().map(|(step, level)| PlotPoint::new(step, level.marginal_std(data).log10())).collect());
        let scored = timeline.iter().filter_map(|moment| scaled_score(report, moment));
        Curves {
            run: run.id,
            moments: timeline.len(),
            newest,
            theory: theory.unwrap_or_default(),
            rms: by_step(&|moment| Some(moment.stats.rms.log10())),
            score: scored.map(|(sigma, size)| PlotPoint::new(sigma.log10(), size)).collect(),
            step_size: by_step(&|moment| moment.stats.step_size.map(f64::log10)),
            accept_rate: by_step(&|moment| moment.stats.accept_rate),
            log_snr: levels()
                .filter(|(_, level)| level.sigma > 0.0)
                .map(|(step, level)| PlotPoint::new(step, level.log_snr()))
                .collect(),
        }
    }
}

/// σ at which the score of a recorded step was evaluated (before its step), and |score|·σ there.
fn scaled_score(report: &RunReport, moment: &Recorded) -> Option<(f64, f64)> {
    let before = report.levels.get(moment.step.checked_sub(1)?)?;
    let size = moment.stats.score_rms * before.sigma;
    (before.sigma > 0.0 && size > 0.0 && size.is_finite()).then_some((before.sigma, size))
}

fn rms(ui: &mut Ui, run: &RunView, curves: &Curves, shown: Option<&Recorded>) {
    let tip = "Root mean square of x over all samples, by step. Dots: measured. \
               Line: √(α²·E x(0)² + σ²), expected from the forward process";
    let colour = Theme::of(ui).family(run.report.run.family.kind());
    let figure = shown.map(|shown| short(shown.stats.rms));
    section(ui, "rms x(t)", tip, figure, |ui| {
        by_step(ui, "rms", run, Scale::Log).show(ui, |plot| {
            plot.line(Line::new("theory", &*curves.theory).color(colour).width(1.5));
            dots(plot, "measured", &curves.rms, colour);
            now(plot, shown.map(|shown| shown.step as f64));
        });
    });
}

fn score(ui: &mut Ui, run: &RunView, curves: &Curves, shown: Option<&Recorded>) {
    let tip = "Root mean square of the score times σ, against σ. Where noise dominates, \
               it is near 1, because the score of pure noise is −z/σ";
    let theme = Theme::of(ui);
    let colour = theme.family(run.report.run.family.kind());
    let present = shown.and_then(|shown| scaled_score(&run.report, shown));
    section(ui, "|score|·σ", tip, present.map(|(_, size)| short(size)), |ui| {
        let sigmas = run.report.levels.iter().map(|level| level.sigma).filter(|sigma| *sigma > 0.0);
        let (low, high) = sigmas.fold((f64::MAX, f64::MIN), |(low, high), sigma| (low.min(sigma), high.max(sigma)));
        let x = quiet_axis(ui, AxisHints::new_x()).formatter(power_of_ten);
        let plot =
            quiet(ui, "score", Scale::Plain, height(ui)).custom_x_axes(vec![x]).x_grid_spacer(log_marks).invert_x(true);
        let plot = plot.include_y(0.0).include_y(1.2);
        let plot = if low < high { plot.include_x(low.log10()).include_x(high.log10()) } else { plot };
        plot.label_formatter(|near| label(near, "log₁₀ σ", Scale::Plain)).show(ui, |plot| {
            plot.hline(
                HLine::new("pure noise", 1.0).color(theme.weak).style(LineStyle::dashed_loose()).allow_hover(false),
            );
            dots(plot, "measured", &curves.score, colour);
            now(plot, present.map(|(sigma, _)| sigma.log10()));
        });
    });
}

fn corrector(ui: &mut Ui, run: &RunView, curves: &Curves, shown: Option<&Recorded>) {
    let colour = Theme::of(ui).family(run.report.run.family.kind());
    if !curves.step_size.is_empty() {
        let tip = "Step size ε of the last corrector step, mean over samples. \
                   For Langevin: ε = 2α·(r·|z|/|score|)² with r the SNR";
        let figure = shown.and_then(|shown| shown.stats.step_size).map(short);
        section(ui, "step size ε", tip, figure, |ui| {
            by_step(ui, "step size", run, Scale::Log).show(ui, |plot| {
                dots(plot, "ε", &curves.step_size, colour);
                now(plot, shown.map(|shown| shown.step as f64));
            });
        });
    }
    if !curves.accept_rate.is_empty() {
        let tip = "Fraction of HMC proposals accepted, over all samples";
        let figure = shown.and_then(|shown| shown.stats.accept_rate).map(|rate| format!("{:.0}%", 100.0 * rate));
        section(ui, "acceptance rate", tip, figure, |ui| {
            let plot = by_step(ui, "acceptance rate", run, Scale::Plain).include_y(0.0).include_y(1.0);
            plot.show(ui, |plot| {
                dots(plot, "accepted", &curves.accept_rate, colour);
                now(plot, shown.map(|shown| shown.step as f64));
            });
        });
    }
}

fn log_snr(ui: &mut Ui, run: &RunView, curves: &Curves, shown: Option<&Recorded>) {
    let tip = "log α²/σ², the log signal-to-noise ratio, at each step of the time grid";
    let colour = Theme::of(ui).family(run.report.run.family.kind());
    let figure = shown.filter(|shown| shown.level.sigma > 0.0).map(|shown| format!("{:.2}", shown.level.log_snr()));
    section(ui, "log-SNR", tip, figure.map(|text| text.replace('-', "−")), |ui| {
        by_step(ui, "log-SNR", run, Scale::Plain).show(ui, |plot| {
            plot.line(Line::new("log-SNR", &*curves.log_snr).color(colour).width(1.5));
            now(plot, shown.map(|shown| shown.step as f64));
        });
    });
}

/// α, σ and β over time, each divided by its largest value, and the times of discrete levels.
fn path(ui: &mut Ui, Path { family, trained }: Path<'_>, t: Option<f64>) {
    let sde = family.sde();
    let theme = Theme::of(ui);
    let colour = theme.family(sde.kind());
    let tip = "α(t), σ(t) and β(t) of the family, each divided by its largest value. \
               x(t) = α(t)·x(0) + σ(t)·z; for VE, β is dσ²/dt";
    let tip = match trained.len() {
        0 => tip.to_owned(),
        levels => format!("{tip}.\nMarks: the {levels} noise levels that the model was trained on"),
    };
    let title = format!("α  σ  β of {}", sde.kind().name());
    section(ui, &title, &tip, t.map(|t| format!("t {t:.3}")), |ui| {
        let curve = |value: &dyn Fn(f64) -> f64| -> Vec<[f64; 2]> {
            let times = (0..=80).map(|i| f64::from(i) / 80.0);
            let most = times.clone().map(value).fold(f64::MIN_POSITIVE, f64::max);
            times.map(|t| [t, value(t) / most]).collect()
        };
        let curves = [
            ("α", curve(&|t| sde.alpha(t)), LineStyle::Solid),
            ("σ", curve(&|t| sde.sigma(t)), LineStyle::dashed_dense()),
            ("β", curve(&|t| sde.beta(t)), LineStyle::dotted_dense()),
        ];
        let plot =
            quiet(ui, "path", Scale::Plain, height(ui)).invert_x(true).include_x(0.0).include_x(1.0).include_y(1.05);
        let ctx = ui.ctx().clone();
        let said = move |near: &HoverPosition<'_>| {
            if let HoverPosition::NearDataPoint { plot_name, .. } = near {
                math::light(&ctx, plot_name);
            }
            label(near, "t", Scale::Plain)
        };
        plot.label_formatter(said).show(ui, |plot| {
            for (name, points, style) in curves {
                plot.line(Line::new(name, points).color(colour).width(1.5).style(style));
            }
            // So many as can be told apart.
            let shown = trained.iter().step_by(trained.len().div_ceil(MARKS).max(1));
            let times = shown.map(|&ratio| sde.time_of_ratio(ratio)).filter(|t| (0.0..=1.0).contains(t));
            let marks: Vec<[f64; 2]> = times.map(|t| [t, 0.0]).collect();
            if !marks.is_empty() {
                let marks = Points::new("levels", marks).shape(MarkerShape::Up).radius(2.5).color(theme.warning);
                plot.points(marks.allow_hover(false));
            }
            now(plot, t);
        });
        legend(ui, colour);
    });
}

/// Which line is which.
fn legend(ui: &mut Ui, colour: Color32) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 16.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, "α solid, σ dashed, β dotted"));
    let ink = Theme::of(ui).weak;
    let dashes: [(&str, &[f32]); 3] = [("α", &[22.0]), ("σ", &[5.0, 3.0]), ("β", &[2.0, 3.0])];
    for (place, (name, pattern)) in dashes.into_iter().enumerate() {
        let left = rect.left_center() + vec2(36.0 + 64.0 * place as f32, 0.0);
        let (mut x, mut i) = (0.0, 0);
        while x < 22.0 {
            let length = pattern[i % pattern.len()];
            if i % 2 == 0 {
                let end = (x + length).min(22.0);
                ui.painter().line_segment([left + vec2(x, 0.0), left + vec2(end, 0.0)], Stroke::new(1.5, colour));
            }
            (x, i) = (x + length, i + 1);
        }
        let at = left + vec2(28.0, 0.0);
        ui.painter().text(at, Align2::LEFT_CENTER, name, FontId::proportional(SMALL), ink);
        if ui.rect_contains_pointer(Rect::from_min_size(left - vec2(8.0, 8.0), vec2(60.0, 16.0))) {
            math::light(ui.ctx(), name);
        }
    }
}

/// Values and histogram of the sample that is pointed at.
fn sample(ui: &mut Ui, run: &RunView, shown: &Recorded, hovered: Option<&Hovered>) {
    let tip = "Values under the pointer, and the distribution of that sample's values";
    section(ui, "sample under pointer", tip, None, |ui| {
        let Some(hovered) = hovered else {
            ui.label(RichText::new("Point at a sample to see its values").small().weak());
            return;
        };
        let place = hovered.pixel.map(|[x, y]| format!(", pixel {x}, {y}")).unwrap_or_default();
        ui.label(RichText::new(format!("sample {} of {}{place}", hovered.sample + 1, shown.x.shape[0])).small());
        egui::Grid::new("values").num_columns(2).min_row_height(14.0).spacing(vec2(12.0, 2.0)).show(ui, |ui| {
            for (name, values) in [("x(t)", &hovered.x), ("denoised", &hovered.denoised)] {
                if !values.is_empty() {
                    let text: Vec<String> = values.iter().take(6).map(|value| format!("{value:>7.3}")).collect();
                    ui.label(RichText::new(name).small().weak());
                    ui.label(RichText::new(text.join(" ")).monospace());
                    ui.end_row();
                }
            }
        });
        let values = shown.x.sample(hovered.sample);
        // A point of the plane has no distribution.
        if values.len() > 8 {
            let reach = 3.5 * shown.level.marginal_std(run.report.data_rms.unwrap_or(0.5));
            histogram(ui, values, reach, Theme::of(ui).family(run.report.run.family.kind()));
        }
    });
}

/// How many values fall in each of 48 equal bins from −reach to reach.
fn histogram(ui: &mut Ui, values: &[f32], reach: f64, colour: Color32) {
    const BINS: usize = 48;
    let counts = bins::<BINS>(values, reach);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 56.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Histogram of x(t) of this sample"));
    let theme = Theme::of(ui);
    let painter = ui.painter();
    let floor = rect.bottom() - 14.0;
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f32;
    let width = rect.width() / BINS as f32;
    for (bin, &count) in counts.iter().enumerate() {
        let height = (floor - rect.top()) * count as f32 / most;
        let left = rect.left() + bin as f32 * width;
        let bar =
            Rect::from_min_max(egui::pos2(left, floor - height), egui::pos2(left + (width - 1.0).max(1.0), floor));
        painter.rect_filled(bar, 0, colour.gamma_multiply(0.8));
    }
    painter.hline(rect.x_range(), floor, Stroke::new(1.0, theme.line));
    let font = FontId::proportional(SMALL - 1.0);
    let marks = [
        (rect.left(), Align2::LEFT_BOTTOM, -reach),
        (rect.center().x, Align2::CENTER_BOTTOM, 0.0),
        (rect.right(), Align2::RIGHT_BOTTOM, reach),
    ];
    for (x, align, value) in marks {
        let text = short(value);
        painter.text(egui::pos2(x, rect.bottom()), align, text, font.clone(), theme.weak);
    }
    response.on_hover_text(
        "Values of x(t) of this sample, over all pixels and channels; the ends are at 3.5 theoretical standard deviations",
    );
}

fn bins<const BINS: usize>(values: &[f32], reach: f64) -> [usize; BINS] {
    let mut counts = [0; BINS];
    for value in values {
        let place = (f64::from(*value) / reach + 1.0) * 0.5 * BINS as f64;
        // What lies outside is left out: NaN and infinities too.
        if let Some(count) = (place >= 0.0).then(|| counts.get_mut(place as usize)).flatten() {
            *count += 1;
        }
    }
    counts
}

/// A plot whose x axis is that of the timeline: steps done.
fn by_step<'a>(ui: &Ui, id: &str, run: &RunView, y: Scale) -> Plot<'a> {
    let steps = run.report.times.len().saturating_sub(1);
    quiet(ui, id, y, height(ui))
        .include_x(0.0)
        .include_x(steps as f64)
        .label_formatter(move |near| label(near, "step", y))
}

/// The step shown.
fn now(plot: &mut PlotUi<'_>, x: Option<f64>) {
    let colour = if plot.ctx().global_style().visuals.dark_mode { Theme::DARK.accent } else { Theme::LIGHT.accent };
    if let Some(x) = x {
        plot.vline(VLine::new("now", x).color(colour).width(1.0).allow_hover(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_every_value_inside_and_none_outside() {
        let values = [-1.0, -0.51, -0.49, 0.0, 0.49, 0.99, 1.0, 5.0, -1.01, f32::NAN, f32::INFINITY];
        assert_eq!(bins::<4>(&values, 1.0), [2, 1, 2, 1]);
    }
}
