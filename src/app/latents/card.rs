//! A slot: the picture, its latent, the reconstruction, and how exact it is.

use super::board::{BINS, Board, Encoding, REACH};
use super::crop::Cropping;
use super::original::PictureKey;
use super::work::{Purpose, UnderWay};
use super::{Command, Latents, figure};
use crate::app::Context;
use crate::app::photos::Crop;
use crate::app::theme::{Theme, UNIT};
use crate::app::widgets::icon::{self, Icon};
use crate::app::widgets::{dashed, frame};
use egui::{Rect, RichText, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

/// Shows slot `index` in the width there is.
pub fn ui(ui: &mut Ui, latents: &mut Latents, index: usize, cx: &Context) {
    ui.spacing_mut().item_spacing = vec2(UNIT, UNIT);
    header(ui, latents, index, cx);
    let Some(original) = latents.board.slots.get(index).and_then(|slot| slot.original.clone()) else {
        return empty(ui, latents, index, cx.drops);
    };
    let side = ((ui.available_width() - UNIT) / 2.0).floor();
    let key = latents.board.key(index);
    ui.horizontal(|ui| {
        picture(ui, latents, index, key, side);
        back(ui, latents, index, key, side);
    });
    ui.horizontal(|ui| {
        latent(ui, latents, index, key, side);
        error(ui, latents, index, key, side);
    });
    ui.add(egui::Label::new(RichText::new(&original.name).small().weak()).truncate());
    if let Some(encoding) = key.and_then(|key| latents.board.encoding(&key)) {
        figures(ui, encoding);
        if ui.available_height() > 40.0 {
            histogram(ui, encoding, Board::name(index));
        }
    }
}

/// The slot's letter and what can be put in it.
pub fn header(ui: &mut Ui, latents: &mut Latents, index: usize, cx: &Context) {
    let name = Board::name(index);
    let focused = latents.board.focused == index;
    let filled = latents.board.slots.get(index).is_some_and(|slot| slot.original.is_some());
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        let text = RichText::new(name.to_string()).strong().size(14.0);
        let letter = ui.selectable_label(focused, text);
        let tip = "Opened, pasted or dropped files go to the selected slot";
        if letter.on_hover_text(tip).accessible_name(format!("Slot {name}")).clicked() {
            latents.board.focused = index;
        }
        let button = |ui: &mut Ui, icon, what: &str, tip: &str| {
            icon::quiet_button(ui, icon, true, &format!("{what} {name}"), tip).clicked()
        };
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if filled {
                if button(ui, Icon::CROSS, "Clear", "Remove the image from this slot (Ctrl+Z restores it)") {
                    latents.board.clear(index);
                    return;
                }
                if button(ui, Icon::CROP, "Crop", "Move or resize the crop of the photo") {
                    let crop = latents.board.slots.get(index).map_or(Crop::default(), |slot| slot.crop);
                    latents.cropping = Some(Cropping { slot: index, crop });
                }
            }
            sources(ui, latents, index, cx, &button);
        });
    });
}

fn sources(
    ui: &mut Ui,
    latents: &mut Latents,
    index: usize,
    cx: &Context,
    button: &dyn Fn(&mut Ui, Icon, &str, &str) -> bool,
) {
    let tip = "Another sample of the run shown in Trajectory";
    if !cx.offers.is_empty() && button(ui, Icon::TAKE, "From Trajectory to", tip) {
        latents.taken += 1;
        cx.sample(latents.taken).into_iter().for_each(|wanted| latents.put(ui.ctx(), index, wanted));
    }
    if button(ui, Icon::ROLL, "Example to", "Another image of Little Worlds") {
        latents.roll(ui.ctx(), index);
    }
    if button(ui, Icon::FOLDER, "Open image in", "Open an image file (Ctrl+O: in the selected slot)") {
        latents.commands.push(Command::Open(Some(index)));
    }
}

fn empty(ui: &mut Ui, latents: &mut Latents, index: usize, drops: bool) {
    let name = Board::name(index);
    let side = ui.available_width().min(ui.available_height() - 8.0).max(40.0);
    let (rect, response) = frame(ui, vec2(ui.available_width(), side), Sense::click(), &format!("Empty slot {name}"));
    let (words, tip) = match drops {
        true => (
            "Drop an image, or click for an example",
            "Click for an example, or drop, paste (Ctrl+V) or open an image.",
        ),
        false => (
            "Open an image (Ctrl+O), or click for an example",
            "Click for an example, or paste (Ctrl+V) or open an image. Under Wayland, files cannot be dropped.",
        ),
    };
    dashed(ui, rect, words);
    if response.on_hover_text(tip).clicked() {
        latents.roll(ui.ctx(), index);
    }
}

/// Room for a picture with its caption.
fn captioned(ui: &mut Ui, side: f32, caption: &str, name: &str, tip: &str, add: impl FnOnce(&mut Ui, Rect)) {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 1.0;
        let (rect, response) = frame(ui, vec2(side, side), Sense::hover(), name);
        add(ui, rect);
        response.on_hover_text(tip);
        ui.label(RichText::new(caption).small().weak());
    });
}

fn picture(ui: &mut Ui, latents: &mut Latents, index: usize, key: Option<PictureKey>, side: f32) {
    let letter = Board::name(index);
    let tip = "The image as the model sees it";
    captioned(ui, side, "image", &format!("Image {letter}"), tip, |ui, rect| {
        let pixels = key.and_then(|key| latents.board.picture(&key));
        match pixels {
            Some(pixels) => latents.textures.paint(ui, rect, pixels, 0, None, latents.draft.smooth),
            None => dashed(ui, rect, "…"),
        }
        if latents.board.focused == index {
            ui.painter().rect_stroke(rect, 0, Stroke::new(1.0, Theme::of(ui).accent), StrokeKind::Outside);
        }
    });
}

