//! The pictures of a run: all of them, or one large; x(t), its estimate of x(0), the score, or the change.

mod colour;
mod controls;
mod field;
mod frame;
mod gpu;
mod hint;
mod layout;
mod painter;
mod points;
#[cfg(test)]
pub(super) mod tests;

pub use colour::{ColourMap, DIVERGING, VIRIDIS};

use super::theme::{Theme, UNIT};
use super::{RunState, RunView};
use crate::engine::{Recorded, RunReport};
use eframe::egui_wgpu::RenderState;
use egui::emath::GuiRounding;
use egui::{Key, Modifiers, Rect, Response, Role, Sense, Ui, Vec2, WidgetInfo, vec2};
use field::Field;
use frame::Frame;
use layout::Grid;
use painter::Painter;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is shown of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// x(t).
    #[default]
    State,
    /// The estimate of x(0).
    Denoised,
    /// |score| of every pixel.
    Score,
    /// The change of x since the moment recorded before, mean over channels.
    Change,
}

impl View {
    /// All views, in the order of their keys 1 to 4.
    pub const ALL: [View; 4] = [View::State, View::Denoised, View::Score, View::Change];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            View::State => "x(t)",
            View::Denoised => "denoised",
            View::Score => "score",
            View::Change => "change",
        }
    }
}

/// How many pictures are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrangement {
    /// All samples.
    #[default]
    Grid,
    /// One sample, as large as it goes.
    One,
}

/// How pixels are enlarged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Each pixel is a square.
    #[default]
    Nearest,
    /// Interpolated in linear light.
    Smooth,
}

/// What a person chose of the view; saved with the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PictureSettings {
    pub view: View,
    pub layout: Arrangement,
    pub filter: Filter,
    /// Show x(t) on a range that widens with its noise, so that nothing is clipped.
    pub normalised: bool,
    /// The sample shown in [`Arrangement::One`].
    pub sample: usize,
    /// Magnification beyond fitting the space, 1 to [`PictureSettings::MOST_ZOOM`].
    pub zoom: f32,
    /// Shift of the centre, in points.
    pub pan: [f32; 2],
}

impl Default for PictureSettings {
    fn default() -> Self {
        PictureSettings {
            view: View::State,
            layout: Arrangement::Grid,
            filter: Filter::Nearest,
            normalised: false,
            sample: 0,
            zoom: 1.0,
            pan: [0.0; 2],
        }
    }
}

impl PictureSettings {
    /// The largest magnification.
    pub const MOST_ZOOM: f32 = 64.0;

    /// Everything fits the space again.
    pub fn reset_zoom(&mut self) {
        (self.zoom, self.pan) = (1.0, [0.0; 2]);
    }

    fn show(&mut self, layout: Arrangement) {
        self.layout = layout;
        self.reset_zoom();
    }
}

/// The sample that is pointed at, or shown alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Hovered {
    pub sample: usize,
    /// Column and row of the pixel under the pointer.
    pub pixel: Option<[usize; 2]>,
    /// Values of all channels of x(t) there (of a point: its coordinates).
    pub x: Vec<f32>,
    /// The same of the estimate of x(0); empty where there is none yet.
    pub denoised: Vec<f32>,
}

/// What happened in the view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PictureResponse {
    pub hovered: Option<Hovered>,
    /// A sample that was clicked.
    pub clicked: Option<usize>,
}

/// The field of the moment last shown, and what it was made from.
struct Cached {
    shown: Arc<Recorded>,
    before: Option<Arc<Recorded>>,
    view: View,
    normalised: bool,
    field: Option<Arc<Field>>,
}

/// The view of a run's pictures.
pub struct PictureView {
    pub settings: PictureSettings,
    /// The setup differs from that of the run shown.
    pub stale: bool,
    painter: Painter,
    cached: Option<Cached>,
    points: points::Points,
}

impl PictureView {
    /// A view that draws on the window's device, or without one through egui's textures.
    pub fn new(render_state: Option<&RenderState>) -> PictureView {
        PictureView {
            settings: PictureSettings::default(),
            stale: false,
            painter: Painter::new(render_state),
            cached: None,
            points: points::Points::default(),
        }
    }

