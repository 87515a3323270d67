//! The panel on the left: the model, the photo, the tools, the mask.

use super::draft::{InpaintDraft, Tool};
use super::operation::Operation;
use super::{Command, Inpaint};
use crate::app::photos::{Crop, Source, WORLD_SIDE};
use crate::app::theme::UNIT;
use crate::app::widgets::{fit_sliders, icon, named, row, segmented};
use crate::app::{Context, panes};
use egui::{Button, DragValue, Response, RichText, Slider, Ui, vec2};

/// Shows the panel.
pub fn ui(ui: &mut Ui, inpaint: &mut Inpaint, cx: &mut Context) {
    panes::settings(ui, |ui| {
        cx.model_row(ui, "Score model s(x, t) ≈ ∇ log p_t(x) to fill in with, shared with Trajectory");
        if inpaint.canvas.as_ref().is_some_and(|canvas| matches!(canvas.photo.source, Source::File(_))) {
            cx.coverage(ui);
        }
        ui.separator();
        photo(ui, inpaint, cx);
        ui.separator();
        tools(ui, inpaint);
        ui.separator();
        ui.add_enabled_ui(inpaint.canvas.is_some(), |ui| mask(ui, inpaint));
    });
}

/// Buttons side by side, all of one width; the one that was clicked.
fn buttons(ui: &mut Ui, all: &[(&str, &str, bool)]) -> Option<usize> {
    let gap = UNIT;
    let width = (ui.available_width() - gap * (all.len() as f32 - 1.0)) / all.len() as f32;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        ui.spacing_mut().button_padding.x = UNIT;
        let button = |(name, tip, enabled): &(&str, &str, bool)| {
            let response: Response = ui.add_enabled(*enabled, Button::new(*name).min_size(vec2(width, 24.0)));
            response.on_hover_text(*tip).clicked()
        };
        all.iter().map(button).collect::<Vec<_>>().into_iter().position(|clicked| clicked)
    })
    .inner
}

fn photo(ui: &mut Ui, inpaint: &mut Inpaint, cx: &Context) {
    caption(ui, "Photo", "The photo to paint on: JPEG, PNG, GIF, BMP or WebP, up to 200 megapixels");
    let open = match cx.drops {
        true => "Open a photo (Ctrl+O), or drop or paste one (Ctrl+V)",
        false => "Open a photo (Ctrl+O), or paste one (Ctrl+V)",
    };
    let sample = !cx.offers.is_empty();
    let clicked = buttons(
        ui,
        &[
            ("Open…", open, true),
            ("Example", "Another image of Little Worlds", true),
            ("Trajectory", "Another sample of the run shown in Trajectory; run one there first", sample),
        ],
    );
    inpaint
        .commands
        .extend(clicked.and_then(|place| [Command::OpenPhoto, Command::World, Command::Sample].into_iter().nth(place)));
    if inpaint.has_earlier() {
        let tip = "Bring back what you painted in the last session, with its photo";
        asks(ui, &mut inpaint.commands, [("Earlier painting", tip, true, Command::Earlier)]);
    }
}

fn tools(ui: &mut Ui, inpaint: &mut Inpaint) {
    let gap = UNIT;
    let width = (ui.available_width() - 2.0 * gap) / 3.0;
    for three in Tool::ALL.chunks(3) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            for &tool in three {
                if icon::tool_button(ui, tool.icon(), inpaint.draft.tool == tool, width, tool.name(), tool.tip())
                    .clicked()
                {
                    inpaint.commands.push(Command::Tool(tool));
                }
            }
        });
    }
    // As high as the tool with the most settings, so that what is below stays where it is.
    let height = 4.0 * 24.0 + 3.0 * ui.spacing().item_spacing.y;
    ui.allocate_ui(vec2(ui.available_width(), height), |ui| {
        ui.set_min_height(height);
        match inpaint.draft.tool {
            Tool::Brush => brush(ui, inpaint),
            Tool::Eraser => {
                erases(ui, &mut inpaint.draft);
                brush(ui, inpaint);
            }
            Tool::Colour => {
                colour(ui, inpaint);
                brush(ui, inpaint);
            }
            Tool::Rectangle | Tool::Lasso => takes(ui, &mut inpaint.draft),
            Tool::Fill => fill(ui, &mut inpaint.draft),
            Tool::Square => square(ui, inpaint),
        }
    });
}

