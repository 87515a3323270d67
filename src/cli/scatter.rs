//! Samples that are not images, drawn as points.

use crate::Pixels;

/// What each point leaves of the light in red, green and blue, so that dense places are darker.
const INK: [f32; 3] = [0.55, 0.70, 0.90];

/// How far a plot reaches from the origin so that all these samples are on it.
pub(super) fn extent(samples: &Pixels<f32>) -> f32 {
    let largest = (0..samples.shape[0])
        .flat_map(|index| samples.sample(index).iter().take(2))
        .filter(|value| value.is_finite())
        .fold(0.0f32, |largest, value| largest.max(value.abs()));
    if largest > 0.0 { 1.1 * largest } else { 1.0 }
}

/// The first two coordinates of every sample on a white square of `side` pixels that reaches
/// `extent` to each side of the origin: 1×3×side×side, values in [0, 1]. Points outside are left out.
pub(super) fn draw(samples: &Pixels<f32>, extent: f32, side: usize) -> Pixels<f32> {
    let mut values = vec![1.0f32; 3 * side * side];
    let place = |coordinate: f32| (0.5 + 0.5 * coordinate / extent) * side as f32;
    let radius = (side as f32 / 200.0).max(1.0);
    for index in 0..samples.shape[0] {
        let mut coordinates = samples.sample(index).iter().copied();
        let (x, y) = (coordinates.next().unwrap_or(0.0), coordinates.next().unwrap_or(0.0));
        // The second coordinate points up.
        ink(&mut values, side, place(x), place(-y), radius);
    }
    Pixels { shape: [1, 3, side, side], values: values.into() }
}

/// Darkens the disc about one point. Not-a-number compares false everywhere and draws nothing.
fn ink(values: &mut [f32], side: usize, x: f32, y: f32, radius: f32) {
    let limit = side as f32;
    if !(x >= 0.0 && x < limit && y >= 0.0 && y < limit) {
        return;
    }
    let span = |middle: f32| ((middle - radius).max(0.0) as usize)..=((middle + radius).min(limit - 1.0) as usize);
    for row in span(y) {
        for column in span(x) {
            if (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y) <= radius {
                for (channel, left) in INK.iter().enumerate() {
                    if let Some(value) = values.get_mut((channel * side + row) * side + column) {
                        *value *= left;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f32]) -> Pixels<f32> {
        Pixels { shape: [values.len() / 2, 2, 1, 1], values: values.into() }
    }

    #[test]
    fn a_point_darkens_its_own_quadrant() {
        let picture = draw(&points(&[0.5, 0.5]), 1.0, 64);
        // Right and up: column 48, row 16 of red.
        assert!(picture.values[16 * 64 + 48] < 0.6);
        assert_eq!(picture.values.iter().take(64 * 64).filter(|&&value| value < 1.0).count(), 4);
    }

    #[test]
    fn points_outside_or_not_a_number_draw_nothing() {
        let picture = draw(&points(&[9.0, 0.0, f32::NAN, 0.0, 0.0, f32::INFINITY]), 1.0, 32);
        assert!(picture.values.iter().all(|&value| value == 1.0));
    }

    #[test]
    fn the_extent_holds_every_finite_point() {
        assert_eq!(extent(&points(&[1.0, -2.0, f32::NAN, 0.5])), 2.2);
        assert_eq!(extent(&points(&[0.0, 0.0])), 1.0);
    }
}
