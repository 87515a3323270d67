//! To which class samples are led, and how strongly.

use crate::app::draft::Draft;
use crate::app::widgets::{Combo, control_width, named, row};
use crate::checkpoint::find_classifier;
use crate::task::{Guidance, ModelRef};
use egui::{Slider, Ui};
use std::path::Path;
use std::sync::OnceLock;

/// The weight of a class that was just chosen: samples are then typical of it.
const WEIGHT: f64 = 2.0;
/// The largest weight that is offered.
const MOST: f64 = 10.0;

/// The rows of the panel, where there is a classifier for the model.
pub fn ui(ui: &mut Ui, draft: &mut Draft) {
    let kinds = if is_of_worlds(&draft.model) { kinds() } else { &[] };
    if kinds.is_empty() && draft.guidance.is_none() {
        return;
    }
    let tip = "Leads samples to a class: w·∇ log p(class | x) of a classifier of noised images joins the score";
    row(ui, "Class", tip, |ui| {
        let now = draft.guidance.as_ref().map(|guidance| guidance.class.clone());
        let shown = now.clone().unwrap_or_else(|| "Any".into());
        Combo { name: "Class", tip, width: control_width(ui) }.menu(ui, &shown, |ui| {
            if ui.selectable_label(now.is_none(), "Any").clicked() {
                draft.guidance = None;
            }
            for kind in kinds {
                if ui.selectable_label(now.as_deref() == Some(kind), kind).clicked() {
                    let weight = draft.guidance.as_ref().map_or(WEIGHT, |guidance| guidance.weight);
                    let classifier = ModelRef::Named(Guidance::SHIPPED.into());
                    draft.guidance = Some(Guidance { class: kind.clone(), weight, classifier });
                }
            }
        });
    });
    let Some(guidance) = &mut draft.guidance else { return };
    let tip = "Guidance weight w. 0: none. 1: samples of the class. More: typical ones, less varied.";
    row(ui, "Guidance", tip, |ui| {
        ui.spacing_mut().slider_width = (control_width(ui) - 56.0).max(40.0);
        let most = MOST.max(guidance.weight);
        let slider = Slider::new(&mut guidance.weight, 0.0..=most).max_decimals(1);
        named(ui.add(slider), "Guidance", tip);
    });
}

/// Whether a model that ships makes Little Worlds.
fn is_of_worlds(model: &ModelRef) -> bool {
    match model {
        ModelRef::Named(name) => name == ModelRef::SHIPPED,
        ModelRef::Exact(folder) => folder == Path::new(ModelRef::WORLDS),
        ModelRef::File(_) | ModelRef::Mixture(_) => false,
    }
}

/// The classes of the classifier that ships.
fn kinds() -> &'static [String] {
    static KINDS: OnceLock<Vec<String>> = OnceLock::new();
    KINDS.get_or_init(|| {
        let shipped = find_classifier(&ModelRef::Named(Guidance::SHIPPED.into()));
        shipped.map(|opened| opened.description.classes).unwrap_or_default()
    })
}
