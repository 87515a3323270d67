//! The panel that sets up the next training, or says how the one that is shown was set up.

use super::draft::TrainDraft;
use super::speed::Speed;
use super::{Beside, Command, Course};
use crate::app::files::file_name;
use crate::app::parameters::{entries, menu, parameters};
use crate::app::theme::Theme;
use crate::app::widgets::{
    Combo, control_width, human_bytes, main_button, named, row, seed_field, segmented, thousands,
};
use crate::app::{Context, RunState, panes};
use crate::checkpoint::count;
use crate::data::Place;
use crate::network::peak_memory;
use crate::score::Predicts;
use crate::sde::FamilyKind;
use crate::train::{Average, LABEL_DROPOUT, Objective, Optimizer, PREDICTS, Schedule, Times, Training};
use egui::{DragValue, RichText, Ui, vec2};
use std::path::{Path, PathBuf};

/// The longest training.
const MOST_IMAGES: u64 = 10_000_000_000;

/// What the panel shows and changes.
pub struct Setup<'a> {
    pub cx: &'a mut Context,
    pub draft: &'a mut TrainDraft,
    /// What these settings make, or why they make nothing.
    pub training: &'a Result<Training, String>,
    pub course: Option<&'a Course>,
    pub trainings: &'a [PathBuf],
    pub beside: Option<&'a Beside>,
    pub speed: &'a Speed,
    pub commands: &'a mut Vec<Command>,
}

