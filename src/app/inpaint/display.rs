//! Puts a photo with its mask on the screen: by the shader, or where there is none by a texture.

use super::area::Regions;
use super::canvas::Canvas;
use super::gpu::GpuView;
use super::look::{Layers, Look};
use super::pyramid::Pyramid;
use eframe::egui_wgpu::RenderState;
use egui::{Color32, ColorImage, Rect, TextureHandle, TextureOptions, Ui, pos2};
use image::RgbImage;
use std::sync::Arc;

/// What is on the screen.
pub struct Display {
    gpu: Option<GpuView>,
    /// The photo shown, and the smaller sizes of its mask.
    shown: Option<(Arc<RgbImage>, Pyramid)>,
    /// Without a device: the look and where it was drawn, and the texture.
    drawn: Option<(Look, Rect, TextureHandle)>,
}

impl Display {
    /// On the window's device, or without one through egui's textures.
    pub fn new(state: Option<&RenderState>) -> Display {
        Display { gpu: state.map(GpuView::new), shown: None, drawn: None }
    }

    /// Paints the photo in `pane`.
    pub fn paint(&mut self, ui: &Ui, pane: Rect, canvas: &mut Canvas, look: Look) {
        let mut changed = canvas.take_unshown();
        let photo = &canvas.photo;
        let same = self.shown.as_ref().is_some_and(|(image, _)| Arc::ptr_eq(image, &photo.image));
        if !same {
            let smaller = Pyramid::new(photo.size(), 1, canvas.mask().values());
            self.shown = Some((photo.image.clone(), smaller));
            self.drawn = None;
        }
        let fresh = self.gpu.as_mut().is_some_and(|gpu| gpu.bind(photo));
        if fresh || !same {
            changed = Regions::whole(photo.size());
        }
        let Some((_, smaller)) = &mut self.shown else { return };
        match &self.gpu {
            Some(gpu) => {
                changed.iter().for_each(|area| gpu.update(canvas.mask(), smaller, area));
                if let Some(callback) = gpu.callback(pane, &look) {
                    ui.painter().add(callback);
                }
            }
            None => {
                if !changed.is_empty() {
                    changed.iter().for_each(|area| smaller.update(canvas.mask().values(), area, &mut |_, _, _| {}));
                    self.drawn = None;
                }
                let layers = Layers { photo, mask: canvas.mask(), smaller_mask: smaller };
                paint_texture(ui, pane, layers, look, &mut self.drawn);
            }
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
