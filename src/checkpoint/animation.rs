use super::FileError;
use crate::Pixels;
use crate::score::Range;
use std::path::Path;
use std::time::Duration;

/// A series of grids to be played in a loop.
#[derive(Clone, Debug)]
pub struct Animation {
    /// One entry a frame, in order.
    pub frames: Vec<Pixels<f32>>,
    /// The values that show as black and white, for each frame's data.
    pub range: Range,
    /// How long each frame is shown; the last one is held for a second.
    pub frame_time: Duration,
    /// Enlargement without smoothing.
    pub zoom: usize,
}

/// Writes a GIF or, for `.png` and `.apng`, an animated PNG. `progress` is told the share done
/// and answers whether to go on; when it says no, nothing is written and `Ok` returned.
///
/// # Errors
/// If the extension is not known, there is no frame, or the file cannot be written.
pub fn write_animation(
    path: &Path,
    animation: &Animation,
    progress: &mut dyn FnMut(f32) -> bool,
) -> Result<(), FileError> {
    let _ = (path, animation, progress);
    todo!("helper: checkpoint")
}
