//! What a run leaves behind: a grid, an animation, tensors.

use super::Failure;
use super::drive::{Outcome, Recording};
use super::progress::Progress;
use super::scatter;
use crate::Pixels;
use crate::checkpoint::{
    Animation, Layout, check_writable, fitting_zoom, longest_side, write_animation, write_grid, write_picture,
    write_samples,
};
use crate::engine::ModelReport;
use crate::sde::{Range, unit};
use crate::task::Count;
use crate::text::counted;
use rayon::prelude::*;
use serde_json::json;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An animation has no more frames than this, taken evenly from the run.
const FRAMES: usize = 120;
/// How long an animation takes.
const ANIMATION: Duration = Duration::from_secs(6);
/// Pixels a side of a plot of points, before the zoom.
const PLOT: usize = 128;
/// Endings of the pictures that are written.
pub(super) const PICTURES: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "bmp"];
/// Endings of animations.
pub(super) const ANIMATIONS: [&str; 4] = ["gif", "png", "apng", "webp"];

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputOptions {
    /// Grid of all samples (PNG, JPEG, WebP, GIF or BMP) [default: grid.png, unless another output is given]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Enlarge each pixel to N×N
    #[arg(long, value_name = "N", default_value = "4", allow_negative_numbers = true, value_parser = clap::value_parser!(u8).range(1..=64))]
    zoom: u8,
    /// Animation from noise to data (GIF, animated PNG or animated WebP)
    #[arg(long, value_name = "FILE")]
    animate: Option<PathBuf>,
    /// Folder for each sample as an image of its own, at its own size: 000000.png, 000001.png, …
    #[arg(long, value_name = "FOLDER")]
    images: Option<PathBuf>,
    /// Samples as a tensor: safetensors with `x`, N×C×H×W, images in [0, 1]
    #[arg(long, value_name = "FILE")]
    tensor: Option<PathBuf>,
    /// Print a JSON summary of the run
    #[arg(long)]
    json: bool,
}

impl OutputOptions {
    /// Looks whether everything can be written, before time is spent on computing it.
    /// `more` is another file that will be written, if any.
    ///
    /// # Errors
    /// If an extension is unsupported or a location cannot be written to.
    pub(super) fn check(&self, more: Option<&Path>) -> Result<(), Failure> {
        let picture = self.picture(more);
        known(picture.as_deref(), &PICTURES)?;
        known(self.animate.as_deref(), &ANIMATIONS)?;
        known(self.tensor.as_deref(), &["safetensors"])?;
        let files = [picture.as_deref(), self.animate.as_deref(), self.tensor.as_deref(), more];
        check_files(files.into_iter().flatten())
    }

    /// Looks whether the pictures can be written that `count` samples of a model make, and how large their pixels are.
    /// `more` is as in [`Self::check`].
    ///
    /// # Errors
    /// If they are too large at any zoom, or the folder of images cannot be written to.
    pub(super) fn fit(
        &self,
        more: Option<&Path>,
        model: &ModelReport,
        count: Count,
        progress: &mut Progress,
    ) -> Result<usize, Failure> {
        if let Some(folder) = &self.images {
            if model.range.is_none() {
                let why = format!("--images needs a model of images, and {} is not one; use --tensor", model.name);
                return Err(Failure::Usage(why));
            }
            check_images(folder, count.get())?;
        }
        let [channels, height, width] = if model.range.is_some() { model.shape } else { [3, PLOT, PLOT] };
        let count = if model.range.is_some() { count.get() } else { 1 };
        let (shape, picture) = ([count, channels, height, width], self.picture(more));
        let files = picture.iter().chain(&self.animate).map(PathBuf::as_path);
        fit(files, shape, Layout::Grid, self.zoom.into(), progress)
    }

    /// Which recorded steps are needed.
    pub(super) fn recording(&self) -> Recording {
        if self.animate.is_some() { Recording::Moments } else { Recording::Nothing }
    }

