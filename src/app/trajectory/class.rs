//! What leads samples, and how strongly: a class, a weaker model.

use crate::app::context::Context;
use crate::app::draft::Draft;
use crate::app::models::Models;
use crate::app::parameters::menu;
use crate::app::widgets::{Combo, control_width, fit_sliders, named, row};
use crate::score::{Autoguidance, ClassifierFree, ClassifierGuidance, GuidanceKind, Second};
use crate::task::{Guidance, ModelRef};
use egui::{CollapsingHeader, DragValue, Key, Slider, TextEdit, Ui, vec2};
use std::path::Path;
use std::sync::OnceLock;

/// The weight of a class that was just chosen: samples are then typical of it.
const WEIGHT: f64 = 2.0;
/// The largest weight that is offered.
const MOST: f64 = 10.0;
/// Noise levels between which guidance helps most (Kynkäänniemi et al. 2024, for ImageNet at 64×64).
const INTERVAL: [f64; 2] = [0.19, 1.61];

/// The rows of the panel, where something can lead samples of the model.
pub fn ui(ui: &mut Ui, cx: &mut Context) {
    let Context { session, draft, models, .. } = cx;
    let report = session.model(&draft.model);
    let own: &[String] = report.map_or(&[], |report| &report.classes);
    let is_network = report.is_some_and(|report| report.description.is_some());
    let by_classifier = classes_of(&draft.model);
    let possible = |kind: &(dyn GuidanceKind + 'static)| match kind.takes() {
        Second::Classifier => !by_classifier.is_empty(),
        Second::MaybeModel => !own.is_empty(),
        Second::Model => is_network,
    };
    if draft.guidance.is_none() && own.is_empty() && by_classifier.is_empty() && !is_network {
        return;
    }
    let usual: &'static dyn GuidanceKind = if own.is_empty() { &ClassifierGuidance } else { &ClassifierFree };
    class(ui, draft, if own.is_empty() { by_classifier } else { own }, usual, is_network);
    let Some(guidance) = &mut draft.guidance else { return };
    weight(ui, guidance);
    let tip = "What leads the samples";
    row(ui, "Led by", tip, |ui| {
        let combo = Combo { name: "Led by", tip, width: control_width(ui) };
        let before = guidance.kind.about().slug;
        let why = |kind: &(dyn GuidanceKind + 'static)| {
            (!possible(kind)).then(|| format!("Not with this model: {}", kind.about().summary))
        };
        menu(ui, &combo, &mut guidance.kind, |_| true, why);
        if guidance.kind.about().slug != before {
            let fresh = Guidance::new(guidance.kind.entry(), guidance.class.as_deref(), guidance.weight);
            guidance.guide_model = fresh.guide_model;
        }
    });
    if guidance.kind.entry().takes() != Second::Classifier {
        guide_model(ui, guidance, models);
    }
    CollapsingHeader::new("Where it leads").show(ui, |ui| reach(ui, guidance));
}

/// The class, and whether anything leads at all.
fn class(ui: &mut Ui, draft: &mut Draft, classes: &[String], usual: &'static dyn GuidanceKind, is_network: bool) {
    let tip =
        "Leads samples to a class: by a classifier of noised images, or by the model itself where it knows classes";
    row(ui, "Class", tip, |ui| {
        let now = draft.guidance.as_ref().map(|guidance| guidance.class.clone());
        let shown = now.clone().flatten().unwrap_or_else(|| "Any".into());
        Combo { name: "Class", tip, width: control_width(ui) }.menu(ui, &shown, |ui| {
            if ui.selectable_label(now.is_none(), "Any").clicked() {
                draft.guidance = None;
            }
            for class in classes {
                if ui.selectable_label(now.as_ref().and_then(Option::as_ref) == Some(class), class).clicked() {
                    match &mut draft.guidance {
                        Some(guidance) => guidance.class = Some(class.clone()),
                        None => draft.guidance = Some(Guidance::new(usual, Some(class), WEIGHT)),
                    }
                }
            }
            if is_network {
                ui.separator();
                let tip =
                    "Autoguidance: away from what a weaker model of the same would sample, such as an earlier snapshot";
                let led = draft.guidance.as_ref().is_some_and(|guidance| guidance.kind.is(&Autoguidance));
                if ui.selectable_label(led, "From a weaker model").on_hover_text(tip).clicked() {
                    let class = now.flatten();
                    draft.guidance = Some(Guidance::new(&Autoguidance, class.as_deref(), WEIGHT));
                }
            }
        });
    });
}

