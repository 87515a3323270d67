//! Paints a field in a rectangle of the window: by the shader, or where there is none by a texture.

use super::field::Field;
use super::frame::Frame;
use super::gpu::GpuView;
use eframe::egui_wgpu::RenderState;
use egui::{Color32, ColorImage, Rect, TextureHandle, TextureOptions};
use std::sync::Arc;

/// Paints the fields of one view.
pub struct Painter {
    gpu: Option<GpuView>,
    /// Without a device: what the texture shows, and the texture.
    drawn: Option<(Arc<Field>, Frame, TextureHandle)>,
}

impl Painter {
    /// Registers the shader with egui's renderer, once for all painters.
    pub fn new(render_state: Option<&RenderState>) -> Painter {
        Painter { gpu: render_state.and_then(GpuView::new), drawn: None }
    }

    /// Paints `field` in `rect`. `frame` is in pixels, from the top left of the window.
    pub fn paint(&mut self, ui: &egui::Ui, rect: Rect, field: &Arc<Field>, frame: Frame) {
        match &self.gpu {
            Some(gpu) => {
                ui.painter().add(gpu.callback(rect, field.clone(), frame));
            }
            None => self.paint_texture(ui, rect, field, frame),
        }
    }

    fn paint_texture(&mut self, ui: &egui::Ui, rect: Rect, field: &Arc<Field>, frame: Frame) {
        let same = matches!(&self.drawn, Some((last, drawn, _)) if Arc::ptr_eq(last, field) && *drawn == frame);
        if !same {
            let image = rasterise(rect * ui.pixels_per_point(), field, &frame);
            let texture = ui.ctx().load_texture("picture", image, TextureOptions::NEAREST);
            self.drawn = Some((field.clone(), frame, texture));
        }
        if let Some((_, _, texture)) = &self.drawn {
            let whole = Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
            ui.painter().image(texture.id(), rect, whole, Color32::WHITE);
        }
    }
}

/// The pixels of `area`, in target pixels, transparent between pictures.
fn rasterise(area: Rect, field: &Field, frame: &Frame) -> ColorImage {
    let size = [area.width().round().max(1.0) as usize, area.height().round().max(1.0) as usize];
    let corner = [area.left().round(), area.top().round()];
    let pixels = (0..size[0] * size[1]).map(|index| {
        let at = [corner[0] + (index % size[0]) as f32 + 0.5, corner[1] + (index / size[0]) as f32 + 0.5];
        frame.colour(&field.values, at).map_or(Color32::TRANSPARENT, |rgb| {
            let [r, g, b] = rgb.map(|part| (part * 255.0).round() as u8);
            Color32::from_rgb(r, g, b)
        })
    });
    ColorImage::new(size, pixels.collect())
}
