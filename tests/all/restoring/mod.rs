//! Restorations as the engine's listeners and the command line know them.

mod command_line;
mod tasks;
