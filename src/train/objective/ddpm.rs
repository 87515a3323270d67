use super::{Objective, REDUCTION};
use crate::registry::{Settings, entry};
use crate::score::{Description, Place};
use crate::sde::{LabelConvention, Sde};

entry! {
    /// The simple loss ‖ε(√ᾱᵢ·x(0) + √(1 − ᾱᵢ)·z, i) − z‖² at N discrete steps (Ho et al. 2020, eq. 14).
    Ddpm {
        slug: "ddpm",
        name: "DDPM",
        summary: "Prediction of the noise at the discrete steps of VP",
        source: "Ho et al. 2020, eq. 14",
        parameters: [&REDUCTION],
    }
}

impl Objective for Ddpm {
    fn suits(&self, description: &Description) -> bool {
        description.labels == LabelConvention::DdpmIndex
    }

    fn of(&self) -> &'static str {
        "of VP's discrete steps"
    }

    fn weight(&self, _settings: &Settings, _sde: &dyn Sde, _t: f64, _place: &Place) -> f64 {
        1.0
    }
}
