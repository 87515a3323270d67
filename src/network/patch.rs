//! Space to depth: the pixels of a patch as channels, in the order of PyTorch's `pixel_unshuffle`, so that a network of
//! large images computes at a smaller size.

use super::AtOutput;
use crate::Image;
use std::ops::Range;

/// Cuts images (N×C×H×W) into patches of side p: N×(C·p²)×(H/p)×(W/p). p divides height and width.
pub(super) fn cut(x: Image, p: usize) -> Image {
    if p == 1 {
        return x;
    }
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h / p, p, w / p, p]).permute([0, 1, 3, 5, 2, 4]).reshape([n, c * p * p, h / p, w / p])
}

/// Makes images of patches of side p again: N×(C·p²)×H×W to N×C×(H·p)×(W·p).
pub(super) fn join(x: Image, p: usize) -> Image {
    if p == 1 {
        return x;
    }
    let [n, c, h, w] = x.dims();
    let c = c / (p * p);
    x.reshape([n, c, p, p, h, w]).permute([0, 1, 4, 2, 5, 3]).reshape([n, c, h * p, w * p])
}

/// The place in an image, C×H×W, of each value of the same image in patches of side p.
pub(super) fn places([c, h, w]: [usize; 3], p: usize) -> Vec<usize> {
    let mut places = Vec::with_capacity(c * h * w);
    for plane in 0..c * p * p {
        let (channel, down, along) = (plane / (p * p), plane / p % p, plane % p);
        for y in 0..h / p {
            places.extend((0..w / p).map(|x| (channel * h + y * p + down) * w + x * p + along));
        }
    }
    places
}

/// Images by their [`places`].
pub(super) fn cut_values(images: &[f32], places: &[usize]) -> Vec<f32> {
    images.chunks(places.len()).flat_map(|image| places.iter().map(|&place| image[place])).collect()
}

/// Images of those in patches.
pub(super) fn join_values(patches: &[f32], places: &[usize]) -> Vec<f32> {
    let mut images = vec![0.0; patches.len()];
    for (image, patches) in images.chunks_mut(places.len()).zip(patches.chunks(places.len())) {
        places.iter().zip(patches).for_each(|(&place, &value)| image[place] = value);
    }
    images
}

/// The slopes of a loss by what layers put out in patches of side p, from those by images with these [`places`]. Where
/// patches are pixels, the output may be of another shape.
pub(super) fn in_patches<'a>(
    places: &'a [usize],
    p: usize,
    at_output: AtOutput<'a>,
) -> impl Fn(Range<usize>, &mut [f32]) + Sync + use<'a> {
    move |images, values| {
        if p == 1 {
            return at_output(images, values);
        }
        let mut whole = join_values(values, places);
        at_output(images, &mut whole);
        values.copy_from_slice(&cut_values(&whole, places));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tensor, TensorData};

    #[test]
    fn patches_are_those_of_pixel_unshuffle() {
        // torch.nn.functional.pixel_unshuffle(torch.arange(16.0).reshape(1, 1, 4, 4), 2).flatten()
        let expected = [0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15];
        assert_eq!(places([1, 4, 4], 2), expected);
        let values: Vec<f32> = (0..2 * 3 * 8 * 12).map(|i| i as f32).collect();
        let x = || Tensor::from_data(TensorData::new(values.clone(), [2, 3, 8, 12]), &Device::flex());
        for p in [1, 2, 4] {
            let parts = cut(x(), p);
            assert_eq!(parts.dims(), [2, 3 * p * p, 8 / p, 12 / p]);
            let places = places([3, 8, 12], p);
            let by_places = cut_values(&values, &places);
            assert_eq!(parts.clone().into_data().try_to_vec::<f32>().unwrap(), by_places);
            assert_eq!(join(parts, p).into_data().try_to_vec::<f32>().unwrap(), values);
            assert_eq!(join_values(&by_places, &places), values);
        }
    }
}