impl Setup<'_> {
    /// Shows the panel: settings that scroll, and below them the buttons that never do.
    pub fn ui(&mut self, ui: &mut Ui) {
        let training = self.training;
        egui::Panel::bottom("train").resizable(false).show_separator_line(false).show(ui, |ui| {
            ui.add_space(4.0);
            self.buttons(ui, training);
            ui.add_space(4.0);
        });
        panes::settings(ui, |ui| {
            self.which(ui);
            self.compare(ui);
            if let Some(course) = self.course {
                return facts(ui, course);
            }
            self.data(ui);
            ui.separator();
            match self.draft.from.clone() {
                Some(from) => self.branch(ui, &from),
                None => self.network(ui),
            }
            if let Err(why) = training {
                ui.add(egui::Label::new(RichText::new(why).color(ui.visuals().error_fg_color)).wrap());
            }
            ui.separator();
            self.how(ui);
            let why = self.cx.device_row(ui);
            ui.label(RichText::new(why).small().weak());
            egui::CollapsingHeader::new("Objective and averages").show(ui, |ui| self.details(ui));
        });
    }

    /// Which training is shown.
    fn which(&mut self, ui: &mut Ui) {
        let tip = "A new training, or one that was begun before: each can go on";
        let shown = self.course.map_or_else(|| "New training".to_owned(), Course::name);
        row(ui, "Training", tip, |ui| {
            Combo { name: "Training", tip, width: control_width(ui) }.menu(ui, &shown, |ui| {
                if ui.selectable_label(self.course.is_none(), "New training").clicked() {
                    self.commands.push(Command::New);
                }
                for folder in self.trainings {
                    let chosen = self.course.is_some_and(|course| course.folder == *folder);
                    if ui.selectable_label(chosen, file_name(folder)).clicked() && !chosen {
                        self.commands.push(Command::Show(folder.clone()));
                    }
                }
            });
        });
    }

    /// Whose course is shown beside.
    fn compare(&mut self, ui: &mut Ui) {
        let shown = self.course.map(|course| &course.folder);
        let others: Vec<&PathBuf> = self.trainings.iter().filter(|folder| Some(*folder) != shown).collect();
        if others.is_empty() {
            return;
        }
        let tip = "Another training, whose loss and gradient are drawn beside";
        let now = self.beside.map(|beside| &beside.folder);
        row(ui, "Compare", tip, |ui| {
            let text = now.map_or_else(|| "Nothing".to_owned(), |folder| file_name(folder));
            Combo { name: "Compare with", tip, width: control_width(ui) }.menu(ui, &text, |ui| {
                if ui.selectable_label(now.is_none(), "Nothing").clicked() {
                    self.commands.push(Command::Compare(None));
                }
                for folder in others {
                    if ui.selectable_label(now == Some(folder), file_name(folder)).clicked() {
                        self.commands.push(Command::Compare(Some(folder.clone())));
                    }
                }
            });
        });
    }

    /// From whose weights the next training begins.
    fn branch(&mut self, ui: &mut Ui, from: &Path) {
        let text = format!(
            "Begins with the averaged weights of {}: {}",
            file_name(from),
            self.draft.network().config.summary()
        );
        ui.add(egui::Label::new(text).wrap());
        if !self.draft.how.network.has_own_answer() {
            self.answer(ui);
        }
        let tip = "Begin with the weights of a new network instead";
        if ui.button("New network").on_hover_text(tip).clicked() {
            self.commands.push(Command::Anew);
        }
    }

    /// What the network of a branch answers from now on.
    fn answer(&mut self, ui: &mut Ui) {
        row(ui, PREDICTS.name, PREDICTS.tip, |ui| {
            let combo = Combo { name: PREDICTS.name, tip: PREDICTS.tip, width: control_width(ui) };
            let mut predicts = self.draft.how.network.predicts;
            if combo.show(ui, &mut predicts, Predicts::ALL, |predicts| predicts.about().name.into(), |_| None) {
                self.draft.how.answer(predicts);
            }
        });
    }

    fn data(&mut self, ui: &mut Ui) {
        let tip = "Training images: Little Worlds drawn without end, or a folder, .zip or .tar of your own; class folders \
                   give classes. You can also drop one on the window";
        let before = (self.draft.place.clone(), self.draft.image_size, self.draft.grey);
        row(ui, "Images", tip, |ui| {
            let shown = named_place(&self.draft.place);
            Combo { name: "Training images", tip, width: control_width(ui) }.menu(ui, &shown, |ui| {
                for place in Place::WORLD_SIZES.map(Place::Worlds) {
                    if ui.selectable_label(self.draft.place == place, named_place(&place)).clicked() {
                        self.draft.place = place;
                    }
                }
                if ui.button("Choose a folder…").clicked() {
                    self.commands.push(Command::ChooseFolder);
                }
                if ui.button("Choose an archive…").clicked() {
                    self.commands.push(Command::ChooseFile);
                }
            });
        });
        if !matches!(self.draft.place, Place::Worlds(_)) {
            let tip = "Height and width to which images are cropped about the centre and resized, in pixels";
            row(ui, "Size", tip, |ui| {
                let combo = Combo { name: "Image size", tip, width: control_width(ui) };
                let sizes = self.draft.sizes();
                combo.show(ui, &mut self.draft.image_size, &sizes, |size| format!("{size}×{size}"), |_| None);
            });
        }
        let tip = "Train on the luma of the images, one channel";
        ui.checkbox(&mut self.draft.grey, "Grey").on_hover_text(tip);
        if before != (self.draft.place.clone(), self.draft.image_size, self.draft.grey) {
            self.draft.renew();
        }
    }

    fn network(&mut self, ui: &mut Ui) {
        let before = (self.draft.recipe.clone(), self.draft.size.clone(), self.draft.family);
        entries(ui, &mut self.draft.recipe, |_| true);
        if self.draft.has_family() {
            let theme = Theme::of(ui);
            let option = |&kind: &FamilyKind| (kind, kind.name(), Some(theme.family(kind)), kind.about().summary);
            let options: Vec<_> = FamilyKind::ALL.iter().map(option).collect();
            segmented(ui, &mut self.draft.family, &options);
        }
        if !self.draft.network().has_own_answer() {
            parameters(ui, &mut self.draft.recipe);
        }
        entries(ui, &mut self.draft.size, |_| true);
        parameters(ui, &mut self.draft.size);
        if before != (self.draft.recipe.clone(), self.draft.size.clone(), self.draft.family) {
            self.draft.renew();
        }
        let config = &self.draft.how.network.config;
        let text = format!(
            "{}: {} parameters, {} for the features of one image",
            config.summary(),
            count(config.count()),
            human_bytes(peak_memory(config) as usize)
        );
        ui.add(egui::Label::new(RichText::new(text).small().weak()).wrap());
    }

    fn how(&mut self, ui: &mut Ui) {
        let how = &mut self.draft.how;
        let tip = "How the weights move against the gradient";
        row(ui, "Optimiser", tip, |ui| {
            let combo = Combo { name: "Optimiser", tip, width: control_width(ui) };
            menu::<dyn Optimizer>(ui, &combo, &mut how.optimizer, |_| true, |_| None);
        });
        let tip = "Images of one step";
        row(ui, "Batch", tip, |ui| {
            let field = DragValue::new(&mut how.batch).range(1..=4096).speed(0.5);
            named(ui.add_sized(vec2(control_width(ui), 24.0), field), "Batch", tip);
        });
        let tip = "Images after which the training is done; it can be stopped at any time, and goes on later";
        row(ui, "Length", tip, |ui| {
            let field = DragValue::new(&mut how.images).range(1..=MOST_IMAGES).speed(10_000.0);
            images_field(ui, field, |images| format!("{images} images"), "Length", tip);
        });
        let tip = "Of the first weights, the order of the images and all noise: the same seed gives the same weights";
        row(ui, "Seed", tip, |ui| seed_field(ui, &mut how.seed, control_width(ui), tip));
        let tip = "Mirror half of the images: twice as many for what has no left and right, such as landscapes";
        ui.checkbox(&mut how.flips, "Mirror half of the images").on_hover_text(tip);
        let tip =
            "The network learns the images of each class, and a tenth of the time those of all; the data need classes";
        let mut told = how.label_dropout.is_some();
        if ui.checkbox(&mut told, "Tell it the classes").on_hover_text(tip).changed() {
            how.label_dropout = told.then_some(LABEL_DROPOUT);
        }
    }

    fn details(&mut self, ui: &mut Ui) {
        let how = &mut self.draft.how;
        let network = how.network.clone();
        let tip = "What is minimised";
        row(ui, "Objective", tip, |ui| {
            let combo = Combo { name: "Objective", tip, width: control_width(ui) };
            menu::<dyn Objective>(ui, &combo, &mut how.objective, |entry| entry.suits(&network), |_| None);
        });
        parameters(ui, &mut how.objective);
        let tip = "At which noise levels";
        row(ui, "Times", tip, |ui| {
            let combo = Combo { name: "Times", tip, width: control_width(ui) };
            menu::<dyn Times>(ui, &combo, &mut how.times, |_| true, |_| None);
        });
        parameters(ui, &mut how.times);
        parameters(ui, &mut how.optimizer);
        let tip = "Course of the learning rate";
        row(ui, "Schedule", tip, |ui| {
            let combo = Combo { name: "Schedule", tip, width: control_width(ui) };
            menu::<dyn Schedule>(ui, &combo, &mut how.schedule, |_| true, |_| None);
        });
        parameters(ui, &mut how.schedule);
        let tip = "Average of the weights that the model is used with";
        row(ui, "Average", tip, |ui| {
            let combo = Combo { name: "Average", tip, width: control_width(ui) };
            menu::<dyn Average>(ui, &combo, &mut how.average, |_| true, |_| None);
        });
        parameters(ui, &mut how.average);
        if network.config.has_dropout() {
            let tip =
                "Share of the features inside blocks that are left out at random: against learning few images by heart";
            row(ui, "Dropout", tip, |ui| {
                let field = DragValue::new(&mut how.dropout).range(0.0..=0.9).speed(0.005).max_decimals(2);
                named(ui.add_sized(vec2(control_width(ui), 24.0), field), "Dropout", tip);
            });
        }
        let each = how.network.config.count() * 4 * crate::train::WIDTHS.len();
        let tip = format!(
            "Images from one stored pair of averages to the next, of which an average of any length is chosen afterwards by \
             a slider; 0 stores none. Each pair takes {}",
            human_bytes(each)
        );
        row(ui, "Store", &tip, |ui| {
            let field = DragValue::new(&mut how.snapshots).range(0..=MOST_IMAGES).speed(1_000.0);
            let shown =
                |images: String| if images == "0" { "Nothing".into() } else { format!("every {images} images") };
            images_field(ui, field, shown, "Stored averages", &tip);
        });
    }

    fn buttons(&mut self, ui: &mut Ui, training: &Result<Training, String>) {
        let active = self.course.filter(|course| course.is_active());
        let word = match (self.course, active.map(|course| &course.state)) {
            (_, Some(RunState::Paused)) => "Resume",
            (_, Some(_)) => "Pause",
            (Some(course), None) if course.images() > 0 => "Go on",
            _ => "Start training",
        };
        let possible = self.course.map_or(training.is_ok(), Course::is_known);
        let width = ui.available_width();
        if let Some(course) = self.course {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                let half = vec2((width - 12.0) / 3.0, 24.0);
                let tip = "Use the averaged weights in every workspace, while it trains or later (U)";
                let known = course.images() > 0;
                if ui.add_enabled(known, egui::Button::new("Use model").min_size(half)).on_hover_text(tip).clicked() {
                    self.commands.push(Command::Use);
                }
                let tip_of_branch = "Begin another training with these weights and other settings, and compare";
                let button = egui::Button::new("Branch…").min_size(half);
                if ui.add_enabled(known && !course.is_active(), button).on_hover_text(tip_of_branch).clicked() {
                    self.commands.push(Command::Branch);
                }
                let (label, command, tip) = match course.is_active() {
                    true => ("Stop", Command::Stop, "Stop and save; it can go on later (Esc)"),
                    false => ("New…", Command::New, "Set up another training"),
                };
                if ui.add(egui::Button::new(label).min_size(half)).on_hover_text(tip).clicked() {
                    self.commands.push(command);
                }
            });
            ui.add_space(4.0);
        }
        if let (None, Ok(training)) = (self.course, training) {
            ui.add(egui::Label::new(RichText::new(self.speed.words(training)).small().weak()).wrap());
        }
        // In a column its word would stand at the left.
        let mut button = ui.horizontal(|ui| main_button(ui, word, "Space", vec2(width, 36.0), possible)).inner;
        if let (None, Err(why)) = (self.course, training) {
            button = button.on_disabled_hover_text(why);
        }
        if button.clicked() {
            self.commands.push(Command::TrainOrPause);
        }
    }
}

