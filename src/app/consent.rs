//! Models that a stranger's file names by a path: they are opened once a person has agreed.

use super::files::file_name;
use super::widgets::{main_button, modal};
use crate::task::ModelRef;
use crate::text;
use egui::{Label, RichText, Ui, vec2};
use std::path::Path;

/// A model that a person chose, or was asked about.
#[derive(Clone, Debug)]
struct Question {
    model: ModelRef,
    /// The name of the file that names it.
    file: String,
    /// `None` until a person has answered.
    answer: Option<bool>,
}

/// What was asked and answered in this window, in the order of asking.
#[derive(Debug, Default)]
pub struct Consent(Vec<Question>);

impl Consent {
    /// A person chose this model themselves.
    pub fn agree(&mut self, model: &ModelRef) {
        if model.is_path() {
            self.0.retain(|question| question.model != *model);
            self.0.push(Question { model: model.clone(), file: String::new(), answer: Some(true) });
        }
    }

    /// Whether `model`, which the file of this name names, may be opened; `None` until a person has said so. After a no,
    /// the next file asks again.
    fn of(&mut self, model: &ModelRef, file: &str) -> Option<bool> {
        if !model.is_path() {
            return Some(true);
        }
        let Some(place) = self.0.iter().position(|question| question.model == *model) else {
            self.0.push(Question { model: model.clone(), file: file.to_owned(), answer: None });
            return None;
        };
        let answer = self.0.get(place)?.answer;
        if answer == Some(false) {
            self.0.remove(place);
        }
        answer
    }

    /// Of what has come, after what waits already, that whose model may be opened. What a person is asked about goes on
    /// waiting, what they refused is dropped. `named` are the models that a thing names, if it does, and the file of it.
    pub fn sift<T>(
        &mut self,
        waiting: &mut Vec<T>,
        come: impl IntoIterator<Item = T>,
        named: impl Fn(&T) -> Option<(Vec<&ModelRef>, &Path)>,
    ) -> Vec<T> {
        let mut agreed = Vec::new();
        for thing in std::mem::take(waiting).into_iter().chain(come) {
            let of_file = |(models, file): (Vec<&ModelRef>, &Path)| -> Vec<Option<bool>> {
                models.into_iter().map(|model| self.of(model, &file_name(file))).collect()
            };
            let answers = named(&thing).map(of_file).unwrap_or_default();
            if answers.iter().all(|answer| *answer == Some(true)) {
                agreed.push(thing);
            } else if !answers.contains(&Some(false)) {
                waiting.push(thing);
            }
        }
        agreed
    }

    /// Whether a question is on the screen.
    pub fn is_asking(&self) -> bool {
        self.0.iter().any(|question| question.answer.is_none())
    }

    /// Shows the oldest question that is open, if any.
    pub fn ui(&mut self, ui: &Ui) {
        let Some(Question { model, file, answer }) = self.0.iter_mut().find(|question| question.answer.is_none())
        else {
            return;
        };
        let (mut open, mut agreed) = (true, None);
        modal(ui, "consent", &mut open, 380.0, |ui| {
            ui.label(RichText::new("Open the model that this file names?").heading());
            ui.add_space(4.0);
            ui.add(Label::new(format!("{file} was made with this model:")).wrap());
            ui.add(Label::new(RichText::new(text::line(&model.to_string())).monospace()).wrap());
            ui.add(Label::new(RichText::new("If the file is not yours, check the path first.").weak()).wrap());
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                if main_button(ui, "Open model", "", vec2(130.0, 30.0), true).clicked() {
                    agreed = Some(true);
                }
                if ui.add(egui::Button::new("Cancel").min_size(vec2(90.0, 30.0))).clicked() {
                    agreed = Some(false);
                }
            });
            agreed.is_some()
        });
        if !open {
            *answer = Some(agreed.unwrap_or(false));
            ui.request_repaint();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_asked_about_and_a_name_is_not() {
        let mut consent = Consent::default();
        for name in ["worlds-vp-small", "mixture:two-moons", "exact:worlds"] {
            assert_eq!(consent.of(&name.parse().unwrap(), "run.json"), Some(true), "{name}");
        }
        let model: ModelRef = "exact:/".parse().unwrap();
        assert_eq!((consent.of(&model, "run.json"), consent.is_asking()), (None, true));
        consent.0[0].answer = Some(false);
        assert_eq!(consent.of(&model, "run.json"), Some(false));
        assert_eq!(consent.of(&model, "run.json"), None, "asked again after a no");
        consent.agree(&model);
        assert_eq!((consent.of(&model, "run.json"), consent.is_asking()), (Some(true), false));
    }
}
