//! The keyboard: one table that the window obeys and the help shows.

use super::Action;
use super::inpaint::{self, Operation, Tool};
use super::latents::Ask;
use egui::{Key, Modifiers};

/// A key and what it does.
pub struct Binding {
    pub modifiers: Modifiers,
    pub key: Key,
    /// As the help writes it; nothing where the line above says it.
    pub shown: &'static str,
    pub what: &'static str,
    /// `None` where the picture or the timeline obeys.
    action: Option<fn() -> Action>,
}

const CTRL_SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);

const fn plain(key: Key, shown: &'static str, what: &'static str, action: fn() -> Action) -> Binding {
    with(Modifiers::NONE, key, shown, what, action)
}

const fn with(
    modifiers: Modifiers,
    key: Key,
    shown: &'static str,
    what: &'static str,
    action: fn() -> Action,
) -> Binding {
    Binding { modifiers, key, shown, what, action: Some(action) }
}

const fn obeyed_elsewhere(key: Key, shown: &'static str, what: &'static str) -> Binding {
    Binding { modifiers: Modifiers::NONE, key, shown, what, action: None }
}

/// The bindings of the workspace "Trajectory". Those with more modifiers stand before those with fewer.
pub const BINDINGS: [Binding; 13] = [
    plain(Key::Space, "Space", "Run, pause, resume", || Action::RunOrPause),
    plain(Key::S, "S", "One step, then hold", || Action::Step),
    plain(Key::Escape, "Esc", "Stop; from one large sample, back to the grid", || Action::Stop),
    obeyed_elsewhere(Key::ArrowLeft, "← →", "Back and forward by one recorded moment; with Shift, by ten"),
    obeyed_elsewhere(Key::Home, "Home End", "To the first and the newest moment"),
    plain(Key::B, "B", "Branch from the moment that is shown", || Action::OfferBranch),
    obeyed_elsewhere(Key::Num1, "1 2 3 4", "View x(t), denoised, score, change"),
    obeyed_elsewhere(Key::G, "G", "Grid, or one sample large (Page Up, Page Down: another)"),
    plain(Key::R, "R", "New seed", || Action::NewSeed),
    with(Modifiers::COMMAND, Key::O, "Ctrl+O", "Open a model, pictures or a run file", || Action::ChooseFile),
    with(Modifiers::COMMAND, Key::S, "Ctrl+S", "Save pictures, an animation or the run", || Action::OfferExport),
    with(CTRL_SHIFT, Key::Z, "Ctrl+Shift+Z", "Redo a change of settings", || Action::Redo),
    with(Modifiers::COMMAND, Key::Z, "Ctrl+Z", "Undo a change of settings", || Action::Undo),
];

/// The bindings of the workspace "Latents".
pub const LATENTS: [Binding; 8] = [
    plain(Key::Space, "Space", "Play the loop from A to B and back, or hold it", || Action::Latents(Ask::Play)),
    plain(Key::ArrowLeft, "←", "One frame towards A", || Action::Latents(Ask::Move(-1))),
    plain(Key::ArrowRight, "→", "One frame towards B", || Action::Latents(Ask::Move(1))),
    plain(Key::Escape, "Esc", "Stop what is computed, and keep what is done", || Action::Latents(Ask::Stop)),
    with(Modifiers::COMMAND, Key::O, "Ctrl+O", "Open a picture into the marked slot (Ctrl+V pastes one)", || {
        Action::Latents(Ask::Open(None))
    }),
    with(Modifiers::COMMAND, Key::S, "Ctrl+S", "Save the strip, the loop or the latents", || {
        Action::Latents(Ask::OfferSave)
    }),
    with(CTRL_SHIFT, Key::Z, "Ctrl+Shift+Z", "Redo a change of slots or settings", || Action::Latents(Ask::Redo)),
    with(Modifiers::COMMAND, Key::Z, "Ctrl+Z", "Undo a change of slots or settings", || Action::Latents(Ask::Undo)),
];

