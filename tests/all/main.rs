//! All tests of the program through its public face, a module for each capability.
//! One binary, so that the large dependencies are linked once.

mod checkpoint;
mod engine;
mod families;
mod network;
mod score;
mod window;
