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
    /// Zoom in, or out.
    Zoom(i32),
    /// The whole photo.
    Fit,
    /// A pixel of the photo as a pixel of the screen.
    Actual,
    OpenPhoto,
    OpenMask,
    SaveMask,
    /// Paint on an image of Little Worlds.
    World,
    /// Bring back the painting that was kept aside.
    Earlier,
    /// Paint on a sample of another workspace.
    Sample,
    /// Ask the model, or end what it works on.
    FillOrStop,
    /// Cancel what is being drawn, or stop what the model works on.
    Stop,
    /// Continue from the step shown, with the current settings and mask.
    Branch,
    /// Show or hide the picked sample on the photo.
    Lay,
    /// The picked sample becomes part of the photo.
    Adopt,
    /// Back to an earlier result, with its photo and mask.
    GoBack(usize),
    SaveFilled,
}

/// The keys that are obeyed.
pub static KEYS: [Binding<Command>; 31] = [
    plain(Key::Enter, "Enter", "Fill in the masked area (or colourise, restore, edit), or stop", Command::FillOrStop),
    plain(Key::V, "V", "Show or hide the selected sample on the photo", Command::Lay),
    obeyed_elsewhere(Key::ArrowLeft, "← →", "Back or forward by one recorded step; with Shift, by ten"),
    with(
        Modifiers::SHIFT,
        Key::B,
        "Shift+B",
        "Branch from the step shown, with the current settings and mask",
        Command::Branch,
    ),
    plain(Key::B, "B E", "Brush, eraser", Command::Tool(Tool::Brush)),
    plain(Key::E, "", "", Command::Tool(Tool::Eraser)),
    plain(
        Key::P,
        "P",
        "Colour hints on the photo; with Alt, pick the colour under the pointer",
        Command::Tool(Tool::Colour),
    ),
    plain(Key::X, "X", "Swap brush and eraser, or adding and subtracting shapes", Command::Swap),
    plain(Key::M, "M L G", "Rectangle, lasso, bucket; with Alt, subtract", Command::Tool(Tool::Rectangle)),
    plain(Key::L, "", "", Command::Tool(Tool::Lasso)),
    plain(Key::G, "", "", Command::Tool(Tool::Fill)),
    plain(Key::C, "C", "Crop: the square that the model sees", Command::Tool(Tool::Square)),
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
    plain(Key::Escape, "Esc", "Cancel the lasso, rectangle or stroke; otherwise stop filling", Command::Stop),
    obeyed_elsewhere(Key::ShiftLeft, "Shift", "With a click: draw a line from the end of the last stroke"),
    obeyed_elsewhere(Key::Space, "Space", "Hold and drag to move the photo (or drag with the middle button)"),
    plain(Key::Plus, "+ −", "Zoom in or out (or use the wheel or two fingers)", Command::Zoom(1)),
    with(Modifiers::SHIFT, Key::Plus, "", "", Command::Zoom(1)),
    plain(Key::Equals, "", "", Command::Zoom(1)),
    plain(Key::Minus, "", "", Command::Zoom(-1)),
    plain(Key::Num0, "0 1", "Whole photo; actual pixels", Command::Fit),
    plain(Key::Num1, "", "", Command::Actual),
    with(
        Modifiers::COMMAND,
        Key::O,
        "Ctrl+O",
        "Open a photo (Ctrl+V pastes one; Alt+drop opens a mask)",
        Command::OpenPhoto,
    ),
    with(Modifiers::COMMAND, Key::S, "Ctrl+S", "Save the mask", Command::SaveMask),
];