fn weight(ui: &mut Ui, guidance: &mut Guidance) {
    let tip =
        "Guidance weight w. 0: none. 1: samples of the class, or of the model itself. More: typical ones, less varied.";
    row(ui, "Guidance", tip, |ui| {
        fit_sliders(ui);
        let most = MOST.max(guidance.weight);
        let slider = Slider::new(&mut guidance.weight, 0.0..=most).max_decimals(1);
        named(ui.add(slider), "Guidance", tip);
    });
}

/// The second model: an available one, or one by its name or path.
fn guide_model(ui: &mut Ui, guidance: &mut Guidance, models: &Models) {
    let tip = "The model to be led away from: a weaker one of the same data, or one without classes";
    let required = guidance.kind.entry().takes() == Second::Model;
    let own = if required { "Choose…" } else { "The model without a class" };
    row(ui, "Away from", tip, |ui| {
        let shown = guidance.guide_model.as_ref().map_or_else(|| own.into(), |model| models.title(model));
        Combo { name: "Away from", tip, width: control_width(ui) }.menu(ui, &shown, |ui| {
            if !required && ui.selectable_label(guidance.guide_model.is_none(), own).clicked() {
                guidance.guide_model = None;
            }
            for (known, entry) in models.entries().iter().filter(|(_, entry)| entry.description.is_some()) {
                if ui.selectable_label(guidance.guide_model.as_ref() == Some(known), &entry.title).clicked() {
                    guidance.guide_model = Some(known.clone());
                }
            }
        });
    });
    row(ui, "", tip, |ui| {
        let id = egui::Id::unique("guide model");
        let mut typed = ui.data(|data| data.get_temp::<String>(id)).unwrap_or_default();
        let field =
            TextEdit::singleline(&mut typed).hint_text("or the path of a checkpoint").desired_width(control_width(ui));
        let response = named(ui.add(field), "Path of the other model", tip);
        if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
            guidance.guide_model = typed.parse::<ModelRef>().ok().or(guidance.guide_model.take());
        }
        ui.data_mut(|data| data.insert_temp(id, typed));
    });
}

/// The interval of noise levels, and the rescaling.
fn reach(ui: &mut Ui, guidance: &mut Guidance) {
    let tip = "Noise levels σ/α of images in [−1, 1] between which the weight counts; it is 1 elsewhere";
    let mut limited = guidance.interval.is_some();
    if ui.checkbox(&mut limited, "In an interval only").on_hover_text(tip).changed() {
        guidance.interval = limited.then_some(INTERVAL);
    }
    if let Some([low, high]) = &mut guidance.interval {
        row(ui, "From, to", tip, |ui| {
            let size = vec2((control_width(ui) - 8.0) / 2.0, 24.0);
            for (value, name) in [(low, "Interval from"), (high, "Interval to")] {
                let field = DragValue::new(value).range(0.0..=1000.0).speed(0.01).max_decimals(3);
                named(ui.add_sized(size, field), name, tip);
            }
        });
    }
    let tip =
        "φ: how far each score is brought back to its standard deviation at weight 1, against overexposed samples";
    row(ui, "Rescale φ", tip, |ui| {
        fit_sliders(ui);
        named(ui.add(Slider::new(&mut guidance.rescale, 0.0..=1.0).max_decimals(2)), "Rescale", tip);
    });
}

/// The classes of a classifier that ships and knows what a model makes: Little Worlds, or by its name CIFAR-10.
fn classes_of(model: &ModelRef) -> &'static [String] {
    static CLASSES: OnceLock<[Vec<String>; 2]> = OnceLock::new();
    let [worlds, cifar] = CLASSES
        .get_or_init(|| Guidance::SHIPPED.map(|(_, classes)| classes.iter().map(|&class| class.to_owned()).collect()));
    let is_of_cifar = |name: &str| name.to_lowercase().contains("cifar");
    match model {
        model if model.bundled().is_some() => worlds,
        ModelRef::Exact(folder) if folder == Path::new(ModelRef::WORLDS) => worlds,
        ModelRef::Named(name) if is_of_cifar(name) => cifar,
        ModelRef::File(path) | ModelRef::Exact(path) if is_of_cifar(&path.to_string_lossy()) => cifar,
        _ => &[],
    }
}
