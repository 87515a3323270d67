//! Shapes that are laid on a mask: rectangle, lasso, and regions of similar colour.

use image::RgbImage;

/// Lines that a pixel's row is cut into where a lasso's edge crosses it.
const CUTS: usize = 4;

/// Coverage of the rectangle between two corners, rounded to whole pixels.
pub fn rectangle([width, height]: [usize; 2], a: [f32; 2], b: [f32; 2]) -> Vec<u8> {
    let place = |value: f32, most: usize| (value.round().max(0.0) as usize).min(most);
    let (left, right) = (place(a[0].min(b[0]), width), place(a[0].max(b[0]), width));
    let (top, bottom) = (place(a[1].min(b[1]), height), place(a[1].max(b[1]), height));
    let mut values = vec![0; width * height];
    for y in top..bottom {
        values[y * width + left..y * width + right].fill(255);
    }
    values
}

/// Coverage of a closed line. What it goes round twice is outside again (even–odd).
pub fn lasso([width, height]: [usize; 2], points: &[[f32; 2]]) -> Vec<u8> {
    let mut values = vec![0; width * height];
    let edges: Vec<[[f32; 2]; 2]> =
        points.iter().zip(points.iter().cycle().skip(1)).map(|(&from, &to)| [from, to]).collect();
    let (low, high) = points.iter().fold((f32::MAX, f32::MIN), |(low, high), p| (low.min(p[1]), high.max(p[1])));
    let rows = (low.max(0.0) as usize).min(height)..(high.max(0.0).ceil() as usize).min(height);
    let mut sums = vec![0f32; width];
    for y in rows {
        sums.fill(0.0);
        for cut in 0..CUTS {
            let line = y as f32 + (cut as f32 + 0.5) / CUTS as f32;
            let mut crossings: Vec<f32> = edges.iter().filter_map(|edge| crossing(edge, line)).collect();
            crossings.sort_by(f32::total_cmp);
            for pair in crossings.chunks_exact(2) {
                add_span(&mut sums, pair[0], pair[1]);
            }
        }
        for (value, sum) in values[y * width..][..width].iter_mut().zip(&sums) {
            *value = (255.0 * sum / CUTS as f32 + 0.5) as u8;
        }
    }
    values
}

/// Where an edge crosses a horizontal line.
fn crossing([a, b]: &[[f32; 2]; 2], line: f32) -> Option<f32> {
    ((a[1] <= line) != (b[1] <= line)).then(|| a[0] + (line - a[1]) / (b[1] - a[1]) * (b[0] - a[0]))
}

/// Adds to each pixel the part of it from `left` to `right`.
fn add_span(sums: &mut [f32], left: f32, right: f32) {
    let width = sums.len() as f32;
    let (left, right) = (left.clamp(0.0, width), right.clamp(0.0, width));
    for (x, sum) in sums.iter_mut().enumerate().take(right.ceil() as usize).skip(left as usize) {
        *sum += (right.min(x as f32 + 1.0) - left.max(x as f32)).max(0.0);
    }
}

/// The pixels whose channels differ from those at `at` by at most `tolerance`; if `connected`, those that can be
/// reached from there over sides of such pixels.
pub fn similar(photo: &RgbImage, at: [usize; 2], tolerance: u8, connected: bool) -> Vec<u8> {
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    let pixels = photo.as_raw();
    let mut values = vec![0u8; width * height];
    if at[0] >= width || at[1] >= height {
        return values;
    }
    let seed = 3 * (at[1] * width + at[0]);
    let seed = [pixels[seed], pixels[seed + 1], pixels[seed + 2]];
    let alike = |place: usize| (0..3).all(|channel| pixels[3 * place + channel].abs_diff(seed[channel]) <= tolerance);
    if !connected {
        for (place, value) in values.iter_mut().enumerate() {
            *value = if alike(place) { 255 } else { 0 };
        }
        return values;
    }
    // A place of every run of pixels that is still to be filled.
    let mut waiting = vec![at];
    while let Some([x, y]) = waiting.pop() {
        let row = y * width;
        if values[row + x] > 0 {
            continue;
        }
        let open = |x: &usize| values[row + x] == 0 && alike(row + x);
        let left = (0..x).rev().take_while(open).last().unwrap_or(x);
        let right = (x..width).take_while(open).last().unwrap_or(x);
        values[row + left..=row + right].fill(255);
        for next in [y.checked_sub(1), Some(y + 1).filter(|&next| next < height)].into_iter().flatten() {
            let mut inside = false;
            for x in left..=right {
                let open = values[next * width + x] == 0 && alike(next * width + x);
                if open && !inside {
                    waiting.push([x, next]);
                }
                inside = open;
            }
        }
    }
    values
}
