//! What lies over the photo: the square, what is being drawn, the brush.

use super::Inpaint;
use super::draft::Tool;
use super::hand::{Gesture, holds_photo};
use super::viewport::Placed;
use crate::app::theme::Theme;
use egui::{Align2, Color32, CursorIcon, Painter, Pos2, Rect, Response, Shape, Stroke, StrokeKind, Ui, Vec2};

/// Brushes smaller than this many points have a cross for a cursor.
const SMALLEST_RING: f32 = 2.5;
/// Radius of the colour in the middle of its brush, in points.
const DOT: f32 = 4.0;
/// Side of a corner of the square that can be dragged, in points.
const HANDLE: f32 = 9.0;

/// Lines that show on any photo: dark below, light above.
struct Line {
    below: Stroke,
    above: Stroke,
}

const LINE: Line = Line {
    below: Stroke { width: 3.0, color: Color32::from_black_alpha(140) },
    above: Stroke { width: 1.0, color: Color32::WHITE },
};

/// Paints everything, and sets the cursor.
pub fn ui(ui: &Ui, response: &Response, inpaint: &Inpaint, placed: Placed) {
    let Some(canvas) = &inpaint.canvas else { return };
    let painter = ui.painter().with_clip_rect(response.rect);
    let size = canvas.photo.size();
    let whole = size[0] == size[1] && canvas.crop().side >= 1.0;
    if !whole || inpaint.draft.tool == Tool::Square {
        square(ui, &painter, placed.rect(canvas.square()), inpaint.draft.tool == Tool::Square);
    }
    match &inpaint.gesture {
        Gesture::Rectangle { from, to, .. } => {
            let rect = Rect::from_two_pos(placed.to_screen(*from), placed.to_screen(*to));
            for stroke in [LINE.below, LINE.above] {
                painter.rect_stroke(rect, 0, stroke, StrokeKind::Middle);
            }
        }
        Gesture::Lasso { points, .. } => {
            let line: Vec<Pos2> = points.iter().map(|&point| placed.to_screen(point)).collect();
            painter.add(Shape::closed_line(line.clone(), LINE.below));
            painter.add(Shape::closed_line(line, LINE.above));
        }
        Gesture::None | Gesture::Stroke | Gesture::Pick | Gesture::Move { .. } | Gesture::Corner { .. } => {}
    }
    if let Some(at) = response.hover_pos() {
        cursor(ui, &painter, inpaint, placed, at);
    }
    if inpaint.changing {
        label(
            ui,
            &painter,
            response.rect.center_top() + Vec2::new(0.0, 12.0),
            Align2::CENTER_TOP,
            "Updating the mask…",
        );
    }
}

/// The square that the model sees.
fn square(ui: &Ui, painter: &Painter, rect: Rect, handles: bool) {
    let accent = Stroke::new(1.5, Theme::of(ui).accent);
    painter.rect_stroke(rect, 0, LINE.below, StrokeKind::Middle);
    painter.rect_stroke(rect, 0, accent, StrokeKind::Middle);
    if handles {
        for corner in [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom()] {
            let handle = Rect::from_center_size(corner, Vec2::splat(HANDLE));
            painter.rect(handle, 1, Color32::WHITE, Stroke::new(1.5, Color32::BLACK), StrokeKind::Middle);
        }
    }
}

fn cursor(ui: &Ui, painter: &Painter, inpaint: &Inpaint, placed: Placed, at: Pos2) {
    let Some(canvas) = &inpaint.canvas else { return };
    let brush = inpaint.draft.brush(canvas.photo.size());
    let radius = brush.radius * placed.scale;
    let icon = match inpaint.draft.tool {
        _ if holds_photo(ui) => CursorIcon::Grab,
        _ if inpaint.changing => CursorIcon::Progress,
        Tool::Colour if ui.input(|input| input.modifiers.alt) || inpaint.gesture == Gesture::Pick => {
            swatch(painter, at, canvas.colour_at(placed.to_photo(at)));
            CursorIcon::Crosshair
        }
        Tool::Brush | Tool::Eraser | Tool::Colour if radius >= SMALLEST_RING => {
            painter.circle_stroke(at, radius, LINE.below);
            painter.circle_stroke(at, radius, LINE.above);
            let inner = radius * brush.hardness;
            // The ring within which all is covered, where it can be told from the outer one.
            if inner > 2.0 && radius - inner > 3.0 {
                painter.circle_stroke(at, inner, Stroke::new(1.0, Color32::from_white_alpha(110)));
            }
            if let Some([r, g, b]) = brush.colour.filter(|_| !brush.erases) {
                painter.circle(at, DOT.min(radius), Color32::from_rgb(r, g, b), LINE.above);
            }
            if brush.erases {
                let half = Vec2::new(3.5, 0.0);
                painter.line_segment([at - half, at + half], LINE.below);
                painter.line_segment([at - half, at + half], LINE.above);
            }
            CursorIcon::None
        }
        Tool::Square => CursorIcon::Move,
        _ => CursorIcon::Crosshair,
    };
    ui.ctx().set_cursor_icon(icon);
}

/// The colour that a click takes up, beside the pointer.
fn swatch(painter: &Painter, at: Pos2, [r, g, b]: [u8; 3]) {
    let rect = Rect::from_min_size(at + Vec2::splat(10.0), Vec2::splat(18.0));
    painter.rect_stroke(rect, 3, LINE.below, StrokeKind::Outside);
    painter.rect(rect, 3, Color32::from_rgb(r, g, b), LINE.above, StrokeKind::Outside);
}

/// A few words on a ground of their own.
pub fn label(ui: &Ui, painter: &Painter, at: Pos2, anchor: Align2, text: &str) {
    let theme = Theme::of(ui);
    let font = egui::TextStyle::Small.resolve(ui.style());
    let galley = painter.layout_no_wrap(text.into(), font, theme.text);
    let rect = anchor.anchor_size(at, galley.size() + Vec2::new(12.0, 6.0));
    painter.rect_filled(rect, 4, theme.panel);
    painter.galley(rect.min + Vec2::new(6.0, 3.0), galley, theme.text);
}
