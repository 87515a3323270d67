//! The middle of the workspace: A, the mix, B; the strip between them and the slider that moves along it.

use super::board::{Board, MOST_SLOTS};
use super::draft::Mix;
use super::strip::Strip;
use super::work::Held;
use super::{Command, Latents, card};
use crate::app::theme::{Theme, UNIT};
use crate::app::widgets::icon::{self, Icon};
use crate::app::widgets::{dashed, frame, human_time, main_button, named};
use crate::app::{Context, Draft};
use egui::{Align, Align2, DragValue, Frame, Margin, Rect, RichText, Sense, Slider, Stroke, Ui, UiBuilder, vec2};

/// Narrowest and widest card, in points.
const CARD: std::ops::RangeInclusive<f32> = 136.0..=330.0;
/// Height of a frame of the strip, in points.
const FRAMES: std::ops::RangeInclusive<f32> = 28.0..=96.0;

/// Narrowest place for what to do first; where the cards leave less, it takes theirs.
const FIRST_STEPS: f32 = 210.0;

/// Shows the room.
pub fn ui(ui: &mut Ui, latents: &mut Latents, cx: &Context) {
    let bar = Frame::new().inner_margin(Margin::symmetric(8, 4));
    egui::Panel::top("latents state").resizable(false).frame(bar).show(ui, |ui| state_bar(ui, latents, cx));
    egui::Panel::bottom("latents strip").resizable(false).frame(bar).show(ui, |ui| {
        strip(ui, latents);
        slider(ui, latents);
    });
    if latents.board.slots.len() > 2 {
        egui::Panel::bottom("latents board").resizable(false).frame(bar).show(ui, |ui| others(ui, latents, cx));
    }
    let well = Frame::new().inner_margin(Margin::symmetric(8, 6)).fill(ui.visuals().extreme_bg_color);
    egui::CentralPanel::no_frame().frame(well).show(ui, |ui| {
        if latents.no_pictures {
            let text = "The data of this model are not images. Choose a model of images on the left.";
            ui.centered_and_justified(|ui| ui.label(text));
            return;
        }
        three(ui, latents, cx);
    });
}

/// A on the left, the mix in the middle, B on the right.
fn three(ui: &mut Ui, latents: &mut Latents, cx: &Context) {
    let area = ui.available_rect_before_wrap();
    let gap = 3.0 * UNIT;
    // The cards give the picture in the middle all the height there is, and take what is left.
    let card = ((area.width() - area.height()) / 2.0 - gap).max(area.width() * 0.18).clamp(*CARD.start(), *CARD.end());
    let left = Rect::from_min_size(area.min, vec2(card, area.height()));
    let right = left.translate(vec2(area.width() - card, 0.0));
    let middle = Rect::from_min_max(left.right_top() + vec2(gap, 0.0), right.left_bottom() - vec2(gap, 0.0));
    if latents.board.is_empty() && middle.width() < FIRST_STEPS {
        return first_steps(ui, latents, area.shrink(UNIT));
    }
    for (index, place) in [(0, left), (1, right)] {
        ui.scope_builder(UiBuilder::new().max_rect(place).id_salt(("card", index)), |ui| {
            ui.set_clip_rect(place.intersect(ui.clip_rect()));
            card::ui(ui, latents, index, cx);
        });
    }
    ui.scope_builder(UiBuilder::new().max_rect(middle).id_salt("mix"), |ui| mix(ui, latents));
    ui.advance_cursor_after_rect(area);
}

