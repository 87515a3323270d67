//! The table of a comparison: how far each preset is, what it costs and how near it comes.

use super::Work;
use super::chart::Dot;
use super::view::{Order, View};
use crate::app::figure::short;
use crate::app::theme::{Theme, UNIT};
use egui::{Align2, FontId, Rect, Response, ScrollArea, Sense, TextStyle, Ui, pos2, vec2};

/// Height of a line.
const LINE: f32 = 20.0;
/// Widths of all columns but that of the names, which takes what is left, and no less than that.
const COLUMNS: [f32; 4] = [88.0, 76.0, 64.0, 150.0];
const NAMES: f32 = 120.0;
/// Of these, what goes first where room is short: the seconds, the samples, the evaluations.
const DISPENSABLE: [usize; 3] = [2, 0, 1];

/// Shows the table. A click on a line puts its preset side by side with others.
pub fn ui(ui: &mut Ui, work: &Work, dots: &[Dot], view: &mut View) {
    header(ui, work, view);
    let cells = &work.standing.cells;
    let mut order: Vec<usize> = (0..work.comparison.cells.len()).collect();
    let value = |index: &usize| dots.iter().find(|dot| dot.index == *index).map_or(f64::INFINITY, |dot| dot.value);
    let cost = |index: &usize| {
        let known = cells.get(*index).filter(|cell| cell.count > 0);
        let seconds = |cell: &crate::engine::CellStanding| if view.seconds { cell.seconds } else { cell.evaluations };
        known.map_or(f64::INFINITY, seconds)
    };
    match view.order {
        Order::Given => {}
        Order::Cost => order.sort_by(|a, b| cost(a).total_cmp(&cost(b))),
        Order::Distance => order.sort_by(|a, b| value(a).total_cmp(&value(b))),
    }
    ScrollArea::vertical().auto_shrink(false).show_rows(ui, LINE, order.len(), |ui, rows| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for index in order.get(rows).unwrap_or_default() {
            let dot = dots.iter().find(|dot| dot.index == *index);
            if line(ui, work, *index, dot, view.selected.contains(index)).clicked() {
                view.toggle(*index);
            }
        }
    });
}

/// Where the columns are in a line, of those for which there is room.
fn columns(line: Rect) -> [Option<Rect>; 5] {
    let mut shown = [true; COLUMNS.len()];
    let room = |shown: &[bool]| {
        line.width()
            - UNIT
            - COLUMNS.iter().zip(shown).filter(|(_, shown)| **shown).map(|(width, _)| width).sum::<f32>()
    };
    for column in DISPENSABLE {
        if room(&shown) < NAMES {
            shown[column] = false;
        }
    }
    let mut columns = [None; 5];
    let mut right = line.right() - UNIT;
    for ((column, width), _) in columns.iter_mut().skip(1).zip(COLUMNS).zip(shown).rev().filter(|(_, shown)| *shown) {
        *column = Some(Rect::from_x_y_ranges(right - width..=right, line.y_range()));
        right -= width;
    }
    columns[0] = Some(Rect::from_x_y_ranges(line.left() + UNIT..=right, line.y_range()));
    columns
}

fn header(ui: &mut Ui, work: &Work, view: &mut View) {
    let metric = work.results.as_ref().map_or("distance", |results| results.metric.as_str());
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::hover());
    let heads: [(&str, &str, Option<Order>); 5] = [
        ("preset", "In the order in which they were chosen", Some(Order::Given)),
        ("samples", "Samples that are there, of those that are wanted", None),
        ("evaluations", "Score evaluations of each sample", Some(Order::Cost)),
        ("s/sample", "Seconds of computing of each sample, on this machine", None),
        (metric, "Fréchet distance to the reference; in brackets 95% of resampled sets", Some(Order::Distance)),
    ];
    for (place, ((text, tip, order), area)) in heads.into_iter().zip(columns(rect)).enumerate() {
        let Some(area) = area else { continue };
        let sense = if order.is_some() { Sense::click() } else { Sense::hover() };
        let response = ui.interact(area, ui.scope_id().with(("head", place)), sense).on_hover_text(tip);
        let theme = Theme::of(ui);
        let chosen = order.is_some_and(|order| order == view.order);
        let text = if chosen { format!("{text} ▾") } else { text.to_owned() };
        let colour = if chosen { theme.text } else { theme.weak };
        let font = TextStyle::Small.resolve(ui.style());
        ui.painter().text(area.left_center(), Align2::LEFT_CENTER, text, font, colour);
        if let Some(order) = order.filter(|_| response.clicked()) {
            view.order = order;
        }
    }
}

