//! The window: one file a workspace, shared widgets, theme. Nothing here computes or waits.

mod icon;
pub mod picture;
pub mod plots;
mod runs;
pub mod theme;
pub mod timeline;

pub use runs::{Cursor, RunState, RunView};
