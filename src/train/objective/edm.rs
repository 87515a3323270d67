use super::{Objective, REDUCTION};
use crate::registry::{Choice, Settings, entry};
use crate::score::{Description, Place};
use crate::sde::Sde;
use crate::train::{LogNormal, Times};

entry! {
    /// λ(σ)·‖D(x; σ) − x(0)‖² with λ = (σ² + σ_data²)/(σ·σ_data)², of networks with EDM's preconditioning, so that every
    /// level weighs the same at first (Karras et al. 2022, table 1 and appendix B.6). As published the noise levels are
    /// log-normal, and the loss of an image is a sum.
    Edm {
        slug: "edm",
        name: "EDM",
        summary: "Denoising with EDM's preconditioning and weighting",
        source: "Karras et al. 2022, table 1",
        parameters: [&REDUCTION],
    }
}

impl Objective for Edm {
    fn suits(&self, description: &Description) -> bool {
        description.config.sigma_data().is_some()
    }

    fn of(&self) -> &'static str {
        "with EDM's preconditioning (--recipe edm)"
    }

    fn times(&self) -> Choice<dyn Times> {
        Choice::new(&LogNormal)
    }

    /// As D − x(0) = σ·(σ·score + z), this is λ·σ². The preconditioning scales the state by 1/√(σ² + σ_data²), and
    /// the score by σ_data/(σ·√(σ² + σ_data²)).
    fn weight(&self, _settings: &Settings, _sde: &dyn Sde, _t: f64, place: &Place) -> f64 {
        (place.sigma * place.gain).powi(-2)
    }
}
