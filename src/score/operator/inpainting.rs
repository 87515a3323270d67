use super::{Domain, Linear, Operator, OperatorError};
use crate::Image;
use crate::registry::{Settings, entry};
use burn::tensor::Tensor;

entry! {
    /// Some pixels, as a mask says.
    Inpainting {
        slug: "inpainting",
        name: "Inpainting",
        summary: "Keep the pixels that a mask selects",
    }
}

impl Operator for Inpainting {
    fn over(&self, _settings: &Settings, domain: Domain<'_>) -> Result<Box<dyn Linear>, OperatorError> {
        Ok(Box::new(Masked::new(domain)?))
    }
}

/// Some of the pixels: A is a diagonal of ones and zeros. What is not known is measured as 0.
struct Masked {
    shape: [usize; 3],
    /// 1 where something is known, else 0: 1×(1 or C)×H×W.
    known: Image,
}

impl Masked {
    /// Pixels where the mask is above 0; without it none.
    fn new(Domain { shape, mask, device }: Domain<'_>) -> Result<Self, OperatorError> {
        let [c, h, w] = shape;
        let Some(confidence) = mask else {
            return Ok(Masked { shape, known: Tensor::zeros([1, 1, h, w], device) });
        };
        let found = confidence.dims();
        if found[2..] != [h, w] || ![1, c].contains(&found[1]) || found[0] == 0 {
            return Err(OperatorError::Confidence { expected: shape, found });
        }
        Ok(Masked { shape, known: confidence.clone().greater_elem(0.0).float() })
    }
}

impl Linear for Masked {
    fn measured(&self) -> [usize; 3] {
        self.shape
    }

    fn apply(&self, x: &Image) -> Image {
        x.clone() * self.known.clone()
    }

    fn adjoint(&self, y: &Image) -> Image {
        self.apply(y)
    }

    fn gram(&self) -> Option<f64> {
        Some(1.0)
    }

    fn known(&self) -> Option<&Image> {
        Some(&self.known)
    }
}
