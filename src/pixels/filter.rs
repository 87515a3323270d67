//! Filters of a whole mask, one value a pixel: grow and shrink by a disc, feather by a Gaussian.

use super::Area;
use rayon::prelude::*;

/// Reach of the Gaussian's kernel in standard deviations: what lies beyond is less than a grey level.
const REACH: f32 = 4.0;

/// Each pixel becomes the largest within `radius`: the dilation by a disc, centres at most `radius` apart.
pub fn grow(size: [usize; 2], values: &[u8], radius: usize) -> Vec<u8> {
    let [width, height] = size;
    let mut grown = values.to_vec();
    let painted = painted(size, values).grown(radius, size);
    if painted.is_empty() || radius == 0 {
        return grown;
    }
    // A disc is a pile of rows: the one `dy` away from the centre reaches √(r² − dy²) to both sides.
    let reach: Vec<usize> = (0..=radius).map(|dy| ((radius * radius - dy * dy) as f64).sqrt() as usize).collect();
    let blank: Vec<bool> = (0..height).map(|y| values[y * width..][..width].iter().all(|&value| value == 0)).collect();
    let rows = grown.par_chunks_exact_mut(width).enumerate();
    rows.filter(|(y, _)| (painted.top..painted.bottom).contains(y)).for_each_init(
        || Vec::with_capacity(width + 2 * radius),
        |padded, (y, out)| {
            for from in y.saturating_sub(radius)..(y + radius + 1).min(height) {
                if blank[from] {
                    continue;
                }
                let reach = reach[from.abs_diff(y)];
                widest(&values[from * width..][..width], reach, padded);
                out.iter_mut().zip(padded.iter()).for_each(|(out, &value)| *out = (*out).max(value));
            }
        },
    );
    grown
}

/// Each pixel becomes the smallest within `radius`: the erosion by the same disc. What is beyond the photo's edge
/// counts as painted, so that nothing is eaten from there.
pub fn shrink(size: [usize; 2], values: &[u8], radius: usize) -> Vec<u8> {
    let turned: Vec<u8> = values.iter().map(|value| 255 - value).collect();
    let mut grown = grow(size, &turned, radius);
    grown.iter_mut().for_each(|value| *value = 255 - *value);
    grown
}

/// The running maximum over `reach` places to both sides. Doubles the window as long as it can: log₂ passes that
/// compilers turn into wide instructions.
fn widest(row: &[u8], reach: usize, out: &mut Vec<u8>) {
    out.clear();
    out.resize(reach, 0);
    out.extend_from_slice(row);
    out.resize(row.len() + 2 * reach, 0);
    let window = 2 * reach + 1;
    let mut covered = 1;
    while covered < window {
        let step = covered.min(window - covered);
        // out[i] = max(out[i], out[i + step]), in place: what is read has not been written yet.
        for place in 0..out.len() - step {
            out[place] = out[place].max(out[place + step]);
        }
        covered += step;
    }
    out.truncate(row.len());
}

/// Blurs by a Gaussian of standard deviation `sigma`. Beyond the photo's edge its outermost pixels go on.
pub fn feather(size: [usize; 2], values: &[u8], sigma: f32) -> Vec<u8> {
    let [width, height] = size;
    let reach = (REACH * sigma).ceil() as usize;
    let area = painted(size, values).grown(reach, size);
    if area.is_empty() || sigma <= 0.0 {
        return values.to_vec();
    }
    let kernel = gaussian(sigma, reach);
    let wide = area.width();
    // Along rows first, to sixteen bits so that nothing is rounded twice.
    let rows: Vec<Vec<f32>> = (area.top..area.bottom)
        .into_par_iter()
        .map(|y| {
            let row = &values[y * width..][..width];
            if row.iter().all(|&value| value == 0) {
                return Vec::new();
            }
            let at = |x: isize| f32::from(row[x.clamp(0, width as isize - 1) as usize]);
            let (first, last) = (area.left as isize - reach as isize, (area.right + reach) as isize);
            let padded: Vec<f32> = (first..last).map(at).collect();
            let mut out = vec![0.0; wide];
            for (shift, weight) in kernel.iter().enumerate() {
                out.iter_mut().zip(&padded[shift..]).for_each(|(out, value)| *out += weight * value);
            }
            out
        })
        .collect();
    let mut feathered = values.to_vec();
    feathered.par_chunks_exact_mut(width).enumerate().for_each(|(y, line)| {
        if y < area.top || y >= area.bottom {
            return;
        }
        let mut sum = vec![0f32; wide];
        for (shift, weight) in kernel.iter().enumerate() {
            let from = (y + shift).saturating_sub(reach).min(height - 1);
            // Rows beyond the area are blank.
            if let Some(row) = from.checked_sub(area.top).and_then(|row| rows.get(row)) {
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        line[area.left..area.right].iter_mut().zip(&sum).for_each(|(out, sum)| *out = (sum + 0.5) as u8);
    });
    feathered
}

/// Weights of a Gaussian at whole places from −reach to reach, which sum to 1.
fn gaussian(sigma: f32, reach: usize) -> Vec<f32> {
    let at = |place: usize| (-0.5 * ((place as f32 - reach as f32) / sigma).powi(2)).exp();
    let weights: Vec<f32> = (0..=2 * reach).map(at).collect();
    let sum: f32 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// The smallest area that holds all that is painted.
pub fn painted([width, height]: [usize; 2], values: &[u8]) -> Area {
    let mut area = Area::NONE;
    for (y, row) in values.chunks_exact(width.max(1)).enumerate().take(height) {
        let Some(left) = row.iter().position(|&value| value > 0) else { continue };
        let right = row.iter().rposition(|&value| value > 0).map_or(width, |last| last + 1);
        area = area.union(Area { left, top: y, right, bottom: y + 1 });
    }
    area
}
