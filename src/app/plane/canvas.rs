//! The pictures: one for each solver, side by side, and what the pointer and the keyboard do in them.

use super::hand::{Hand, Tool};
use super::layers::{Colours, Look, Picture};
use super::screen::{Screen, tiles};
use super::work::Work;
use crate::app::figure::short;
use crate::app::math;
use crate::app::theme::{SMALL, Theme};
use crate::engine::PaneShown;
use crate::plane::{Point, Probe, Scene, View};
use egui::{
    Align2, Color32, EventFilter, FontId, Id, Key, Painter, PointerButton, Rect, Response, Role, Sense, Stroke, Ui,
    WidgetInfo, vec2,
};

/// Room for the title above a picture.
const TITLE: f32 = 20.0;
/// The pictures of a scene.
pub struct Canvas<'a> {
    pub scene: &'a mut Scene,
    /// The view at the scene's time.
    pub view: View,
    pub work: &'a Work,
    pub hand: &'a mut Hand,
    pub look: &'a mut Look,
    /// The pane whose settings are shown.
    pub selected: &'a mut usize,
    /// The point that is looked at, of which the engine is to say what there is.
    pub pointed: &'a mut Option<Point>,
}

impl Canvas<'_> {
    /// Shows them in all the room there is.
    pub fn ui(&mut self, ui: &mut Ui) {
        let room = ui.available_rect_before_wrap().shrink(6.0);
        ui.advance_cursor_after_rect(room);
        let theme = Theme::of(ui);
        if let Some(problem) = &self.work.problem {
            let font = FontId::proportional(crate::app::theme::BODY);
            let galley = ui.painter().layout(problem.clone(), font, theme.warning, room.width() - 24.0);
            ui.painter().galley(room.left_top() + vec2(8.0, 4.0), galley, theme.warning);
        }
        let colours = Colours::of(theme, self.scene);
        let count = (self.scene.panes.len() + usize::from(self.has_forward())).max(1);
        let mut places = tiles(room, count, TITLE, 8.0);
        if self.has_forward() {
            self.forward(ui, places.remove(0), colours);
        }
        for (index, rect) in places.into_iter().enumerate() {
            let screen = Screen { rect, view: self.view };
            self.head(ui, index, rect);
            let response = self.respond(ui, index, screen);
            let pane = self.work.shown.panes.get(index).filter(|_| index < self.scene.panes.len());
            let painter = ui.painter_at(rect);
            let errors = self.work.errors().get(index).and_then(Option::as_ref).filter(|_| self.scene.layers.errors);
            let picture = Picture { screen, scene: self.scene, work: self.work, pane, errors, colours };
            picture.paint(&painter, self.look, index + usize::from(self.has_forward()));
            self.frame(ui, index, rect, &response);
            self.pointed(ui, &response, screen, colours);
        }
    }

    /// Whether the forward SDE has a picture of its own.
    fn has_forward(&self) -> bool {
        self.scene.layers.bridge && self.work.shown.forward.is_some()
    }

    /// The picture of the forward SDE.
    fn forward(&mut self, ui: &Ui, rect: Rect, colours: Colours) {
        let Some(cloud) = &self.work.shown.forward else { return };
        let screen = Screen { rect, view: self.view };
        heading(ui, rect, "Forward SDE".into(), Theme::of(ui).weak);
        let response = ui.interact(rect, Id::unique("forward picture"), Sense::drag());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Picture of the forward SDE"));
        self.move_view(ui, &response, screen);
        let of_forward = PaneShown { frames: cloud.frames.clone(), ..PaneShown::default() };
        let colours = Colours { particles: colours.forward, ..colours };
        let (scene, work, pane) = (&*self.scene, self.work, Some(&of_forward));
        Picture { screen, scene, work, pane, errors: None, colours }.paint(&ui.painter_at(rect), self.look, 0);
        ui.painter().rect_stroke(rect, 4.0, Stroke::new(1.0, Theme::of(ui).line), egui::StrokeKind::Inside);
    }

    /// The title of a picture: its solver, what it cost and how near it came.
    fn head(&self, ui: &Ui, index: usize, rect: Rect) {
        let theme = Theme::of(ui);
        let Some(pane) = self.scene.panes.get(index) else { return };
        let mut text = pane.title();
        let mut colour = theme.weak;
        if let Some(shown) = self.work.shown.panes.get(index) {
            if let Some(why) = &shown.failure {
                (text, colour) = (format!("{text}: {why}"), theme.bad);
            } else {
                text += &shown.nfe.map(|nfe| format!(" · {} evaluations", short(nfe))).unwrap_or_default();
                text += &shown.distance.map(|distance| format!(" · W₂ {}", short(distance))).unwrap_or_default();
                let errors = self.work.errors().get(index).and_then(Option::as_ref);
                text += &errors.map(|errors| format!(" · flow error {}", short(errors.rms()))).unwrap_or_default();
            }
        }
        if index == *self.selected && self.scene.panes.len() > 1 {
            colour = theme.text;
        }
        heading(ui, rect, text, colour);
    }

    fn frame(&self, ui: &Ui, index: usize, rect: Rect, response: &Response) {
        let theme = Theme::of(ui);
        let chosen = index == *self.selected && self.scene.panes.len() > 1;
        let colour = if response.has_focus() {
            theme.accent
        } else if chosen {
            theme.selected
        } else {
            theme.line
        };
        let width = if response.has_focus() || chosen { 2.0 } else { 1.0 };
        ui.painter().rect_stroke(rect, 4.0, Stroke::new(width, colour), egui::StrokeKind::Inside);
    }

    /// What the pointer and the keyboard do in a picture.
    fn respond(&mut self, ui: &Ui, index: usize, screen: Screen) -> Response {
        let response = ui.interact(screen.rect, Id::unique(("plane", index)), Sense::click_and_drag());
        let name = match self.scene.panes.get(index) {
            Some(pane) => format!("Picture {}: {}", index + 1, pane.title()),
            None => "Picture of the plane".into(),
        };
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
        if response.is_pointer_button_down_on() && ui.input(|input| input.pointer.any_pressed()) {
            *self.selected = index.min(self.scene.panes.len().saturating_sub(1));
        }
        self.move_view(ui, &response, screen);
        self.draw(ui, &response, screen);
        self.keyboard(ui, &response, screen);
        response
    }

    /// Dragging moves the view, scrolling comes nearer.
    fn move_view(&mut self, ui: &Ui, response: &Response, screen: Screen) {
        let looks = self.hand.tool == Tool::Look && response.dragged_by(PointerButton::Primary);
        let moves =
            looks || response.dragged_by(PointerButton::Middle) || response.dragged_by(PointerButton::Secondary);
        // The view of the scene is that of time 0; later ones are as much larger as the data are.
        let grown = self.view.half / self.scene.view.half;
        let view = &mut self.scene.view;
        if moves {
            let by = response.drag_delta() / screen.scale();
            view.centre[0] = (view.centre[0] - f64::from(by.x) / grown).clamp(-1000.0, 1000.0);
            view.centre[1] = (view.centre[1] + f64::from(by.y) / grown).clamp(-1000.0, 1000.0);
        }
        if let Some(at) = response.hover_pos() {
            let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
            let factor = f64::from((-0.004 * scroll).exp() / pinch);
            if factor != 1.0 {
                let half = (view.half * factor).clamp(0.02, 500.0);
                // What is under the pointer stays there.
                let point = screen.point(at);
                let share = 1.0 - half / view.half;
                for (centre, point) in view.centre.iter_mut().zip(point) {
                    *centre = (*centre + share * (point / grown - *centre)).clamp(-1000.0, 1000.0);
                }
                view.half = half;
            }
        }
    }

    /// The tool in hand.
    fn draw(&mut self, ui: &Ui, response: &Response, screen: Screen) {
        if self.hand.tool == Tool::Look {
            return;
        }
        let down = response.is_pointer_button_down_on() && ui.input(|input| input.pointer.primary_down());
        match response.interact_pointer_pos().filter(|_| down) {
            Some(at) if self.hand.is_down() => self.hand.drag(self.scene, screen.point(at)),
            Some(at) if ui.input(|input| input.pointer.any_pressed()) => self.hand.begin(self.scene, screen.point(at)),
            _ => {
                if self.hand.is_down() && !ui.input(|input| input.pointer.primary_down()) && !response.has_focus() {
                    self.hand.end();
                }
            }
        }
    }

    /// A cross that the arrow keys move, where Enter puts the tool down and lifts it.
    fn keyboard(&mut self, ui: &Ui, response: &Response, screen: Screen) {
        if !response.has_focus() {
            return;
        }
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        let cross = self.hand.cross.get_or_insert(screen.view.centre);
        let step = ui.input(|input| if input.modifiers.shift { 0.12 } else { 0.03 }) * screen.view.half;
        let pressed = |key| ui.input(|input| input.num_presses(key)) as f64;
        let before = *cross;
        cross[0] += step * (pressed(Key::ArrowRight) - pressed(Key::ArrowLeft));
        cross[1] += step * (pressed(Key::ArrowUp) - pressed(Key::ArrowDown));
        let at = *cross;
        if at != before {
            self.hand.drag(self.scene, at);
        }
        if ui.input(|input| input.key_pressed(Key::Enter)) {
            match self.hand.is_down() {
                true => self.hand.end(),
                false => self.hand.begin(self.scene, at),
            }
        }
    }

    /// What is at the pointer or the cross.
    fn pointed(&mut self, ui: &Ui, response: &Response, screen: Screen, colours: Colours) {
        let painter = ui.painter_at(screen.rect);
        let cross = self.hand.cross.filter(|_| response.has_focus());
        if let Some(at) = cross {
            let (at, stroke) = (screen.at_f64(at), Stroke::new(1.5, colours.particles));
            painter.line_segment([at - vec2(9.0, 0.0), at + vec2(9.0, 0.0)], stroke);
            painter.line_segment([at - vec2(0.0, 9.0), at + vec2(0.0, 9.0)], stroke);
        }
        let pointer = response.hover_pos().map(|at| screen.point(at));
        let Some(point) = pointer.or(cross) else { return };
        match self.hand.tool {
            Tool::Brush | Tool::Erase => {
                let radius = 0.5 * self.hand.width as f32 * screen.scale();
                painter.circle_stroke(screen.at_f64(point), radius.max(2.0), Stroke::new(1.0, colours.particles));
            }
            Tool::Look if !self.scene.layers.marginals => {
                *self.pointed = Some(point.map(|x| x as f32));
                if let Some(probe) = self.work.probe() {
                    explain(ui, &painter, screen, probe, colours);
                }
            }
            Tool::Look | Tool::Gaussian | Tool::Start | Tool::Measure => {}
        }
    }
}