    /// Whether Esc goes back to the grid here, before it means anything else.
    pub fn takes_escape(&self) -> bool {
        self.settings.layout == Arrangement::One
    }

    /// The view before any run: a hint of what will be there.
    pub fn empty(&mut self, ui: &mut Ui, samples: usize) {
        hint::ui(ui, &mut self.painter, samples);
    }

    /// The view of a run at the moment under its cursor. Fills the space.
    pub fn ui(&mut self, ui: &mut Ui, run: &RunView) -> PictureResponse {
        let kind = Kind::of(&run.report);
        self.settings.sample = self.settings.sample.min(run.report.run.count.get().min(field::MOST) - 1);
        self.keys(ui, kind);
        let (shown, before) = run.shown();
        let field = shown.as_ref().and_then(|shown| self.field(shown, before.as_ref(), &run.report, kind));
        controls::toolbar(ui, &mut self.settings, kind, field.as_deref());
        let pane = ui.available_rect_before_wrap().round_to_pixels(ui.pixels_per_point());
        let response = match (&shown, field) {
            (Some(shown), _) if kind == Kind::Points => {
                self.points.ui(ui, run, shown, before.as_deref(), self.settings.view)
            }
            (Some(shown), Some(field)) => self.pictures(ui, pane, shown, field, kind),
            (shown, _) => {
                ui.allocate_rect(pane, Sense::hover());
                hint::waiting(ui, pane, run, shown.is_some().then_some(self.settings.view));
                PictureResponse::default()
            }
        };
        self.notices(ui, pane, run);
        response
    }

    /// 1 to 4, G, Esc, Page Up and Page Down.
    fn keys(&mut self, ui: &Ui, kind: Kind) {
        if ui.ctx().text_edit_focused() {
            return;
        }
        let settings = &mut self.settings;
        ui.input_mut(|input| {
            let digits = [Key::Num1, Key::Num2, Key::Num3, Key::Num4];
            for (key, view) in digits.into_iter().zip(View::ALL) {
                if input.consume_key(Modifiers::NONE, key) {
                    settings.view = view;
                }
            }
            if kind == Kind::Pictures {
                if input.consume_key(Modifiers::NONE, Key::G) {
                    settings.show(if settings.layout == Arrangement::Grid {
                        Arrangement::One
                    } else {
                        Arrangement::Grid
                    });
                }
                if settings.layout == Arrangement::One {
                    if input.consume_key(Modifiers::NONE, Key::Escape) {
                        settings.show(Arrangement::Grid);
                    }
                    if input.consume_key(Modifiers::NONE, Key::PageDown) {
                        settings.sample += 1;
                    }
                    if input.consume_key(Modifiers::NONE, Key::PageUp) {
                        settings.sample = settings.sample.saturating_sub(1);
                    }
                }
            }
        });
    }

    /// What the chosen view shows of a moment, made once.
    fn field(
        &mut self,
        shown: &Arc<Recorded>,
        before: Option<&Arc<Recorded>>,
        report: &RunReport,
        kind: Kind,
    ) -> Option<Arc<Field>> {
        if kind == Kind::Points {
            return None;
        }
        let PictureSettings { view, normalised, .. } = self.settings;
        if let Some(cached) = &self.cached
            && Arc::ptr_eq(&cached.shown, shown)
            && cached.before.as_ref().map(Arc::as_ptr) == before.map(Arc::as_ptr)
            && (cached.view, cached.normalised) == (view, normalised)
        {
            return cached.field.clone();
        }
        let field = Field::new(view, shown, before.map(Arc::as_ref), report.range, normalised);
        let field = field.map(|field| Arc::new(if kind == Kind::Vectors { field.strip() } else { field }));
        let (shown, before) = (shown.clone(), before.cloned());
        self.cached = Some(Cached { shown, before, view, normalised, field: field.clone() });
        field
    }

