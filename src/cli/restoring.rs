//! What `inpaint`, `colorize`, `restore` and `edit` share: an image is measured, and posterior samples are drawn with
//! an unconditional model.

use super::Failure;
use super::choices::{choice, defaulting};
use super::drive::{Done, Session};
use super::flow_options::square_images;
use super::options::{DeviceOption, RunOptions};
use super::output::{known, writable};
use crate::Pixels;
use crate::checkpoint::{Square, read_mask, read_photo, square, write_strip, write_tensors};
use crate::engine::{ModelReport, Restore};
use crate::network::{Array, Weights};
use crate::registry::Choice;
use crate::score::{Inpainting, Operator};
use crate::sde::Range;
use crate::solver::Method;
use crate::task::{Observation, Resampling, Restoration, Restored, Shows, psnr};
use clap::Arg;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What the options of a run start from.
const PRESET: &str =
    "settings that suit --method; p1000-reverse-diffusion once --solver pc, a predictor or a corrector is given";
/// Photos are read at most this wide and high.
const LONGEST: u32 = 4096;

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
    /// Strip of the original, the measurement and all samples (PNG, JPEG, WebP, GIF or BMP)
    #[arg(long, short, value_name = "FILE", default_value = "restored.png", help_heading = "Output")]
    output: PathBuf,
    /// Enlarge each pixel to N×N
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u8).range(1..=64), help_heading = "Output")]
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

/// The inverse problem.
pub(super) struct Question<'a> {
    pub(super) operator: Choice<dyn Operator>,
    /// A mask: white is masked.
    pub(super) mask: Option<&'a Path>,
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
    known(Some(&options.output), &["png", "jpg", "jpeg", "webp", "gif", "bmp"])?;
    known(options.tensor.as_deref(), &["safetensors"])?;
    let files: Vec<&PathBuf> = std::iter::once(&options.output).chain(&options.tensor).collect();
    files.iter().try_for_each(|file| writable(file))?;
    let mut session = Session::open(options.device.into())?;
    let model = session.inspect(options.run.model())?;
    let restoration = options.restoration(question, &model)?;
    let (seen, confidence) = see(options, question, &model, &mut session)?;
    let observation = Observation { picture: seen.clone(), confidence, shows: question.shows };
    let task = Restore { restoration: restoration.clone(), observation: observation.clone(), from: None };
    let Done { report, notices, output: restored, seconds } = session.perform(task)?;

    let unmeasured = question.strength < 1.0 && observation.confidence.is_none() && question.operator.is(&Inpainting);
    let row =
        if unmeasured { vec![&seen, &restored.pictures] } else { vec![&seen, &restored.measured, &restored.pictures] };
    write_strip(&options.output, &joined(&row), Range::Unit, options.zoom.into())?;
    if let Some(file) = &options.tensor {
        let array = |pixels: &Pixels<f32>| Array { shape: pixels.shape.to_vec(), values: pixels.values.to_vec() };
        let tensors = [("x".into(), array(&restored.pictures)), ("measured".into(), array(&restored.measured))];
        write_tensors(file, &Weights::from(tensors))?;
    }
    drop(session);
    let quality = (question.shows == Shows::Original).then(|| qualities(&observation, &restored));
    let device = &report.device.name;
    if options.json {
        println!(
            "{}",
            json!({
                "files": files, "seconds": seconds, "device": device, "restoration": restoration,
                "nfe": restored.nfe, "inconsistency": restored.inconsistency, "psnr": quality,
                "warnings": model.warnings, "notices": notices,
            })
        );
        return Ok(());
    }
    files.iter().for_each(|file| println!("wrote {}", file.display()));
    for (sample, inconsistency) in restored.inconsistency.iter().enumerate() {
        let close = quality.as_ref().map_or(String::new(), |quality| format!(", PSNR {:.1} dB", quality[sample]));
        println!("sample {}: ‖A(x) − y‖ {inconsistency:.5}{close}", sample + 1);
    }
    println!("{} samples, NFE {} each, {seconds:.1} s, {device}", restored.inconsistency.len(), restored.nfe);
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

/// The image at the size of the model, and the confidence in each pixel.
fn see(
    options: &RestoringOptions,
    question: &Question<'_>,
    model: &ModelReport,
    session: &mut Session,
) -> Result<(Pixels<f32>, Option<Pixels<f32>>), Failure> {
    let (channels, side) = square_images(model)?;
    let photo = read_photo(&options.image, LONGEST)?;
    let mut notes = photo.notes;
    let mask = match question.mask {
        None => None,
        Some(file) => {
            let mask = read_mask(file, [photo.image.width(), photo.image.height()])?;
            notes.extend(mask.notes);
            Some(mask.values)
        }
    };
    notes.iter().for_each(|note| session.progress.say(&format!("note: {note}")));
    let Square { picture, confidence } = square(&photo.image, mask.as_deref(), side);
    if mask.is_some() && confidence.iter().all(|&confidence| confidence >= 1.0) {
        return Err(Failure::Input("the mask is empty; paint the parts to fill in white".into()));
    }
    let confidence = mask.is_some().then(|| Pixels { shape: [1, 1, side, side], values: confidence.into() });
    let colours = Pixels { shape: [1, 3, side, side], values: picture.into() };
    Ok((colours.seen_by(channels), confidence))
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