fn brush(ui: &mut Ui, inpaint: &mut Inpaint) {
    let size = inpaint.canvas.as_ref().map_or([WORLD_SIDE; 2], |canvas| canvas.photo.size());
    let side = size[0].min(size[1]).max(1) as f32;
    let draft = &mut inpaint.draft;
    let mut pixels = draft.size * side;
    let tip = "Diameter in photo pixels ([ smaller, ] larger)";
    let range = 1.0..=side.max(2.0);
    let changed = row(ui, "Size", tip, |ui| {
        fit_sliders(ui);
        let slider = Slider::new(&mut pixels, range).logarithmic(true).fixed_decimals(0).suffix(" px");
        named(ui.add(slider), "Size", tip).changed()
    });
    if changed && inpaint.canvas.is_some() {
        draft.size = pixels / side;
    }
    percent(
        ui,
        "Hardness",
        "Fraction of the radius with full coverage (Shift+[ softer, Shift+] harder)",
        0.0,
        &mut draft.hardness,
    );
    percent(ui, "Opacity", "Coverage of one stroke, even where it crosses itself", 0.01, &mut draft.opacity);
}

/// What the eraser takes away.
fn erases(ui: &mut Ui, draft: &mut InpaintDraft) {
    let tip = "What the eraser erases; by default, whichever was painted last";
    row(ui, "Erases", tip, |ui| {
        let (mask, hints) = ("Erase the mask", "Erase colour hints, which restores the photo");
        let options = [(false, "Mask", None, mask), (true, "Hints", None, hints)];
        segmented(ui, &mut draft.erases_hints, &options)
    });
}

/// The colour of the hints, and the way back to none.
fn colour(ui: &mut Ui, inpaint: &mut Inpaint) {
    let any = inpaint.canvas.as_ref().is_some_and(|canvas| !canvas.hints().is_blank());
    let tip = "Colour of the hints, sRGB; Alt+click on the photo picks the one under the pointer";
    row(ui, "Colour", tip, |ui| {
        ui.spacing_mut().interact_size = vec2(56.0, 24.0);
        named(ui.color_edit_button_srgb(&mut inpaint.draft.colour), "Hint colour", tip);
        let tip = "Remove all colour hints (Ctrl+Z restores them)";
        asks(ui, &mut inpaint.commands, [("Clear hints", tip, any && !inpaint.changing, Command::ClearHints)]);
    });
}

/// A share, shown in percent.
fn percent(ui: &mut Ui, name: &str, tip: &str, least: f32, share: &mut f32) {
    row(ui, name, tip, |ui| {
        fit_sliders(ui);
        let slider = Slider::new(share, least..=1.0)
            .custom_formatter(|share, _| format!("{:.0}%", 100.0 * share))
            .custom_parser(|text| Some(text.trim_end_matches(['%', ' ']).trim().parse::<f64>().ok()? / 100.0));
        named(ui.add(slider), name, tip);
    });
}

/// Whether shapes add or take away.
fn takes(ui: &mut Ui, draft: &mut InpaintDraft) {
    let tip = "Add the shape to the mask, or subtract it (X; Alt for one shape)";
    row(ui, "Shape", tip, |ui| {
        segmented(ui, &mut draft.takes, &[(false, "Add", None, tip), (true, "Subtract", None, tip)])
    });
}

fn fill(ui: &mut Ui, draft: &mut InpaintDraft) {
    takes(ui, draft);
    let tip = "How far each channel may differ from the clicked colour, in grey levels from 0 to 255";
    row(ui, "Tolerance", tip, |ui| {
        fit_sliders(ui);
        named(ui.add(Slider::new(&mut draft.tolerance, 0..=255)), "Tolerance", tip);
    });
    let tip = "Only what is connected to the clicked pixel; otherwise, this colour anywhere";
    ui.checkbox(&mut draft.connected, "Connected").on_hover_text(tip);
}

