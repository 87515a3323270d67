use super::{Domain, Linear, Operator, OperatorError};
use crate::Image;
use crate::registry::{Settings, entry};

entry! {
    /// The picture itself, under noise.
    Denoising {
        slug: "denoising",
        name: "Noise",
        summary: "No degradation but the measurement noise",
    }
}

impl Operator for Denoising {
    fn over(&self, _settings: &Settings, domain: Domain<'_>) -> Result<Box<dyn Linear>, OperatorError> {
        Ok(Box::new(Identity { shape: domain.shape }))
    }

    fn is_degradation(&self) -> bool {
        true
    }
}

/// A = I.
struct Identity {
    shape: [usize; 3],
}

impl Linear for Identity {
    fn measured(&self) -> [usize; 3] {
        self.shape
    }

    fn apply(&self, x: &Image) -> Image {
        x.clone()
    }

    fn adjoint(&self, y: &Image) -> Image {
        y.clone()
    }

    fn gram(&self) -> Option<f64> {
        Some(1.0)
    }
}