fn line(ui: &mut Ui, work: &Work, index: usize, dot: Option<&Dot>, selected: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::click());
    let theme = Theme::of(ui);
    let columns = columns(rect);
    let cell = &work.comparison.cells[index];
    let standing = work.standing.cells.get(index);
    if selected || response.hovered() {
        ui.painter().rect_filled(rect, 2, if selected { theme.raised } else { theme.hovered });
    }
    let share = standing.map_or(0.0, |standing| standing.count as f32 / standing.of.max(1) as f32);
    if let Some(column) = columns[1].filter(|_| (0.0..1.0).contains(&share) && share > 0.0) {
        let (left, right) = (column.left(), column.right() - UNIT);
        let bar = Rect::from_min_max(pos2(left, rect.bottom() - 3.0), pos2(right, rect.bottom() - 1.0));
        ui.painter().rect_filled(bar, 1, theme.line);
        let done = Rect::from_min_size(bar.min, vec2(bar.width() * share, bar.height()));
        ui.painter().rect_filled(done, 1, theme.accent);
    }
    let failure = standing.and_then(|standing| standing.failure.as_deref());
    let known = standing.filter(|standing| standing.count > 0);
    let figure = match dot {
        Some(Dot { value, interval: Some([low, high]), .. }) => {
            format!("{} [{}, {}]", short(*value), short(*low), short(*high))
        }
        Some(dot) => short(dot.value),
        None => failure.map_or_else(String::new, |_| "failed".into()),
    };
    let texts = [
        cell.name.clone(),
        standing.map_or_else(String::new, |standing| format!("{} / {}", standing.count, standing.of)),
        known.map_or_else(
            || cell.evaluations().map_or_else(|| "adaptive".into(), |count| count.to_string()),
            |standing| short(standing.evaluations),
        ),
        known.map_or_else(String::new, |standing| short(standing.seconds)),
        figure,
    ];
    let font = FontId::proportional(crate::app::theme::BODY);
    for (place, (text, area)) in texts.into_iter().zip(columns).enumerate() {
        let Some(mut area) = area else { continue };
        area.max.x -= UNIT;
        let colour = match place {
            4 if failure.is_some() => theme.bad,
            4 if dot.is_some_and(|dot| dot.best) => theme.accent,
            _ => theme.text,
        };
        let painter = ui.painter().with_clip_rect(area.intersect(ui.clip_rect()));
        painter.text(area.left_center(), Align2::LEFT_CENTER, text, font.clone(), colour);
    }
    let name = cell.name.clone();
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Row, true, selected, &name));
    let tip = failure.map_or_else(|| cell.summary.clone(), str::to_owned);
    response.on_hover_text(tip)
}

/// What is compared, how far it is, and what the chart shows.
pub fn title(ui: &mut Ui, work: &Work, view: &mut View) {
    let theme = Theme::of(ui);
    ui.horizontal_wrapped(|ui| {
        crate::app::status::dot(ui, work.state.color(theme));
        ui.label(egui::RichText::new(work.name()).heading());
        let there: u64 = work.standing.cells.iter().map(|cell| cell.count).sum();
        let of: u64 = work.standing.cells.iter().map(|cell| cell.of).sum();
        let thousands = crate::app::widgets::thousands;
        let mut parts = vec![format!("{} of {} samples", thousands(there), thousands(of))];
        parts.extend(work.left().map(|left| format!("{} left", crate::app::widgets::human_time(left))));
        ui.label(egui::RichText::new(parts.join(" · ")).weak());
        let tip = "What a sample costs: score evaluations, or seconds on this machine";
        ui.separator();
        ui.selectable_value(&mut view.seconds, false, "Evaluations").on_hover_text(tip);
        ui.selectable_value(&mut view.seconds, true, "Seconds").on_hover_text(tip);
        let tip = "Figures that others published, each with its source: FID of 50,000 samples of CIFAR-10, not comparable with \
                   what is measured here";
        ui.add_enabled_ui(!view.seconds, |ui| ui.checkbox(&mut view.published, "Published").on_hover_text(tip));
    });
    if let Some(few) = work.results.as_ref().and_then(crate::compare::Results::few) {
        ui.add(egui::Label::new(egui::RichText::new(few).small().color(theme.warning)).wrap());
    }
    if let crate::app::RunState::Failed(failure) = &work.state {
        let text = format!("{} {}", failure.what, failure.remedy);
        ui.add(egui::Label::new(egui::RichText::new(text).color(theme.bad)).wrap());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_distances_are_there_at_any_width_and_no_column_lies_on_another() {
        for width in [280, 300, 360, 420, 500, 560, 700, 1600] {
            let line = Rect::from_min_size(pos2(10.0, 0.0), vec2(width as f32, LINE));
            let all = columns(line);
            assert!(all[0].is_some_and(|names| names.width() >= NAMES) && all[4].is_some(), "{width}");
            let shown: Vec<Rect> = all.into_iter().flatten().collect();
            assert!(shown.iter().all(|column| line.contains_rect(*column)), "{width}: {shown:?}");
            assert!(shown.windows(2).all(|pair| pair[0].right() <= pair[1].left() + 1e-3), "{width}: {shown:?}");
        }
        let whole = columns(Rect::from_min_size(pos2(0.0, 0.0), vec2(700.0, LINE)));
        assert!(whole.iter().all(Option::is_some));
    }
}