/// A field for a number of images, which are shown in a sentence.
fn images_field(ui: &mut Ui, field: DragValue, shown: impl Fn(String) -> String + 'static, name: &str, tip: &str) {
    let field = field.custom_formatter(move |images, _| shown(thousands(images as u64)));
    let field = field.custom_parser(|text| {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    named(ui.add_sized(vec2(control_width(ui), 24.0), field), name, tip);
}

/// Data as they are shown.
fn named_place(place: &Place) -> String {
    match place {
        Place::Worlds(size) => format!("Little Worlds {size}×{size}"),
        Place::Files { path, .. } => file_name(path),
    }
}

/// How a training was set up.
fn facts(ui: &mut Ui, course: &Course) {
    let Some(training) = course.training() else {
        ui.label(RichText::new("Opening…").weak());
        return;
    };
    let pictures = course.report().map(|report| match report.pictures {
        Some(pictures) => format!("{pictures} images"),
        None => "without end".into(),
    });
    let mut line = |label: &str, text: String| {
        ui.horizontal_top(|ui| {
            let (area, _) = ui.allocate_exact_size(vec2(76.0, 18.0), egui::Sense::hover());
            let font = egui::TextStyle::Small.resolve(ui.style());
            ui.painter().text(area.left_center(), egui::Align2::LEFT_CENTER, label, font, Theme::of(ui).weak);
            ui.add(egui::Label::new(text).wrap());
        });
    };
    line("Images", named_place(&training.source.place));
    pictures.into_iter().for_each(|text| line("", text));
    line("Network", training.network.config.summary());
    line("Family", training.network.family.kind().name().into());
    line("Objective", training.objective.to_string());
    line("Times", training.times.to_string());
    line("Optimiser", training.optimizer.to_string());
    line("Schedule", training.schedule.to_string());
    line("Average", training.average.to_string());
    line("Batch", training.batch.to_string());
    line("Length", format!("{} images", thousands(training.images)));
    line("Seed", training.seed.to_string());
    line("Folder", course.folder.display().to_string());
}
