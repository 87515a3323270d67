//! What `inpaint`, `colorize`, `restore` and `edit` share: an image is measured, and posterior samples are drawn with
//! an unconditional model.

use super::Failure;
use super::choices::{choice, defaulting};
use super::drive::{Done, Session};
use super::flow_options::square_images;
use super::options::{DeviceOption, RunOptions};
use super::output::{PICTURES, check_files, fit, known, names};
use crate::Pixels;
use crate::checkpoint::{
    Layout, Square, central_square, longest_side, read_mask, read_photo, square, write_photo, write_samples,
    write_strip,
};
use crate::engine::{ModelReport, Restore};
use crate::pixels::Inlay;
use crate::registry::Choice;
use crate::score::{Inpainting, Operator};
use crate::sde::Range;
use crate::solver::Method;
use crate::task::{Observation, Resampling, Restoration, Restored, Shows, psnr};
use clap::Arg;
use image::RgbImage;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Samples of one photo.
const MOST: usize = 10_000;

/// What the options of a run start from.
const PRESET: &str =
    "settings that suit --method; p1000-reverse-diffusion once --solver pc, a predictor or a corrector is given";

/// Coverage that is as good as none, as that of masks of 0 and 1.
const FAINTEST: u8 = 1;

/// How samples of the posterior are drawn, and where they go.
#[derive(Debug, clap::Args)]
#[command(mut_arg("count", |arg| arg.default_value("4")), mut_arg("preset", |arg| defaulting(arg, PRESET)))]
#[command(mut_args(suiting))]
pub(super) struct RestoringOptions {
    /// Image, of which the central square is used
    #[arg(long, short, value_name = "FILE")]
    pub(super) image: PathBuf,
    #[command(flatten)]
    run: RunOptions,
    /// How the measurement is enforced: null-space, projection, pigdm[:WEIGHT], dps[:ZETA] or exact
    #[arg(long, value_name = "METHOD", default_value_t = Restoration::default().method, value_parser = choice::<dyn Method>, help_heading = "Posterior")]
    method: Choice<dyn Method>,
    /// Repeat each jump of J steps K times, re-noising in between (RePaint); K = 1 disables it
    /// [default: 2:3 with null-space and projection]
    #[arg(long, value_name = "J:K", value_parser = resampling, help_heading = "Posterior")]
    resample: Option<Resampling>,
    /// Standard deviation of the measurement noise, for images in [0, 1]
    #[arg(long, value_name = "σ_y", default_value_t = 0.0, allow_negative_numbers = true, help_heading = "Posterior")]
    noise: f64,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// Photo at its full size with a sample in it (PNG, JPEG, WebP, GIF or BMP); of several samples, NAME-1.png,
    /// NAME-2.png, …
    #[arg(long, short, value_name = "FILE", default_value = "restored.png", help_heading = "Output")]
    output: PathBuf,
    /// Strip of the original, the measurement and all samples, as the model sees them (PNG, JPEG, WebP, GIF or BMP)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    strip: Option<PathBuf>,
    /// Enlarge each pixel of the strip to N×N
    #[arg(long, value_name = "N", default_value = "4", allow_negative_numbers = true, value_parser = clap::value_parser!(u8).range(1..=64), help_heading = "Output")]
    zoom: u8,
    /// Samples as a tensor: safetensors with `x`, N×C×H×W in [0, 1], and the measurement, `measured`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    tensor: Option<PathBuf>,
    /// Print a JSON summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// What the preset would decide is otherwise the method's.
fn suiting(arg: Arg) -> Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if help.ends_with("[default: the preset's]") {
        defaulting(arg, "the preset's, else what suits --method")
    } else {
        arg
    }
}

/// A mask file, and how it is read.
#[derive(Debug, clap::Args)]
pub(super) struct MaskOptions {
    /// Mask of the image's size or aspect ratio: white is filled in, black is kept, grey is partly kept; of a mask with
    /// transparency, the transparent part is filled in
    #[arg(long, value_name = "FILE", display_order = 0)]
    mask: Option<PathBuf>,
    /// Fill in what the mask keeps, and keep what it fills in
    #[arg(long, display_order = 1, requires = "mask")]
    invert_mask: bool,
}

impl MaskOptions {
    /// The mask, if one was given.
    pub(super) fn given(&self) -> Option<Mask<'_>> {
        self.mask.as_deref().map(|file| Mask { file, inverted: self.invert_mask })
    }
}

/// Which part of an image is masked.
pub(super) struct Mask<'a> {
    file: &'a Path,
    inverted: bool,
}

/// The inverse problem.
pub(super) struct Question<'a> {
    pub(super) operator: Choice<dyn Operator>,
    /// Which part of the image is masked, where only a part is.
    pub(super) mask: Option<Mask<'a>>,
    pub(super) shows: Shows,
    /// Where the samples start: 1 is the prior.
    pub(super) strength: f64,
}

