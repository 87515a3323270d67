//! What a formula is laid out of: ink at places about a baseline.

use egui::{FontId, Pos2, Rect, Vec2, pos2};
use std::sync::Arc;

/// Letters of one font.
#[derive(Clone, Debug)]
pub struct Letters {
    pub text: String,
    pub font: FontId,
    /// The left end of their baseline.
    pub at: Pos2,
    pub advance: f32,
    /// What is black of them.
    pub ink: Rect,
}

/// Something that is drawn.
#[derive(Clone, Debug)]
pub enum Ink {
    Letters(Letters),
    /// A bar.
    Rule(Rect),
    /// The sign of a root, without its bar.
    Surd {
        points: Vec<Pos2>,
        width: f32,
    },
}

/// To which terms a mark belongs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    pub own: Option<Arc<str>>,
    pub within: Option<Arc<str>>,
}

impl Names {
    /// Whether one of them is this.
    pub fn has(&self, name: &str) -> bool {
        [&self.own, &self.within].into_iter().flatten().any(|own| **own == *name)
    }
}

/// Ink with its names.
#[derive(Clone, Debug)]
pub struct Mark {
    pub ink: Ink,
    pub names: Names,
}

impl Mark {
    /// What it covers.
    pub fn bounds(&self) -> Rect {
        match &self.ink {
            Ink::Letters(letters) => letters.ink,
            Ink::Rule(rect) => *rect,
            Ink::Surd { points, .. } => Rect::from_points(points),
        }
    }

    fn shift(&mut self, by: Vec2) {
        match &mut self.ink {
            Ink::Letters(letters) => {
                letters.at += by;
                letters.ink = letters.ink.translate(by);
            }
            Ink::Rule(rect) => *rect = rect.translate(by),
            Ink::Surd { points, .. } => points.iter_mut().for_each(|point| *point += by),
        }
    }
}

/// Marks about a baseline that begins at the origin; y goes down.
#[derive(Clone, Debug, Default)]
pub struct Block {
    pub width: f32,
    /// How far it reaches above the baseline, and below.
    pub ascent: f32,
    pub descent: f32,
    pub marks: Vec<Mark>,
}

impl Block {
    /// Letters, which begin at the origin.
    pub fn of_letters(letters: Letters, names: &Names) -> Block {
        Block {
            width: letters.advance,
            ascent: -letters.ink.top(),
            descent: letters.ink.bottom(),
            marks: vec![Mark { ink: Ink::Letters(letters), names: names.clone() }],
        }
    }

    /// Moves all of it, up or down.
    pub fn shift(&mut self, by: Vec2) {
        self.marks.iter_mut().for_each(|mark| mark.shift(by));
        self.ascent -= by.y;
        self.descent += by.y;
    }

    /// Puts another block at its right, `gap` points off.
    pub fn append(&mut self, gap: f32, other: Block) {
        let at = self.width + gap;
        let width = at + other.width;
        self.overlay(egui::vec2(at, 0.0), other);
        self.width = width;
    }

    /// Puts another block at a place. The width stays.
    pub fn overlay(&mut self, at: Vec2, mut other: Block) {
        if other.marks.is_empty() {
            return;
        }
        other.shift(at);
        self.ascent = if self.marks.is_empty() { other.ascent } else { self.ascent.max(other.ascent) };
        self.descent = if self.marks.is_empty() { other.descent } else { self.descent.max(other.descent) };
        self.marks.append(&mut other.marks);
    }

    /// What it covers, if it is not empty.
    pub fn ink(&self) -> Option<Rect> {
        self.marks.iter().map(Mark::bounds).reduce(Rect::union)
    }
}

/// A rectangle about a baseline.
pub fn ink(left: f32, top: f32, right: f32, bottom: f32) -> Rect {
    Rect::from_min_max(pos2(left, top), pos2(right, bottom))
}
