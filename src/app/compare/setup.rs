//! The panel that sets up the next comparison, or says how the one that is shown was set up.

use super::draft::CompareDraft;
use super::steps::Steps as FoundSteps;
use super::{Command, Work};
use crate::app::files::file_name;
use crate::app::parameters::parameters;
use crate::app::theme::Theme;
use crate::app::widgets::{Combo, control_width, human_time, main_button, named, row, seed_field, thousands};
use crate::app::{Context, RunState, panes};
use crate::compare::{Cell, Comparison, FEW, Reference, tags};
use crate::data::Place;
use crate::engine::Estimate;
use crate::metric::{Extractor, Material};
use crate::registry::Category;
use crate::task::{Count, ModelRef};
use crate::text::counted;
use egui::{DragValue, RichText, ScrollArea, TextEdit, Ui, vec2};
use std::path::PathBuf;

/// Height of the list of presets.
const LIST: f32 = 240.0;

/// What is typed and not part of the settings.
#[derive(Debug, Default)]
pub struct Typed {
    pub search: String,
    /// The tag whose presets are listed.
    pub tag: Option<String>,
    pub axes: [String; 2],
    /// The model whose presets are listed, where that is not the one that is chosen.
    pub model: Option<ModelRef>,
}

/// What the panel shows and changes.
pub struct Setup<'a> {
    pub cx: &'a mut Context,
    pub draft: &'a mut CompareDraft,
    /// What these settings make, or why they make nothing.
    pub comparison: &'a Result<Comparison, String>,
    pub typed: &'a mut Typed,
    pub steps: &'a mut FoundSteps,
    pub work: Option<&'a Work>,
    pub folders: &'a [PathBuf],
    /// How long the comparison that is set up would take.
    pub estimate: Option<Estimate>,
    pub measuring: bool,
    pub commands: &'a mut Vec<Command>,
}

