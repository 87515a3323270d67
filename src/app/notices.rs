//! Notices: one sentence of what, one of what to do, dismissible; Retry where that makes sense.

use crate::engine::Failure;
use crate::text;
use egui::{Align2, RichText, Ui};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many are shown at once; older ones wait.
const SHOWN: usize = 4;

/// A Retry button, as whoever offered it sees it.
#[derive(Clone, Debug, Default)]
struct Retry(Arc<AtomicBool>);

/// What is tried again when the Retry of its notice is pressed. Kept by whoever gave the notice, and asked once a frame.
#[derive(Debug)]
pub struct Retries<T>(Vec<(Retry, T)>);

impl<T> Default for Retries<T> {
    fn default() -> Self {
        Retries(Vec::new())
    }
}

impl<T> Retries<T> {
    /// The notice with a Retry for `what`.
    pub fn offer(&mut self, notice: Notice, what: T) -> Notice {
        let retry = Retry::default();
        self.0.push((retry.clone(), what));
        Notice { retry: Some(retry), ..notice }
    }

    /// What is to be tried again since the last call.
    pub fn pressed(&mut self) -> Vec<T> {
        let pressed = |retry: &Retry| retry.0.load(Ordering::Relaxed);
        let again = self.0.extract_if(.., |(retry, _)| pressed(retry)).map(|(_, what)| what).collect();
        // A notice that is gone cannot be pressed any more.
        self.0.retain(|(retry, _)| Arc::strong_count(&retry.0) > 1);
        again
    }
}

/// Something that a person should know.
#[derive(Clone, Debug)]
pub struct Notice {
    /// A failure, not only a remark.
    pub problem: bool,
    /// One sentence of what.
    pub what: String,
    /// One sentence of what to do; empty where there is nothing to do.
    pub remedy: String,
    retry: Option<Retry>,
}

impl Notice {
    /// A remark that asks for nothing.
    pub fn remark(what: impl Into<String>) -> Self {
        Notice { problem: false, what: text::line(&what.into()).into_owned(), remedy: String::new(), retry: None }
    }

    /// A failure with its remedy.
    pub fn problem(failure: Failure) -> Self {
        let [what, remedy] = [failure.what, failure.remedy].map(|part| text::line(&part).into_owned());
        Notice { problem: true, what, remedy, retry: None }
    }

    /// An error whose one sentence has both, divided by a semicolon.
    pub fn error(error: impl std::fmt::Display) -> Self {
        let text = error.to_string();
        let text = text::line(&text);
        let (what, remedy) = text.rsplit_once("; ").unwrap_or((&text, ""));
        Notice { problem: true, what: sentence(what), remedy: sentence(remedy), retry: None }
    }
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}

/// The notices that nobody has dismissed yet, the newest last.
#[derive(Debug, Default)]
pub struct Notices {
    all: Vec<Notice>,
}

impl Notices {
    /// Adds a notice, unless it is there already.
    pub fn push(&mut self, notice: Notice) {
        self.all.retain(|old| (&old.what, &old.remedy) != (&notice.what, &notice.remedy));
        self.all.push(notice);
    }

    /// The texts of those that stand, oldest first.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|notice| notice.what.as_str())
    }

    /// Shows the newest ones at the lower right, above all panels.
    pub fn ui(&mut self, ui: &Ui) {
        if self.all.is_empty() {
            return;
        }
        let mut dismissed = None;
        egui::Area::new(egui::Id::unique("notices"))
            .anchor(Align2::RIGHT_BOTTOM, [-12.0, -44.0])
            .order(egui::Order::Foreground)
            .show(ui.ctx(), |ui| {
                ui.set_max_width(380.0);
                let first = self.all.len().saturating_sub(SHOWN);
                for (index, notice) in self.all.iter().enumerate().skip(first) {
                    if card(ui, index, notice) {
                        dismissed = Some(index);
                    }
                }
            });
        if let Some(index) = dismissed {
            self.all.remove(index);
        }
    }
}

/// One notice; whether it was dismissed.
fn card(ui: &mut Ui, index: usize, notice: &Notice) -> bool {
    let mut dismissed = false;
    let color = if notice.problem { ui.visuals().error_fg_color } else { ui.visuals().selection.bg_fill };
    let frame = egui::Frame::popup(ui.style()).stroke(egui::Stroke::new(1.0, color));
    ui.push_id(index, |ui| {
        frame.show(ui, |ui| {
            ui.set_width(350.0);
            ui.add(egui::Label::new(RichText::new(&notice.what).strong()).wrap());
            if !notice.remedy.is_empty() {
                ui.add(egui::Label::new(&notice.remedy).wrap());
            }
            ui.horizontal(|ui| {
                if let Some(retry) = &notice.retry
                    && ui.button("Retry").clicked()
                {
                    retry.0.store(true, Ordering::Relaxed);
                    ui.request_repaint();
                    dismissed = true;
                }
                dismissed |= ui.button("Dismiss").clicked();
            });
        });
    });
    ui.add_space(6.0);
    dismissed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_divides_into_what_and_what_to_do() {
        let notice = Notice::error("\"/x/y.pth\" cannot be read: no such file; check the path and its permissions");
        assert_eq!(notice.what, "\"/x/y.pth\" cannot be read: no such file.");
        assert_eq!(notice.remedy, "Check the path and its permissions.");
    }

    #[test]
    fn what_failed_is_tried_again_once_when_its_retry_is_pressed() {
        let mut retries = Retries::default();
        let notices = ["run", "file", "fill"].map(|what| retries.offer(Notice::remark(what), what));
        assert!(retries.pressed().is_empty());
        let [run, file, fill] = notices;
        drop(file);
        fill.retry.unwrap().0.store(true, Ordering::Relaxed);
        assert_eq!(retries.pressed(), ["fill"]);
        assert!(retries.pressed().is_empty());
        assert_eq!(retries.0.len(), 1, "a notice that is gone is forgotten");
        drop(run);
    }

    #[test]
    fn what_a_strangers_file_says_steers_nothing() {
        let notice = Notice::error("\u{202e}a\x1b[2J; b\u{7}");
        assert_eq!((notice.what.as_str(), notice.remedy.as_str()), (r"\u{202e}a\u{1b}[2J.", r"B\u{7}."));
        assert!(Notice::remark("x".repeat(15 << 20)).what.len() < 200);
    }

    #[test]
    fn the_same_notice_stands_once() {
        let mut notices = Notices::default();
        notices.push(Notice::remark("a"));
        notices.push(Notice::remark("b"));
        notices.push(Notice::remark("a"));
        assert_eq!(notices.texts().collect::<Vec<_>>(), ["b", "a"]);
    }
}
