//! The window: one file a workspace, shared widgets, theme. Nothing here computes or waits.

mod runs;

pub use runs::{Cursor, RunState, RunView};
