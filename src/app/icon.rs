//! Small drawn icons, so that no font has to have them, and the buttons that carry them.

use super::theme::{CONTROL, Theme};
use egui::{Color32, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2};

/// What a button shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Play,
    Pause,
    Back,
    Forward,
    Branch,
    Save,
    Grid,
    One,
    Nearest,
    Smooth,
    Exposure,
}

/// A square button with an icon. `name` is what it is called, `tip` also says why and which key.
pub fn button(ui: &mut Ui, icon: Icon, selected: bool, name: &str, tip: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(CONTROL), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, ui.is_enabled(), selected, name));
    let theme = Theme::of(ui);
    let fill = match () {
        () if selected => theme.selected,
        () if response.hovered() || response.has_focus() => theme.hovered,
        () => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 4, fill);
    if response.has_focus() {
        ui.painter().rect_stroke(rect, 4, Stroke::new(1.0, theme.accent), egui::StrokeKind::Inside);
    }
    let ink = match () {
        () if selected => theme.on_selected,
        () if ui.is_enabled() => theme.text,
        () => theme.text.gamma_multiply(0.4),
    };
    paint(ui.painter(), rect.center(), icon, ink);
    response.on_hover_text(tip)
}

/// Draws `icon` in a square of 12 points around `centre`.
pub fn paint(painter: &egui::Painter, centre: Pos2, icon: Icon, ink: Color32) {
    let at = |x: f32, y: f32| pos2(centre.x + x, centre.y + y);
    let line = Stroke::new(1.5, ink);
    let fill = |points: Vec<Pos2>| Shape::convex_polygon(points, ink, Stroke::NONE);
    let bar = |x: f32, half: f32| Rect::from_center_size(at(x, 0.0), vec2(2.0, 2.0 * half));
    match icon {
        Icon::Play => {
            painter.add(fill(vec![at(-4.0, -5.5), at(5.5, 0.0), at(-4.0, 5.5)]));
        }
        Icon::Pause => {
            painter.rect_filled(bar(-3.0, 5.0).expand2(vec2(0.5, 0.0)), 0, ink);
            painter.rect_filled(bar(3.0, 5.0).expand2(vec2(0.5, 0.0)), 0, ink);
        }
        Icon::Back => {
            painter.rect_filled(bar(-4.0, 4.5), 0, ink);
            painter.add(fill(vec![at(4.5, -4.5), at(4.5, 4.5), at(-2.5, 0.0)]));
        }
        Icon::Forward => {
            painter.rect_filled(bar(4.0, 4.5), 0, ink);
            painter.add(fill(vec![at(-4.5, -4.5), at(2.5, 0.0), at(-4.5, 4.5)]));
        }
        Icon::Branch => branch(painter, centre, line),
        Icon::Save => {
            painter.line_segment([at(0.0, -5.5), at(0.0, 2.0)], line);
            painter.line(vec![at(-3.5, -1.5), at(0.0, 2.0), at(3.5, -1.5)], line);
            painter.line(vec![at(-5.5, 2.0), at(-5.5, 5.5), at(5.5, 5.5), at(5.5, 2.0)], line);
        }
        Icon::Grid => {
            for (x, y) in [(-3.0, -3.0), (3.0, -3.0), (-3.0, 3.0), (3.0, 3.0)] {
                painter.rect_filled(Rect::from_center_size(at(x, y), Vec2::splat(4.5)), 0, ink);
            }
        }
        Icon::One => {
            painter.rect_filled(Rect::from_center_size(centre, Vec2::splat(10.5)), 0, ink);
        }
        Icon::Nearest => {
            for (x, y) in [(-4.0, 4.0), (0.0, 4.0), (0.0, 0.0), (4.0, 4.0), (4.0, 0.0), (4.0, -4.0)] {
                painter.rect_filled(Rect::from_center_size(at(x, y), Vec2::splat(4.0)), 0, ink);
            }
        }
        Icon::Smooth => {
            let arc = (0..=10).map(|i| {
                let angle = std::f32::consts::FRAC_PI_2 * i as f32 / 10.0;
                at(-6.0 + 11.5 * angle.sin(), -5.5 + 11.5 * angle.cos())
            });
            painter.line(arc.collect(), line);
        }
        Icon::Exposure => {
            painter.circle_stroke(centre, 5.0, line);
            let half = (0..=12).map(|i| {
                let angle = std::f32::consts::PI * i as f32 / 12.0;
                at(5.0 * angle.sin(), -5.0 * angle.cos())
            });
            painter.add(fill(half.collect()));
        }
    }
}

/// A fork: one stem, two ends.
fn branch(painter: &egui::Painter, centre: Pos2, line: Stroke) {
    let at = |x: f32, y: f32| pos2(centre.x + x, centre.y + y);
    painter.line_segment([at(-3.5, -3.5), at(-3.5, 3.5)], line);
    painter.line(vec![at(-3.5, 2.5), at(-2.5, 0.5), at(2.5, -0.5), at(3.5, -2.5)], line);
    for (x, y) in [(-3.5, -4.5), (-3.5, 4.5), (3.5, -4.5)] {
        painter.circle_filled(at(x, y), 2.0, line.color);
    }
}
