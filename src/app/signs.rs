//! Small signs drawn by hand, since no font has them all: a lock, a new roll, the moon, side panels.

use super::theme::Theme;
use egui::{Color32, Painter, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2};

/// What a button shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Locked,
    Unlocked,
    Roll,
    Moon,
    Sun,
    HalfMoon,
    LeftPanel,
    RightPanel,
    /// Open a file.
    Folder,
    /// A movable square.
    Crop,
    /// Taken from elsewhere.
    Take,
    Cross,
}

/// A square button with a sign. `name` is what it is called; `tip` says what it does and which key does it.
pub fn button(ui: &mut Ui, sign: Sign, selected: bool, name: &str, tip: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(24.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, ui.is_enabled(), selected, name));
    let theme = Theme::of(ui);
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, 4, theme.hovered);
    }
    if response.has_focus() {
        ui.painter().rect_stroke(rect, 4, Stroke::new(1.0, theme.accent), StrokeKind::Inside);
    }
    let ground = if response.hovered() { theme.hovered } else { theme.panel };
    let ink = if selected { theme.text } else { theme.weak };
    paint(ui.painter(), rect.center(), sign, ink, ground);
    response.on_hover_text(tip)
}

fn paint(painter: &Painter, centre: Pos2, sign: Sign, ink: Color32, ground: Color32) {
    let at = |x: f32, y: f32| pos2(centre.x + x, centre.y + y);
    let line = Stroke::new(1.5, ink);
    match sign {
        Sign::Locked | Sign::Unlocked => {
            let lift = if sign == Sign::Unlocked { 1.5 } else { 0.0 };
            arc(painter, at(0.0, -1.5 - lift), 3.2, std::f32::consts::PI, std::f32::consts::PI, line);
            painter.line_segment([at(-3.2, -1.5 - lift), at(-3.2, 0.5)], line);
            if sign == Sign::Locked {
                painter.line_segment([at(3.2, -1.5), at(3.2, 0.5)], line);
            }
            painter.rect_filled(Rect::from_min_max(at(-5.0, 0.0), at(5.0, 6.5)), 1, ink);
        }
        Sign::Roll => {
            arc(painter, centre, 5.0, -1.0, 5.2, line);
            let head = vec![at(1.0, -7.5), at(1.0, -1.5), at(5.5, -4.5)];
            painter.add(egui::Shape::convex_polygon(head, ink, Stroke::NONE));
        }
        Sign::Moon => {
            painter.circle_filled(centre, 5.5, ink);
            painter.circle_filled(at(3.0, -2.0), 4.8, ground);
        }
        Sign::Sun => {
            painter.circle_filled(centre, 3.0, ink);
            for ray in 0..8 {
                let along = Vec2::angled(ray as f32 * std::f32::consts::FRAC_PI_4);
                painter.line_segment([centre + along * 4.8, centre + along * 6.8], line);
            }
        }
        Sign::HalfMoon => {
            painter.circle_stroke(centre, 5.5, line);
            let half = Rect::from_min_max(at(-6.0, -6.0), at(0.0, 6.0));
            painter.with_clip_rect(half).circle_filled(centre, 5.5, ink);
        }
        Sign::Folder => {
            let outline = [(-6.5, 5.0), (-6.5, -5.0), (-2.0, -5.0), (-0.5, -3.0), (6.5, -3.0), (6.5, 5.0), (-6.5, 5.0)];
            painter.line(outline.map(|(x, y)| at(x, y)).to_vec(), line);
        }
        Sign::Crop => {
            painter.line(vec![at(-3.5, -7.0), at(-3.5, 3.5), at(7.0, 3.5)], line);
            painter.line(vec![at(-7.0, -3.5), at(3.5, -3.5), at(3.5, 7.0)], line);
        }
        Sign::Take => {
            painter.line(vec![at(-1.5, -5.5), at(-6.0, -5.5), at(-6.0, 5.5), at(5.0, 5.5), at(5.0, 1.5)], line);
            painter.line_segment([at(5.5, -5.5), at(-1.5, 1.5)], line);
            painter.line(vec![at(-1.5, -2.5), at(-1.5, 1.5), at(2.5, 1.5)], line);
        }
        Sign::Cross => {
            painter.line_segment([at(-4.0, -4.0), at(4.0, 4.0)], line);
            painter.line_segment([at(4.0, -4.0), at(-4.0, 4.0)], line);
        }
        Sign::LeftPanel | Sign::RightPanel => {
            let frame = Rect::from_center_size(centre, vec2(14.0, 11.0));
            painter.rect_stroke(frame, 2, line, StrokeKind::Middle);
            let mut side = frame;
            side.set_width(5.0);
            if sign == Sign::RightPanel {
                side = side.translate(vec2(frame.width() - 5.0, 0.0));
            }
            painter.rect_filled(side, 1, ink);
        }
    }
}

/// Part of a circle from the angle `from`, `through` further, in radians.
fn arc(painter: &Painter, centre: Pos2, radius: f32, from: f32, through: f32, line: Stroke) {
    let points = (0..=24).map(|i| centre + radius * Vec2::angled(from + through * i as f32 / 24.0)).collect();
    painter.add(egui::Shape::line(points, line));
}
