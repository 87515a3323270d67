//! Runs in the plane: every sample is a point.

use super::colour::{ColourMap, VIRIDIS};
use super::field::robust_maximum;
use super::{Hovered, PictureResponse, View};
use crate::app::RunView;
use crate::app::theme::Theme;
use crate::engine::Recorded;
use egui::{Color32, PointerButton, Ui};
use egui_plot::{Arrows, Line, MarkerShape, Plot, PlotPoint, PlotPoints, PlotTransform, PlotUi};

/// How near the pointer must be to a point to mean it, in screen points.
const REACH: f32 = 14.0;

/// The scatter plot of a run in the plane.
#[derive(Default)]
pub struct Points {
    /// The sample whose path is shown although the pointer is elsewhere.
    pinned: Option<usize>,
    /// The sample under the pointer in the last frame.
    hovered: Option<usize>,
    /// A person has moved or zoomed the plot, so it no longer follows the marginal.
    free: bool,
}

impl Points {
    /// All samples at a moment, and the path of the one that is pointed at.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        run: &RunView,
        shown: &Recorded,
        before: Option<&Recorded>,
        view: View,
    ) -> PictureResponse {
        let theme = Theme::of(ui);
        let places = places(shown, view);
        let traced = self.hovered.or(self.pinned);
        let follow = (!self.free).then(|| 3.2 * shown.level.marginal_std(run.report.data_rms.unwrap_or(1.0)).max(0.2));
        let plot = Plot::new("points")
            .data_aspect(1.0)
            .allow_boxed_zoom(false)
            .label_formatter(|_| None)
            .cursor_color(Color32::TRANSPARENT)
            .grid_color(theme.line);
        let found = plot.show(ui, |plot| {
            if let Some(reach) = follow {
                plot.set_plot_bounds_x(-reach..=reach);
                plot.set_plot_bounds_y(-reach..=reach);
            }
            if let Some(sample) = traced {
                path(plot, run, sample, theme);
            }
            if view == View::Change
                && let Some(before) = before
            {
                let arrows = Arrows::new("change", coordinates(before), coordinates(shown));
                plot.arrows(arrows.color(theme.weak).tip_length(5.0).allow_hover(false));
            }
            let plain = theme.family(run.report.run.family.kind());
            for (colour, points) in coloured(&places, shown, view, plain) {
                plot.points(points.color(colour));
            }
            let marked = traced.and_then(|sample| places.get(sample));
            if let Some(&place) = marked {
                let ring = egui_plot::Points::new("pointed at", vec![place]).shape(MarkerShape::Circle);
                plot.points(ring.filled(false).radius(7.0).color(theme.accent).allow_hover(false));
            }
        });
        self.watch(&found.response);
        let response = found.response;
        self.hovered = response.hover_pos().and_then(|at| nearest(&places, &found.transform, at));
        let clicked = response.clicked().then_some(self.hovered).flatten();
        if response.clicked() {
            self.pinned = clicked.filter(|&sample| self.pinned != Some(sample));
        }
        let hovered = self.hovered.or(self.pinned).map(|sample| hovered(shown, sample));
        super::controls::readout(ui, response.rect, shown, hovered.as_ref());
        PictureResponse { hovered, clicked }
    }

    /// The plot follows the marginal until it is moved by hand, and again after a double click.
    fn watch(&mut self, response: &egui::Response) {
        let scrolled = response.hovered()
            && response.ctx.input(|input| input.smooth_scroll_delta().y != 0.0 || input.zoom_delta() != 1.0);
        if response.dragged_by(PointerButton::Primary) || scrolled {
            self.free = true;
        }
        if response.double_clicked() {
            self.free = false;
        }
    }
}

/// Coordinates of all samples of x(t), or of their estimates of x(0).
fn places(shown: &Recorded, view: View) -> Vec<[f64; 2]> {
    match &shown.denoised {
        Some(denoised) if view == View::Denoised => {
            denoised.values.chunks_exact(2).map(|pair| [pair[0].to_f64(), pair[1].to_f64()]).collect()
        }
        _ => coordinates(shown),
    }
}

fn coordinates(moment: &Recorded) -> Vec<[f64; 2]> {
    moment.x.values.chunks_exact(2).map(|pair| [f64::from(pair[0]), f64::from(pair[1])]).collect()
}

/// The points, all of one colour, or for the score grouped by its magnitude.
fn coloured(
    places: &[[f64; 2]],
    shown: &Recorded,
    view: View,
    plain: Color32,
) -> Vec<(Color32, egui_plot::Points<'static>)> {
    let dots = |places: Vec<[f64; 2]>| egui_plot::Points::new("", places).radius(3.0).allow_hover(false);
    let Some(score) = shown.score.as_ref().filter(|_| view == View::Score) else {
        return vec![(plain, dots(places.to_vec()))];
    };
    let sizes: Vec<f32> = score.values.iter().map(|value| value.to_f32()).collect();
    let most = robust_maximum(&sizes);
    let last = ColourMap::STOPS - 1;
    let mut groups = vec![Vec::new(); ColourMap::STOPS];
    for (&place, size) in places.iter().zip(&sizes) {
        groups[((size / most * last as f32).round() as usize).min(last)].push(place);
    }
    let colour = |stop: usize| VIRIDIS.colour(stop as f32 / last as f32);
    groups.into_iter().enumerate().map(|(stop, places)| (colour(stop), dots(places))).collect()
}

/// Where one sample has been, from the prior to the newest moment.
fn path(plot: &mut PlotUi<'_>, run: &RunView, sample: usize, theme: &Theme) {
    let place = |moment: &Recorded| match moment.x.sample(sample) {
        [x, y] => Some([f64::from(*x), f64::from(*y)]),
        _ => None,
    };
    let places: PlotPoints<'_> = run.timeline().iter().filter_map(|moment| place(moment)).collect();
    plot.line(Line::new("path", places).color(theme.accent).width(1.5).allow_hover(false));
}

fn nearest(places: &[[f64; 2]], transform: &PlotTransform, at: egui::Pos2) -> Option<usize> {
    let distance = |place: &[f64; 2]| transform.position_from_point(&PlotPoint::from(*place)).distance(at);
    let near = places.iter().enumerate().map(|(sample, place)| (sample, distance(place)));
    near.filter(|&(_, distance)| distance <= REACH).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(sample, _)| sample)
}

fn hovered(shown: &Recorded, sample: usize) -> Hovered {
    let denoised = shown.denoised.as_ref().map(|pixels| pixels.sample(sample).iter().map(|value| value.to_f32()));
    Hovered {
        sample,
        pixel: None,
        x: shown.x.sample(sample).to_vec(),
        denoised: denoised.map(Iterator::collect).unwrap_or_default(),
    }
}
