use super::shares;
use image::RgbImage;

/// The middle square of a photo at a model's size.
#[derive(Clone, Debug, PartialEq)]
pub struct Square {
    /// 3×S×S in [0, 1]: the mean of what is known of each pixel's area.
    pub picture: Vec<f32>,
    /// S×S: the share of each pixel's area that is known.
    pub confidence: Vec<f32>,
}

/// Left, top and side of the middle square of a photo.
pub fn central_square(width: u32, height: u32) -> [u32; 3] {
    let side = width.min(height);
    [(width - side) / 2, (height - side) / 2, side]
}

/// The middle square of a photo by area averages, S×S. `mask`: for each pixel of the photo, row by row, how much of
/// it is to be filled (255: all).
pub fn square(photo: &RgbImage, mask: Option<&[u8]>, side: usize) -> Square {
    let width = photo.width() as usize;
    let [left, top, smaller] = central_square(photo.width(), photo.height()).map(|part| part as usize);
    let parts: Vec<Vec<(usize, f32)>> = (0..side).map(|part| shares(part, smaller, side)).collect();
    let known = |x: usize, y: usize| {
        mask.and_then(|mask| mask.get(y * width + x)).map_or(1.0, |&coverage| f32::from(255 - coverage) / 255.0)
    };
    let plane = side * side;
    let mut square = Square { picture: vec![0.0; 3 * plane], confidence: vec![1.0; plane] };
    for (row, down) in parts.iter().enumerate() {
        for (column, across) in parts.iter().enumerate() {
            let (mut weight, mut sums, mut all) = (0f32, [0f32; 3], [0f32; 3]);
            for (&(y, part_y), &(x, part_x)) in down.iter().flat_map(|y| across.iter().map(move |x| (y, x))) {
                let (share, colour) = (part_y * part_x, photo.get_pixel((left + x) as u32, (top + y) as u32).0);
                let part = share * known(left + x, top + y);
                weight += part;
                for channel in 0..3 {
                    sums[channel] += part * f32::from(colour[channel]);
                    all[channel] += share * f32::from(colour[channel]);
                }
            }
            let place = row * side + column;
            square.confidence[place] = weight.clamp(0.0, 1.0);
            for channel in 0..3 {
                // Where nothing is known the photo's own colours stay: edits start from them.
                let mean = if weight > 1e-6 { sums[channel] / weight } else { all[channel] };
                square.picture[channel * plane + place] = (mean / 255.0).clamp(0.0, 1.0);
            }
        }
    }
    square
}
