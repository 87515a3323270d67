//! What a training reads: little worlds that the program draws, sets in files, and their order.

mod order;
mod sources;
mod worlds;
