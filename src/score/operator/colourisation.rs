use super::{Domain, Linear, Operator, OperatorError};
use crate::Image;
use crate::registry::{Settings, entry};
use burn::tensor::{Device, Tensor, TensorData};

/// The first of the three orthonormal channels that are published with Song et al. 2021
/// (score_sde, `controllable_generation.py`): the column of M that the grey picture lies along.
const GREY: [f64; 3] = [0.57735014, 0.57735026, 0.57735026];

entry! {
    /// The grey picture.
    Colourisation {
        slug: "colorization",
        aliases: ["colourisation"],
        name: "Colourisation",
        summary: "Keep only the grey values",
        source: "Song et al. 2021, appendix I",
    }
}

impl Operator for Colourisation {
    fn over(&self, _settings: &Settings, domain: Domain<'_>) -> Result<Box<dyn Linear>, OperatorError> {
        Ok(Box::new(Grey::new(domain.shape, domain.device)?))
    }
}

/// The grey picture: the first channel of the decoupled picture x·M.
struct Grey {
    height: usize,
    width: usize,
    /// 1×3×1×1, of unit length.
    grey: Image,
}

impl Grey {
    fn new([channels, height, width]: [usize; 3], device: &Device) -> Result<Self, OperatorError> {
        if channels != 3 {
            let (operator, needs) = ("colorization".into(), "with 3 channels".into());
            return Err(OperatorError::Shape { operator, needs, channels, height, width });
        }
        // The published digits are of single precision; brought to unit length, AAᵀ is the identity.
        let length = GREY.iter().map(|g| g * g).sum::<f64>().sqrt();
        let grey = GREY.map(|g| (g / length) as f32).to_vec();
        Ok(Grey { height, width, grey: Tensor::from_data(TensorData::new(grey, [1, 3, 1, 1]), device) })
    }
}

impl Linear for Grey {
    fn measured(&self) -> [usize; 3] {
        [1, self.height, self.width]
    }

    fn apply(&self, x: &Image) -> Image {
        (x.clone() * self.grey.clone()).sum_dim(1)
    }

    fn adjoint(&self, y: &Image) -> Image {
        y.clone() * self.grey.clone()
    }

    fn gram(&self) -> Option<f64> {
        Some(1.0)
    }
}
