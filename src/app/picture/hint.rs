//! What is shown where there are no pictures yet.

use super::View;
use super::field::Field;
use super::frame::Frame;
use super::layout::Grid;
use super::painter::Painter;
use crate::app::RunView;
use crate::app::theme::{BODY, HEADING, Theme, UNIT};
use egui::{Align2, FontId, Rect, Role, Sense, Stroke, Ui, Vec2, WidgetInfo, vec2};
use std::sync::{Arc, OnceLock};

/// Pictures of the drawn row, and pixels along a side of each.
const ROW: usize = 6;
const SIDE: usize = 32;

/// Before any run: noise that turns into a picture, and what to press.
pub fn ui(ui: &mut Ui, painter: &mut Painter, samples: usize) {
    let pane = ui.available_rect_before_wrap();
    let response = ui.allocate_rect(pane, Sense::hover());
    let what = if samples == 1 { "an image".into() } else { format!("{samples} images") };
    let text = format!("Press Run to watch {what} emerge from noise");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
    let theme = Theme::of(ui);
    ui.painter().rect_filled(pane, 0, theme.surround);
    let ppp = ui.pixels_per_point();
    let zoom = (pane.width().min(1200.0) * 0.6 * ppp / (ROW * SIDE) as f32).floor().max(1.0);
    let pitch = zoom * SIDE as f32 + 2.0 * UNIT * ppp;
    let size = vec2(pitch * ROW as f32 - 2.0 * UNIT * ppp, zoom * SIDE as f32);
    let middle = pane.center() - vec2(0.0, 6.0 * UNIT);
    let frame = Frame {
        origin: (middle.to_vec2() * ppp - size * 0.5).round().into(),
        pitch: [pitch.round(), pitch.round()],
        zoom,
        columns: ROW,
        samples: ROW,
        first_sample: 0,
        shape: [3, SIDE, SIDE],
        low: 0.0,
        high: 1.0,
        smooth: false,
        map: None,
    };
    painter.paint(ui, pane, row(), frame);
    let below = middle + vec2(0.0, 0.5 * size.y / ppp + 6.0 * UNIT);
    ui.painter().text(below, Align2::CENTER_TOP, text, FontId::proportional(HEADING), theme.text);
    let keys = "Space runs, S steps, 1 to 4 change the view";
    ui.painter().text(below + vec2(0.0, 7.0 * UNIT), Align2::CENTER_TOP, keys, FontId::proportional(BODY), theme.weak);
}

/// The row as a field: the same little world under less and less noise.
fn row() -> &'static Arc<Field> {
    static ROW_FIELD: OnceLock<Arc<Field>> = OnceLock::new();
    ROW_FIELD.get_or_init(|| {
        let plane = SIDE * SIDE;
        let values = (0..ROW * 3 * plane).map(|index| {
            let (picture, channel, pixel) = (index / (3 * plane), index / plane % 3, index % plane);
            let noise = 1.0 - picture as f32 / (ROW - 1) as f32;
            let clean = world(channel, (pixel % SIDE) as f32, (pixel / SIDE) as f32);
            // Noise as large as the picture at first, and mixed as VP mixes.
            (1.0 - noise * noise).sqrt() * (clean - 0.5) + 0.5 + 0.32 * noise * scatter(index)
        });
        let shape = [ROW, 3, SIDE, SIDE];
        Arc::new(Field { shape, values: values.collect(), low: 0.0, high: 1.0, map: None, gpu: None })
    })
}

/// A sun over a hill in evening light.
fn world(channel: usize, x: f32, y: f32) -> f32 {
    let (x, y) = (x / SIDE as f32, y / SIDE as f32);
    let sky = [0.55 + 0.4 * y, 0.45 + 0.25 * y, 0.75 - 0.35 * y];
    let ground = [0.20, 0.34, 0.26];
    let sun = [1.0, 0.86, 0.55];
    let edge = |inside: f32| (inside * SIDE as f32 + 0.5).clamp(0.0, 1.0);
    let mix = |a: f32, b: f32, part: f32| a + part * (b - a);
    let hill = edge(y - 0.72 + 0.16 * (3.1 * x + 0.4).sin());
    let disc = edge(0.16 - (x - 0.62).hypot(y - 0.34));
    mix(mix(sky[channel], sun[channel], disc), ground[channel] * (1.3 - 0.5 * y), hill)
}

/// Roughly normal numbers, always the same ones.
fn scatter(index: usize) -> f32 {
    let uniform = |salt: u64| {
        // The finaliser of splitmix64 spreads consecutive numbers.
        let mut z = (index as u64 * 4 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..4).map(uniform).sum::<f32>() * 1.73 - 3.46
}

/// A run without anything to show yet: the places where its pictures will be, and one sentence.
/// `view`: the view that this moment does not have.
pub fn waiting(ui: &Ui, pane: Rect, run: &RunView, view: Option<View>) {
    let theme = Theme::of(ui);
    ui.painter().rect_filled(pane, 0, theme.surround);
    let [_, height, width] = run.report.model.shape;
    let count = run.report.run.count.get().min(super::field::MOST);
    let grid = Grid::fit(pane.shrink(2.0 * UNIT).size().into(), count, [width, height], UNIT, false);
    let size = vec2(width as f32, height as f32) * grid.zoom;
    let pitch = size + Vec2::splat(UNIT);
    let content = pitch * vec2(grid.columns as f32, grid.rows as f32) - Vec2::splat(UNIT);
    for index in 0..count {
        let cell = vec2((index % grid.columns) as f32, (index / grid.columns) as f32);
        let place = Rect::from_min_size(pane.center() - content * 0.5 + cell * pitch, size);
        ui.painter().rect_stroke(place, 2, Stroke::new(1.0, theme.line), egui::StrokeKind::Inside);
    }
    let text = match view {
        Some(View::Change) => "No step was recorded before this one",
        Some(_) => "No score yet: press S",
        None if run.is_active() => "Preparing the first state",
        None => "This run ended before its first state",
    };
    super::controls::chip(ui, pane.center(), Align2::CENTER_CENTER, text, theme.text);
}
