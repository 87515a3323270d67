//! Small drawn icons, so that no font has to have them, and the buttons that carry them.

use crate::app::theme::{CONTROL, Theme};
use egui::{
    Align2, Color32, Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, TextStyle, Ui, Vec2,
    WidgetInfo, pos2, vec2,
};
use std::f32::consts::{FRAC_PI_2, FRAC_PI_4, PI, TAU};

/// A drawing in a square of 12 points.
#[derive(Clone, Copy, Debug)]
pub struct Icon(&'static [Piece]);

/// Places are in points from the middle, angles in radians.
#[derive(Clone, Copy, Debug)]
enum Piece {
    Line(&'static [[f32; 2]]),
    Thick(&'static [[f32; 2]]),
    Dashed(&'static [[f32; 2]]),
    /// A convex polygon.
    Fill(&'static [[f32; 2]]),
    /// Middle, width and height, and radius of the corners; filled.
    Block([f32; 5]),
    /// The same, its outline.
    Frame([f32; 5]),
    /// Middle and radius.
    Disc([f32; 3]),
    /// The same in the colour of the ground.
    Hole([f32; 3]),
    /// The same, its outline.
    Ring([f32; 3]),
    /// Middle and both radii of an ellipse, the angle at which it begins, and how far it goes.
    Arc([f32; 6]),
    /// The same of a circle, filled, with a corner outside where there is one.
    Segment([f32; 5], &'static [[f32; 2]]),
    /// Eight lines between two distances from the middle.
    Rays([f32; 2]),
}

use Piece::{Arc, Block, Dashed, Disc, Fill, Frame, Hole, Line, Rays, Ring, Segment, Thick};

impl Icon {
    pub const PLAY: Icon = Icon(&[Fill(&[[-4.0, -5.5], [5.5, 0.0], [-4.0, 5.5]])]);
    pub const PLAY_BACK: Icon = Icon(&[Fill(&[[4.0, -5.5], [-5.5, 0.0], [4.0, 5.5]])]);
    pub const PAUSE: Icon = Icon(&[Block([-3.0, 0.0, 3.0, 10.0, 0.0]), Block([3.0, 0.0, 3.0, 10.0, 0.0])]);
    pub const BACK: Icon = Icon(&[Block([-4.0, 0.0, 2.0, 9.0, 0.0]), Fill(&[[4.5, -4.5], [4.5, 4.5], [-2.5, 0.0]])]);
    pub const FORWARD: Icon = Icon(&[Block([4.0, 0.0, 2.0, 9.0, 0.0]), Fill(&[[-4.5, -4.5], [2.5, 0.0], [-4.5, 4.5]])]);
    /// A fork: one stem, two ends.
    pub const BRANCH: Icon = Icon(&[
        Line(&[[-3.5, -3.5], [-3.5, 3.5]]),
        Line(&[[-3.5, 2.5], [-2.5, 0.5], [2.5, -0.5], [3.5, -2.5]]),
        Disc([-3.5, -4.5, 2.0]),
        Disc([-3.5, 4.5, 2.0]),
        Disc([3.5, -4.5, 2.0]),
    ]);
    pub const SAVE: Icon = Icon(&[
        Line(&[[0.0, -5.5], [0.0, 2.0]]),
        Line(&[[-3.5, -1.5], [0.0, 2.0], [3.5, -1.5]]),
        Line(&[[-5.5, 2.0], [-5.5, 5.5], [5.5, 5.5], [5.5, 2.0]]),
    ]);
    pub const GRID: Icon = Icon(&[
        Block([-3.0, -3.0, 4.5, 4.5, 0.0]),
        Block([3.0, -3.0, 4.5, 4.5, 0.0]),
        Block([-3.0, 3.0, 4.5, 4.5, 0.0]),
        Block([3.0, 3.0, 4.5, 4.5, 0.0]),
    ]);
    pub const ONE: Icon = Icon(&[Block([0.0, 0.0, 10.5, 10.5, 0.0])]);
    pub const NEAREST: Icon = Icon(&[
        Block([-4.0, 4.0, 4.0, 4.0, 0.0]),
        Block([0.0, 4.0, 4.0, 4.0, 0.0]),
        Block([0.0, 0.0, 4.0, 4.0, 0.0]),
        Block([4.0, 4.0, 4.0, 4.0, 0.0]),
        Block([4.0, 0.0, 4.0, 4.0, 0.0]),
        Block([4.0, -4.0, 4.0, 4.0, 0.0]),
    ]);
    pub const SMOOTH: Icon = Icon(&[Arc([-6.0, -5.5, 11.5, 11.5, FRAC_PI_2, -FRAC_PI_2])]);
    pub const EXPOSURE: Icon = Icon(&[Ring([0.0, 0.0, 5.0]), Segment([0.0, 0.0, 5.0, -FRAC_PI_2, PI], &[])]);
    pub const LOCKED: Icon = Icon(&[
        Arc([0.0, -1.5, 3.2, 3.2, PI, PI]),
        Line(&[[-3.2, -1.5], [-3.2, 0.5]]),
        Line(&[[3.2, -1.5], [3.2, 0.5]]),
        Block([0.0, 3.25, 10.0, 6.5, 1.0]),
    ]);
    pub const UNLOCKED: Icon = Icon(&[
        Arc([0.0, -3.0, 3.2, 3.2, PI, PI]),
        Line(&[[-3.2, -3.0], [-3.2, 0.5]]),
        Block([0.0, 3.25, 10.0, 6.5, 1.0]),
    ]);
    /// Another one.
    pub const ROLL: Icon =
        Icon(&[Arc([0.0, 0.0, 5.0, 5.0, -1.0, 5.2]), Fill(&[[1.0, -7.5], [1.0, -1.5], [5.5, -4.5]])]);
    pub const MOON: Icon = Icon(&[Disc([0.0, 0.0, 5.5]), Hole([3.0, -2.0, 4.8])]);
    pub const SUN: Icon = Icon(&[Disc([0.0, 0.0, 3.0]), Rays([4.8, 6.8])]);
    pub const HALF_MOON: Icon = Icon(&[Ring([0.0, 0.0, 5.5]), Segment([0.0, 0.0, 5.5, FRAC_PI_2, PI], &[])]);
    pub const LEFT_PANEL: Icon = Icon(&[Frame([0.0, 0.0, 14.0, 11.0, 2.0]), Block([-4.5, 0.0, 5.0, 11.0, 1.0])]);
    pub const RIGHT_PANEL: Icon = Icon(&[Frame([0.0, 0.0, 14.0, 11.0, 2.0]), Block([4.5, 0.0, 5.0, 11.0, 1.0])]);
    /// Open a file.
    pub const FOLDER: Icon =
        Icon(&[Line(&[[-6.5, 5.0], [-6.5, -5.0], [-2.0, -5.0], [-0.5, -3.0], [6.5, -3.0], [6.5, 5.0], [-6.5, 5.0]])]);
    /// A movable square.
    pub const CROP: Icon =
        Icon(&[Line(&[[-3.5, -7.0], [-3.5, 3.5], [7.0, 3.5]]), Line(&[[-7.0, -3.5], [3.5, -3.5], [3.5, 7.0]])]);
    /// Taken from elsewhere.
    pub const TAKE: Icon = Icon(&[
        Line(&[[-1.5, -5.5], [-6.0, -5.5], [-6.0, 5.5], [5.0, 5.5], [5.0, 1.5]]),
        Line(&[[5.5, -5.5], [-1.5, 1.5]]),
        Line(&[[-1.5, -2.5], [-1.5, 1.5], [2.5, 1.5]]),
    ]);
    pub const CROSS: Icon = Icon(&[Line(&[[-4.0, -4.0], [4.0, 4.0]]), Line(&[[4.0, -4.0], [-4.0, 4.0]])]);
    pub const BRUSH: Icon = Icon(&[
        Thick(&[[5.5, -6.0], [-1.0, 1.0]]),
        Fill(&[[-0.5, 0.0], [1.0, 1.8], [-1.0, 4.6], [-6.0, 5.8], [-3.6, 1.6]]),
    ]);
    pub const ERASER: Icon = Icon(&[
        Line(&[[-6.0, 2.0], [1.0, -5.5], [6.0, -1.0], [-1.0, 6.0], [-3.0, 6.0], [-6.0, 2.0]]),
        Line(&[[-2.6, -1.6], [2.4, 2.9]]),
    ]);
    pub const DROP: Icon = Icon(&[Segment([0.0, 1.9, 4.2, -FRAC_PI_4, 3.0 * FRAC_PI_2], &[[0.0, -6.2]])]);
    pub const RECTANGLE: Icon = Icon(&[Dashed(&[[-6.0, -4.5], [6.0, -4.5], [6.0, 4.5], [-6.0, 4.5], [-6.0, -4.5]])]);
    pub const LASSO: Icon =
        Icon(&[Arc([0.0, -1.6, 5.8, 4.0, 0.0, TAU]), Line(&[[-3.2, 1.8], [-4.4, 4.2], [-2.4, 6.2]])]);
    pub const BUCKET: Icon = Icon(&[
        Line(&[[-1.0, -5.5], [5.0, 0.5], [-1.0, 6.0], [-6.0, 0.5], [-1.0, -5.5]]),
        Fill(&[[-5.6, 0.8], [4.8, 0.8], [-1.0, 5.8]]),
    ]);
    pub const SQUARE: Icon = Icon(&[
        Frame([0.0, 0.0, 9.0, 9.0, 0.0]),
        Block([-4.5, -4.5, 3.6, 3.6, 0.0]),
        Block([4.5, -4.5, 3.6, 3.6, 0.0]),
        Block([4.5, 4.5, 3.6, 3.6, 0.0]),
        Block([-4.5, 4.5, 3.6, 3.6, 0.0]),
    ]);

    /// Draws it around `centre`.
    pub fn paint(self, painter: &Painter, centre: Pos2, ink: Color32) {
        self.draw(painter, centre, Stroke::new(1.5, ink), Color32::TRANSPARENT);
    }

    fn draw(self, painter: &Painter, centre: Pos2, line: Stroke, ground: Color32) {
        let at = |[x, y]: [f32; 2]| pos2(centre.x + x, centre.y + y);
        let all = |points: &[[f32; 2]]| points.iter().copied().map(at).collect::<Vec<_>>();
        let rect = |[x, y, width, height, _]: [f32; 5]| Rect::from_center_size(at([x, y]), vec2(width, height));
        let arc = |[x, y, a, b, from, through]: [f32; 6]| {
            let angles = (0..=24).map(move |i| from + through * i as f32 / 24.0);
            angles.map(move |angle| at([x + a * angle.cos(), y + b * angle.sin()]))
        };
        for part in self.0 {
            match *part {
                // Short of a bend, lines are sharp.
                Line(&[from, to]) => drop(painter.line_segment([at(from), at(to)], line)),
                Line(points) => drop(painter.line(all(points), line)),
                Thick(points) => drop(painter.line(all(points), Stroke::new(2.2, line.color))),
                Dashed(points) => painter.extend(Shape::dashed_line(&all(points), line, 3.0, 2.0)),
                Fill(points) => drop(painter.add(Shape::convex_polygon(all(points), line.color, Stroke::NONE))),
                Block(block) => drop(painter.rect_filled(rect(block), block[4], line.color)),
                Frame(frame) => drop(painter.rect_stroke(rect(frame), frame[4], line, StrokeKind::Middle)),
                Disc([x, y, radius]) => drop(painter.circle_filled(at([x, y]), radius, line.color)),
                Hole([x, y, radius]) => drop(painter.circle_filled(at([x, y]), radius, ground)),
                Ring([x, y, radius]) => drop(painter.circle_stroke(at([x, y]), radius, line)),
                Arc(ellipse) => drop(painter.line(arc(ellipse).collect(), line)),
                Segment([x, y, radius, from, through], corner) => {
                    let points = all(corner).into_iter().chain(arc([x, y, radius, radius, from, through])).collect();
                    painter.add(Shape::convex_polygon(points, line.color, Stroke::NONE));
                }
                Rays([near, far]) => (0..8).for_each(|ray| {
                    let along = Vec2::angled(ray as f32 * FRAC_PI_4);
                    painter.line_segment([centre + along * near, centre + along * far], line);
                }),
            }
        }
    }
}

/// Room for a button of one's own, filled as it is: `rest` where nothing else is so.
fn room(ui: &mut Ui, size: Vec2, selected: bool, rest: Color32, info: impl Fn(bool) -> WidgetInfo) -> (Rect, Response) {
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| info(ui.is_enabled()));
    let theme = Theme::of(ui);
    let fill = match () {
        () if selected => theme.selected,
        () if response.hovered() || response.has_focus() => theme.hovered,
        () => rest,
    };
    ui.painter().rect_filled(rect, 4, fill);
    if response.has_focus() {
        ui.painter().rect_stroke(rect, 4, Stroke::new(1.0, theme.accent), StrokeKind::Inside);
    }
    (rect, response)
}

/// A square button. `name` is what it is called; `tip` says what it does and which key does it.
pub fn button(ui: &mut Ui, icon: Icon, selected: bool, name: &str, tip: &str) -> Response {
    let info = |enabled| WidgetInfo::selected(Role::Button, enabled, selected, name);
    let (rect, response) = room(ui, Vec2::splat(CONTROL), selected, Color32::TRANSPARENT, info);
    let theme = Theme::of(ui);
    let ink = match () {
        () if selected => theme.on_selected,
        () if ui.is_enabled() => theme.text,
        () => theme.text.gamma_multiply(0.4),
    };
    icon.paint(ui.painter(), rect.center(), ink);
    response.on_hover_text(tip)
}

/// The same, which shows whether it is selected by its ink alone.
pub fn quiet_button(ui: &mut Ui, icon: Icon, selected: bool, name: &str, tip: &str) -> Response {
    let info = |enabled| WidgetInfo::selected(Role::Button, enabled, selected, name);
    let (rect, response) = room(ui, Vec2::splat(CONTROL), false, Color32::TRANSPARENT, info);
    let theme = Theme::of(ui);
    let ground = if response.hovered() { theme.hovered } else { theme.panel };
    let ink = if selected { theme.text } else { theme.weak };
    icon.draw(ui.painter(), rect.center(), Stroke::new(1.5, ink), ground);
    response.on_hover_text(tip)
}

/// One of several tools: a button so wide, with its name beside the icon.
pub fn tool_button(ui: &mut Ui, icon: Icon, selected: bool, width: f32, name: &str, tip: &str) -> Response {
    let theme = Theme::of(ui);
    let info = |enabled| WidgetInfo::selected(Role::RadioButton, enabled, selected, name);
    let (rect, response) = room(ui, vec2(width, 28.0), selected, theme.raised, info);
    let ink = if selected { theme.on_selected } else { theme.text };
    let middle = rect.left_center();
    icon.draw(ui.painter(), middle + vec2(12.0, 0.0), Stroke::new(1.4, ink), theme.raised);
    let font = TextStyle::Button.resolve(ui.style());
    ui.painter().text(middle + vec2(22.5, 0.0), Align2::LEFT_CENTER, name, font, ink);
    response.on_hover_text(tip)
}
