//! How well hidden regions are inpainted: each method, beside two baselines without a model.

use super::Failure;
use super::choices::choice;
use super::drive::Session;
use super::flow_options::{Pictures, square_images};
use super::options::{DeviceOption, seed};
use crate::Pixels;
use crate::engine::Restore;
use crate::registry::{Category, Choice};
use crate::solver::Method;
use crate::task::{Count, ModelRef, Observation, Restoration, Run, Shows, psnr};
use crate::text::counted;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer eval-inpaint photos.zip --limit 64
  score-explorer eval-inpaint photos/ --limit 16 --method null-space \\
      --method projection --json

Hides regions of each image with four masks (the centre square, the right half, 80% of all pixels at random, thick \
strokes), fills them in, and prints the mean PSNR of the hidden regions in dB with its standard error. Two baselines \
need no model: the nearest kept pixel, and diffusion of the kept pixels. A posterior sample is not the posterior mean: \
the more a mask hides, the further a good sample may be from the original.")]
pub(super) struct Args {
    /// Images, or folders and archives (.zip, .tar, .tar.gz) of them
    #[arg(required = true, value_name = "IMAGES")]
    images: Vec<PathBuf>,
    /// Model: a name from `models`, a checkpoint or exact:FOLDER
    #[arg(long, short, default_value_t = Run::default().model)]
    model: ModelRef,
    /// Use at most N images, evenly spread over all that are given
    #[arg(long, alias = "pictures", value_name = "N", default_value_t = 64, allow_negative_numbers = true, value_parser = at_least_two)]
    limit: usize,
    /// Method to compare, repeatable: null-space, projection, pigdm[:WEIGHT], dps[:ZETA] or exact
    /// [default: all that do not need an exact model]
    #[arg(long, value_name = "METHOD", value_parser = choice::<dyn Method>)]
    method: Vec<Choice<dyn Method>>,
    /// Seed of all noise
    #[arg(long, short, default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    seed: u64,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// Print a JSON table
    #[arg(long)]
    json: bool,
}

/// A line of the table.
#[derive(Debug, Serialize)]
struct Line {
    filling: String,
    nfe: usize,
    /// For each mask.
    masks: Vec<Figure>,
}

#[derive(Debug, Serialize)]
struct Figure {
    mask: &'static str,
    /// Mean PSNR of the hidden regions in dB, and its standard error.
    psnr: f64,
    standard_error: f64,
    /// Largest difference of a kept value, after rounding to 8 bits.
    known_error: u8,
    /// Over all images.
    seconds: f64,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let mut session = Session::open(args.device.into())?;
    let model = session.inspect(&args.model)?;
    let all = Pictures::read(&args.images, &model, usize::MAX, &mut session.progress)?.pixels;
    let pictures = spread(&all, args.limit);
    let (_, side) = square_images(&model)?;
    let masks = masks(side);
    let mut lines =
        vec![plain("nearest kept pixel", &pictures, &masks, nearest), plain("diffusion", &pictures, &masks, diffusion)];
    let family = model.family.unwrap_or(Run::default().family);
    for (name, mut restoration) in restorations(&args.method)? {
        let run = Run { model: args.model.clone(), family, seed: args.seed, ..restoration.run };
        restoration.run = Run { count: Count::new(pictures.shape[0])?, ..run };
        lines.push(sampled(&name, &restoration, &pictures, &masks, &mut session)?);
    }
    drop(session);
    if args.json {
        println!("{}", serde_json::to_string(&lines)?);
        return Ok(());
    }
    let heads: String = masks.iter().map(|(name, _)| format!("{name:>22}")).collect();
    say!("PSNR of hidden regions in dB, {}", counted(pictures.shape[0], "image"));
    say!("{:<22}{:>6}{heads}", "", "NFE");
    for line in lines {
        let cell = |figure: &Figure| match figure.standard_error.is_finite() {
            true => format!("{:>22}", format!("{:.2} ± {:.2}", figure.psnr, figure.standard_error)),
            // Of one image there is none.
            false => format!("{:>22.2}", figure.psnr),
        };
        let cells: String = line.masks.iter().map(cell).collect();
        say!("{:<22}{:>6}{cells}", line.filling, line.nfe);
    }
    Ok(())
}

fn at_least_two(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number >= 2).ok_or_else(|| "not a whole number of 2 or more".into())
}

