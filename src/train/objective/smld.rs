use super::{Objective, REDUCTION};
use crate::registry::{Settings, entry};
use crate::score::{Description, Place};
use crate::sde::{LabelConvention, Sde};

entry! {
    /// Denoising score matching at N geometric noise levels: σᵢ²·‖score + z/σᵢ‖² (Song and Ermon 2019, eq. 5 and 6).
    Smld {
        slug: "smld",
        name: "SMLD",
        summary: "Denoising score matching at discrete noise levels of VE",
        source: "Song and Ermon 2019, eq. 6",
        parameters: [&REDUCTION],
    }
}

impl Objective for Smld {
    fn suits(&self, description: &Description) -> bool {
        description.labels == LabelConvention::SmldIndex
    }

    fn of(&self) -> &'static str {
        "of VE's discrete levels"
    }

    fn weight(&self, _settings: &Settings, _sde: &dyn Sde, _t: f64, _place: &Place) -> f64 {
        1.0
    }
}
