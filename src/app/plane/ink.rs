//! Pictures of the plane on the window's own device: a ground, a picture on a part of it, and dots and lines by the
//! thousand, whose edges are soft. A shader of their own draws them, since egui's is slow where the CPU rasterises.

use super::screen::Screen;
use crate::app::graphics::{PixelShader, buffer, buffer_binding, target_colour};
use crate::plane::Point;
use eframe::egui_wgpu::{Callback, CallbackResources, CallbackTrait, RenderState, wgpu};
use egui::{Color32, ColorImage, PaintCallbackInfo, Painter, Pos2, Rect};
use std::sync::Arc;

const LABEL: &str = "plane";
const SOURCE: &str = include_str!("../../../shaders/plane.wgsl");
/// Of the uniform `Sheet`.
const UNIFORM_BYTES: u64 = 64;
/// The fewest marks that there is room for.
const FEWEST: usize = 1024;

/// A mark of the shader: its ends and radius in points, and the colours of its ends.
type Mark = [u32; 7];

/// What is drawn in a rectangle of the window.
pub struct Sheet {
    screen: Screen,
    ground: Color32,
    /// And where it is.
    picture: Option<(Arc<ColorImage>, Rect)>,
    marks: Vec<Mark>,
}

impl Sheet {
    /// An empty one.
    pub fn new(screen: Screen, ground: Color32) -> Sheet {
        Sheet { screen, ground, picture: None, marks: Vec::new() }
    }

    /// Where the plane is in it.
    pub fn screen(&self) -> Screen {
        self.screen
    }

    /// Lays a picture over a part of the window, under all marks.
    pub fn picture(&mut self, image: Arc<ColorImage>, rect: Rect) {
        self.picture = Some((image, rect));
    }

    /// A dot.
    pub fn dot(&mut self, at: Pos2, radius: f32, colour: Color32) {
        self.mark([at, at], radius, [colour; 2]);
    }

    /// A line whose colour goes from that of its first end to that of the other.
    pub fn line(&mut self, ends: [Pos2; 2], width: f32, colours: [Color32; 2]) {
        self.mark(ends, 0.5 * width, colours);
    }

    fn mark(&mut self, [from, to]: [Pos2; 2], radius: f32, colours: [Color32; 2]) {
        let places = [from.x, from.y, to.x, to.y, radius];
        if places.iter().all(|place| place.is_finite())
            && self.screen.rect.expand(radius + 1.0).intersects(Rect::from_two_pos(from, to))
        {
            let [a, b, c, d, e] = places.map(f32::to_bits);
            let [begin, end] = colours.map(|colour| u32::from_le_bytes(colour.to_array()));
            self.marks.push([a, b, c, d, e, begin, end]);
        }
    }

    /// An arrow from `a` to `b`.
    pub fn arrow(&mut self, [a, b]: [Pos2; 2], width: f32, colour: Color32) {
        let along = b - a;
        let length = along.length();
        if length < 1.0 {
            return;
        }
        self.line([a, b], width, [colour; 2]);
        let back = along * (-(0.38 * length).clamp(2.5, 7.0) / length);
        for turn in [0.5f32, -0.5] {
            let (sin, cos) = turn.sin_cos();
            let barb = egui::vec2(cos * back.x - sin * back.y, sin * back.x + cos * back.y);
            self.line([b, b + barb], width, [colour; 2]);
        }
    }

    /// Dots at points.
    pub fn dots(&mut self, points: &[Point], radius: f32, colour: Color32) {
        self.marks.reserve(points.len());
        for point in points {
            self.dot(self.screen.at(*point), radius, colour);
        }
    }

    /// A line through points.
    pub fn path(&mut self, points: impl Iterator<Item = Point>, width: f32, colour: impl Fn(usize) -> Color32) {
        let mut before: Option<Pos2> = None;
        for (index, point) in points.enumerate() {
            let at = self.screen.at(point);
            if let Some(last) = before {
                self.line([last, at], width, [colour(index.saturating_sub(1)), colour(index)]);
            }
            before = Some(at);
        }
    }

    /// The uniform, for a target of so many pixels per point.
    fn uniform(&self, scale: f32, linear: bool) -> [u32; UNIFORM_BYTES as usize / 4] {
        // egui rounds the corners of what it draws on in this way.
        let corners = |rect: Rect| [rect.min, rect.max].map(|at| [(at.x * scale).round(), (at.y * scale).round()]);
        let [origin, end] = corners(self.screen.rect);
        let size = [0, 1].map(|axis| (end[axis] - origin[axis]).max(1.0));
        // Without a picture it is where nothing is drawn.
        let nowhere = Rect::from_min_max(egui::pos2(-2.0, -2.0), egui::pos2(-1.0, -1.0));
        let picture = self.picture.as_ref().map_or(nowhere, |(_, rect)| *rect);
        let picture = [picture.min, picture.max].map(|at| [at.x * scale, at.y * scale]);
        let ground = target_colour(self.ground, linear);
        let values = [origin, size, picture[0], picture[1]].concat();
        let mut words = [0; UNIFORM_BYTES as usize / 4];
        let all = values.into_iter().chain(ground).chain([scale]).map(f32::to_bits).chain([u32::from(linear)]);
        words.iter_mut().zip(all).for_each(|(word, value)| *word = value);
        words
    }
}

