//! How much memory one evaluation takes, known before anything is built.

use super::config::bound;
use super::{Architecture, InvalidConfig, Stage};

/// Bytes that the features of one evaluation may take: ten times what published networks for 1024 pixels do.
const MOST: u64 = 8 << 30;
/// Channels are kept in groups of so many.
const GROUP: usize = 16;

/// Bytes of features that one evaluation of one image takes at once, as estimated from the architecture.
pub fn peak_memory(architecture: &Architecture) -> u64 {
    peak(&architecture.outline())
}

/// Bytes of features of one image that are held at once, at most: what was kept for later layers, and in a layer its
/// input, joined and normalised, and its output with what convolutions and attention make of it first, as measured.
fn peak(stages: &[Stage]) -> u64 {
    let features = |channels: usize, [height, width]: [usize; 2]| {
        let channels = channels.next_multiple_of(GROUP) as u64;
        (4 * channels).saturating_mul(height as u64).saturating_mul(width as u64)
    };
    let size = |stage: &Stage| [stage.side, stage.width];
    let output = |stage: &Stage| features(stage.channels[1], size(stage));
    let (mut held, mut most): (u64, u64) = (0, 0);
    let joined: Vec<usize> = stages.iter().filter_map(|stage| stage.joins).collect();
    for (index, stage) in stages.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| stages.get(before));
        let input = features(stage.channels[0], before.map_or(size(stage), size).max(size(stage)));
        let layer = input.saturating_mul(2).saturating_add(output(stage).saturating_mul(4));
        most = most.max(held.saturating_add(layer));
        if joined.contains(&index) {
            held = held.saturating_add(output(stage));
        }
        // What joins here is not needed any more.
        let done = stage.joins.and_then(|from| stages.get(from));
        held = held.saturating_sub(done.map_or(0, output));
    }
    most
}

/// Refuses networks whose evaluation takes more than [`MOST`].
pub(super) fn check(stages: &[Stage]) -> Result<(), InvalidConfig> {
    let (bytes, gigabytes) = (peak(stages), |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9));
    let rule = format!("at most {}", gigabytes(MOST));
    bound(bytes <= MOST, "the memory of one evaluation", gigabytes(bytes), &rule)
}
