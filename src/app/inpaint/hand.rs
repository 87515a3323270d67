//! What the pointer draws. Every move counts, not only the last of a frame.

use super::Inpaint;
use super::draft::Tool;
use super::operation::{Operation, Shape};
use super::viewport::Placed;
use crate::app::photos::Crop;
use egui::{Event, Key, PointerButton, Pos2, Response, Ui};

/// How near a corner of the square it is taken, in points.
const CORNER: f32 = 12.0;
/// Zoom for a point of scrolling.
const SCROLL: f32 = 0.004;

/// What is being drawn. Places are in pixels of the photo.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Gesture {
    #[default]
    None,
    Stroke,
    /// The colour under the pointer is taken up.
    Pick,
    Rectangle {
        from: [f32; 2],
        to: [f32; 2],
        takes: bool,
    },
    Lasso {
        points: Vec<[f32; 2]>,
        takes: bool,
    },
    /// The square is moved; from its middle to the pointer.
    Move {
        offset: [f32; 2],
    },
    /// Its corner is dragged; the one opposite stays.
    Corner {
        opposite: [f32; 2],
    },
}

/// Obeys wheel, pinch and drags that move the photo.
pub fn navigate(ui: &Ui, response: &Response, inpaint: &mut Inpaint, size: [usize; 2]) {
    let (pane, view) = (response.rect, &mut inpaint.viewport);
    view.settle(pane, size, 1.0 / ui.pixels_per_point());
    if let Some(at) = response.hover_pos() {
        let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
        let factor = (SCROLL * scroll).exp() * pinch;
        if factor != 1.0 {
            view.zoom(factor, at, pane, size);
        }
    }
    let held = holds_photo(ui) && inpaint.gesture == Gesture::None;
    if response.dragged_by(PointerButton::Middle) || held && response.dragged_by(PointerButton::Primary) {
        view.pan(response.drag_delta(), pane, size);
    }
}

/// Whether dragging moves the photo.
pub fn holds_photo(ui: &Ui) -> bool {
    ui.input(|input| input.key_down(Key::Space) || input.pointer.middle_down())
}

/// Draws along all moves of the pointer since the last frame.
pub fn draw(ui: &Ui, response: &Response, inpaint: &mut Inpaint, placed: Placed) {
    let free = response.contains_pointer() && !holds_photo(ui) && !inpaint.changing;
    let (events, down) = ui.input(|input| {
        let pointer = |event: &&Event| matches!(event, Event::PointerButton { .. } | Event::PointerMoved(_));
        let events: Vec<Event> = input.events.iter().filter(pointer).cloned().collect();
        (events, input.pointer.primary_down())
    });
    let mut path = Vec::new();
    for event in events {
        match event {
            Event::PointerMoved(at) => path.push(placed.to_photo(at)),
            Event::PointerButton { pos, button: PointerButton::Primary, pressed: true, modifiers }
                if free && response.rect.contains(pos) =>
            {
                path.clear();
                press(ui, inpaint, placed, pos, modifiers);
            }
            Event::PointerButton { pos, button: PointerButton::Primary, pressed: false, .. } => {
                path.push(placed.to_photo(pos));
                drag(inpaint, &path);
                path.clear();
                release(ui, inpaint);
            }
            _ => {}
        }
    }
    drag(inpaint, &path);
    // The release may be lost, as when another window comes to the front.
    if !down {
        release(ui, inpaint);
    }
}

fn press(ui: &Ui, inpaint: &mut Inpaint, placed: Placed, pos: Pos2, modifiers: egui::Modifiers) {
    let at = placed.to_photo(pos);
    let takes = inpaint.draft.takes != modifiers.alt;
    let Some(canvas) = &mut inpaint.canvas else { return };
    let size = canvas.photo.size();
    match inpaint.draft.tool {
        Tool::Colour if modifiers.alt => {
            inpaint.draft.colour = canvas.colour_at(at);
            inpaint.gesture = Gesture::Pick;
        }
        Tool::Brush | Tool::Eraser | Tool::Colour => {
            canvas.press(inpaint.draft.brush(size), at, modifiers.shift);
            inpaint.gesture = Gesture::Stroke;
        }
        Tool::Rectangle => inpaint.gesture = Gesture::Rectangle { from: at, to: at, takes },
        Tool::Lasso => inpaint.gesture = Gesture::Lasso { points: vec![at], takes },
        Tool::Square => inpaint.gesture = grab(canvas.square(), placed, pos),
        Tool::Fill => {
            let inside = (0..2).all(|axis| at[axis] >= 0.0 && at[axis] < size[axis] as f32);
            if inside {
                let (tolerance, connected) = (inpaint.draft.tolerance, inpaint.draft.connected);
                let shape = Shape::Similar { at: at.map(|part| part as usize), tolerance, connected };
                inpaint.change(ui.ctx(), Operation::Lay { shape, takes });
            }
        }
    }
}

/// A corner of the square, else the square itself; from outside, it comes to the pointer.
fn grab(square: [u32; 3], placed: Placed, pos: Pos2) -> Gesture {
    let rect = placed.rect(square);
    let corners = [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom()];
    if let Some(index) = corners.iter().position(|corner| corner.distance(pos) < CORNER) {
        return Gesture::Corner { opposite: placed.to_photo(corners[(index + 2) % 4]) };
    }
    let offset = if rect.contains(pos) { ((pos - rect.center()) / placed.scale).into() } else { [0.0; 2] };
    Gesture::Move { offset }
}

fn drag(inpaint: &mut Inpaint, path: &[[f32; 2]]) {
    let (Some(canvas), Some(&last)) = (&mut inpaint.canvas, path.last()) else { return };
    let size = canvas.photo.size().map(|side| side as f32);
    match &mut inpaint.gesture {
        Gesture::None => {}
        Gesture::Stroke => canvas.drag(path),
        Gesture::Pick => inpaint.draft.colour = canvas.colour_at(last),
        Gesture::Rectangle { to, .. } => *to = last,
        Gesture::Lasso { points, .. } => points.extend(path.iter().filter(|point| point[0].is_finite())),
        Gesture::Move { offset } => {
            let centre = [0, 1].map(|axis| (last[axis] - offset[axis]) / size[axis]);
            canvas.set_crop(Crop { centre, ..canvas.crop() });
        }
        Gesture::Corner { opposite } => {
            let away = [0, 1].map(|axis| last[axis] - opposite[axis]);
            let smaller = size[0].min(size[1]);
            let side = away[0].abs().max(away[1].abs()).clamp(Crop::LEAST * smaller, smaller);
            let centre = [0, 1].map(|axis| (opposite[axis] + 0.5 * side * away[axis].signum()) / size[axis]);
            canvas.set_crop(Crop { centre, side: side / smaller });
        }
    }
}

fn release(ui: &Ui, inpaint: &mut Inpaint) {
    let gesture = std::mem::take(&mut inpaint.gesture);
    let (shape, takes) = match gesture {
        Gesture::Stroke => {
            if let Some(canvas) = &mut inpaint.canvas {
                canvas.lift();
            }
            return;
        }
        Gesture::Rectangle { from, to, takes } if from != to => (Shape::Rectangle([from, to]), takes),
        Gesture::Lasso { points, takes } if points.len() > 2 => (Shape::Lasso(points), takes),
        _ => return,
    };
    inpaint.change(ui.ctx(), Operation::Lay { shape, takes });
}