/// What all sheets are drawn with.
struct Pipeline {
    sheet: PixelShader,
    marks: wgpu::RenderPipeline,
    sampler: wgpu::Sampler,
}

impl Pipeline {
    fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Pipeline {
        let texture = wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: true },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        };
        let sampler = wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering);
        let bindings = [buffer_binding(wgpu::BufferBindingType::Uniform), texture, sampler];
        let sheet = PixelShader::new(device, LABEL, SOURCE, &bindings, format);
        let attributes = wgpu::vertex_attr_array![0 => Float32x4, 1 => Float32, 2 => Unorm8x4, 3 => Unorm8x4];
        let marks = sheet.marks(device, LABEL, SOURCE, &attributes, format);
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        Pipeline { sheet, marks, sampler }
    }
}

/// What one sheet keeps on the device from frame to frame.
struct Page {
    /// Held, so that no other can have its address.
    image: Option<Arc<ColorImage>>,
    texture: wgpu::Texture,
    uniform: wgpu::Buffer,
    group: wgpu::BindGroup,
    marks: wgpu::Buffer,
}

/// Draws sheets.
pub struct Ink {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: Arc<Pipeline>,
    /// In the order of the sheets' places.
    pages: Vec<Page>,
}

impl Ink {
    /// On the window's device.
    pub fn new(state: &RenderState) -> Ink {
        Ink::on(&state.device, &state.queue, state.target_format)
    }

    /// For a target of this format.
    fn on(device: &wgpu::Device, queue: &wgpu::Queue, format: wgpu::TextureFormat) -> Ink {
        let pipeline = Arc::new(Pipeline::new(device, format));
        Ink { device: device.clone(), queue: queue.clone(), pipeline, pages: Vec::new() }
    }

    /// Paints a sheet, which has a place of its own among those of a frame.
    pub fn paint(&mut self, painter: &Painter, place: usize, sheet: &Sheet) {
        let drawn = self.prepare(place, sheet, painter.pixels_per_point());
        painter.add(Callback::new_paint_callback(sheet.screen.rect, drawn));
    }

    /// Sends what is not there already.
    fn prepare(&mut self, place: usize, sheet: &Sheet, scale: f32) -> Drawing {
        let image = sheet.picture.as_ref().map(|(image, _)| image);
        let size = image.map_or([1, 1], |image| image.size.map(|side| side as u32));
        while self.pages.len() <= place {
            self.pages.push(self.page([1, 1]));
        }
        let (last, bytes): (_, &[u8]) = (&self.pages[place], bytemuck::cast_slice(&sheet.marks));
        if image.is_some() && [last.texture.width(), last.texture.height()] != size {
            self.pages[place] = self.page(size);
        }
        if self.pages[place].marks.size() < size_of_val(bytes) as u64 {
            self.pages[place].marks = self.room(sheet.marks.len());
        }
        let page = &mut self.pages[place];
        if let Some(image) = image.filter(|image| page.image.as_ref().is_none_or(|last| !Arc::ptr_eq(last, image))) {
            let layout =
                wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * size[0]), rows_per_image: None };
            self.queue.write_texture(page.texture.as_image_copy(), image.as_raw(), layout, page.texture.size());
            page.image = Some(image.clone());
        }
        let words = sheet.uniform(scale, self.pipeline.sheet.linear_target);
        self.queue.write_buffer(&page.uniform, 0, bytemuck::cast_slice(&words));
        self.queue.write_buffer(&page.marks, 0, bytes);
        let (pipeline, group, marks) = (self.pipeline.clone(), page.group.clone(), page.marks.clone());
        Drawing { pipeline, group, marks, count: sheet.marks.len() as u32 }
    }

    fn room(&self, count: usize) -> wgpu::Buffer {
        let size = (count.max(FEWEST).next_power_of_two() * size_of::<Mark>()) as u64;
        buffer(&self.device, LABEL, size, wgpu::BufferUsages::VERTEX)
    }

    /// With room for a picture of this size.
    fn page(&self, [width, height]: [u32; 2]) -> Page {
        let uniform = buffer(&self.device, LABEL, UNIFORM_BYTES, wgpu::BufferUsages::UNIFORM);
        let linear = self.pipeline.sheet.linear_target;
        let texture = self.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(LABEL),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: if linear { wgpu::TextureFormat::Rgba8UnormSrgb } else { wgpu::TextureFormat::Rgba8Unorm },
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&Default::default());
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(LABEL),
            layout: &self.pipeline.sheet.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::TextureView(&view) },
                wgpu::BindGroupEntry { binding: 2, resource: wgpu::BindingResource::Sampler(&self.pipeline.sampler) },
            ],
        });
        Page { image: None, texture, uniform, group, marks: self.room(FEWEST) }
    }
}

