//! The panel that saves: the strip, the loop, the latents.

use super::Latents;
use super::strip::ends;
use crate::Pixels;
use crate::app::Context;
use crate::app::saving::{SaveJob, SavePanel, Saver, frame_time, save_buttons};
use crate::app::widgets::{Combo, control_width, modal, row, segmented};
use crate::checkpoint::{Animation, write_animation, write_latents, write_picture};
use crate::sde::Range;
use crate::task::Latents as Encodings;
use egui::Ui;

/// Pixels between the frames of a saved strip.
const GAP: usize = 1;

/// What can be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Strip,
    Loop,
    Latents,
}

/// The panel.
#[derive(Debug)]
pub struct LatentsSavePanel {
    panel: SavePanel,
    what: What,
    numpy: bool,
}

impl Default for LatentsSavePanel {
    fn default() -> Self {
        LatentsSavePanel { panel: SavePanel::new(2.0), what: What::Strip, numpy: false }
    }
}

impl LatentsSavePanel {
    /// Opens the panel.
    pub fn offer(&mut self, saver: &Saver) {
        self.panel.open = true;
        self.suggest(saver);
    }

    /// Whether the panel is shown.
    pub fn is_open(&self) -> bool {
        self.panel.open
    }

    fn suggest(&mut self, saver: &Saver) {
        let name = match self.what {
            What::Strip => "strip.png",
            What::Loop if self.panel.animated_png => "loop.png",
            What::Loop => "loop.gif",
            What::Latents if self.numpy => "latents.npz",
            What::Latents => "latents.safetensors",
        };
        self.panel.suggest(saver, name);
    }

    fn choices(&mut self, ui: &mut Ui, saver: &Saver) {
        let before = (self.what, self.panel.animated_png, self.numpy);
        let options = [
            (What::Strip, "Strip", None, "All frames side by side, in one image"),
            (What::Loop, "Loop", None, "From A to B and back, as an animation"),
            (What::Latents, "Latents", None, "The latents of all slots, with the settings that encoded them"),
        ];
        segmented(ui, &mut self.what, &options);
        if self.what != What::Latents {
            self.panel.zoom_row(ui);
        }
        match self.what {
            What::Strip => {}
            What::Loop => self.panel.animation_rows(ui, "Duration of the loop from A to B and back"),
            What::Latents => {
                let tip = "safetensors, or a NumPy archive (.npz)";
                row(ui, "Format", tip, |ui| {
                    let combo = Combo { name: "Format", tip, width: control_width(ui) };
                    let text = |numpy: &bool| if *numpy { ".npz" } else { ".safetensors" }.to_owned();
                    combo.show(ui, &mut self.numpy, &[false, true], text, |_| None);
                });
            }
        }
        if before != (self.what, self.panel.animated_png, self.numpy) {
            self.suggest(saver);
        }
    }
}

impl Latents {
    /// Shows the panel while it is open.
    pub(super) fn save_ui(&mut self, ui: &Ui, cx: &mut Context) {
        if !self.save_panel.is_open() {
            return;
        }
        let mut open = true;
        modal(ui, "save latents", &mut open, 420.0, |ui| {
            ui.heading("Save");
            ui.add_space(4.0);
            self.save_panel.choices(ui, &cx.saver);
            self.save_panel.panel.place_row(ui, cx);
            ui.add_space(8.0);
            // Named apart from the button in the room.
            save_buttons(ui, "Save file", self.save_job(), cx)
        });
        self.save_panel.panel.open = open;
    }

    fn save_job(&self) -> Result<SaveJob, String> {
        let LatentsSavePanel { panel, what, .. } = &self.save_panel;
        let (path, zoom, seconds) = (panel.path()?, panel.zoom, panel.seconds);
        let frames = || {
            let strip = self.strip.as_ref().ok_or("Add images to A and B first.")?;
            strip.pictures().ok_or("The strip is not complete yet. Wait for its last frame.")
        };
        Ok(match what {
            What::Strip => {
                let strip = side_by_side(&frames()?);
                SaveJob::new(path, "saving the strip", move |path, _| write_picture(path, &strip, 0, Range::Unit, zoom))
            }
            What::Loop => {
                let there = frames()?;
                let back = there.iter().rev().skip(1).take(there.len().saturating_sub(2));
                let frames: Vec<_> = there.iter().chain(back).cloned().collect();
                let frame_time = frame_time(seconds, frames.len());
                let animation = Animation { frames, range: Range::Unit, frame_time, zoom };
                SaveJob::new(path, "saving the loop", move |path, progress| write_animation(path, &animation, progress))
            }
            What::Latents => {
                let latents = self.all_latents()?;
                SaveJob::new(path, "saving the latents", move |path, _| write_latents(path, &latents))
            }
        })
    }

    /// The latents of all slots that the same flow made as the first.
    fn all_latents(&self) -> Result<Encodings, String> {
        let encodings: Vec<_> = (0..self.board.slots.len()).filter_map(|index| self.board.encoding_in(index)).collect();
        let first = encodings.first().ok_or("Nothing is encoded yet. Add an image to a slot first.")?;
        if ends(&self.board).is_none() && encodings.len() > 1 {
            return Err("The slots were encoded with different settings. Encode again first.".into());
        }
        let flow = first.latents.flow.clone();
        let same = encodings.iter().filter(|encoding| encoding.latents.flow == flow);
        let pixels = Pixels::together(same.map(|encoding| Some(&encoding.latents.pixels)));
        Ok(Encodings { pixels: pixels.unwrap_or_else(|| first.latents.pixels.clone()), flow })
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
