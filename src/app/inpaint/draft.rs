//! The tools' settings, as controls edit them.

use super::brush::Brush;
use crate::app::widgets::icon::Icon;
use serde::{Deserialize, Serialize};

/// What the pointer does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    #[default]
    Brush,
    Eraser,
    /// Paints colour hints on the photo.
    Colour,
    Rectangle,
    Lasso,
    Fill,
    /// Moves the square that the model sees.
    Square,
}

impl Tool {
    pub const ALL: [Tool; 7] =
        [Tool::Brush, Tool::Eraser, Tool::Colour, Tool::Rectangle, Tool::Lasso, Tool::Fill, Tool::Square];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Brush => "Brush",
            Tool::Eraser => "Eraser",
            Tool::Colour => "Hints",
            Tool::Rectangle => "Rectangle",
            Tool::Lasso => "Lasso",
            Tool::Fill => "Bucket",
            Tool::Square => "Crop",
        }
    }

    /// What its button shows.
    pub(super) fn icon(self) -> Icon {
        match self {
            Tool::Brush => Icon::BRUSH,
            Tool::Eraser => Icon::ERASER,
            Tool::Colour => Icon::DROP,
            Tool::Rectangle => Icon::RECTANGLE,
            Tool::Lasso => Icon::LASSO,
            Tool::Fill => Icon::BUCKET,
            Tool::Square => Icon::SQUARE,
        }
    }

    /// What it does, and its key.
    pub fn tip(self) -> &'static str {
        match self {
            Tool::Brush => "Paint the area to fill in (B); with Shift, in a line from the last stroke",
            Tool::Eraser => "Erase the mask or the hints, whichever was painted last (E; X swaps brush and eraser)",
            Tool::Colour => {
                "Paint colour hints on the photo (P). The model sees them as part of it, and Edit makes an image of \
                 them. Alt+click picks the colour under the pointer; E erases hints"
            }
            Tool::Rectangle => "Drag a rectangle (M); with Alt, subtract it",
            Tool::Lasso => "Draw around the area to fill in (L); with Alt, subtract it; Esc cancels",
            Tool::Fill => "Click a colour to mask what is similar (G); with Alt, subtract it",
            Tool::Square => "Drag the crop that the model sees, or its corners (C)",
        }
    }
}

/// All settings but photo and mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InpaintDraft {
    pub tool: Tool,
    /// Diameter of the brush, as a fraction of the photo's shorter side: so it suits small photos and large ones.
    pub size: f32,
    pub hardness: f32,
    pub opacity: f32,
    /// Of the hints, sRGB.
    pub colour: [u8; 3],
    /// The eraser takes hints away, not the mask.
    pub erases_hints: bool,
    /// Shapes take paint away.
    pub takes: bool,
    /// Grey levels by which a channel may differ, for [`Tool::Fill`].
    pub tolerance: u8,
    /// Only what is connected with the place that was clicked.
    pub connected: bool,
    /// Pixels by which the mask grows or shrinks.
    pub grow: usize,
    /// Standard deviation of the Gaussian that softens the mask's edge, in pixels.
    pub feather: f32,
    /// Whether what the model sees is shown in a corner.
    pub inset: bool,
}

impl Default for InpaintDraft {
    fn default() -> Self {
        InpaintDraft {
            tool: Tool::Brush,
            size: 0.1,
            hardness: 0.8,
            opacity: 1.0,
            colour: [190, 60, 44],
            erases_hints: false,
            takes: false,
            tolerance: 24,
            connected: true,
            grow: 4,
            feather: 3.0,
            inset: true,
        }
    }
}

impl InpaintDraft {
    /// Largest radius of growing and standard deviation of feathering, in pixels.
    pub const MOST: usize = 64;

    /// The brush on a photo of this size.
    pub fn brush(&self, [width, height]: [usize; 2]) -> Brush {
        let radius = (self.size * width.min(height) as f32 / 2.0).max(0.5);
        let hints = self.tool == Tool::Colour || self.tool == Tool::Eraser && self.erases_hints;
        Brush {
            radius,
            hardness: self.hardness,
            opacity: self.opacity,
            erases: self.tool == Tool::Eraser,
            colour: hints.then_some(self.colour),
        }
    }

    /// Takes up a tool. The eraser takes away what the tool before painted.
    pub fn take_up(&mut self, tool: Tool) {
        match tool {
            Tool::Colour => self.erases_hints = true,
            Tool::Brush | Tool::Rectangle | Tool::Lasso | Tool::Fill => self.erases_hints = false,
            Tool::Eraser | Tool::Square => {}
        }
        self.tool = tool;
    }

    /// Makes the brush one step larger or smaller, by about a tenth, but a pixel at least.
    pub fn resize(&mut self, steps: i32, [width, height]: [usize; 2]) {
        let side = width.min(height).max(1) as f32;
        let pixels = self.size * side;
        let changed = if steps > 0 { (pixels * 1.12).max(pixels + 1.0) } else { (pixels / 1.12).min(pixels - 1.0) };
        self.size = (changed / side).clamp(1.0 / side, 1.0);
    }

    /// Makes the brush harder or softer.
    pub fn harden(&mut self, steps: i32) {
        self.hardness = (self.hardness + 0.1 * steps as f32).clamp(0.0, 1.0);
    }

    /// Brush and eraser change places; so do adding and taking away of shapes.
    pub fn swap(&mut self) {
        match self.tool {
            Tool::Brush | Tool::Colour => self.take_up(Tool::Eraser),
            Tool::Eraser if self.erases_hints => self.take_up(Tool::Colour),
            Tool::Eraser => self.take_up(Tool::Brush),
            Tool::Rectangle | Tool::Lasso | Tool::Fill => self.takes = !self.takes,
            Tool::Square => {}
        }
    }

    /// Brings values that no control can show back into reach.
    pub fn sanitize(&mut self) {
        let fresh = InpaintDraft::default();
        let within = |value: f32, range: std::ops::RangeInclusive<f32>, fresh: f32| {
            if value.is_finite() { value.clamp(*range.start(), *range.end()) } else { fresh }
        };
        self.size = within(self.size, 0.0001..=1.0, fresh.size);
        self.hardness = within(self.hardness, 0.0..=1.0, fresh.hardness);
        self.opacity = within(self.opacity, 0.01..=1.0, fresh.opacity);
        self.feather = within(self.feather, 0.5..=InpaintDraft::MOST as f32, fresh.feather);
        self.grow = self.grow.clamp(1, InpaintDraft::MOST);
    }
}
