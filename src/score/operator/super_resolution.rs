use super::{Domain, Linear, Operator, OperatorError};
use crate::Image;
use crate::registry::{Parameter, Settings, entry};

/// By how much a small picture is to be enlarged.
pub const FACTOR: Parameter = Parameter::levels("factor", 4, &[2, 4, 8]).named(
    "Factor",
    "Factor",
    "Each pixel of y is the mean of a block of this many pixels per side",
);

entry! {
    /// The means of square blocks of pixels.
    SuperResolution {
        slug: "super-resolution",
        name: "Super-resolution",
        summary: "Downsample by the means of square blocks",
        parameters: [&FACTOR],
    }
}

impl Operator for SuperResolution {
    fn over(&self, settings: &Settings, domain: Domain<'_>) -> Result<Box<dyn Linear>, OperatorError> {
        Ok(Box::new(Blocks::new(settings.whole(&FACTOR) as usize, domain.shape)?))
    }

    fn is_degradation(&self) -> bool {
        true
    }
}

/// Means of f×f blocks: AAᵀ = I/f². A⁺ enlarges by repeating pixels.
struct Blocks {
    factor: usize,
    /// Of the small picture.
    shape: [usize; 3],
}

impl Blocks {
    fn new(factor: usize, [channels, height, width]: [usize; 3]) -> Result<Self, OperatorError> {
        if !height.is_multiple_of(factor) || !width.is_multiple_of(factor) {
            let operator = format!("super-resolution:{factor}");
            let needs = format!("whose sides are multiples of {factor}");
            return Err(OperatorError::Shape { operator, needs, channels, height, width });
        }
        Ok(Blocks { factor, shape: [channels, height / factor, width / factor] })
    }
}

impl Linear for Blocks {
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
