//! The panel that saves: the strip, the loop, the latents. Written by the exporter's thread.

use super::Latents;
use super::strip::ends;
use crate::Pixels;
use crate::app::Action;
use crate::app::export::{Content, ExportJob, save_buttons};
use crate::app::widgets::{Combo, control_width, modal, named, row, segmented};
use crate::task::Latents as Encodings;
use egui::{Ui, vec2};
use std::path::{Path, PathBuf};

/// Pixels between the frames of a saved strip.
const GAP: usize = 1;

/// What can be saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum What {
    #[default]
    Strip,
    Loop,
    Latents,
}

/// The panel.
#[derive(Debug)]
pub struct Saver {
    open: bool,
    what: What,
    zoom: usize,
    seconds: f32,
    animated_png: bool,
    numpy: bool,
    path: String,
    folder: PathBuf,
}

impl Default for Saver {
    fn default() -> Self {
        Saver {
            open: false,
            what: What::Strip,
            zoom: 4,
            seconds: 2.0,
            animated_png: false,
            numpy: false,
            path: String::new(),
            folder: PathBuf::new(),
        }
    }
}

impl Saver {
    /// Opens the panel.
    pub fn offer(&mut self, folder: Option<&Path>) {
        self.open = true;
        self.folder = folder.map_or_else(|| std::env::home_dir().unwrap_or_default(), Path::to_owned);
        self.suggest();
    }

