//! A scene at a time as a picture: pixels or a vector graphic, drawn by one code.

mod colour;
mod film;
mod layers;

pub use film::{Film, FilmError};

use super::{Course, Errors, Fields, Frame, Point, Scene};
use crate::Pixels;
use crate::compare::Font;
use colour::Colours;
use image::RgbImage;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use std::sync::Arc;

/// How a picture looks.
#[derive(Clone, Copy)]
pub struct Look {
    /// Pixels of a panel's side, from [`Look::SIDES`].
    pub side: u32,
    pub dark: bool,
    pub font: Font,
}

impl Look {
    /// How small and large a panel may be.
    pub const SIDES: [u32; 2] = [96, 2048];
}

/// One cloud in its panel.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// What it is: a solver, or the forward SDE.
    pub title: String,
    /// What is known of it: evaluations, distance.
    pub note: String,
    /// From its start to its end; those nearest to the scene's time are shown.
    pub frames: Vec<Arc<Frame>>,
    pub errors: Option<Errors>,
}

/// All that is drawn.
#[derive(Clone, Copy)]
pub struct Shot<'a> {
    pub scene: &'a Scene,
    pub fields: &'a Fields,
    pub course: &'a Course,
    /// Beside each other; without any, the fields alone are one panel.
    pub panels: &'a [Panel],
}

/// A picture that cannot be drawn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RenderError {
    #[error("a side of {0} pixels is out of range; choose {least} to {most}", least = Look::SIDES[0], most = Look::SIDES[1])]
    Side(u32),
    #[error("the picture cannot be drawn: {0}")]
    Draw(String),
}

const FAMILY: &str = "sans-serif";
/// Pixels above a panel for its title and note.
const HEAD: u32 = 40;
/// Around each panel.
const MARGIN: u32 = 8;

impl Shot<'_> {
    /// Width and height, in pixels.
    fn size(&self, look: &Look) -> (u32, u32) {
        let count = self.panels.len().max(1) as u32;
        (count * (look.side + MARGIN) + MARGIN, look.side + HEAD + MARGIN)
    }

    fn check(look: &Look) -> Result<(), RenderError> {
        let [least, most] = Look::SIDES;
        if (least..=most).contains(&look.side) { Ok(()) } else { Err(RenderError::Side(look.side)) }
    }

    /// As pixels.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn image(&self, look: &Look) -> Result<RgbImage, RenderError> {
        Shot::check(look)?;
        let (width, height) = self.size(look);
        let mut bytes = vec![0; 3 * width as usize * height as usize];
        self.draw(&BitMapBackend::with_buffer(&mut bytes, (width, height)).into_drawing_area(), look, FINE)?;
        RgbImage::from_raw(width, height, bytes).ok_or_else(|| RenderError::Draw("its size is wrong".into()))
    }

    /// As a vector graphic.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn svg(&self, look: &Look) -> Result<String, RenderError> {
        Shot::check(look)?;
        let mut text = String::new();
        self.draw(&SVGBackend::with_string(&mut text, self.size(look)).into_drawing_area(), look, COARSE)?;
        Ok(text)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, look: &Look, shades: u32) -> Result<(), RenderError>
    where
        B::ErrorType: 'static,
    {
        let failed = |error: DrawingAreaErrorKind<B::ErrorType>| RenderError::Draw(error.to_string());
        register_font(FAMILY, FontStyle::Normal, look.font.0)
            .map_err(|_| RenderError::Draw("the font is damaged".into()))?;
        let colours = Colours::of(look.dark);
        area.fill(&colours.ground).map_err(failed)?;
        let empty = [Panel::default()];
        let panels = if self.panels.is_empty() { &empty[..] } else { self.panels };
        for (index, panel) in panels.iter().enumerate() {
            let left = (MARGIN + index as u32 * (look.side + MARGIN)) as i32;
            self.title(area, panel, left, look, &colours).map_err(failed)?;
            let whole = area.clone().shrink((left, HEAD as i32), (look.side, look.side));
            layers::draw(self, panel, &whole, &colours, shades).map_err(failed)?;
        }
        area.present().map_err(failed)
    }

    /// Title and note above a panel; the scene's time where there is no title.
    fn title<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        panel: &Panel,
        left: i32,
        look: &Look,
        colours: &Colours,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let time = format!("t = {:.3}", self.fields.time);
        let line = |text: &str, size: i32| {
            // About as many letters as the panel is wide.
            let most = (f64::from(look.side) / (0.5 * f64::from(size))) as usize;
            text.chars().take(most).collect::<String>()
        };
        let (first, second) = match panel.title.is_empty() {
            true => (self.scene.title.clone(), time),
            false if panel.note.is_empty() => (panel.title.clone(), time),
            false => (panel.title.clone(), format!("{time} · {}", panel.note)),
        };
        let text = |size: i32| (FAMILY, size).into_font();
        area.draw(&Text::new(line(&first, 15), (left, 4), text(15).color(&colours.ink)))?;
        area.draw(&Text::new(line(&second, 12), (left, 23), text(12).color(&colours.ink.mix(0.7))))
    }
}

/// Shades of a density in pixels and, each run of which is a rectangle, in vector graphics.
const FINE: u32 = 256;
const COARSE: u32 = 24;

/// A frame of an animation.
fn pixels(image: &RgbImage) -> Pixels<f32> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let channel = |channel: usize| image.pixels().map(move |pixel| f32::from(pixel.0[channel]) / 255.0);
    Pixels { shape: [1, 3, height, width], values: (0..3).flat_map(channel).collect() }
}

/// Particles as CSV: the panel, the particle's number, the time, and its place.
pub fn csv(panels: &[Panel], time: f64) -> String {
    let mut text = String::from("pane,particle,t,x,y\n");
    for (pane, panel) in panels.iter().enumerate() {
        let Some(frame) = nearest(&panel.frames, time) else { continue };
        for (particle, [x, y]) in frame.points.iter().enumerate() {
            text.push_str(&format!("{},{particle},{},{x},{y}\n", pane + 1, frame.t));
        }
    }
    text
}

/// The frame nearest to a time, the later one of equals.
fn nearest(frames: &[Arc<Frame>], time: f64) -> Option<&Arc<Frame>> {
    let apart = |frame: &Frame| (frame.t - time).abs();
    frames.iter().reduce(|best, frame| if apart(frame) <= apart(best) { frame } else { best })
}

/// Where a particle has been, up to the frame nearest to a time.
fn trails(frames: &[Arc<Frame>], time: f64, most: usize) -> Vec<Vec<Point>> {
    let Some(now) = nearest(frames, time) else { return Vec::new() };
    let before: Vec<&Arc<Frame>> = frames.iter().take_while(|frame| frame.step <= now.step).collect();
    let count = now.points.len().min(most);
    let trail = |particle: usize| before.iter().filter_map(|frame| frame.points.get(particle).copied()).collect();
    (0..count).map(trail).collect()
}