/// A sheet that was prepared.
struct Drawing {
    pipeline: Arc<Pipeline>,
    group: wgpu::BindGroup,
    marks: wgpu::Buffer,
    count: u32,
}

impl Drawing {
    fn draw(&self, pass: &mut wgpu::RenderPass<'static>) {
        self.pipeline.sheet.draw(&self.group, pass);
        if self.count > 0 {
            pass.set_pipeline(&self.pipeline.marks);
            pass.set_vertex_buffer(0, self.marks.slice(..));
            pass.draw(0..4, 0..self.count);
        }
    }
}

impl CallbackTrait for Drawing {
    fn paint(&self, _info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, _resources: &CallbackResources) {
        self.draw(pass);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::picture::tests::{FORMATS, SIDE, device, on_target};
    use crate::plane::View;
    use egui::{pos2, vec2};
    use std::f32::consts::PI;

    fn sheet(ground: Color32) -> Sheet {
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(SIDE as f32, SIDE as f32));
        Sheet::new(Screen { rect, view: View::default() }, ground)
    }

    fn drawn(format: wgpu::TextureFormat, sheet: &Sheet) -> Vec<[u8; 4]> {
        let state = device();
        let drawing = Ink::on(&state.device, &state.queue, format).prepare(0, sheet, 1.0);
        on_target(&state, format, |pass| drawing.draw(pass))
    }

    /// How many pixels are covered, of white on black.
    fn covered(pixels: &[[u8; 4]]) -> f32 {
        pixels.iter().map(|pixel| f32::from(pixel[0]) / 255.0).sum()
    }

    #[test]
    fn dots_and_lines_cover_their_area_wherever_they_are() {
        for (radius, at) in [(2.0, pos2(40.0, 40.0)), (2.0, pos2(40.3, 17.8)), (4.5, pos2(64.5, 64.1))] {
            let mut sheet = sheet(Color32::BLACK);
            sheet.dot(at, radius, Color32::WHITE);
            let (found, area) = (covered(&drawn(FORMATS[0], &sheet)), PI * radius * radius);
            assert!((found - area).abs() < 0.06 * area, "radius {radius} at {at}: {found}, not {area}");
        }
        for (a, b, width) in [((10.0, 20.5), (90.0, 20.5), 1.0), ((10.0, 20.0), (70.0, 100.0), 3.0)] {
            let mut sheet = sheet(Color32::BLACK);
            let ends = [pos2(a.0, a.1), pos2(b.0, b.1)];
            sheet.line(ends, width, [Color32::WHITE; 2]);
            let area = width * ends[0].distance(ends[1]) + PI * width * width / 4.0;
            let found = covered(&drawn(FORMATS[0], &sheet));
            assert!((found - area).abs() < 0.03 * area, "{ends:?}: {found}, not {area}");
        }
    }

    #[test]
    fn a_sheet_is_the_same_on_plain_and_linear_targets() {
        let (ground, dot) = (Color32::from_rgb(30, 60, 90), Color32::from_rgb(200, 120, 40));
        let mut sheet = sheet(ground);
        let image = ColorImage::filled([4, 4], Color32::from_rgb(90, 20, 150));
        sheet.picture(Arc::new(image), Rect::from_min_max(pos2(64.0, 0.0), pos2(128.0, 64.0)));
        sheet.dot(pos2(32.0, 96.0), 8.0, dot);
        for format in FORMATS {
            let pixels = drawn(format, &sheet);
            let at = |x: usize, y: usize| pixels[y * SIDE as usize + x];
            for (found, expected) in
                [(at(5, 5), ground), (at(96, 32), Color32::from_rgb(90, 20, 150)), (at(32, 96), dot)]
            {
                let near = found.iter().zip(expected.to_array()).take(3).all(|(a, b)| a.abs_diff(b) <= 1);
                assert!(near, "{format:?}: {found:?}, not {expected:?}");
            }
        }
    }

    #[test]
    fn marks_outside_of_the_picture_are_left_out() {
        let mut sheet = sheet(Color32::BLACK);
        sheet.dots(&[[0.0, 0.0], [1.4, -1.4], [9.0, 0.0], [f32::NAN, 0.0]], 2.0, Color32::WHITE);
        sheet.line([pos2(-900.0, 50.0), pos2(900.0, 50.0)], 1.0, [Color32::WHITE; 2]);
        sheet.line([pos2(-900.0, 50.0), pos2(-50.0, f32::INFINITY)], 1.0, [Color32::WHITE; 2]);
        assert_eq!(sheet.marks.len(), 3);
    }
}
