//! Controls of a choice, derived from what it says of itself.

use super::draft::Families;
use super::math;
use super::theme::Theme;
use super::widgets::{Combo, control_width, fit_sliders, named, row, segmented};
use crate::registry::{About, Category, Choice, Kind, Parameter, Scale, Settings, Value};
use crate::sde::FamilyKind;
use egui::{CollapsingHeader, DragValue, Rect, Slider, Ui, vec2};

/// One row for each parameter that matters for the choice; those that few people need are folded away at first.
pub fn parameters<E: ?Sized + Category>(ui: &mut Ui, choice: &mut Choice<E>) {
    let (rare, usual): (Vec<_>, Vec<_>) = choice.parameters().into_iter().partition(|parameter| parameter.rare);
    rows(ui, &usual, choice);
    if rare.is_empty() {
        return;
    }
    let changed = rare.iter().any(|parameter| choice.settings().value(parameter) != parameter.default());
    let more = CollapsingHeader::new("More").id_salt(("more", choice.about().slug)).default_open(changed);
    let response = more.show_unindented(ui, |ui| rows(ui, &rare, choice)).header_response;
    response.on_hover_text(rare.iter().map(|parameter| parameter.name).collect::<Vec<_>>().join(", "));
}

fn rows<E: ?Sized + Category>(ui: &mut Ui, parameters: &[&'static Parameter], choice: &mut Choice<E>) {
    for parameter in parameters {
        let top = ui.cursor().top();
        control(ui, parameter, choice);
        let row = Rect::from_x_y_ranges(ui.max_rect().x_range(), top..=ui.cursor().top());
        if ui.rect_contains_pointer(row) {
            math::light(ui.ctx(), parameter.symbol());
        }
    }
}

/// All entries side by side. `offered` says which are shown. Whether the choice changed.
pub fn entries<E: ?Sized + Category>(ui: &mut Ui, choice: &mut Choice<E>, offered: impl Fn(&E) -> bool) -> bool {
    let shown: Vec<&'static E> = E::all().iter().copied().filter(|entry| offered(entry)).collect();
    let lines: Vec<String> = shown.iter().map(|entry| entry.about().line()).collect();
    let options: Vec<(&str, &str, Option<egui::Color32>, &str)> = shown
        .iter()
        .zip(&lines)
        .map(|(entry, line)| (entry.about().slug, entry.about().name, None, line.as_str()))
        .collect();
    let mut slug = choice.about().slug;
    let changed = segmented(ui, &mut slug, &options);
    if let Some(entry) = shown.into_iter().find(|entry| changed && entry.about().slug == slug) {
        choice.choose(entry);
    }
    changed
}

/// All entries in a menu. `impossible` says why one cannot be chosen now. Whether the choice changed.
pub fn menu<E: ?Sized + Category>(
    ui: &mut Ui,
    combo: &Combo<'_>,
    choice: &mut Choice<E>,
    offered: impl Fn(&E) -> bool,
    impossible: impl Fn(&E) -> Option<String>,
) -> bool {
    let shown: Vec<&'static E> = E::all().iter().copied().filter(|entry| offered(entry)).collect();
    let slugs: Vec<&'static str> = shown.iter().map(|entry| entry.about().slug).collect();
    let of = |slug: &&'static str| shown.iter().copied().find(|entry| entry.about().slug == *slug);
    let mut slug = choice.about().slug;
    let text = |slug: &&'static str| of(slug).map_or(*slug, |entry| entry.about().name).to_owned();
    let changed = combo.show(ui, &mut slug, &slugs, text, |slug| of(slug).and_then(&impossible));
    if let Some(entry) = of(&slug).filter(|_| changed) {
        choice.choose(entry);
    }
    changed
}

/// The families side by side, and the parameters of the one that is chosen.
pub fn family(ui: &mut Ui, kind: &mut FamilyKind, families: &mut Families) {
    let theme = Theme::of(ui);
    let option = |&kind: &FamilyKind| (kind, kind.name(), Some(theme.family(kind)), kind.about().summary);
    let options: Vec<_> = FamilyKind::ALL.iter().map(option).collect();
    segmented(ui, kind, &options);
    let mut settings = families.of(*kind);
    let parameters = kind.about().parameters;
    let numbers: Vec<_> = parameters.iter().filter(|one| matches!(one.kind, Kind::Number { .. })).collect();
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 8.0 * (numbers.len() as f32 - 1.0)) / numbers.len() as f32;
        for parameter in numbers {
            let mut value = settings.number(parameter);
            let Kind::Number { possible, .. } = parameter.kind else { continue };
            let field = DragValue::new(&mut value).range(possible.0..=possible.1).speed(0.02).max_decimals(4);
            let response = ui.add_sized(vec2(width, 24.0), field.prefix(format!("{}  ", parameter.label)));
            if response.hovered() {
                math::light(ui.ctx(), parameter.symbol());
            }
            if named(response, parameter.name, parameter.tip).changed() {
                settings.set_nearest(parameter, value);
                families.set(*kind, settings.clone());
            }
        }
    });
    for parameter in parameters.iter().filter(|one| matches!(one.kind, Kind::Flag { .. })) {
        let mut on = settings.flag(parameter);
        if named(ui.checkbox(&mut on, parameter.label), parameter.name, parameter.tip).changed() {
            settings.set_nearest(parameter, on);
            families.set(*kind, settings.clone());
        }
    }
}