/// The picture in the middle.
fn mix(ui: &mut Ui, latents: &mut Latents) {
    let caption = 18.0;
    let area = ui.available_rect_before_wrap();
    let side = area.width().min(area.height() - caption).max(40.0);
    let rect = Rect::from_center_size(area.center() - vec2(0.0, caption / 2.0), vec2(side, side));
    if latents.board.is_empty() {
        return first_steps(ui, latents, rect);
    }
    let response = ui.interact(rect, ui.scope_id().with("picture"), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Image in the middle"));
    let words = match &latents.middle.shown {
        None => {
            dashed(ui, rect, waiting(latents));
            String::new()
        }
        Some(shown) => {
            latents.textures.paint(ui, rect, &shown.picture, 0, None, latents.draft.smooth);
            let place = match latents.draft.mix {
                Mix::Between => format!("s = {:.3}", latents.middle.place),
                Mix::Weights => "weighted sum".into(),
            };
            let how = match (shown.fine, shown.nfe) {
                (true, 0) => " · final".into(),
                (true, nfe) => format!(" · final, {nfe} NFE"),
                (false, 0) => " · preview, 8 NFE".into(),
                (false, nfe) => format!(" · preview, {nfe} NFE, {:.0} ms", 1e3 * shown.after.as_secs_f64()),
            };
            format!("{place}{how}")
        }
    };
    let at = rect.center_bottom() + vec2(0.0, 3.0);
    let font = egui::TextStyle::Small.resolve(ui.style());
    ui.painter().text(at, Align2::CENTER_TOP, words, font, Theme::of(ui).weak);
    response.on_hover_text(
        "The latent at the slider's position, decoded: as a preview by 8 evaluations of DPM-Solver++, then \
         with the solver on the left once you stop dragging",
    );
}

fn waiting(latents: &Latents) -> &'static str {
    match (latents.board.key(0), latents.board.key(1)) {
        (None, _) => "Add an image to A",
        (_, None) => "Add an image to B",
        _ if latents.work.held.is_some() => "Nothing is encoded yet",
        _ if latents.board.encoding_in(0).is_some() && latents.board.encoding_in(1).is_some() => {
            "A and B were encoded with different settings. Encode again."
        }
        _ => "Encoding…",
    }
}

/// What to do first.
fn first_steps(ui: &mut Ui, latents: &mut Latents, rect: Rect) {
    dashed(ui, rect, "");
    let size = vec2((rect.width() - 24.0).min(360.0), (rect.height() - 8.0).min(190.0));
    ui.scope_builder(UiBuilder::new().max_rect(Rect::from_center_size(rect.center(), size)), |ui| {
        ui.vertical_centered(|ui| {
            ui.label(RichText::new("What lies between two images?").heading());
            ui.label(
                "Each image has one latent, each latent one image. Add images to A and B, then move between them.",
            );
            ui.add_space(4.0);
            let button = main_button(ui, "Try two examples", "", vec2(170.0, 36.0), true);
            let tip = "Take two images of Little Worlds, encode them and fill the strip";
            if button.on_hover_text(tip).clicked() {
                latents.try_two(ui.ctx());
            }
            let line = Stroke::new(1.0, Theme::of(ui).weak);
            let button = egui::Button::new("Open an image…").stroke(line).min_size(vec2(170.0, 28.0));
            if ui.add(button).on_hover_text("Open an image file in slot A (Ctrl+O)").clicked() {
                latents.commands.push(Command::Open(Some(0)));
            }
        });
    });
}

/// Where the work stands, and the one button that carries it on.
fn state_bar(ui: &mut Ui, latents: &mut Latents, cx: &Context) {
    ui.with_layout(egui::Layout::right_to_left(Align::Center), |ui| {
        ui.set_min_height(24.0);
        tools(ui, latents);
        ui.with_layout(egui::Layout::left_to_right(Align::Center), |ui| match latents.line() {
            Some(line) => {
                let bar = (ui.available_width() - 60.0).min(90.0);
                if bar > 20.0 {
                    ui.add(egui::ProgressBar::new(line.share).desired_width(bar).desired_height(6.0));
                }
                if ui.button("Stop").on_hover_text("Stop this task and keep finished parts (Esc)").clicked() {
                    latents.commands.push(Command::Stop);
                }
                let mut words = line.what;
                if line.nfe > 0 {
                    words += &format!(" · {} NFE", line.nfe);
                }
                if line.seconds_left.is_finite() {
                    words += &format!(" · {} left", human_time(f64::from(line.seconds_left)));
                }
                let tip = "NFE: score evaluations per sample so far";
                ui.add(egui::Label::new(words).truncate()).on_hover_text(tip);
            }
            None => idle(ui, latents, &cx.draft, Theme::of(ui)),
        });
    });
}

