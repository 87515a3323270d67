//! The command line: one file a command, over the same engine as the window.