/// `most` of these images, evenly spread.
fn spread(all: &Pixels<f32>, most: usize) -> Pixels<f32> {
    let [total, c, h, w] = all.shape;
    let count = most.min(total);
    let values: Vec<f32> = (0..count).flat_map(|index| all.sample(index * total / count).to_vec()).collect();
    Pixels { shape: [count, c, h, w], values: values.into() }
}

/// The restorations to compare, each with its name.
fn restorations(methods: &[Choice<dyn Method>]) -> Result<Vec<(String, Restoration)>, Failure> {
    if !methods.is_empty() {
        return Ok(methods
            .iter()
            .map(|method| (method.to_string(), Restoration::default_for(method.clone())))
            .collect());
    }
    let mut all = Vec::new();
    for method in <dyn Method>::all().iter().filter(|method| !method.is_exact()) {
        let method = Choice::new(*method);
        let usual = Restoration::default_for(method.clone());
        if usual.resampling.is_some() {
            all.push((format!("{method}, no repeats"), Restoration { resampling: None, ..usual.clone() }));
        }
        all.push((method.to_string(), usual));
    }
    Ok(all)
}

fn sampled(
    name: &str,
    restoration: &Restoration,
    pictures: &Pixels<f32>,
    masks: &[(&'static str, Vec<bool>)],
    session: &mut Session,
) -> Result<Line, Failure> {
    let [_, _, h, w] = pictures.shape;
    let mut line = Line { filling: name.into(), nfe: 0, masks: Vec::new() };
    for (mask, hidden) in masks {
        let confidence: Vec<f32> = hidden.iter().map(|&hidden| if hidden { 0.0 } else { 1.0 }).collect();
        let confidence = Some(Pixels { shape: [1, 1, h, w], values: confidence.into() });
        let observation = Observation { picture: pictures.clone(), confidence, shows: Shows::Original };
        let done = session.perform(Restore { restoration: restoration.clone(), observation, from: None })?;
        line.nfe = done.output.nfe;
        line.masks.push(figure(mask, pictures, &done.output.pictures, hidden, done.seconds));
    }
    Ok(line)
}

/// A baseline without a model: one plane and what is hidden of it to a plane.
type Filling = fn(&[f32], &[bool], usize) -> Vec<f32>;

fn plain(name: &str, pictures: &Pixels<f32>, masks: &[(&'static str, Vec<bool>)], fill: Filling) -> Line {
    let [_, _, h, w] = pictures.shape;
    let one = |(mask, hidden): &(&'static str, Vec<bool>)| {
        let planes = pictures.values.chunks_exact(h * w);
        let values: Vec<f32> = planes.flat_map(|plane| fill(plane, hidden, w)).collect();
        figure(mask, pictures, &Pixels { shape: pictures.shape, values: values.into() }, hidden, 0.0)
    };
    Line { filling: name.into(), nfe: 0, masks: masks.iter().map(one).collect() }
}

fn figure(mask: &'static str, originals: &Pixels<f32>, filled: &Pixels<f32>, hidden: &[bool], seconds: f64) -> Figure {
    let part = |values: &[f32], of: bool| -> Vec<f32> {
        let places = values.iter().zip(hidden.iter().cycle());
        places.filter(|(_, hidden)| **hidden == of).map(|(value, _)| value.clamp(0.0, 1.0)).collect()
    };
    let byte = |value: f32| (255.0 * value).round() as u8;
    let count = originals.shape[0];
    let mut known_error = 0;
    let found: Vec<f64> = (0..count)
        .map(|sample| {
            let (original, filled) = (originals.sample(sample), filled.sample(sample));
            for (a, b) in part(original, false).into_iter().zip(part(filled, false)) {
                known_error = known_error.max(byte(a).abs_diff(byte(b)));
            }
            psnr(&part(original, true), &part(filled, true)).min(99.0)
        })
        .collect();
    let n = count as f64;
    let mean = found.iter().sum::<f64>() / n;
    let variance = found.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Figure { mask, psnr: mean, standard_error: (variance / n).sqrt(), known_error, seconds }
}

/// The masks, S×S: true is hidden.
fn masks(side: usize) -> Vec<(&'static str, Vec<bool>)> {
    let mask = |hidden: &dyn Fn(usize, usize) -> bool| (0..side * side).map(|i| hidden(i % side, i / side)).collect();
    let middle = side / 4..side - side / 4;
    // A linear congruential sequence (Knuth's MMIX): the same pixels every time.
    let mut state = 1u64;
    let random = (0..side * side)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) as f64) < 0.8 * f64::from(1u32 << 31)
        })
        .collect();
    // Three strokes across the picture, an eighth of its side thick.
    let strokes = [[0.05, 0.2, 0.9, 0.45], [0.15, 0.95, 0.6, 0.05], [0.3, 0.75, 0.95, 0.85]];
    let near = |x: usize, y: usize| {
        let at = [x, y].map(|place| (place as f64 + 0.5) / side as f64);
        strokes.iter().any(|&[x0, y0, x1, y1]| {
            let along = [x1 - x0, y1 - y0];
            let from = [at[0] - x0, at[1] - y0];
            let share = (along[0] * from[0] + along[1] * from[1]) / (along[0].powi(2) + along[1].powi(2));
            let share = share.clamp(0.0, 1.0);
            (from[0] - share * along[0]).hypot(from[1] - share * along[1]) < 1.0 / 16.0
        })
    };
    vec![
        ("centre square", mask(&|x, y| middle.contains(&x) && middle.contains(&y))),
        ("right half", mask(&|x, _| x >= side / 2)),
        ("random 80%", random),
        ("thick strokes", mask(&near)),
    ]
}

