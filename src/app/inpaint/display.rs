//! Puts a photo with its hints and its mask on the screen: by the shader, or where there is none by a texture.

use super::area::{Part, Regions};
use super::canvas::Canvas;
use super::gpu::GpuView;
use super::hints::Hints;
use super::look::{Layers, Look};
use super::pyramid::Pyramid;
use eframe::egui_wgpu::RenderState;
use egui::{Color32, ColorImage, Rect, TextureHandle, TextureOptions, Ui, pos2};
use image::RgbImage;
use std::sync::Arc;

/// What is on the screen.
pub struct Display {
    gpu: Option<GpuView>,
    shown: Option<Shown>,
    /// Without a device: the look and where it was drawn, and the texture.
    drawn: Option<(Look, Rect, TextureHandle)>,
}

/// The photo that is shown.
struct Shown {
    image: Arc<RgbImage>,
    /// Over it.
    hints: Hints,
    /// Smaller sizes of both together; the photo's own where there are no hints.
    smaller: Arc<Pyramid>,
    smaller_mask: Pyramid,
}

impl Shown {
    /// A photo before any hint is known.
    fn new(canvas: &Canvas) -> Shown {
        let (photo, size) = (&canvas.photo, canvas.photo.size());
        Shown {
            image: photo.image.clone(),
            hints: Hints::new(size),
            smaller: photo.smaller.clone(),
            smaller_mask: Pyramid::new(size, 1, canvas.mask().values()),
        }
    }
}

impl Display {
    /// On the window's device, or without one through egui's textures.
    pub fn new(state: Option<&RenderState>) -> Display {
        Display { gpu: state.map(GpuView::new), shown: None, drawn: None }
    }

    /// Paints the photo in `pane`.
    pub fn paint(&mut self, ui: &Ui, pane: Rect, canvas: &mut Canvas, look: Look) {
        self.renew(canvas);
        let Some(shown) = &self.shown else { return };
        match &self.gpu {
            Some(gpu) => {
                if let Some(callback) = gpu.callback(pane, &look) {
                    ui.painter().add(callback);
                }
            }
            None => {
                let layers = Layers {
                    photo: &canvas.photo,
                    hints: &shown.hints,
                    smaller_photo: &shown.smaller,
                    mask: canvas.mask(),
                    smaller_mask: &shown.smaller_mask,
                };
                paint_texture(ui, pane, layers, look, &mut self.drawn);
            }
        }
    }

    /// Takes over what changed since the last call.
    pub fn renew(&mut self, canvas: &mut Canvas) {
        let mut changed = canvas.take_unshown();
        let fresh = self.gpu.as_mut().is_some_and(|gpu| gpu.bind(&canvas.photo));
        let same = self.shown.as_ref().filter(|shown| !fresh && Arc::ptr_eq(&shown.image, &canvas.photo.image));
        if same.is_none() {
            changed = Regions::whole(canvas.photo.size());
            self.shown = None;
        }
        let shown = self.shown.get_or_insert_with(|| Shown::new(canvas));
        for area in changed.iter() {
            match &self.gpu {
                Some(gpu) => gpu.update(canvas.mask(), &mut shown.smaller_mask, area),
                None => {
                    let mask = Part::whole(canvas.mask().size(), canvas.mask().values());
                    shown.smaller_mask.update(mask, area, &mut |_, _, _| {});
                }
            }
        }
        let hinted = canvas.hints().unlike(&shown.hints);
        for area in hinted.iter() {
            let part = Part { area, values: &canvas.hints().part(&canvas.photo.image, area) };
            let smaller = Arc::make_mut(&mut shown.smaller);
            match &self.gpu {
                Some(gpu) => gpu.update_photo(part, smaller),
                None => smaller.update(part, area, &mut |_, _, _| {}),
            }
        }
        if !hinted.is_empty() {
            shown.hints = canvas.hints().clone();
        }
        if !changed.is_empty() || !hinted.is_empty() {
            self.drawn = None;
        }
    }
}

fn paint_texture(ui: &Ui, pane: Rect, layers: Layers<'_>, look: Look, drawn: &mut Option<(Look, Rect, TextureHandle)>) {
    let same = matches!(drawn, Some((last, rect, _)) if *last == look && *rect == pane);
    if !same {
        let image = rasterise(pane * ui.pixels_per_point(), layers, &look);
        let texture = ui.ctx().load_texture("photo with its mask", image, TextureOptions::NEAREST);
        *drawn = Some((look, pane, texture));
    }
    if let Some((_, _, texture)) = drawn {
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter().image(texture.id(), pane, whole, Color32::WHITE);
    }
}

/// The pixels of `area`, in pixels of the screen.
fn rasterise(area: Rect, layers: Layers<'_>, look: &Look) -> ColorImage {
    let size = [area.width().round().max(1.0) as usize, area.height().round().max(1.0) as usize];
    let corner = [area.left().round(), area.top().round()];
    let pixels = (0..size[0] * size[1]).map(|index| {
        let at = [corner[0] + (index % size[0]) as f32 + 0.5, corner[1] + (index / size[0]) as f32 + 0.5];
        let [r, g, b] = look.colour(layers, at).map(|part| (part * 255.0).round() as u8);
        Color32::from_rgb(r, g, b)
    });
    ColorImage::new(size, pixels.collect())
}
