//! What a run leaves behind: a grid, an animation, tensors.

use super::Failure;
use super::drive::{Outcome, Recording};
use super::progress::Progress;
use super::scatter;
use crate::Pixels;
use crate::checkpoint::{Animation, write_animation, write_grid, write_tensors};
use crate::network::{Array, Weights};
use crate::sde::Range;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An animation has no more frames than this, taken evenly from the run.
const FRAMES: usize = 120;
/// How long an animation takes.
const ANIMATION: Duration = Duration::from_secs(6);
/// Pixels a side of a plot of points, before the zoom.
const PLOT: usize = 128;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputOptions {
    /// All samples as one picture (PNG, JPEG, WebP, GIF, BMP) [default: grid.png if nothing else is asked for]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How often each pixel is repeated
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u8).range(1..=64))]
    zoom: u8,
    /// The way from noise to data (GIF, or PNG that moves)
    #[arg(long, value_name = "FILE")]
    animate: Option<PathBuf>,
    /// The samples as numbers: safetensors with `x`, N×C×H×W
    #[arg(long, value_name = "FILE")]
    tensor: Option<PathBuf>,
    /// Print one JSON object about the run
    #[arg(long)]
    json: bool,
}

impl OutputOptions {
    /// Looks whether everything can be written, before time is spent on computing it.
    /// `more` is another file that will be written, if any.
    ///
    /// # Errors
    /// If a kind of file is not known or its place cannot be written to.
    pub(super) fn check(&self, more: Option<&Path>) -> Result<(), Failure> {
        let picture = self.picture(more);
        known(picture.as_deref(), &["png", "jpg", "jpeg", "webp", "gif", "bmp"])?;
        known(self.animate.as_deref(), &["gif", "png", "apng"])?;
        let mut files: Vec<&Path> =
            [picture.as_deref(), self.animate.as_deref(), self.tensor.as_deref(), more].into_iter().flatten().collect();
        files.iter().try_for_each(|file| writable(file))?;
        files.sort();
        match files.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                Err(Failure::Usage(format!("{:?} is named for two outputs; give each its own file", pair[0])))
            }
            None => Ok(()),
        }
    }

    /// What is needed of the moments on the way.
    pub(super) fn recording(&self) -> Recording {
        if self.animate.is_some() { Recording::Moments } else { Recording::Nothing }
    }

    /// Writes what was asked for and returns the files. `more` is as in [`Self::check`].
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn write(
        &self,
        outcome: &Outcome,
        more: Option<&Path>,
        progress: &mut Progress,
    ) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        let samples = &outcome.last.newest.x;
        if let Some(file) = self.picture(more) {
            let view = View::of(outcome, usize::from(self.zoom));
            write_grid(&file, &view.picture(samples), view.range, view.zoom)?;
            files.push(file);
        }
        if let Some(file) = &self.animate {
            write_animation(file, &self.animation(outcome), &mut |share| {
                progress.writing(share);
                true
            })?;
            files.push(file.clone());
        }
        if let Some(file) = &self.tensor {
            let array = Array { shape: samples.shape.to_vec(), values: samples.values.to_vec() };
            write_tensors(file, &Weights::from([("x".into(), array)]))?;
            files.push(file.clone());
        }
        Ok(files)
    }

    /// Tells on stdout what was done.
    ///
    /// # Errors
    /// Never in practice: a run is always JSON.
    pub(super) fn tell(&self, outcome: &Outcome, files: &[PathBuf]) -> Result<(), Failure> {
        let (progress, report) = (&outcome.last.progress, &outcome.report);
        if self.json {
            let told = json!({
                "files": files,
                "seconds": outcome.seconds(),
                "nfe": progress.nfe,
                "evaluations_per_second": outcome.evaluations_per_second(),
                "device": report.device.name,
                "warnings": report.model.warnings,
                "notices": outcome.notices,
                "run": report.run,
            });
            println!("{told}");
            return Ok(());
        }
        for file in files {
            println!("wrote {}", file.display());
        }
        println!(
            "{} samples, {} network evaluations each, {:.1} s, {:.1} evaluations/s, {}",
            report.run.count.get(),
            progress.nfe,
            outcome.seconds(),
            outcome.evaluations_per_second(),
            report.device.name
        );
        Ok(())
    }

    /// The picture to write: the one asked for, or `grid.png` where nothing at all was.
    fn picture(&self, more: Option<&Path>) -> Option<PathBuf> {
        let nothing = self.animate.is_none() && self.tensor.is_none() && more.is_none();
        self.output.clone().or_else(|| nothing.then(|| "grid.png".into()))
    }

    fn animation(&self, outcome: &Outcome) -> Animation {
        let view = View::of(outcome, usize::from(self.zoom));
        let timeline = &outcome.last.timeline;
        let frames: Vec<_> = evenly(timeline.len(), FRAMES)
            .filter_map(|index| timeline.get(index))
            .map(|moment| view.picture(&moment.x))
            .collect();
        let frame_time = (ANIMATION / frames.len().max(1) as u32).max(Duration::from_millis(20));
        Animation { frames, range: view.range, frame_time, zoom: view.zoom }
    }
}

/// How states become pictures: as they are, or as points.
struct View {
    range: Range,
    /// Enlargement when written.
    zoom: usize,
    /// Reach and side of the plot, for samples that are no pictures.
    plot: Option<(f32, usize)>,
}

impl View {
    fn of(outcome: &Outcome, zoom: usize) -> View {
        match outcome.report.model.range {
            Some(_) => View { range: outcome.report.range, zoom, plot: None },
            // Points are drawn in the final size, so that they stay round.
            None => {
                let plot = (scatter::extent(&outcome.last.newest.x), PLOT * zoom);
                View { range: Range::Unit, zoom: 1, plot: Some(plot) }
            }
        }
    }

    fn picture(&self, state: &Pixels<f32>) -> Pixels<f32> {
        match self.plot {
            Some((extent, side)) => scatter::draw(state, extent, side),
            None => state.clone(),
        }
    }
}

/// Up to `most` indices below `length`, evenly spread, with the first and the last.
fn evenly(length: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = length.min(most);
    (0..count).map(move |place| if count > 1 { place * (length - 1) / (count - 1) } else { 0 })
}

/// Whether the file's extension is one of these.
pub(super) fn known(file: Option<&Path>, extensions: &[&str]) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let extension = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if extensions.contains(&extension.as_str()) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{file:?} names no kind of file that is known here; end it in .{}",
        extensions.join(", .")
    )))
}

/// Whether a file can be made there. Leaves nothing behind.
pub(super) fn writable(file: &Path) -> Result<(), Failure> {
    let cannot = |why: &str| Failure::Output(format!("{file:?} cannot be written: {why}; choose another place"));
    if file.is_dir() {
        return Err(cannot("it is a folder"));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(folder).map(drop).map_err(|error| cannot(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_spread_from_the_first_moment_to_the_last() {
        assert_eq!(evenly(10, 4).collect::<Vec<_>>(), [0, 3, 6, 9]);
        assert_eq!(evenly(3, 120).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(evenly(1, 120).collect::<Vec<_>>(), [0]);
        assert_eq!(evenly(0, 120).count(), 0);
    }
}
