//! All tests of the program through its public face, a module for each capability.
//! One binary, so that the large dependencies are linked once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]

mod allocations;
mod architecture;
mod checkpoint;
mod choices;
mod cli;
mod compare;
mod data;
mod desktop;
mod engine;
mod families;
mod graphics;
mod inpaint;
mod latents;
mod metric;
mod network;
mod picture;
mod plane;
mod posterior;
mod recorded;
mod registry;
mod restoring;
mod score;
mod sde;
mod solver;
mod train;
mod window;
