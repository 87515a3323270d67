//! The fonts of mathematics, and how large their letters are.

use super::block::{Letters, ink};
use super::parse::Class;
use egui::epaint::text::FontsView;
use egui::{Color32, FontData, FontDefinitions, FontFamily, FontId, pos2};
use std::sync::Arc;

/// One of the fonts: those of KaTeX, after Knuth's Computer Modern (`assets/fonts`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    Italic,
    Upright,
    /// Brackets and operators in a larger size.
    Large,
    Larger,
}

impl Face {
    const ALL: [Face; 4] = [Face::Italic, Face::Upright, Face::Large, Face::Larger];

    fn name(self) -> &'static str {
        match self {
            Face::Italic => "math-italic",
            Face::Upright => "math-upright",
            Face::Large => "math-large",
            Face::Larger => "math-larger",
        }
    }

    fn data(self) -> &'static [u8] {
        match self {
            Face::Italic => include_bytes!("../../../assets/fonts/KaTeX_Math-Italic.ttf"),
            Face::Upright => include_bytes!("../../../assets/fonts/KaTeX_Main-Regular.ttf"),
            Face::Large => include_bytes!("../../../assets/fonts/KaTeX_Size1-Regular.ttf"),
            Face::Larger => include_bytes!("../../../assets/fonts/KaTeX_Size2-Regular.ttf"),
        }
    }

    /// That of a symbol: letters slant, words, numbers and capital Greek letters do not.
    pub(super) fn of(text: &str, class: Class) -> Face {
        let slants = |letter: char| letter.is_ascii_alphabetic() || ('α'..='ω').contains(&letter);
        match (class, text.chars().next()) {
            (Class::Operator, _) if text != "∇" => Face::Large,
            (Class::Word, _) => Face::Upright,
            (_, Some(letter)) if slants(letter) => Face::Italic,
            _ => Face::Upright,
        }
    }

    /// A sign as the fonts have it.
    pub(super) fn shown(text: &str) -> &str {
        match text {
            "·" => "⋅",
            "‖" => "∥",
            "Σ" => "∑",
            other => other,
        }
    }
}

/// Adds the fonts; where they have no letter, those of the window's texts stand in.
pub fn install(fonts: &mut FontDefinitions) {
    let others = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    for face in Face::ALL {
        fonts.font_data.insert(face.name().into(), Arc::new(FontData::from_static(face.data())));
        let upright = (face != Face::Upright).then(|| Face::Upright.name().to_owned());
        let names = std::iter::once(face.name().to_owned()).chain(upright).chain(others.iter().cloned());
        fonts.families.insert(FontFamily::Name(face.name().into()), names.collect());
    }
}

/// Measures letters.
pub struct TypeCase<'f, 'v> {
    fonts: &'f mut FontsView<'v>,
    pixel: f32,
}

impl<'f, 'v> TypeCase<'f, 'v> {
    pub(super) fn new(fonts: &'f mut FontsView<'v>, pixels_per_point: f32) -> Self {
        TypeCase { fonts, pixel: 1.0 / pixels_per_point }
    }

    /// The side of a pixel, in points.
    pub(super) fn pixel(&self) -> f32 {
        self.pixel
    }

    /// Letters whose baseline begins at the origin.
    pub(super) fn set(&mut self, text: &str, face: Face, size: f32) -> Letters {
        // Half points are as many sizes as anybody can tell apart, and few enough for the atlas of letters.
        let size = (size * 2.0).round() / 2.0;
        let font = FontId::new(size, FontFamily::Name(face.name().into()));
        let galley = self.fonts.layout_no_wrap(text.to_owned(), font.clone(), Color32::PLACEHOLDER);
        let mut letters = Letters {
            text: text.to_owned(),
            font,
            at: pos2(0.0, 0.0),
            advance: galley.size().x,
            ink: ink(0.0, 0.0, 0.0, 0.0),
        };
        let Some(row) = galley.rows.first() else { return letters };
        let shown = row.glyphs.iter().filter(|glyph| !glyph.uv_rect.is_nothing());
        let bounds = shown.map(|glyph| {
            let at = pos2(glyph.pos.x + row.pos.x + glyph.uv_rect.offset.x, glyph.uv_rect.offset.y);
            egui::Rect::from_min_size(at, glyph.uv_rect.size)
        });
        letters.ink = bounds.reduce(egui::Rect::union).unwrap_or(letters.ink);
        letters.advance = row.glyphs.last().map_or(0.0, |last| row.pos.x + last.pos.x + last.advance_width);
        letters
    }
}