    /// Whether the panel is shown.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The name that a save dialog begins with.
    pub fn file_name(&self) -> String {
        Path::new(&self.path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// A place that was chosen in a dialog.
    pub fn save_to(&mut self, path: &Path) {
        self.path = path.display().to_string();
    }

    fn suggest(&mut self) {
        let name = match self.what {
            What::Strip => "strip.png",
            What::Loop if self.animated_png => "loop.png",
            What::Loop => "loop.gif",
            What::Latents if self.numpy => "latents.npz",
            What::Latents => "latents.safetensors",
        };
        self.path = self.folder.join(name).display().to_string();
    }

    fn choices(&mut self, ui: &mut Ui) {
        let before = (self.what, self.animated_png, self.numpy);
        let options = [
            (What::Strip, "Strip", None, "All frames side by side, in one picture"),
            (What::Loop, "Loop", None, "From A to B and back, as an animation"),
            (What::Latents, "Latents", None, "The latents of all slots, with the journey that made them"),
        ];
        segmented(ui, &mut self.what, &options);
        if self.what != What::Latents {
            let tip = "Screen pixels for each pixel, without smoothing";
            row(ui, "Zoom", tip, |ui| {
                let field = egui::DragValue::new(&mut self.zoom).range(1..=32).suffix("×").speed(0.1);
                named(ui.add_sized(vec2(64.0, 24.0), field), "Zoom", tip);
            });
        }
        match self.what {
            What::Strip => {}
            What::Loop => {
                let tip = "How long the way there and back takes";
                row(ui, "Length", tip, |ui| {
                    let field = egui::DragValue::new(&mut self.seconds).range(0.5..=60.0).speed(0.1).suffix(" s");
                    named(ui.add_sized(vec2(64.0, 24.0), field), "Length", tip);
                });
                let tip = "GIF shows everywhere in 256 colours; animated PNG has all colours";
                row(ui, "Format", tip, |ui| {
                    let combo = Combo { name: "Format", tip, width: control_width(ui) };
                    let text = |png: &bool| if *png { "Animated PNG" } else { "GIF" }.to_owned();
                    combo.show(ui, &mut self.animated_png, &[false, true], text, |_| None);
                });
            }
            What::Latents => {
                let tip = "safetensors, or NumPy's archive of arrays";
                row(ui, "Format", tip, |ui| {
                    let combo = Combo { name: "Format", tip, width: control_width(ui) };
                    let text = |numpy: &bool| if *numpy { ".npz" } else { ".safetensors" }.to_owned();
                    combo.show(ui, &mut self.numpy, &[false, true], text, |_| None);
                });
            }
        }
        if before != (self.what, self.animated_png, self.numpy) {
            self.suggest();
        }
    }
}

impl Latents {
    /// Shows the panel while it is open. Whether a dialog for the place is asked for.
    pub fn save_ui(&mut self, ui: &Ui, actions: &mut Vec<Action>) -> bool {
        if !self.saver.open {
            return false;
        }
        let (mut choose, mut open) = (false, true);
        modal(ui, "save latents", &mut open, 420.0, |ui| {
            ui.heading("Save");
            ui.add_space(4.0);
            self.saver.choices(ui);
            choose = row(ui, "File", "Where it is written", |ui| {
                let width = control_width(ui) - 84.0;
                ui.add(egui::TextEdit::singleline(&mut self.saver.path).desired_width(width)).accessible_name("File");
                ui.button("Choose…").clicked()
            });
            ui.add_space(8.0);
            // Named apart from the button in the room.
            save_buttons(ui, "Save file", self.export(), actions)
        });
        self.saver.open = open;
        choose
    }

    fn export(&self) -> Result<ExportJob, String> {
        if self.saver.path.trim().is_empty() {
            return Err("Give the file a name.".into());
        }
        let frames = || {
            let strip = self.strip.as_ref().ok_or("Put a picture in A and one in B first.")?;
            strip.pictures().ok_or("The strip is not filled yet. Wait for its last frame.")
        };
        let content = match self.saver.what {
            What::Strip => Content::Strip(side_by_side(&frames()?)),
            What::Loop => {
                let there = frames()?;
                let back = there.iter().rev().skip(1).take(there.len().saturating_sub(2)).cloned();
                Content::Loop { frames: there.iter().cloned().chain(back).collect(), seconds: self.saver.seconds }
            }
            What::Latents => Content::Latents(Box::new(self.all_latents()?)),
        };
        Ok(ExportJob::new(self.saver.path.trim().into(), content, self.saver.zoom))
    }

    /// The latents of all slots that the same journey made as the first.
    fn all_latents(&self) -> Result<Encodings, String> {
        let encodings: Vec<_> = (0..self.board.slots.len()).filter_map(|index| self.board.encoding_in(index)).collect();
        let first = encodings.first().ok_or("Nothing is encoded yet. Put a picture in a slot first.")?;
        if ends(&self.board).is_none() && encodings.len() > 1 {
            return Err("The slots were encoded with different settings. Encode again first.".into());
        }
        let flow = first.latents.flow.clone();
        let same: Vec<_> = encodings.iter().filter(|encoding| encoding.latents.flow == flow).collect();
        let values: Vec<f32> =
            same.iter().flat_map(|encoding| encoding.latents.pixels.values.iter().copied()).collect();
        let [_, c, h, w] = first.latents.pixels.shape;
        Ok(Encodings { pixels: Pixels { shape: [same.len(), c, h, w], values: values.into() }, flow })
    }
}

/// Pictures in a row, as one picture with white between them.
fn side_by_side(pictures: &[Pixels<f32>]) -> Pixels<f32> {
    let [_, c, h, w] = pictures.first().map_or([1, 1, 1, 1], |first| first.shape);
    let mut values = Vec::new();
    for line in 0..c * h {
        for (index, picture) in pictures.iter().enumerate() {
            if index > 0 {
                values.extend([1.0; GAP]);
            }
            values.extend(picture.values.iter().skip(line * w).take(w));
        }
    }
    let width = pictures.len() * w + pictures.len().saturating_sub(1) * GAP;
    Pixels { shape: [1, c, h, width], values: values.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_side_by_side() {
        let picture = |value: f32| Pixels { shape: [1, 1, 2, 2], values: vec![value; 4].into() };
        let row = side_by_side(&[picture(0.0), picture(0.5)]);
        assert_eq!(row.shape, [1, 1, 2, 5]);
        assert_eq!(*row.values, [0.0, 0.0, 1.0, 0.5, 0.5, 0.0, 0.0, 1.0, 0.5, 0.5]);
    }
}