fn idle(ui: &mut Ui, latents: &mut Latents, shared: &Draft, theme: &Theme) {
    let stale = latents.is_stale(shared);
    let (words, button, tip) = match &latents.work.held {
        Some(Held::Failed(failure)) => (failure.what.clone(), Some("Retry"), "Try again"),
        Some(Held::Stopped) => ("Stopped; finished parts are kept.".into(), Some("Resume"), "Compute what is missing"),
        Some(Held::Fresh) => {
            ("Images from the last session.".into(), Some("Encode"), "Encode the images and fill the strip")
        }
        None if stale => (
            "Settings changed.".into(),
            Some("Encode again"),
            "Encode all images with the current settings; until then, the old results are shown",
        ),
        None if latents.board.is_empty() => ("Two images, two latents, and the path between them.".into(), None, ""),
        None => match latents.filled() {
            (0, 0) => (String::new(), None, ""),
            (_, all) if latents.exact() == all => ("Everything is decoded.".into(), None, ""),
            _ => (String::new(), None, ""),
        },
    };
    if button.is_some() {
        crate::app::status::dot(ui, theme.warning);
    }
    if let Some(button) = button
        && ui.button(button).on_hover_text(tip).clicked()
    {
        latents.go_on(shared);
    }
    ui.add(egui::Label::new(RichText::new(words).weak()).truncate());
}

/// Buttons on the right of the state.
fn tools(ui: &mut Ui, latents: &mut Latents) {
    ui.spacing_mut().item_spacing.x = UNIT;
    let tip = "Save the strip, the loop or the latents (Ctrl+S)";
    if icon::button(ui, Icon::SAVE, false, "Save", tip).clicked() {
        latents.commands.push(Command::OfferSave);
    }
    let (smooth, icon) = (latents.draft.smooth, if latents.draft.smooth { Icon::SMOOTH } else { Icon::NEAREST });
    if icon::button(ui, icon, smooth, "Smooth pixels", "Interpolate between pixels on screen").clicked() {
        latents.draft.smooth = !smooth;
    }
    if !latents.board.is_empty() {
        let two = ui.button("Two examples").on_hover_text("Take two other examples for A and B");
        if two.clicked() {
            latents.try_two(ui.ctx());
        }
    }
    let room = latents.board.slots.len() < MOST_SLOTS;
    let add = ui.add_enabled(room, egui::Button::new("Add slot"));
    let tip = "Add another image, up to six, for weighted sums of latents";
    if add.on_hover_text(tip).on_disabled_hover_text("Six slots are the maximum.").clicked() {
        latents.board.add();
        latents.draft.mix = Mix::Weights;
    }
}

/// The frames between A and B.
fn strip(ui: &mut Ui, latents: &mut Latents) {
    let frames = latents.draft.frames;
    let gap = 2.0;
    let width = ((ui.available_width() - gap * (frames as f32 - 1.0)) / frames as f32).floor();
    let side = width.clamp(*FRAMES.start(), *FRAMES.end());
    let theme = Theme::of(ui);
    ui.horizontal(|ui| {
        let whole = side * frames as f32 + gap * (frames as f32 - 1.0);
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.add_space(((ui.available_width() - whole) / 2.0).max(0.0));
        ui.spacing_mut().item_spacing.x = gap;
        for place in 0..frames {
            let share = place as f64 / (frames - 1) as f64;
            let found = latents.strip.as_ref().and_then(|strip| strip.best(place));
            let state = match found {
                None => "not decoded yet",
                Some((_, false)) => "preview",
                Some((_, true)) => "final",
            };
            let name = format!("Frame {} of {frames}", place + 1);
            let (rect, response) = frame(ui, vec2(side, side), Sense::click(), &name);
            match found {
                Some((picture, fine)) => {
                    latents.textures.paint(ui, rect, picture, 0, None, latents.draft.smooth);
                    if !fine {
                        let corner = Rect::from_min_size(rect.right_top() - vec2(7.0, -3.0), vec2(4.0, 4.0));
                        ui.painter().rect_filled(corner, 2, theme.warning);
                    }
                }
                None => dashed(ui, rect, ""),
            }
            let here = latents.draft.mix == Mix::Between && (latents.middle.place - share).abs() < 1e-6;
            if here || response.has_focus() {
                let line = Stroke::new(2.0, theme.accent);
                ui.painter().rect_stroke(rect, 0, line, egui::StrokeKind::Inside);
            }
            if response.on_hover_text(format!("s = {share:.3}, {state}")).clicked() {
                latents.middle.hold();
                latents.middle.place = share;
                latents.draft.mix = Mix::Between;
            }
        }
    });
}