impl Question<'_> {
    /// Whether there is a measurement that samples could agree with.
    fn measures(&self) -> bool {
        !self.operator.is(&Inpainting) || self.mask.is_some()
    }
}

/// Draws the samples, writes them and reports on them.
pub(super) fn execute(options: &RestoringOptions, question: &Question<'_>) -> Result<(), Failure> {
    known(Some(&options.output), &PICTURES)?;
    known(options.strip.as_deref(), &PICTURES)?;
    known(options.tensor.as_deref(), &["safetensors"])?;
    let count = options.run.count().get();
    if count > MOST {
        return Err(Failure::Usage(format!(
            "{count} samples is out of range; choose 1 to {MOST}, each a file of its own"
        )));
    }
    let answers = numbered(&options.output, count);
    let files: Vec<&PathBuf> = answers.iter().chain(&options.strip).chain(&options.tensor).collect();
    check_files(files.iter().map(|file| file.as_path()))?;
    let mut session = Session::open(options.device.into())?;
    let model = session.inspect(options.run.model())?;
    let restoration = options.restoration(question, &model)?;
    let seen = Seen::new(options, question, &model, &mut session)?;
    let Seen { observation, .. } = &seen;
    let unmeasured = question.strength < 1.0 && observation.confidence.is_none() && question.operator.is(&Inpainting);
    let row = [answers.len() + if unmeasured { 1 } else { 2 }, model.shape[0], model.shape[1], model.shape[2]];
    let strip = options.strip.iter().map(PathBuf::as_path);
    let zoom = fit(strip, row, Layout::Strip, options.zoom.into(), &mut session.progress)?;
    let task = Restore { restoration: restoration.clone(), observation: observation.clone(), from: None };
    let Done { report, notices, output: restored, seconds } = session.perform(task)?;

    seen.write(&answers, &restored.pictures)?;
    if let Some(file) = &options.strip {
        let measured = (!unmeasured).then_some(&restored.measured);
        let row: Vec<_> = [&observation.picture].into_iter().chain(measured).chain([&restored.pictures]).collect();
        write_strip(file, &joined(&row), Range::Unit, zoom)?;
    }
    if let Some(file) = &options.tensor {
        write_samples(file, &[("x", &restored.pictures), ("measured", &restored.measured)], true)?;
    }
    drop(session);
    let quality = (question.shows == Shows::Original).then(|| qualities(observation, &restored));
    let device = &report.device.name;
    if options.json {
        println!(
            "{}",
            json!({
                "files": names(&files), "seconds": seconds, "device": device, "restoration": restoration,
                "nfe": restored.nfe, "inconsistency": restored.inconsistency, "psnr": quality,
                "warnings": model.warnings, "notices": notices,
            })
        );
        return Ok(());
    }
    files.iter().for_each(|file| say!("wrote {}", file.display()));
    for (sample, inconsistency) in restored.inconsistency.iter().enumerate() {
        let close = quality.as_ref().map_or(String::new(), |quality| format!(", PSNR {:.1} dB", quality[sample]));
        say!("sample {}: ‖A(x) − y‖ {inconsistency:.5}{close}", sample + 1);
    }
    say!("{} samples, NFE {} each, {seconds:.1} s, {device}", restored.inconsistency.len(), restored.nfe);
    Ok(())
}

impl RestoringOptions {
    fn restoration(&self, question: &Question<'_>, model: &ModelReport) -> Result<Restoration, Failure> {
        let base = Restoration::default_for(self.method.clone());
        let restoration = Restoration {
            run: self.run.over(base.run.clone(), model.family)?,
            operator: question.operator.clone(),
            noise: self.noise,
            resampling: self.resample.or(base.resampling.filter(|_| question.measures())),
            strength: question.strength,
            ..base
        };
        restoration.check()?;
        Ok(restoration)
    }
}

/// What the model is given, and the photo that it is of.
struct Seen {
    observation: Observation,
    photo: RgbImage,
    /// Where samples go in the photo.
    inlay: Inlay,
}

