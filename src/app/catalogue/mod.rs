//! The panel "Models": what is at hand, what can be had, and a card for each.

mod card;
mod diagram;
mod importing;

use super::models::Models;
use super::theme::Theme;
use super::widgets::modal;
use super::{Action, Notice, Session};
use crate::checkpoint::{PUBLISHED, Published, Release};
use crate::task::ModelRef;
use egui::{RichText, ScrollArea, Ui, vec2};
use importing::Importing;
use std::path::PathBuf;

/// Width of the panel, and of its list.
const WIDTH: f32 = 920.0;
const LIST: f32 = 290.0;

/// What is chosen in the list.
#[derive(Clone, Debug, PartialEq)]
enum Choice {
    Model(ModelRef),
    /// A place in [`PUBLISHED`].
    Published(usize),
}

/// The panel.
#[derive(Default)]
pub struct Catalogue {
    open: bool,
    choice: Option<Choice>,
    /// What is typed to look for.
    sought: String,
    /// The layer table shows tensors by name instead of layers.
    tensors: bool,
    drawn: diagram::Drawn,
    importing: Importing,
}

/// What the panel looks at.
pub struct Shelf<'a> {
    pub session: &'a Session,
    pub models: &'a Models,
    /// The model of the next run.
    pub model: &'a ModelRef,
    /// Where imported models lie.
    pub library: Option<&'a PathBuf>,
    pub actions: &'a mut Vec<Action>,
}

impl Catalogue {
    /// Opens the panel at a model, or closes it.
    pub fn toggle(&mut self, model: &ModelRef) {
        self.open = !self.open;
        self.choice = Some(Choice::Model(model.clone()));
    }

    /// Shows the card of a model that was just chosen.
    pub fn show(&mut self, model: &ModelRef) {
        self.choice = Some(Choice::Model(model.clone()));
    }

    pub fn is_open(&self) -> bool {
        self.open
    }

    /// What has become of an import; the model that it made, if it did.
    pub fn poll(&mut self) -> Option<(Notice, Option<ModelRef>)> {
        self.importing.poll()
    }

    /// Shows the panel while it is open.
    pub fn ui(&mut self, ui: &Ui, shelf: &mut Shelf<'_>) {
        if !self.open {
            return;
        }
        let (mut open, screen) = (true, ui.ctx().content_rect().size());
        let height = (screen.y - 140.0).clamp(240.0, 640.0);
        modal(ui, "models", &mut open, WIDTH.min(screen.x - 80.0), |ui| {
            let closed = self.head(ui, shelf);
            ui.add_space(8.0);
            ui.horizontal_top(|ui| {
                let list = LIST.min(0.4 * ui.available_width());
                ui.allocate_ui(vec2(list, height), |ui| self.list(ui, height, shelf));
                ui.separator();
                let size = vec2(ui.available_width(), height);
                ui.allocate_ui(size, |ui| {
                    // Tables that are wider than a small window are reached by scrolling; text wraps.
                    let area = ScrollArea::both().id_salt("card").auto_shrink([false, false]);
                    area.max_width(size.x).max_height(size.y).show(ui, |ui| {
                        ui.set_max_width(size.x - 12.0);
                        ui.vertical(|ui| self.card(ui, shelf));
                    });
                });
            });
            closed
        });
        self.open &= open;
    }

    /// Whether the panel is to be closed.
    fn head(&mut self, ui: &mut Ui, shelf: &mut Shelf<'_>) -> bool {
        ui.horizontal(|ui| {
            ui.heading("Models");
            ui.add_space(12.0);
            let field = egui::TextEdit::singleline(&mut self.sought).hint_text("Search…").desired_width(160.0);
            ui.add(field).accessible_name("Search models");
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let close = ui.button("Close").on_hover_text("Back to the workspace (Esc)").clicked();
                let tip = "A folder of images, for their exact score; or a diffusers model";
                if ui.button("Open folder…").on_hover_text(tip).clicked() {
                    shelf.actions.push(Action::ChooseFolder);
                }
                let tip = "A checkpoint: .pth, .safetensors, or a JAX checkpoint";
                if ui.button("Open file…").on_hover_text(tip).clicked() {
                    shelf.actions.push(Action::ChooseFile);
                }
                close
            })
            .inner
        })
        .inner
    }

    fn list(&mut self, ui: &mut Ui, height: f32, shelf: &Shelf<'_>) {
        ScrollArea::vertical().id_salt("list").auto_shrink([false, false]).max_height(height).show(ui, |ui| {
            ui.vertical(|ui| {
                ui.set_width(ui.available_width() - 12.0);
                self.at_hand(ui, shelf);
                for release in Release::ALL {
                    let published = PUBLISHED.iter().enumerate().filter(|(_, published)| published.release == release);
                    let found: Vec<_> = published.filter(|(_, published)| self.seeks(&words(published))).collect();
                    if !found.is_empty() {
                        section(ui, release.name());
                    }
                    for (place, published) in found {
                        let size = format!("{0}×{0}", published.side);
                        self.line(ui, Choice::Published(place), published.name, &size);
                    }
                }
            });
        });
    }

    /// The models that can be used at once.
    fn at_hand(&mut self, ui: &mut Ui, shelf: &Shelf<'_>) {
        let entries = shelf.models.entries();
        let known = entries.iter().any(|(model, _)| model == shelf.model);
        if !known && self.seeks(&shelf.models.title(shelf.model)) {
            section(ui, "Open");
            self.line(ui, Choice::Model(shelf.model.clone()), &shelf.models.title(shelf.model), "");
        }
        for (name, imported) in [("Bundled", false), ("Imported", true)] {
            let mine = entries.iter().filter(|(_, entry)| entry.path.is_some() == imported);
            let found: Vec<_> = mine.filter(|(_, entry)| self.seeks(&entry.title)).collect();
            if !found.is_empty() {
                section(ui, name);
            }
            for (model, entry) in found {
                let shape = entry.description.as_ref().map(|description| description.config.shape());
                let size = shape.map_or(String::new(), |[_, height, width]| format!("{height}×{width}"));
                self.line(ui, Choice::Model(model.clone()), &entry.title, &size);
            }
        }
    }

    /// Whether what is typed occurs in a line, word by word.
    fn seeks(&self, line: &str) -> bool {
        let line = line.to_lowercase();
        self.sought.to_lowercase().split_whitespace().all(|word| line.contains(word))
    }

    fn line(&mut self, ui: &mut Ui, choice: Choice, name: &str, size: &str) {
        let chosen = self.choice.as_ref() == Some(&choice);
        let button = egui::Button::selectable(chosen, name).right_text(RichText::new(size).small()).truncate();
        let line = ui.add_sized(vec2(ui.available_width(), 22.0), button).accessible_name(name);
        if line.clicked() {
            self.choice = Some(choice);
        }
    }

    fn card(&mut self, ui: &mut Ui, shelf: &mut Shelf<'_>) {
        match self.choice.clone() {
            Some(Choice::Model(model)) => self.model_card(ui, &model, shelf),
            Some(Choice::Published(place)) => {
                if let Some(published) = PUBLISHED.get(place) {
                    card::published(ui, published, shelf.actions);
                }
            }
            None => {
                ui.label("Choose a model on the left.");
            }
        }
    }
}

fn section(ui: &mut Ui, name: &str) {
    ui.add_space(6.0);
    ui.label(RichText::new(name).small().color(Theme::of(ui).weak));
}

/// Where a published checkpoint is looked for.
fn words(published: &Published) -> String {
    format!("{} {} {} {}", published.name, published.data, published.network, published.side)
}
