use super::{Linear, OperatorError};
use crate::Image;

/// By how much a small picture is to be enlarged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Factor {
    Two,
    Four,
    Eight,
}

impl Factor {
    pub const ALL: [Factor; 3] = [Factor::Two, Factor::Four, Factor::Eight];

    /// # Errors
    /// Unless 2, 4 or 8.
    pub fn new(factor: usize) -> Result<Self, OperatorError> {
        Factor::ALL.into_iter().find(|known| known.get() == factor).ok_or(OperatorError::Factor(factor))
    }

    /// The number.
    pub fn get(self) -> usize {
        match self {
            Factor::Two => 2,
            Factor::Four => 4,
            Factor::Eight => 8,
        }
    }
}

/// Means of f×f blocks: AAᵀ = I/f². A⁺ enlarges by repeating pixels.
pub(super) struct SuperResolution {
    factor: usize,
    /// Of the small picture.
    shape: [usize; 3],
}

impl SuperResolution {
    pub(super) fn new(factor: Factor, [channels, height, width]: [usize; 3]) -> Result<Self, OperatorError> {
        let factor = factor.get();
        if !height.is_multiple_of(factor) || !width.is_multiple_of(factor) {
            let operator = format!("super-resolution:{factor}");
            let needs = format!("whose sides are multiples of {factor}");
            return Err(OperatorError::Shape { operator, needs, channels, height, width });
        }
        Ok(SuperResolution { factor, shape: [channels, height / factor, width / factor] })
    }
}

impl Linear for SuperResolution {
    fn measured(&self) -> [usize; 3] {
        self.shape
    }

    fn apply(&self, x: &Image) -> Image {
        let ([n, ..], [c, h, w], f) = (x.dims(), self.shape, self.factor);
        let blocks = x.clone().reshape([n * c, h, f, w, f]);
        blocks.mean_dim(4).mean_dim(2).reshape([n, c, h, w])
    }

    fn adjoint(&self, y: &Image) -> Image {
        let ([n, ..], [c, h, w], f) = (y.dims(), self.shape, self.factor);
        let blocks = y.clone().reshape([n * c, h, 1, w, 1]).expand([n * c, h, f, w, f]);
        blocks.reshape([n, c, h * f, w * f]) * (f as f64).powi(-2)
    }

    fn gram(&self) -> Option<f64> {
        Some((self.factor as f64).powi(-2))
    }
}