/// Each hidden pixel as the nearest kept one.
fn nearest(plane: &[f32], hidden: &[bool], width: usize) -> Vec<f32> {
    let known: Vec<usize> = (0..plane.len()).filter(|&place| !hidden[place]).collect();
    let place = |index: usize| (index % width, index / width);
    let apart = |a: usize, b: usize| {
        let ((ax, ay), (bx, by)) = (place(a), place(b));
        ax.abs_diff(bx).pow(2) + ay.abs_diff(by).pow(2)
    };
    let fill = |index: usize| match hidden[index] {
        true => known.iter().min_by_key(|&&other| apart(index, other)).map_or(0.5, |&other| plane[other]),
        false => plane[index],
    };
    (0..plane.len()).map(fill).collect()
}

/// The harmonic function with the kept pixels as its border: each hidden pixel is the mean of its neighbours
/// (successive over-relaxation, as diffusion-based inpainting has it).
fn diffusion(plane: &[f32], hidden: &[bool], width: usize) -> Vec<f32> {
    const RELAXATION: f32 = 1.8;
    const CLOSE: f32 = 1e-5;
    let mut filled = nearest(plane, hidden, width);
    let height = plane.len() / width.max(1);
    for _ in 0..10_000 {
        let mut moved = 0f32;
        for index in (0..plane.len()).filter(|&index| hidden[index]) {
            let (x, y) = (index % width, index / width);
            let sides = [
                (x > 0).then(|| index - 1),
                (x + 1 < width).then_some(index + 1),
                (y > 0).then(|| index - width),
                (y + 1 < height).then_some(index + width),
            ];
            let around: Vec<f32> = sides.into_iter().flatten().map(|side| filled[side]).collect();
            let step = RELAXATION * (around.iter().sum::<f32>() / around.len().max(1) as f32 - filled[index]);
            filled[index] += step;
            moved = moved.max(step.abs());
        }
        if moved < CLOSE {
            break;
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_hide_what_their_names_say() {
        let shares: Vec<f64> =
            masks(32).iter().map(|(_, mask)| mask.iter().filter(|&&hidden| hidden).count() as f64 / 1024.0).collect();
        assert_eq!((shares[0], shares[1]), (0.25, 0.5));
        // 80% of 1,024 pixels, within three standard deviations of a binomial.
        assert!((shares[2] - 0.8).abs() < 3.0 * (0.16f64 / 1024.0).sqrt(), "{shares:?}");
        assert!((0.15..0.45).contains(&shares[3]), "{shares:?}");
    }

    #[test]
    fn diffusion_brings_back_a_ramp_and_the_nearest_pixel_a_constant() {
        // A linear function is harmonic, so it comes back where all of the border is known.
        let ramp: Vec<f32> = (0..64).map(|i| (i % 8) as f32 / 8.0 + (i / 8) as f32 / 16.0).collect();
        let hidden: Vec<bool> = (0..64).map(|i| (2..6).contains(&(i % 8)) && (2..6).contains(&(i / 8))).collect();
        let filled = diffusion(&ramp, &hidden, 8);
        assert!(ramp.iter().zip(&filled).all(|(a, b)| (a - b).abs() < 1e-3), "{filled:?}");
        assert_eq!(nearest(&[0.3; 64], &hidden, 8), vec![0.3; 64]);
    }
}