impl Setup<'_> {
    /// Shows the panel: settings that scroll, and below them the buttons that never do.
    pub fn ui(&mut self, ui: &mut Ui) {
        let comparison = self.comparison;
        egui::Panel::bottom("compare").resizable(false).show_separator_line(false).show(ui, |ui| {
            ui.add_space(4.0);
            self.buttons(ui, comparison);
            ui.add_space(4.0);
        });
        panes::settings(ui, |ui| {
            self.which(ui);
            if let Some(work) = self.work {
                return self.facts(ui, work);
            }
            self.cx.model_row(ui, "The score model whose samplers are compared");
            let tip = "Samples of each preset. Distances of fewer than 2,048 are biased upwards, and compare only at equal counts";
            row(ui, "Samples", tip, |ui| {
                let field = DragValue::new(&mut self.draft.count).range(2..=Count::MAX).speed(8.0);
                named(ui.add_sized(vec2(control_width(ui), 24.0), field), "Samples", tip);
            });
            let tip = "Seed of all noise: the same in every preset, so that they differ by their sampler alone";
            row(ui, "Seed", tip, |ui| seed_field(ui, &mut self.draft.seed, control_width(ui), tip));
            self.features(ui);
            self.reference(ui);
            let why = self.cx.device_row(ui);
            ui.label(RichText::new(why).small().weak());
            ui.separator();
            self.presets(ui);
            egui::CollapsingHeader::new("Sweep and files").show(ui, |ui| self.more(ui));
            if let Err(why) = comparison {
                ui.add(egui::Label::new(RichText::new(why).color(ui.visuals().error_fg_color)).wrap());
            }
        });
    }

    /// Which comparison is shown.
    fn which(&mut self, ui: &mut Ui) {
        let tip = "A new comparison, or one that was begun before: each can go on";
        let shown = self.work.map_or_else(|| "New comparison".to_owned(), Work::name);
        row(ui, "Comparison", tip, |ui| {
            Combo { name: "Comparison", tip, width: control_width(ui) }.menu(ui, &shown, |ui| {
                if ui.selectable_label(self.work.is_none(), "New comparison").clicked() {
                    self.commands.push(Command::New);
                }
                for folder in self.folders {
                    let chosen = self.work.is_some_and(|work| work.folder == *folder);
                    if ui.selectable_label(chosen, file_name(folder)).clicked() && !chosen {
                        self.commands.push(Command::Show(folder.clone()));
                    }
                }
            });
        });
    }

    fn features(&mut self, ui: &mut Ui) {
        let tip =
            "What images are compared by: a distance of other features is another figure, and only Inception's is FID";
        let features = self.draft.features();
        let (chosen, file) = features.choice();
        let file = file.map(file_name);
        let shown = file.clone().unwrap_or_else(|| chosen.about().name.to_owned());
        row(ui, "Features", tip, |ui| {
            Combo { name: "Features", tip, width: control_width(ui) }.menu(ui, &shown, |ui| {
                for &entry in <dyn Extractor>::all() {
                    let same = file.is_none() && entry.about().slug == chosen.about().slug;
                    let button = ui.selectable_label(same, entry.about().name).on_hover_text(entry.about().line());
                    if button.clicked() {
                        self.draft.features.choose(entry);
                        self.draft.classifier = None;
                    }
                }
                if ui.button("Choose a classifier…").clicked() {
                    self.commands.push(Command::ChooseClassifier);
                }
            });
        });
        if file.is_none() {
            parameters(ui, &mut self.draft.features);
            if chosen.entry().material() == Material::Inception {
                self.weights(ui);
            }
        }
        let line = format!("{}: {}", chosen.entry().metric(), chosen.about().summary);
        ui.add(egui::Label::new(RichText::new(line).small().weak()).wrap());
    }

    /// Where Inception's weights are.
    fn weights(&mut self, ui: &mut Ui) {
        let tip = "pt_inception-2015-12-05-6726825d.pth, which pytorch-fid publishes (92 MB): taken from the folder of models, or \
                   from where you say";
        row(ui, "Weights", tip, |ui| {
            let text = self.draft.inception.as_deref().map_or_else(|| "among the models".to_owned(), file_name);
            let button = egui::Button::new(text).truncate().min_size(vec2(control_width(ui), 24.0));
            if named(ui.add(button), "Weights of Inception", tip).clicked() {
                self.commands.push(Command::ChooseInception);
            }
        });
    }

    fn reference(&mut self, ui: &mut Ui) {
        let tip = "What samples are compared with: images, their statistics, or the model's own data where it is exact";
        let (own, shown) = (self.cx.draft.model.bundled(), self.draft.reference(&self.cx.draft.model));
        row(ui, "Reference", tip, |ui| {
            Combo { name: "Reference", tip, width: control_width(ui) }.menu(ui, &words(&shown), |ui| {
                let known = Place::WORLD_SIZES.into_iter().filter(|&size| own.is_none_or(|own| own == size));
                let known = known.map(|size| Reference::Data(Place::Worlds(size)));
                for one in known.chain([Reference::Model]) {
                    if ui.selectable_label(shown == one, words(&one)).clicked() {
                        self.draft.reference = one;
                    }
                }
                if ui.button("Choose a folder…").clicked() {
                    self.commands.push(Command::ChooseFolder);
                }
                if ui.button("Choose a file…").clicked() {
                    self.commands.push(Command::ChooseFile);
                }
            });
        });
    }

    /// The presets, by search and by tag.
    fn presets(&mut self, ui: &mut Ui) {
        let tip = "Words that names, tags or descriptions contain";
        row(ui, "Presets", tip, |ui| {
            let field =
                TextEdit::singleline(&mut self.typed.search).hint_text("search").desired_width(control_width(ui));
            named(ui.add(field), "Search presets", tip);
        });
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(3.0, 3.0);
            for (tag, count) in tags() {
                let chosen = self.typed.tag.as_ref() == Some(&tag);
                let tip = counted(count, "preset");
                if ui.selectable_label(chosen, RichText::new(&tag).small()).on_hover_text(tip).clicked() {
                    self.typed.tag = (!chosen).then_some(tag);
                }
            }
        });
        self.of_model(ui);
        let listed = self.listed();
        let chosen = self.draft.cells().len();
        ui.horizontal(|ui| {
            ui.label(RichText::new(format!("{chosen} chosen, {} listed", listed.len())).small().weak());
            if ui.small_button("All").on_hover_text("Choose all that are listed").clicked() {
                listed.iter().for_each(|cell| self.draft.choose(cell, true));
            }
            if ui.small_button("None").on_hover_text("Choose none of all presets").clicked() {
                self.draft.chosen.clear();
            }
        });
        let line = ui.spacing().interact_size.y;
        ScrollArea::vertical().id_salt("presets").max_height(LIST).auto_shrink([false, true]).show_rows(
            ui,
            line,
            listed.len(),
            |ui, rows| {
                for cell in listed.get(rows).unwrap_or_default() {
                    let mut chosen = self.draft.is_chosen(cell);
                    let cost =
                        cell.evaluations().map_or_else(|| "adaptive".into(), |count| format!("{count} evaluations"));
                    let tip = format!("{} ({cost})", cell.summary);
                    if ui.checkbox(&mut chosen, &cell.name).on_hover_text(tip).changed() {
                        self.draft.choose(cell, chosen);
                    }
                }
            },
        );
    }

    /// Of which model presets are chosen: a student's go beside its teacher's.
    fn of_model(&mut self, ui: &mut Ui) {
        let tip = "The model that the presets listed below sample: the one above, or another to stand beside it, as a student \
                   beside its teacher";
        let title = |model: &Option<ModelRef>| match model {
            Some(model) => self.cx.models.title(model),
            None => "The model above".to_owned(),
        };
        row(ui, "Of model", tip, |ui| {
            Combo { name: "Model of the presets", tip, width: control_width(ui) }.menu(
                ui,
                &title(&self.typed.model),
                |ui| {
                    let known = self.cx.models.entries().iter().map(|(model, _)| Some(model.clone()));
                    let mut offered: Vec<Option<ModelRef>> = std::iter::once(None).chain(known).collect();
                    let own = self.draft.own.iter().map(|cell| cell.model.clone()).chain([self.typed.model.clone()]);
                    own.for_each(|model| {
                        if !offered.contains(&model) {
                            offered.push(model)
                        }
                    });
                    for model in offered {
                        if ui.selectable_label(self.typed.model == model, title(&model)).clicked() {
                            self.typed.model = model;
                        }
                    }
                    if ui.button("Choose a checkpoint…").clicked() {
                        self.commands.push(Command::ChooseModel);
                    }
                },
            );
        });
    }

    /// The presets that are listed: of another model, the same of it.
    fn listed(&self) -> Vec<Cell> {
        let own = |cell: &&Cell| cell.model == self.typed.model || (cell.model.is_none() && self.typed.model.is_some());
        let named = |cell: &Cell| match &self.typed.model {
            Some(model) if cell.model.is_none() => cell.of_model(model),
            _ => cell.clone(),
        };
        let mut listed: Vec<Cell> = Vec::new();
        for cell in self.draft.offered().filter(own).map(named).filter(|cell| self.lists(cell)) {
            if !listed.iter().any(|known| known.slug() == cell.slug()) {
                listed.push(cell);
            }
        }
        listed
    }

    fn lists(&self, cell: &Cell) -> bool {
        let tagged = self.typed.tag.as_ref().is_none_or(|tag| cell.is_tagged(tag));
        let text = format!("{} {} {}", cell.name, cell.summary, cell.tags.join(" ")).to_lowercase();
        tagged && self.typed.search.to_lowercase().split_whitespace().all(|word| text.contains(word))
    }

    /// Sweeps of parameters, and presets as files.
    fn more(&mut self, ui: &mut Ui) {
        let hints = ["steps=5,10,20,50", "snr=0.05,0.1,0.16"];
        for ((axis, hint), label) in self.typed.axes.iter_mut().zip(hints).zip(["Over", "and over"]) {
            let tip =
                "A parameter and its values: every chosen preset is put over all of them (of both, over the grid)";
            row(ui, label, tip, |ui| {
                let field = TextEdit::singleline(axis).hint_text(hint).desired_width(control_width(ui));
                named(ui.add(field), label, tip);
            });
        }
        let tip = "Choose the chosen presets with each of these values instead";
        if ui.button("Sweep").on_hover_text(tip).clicked() {
            self.commands.push(Command::Sweep);
        }
        self.steps.ui(ui, self.cx);
        ui.horizontal(|ui| {
            if ui.button("Open presets…").on_hover_text("Presets that somebody saved to a file").clicked() {
                self.commands.push(Command::OpenPresets);
            }
            if ui.button("Save presets…").on_hover_text("The chosen presets as a file to share").clicked() {
                self.commands.push(Command::SavePresets);
            }
        });
        let tip = "Keep every sample as a PNG in the comparison's folder";
        ui.checkbox(&mut self.draft.keep_samples, "Keep all samples").on_hover_text(tip);
    }

    /// How a comparison was set up.
    fn facts(&mut self, ui: &mut Ui, work: &Work) {
        let comparison = &work.comparison;
        let mut line = |label: &str, text: String| {
            row(ui, label, "", |ui| ui.add(egui::Label::new(text).wrap()));
        };
        let models: Vec<String> = comparison.models().into_iter().map(ToString::to_string).collect();
        line("Model", models.join("\n"));
        line("Samples", thousands(comparison.count.get() as u64));
        line("Seed", comparison.seed.to_string());
        let (features, _) = comparison.features.choice();
        line("Features", format!("{} ({})", features.about().name, features.entry().metric()));
        line("Reference", words(&comparison.reference));
        line("Presets", comparison.cells.len().to_string());
        line("Folder", work.folder.display().to_string());
        if let Some(results) = &work.results {
            line("Machine", results.machine.clone());
        }
        if !work.is_active() {
            ui.separator();
            let tip = "What is there is kept, and each preset goes on where it is";
            row(ui, "Raise to", tip, |ui| {
                let least = comparison.count.get();
                let mut count = self.draft.count.max(least);
                let field = DragValue::new(&mut count).range(least..=Count::MAX).speed(8.0);
                named(ui.add_sized(vec2(control_width(ui), 24.0), field), "Raise the number of samples", tip);
                self.draft.count = count;
            });
        }
    }

    fn buttons(&mut self, ui: &mut Ui, comparison: &Result<Comparison, String>) {
        let width = ui.available_width();
        let active = self.work.filter(|work| work.is_active());
        let raised = self.work.is_some_and(|work| self.draft.count > work.comparison.count.get());
        let (word, possible) = match (self.work, active.map(|work| &work.state)) {
            (_, Some(RunState::Paused)) => ("Resume", true),
            (_, Some(_)) => ("Pause", true),
            (Some(work), None) => ("Go on", raised || work.is_incomplete()),
            (None, None) => ("Measure", comparison.is_ok()),
        };
        match self.work {
            Some(work) => {
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = 6.0;
                    let size = vec2((width - 6.0) / 2.0, 24.0);
                    let some = work.results.is_some();
                    let tip = "Save the results as a page, a table, a chart (Ctrl+S)";
                    if ui.add_enabled(some, egui::Button::new("Export…").min_size(size)).on_hover_text(tip).clicked()
                    {
                        self.commands.push(Command::Export);
                    }
                    let (label, command, tip) = match work.is_active() {
                        true => ("Stop", Command::Stop, "Stop; it can go on later (Esc)"),
                        false => ("New…", Command::New, "Set up another comparison"),
                    };
                    if ui.add(egui::Button::new(label).min_size(size)).on_hover_text(tip).clicked() {
                        self.commands.push(command);
                    }
                });
                ui.add_space(4.0);
            }
            None => {
                let text = match (self.estimate, comparison) {
                    (_, Err(_)) => String::new(),
                    (Some(estimate), _) => {
                        let few = self.draft.count < FEW;
                        let guess = if estimate.guessed > 0 { "about " } else { "" };
                        let note = if few { " · figures compare at this count only" } else { "" };
                        format!("{guess}{}{note}", human_time(estimate.left().as_secs_f64()))
                    }
                    (None, _) if self.measuring => "Measuring its speed…".into(),
                    (None, _) => String::new(),
                };
                let label = egui::Label::new(RichText::new(text).small().color(Theme::of(ui).weak));
                ui.add(label.wrap()).on_hover_text("How long all presets take on this machine");
            }
        }
        // In a column its word would stand at the left.
        let mut button = ui.horizontal(|ui| main_button(ui, word, "Space", vec2(width, 36.0), possible)).inner;
        if let (None, Err(why)) = (self.work, comparison) {
            button = button.on_disabled_hover_text(why);
        }
        if button.clicked() {
            self.commands.push(Command::MeasureOrPause);
        }
    }
}

/// A reference as it is shown.
fn words(reference: &Reference) -> String {
    match reference {
        Reference::Model => "The model's own data".into(),
        Reference::Data(Place::Worlds(size)) => format!("Little Worlds {size}×{size}"),
        Reference::Data(Place::Files { path, .. }) => file_name(path),
    }
}
