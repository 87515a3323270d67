//! The tools' buttons, with a small drawing of each.

use super::draft::Tool;
use crate::app::theme::Theme;
use egui::{Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2};

/// A button for a tool, so wide.
pub fn button(ui: &mut Ui, tool: Tool, chosen: bool, width: f32) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(width, 28.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, ui.is_enabled(), chosen, tool.name()));
    let theme = Theme::of(ui);
    let (fill, ink) = match () {
        () if chosen => (theme.selected, theme.on_selected),
        () if response.hovered() || response.has_focus() => (theme.hovered, theme.text),
        () => (theme.raised, theme.text),
    };
    ui.painter().rect_filled(rect, 4, fill);
    if response.has_focus() {
        ui.painter().rect_stroke(rect, 4, Stroke::new(1.0, theme.accent), StrokeKind::Inside);
    }
    paint(ui.painter(), pos2(rect.left() + 12.0, rect.center().y), tool, Stroke::new(1.4, ink));
    let font = egui::TextStyle::Button.resolve(ui.style());
    let at = pos2(rect.left() + 22.5, rect.center().y);
    ui.painter().text(at, egui::Align2::LEFT_CENTER, tool.name(), font, ink);
    response.on_hover_text(tool.tip())
}

/// Draws a tool in a square of 14 points around `centre`.
fn paint(painter: &Painter, centre: Pos2, tool: Tool, line: Stroke) {
    let at = |x: f32, y: f32| pos2(centre.x + x, centre.y + y);
    match tool {
        Tool::Brush => {
            painter.line_segment([at(5.5, -6.0), at(-1.0, 1.0)], Stroke::new(2.2, line.color));
            let tip = vec![at(-0.5, 0.0), at(1.0, 1.8), at(-1.0, 4.6), at(-6.0, 5.8), at(-3.6, 1.6)];
            painter.add(Shape::convex_polygon(tip, line.color, Stroke::NONE));
        }
        Tool::Eraser => {
            let body = vec![at(-6.0, 2.0), at(1.0, -5.5), at(6.0, -1.0), at(-1.0, 6.0), at(-3.0, 6.0), at(-6.0, 2.0)];
            painter.line(body, line);
            painter.line_segment([at(-2.6, -1.6), at(2.4, 2.9)], line);
        }
        Tool::Colour => {
            // A drop.
            let round = |i: i32| {
                let angle = (i as f32 * 270.0 / 18.0 - 45.0).to_radians();
                at(4.2 * angle.cos(), 1.9 + 4.2 * angle.sin())
            };
            let drop = std::iter::once(at(0.0, -6.2)).chain((0..=18).map(round));
            painter.add(Shape::convex_polygon(drop.collect(), line.color, Stroke::NONE));
        }
        Tool::Rectangle => {
            let corners = [at(-6.0, -4.5), at(6.0, -4.5), at(6.0, 4.5), at(-6.0, 4.5), at(-6.0, -4.5)];
            painter.extend(Shape::dashed_line(&corners, line, 3.0, 2.0));
        }
        Tool::Lasso => {
            let round = |i: i32| {
                let angle = i as f32 * std::f32::consts::TAU / 24.0;
                at(5.8 * angle.cos(), -1.6 + 4.0 * angle.sin())
            };
            painter.line((0..=24).map(round).collect(), line);
            painter.line(vec![at(-3.2, 1.8), at(-4.4, 4.2), at(-2.4, 6.2)], line);
        }
        Tool::Fill => {
            painter.line(vec![at(-1.0, -5.5), at(5.0, 0.5), at(-1.0, 6.0), at(-6.0, 0.5), at(-1.0, -5.5)], line);
            let half = vec![at(-5.6, 0.8), at(4.8, 0.8), at(-1.0, 5.8)];
            painter.add(Shape::convex_polygon(half, line.color, Stroke::NONE));
        }
        Tool::Square => {
            let frame = Rect::from_center_size(centre, Vec2::splat(9.0));
            painter.rect_stroke(frame, 0, line, StrokeKind::Middle);
            for corner in [frame.left_top(), frame.right_top(), frame.right_bottom(), frame.left_bottom()] {
                painter.rect_filled(Rect::from_center_size(corner, Vec2::splat(3.6)), 0, line.color);
            }
        }
    }
}
