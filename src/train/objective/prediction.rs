use super::{Objective, REDUCTION};
use crate::registry::{Settings, entry};
use crate::score::{Description, Place};
use crate::sde::Sde;

entry! {
    /// ‖F − y‖² for what the network itself answers: y is the noise (then this is the simple loss of Ho et al. 2020,
    /// eq. 14, at continuous times), the clean data, v = α·z − σ·x(0) (Salimans and Ho 2022), or the velocity z − x(0) of
    /// straight lines: flow matching (Lipman et al. 2023, eq. 23 with σ_min = 0; Liu et al. 2023, eq. 1).
    Prediction {
        slug: "prediction",
        name: "Prediction",
        summary: "The squared error of what the network answers: noise, data, v, or the velocity of flow matching",
        source: "Ho et al. 2020; Salimans and Ho 2022; Lipman et al. 2023",
        parameters: [&REDUCTION],
    }
}

impl Objective for Prediction {
    fn suits(&self, description: &Description) -> bool {
        !description.labels.answers_scores() && description.config.sigma_data().is_none()
    }

    fn of(&self) -> &'static str {
        "that answer noise, data or a velocity without EDM's preconditioning"
    }

    /// σ·score + z is σ·gain times the error of the answer.
    fn weight(&self, _settings: &Settings, _sde: &dyn Sde, _t: f64, place: &Place) -> f64 {
        (place.sigma * place.gain).powi(-2)
    }
}
