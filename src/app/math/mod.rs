//! Formulas: lines of plain text, typeset as mathematics.
//!
//! [`parse`] finds the parts of a line, [`layout`] puts them in their places, [`show`] draws them. A part belongs to a
//! term by its symbol or by a name that the line gives it ([`crate::registry::term`]). Whoever shows a term elsewhere, in
//! a control or a plot, says so by [`light`], and it lights up in all formulas.

mod block;
mod layout;
mod parse;
#[cfg(test)]
mod tests;
mod type_case;

pub use type_case::install;

use super::theme::Theme;
use crate::registry::{meaning, without_terms};
use block::{Ink, Letters, Mark, Names};
use egui::{Color32, Id, Painter, Pos2, Rect, Response, Role, Sense, Stroke, Ui, Vec2, WidgetInfo, vec2};
use layout::{Laid, lay, mark_at};
use std::sync::Arc;
use type_case::TypeCase;

/// Letters of formulas, in points.
pub const SIZE: f32 = 16.0;

/// Shows a line as mathematics, in the room there is.
pub fn show(ui: &mut Ui, line: &str) -> Response {
    shown(ui, line, ui.available_width())
}

fn shown(ui: &mut Ui, line: &str, width: f32) -> Response {
    let laid = laid(ui, line, width);
    let (rect, response) = ui.allocate_exact_size(laid.size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, without_terms(line)));
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let pointed = response.hover_pos().and_then(|at| mark_at(&laid, at - rect.min.to_vec2())).map(name_of);
    if let Some(Some(name)) = &pointed {
        light(ui.ctx(), name);
    }
    let lit = lit(ui);
    paint(ui, rect.min, &laid, lit.as_deref());
    match pointed.flatten().and_then(|name| meaning(&name)) {
        Some(meaning) => response.on_hover_text_at_pointer(meaning),
        None => response,
    }
}

/// Shows prose whose formulas are between dollar signs.
pub fn prose(ui: &mut Ui, text: &str) {
    let width = ui.available_width();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(0.0, 3.0);
        for (place, part) in text.split('$').enumerate() {
            if place % 2 == 1 {
                shown(ui, part, width);
            } else if !part.is_empty() {
                ui.label(part);
            }
        }
    });
}

/// The name by which a mark is known: that of its own symbol, if it means something, before that of its term.
fn name_of(mark: &Mark) -> Option<Arc<str>> {
    let Names { own, within } = &mark.names;
    let known = own.as_ref().filter(|own| meaning(own).is_some());
    known.or(within.as_ref()).or(own.as_ref()).cloned()
}

/// The formula of a line, from the last frame where nothing has changed.
fn laid(ui: &Ui, line: &str, width: f32) -> Arc<Laid> {
    type Kept = (String, [f32; 2], Arc<Laid>);
    let id = ui.next_auto_id().with("formula");
    let pixels = ui.ctx().pixels_per_point();
    let kept = ui.data(|data| data.get_temp::<Kept>(id));
    if let Some((_, _, laid)) = kept.filter(|(text, room, _)| text == line && *room == [width, pixels]) {
        return laid;
    }
    let made = Arc::new(ui.fonts_mut(|fonts| lay(&mut TypeCase::new(fonts, pixels), line, SIZE, width)));
    ui.data_mut(|data| data.insert_temp::<Kept>(id, (line.to_owned(), [width, pixels], made.clone())));
    made
}

fn paint(ui: &Ui, origin: Pos2, laid: &Laid, lit: Option<&str>) {
    let (theme, painter) = (Theme::of(ui), ui.painter());
    let by = origin.to_vec2();
    let is_lit = |mark: &Mark| lit.is_some_and(|lit| mark.names.has(lit));
    for run in laid.marks.chunk_by(|a, b| is_lit(a) && is_lit(b) && in_one_line(a, b)) {
        let bounds = run.iter().filter(|mark| is_lit(mark)).map(Mark::bounds).reduce(Rect::union);
        if let Some(bounds) = bounds {
            painter.rect_filled(bounds.translate(by).expand2(vec2(2.0, 3.0)), 3.0, theme.selected);
        }
    }
    for mark in &laid.marks {
        let colour = if is_lit(mark) { theme.on_selected } else { colour(theme, &mark.names) };
        draw(painter, mark, by, colour);
    }
}

/// Whether two marks overlap in height: a run that is broken lights up in both lines.
fn in_one_line(a: &Mark, b: &Mark) -> bool {
    let (a, b) = (a.bounds().y_range(), b.bounds().y_range());
    a.min <= b.max + 4.0 && b.min <= a.max + 4.0
}

fn draw(painter: &Painter, mark: &Mark, by: Vec2, colour: Color32) {
    match &mark.ink {
        Ink::Letters(Letters { text, font, at, .. }) => {
            let galley = painter.layout_no_wrap(text.clone(), font.clone(), colour);
            let row = galley.rows.first();
            let baseline = row.and_then(|row| Some(row.pos.y + row.glyphs.first()?.pos.y)).unwrap_or_default();
            painter.galley(*at + by - vec2(0.0, baseline), galley, colour);
        }
        Ink::Rule(rect) => {
            // A bar is sharp where it begins with a pixel.
            let pixel = 1.0 / painter.pixels_per_point();
            let top = ((rect.top() + by.y) / pixel).round() * pixel;
            let height = (rect.height() / pixel).round().max(1.0) * pixel;
            let bar = Rect::from_min_size(egui::pos2(rect.left() + by.x, top), vec2(rect.width(), height));
            painter.rect_filled(bar, 0.0, colour);
        }
        Ink::Surd { points, width } => {
            let points: Vec<Pos2> = points.iter().map(|point| *point + by).collect();
            let thick = Stroke::new(1.8 * width, colour);
            if let [serif, top, foot, end] = points[..] {
                painter.line_segment([serif, top], Stroke::new(*width, colour));
                painter.line_segment([top, foot], thick);
                painter.line_segment([foot, end], Stroke::new(*width, colour));
            }
        }
    }
}

/// The colour of a term, the same in all formulas.
fn colour(theme: &Theme, names: &Names) -> Color32 {
    let of = |name: &Option<Arc<str>>| name.as_deref().and_then(|name| theme.term(name));
    of(&names.within).or_else(|| of(&names.own)).unwrap_or(theme.text)
}

/// Says that a term is being shown or set: its symbol or its name.
pub fn light(ctx: &egui::Context, name: &str) {
    let now = ctx.cumulative_pass_nr();
    let before = ctx.data_mut(|data| {
        let before = data.get_temp::<(u64, Arc<str>)>(Id::unique(LIT));
        data.insert_temp(Id::unique(LIT), (now, Arc::<str>::from(name)));
        before
    });
    if before.is_none_or(|(pass, before)| *before != *name || pass + 1 < now) {
        ctx.request_repaint();
    }
}

const LIT: &str = "lit term";

/// The term that was shown or set in this frame or the last.
fn lit(ui: &Ui) -> Option<Arc<str>> {
    let now = ui.ctx().cumulative_pass_nr();
    let lit = ui.data(|data| data.get_temp::<(u64, Arc<str>)>(Id::unique(LIT)));
    lit.filter(|(pass, _)| pass + 1 >= now).map(|(_, name)| name)
}
