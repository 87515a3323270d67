//! All integration tests in one binary: a module for each capability.

mod checkpoint;
