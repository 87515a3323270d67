use super::{Objective, REDUCTION};
use crate::registry::{About, Parameter, Settings, entry};
use crate::score::{Description, Place};
use crate::sde::{LabelConvention, Sde};

/// λ(t), the weight of ‖score − ∇ log p(x(t) | x(0))‖².
pub const WEIGHTING: Parameter = Parameter::choice("weighting", "noise", || vec![&NOISE, &LIKELIHOOD])
    .named("Weighting", "λ(t)", "λ: σ² for the best images, g² for the best likelihood")
    .optional();

/// λ = σ².
pub static NOISE: About = About { slug: "noise", name: "σ²", summary: "λ = σ²", source: "", parameters: &[] };

/// λ = g².
pub static LIKELIHOOD: About = About {
    slug: "likelihood",
    name: "g²",
    summary: "λ = g², a bound of the likelihood",
    source: "Song et al. 2021b",
    parameters: &[],
};

entry! {
    /// Denoising score matching at continuous times: λ(t)·‖score + z/σ(t)‖² (Song et al. 2021, eq. 7).
    Dsm {
        slug: "dsm",
        name: "Denoising score matching",
        summary: "Denoising score matching at continuous times",
        source: "Song et al. 2021, eq. 7",
        parameters: [&WEIGHTING, &REDUCTION],
    }
}

impl Objective for Dsm {
    fn suits(&self, description: &Description) -> bool {
        matches!(description.labels, LabelConvention::Time | LabelConvention::Sigma | LabelConvention::LogSigma)
    }

    fn of(&self) -> &'static str {
        "of continuous times"
    }

    fn weight(&self, settings: &Settings, sde: &dyn Sde, t: f64, place: &Place) -> f64 {
        match settings.option(&WEIGHTING) {
            "likelihood" => (sde.diffusion(t) / place.sigma).powi(2),
            _ => 1.0,
        }
    }
}
