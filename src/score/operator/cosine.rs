use crate::Image;
use burn::tensor::{Device, Tensor, TensorData};
use std::f64::consts::PI;

/// The orthonormal cosine transform (DCT-II) of the rows and columns of pictures.
pub(super) struct CosineTransform {
    rows: Tensor<2>,
    columns: Tensor<2>,
}

impl CosineTransform {
    /// For pictures of this height and width.
    pub(super) fn new(height: usize, width: usize, device: &Device) -> Self {
        CosineTransform { rows: matrix(height, device), columns: matrix(width, device) }
    }

    /// Pictures to coefficients, N×C×H×W.
    pub(super) fn forward(&self, x: Image) -> Image {
        along(x, self.rows.clone(), self.columns.clone())
    }

    /// Coefficients to pictures.
    pub(super) fn inverse(&self, x: Image) -> Image {
        along(x, self.rows.clone().transpose(), self.columns.clone().transpose())
    }
}

/// rows·x·columnsᵀ of every channel.
fn along(x: Image, rows: Tensor<2>, columns: Tensor<2>) -> Image {
    let [n, c, h, w] = x.dims();
    let x = x.reshape([n * c * h, w]).matmul(columns.transpose()).reshape([n * c, h, w]);
    rows.unsqueeze::<3>().expand([n * c, h, h]).matmul(x).reshape([n, c, h, w])
}

/// The transform of `length` values, by rows.
pub(super) fn matrix(length: usize, device: &Device) -> Tensor<2> {
    let n = length as f64;
    let entry = |k: usize, i: usize| {
        let scale = if k == 0 { (1.0 / n).sqrt() } else { (2.0 / n).sqrt() };
        (scale * (PI * (i as f64 + 0.5) * k as f64 / n).cos()) as f32
    };
    let values: Vec<f32> = (0..length * length).map(|at| entry(at / length, at % length)).collect();
    Tensor::from_data(TensorData::new(values, [length, length]), device)
}