    fn pictures(
        &mut self,
        ui: &mut Ui,
        pane: Rect,
        shown: &Recorded,
        field: Arc<Field>,
        kind: Kind,
    ) -> PictureResponse {
        let response = ui.allocate_rect(pane, Sense::click_and_drag());
        let name =
            format!("Images: {} of {} samples at t = {:.4}", self.settings.view.name(), shown.x.shape[0], shown.t);
        response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, &name));
        self.navigate(ui, &response);
        let frame = self.frame(pane, ui.pixels_per_point(), &field);
        let ppp = ui.pixels_per_point();
        let under = response.hover_pos().and_then(|at| frame.locate([at.x * ppp, at.y * ppp]));
        let hovered = self.hovered(shown, under, kind);
        ui.painter().rect_filled(pane, 0, Theme::of(ui).surround);
        self.painter.paint(ui, pane, &field, frame.clone());
        let clicked = response.clicked().then_some(under).flatten().map(|(sample, _)| sample);
        if kind == Kind::Pictures {
            self.outline(ui, pane, &frame, under.map(|(sample, _)| sample));
            self.enlarge(&response, clicked);
        }
        controls::readout(ui, pane, shown, hovered.as_ref());
        PictureResponse { hovered, clicked }
    }

    /// Scroll zooms around the pointer, drag pans when zoomed, double click resets.
    fn navigate(&mut self, ui: &Ui, response: &Response) {
        let settings = &mut self.settings;
        if let Some(at) = response.hover_pos() {
            let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
            let zoom = (settings.zoom * (0.004 * scroll).exp() * pinch).clamp(1.0, PictureSettings::MOST_ZOOM);
            let from_centre = at - response.rect.center();
            let pan = from_centre - (from_centre - Vec2::from(settings.pan)) * (zoom / settings.zoom);
            (settings.zoom, settings.pan) = (zoom, pan.into());
        }
        if settings.zoom > 1.0 {
            settings.pan = (Vec2::from(settings.pan) + response.drag_delta()).into();
            let icon = if response.dragged() { egui::CursorIcon::Grabbing } else { egui::CursorIcon::Grab };
            response.clone().on_hover_cursor(icon);
            if response.double_clicked() {
                settings.reset_zoom();
            }
        }
        // No further than half of the pictures out of sight.
        let most = response.rect.size() * 0.5 * (settings.zoom - 1.0).max(0.0);
        settings.pan = Vec2::from(settings.pan).clamp(-most, most).into();
    }

    /// A click on a sample shows it alone; another goes back. When zoomed in, clicks only pan and reset.
    fn enlarge(&mut self, response: &Response, clicked: Option<usize>) {
        let settings = &mut self.settings;
        if !response.clicked() || settings.zoom > 1.0 {
            return;
        }
        match (settings.layout, clicked) {
            (Arrangement::One, _) => settings.show(Arrangement::Grid),
            (Arrangement::Grid, Some(sample)) => {
                settings.sample = sample;
                settings.show(Arrangement::One);
            }
            // Enter on the focused view, or a click between pictures.
            (Arrangement::Grid, None) if response.hover_pos().is_none() => settings.show(Arrangement::One),
            (Arrangement::Grid, None) => {}
        }
    }

    /// Where everything lies, in screen pixels.
    fn frame(&self, pane: Rect, ppp: f32, field: &Field) -> Frame {
        let settings = &self.settings;
        let [_, channels, height, width] = field.shape;
        let one = settings.layout == Arrangement::One && field.samples() > 1;
        let samples = if one { 1 } else { field.samples() };
        let area = pane.shrink(2.0 * UNIT).size() * ppp;
        let gap = (UNIT * ppp).round();
        let crisp = settings.filter == Filter::Nearest;
        let grid = Grid::fit(area.into(), samples, [width, height], gap, crisp);
        let zoom = (grid.zoom * settings.zoom).max(0.01);
        let gap = (gap * settings.zoom).round();
        let pitch = vec2((width as f32 * zoom).ceil() + gap, (height as f32 * zoom).ceil() + gap);
        let content = pitch * vec2(grid.columns as f32, grid.rows as f32) - Vec2::splat(gap);
        let origin = pane.center().to_vec2() * ppp + Vec2::from(settings.pan) * ppp - content * 0.5;
        Frame {
            origin: origin.round().into(),
            pitch: pitch.into(),
            zoom,
            columns: grid.columns,
            samples,
            first_sample: if one { settings.sample.min(field.samples() - 1) } else { 0 },
            shape: [channels, height, width],
            low: field.low,
            high: field.high,
            smooth: settings.filter == Filter::Smooth,
            map: field.map,
        }
    }

    /// The sample under the pointer, or the one shown alone.
    fn hovered(&self, shown: &Recorded, under: Option<(usize, [usize; 2])>, kind: Kind) -> Option<Hovered> {
        let (sample, pixel) = match (under, kind) {
            // A strip has a row for each sample.
            (Some((_, [_, sample])), Kind::Vectors) => (sample, None),
            (Some((sample, pixel)), _) => (sample, Some(pixel)),
            (None, _) if self.settings.layout == Arrangement::One && kind == Kind::Pictures => {
                (self.settings.sample, None)
            }
            (None, _) => return None,
        };
        let [_, _, height, width] = shown.x.shape;
        let plane = height * width;
        let place = pixel.map(|[x, y]| y * width + x);
        let channels = |values: &[f32]| match place {
            Some(place) => values.chunks(plane.max(1)).filter_map(|plane| plane.get(place).copied()).collect(),
            None if kind == Kind::Vectors => values.to_vec(),
            None => Vec::new(),
        };
        let denoised = shown.denoised.as_ref().map(|pixels| {
            let sample: Vec<f32> = pixels.sample(sample).iter().map(|value| value.to_f32()).collect();
            channels(&sample)
        });
        let x = channels(shown.x.sample(sample));
        Some(Hovered { sample, pixel, x, denoised: denoised.unwrap_or_default() })
    }

    /// A thin line around the sample that a click would enlarge.
    fn outline(&self, ui: &Ui, pane: Rect, frame: &Frame, sample: Option<usize>) {
        let Some(sample) = sample.filter(|_| self.settings.layout == Arrangement::Grid) else { return };
        let index = sample - frame.first_sample;
        let cell = vec2((index % frame.columns) as f32, (index / frame.columns) as f32);
        let [_, height, width] = frame.shape;
        let corner = Vec2::from(frame.origin) + cell * Vec2::from(frame.pitch);
        let size = vec2(width as f32, height as f32) * frame.zoom;
        let rect = Rect::from_min_size(corner.to_pos2(), size) / ui.pixels_per_point();
        let line = egui::Stroke::new(2.0, Theme::of(ui).accent);
        ui.painter().with_clip_rect(pane).rect_stroke(rect, 0, line, egui::StrokeKind::Outside);
    }

    /// Marks of a run that is paused, out of date, or failed.
    fn notices(&self, ui: &Ui, pane: Rect, run: &RunView) {
        let theme = Theme::of(ui);
        if self.stale {
            let line = Rect::from_min_size(pane.min, vec2(pane.width(), 2.0));
            ui.painter().rect_filled(line, 0, theme.accent);
            controls::chip(
                ui,
                pane.right_top() + vec2(-8.0, 10.0),
                egui::Align2::RIGHT_TOP,
                "Settings changed since this run",
                theme.accent,
            );
        }
        match &run.state {
            RunState::Paused => {
                let place = pane.left_top() + vec2(8.0, 10.0);
                controls::chip(ui, place, egui::Align2::LEFT_TOP, "Paused", theme.text);
            }
            RunState::Failed(failure) => controls::failure(ui, pane, failure),
            RunState::Running | RunState::Finished | RunState::Stopped => {}
        }
    }
}

/// What the samples of a run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pictures,
    /// Points of the plane.
    Points,
    /// Vectors of any other dimension.
    Vectors,
}

impl Kind {
    fn of(report: &RunReport) -> Kind {
        match (report.model.range, report.model.shape) {
            (None, [2, 1, 1]) => Kind::Points,
            (None, [_, 1, 1]) => Kind::Vectors,
            _ => Kind::Pictures,
        }
    }
}
