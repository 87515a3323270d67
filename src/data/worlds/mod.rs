//! Little worlds: landscapes of six kinds, drawn by the program itself, as many as are asked for.
//!
//! A picture is a function of the seed and its number, to the bit on every machine: random words from counters, and
//! plain arithmetic in a fixed order.

mod canvas;
mod kinds;
mod scene;

use crate::solver::{Purpose, Words};
use scene::{Dice, Scene};

/// What a picture may show, in the order of their labels.
pub const KINDS: [&str; 6] = {
    let mut names = [""; 6];
    let mut kind = 0;
    while kind < names.len() {
        names[kind] = kinds::ALL[kind].0;
        kind += 1;
    }
    names
};

/// Which of [`KINDS`] a picture shows: each sixth is of the same.
pub fn kind(index: u64) -> usize {
    (index % KINDS.len() as u64) as usize
}

/// Draws picture number `index` of those of a seed into `levels`: 3×`size`×`size` grey levels. The same scene is
/// drawn at any size.
pub fn draw(seed: u64, index: u64, size: usize, levels: &mut [u8]) {
    let number = kind(index);
    let (name, paint) = kinds::ALL[number];
    let mut dice = Words::new(seed, Purpose::World, index);
    let mirrored = dice.chance(0.5);
    let mut scene = Scene::new(number, name == kinds::NIGHT, size, dice);
    paint(&mut scene);
    scene.canvas.average(mirrored, levels);
}
