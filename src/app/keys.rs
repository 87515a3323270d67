//! The keyboard: tables that are obeyed and that the help shows.

use super::Action;
use egui::{Key, Modifiers};

/// Ctrl and Shift.
pub const CTRL_SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);

/// A key and the command that it gives.
pub struct Binding<C> {
    modifiers: Modifiers,
    key: Key,
    /// As the help writes it; nothing where the line above says it.
    shown: &'static str,
    what: &'static str,
    /// `None` where some part of the workspace looks at the key itself.
    command: Option<C>,
}

/// A key by itself.
pub const fn plain<C>(key: Key, shown: &'static str, what: &'static str, command: C) -> Binding<C> {
    with(Modifiers::NONE, key, shown, what, command)
}

/// A key with exactly these modifiers.
pub const fn with<C>(
    modifiers: Modifiers,
    key: Key,
    shown: &'static str,
    what: &'static str,
    command: C,
) -> Binding<C> {
    Binding { modifiers, key, shown, what, command: Some(command) }
}

/// A key that some part of the workspace looks at itself: only for the help.
pub const fn obeyed_elsewhere<C>(key: Key, shown: &'static str, what: &'static str) -> Binding<C> {
    Binding { modifiers: Modifiers::NONE, key, shown, what, command: None }
}

/// In every workspace that can undo.
pub static UNDO: [Binding<Action>; 2] = [
    with(CTRL_SHIFT, Key::Z, "Ctrl+Shift+Z", "Redo", Action::Redo),
    with(Modifiers::COMMAND, Key::Z, "Ctrl+Z", "Undo", Action::Undo),
];

/// In every workspace.
pub static WINDOW: [Binding<Action>; 2] = [
    plain(Key::F1, "F1", "Show this help", Action::Help),
    plain(Key::F2, "F2", "All models: details, layers, and how to get published ones", Action::Models),
];

/// A line of the help: a key and what it does.
pub type KeyLine = (&'static str, String);

/// What the help says of a table.
pub fn lines<C>(bindings: &[Binding<C>]) -> Vec<KeyLine> {
    let shown = bindings.iter().filter(|binding| !binding.shown.is_empty());
    shown.map(|binding| (binding.shown, binding.what.to_owned())).collect()
}

/// What the help says of undoing: "Undo a change of settings".
pub fn undo_lines(what: Option<&str>) -> Vec<KeyLine> {
    let line = |what| lines(&UNDO).into_iter().map(move |(key, verb)| (key, format!("{verb} {what}")));
    what.into_iter().flat_map(line).collect()
}

/// The keys pressed in this frame that nothing on the screen has a better claim to: a text field or a focused control
/// comes first, and an open menu.
pub struct Keys<'a> {
    ctx: &'a egui::Context,
    /// None of them are for a workspace.
    silent: bool,
    focused: bool,
    escape_taken: bool,
}

impl<'a> Keys<'a> {
    /// `escape_taken`: some part of the workspace looks at Esc itself.
    pub fn new(ctx: &'a egui::Context, escape_taken: bool) -> Self {
        let focused = ctx.memory(|memory| memory.focused().is_some()) || egui::Popup::is_any_open(ctx);
        Keys { ctx, silent: ctx.text_edit_focused(), focused, escape_taken }
    }

    /// The commands of a table whose keys were pressed; nobody else obeys them then.
    pub fn take<C: Clone>(&self, bindings: &[Binding<C>]) -> Vec<C> {
        let moves_focus = |key| matches!(key, Key::Space | Key::Escape | Key::ArrowLeft | Key::ArrowRight);
        let free = |binding: &&Binding<C>| {
            let taken = self.focused && moves_focus(binding.key) || self.escape_taken && binding.key == Key::Escape;
            !self.silent && !taken
        };
        let pressed = |binding: &Binding<C>| {
            let command = binding.command.clone()?;
            self.ctx.input_mut(|input| consume(input, binding)).then_some(command)
        };
        bindings.iter().filter(free).filter_map(pressed).collect()
    }
}

/// Takes the presses of a binding's key with exactly its modifiers: Ctrl+S is not S. The press's own
/// modifiers count, for in a slow frame they may be let go before it is looked at.
fn consume<C>(input: &mut egui::InputState, binding: &Binding<C>) -> bool {
    let before = input.events.len();
    input.events.retain(|event| {
        let egui::Event::Key { key, pressed: true, modifiers, .. } = event else { return true };
        *key != binding.key || !modifiers.matches_exact(binding.modifiers)
    });
    input.events.len() < before
}