    /// Writes what was asked for, with pixels as large as [`Self::fit`] found, and returns the files. `more` is as in
    /// [`Self::check`].
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn write(
        &self,
        outcome: &Outcome,
        more: Option<&Path>,
        zoom: usize,
        progress: &mut Progress,
    ) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        let samples = &outcome.last.newest.x;
        if let Some(folder) = &self.images {
            write_images(folder, samples, outcome.report.range)?;
            files.push(folder.clone());
        }
        if let Some(file) = self.picture(more) {
            let view = View::of(outcome, zoom);
            write_grid(&file, &view.picture(samples), view.range, view.zoom)?;
            files.push(file);
        }
        if let Some(file) = &self.animate {
            write_animation(file, &animation(outcome, zoom), &mut |share| {
                progress.writing(share);
                true
            })?;
            files.push(file.clone());
        }
        if let Some(file) = &self.tensor {
            let range = outcome.report.model.range.map(|_| outcome.report.range);
            write_samples(file, &[("x", &unit(samples, range))], range.is_some())?;
            files.push(file.clone());
        }
        Ok(files)
    }

    /// Reports on stdout what was done.
    ///
    /// # Errors
    /// Never in practice: a run is always JSON.
    pub(super) fn print(&self, outcome: &Outcome, files: &[PathBuf]) -> Result<(), Failure> {
        let (progress, report) = (&outcome.last.progress, &outcome.report);
        if self.json {
            let summary = json!({
                "files": names(files),
                "seconds": outcome.seconds(),
                "nfe": progress.nfe,
                "evaluations_per_second": outcome.evaluations_per_second(),
                "device": report.device.name,
                "warnings": report.model.warnings,
                "notices": outcome.notices,
                "run": report.run,
            });
            println!("{summary}");
            return Ok(());
        }
        for file in files {
            say!("wrote {}", file.display());
        }
        say!(
            "{}, NFE {} each, {:.1} s, {:.1} score evaluations/s over all samples, {}",
            counted(report.run.count.get(), "sample"),
            progress.nfe,
            outcome.seconds(),
            outcome.evaluations_per_second(),
            report.device.name
        );
        Ok(())
    }

    /// The image to write: the one asked for, or `grid.png` where nothing at all was.
    fn picture(&self, more: Option<&Path>) -> Option<PathBuf> {
        let others = [self.animate.as_deref(), self.images.as_deref(), self.tensor.as_deref(), more];
        let nothing = others.iter().all(Option::is_none);
        self.output.clone().or_else(|| nothing.then(|| "grid.png".into()))
    }
}

fn animation(outcome: &Outcome, zoom: usize) -> Animation {
    let view = View::of(outcome, zoom);
    let timeline = &outcome.last.timeline;
    let frames: Vec<_> = evenly(timeline.len(), FRAMES)
        .filter_map(|index| timeline.get(index))
        .map(|recorded| view.picture(&recorded.x))
        .collect();
    let frame_time = (ANIMATION / frames.len().max(1) as u32).max(Duration::from_millis(20));
    Animation { frames, range: view.range, frame_time, zoom: view.zoom }
}

/// How states become images: as they are, or as points.
struct View {
    range: Range,
    /// Enlargement when written.
    zoom: usize,
    /// Extent and side of the plot, for samples that are not images.
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
    Err(Failure::Usage(format!("{file:?} has an unsupported extension; use .{}", extensions.join(", ."))))
}

/// Looks whether all these files can be made, each its own. Leaves nothing behind.
///
/// # Errors
/// If one cannot, or two are the same.
pub(super) fn check_files<'a>(files: impl Iterator<Item = &'a Path>) -> Result<(), Failure> {
    let mut files: Vec<&Path> = files.collect();
    files.iter().try_for_each(|file| check_writable(file))?;
    files.sort();
    match files.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Failure::Usage(format!("{:?} is given for two outputs; give each its own file", pair[0]))),
        None => Ok(()),
    }
}