/// A parameter's row.
fn control<E: ?Sized + Category>(ui: &mut Ui, parameter: &'static Parameter, choice: &mut Choice<E>) {
    let entry = choice.entry();
    let settings = choice.settings_mut();
    if let Kind::Choice { .. } = parameter.kind {
        // An option with which the values would not fit together is shown, but cannot be chosen.
        let impossible = |slug: &str, settings: &Settings| {
            let mut tried = settings.clone();
            let fits = parameter.parse(slug).and_then(|value| tried.set(parameter, value));
            fits.map_err(|error| error.to_string()).and_then(|()| entry.check(&tried)).err()
        };
        row(ui, parameter.label, parameter.tip, |ui| option(ui, parameter, settings, impossible));
    } else {
        value(ui, parameter, settings);
    }
}

/// A parameter's row, of parameters that are not a choice.
pub fn value(ui: &mut Ui, parameter: &Parameter, settings: &mut Settings) {
    let Parameter { name, label, tip, .. } = *parameter;
    match (&parameter.kind, settings.value(parameter)) {
        (Kind::Number { usual, scale: Scale::Exponent, .. }, Value::Number(number)) => {
            row(ui, label, tip, |ui| power_of_ten(ui, parameter, number, *usual, settings));
        }
        (Kind::Number { usual, scale, .. }, Value::Number(mut number)) => row(ui, label, tip, |ui| {
            fit_sliders(ui);
            let slider = Slider::new(&mut number, usual.0..=usual.1).clamping(egui::SliderClamping::Never);
            let slider = match *scale {
                Scale::Linear(digits) => {
                    slider.fixed_decimals(digits).custom_formatter(move |value, _| fitting(format!("{value:.digits$}")))
                }
                Scale::Logarithmic | Scale::Exponent => {
                    let rounded = |value: f64| (value * 1e4).round() / 1e4;
                    slider.logarithmic(true).custom_formatter(move |value, _| fitting(rounded(value).to_string()))
                }
            };
            if named(ui.add(slider), name, tip).changed() {
                settings.set_nearest(parameter, number);
            }
        }),
        (Kind::Whole { possible, .. }, Value::Whole(mut whole)) => row(ui, label, tip, |ui| {
            let field = DragValue::new(&mut whole).range(possible.0..=possible.1).speed(0.05);
            if named(ui.add_sized(vec2(64.0, 24.0), field), name, tip).changed() {
                settings.set_nearest(parameter, whole);
            }
        }),
        (Kind::Levels { levels, .. }, Value::Whole(mut whole)) => row(ui, label, tip, |ui| {
            let names: Vec<String> = levels.iter().map(|level| format!("×{level}")).collect();
            let options: Vec<_> =
                levels.iter().zip(&names).map(|(level, name)| (*level, name.as_str(), None, tip)).collect();
            if segmented(ui, &mut whole, &options) {
                settings.set_nearest(parameter, whole);
            }
        }),
        (Kind::Flag { .. }, Value::Flag(mut flag)) => {
            let changed = ui.checkbox(&mut flag, name).on_hover_text(tip).changed();
            if changed {
                settings.set_nearest(parameter, flag);
            }
        }
        // Lists are written in files and on the command line.
        _ => {}
    }
}

/// A number as it is, or where that has more figures than there is room for, by its power of ten.
fn fitting(text: String) -> String {
    match text.parse::<f64>() {
        Ok(value) if text.len() > 7 => format!("{value:.1e}").replace(".0e", "e"),
        _ => text,
    }
}

/// The options of a parameter that is a choice, in a menu.
fn option(
    ui: &mut Ui,
    parameter: &Parameter,
    settings: &mut Settings,
    impossible: impl Fn(&str, &Settings) -> Option<String>,
) {
    let options: Vec<&'static About> = parameter.options();
    let slugs: Vec<&'static str> = options.iter().map(|about| about.slug).collect();
    let text = |slug: &&'static str| {
        options.iter().find(|about| about.slug == *slug).map_or(*slug, |about| about.name).to_owned()
    };
    let before = settings.clone();
    let mut slug = settings.option(parameter);
    let combo = Combo { name: parameter.name, tip: parameter.tip, width: control_width(ui) };
    if combo.show(ui, &mut slug, &slugs, text, |slug| impossible(slug, &before)) {
        settings.set_nearest(parameter, slug);
    }
}

/// A number by its power of ten, typed or dragged.
fn power_of_ten(ui: &mut Ui, parameter: &Parameter, number: f64, usual: (f64, f64), settings: &mut Settings) {
    let mut exponent = number.log10();
    let field = DragValue::new(&mut exponent)
        .range(usual.0.log10()..=usual.1.log10())
        .speed(0.02)
        .custom_formatter(|exponent, _| format!("{:.1e}", 10f64.powf(exponent)).replace(".0e", "e"))
        .custom_parser(|text| text.trim().parse::<f64>().ok().filter(|v| *v > 0.0).map(f64::log10));
    let response = named(ui.add_sized(vec2(control_width(ui), 24.0), field), parameter.name, parameter.tip);
    if response.changed() {
        // Two figures are as many as anybody means.
        let rounded = format!("{:.1e}", 10f64.powf(exponent)).parse::<f64>().unwrap_or(number);
        settings.set_nearest(parameter, rounded);
    }
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn long_numbers_are_written_by_their_power_of_ten() {
        let written = ["0.1234", "-0.2500", "10000000000.00", "-123456.7"].map(|text| fitting(text.into()));
        assert_eq!(written, ["0.1234", "-0.2500", "1e10", "-1.2e5"]);
    }
}
