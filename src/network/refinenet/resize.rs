//! Pooling that keeps the size, and bilinear enlargement.

use super::plan::POOLED;
use crate::Image;
use crate::network::profile::{LayerKind, timed};
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};

/// What becomes of each 5×5 pixels.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pool {
    /// The largest of them.
    Largest,
    /// Their mean; pixels beyond the border count as 0.
    Mean,
}

impl Pool {
    /// Keeps the size.
    pub fn forward(self, x: Image) -> Image {
        let (side, margin) = ([POOLED; 2], [POOLED / 2; 2]);
        timed(LayerKind::Resampling, || match self {
            Pool::Largest => max_pool2d(x, MaxPoolOptions::new(side).with_stride([1; 2]).with_padding(margin)),
            Pool::Mean => avg_pool2d(x, AvgPoolOptions::new(side).with_stride([1; 2]).with_padding(margin)),
        })
    }
}

/// Bilinear interpolation to a height and width, corners on corners.
pub(super) fn enlarge(x: Image, [height, width]: [usize; 2]) -> Image {
    let [n, c, h, w] = x.dims();
    if [h, w] == [height, width] {
        return x;
    }
    timed(LayerKind::Resampling, || {
        let device = x.device();
        let x = x.reshape([n * c * h, w]).matmul(weights(w, width, &device)).reshape([n * c, h, width]);
        let x = x.swap_dims(1, 2).reshape([n * c * width, h]).matmul(weights(h, height, &device));
        x.reshape([n * c, width, height]).swap_dims(1, 2).reshape([n, c, height, width])
    })
}

/// The matrix that interpolates rows of `from` values to `to`.
fn weights(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; from * to];
    let step = (from - 1) as f64 / (to.max(2) - 1) as f64;
    for column in 0..to {
        let place = step * column as f64;
        let below = (place as usize).min(from - 1);
        let part = (place - below as f64) as f32;
        values[below * to + column] += 1.0 - part;
        values[(below + 1).min(from - 1) * to + column] += part;
    }
    Tensor::from_data(TensorData::new(values, [from, to]), device)
}