/// The largest enlargement up to `zoom` at which samples of this shape (N, C, H, W) fit into all these files; says so
/// where it is less than was asked for.
///
/// # Errors
/// If they do not fit as they are.
pub(super) fn fit<'a>(
    files: impl Iterator<Item = &'a Path>,
    shape: [usize; 4],
    layout: Layout,
    zoom: usize,
    progress: &mut Progress,
) -> Result<usize, Failure> {
    let mut fits = zoom;
    for file in files {
        let found = fitting_zoom(shape, layout, fits, longest_side(file).unwrap_or(usize::MAX));
        fits = found.ok_or_else(|| {
            let [count, _, height, width] = shape;
            let what = match layout {
                Layout::Grid => "a grid",
                Layout::Strip => "a row",
            };
            Failure::Usage(format!(
                "{what} of {count} images of {width}×{height} pixels is too large for {file:?}; choose fewer, or write \
                 each on its own"
            ))
        })?;
    }
    if fits < zoom {
        progress.say(&format!(
            "note: the zoom is reduced from {zoom} to {fits}, as the image would be too large otherwise"
        ));
    }
    Ok(fits)
}

/// The name of one of so many images in a folder; all are equally long.
fn numbered(index: usize, count: usize) -> String {
    let digits = count.saturating_sub(1).to_string().len().max(6);
    format!("{index:0digits$}.png")
}

/// Looks whether so many numbered images can be written to a folder, which then holds nothing else: tools that measure
/// all images of a folder would count what was there before.
///
/// # Errors
/// If it cannot be written to, or holds other files.
pub(super) fn check_images(folder: &Path, count: usize) -> Result<(), Failure> {
    if !folder.exists() {
        // Made when it is written to, with the folders above it.
        let above = folder.ancestors().skip(1).find(|above| above.exists());
        return Ok(check_writable(&above.unwrap_or(Path::new("")).join(numbered(0, count)))?);
    }
    let failed =
        |error| Failure::Output(format!("{folder:?} cannot be written: {error}; choose a new or empty folder"));
    let entries = fs::read_dir(folder).map_err(failed)?;
    let ours = |name: &OsStr| {
        let number = name.to_str().and_then(|name| name.strip_suffix(".png")?.parse().ok());
        number.is_some_and(|index: usize| index < count && name == OsStr::new(&numbered(index, count)))
    };
    if let Some(other) = entries.filter_map(Result::ok).map(|entry| entry.file_name()).find(|name| !ours(name)) {
        return Err(Failure::Output(format!(
            "{folder:?} already holds {other:?}, which would be counted among the images; choose a new or empty folder"
        )));
    }
    Ok(check_writable(&folder.join(numbered(0, count)))?)
}

/// Writes each picture to the folder as a PNG of its own size.
///
/// # Errors
/// If one cannot be written.
pub(super) fn write_images(folder: &Path, pictures: &Pixels<f32>, range: Range) -> Result<(), Failure> {
    let failed = |error| Failure::Output(format!("{folder:?} cannot be created: {error}; choose another location"));
    fs::create_dir_all(folder).map_err(failed)?;
    let count = pictures.shape[0];
    let write = |index| write_picture(&folder.join(numbered(index, count)), pictures, index, range, 1);
    Ok((0..count).into_par_iter().try_for_each(write)?)
}

/// Paths as JSON has them, which need not be Unicode.
pub(super) fn names<P: AsRef<Path>>(files: &[P]) -> Vec<String> {
    files.iter().map(|file| file.as_ref().display().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_numbered_with_one_width() {
        assert_eq!([numbered(0, 16), numbered(15, 16)], ["000000.png", "000015.png"]);
        assert_eq!([numbered(7, 1_000_001), numbered(1_000_000, 1_000_001)], ["0000007.png", "1000000.png"]);
    }

    #[test]
    fn frames_are_spread_from_the_first_step_to_the_last() {
        assert_eq!(evenly(10, 4).collect::<Vec<_>>(), [0, 3, 6, 9]);
        assert_eq!(evenly(3, 120).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(evenly(1, 120).collect::<Vec<_>>(), [0]);
        assert_eq!(evenly(0, 120).count(), 0);
    }
}