/// The loop, and the slider over the strip.
fn slider(ui: &mut Ui, latents: &mut Latents) {
    let frames = latents.draft.frames as f32;
    // As wide as the strip above it.
    let strip = (frames * (*FRAMES.end() + 2.0)).min(ui.available_width());
    ui.horizontal(|ui| {
        ui.add_space((ui.available_width() - strip) / 2.0);
        let playing = latents.middle.is_playing();
        let whole = latents.strip.as_ref().is_some_and(|strip: &Strip| strip.pictures().is_some());
        ui.add_enabled_ui(whole, |ui| {
            let (icon, name) = if playing { (Icon::PAUSE, "Pause loop") } else { (Icon::PLAY, "Play loop") };
            let tip = "Play from A to B and back (Space)";
            if icon::button(ui, icon, playing, name, tip).clicked() {
                latents.commands.push(Command::Play);
            }
        });
        ui.label(RichText::new("A").strong());
        let taken = ui.cursor().left() - ui.min_rect().left() - (ui.max_rect().width() - strip) / 2.0;
        ui.spacing_mut().slider_width = (strip - taken - 24.0).max(60.0);
        let enabled = super::strip::ends(&latents.board).is_some();
        let mut place = latents.middle.place;
        let slider = Slider::new(&mut place, 0.0..=1.0).show_value(false);
        let response = ui.add_enabled(enabled, slider);
        let tip = "s: position from A (0) to B (1). A preview while you drag, then decoded by the solver on the left (← →: by frames)";
        if named(response, "Position between A and B", tip).changed() {
            latents.middle.hold();
            latents.middle.place = place;
            latents.draft.mix = Mix::Between;
        }
        ui.label(RichText::new("B").strong());
    });
}

/// The slots beyond A and B as thumbnails, and the weights of all.
fn others(ui: &mut Ui, latents: &mut Latents, cx: &Context) {
    ui.horizontal(|ui| {
        ui.vertical(|ui| {
            ui.set_width(96.0);
            ui.spacing_mut().item_spacing.y = 2.0;
            let tip = "What the middle shows: a position between A and B, or the weighted sum of all latents";
            let between = ui.selectable_label(latents.draft.mix == Mix::Between, "A → B");
            if between.on_hover_text(tip).clicked() {
                latents.draft.mix = Mix::Between;
            }
            let weights = ui.selectable_label(latents.draft.mix == Mix::Weights, "Weights");
            if weights.on_hover_text(tip).clicked() {
                latents.draft.mix = Mix::Weights;
            }
            let tip = "Scale the sum to the weighted mean norm of its latents, as for samples of the prior";
            ui.checkbox(&mut latents.draft.keep_norm, "Keep norm").on_hover_text(tip);
        });
        egui::ScrollArea::horizontal().show(ui, |ui| {
            // Six fit beside each other in the smallest window.
            ui.spacing_mut().item_spacing.x = UNIT;
            for index in 0..latents.board.slots.len() {
                ui.add(egui::Separator::default().spacing(2.0));
                ui.push_id(index, |ui| ui.vertical(|ui| part(ui, latents, index, cx)));
            }
        });
    });
}

/// A slot on the board: thumbnail and weight.
fn part(ui: &mut Ui, latents: &mut Latents, index: usize, cx: &Context) {
    let letter = Board::name(index);
    ui.set_width(78.0);
    ui.spacing_mut().item_spacing = vec2(2.0, 2.0);
    if index >= 2 {
        card::header(ui, latents, index, cx);
    } else {
        ui.label(RichText::new(letter.to_string()).strong());
    }
    ui.horizontal(|ui| {
        let (rect, response) = frame(ui, vec2(40.0, 40.0), Sense::click(), &format!("Thumbnail {letter}"));
        let key = latents.board.key(index);
        match key.and_then(|key| latents.board.picture(&key)) {
            Some(picture) => latents.textures.paint(ui, rect, picture, 0, None, latents.draft.smooth),
            None => dashed(ui, rect, ""),
        }
        if response.on_hover_text("Select this slot for files").clicked() {
            latents.board.focused = index;
        }
        ui.vertical(|ui| {
            if let Some(slot) = latents.board.slots.get_mut(index) {
                let field = DragValue::new(&mut slot.weight).range(-2.0..=2.0).speed(0.01).fixed_decimals(2);
                let tip = "Weight of this latent in the sum, −2 to 2; a negative weight removes its traits";
                let response = named(ui.add_sized(vec2(36.0, 22.0), field), &format!("Weight of {letter}"), tip);
                if response.changed() {
                    latents.draft.mix = Mix::Weights;
                }
            }
            if index >= 2 && latents.board.slots.get(index).is_some_and(|slot| slot.original.is_none()) {
                let name = format!("Remove slot {letter}");
                if icon::quiet_button(ui, Icon::CROSS, true, &name, "Remove this slot").clicked() {
                    latents.board.clear(index);
                }
            }
        });
    });
}