/// Score, denoised estimate and flow of a point.
fn explain(ui: &Ui, painter: &Painter, screen: Screen, probe: &Probe, colours: Colours) {
    let Probe { point, score, denoised, ref way } = *probe;
    let here = screen.at(point);
    painter.line(way.iter().map(|point| screen.at(*point)).collect(), Stroke::new(1.5, colours.flow));
    painter.line_segment([here, screen.at(denoised)], Stroke::new(1.5, colours.data));
    painter.circle_filled(screen.at(denoised), 4.0, colours.data);
    let size = score[0].hypot(score[1]);
    if size > 0.0 && size.is_finite() {
        let towards = vec2(score[0], -score[1]) / size;
        painter.arrow(here, 34.0 * towards, Stroke::new(2.0, colours.score));
    }
    math::light(ui.ctx(), "score");
    let figures = [point[0], point[1], size, denoised[0], denoised[1]].map(|figure| short(f64::from(figure)));
    let [x, y, size, clean_x, clean_y] = figures;
    let text = format!("x ({x}, {y})  |s| {size}  x̂₀ ({clean_x}, {clean_y})");
    let font = FontId::proportional(SMALL);
    let galley = painter.layout_no_wrap(text, font, colours.particles);
    let place = Align2::LEFT_BOTTOM.anchor_size(screen.rect.left_bottom() + vec2(6.0, -5.0), galley.size());
    painter.rect_filled(place.expand(3.0), 3.0, colours.ground[0].gamma_multiply(0.8));
    painter.galley(place.min, galley, colours.particles);
}

/// The text above a picture, as much of it as there is room for.
fn heading(ui: &Ui, rect: Rect, text: String, colour: Color32) {
    let at = rect.left_top() - vec2(-2.0, TITLE - 2.0);
    let mut job = egui::text::LayoutJob::simple_singleline(text, FontId::proportional(SMALL), colour);
    job.wrap = egui::text::TextWrapping::truncate_at_width(rect.width() - 4.0);
    let galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
    ui.painter().galley(at, galley, colour);
}