fn square(ui: &mut Ui, inpaint: &mut Inpaint) {
    let Some(canvas) = &mut inpaint.canvas else { return };
    let mut crop = canvas.crop();
    percent(ui, "Side", "Side of the crop, in percent of the photo's shorter side", Crop::LEAST, &mut crop.side);
    canvas.set_crop(crop);
    if ui.button("Centre").on_hover_text("The largest crop, in the centre of the photo").clicked() {
        canvas.set_crop(Crop::default());
    }
}

fn mask(ui: &mut Ui, inpaint: &mut Inpaint) {
    caption(ui, "Mask", "The masked area is filled in; everything else is kept");
    let [undo, redo] = inpaint.canvas.as_ref().map_or([0; 2], |canvas| canvas.history().steps());
    let free = !inpaint.changing;
    let all = [
        ("Undo", "Undo the last stroke or change to the mask or hints (Ctrl+Z)", undo > 0 && free, Command::Undo),
        ("Redo", "Redo what was undone (Ctrl+Shift+Z)", redo > 0 && free, Command::Redo),
        ("Invert", "Swap masked and kept areas (Ctrl+I)", free, Command::Change(Operation::Invert)),
    ];
    asks(ui, &mut inpaint.commands, all);
    let all = [
        ("Mask all", "Mask the whole photo", free, Command::Change(Operation::FillAll)),
        ("Clear", "Clear the mask (Delete)", free, Command::Change(Operation::Clear)),
    ];
    asks(ui, &mut inpaint.commands, all);
    let most = InpaintDraft::MOST;
    let tip = "Radius by which the mask grows or shrinks, in photo pixels";
    row(ui, "Radius", tip, |ui| {
        let field = DragValue::new(&mut inpaint.draft.grow).range(1..=most).suffix(" px");
        named(ui.add_sized(vec2(56.0, 24.0), field), "Radius", tip);
        let radius = inpaint.draft.grow;
        let all = [
            ("Grow", "Dilate the mask by a disc of this radius", free, Command::Change(Operation::Grow(radius))),
            ("Shrink", "Erode the mask by a disc of this radius", free, Command::Change(Operation::Shrink(radius))),
        ];
        asks(ui, &mut inpaint.commands, all);
    });
    let tip = "Standard deviation σ of the Gaussian that softens the mask's edge, in photo pixels";
    row(ui, "Feather σ", tip, |ui| {
        let field = DragValue::new(&mut inpaint.draft.feather).range(0.5..=most as f32).speed(0.1).suffix(" px");
        named(ui.add_sized(vec2(56.0, 24.0), field), "Feather σ", tip);
        let operation = Operation::Feather(inpaint.draft.feather);
        asks(ui, &mut inpaint.commands, [("Feather", "Soften the mask's edge", free, Command::Change(operation))]);
    });
    let all = [
        (
            "Open mask…",
            "An image of the photo's shape; white is filled in, or what is transparent (or drop it with Alt)",
            free,
            Command::OpenMask,
        ),
        ("Save mask…", "Save as a grey PNG; white is filled in (Ctrl+S)", true, Command::SaveMask),
    ];
    asks(ui, &mut inpaint.commands, all);
}

/// Buttons that ask for something.
fn asks<const N: usize>(ui: &mut Ui, commands: &mut Vec<Command>, all: [(&str, &str, bool, Command); N]) {
    let shown = all.each_ref().map(|(name, tip, enabled, _)| (*name, *tip, *enabled));
    let clicked = buttons(ui, &shown).and_then(|clicked| all.into_iter().nth(clicked));
    commands.extend(clicked.map(|(.., command)| command));
}

fn caption(ui: &mut Ui, text: &str, tip: &str) {
    ui.label(RichText::new(text).small().weak()).on_hover_text(tip);
}