impl Seen {
    fn new(
        options: &RestoringOptions,
        question: &Question<'_>,
        model: &ModelReport,
        session: &mut Session,
    ) -> Result<Seen, Failure> {
        let (channels, side) = square_images(model)?;
        let photo = read_photo(&options.image, u32::MAX)?;
        let (mut notes, photo) = (photo.notes, photo.image);
        let size = [photo.width(), photo.height()];
        let longest = longest_side(&options.output)?;
        if size.iter().any(|&side| side as usize > longest) {
            let ([width, height], output) = (size, &options.output);
            let why = format!("the photo's {width}×{height} pixels are too large for {output:?}; write a PNG");
            return Err(Failure::Usage(why));
        }
        let central = central_square(photo.width(), photo.height());
        let mask = question.mask.as_ref().map(|mask| mask.read(size, central, &mut notes)).transpose()?;
        notes.iter().for_each(|note| session.progress.say(&format!("note: {note}")));
        let Square { picture, confidence } = square(&photo, mask.as_deref().map(Vec::as_slice), side);
        let confidence = mask.is_some().then(|| Pixels { shape: [1, 1, side, side], values: confidence.into() });
        let size = size.map(|side| side as usize);
        let inlay = match mask {
            Some(mask) => Inlay::masked(size, mask, central, side),
            None => Inlay::whole(size, central),
        };
        let colours = Pixels { shape: [1, 3, side, side], values: picture.into() };
        let picture = colours.seen_by(channels);
        Ok(Seen { observation: Observation { picture, confidence, shows: question.shows }, photo, inlay })
    }

    /// Writes the photo at its full size with each sample in it, to a file each.
    fn write(&self, files: &[PathBuf], samples: &Pixels<f32>) -> Result<(), Failure> {
        for (sample, file) in files.iter().enumerate() {
            let mut photo = self.photo.clone();
            self.inlay.lay(&mut photo, samples, sample).map_err(Failure::Running)?;
            write_photo(file, &photo)?;
        }
        Ok(())
    }
}

impl Mask<'_> {
    /// The mask of a photo of this size, of which the `central` square is used, row by row.
    fn read(&self, size: [u32; 2], central: [u32; 3], notes: &mut Vec<String>) -> Result<Arc<Vec<u8>>, Failure> {
        let mut mask = read_mask(self.file, size)?;
        if self.inverted {
            mask.values.iter_mut().for_each(|value| *value = 255 - *value);
        }
        let empty =
            |why: &str| Err(Failure::Input(format!("{why}; paint the parts to fill in white, or give --invert-mask")));
        let [left, top, side] = central.map(|part| part as usize);
        let rows = mask.values.chunks_exact((size[0] as usize).max(1)).skip(top).take(side);
        let inside = rows.flat_map(|row| row.iter().skip(left).take(side)).filter(|&&value| value > FAINTEST).count();
        let all = mask.values.iter().filter(|&&value| value > FAINTEST).count();
        if all == 0 {
            return mask.faint.map_or_else(|| empty("the mask is empty"), |why| Err(Failure::Input(why)));
        }
        if inside == 0 {
            return Err(Failure::Input(format!(
                "the mask lies outside the central {side}×{side} square, the part of the photo that is used; crop the \
                 photo and the mask about it"
            )));
        }
        if inside < all {
            notes.push(format!(
                "Only the central {side}×{side} square of the photo is used; parts of the mask outside it are ignored."
            ));
        }
        notes.extend(mask.notes);
        Ok(Arc::new(mask.values))
    }
}

/// The files of so many samples: the one that was given, or numbered ones after it.
fn numbered(file: &Path, count: usize) -> Vec<PathBuf> {
    if count == 1 {
        return vec![file.into()];
    }
    let (stem, extension) = (file.file_stem().unwrap_or_default(), file.extension().unwrap_or_default());
    let name = |number: usize| {
        let mut name = stem.to_owned();
        name.push(format!("-{number}."));
        name.push(extension);
        file.with_file_name(name)
    };
    (1..=count).map(name).collect()
}

/// PSNR in dB of each sample; with a mask, over the masked part.
fn qualities(observation: &Observation, restored: &Restored) -> Vec<f64> {
    let [count, channels, h, w] = restored.pictures.shape;
    let plane = h * w;
    let is_hidden =
        |place: usize| observation.confidence.as_ref().is_none_or(|confidence| confidence.values[place % plane] < 1.0);
    let hidden = |values: &[f32]| -> Vec<f32> {
        (0..channels * plane).filter(|&place| is_hidden(place)).map(|place| values[place].clamp(0.0, 1.0)).collect()
    };
    let original = hidden(observation.picture.sample(0));
    (0..count).map(|sample| psnr(&original, &hidden(restored.pictures.sample(sample)))).collect()
}

/// Images of one shape as one batch.
fn joined(parts: &[&Pixels<f32>]) -> Pixels<f32> {
    let [_, c, h, w] = parts.first().map_or([0; 4], |part| part.shape);
    let values: Vec<f32> = parts.iter().flat_map(|part| part.values.iter().copied()).collect();
    Pixels { shape: [parts.iter().map(|part| part.shape[0]).sum(), c, h, w], values: values.into() }
}

fn resampling(text: &str) -> Result<Resampling, String> {
    let numbers = text.split_once(':').and_then(|(jump, times)| Some((jump.parse().ok()?, times.parse().ok()?)));
    let (jump, times) = numbers.ok_or("not J:K; give the jump length and the repeats, such as 10:5")?;
    Resampling::new(jump, times).map_err(|error| error.to_string())
}
