//! Textures of the pictures that are shown, made when a picture first shows and let go when it does not.

use super::photo::Photo;
use crate::Pixels;
use crate::app::theme::Theme;
use egui::{
    Align2, Color32, ColorImage, Rect, Role, Sense, Stroke, TextureHandle, TextureOptions, Ui, WidgetInfo, pos2,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Photos are shown at most this large.
const PREVIEW: u32 = 640;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// Address of the values, which are kept as long as the texture.
    place: usize,
    sample: usize,
    latent: bool,
    smooth: bool,
}

struct Kept {
    texture: TextureHandle,
    seen: u64,
    _values: Option<Arc<[f32]>>,
}

/// The textures.
#[derive(Default)]
pub struct Canvas {
    kept: HashMap<Key, Kept>,
    photos: HashMap<u64, Kept>,
    frame: u64,
}

impl Canvas {
    /// Begins a frame: what was not shown in the last one is let go.
    pub fn begin(&mut self) {
        let last = self.frame;
        self.kept.retain(|_, kept| kept.seen >= last);
        self.photos.retain(|_, kept| kept.seen >= last);
        self.frame += 1;
    }

    /// Shows a sample in `rect`. Latents are shown from −3 to 3 of `std`, all else from 0 to 1.
    pub fn paint(
        &mut self,
        ui: &Ui,
        rect: Rect,
        pixels: &Pixels<f32>,
        sample: usize,
        latent: Option<f64>,
        smooth: bool,
    ) {
        let place = Arc::as_ptr(&pixels.values).cast::<f32>() as usize;
        let key = Key { place, sample, latent: latent.is_some(), smooth };
        let frame = self.frame;
        let kept = self.kept.entry(key).or_insert_with(|| {
            let options = if smooth { TextureOptions::LINEAR } else { TextureOptions::NEAREST };
            let texture = ui.ctx().load_texture("latents", colours(pixels, sample, latent), options);
            Kept { texture, seen: frame, _values: Some(pixels.values.clone()) }
        });
        kept.seen = frame;
        paint(ui, rect, kept.texture.id());
    }

    /// Shows a whole photo in `rect`.
    pub fn photo(&mut self, ui: &Ui, rect: Rect, photo: &Photo) {
        let frame = self.frame;
        let kept = self.photos.entry(photo.id).or_insert_with(|| {
            let small = shrunk(&photo.image);
            let size = [small.width() as usize, small.height() as usize];
            let image = ColorImage::from_rgb(size, small.as_raw());
            let texture = ui.ctx().load_texture("photo", image, TextureOptions::LINEAR);
            Kept { texture, seen: frame, _values: None }
        });
        kept.seen = frame;
        paint(ui, rect, kept.texture.id());
    }
}

fn paint(ui: &Ui, rect: Rect, texture: egui::TextureId) {
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    ui.painter().image(texture, rect, whole, Color32::WHITE);
}

/// The photo at most [`PREVIEW`] wide and high, by leaving out pixels.
fn shrunk(image: &image::RgbImage) -> image::RgbImage {
    let stride = image.width().max(image.height()).div_ceil(PREVIEW).max(1);
    let size = [image.width().div_ceil(stride), image.height().div_ceil(stride)];
    image::RgbImage::from_fn(size[0], size[1], |x, y| *image.get_pixel(x * stride, y * stride))
}

fn colours(pixels: &Pixels<f32>, sample: usize, latent: Option<f64>) -> ColorImage {
    let [_, channels, height, width] = pixels.shape;
    let values = pixels.sample(sample);
    let unit = |value: f32| match latent {
        Some(std) => 0.5 + value / (6.0 * std as f32),
        None => value,
    };
    let plane = height * width;
    let level = |channel: usize, place: usize| {
        let value = values.get(channel.min(channels.saturating_sub(1)) * plane + place).copied().unwrap_or_default();
        (unit(value).clamp(0.0, 1.0) * 255.0).round() as u8
    };
    let pixel = |place| Color32::from_rgb(level(0, place), level(1, place), level(2, place));
    ColorImage::new([width, height], (0..plane).map(pixel).collect())
}

/// Room for a picture with an accessible name.
pub fn frame(ui: &mut Ui, size: egui::Vec2, sense: Sense, name: &str) -> (Rect, egui::Response) {
    let (rect, response) = ui.allocate_exact_size(size, sense);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    (rect, response)
}

/// A dashed square that says what will be there.
pub fn dashed(ui: &Ui, rect: Rect, text: &str) {
    let theme = Theme::of(ui);
    let rect = rect.shrink(0.5);
    let corners = [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom(), rect.left_top()];
    ui.painter().extend(egui::Shape::dashed_line(&corners, Stroke::new(1.0, theme.weak), 5.0, 4.0));
    if !text.is_empty() {
        let font = egui::TextStyle::Small.resolve(ui.style());
        let galley = ui.painter().layout(text.into(), font, theme.weak, rect.width() - 12.0);
        let corner = Align2::CENTER_CENTER.align_size_within_rect(galley.size(), rect).min;
        ui.painter().galley(corner, galley, theme.weak);
    }
}
