//! What can be asked of the workspace, and the keys that ask it.

use super::{Operation, Tool};
use crate::app::keys::{Binding, obeyed_elsewhere, plain, with};
use egui::{Key, Modifiers};

/// What a key or a button asks of this workspace.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Tool(Tool),
    /// Brush and eraser, or adding and taking away, change places.
    Swap,
    /// A larger or smaller brush.
    Resize(i32),
    /// A harder or softer brush.
    Harden(i32),
    Change(Operation),
    /// Take all colour hints away.
    ClearHints,
    Undo,
    Redo,
    /// Closer, or further away.
    Zoom(i32),
    /// The whole photo.
    Fit,
    /// A pixel of the photo as a pixel of the screen.
    Actual,
    OpenPhoto,
    OpenMask,
    SaveMask,
    /// Paint on one of the worlds that ship.
    World,
    /// Paint on a sample of another workspace.
    Sample,
    /// Ask the model, or end what it works on.
    FillOrStop,
    /// Let go of what is being drawn, or end what the model works on.
    Stop,
    /// Lay the picked sample on the photo, or do not.
    Lay,
    /// The picked sample becomes part of the photo.
    Adopt,
    /// Back to an earlier answer, with its photo and mask.
    GoBack(usize),
    SaveFilled,
}

/// The keys that are obeyed.
pub static KEYS: [Binding<Command>; 29] = [
    plain(Key::Enter, "Enter", "Fill what is painted (or colourise, restore, edit), or stop", Command::FillOrStop),
    plain(Key::V, "V", "Lay the picked sample on the photo, or do not", Command::Lay),
    plain(Key::B, "B E", "Brush, eraser", Command::Tool(Tool::Brush)),
    plain(Key::E, "", "", Command::Tool(Tool::Eraser)),
    plain(
        Key::P,
        "P",
        "Colour hints on the photo; with Alt, take up the colour under the pointer",
        Command::Tool(Tool::Colour),
    ),
    plain(Key::X, "X", "Swap brush and eraser, or adding and taking away of shapes", Command::Swap),
    plain(
        Key::M,
        "M L G",
        "Rectangle, lasso, fill of a colour; with Alt they take away",
        Command::Tool(Tool::Rectangle),
    ),
    plain(Key::L, "", "", Command::Tool(Tool::Lasso)),
    plain(Key::G, "", "", Command::Tool(Tool::Fill)),
    plain(Key::C, "C", "The square that the model sees", Command::Tool(Tool::Square)),
    // With Shift some keyboards send another sign, others the same one.
    with(
        Modifiers::SHIFT,
        Key::OpenBracket,
        "[ ]",
        "Smaller or larger brush; with Shift, softer or harder",
        Command::Harden(-1),
    ),
    with(Modifiers::SHIFT, Key::OpenCurlyBracket, "", "", Command::Harden(-1)),
    with(Modifiers::SHIFT, Key::CloseBracket, "", "", Command::Harden(1)),
    with(Modifiers::SHIFT, Key::CloseCurlyBracket, "", "", Command::Harden(1)),
    plain(Key::OpenBracket, "", "", Command::Resize(-1)),
    plain(Key::CloseBracket, "", "", Command::Resize(1)),
    with(Modifiers::COMMAND, Key::I, "Ctrl+I", "Invert the mask", Command::Change(Operation::Invert)),
    plain(Key::Delete, "Delete", "Clear the mask", Command::Change(Operation::Clear)),
    plain(Key::Escape, "Esc", "Let go of the lasso, rectangle or stroke; else stop filling", Command::Stop),
    obeyed_elsewhere(Key::ShiftLeft, "Shift", "With a click: a line from the end of the last stroke"),
    obeyed_elsewhere(Key::Space, "Space", "Hold, and drag the photo (or drag with the middle button)"),
    plain(Key::Plus, "+ −", "Closer, further away (or the wheel, or two fingers)", Command::Zoom(1)),
    with(Modifiers::SHIFT, Key::Plus, "", "", Command::Zoom(1)),
    plain(Key::Equals, "", "", Command::Zoom(1)),
    plain(Key::Minus, "", "", Command::Zoom(-1)),
    plain(Key::Num0, "0 1", "The whole photo; a pixel of it for each of the screen", Command::Fit),
    plain(Key::Num1, "", "", Command::Actual),
    with(
        Modifiers::COMMAND,
        Key::O,
        "Ctrl+O",
        "Open a photo (Ctrl+V pastes one; drop a mask with Alt)",
        Command::OpenPhoto,
    ),
    with(Modifiers::COMMAND, Key::S, "Ctrl+S", "Save the mask", Command::SaveMask),
];
