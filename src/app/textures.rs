//! Textures of the pictures that are shown, made when a picture first shows and let go when it does not.

use crate::Pixels;
use egui::{Color32, ColorImage, Rect, TextureHandle, TextureOptions, Ui, pos2};
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

struct CachedTexture {
    texture: TextureHandle,
    seen: u64,
    _values: Option<Arc<[f32]>>,
}

/// The textures.
#[derive(Default)]
pub struct Textures {
    samples: HashMap<Key, CachedTexture>,
    photos: HashMap<u64, CachedTexture>,
    frame: u64,
}

impl Textures {
    /// Begins a frame: what was not shown in the last one is let go.
    pub fn begin(&mut self) {
        let last = self.frame;
        self.samples.retain(|_, cached| cached.seen >= last);
        self.photos.retain(|_, cached| cached.seen >= last);
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
        let cached = self.samples.entry(key).or_insert_with(|| {
            let options = if smooth { TextureOptions::LINEAR } else { TextureOptions::NEAREST };
            let texture = ui.ctx().load_texture("sample", colours(pixels, sample, latent), options);
            CachedTexture { texture, seen: frame, _values: Some(pixels.values.clone()) }
        });
        cached.seen = frame;
        paint(ui, rect, cached.texture.id());
    }

    /// Shows a whole photo in `rect`; `id` is that of no other.
    pub fn photo(&mut self, ui: &Ui, rect: Rect, id: u64, photo: &image::RgbImage) {
        let frame = self.frame;
        let cached = self.photos.entry(id).or_insert_with(|| {
            let small = shrunk(photo);
            let size = [small.width() as usize, small.height() as usize];
            let image = ColorImage::from_rgb(size, small.as_raw());
            let texture = ui.ctx().load_texture("photo", image, TextureOptions::LINEAR);
            CachedTexture { texture, seen: frame, _values: None }
        });
        cached.seen = frame;
        paint(ui, rect, cached.texture.id());
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
