//! The keyboard: one table that the window obeys and the help shows.

use super::Action;
use super::latents::Ask;
use egui::{Key, Modifiers};

/// A key and what it does.
pub struct Binding {
    pub modifiers: Modifiers,
    pub key: Key,
    /// As the help writes it.
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