/// The bindings of the workspace "Inpaint".
pub const INPAINT: [Binding; 31] = [
    plain(Key::Enter, "Enter", "Fill what is painted (or colourise, restore, edit), or stop", || {
        paint(inpaint::Ask::FillOrStop)
    }),
    plain(Key::V, "V", "Lay the picked sample on the photo, or do not", || paint(inpaint::Ask::Lay)),
    plain(Key::B, "B E", "Brush, eraser", || paint(inpaint::Ask::Tool(Tool::Brush))),
    plain(Key::E, "", "", || paint(inpaint::Ask::Tool(Tool::Eraser))),
    plain(Key::P, "P", "Colour hints on the photo; with Alt, take up the colour under the pointer", || {
        paint(inpaint::Ask::Tool(Tool::Colour))
    }),
    plain(Key::X, "X", "Swap brush and eraser, or adding and taking away of shapes", || paint(inpaint::Ask::Swap)),
    plain(Key::M, "M L G", "Rectangle, lasso, fill of a colour; with Alt they take away", || {
        paint(inpaint::Ask::Tool(Tool::Rectangle))
    }),
    plain(Key::L, "", "", || paint(inpaint::Ask::Tool(Tool::Lasso))),
    plain(Key::G, "", "", || paint(inpaint::Ask::Tool(Tool::Fill))),
    plain(Key::C, "C", "The square that the model sees", || paint(inpaint::Ask::Tool(Tool::Square))),
    // With Shift some keyboards send another sign, others the same one.
    with(Modifiers::SHIFT, Key::OpenBracket, "[ ]", "Smaller or larger brush; with Shift, softer or harder", || {
        paint(inpaint::Ask::Harden(-1))
    }),
    with(Modifiers::SHIFT, Key::OpenCurlyBracket, "", "", || paint(inpaint::Ask::Harden(-1))),
    with(Modifiers::SHIFT, Key::CloseBracket, "", "", || paint(inpaint::Ask::Harden(1))),
    with(Modifiers::SHIFT, Key::CloseCurlyBracket, "", "", || paint(inpaint::Ask::Harden(1))),
    plain(Key::OpenBracket, "", "", || paint(inpaint::Ask::Resize(-1))),
    plain(Key::CloseBracket, "", "", || paint(inpaint::Ask::Resize(1))),
    with(Modifiers::COMMAND, Key::I, "Ctrl+I", "Invert the mask", || paint(inpaint::Ask::Change(Operation::Invert))),
    plain(Key::Delete, "Delete", "Clear the mask", || paint(inpaint::Ask::Change(Operation::Clear))),
    plain(Key::Escape, "Esc", "Let go of the lasso, rectangle or stroke; else stop filling", || {
        paint(inpaint::Ask::Stop)
    }),
    obeyed_elsewhere(Key::ShiftLeft, "Shift", "With a click: a line from the end of the last stroke"),
    obeyed_elsewhere(Key::Space, "Space", "Hold, and drag the photo (or drag with the middle button)"),
    plain(Key::Plus, "+ −", "Closer, further away (or the wheel, or two fingers)", || paint(inpaint::Ask::Zoom(1))),
    with(Modifiers::SHIFT, Key::Plus, "", "", || paint(inpaint::Ask::Zoom(1))),
    plain(Key::Equals, "", "", || paint(inpaint::Ask::Zoom(1))),
    plain(Key::Minus, "", "", || paint(inpaint::Ask::Zoom(-1))),
    plain(Key::Num0, "0 1", "The whole photo; a pixel of it for each of the screen", || paint(inpaint::Ask::Fit)),
    plain(Key::Num1, "", "", || paint(inpaint::Ask::Actual)),
    with(Modifiers::COMMAND, Key::O, "Ctrl+O", "Open a photo (Ctrl+V pastes one; drop a mask with Alt)", || {
        paint(inpaint::Ask::OpenPhoto)
    }),
    with(Modifiers::COMMAND, Key::S, "Ctrl+S", "Save the mask", || paint(inpaint::Ask::SaveMask)),
    with(CTRL_SHIFT, Key::Z, "Ctrl+Shift+Z", "Redo a stroke or a change of mask or hints", || {
        paint(inpaint::Ask::Redo)
    }),
    with(Modifiers::COMMAND, Key::Z, "Ctrl+Z", "Undo a stroke or a change of mask or hints", || {
        paint(inpaint::Ask::Undo)
    }),
];

fn paint(ask: inpaint::Ask) -> Action {
    Action::Inpaint(ask)
}

/// Help, in every workspace.
pub const HELP: [Binding; 1] = [plain(Key::F1, "F1", "This help", || Action::Help)];

/// What the keys pressed in this frame ask for. Keys belong to a text field or a focused
/// control first, and to an open menu; Esc to the picture where that takes it.
pub fn actions(ctx: &egui::Context, bindings: &[Binding], escape_taken: bool) -> Vec<Action> {
    if ctx.text_edit_focused() {
        return Vec::new();
    }
    let focused = ctx.memory(|memory| memory.focused().is_some());
    let popup = egui::Popup::is_any_open(ctx);
    let mut asked = Vec::new();
    for binding in bindings.iter().chain(&HELP) {
        let moves_focus = matches!(binding.key, Key::Space | Key::Escape | Key::ArrowLeft | Key::ArrowRight);
        if (focused || popup) && moves_focus || escape_taken && binding.key == Key::Escape {
            continue;
        }
        if let Some(action) = binding.action
            && ctx.input_mut(|input| consume(input, binding))
        {
            asked.push(action());
        }
    }
    asked
}

/// Takes the presses of a binding's key with exactly its modifiers: Ctrl+S is not S. The press's own
/// modifiers count, for in a slow frame they may be let go before it is looked at.
fn consume(input: &mut egui::InputState, binding: &Binding) -> bool {
    let before = input.events.len();
    input.events.retain(|event| {
        let egui::Event::Key { key, pressed: true, modifiers, .. } = event else { return true };
        *key != binding.key || !modifiers.matches_exact(binding.modifiers)
    });
    input.events.len() < before
}