fn back(ui: &mut Ui, latents: &mut Latents, index: usize, key: Option<PictureKey>, side: f32) {
    let tip = "The latent, decoded: how much of the image the round trip preserves";
    let name = format!("Reconstruction of {}", Board::name(index));
    captioned(ui, side, "decoded", &name, tip, |ui, rect| {
        let back = key.and_then(|key| latents.board.encoding(&key)).and_then(|encoding| encoding.back.as_ref());
        match back {
            Some(back) => latents.textures.paint(ui, rect, &back.picture, 0, None, latents.draft.smooth),
            None => dashed(ui, rect, ""),
        }
    });
}

/// The latent; while it is being computed, x(t) on its way.
fn latent(ui: &mut Ui, latents: &mut Latents, index: usize, key: Option<PictureKey>, side: f32) {
    let letter = Board::name(index);
    let moving = latents.work.under_way.as_ref().and_then(|UnderWay { purpose, job }| match purpose {
        Purpose::Encode { keys, .. } => {
            let place = keys.iter().position(|other| Some(*other) == key)?;
            Some((place, job.states()?.clone(), job.progress().share))
        }
        _ => None,
    });
    let encoded = key.and_then(|key| latents.board.encoding(&key));
    let caption = match (&moving, encoded) {
        (Some((_, _, share)), _) => format!("x(t), {:.0}%", 100.0 * share),
        (None, Some(encoding)) if encoding.latents.flow.until < 1.0 => {
            format!("latent x({:.2})", encoding.latents.flow.until)
        }
        _ => "latent z".into(),
    };
    let tip = "The state to which the probability-flow ODE encodes the image, from −3 to 3 standard deviations";
    captioned(ui, side, &caption, &format!("Latent of {letter}"), tip, |ui, rect| match (moving, encoded) {
        (Some((place, pictures, _)), _) => latents.textures.paint(ui, rect, &pictures, place, None, false),
        (None, Some(encoding)) => {
            latents.textures.paint(ui, rect, &encoding.latents.pixels, 0, Some(encoding.std), false);
        }
        (None, None) => dashed(ui, rect, ""),
    });
}

fn error(ui: &mut Ui, latents: &mut Latents, index: usize, key: Option<PictureKey>, side: f32) {
    let tip = "|decoded − image|, four times as bright";
    let name = format!("Error of {}", Board::name(index));
    captioned(ui, side, "error × 4", &name, tip, |ui, rect| {
        let back = key.and_then(|key| latents.board.encoding(&key)).and_then(|encoding| encoding.back.as_ref());
        match back {
            Some(back) => latents.textures.paint(ui, rect, &back.error, 0, None, false),
            None => dashed(ui, rect, ""),
        }
    });
}

fn figures(ui: &mut Ui, encoding: &Encoding) {
    ui.spacing_mut().item_spacing.y = 1.0;
    if let Some(back) = &encoding.back {
        let psnr = if back.psnr.is_finite() { format!("{:.1} dB", back.psnr) } else { "identical".into() };
        let tip = "Peak signal-to-noise ratio of the reconstruction, and its largest error, for values in [0, 1]";
        figure(ui, &format!("{psnr} · max {:.4}", back.largest), tip);
        let tip = "Score evaluations (NFE) to encode and to decode";
        figure(ui, &format!("{} + {} NFE", encoding.nfe, back.nfe), tip);
    } else {
        figure(ui, &format!("{} NFE", encoding.nfe), "Score evaluations (NFE) to encode");
    }
    let about = if encoding.latents.flow.until < 1.0 {
        "Root mean square of the latent in units of σ(t), that of the noise alone; the image adds to it"
    } else {
        "Norm of the latent relative to the prior: 1 for samples of the prior. Images unlike the data deviate from it"
    };
    figure(ui, &format!("‖z‖/√D  {:.3}", encoding.norm), about);
}

/// The latent's values against the standard normal density.
fn histogram(ui: &mut Ui, encoding: &Encoding, letter: char) {
    let height = (ui.available_height() - 4.0).clamp(30.0, 72.0);
    let name = format!("Histogram of the latent of {letter}");
    let (rect, response) = frame(ui, vec2(ui.available_width(), height), Sense::hover(), &name);
    response.on_hover_text("Values of the latent in units of the prior's σ, −4 to 4. Line: the prior, N(0, 1)");
    let theme = Theme::of(ui);
    let highest = encoding.histogram.iter().copied().fold(0.42, f64::max);
    let at = |x: f64, y: f64| {
        let along = (x + REACH) / (2.0 * REACH);
        pos2(rect.left() + rect.width() * along as f32, rect.bottom() - rect.height() * (y / highest) as f32)
    };
    let width = 2.0 * REACH / BINS as f64;
    for (bin, &density) in encoding.histogram.iter().enumerate() {
        let left = bin as f64 * width - REACH;
        let bar = Rect::from_two_pos(at(left + 0.05 * width, 0.0), at(left + 0.95 * width, density));
        ui.painter().rect_filled(bar, 0, theme.accent.gamma_multiply(0.55));
    }
    let normal = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let curve = (0..=64).map(|i| i as f64 / 64.0 * 2.0 * REACH - REACH).map(|x| at(x, normal(x))).collect();
    ui.painter().line(curve, Stroke::new(1.5, theme.text));
}
