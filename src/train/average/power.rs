use super::{Average, Update};
use crate::registry::{Parameter, Scale, Settings, entry};
use crate::sde::bisect_time;

/// The widest profile: that of γ = 0, all updates alike.
const WIDEST: f64 = 0.288_675_134_594_812_9;

/// The width of an average as a share of the training.
pub const SIGMA_REL: Parameter = Parameter::number("sigma_rel", 0.05, 0.001, 0.28)
    .usual(0.01, 0.28, Scale::Linear(3))
    .named("σ_rel", "σ_rel", "Width of the average as a share of the training so far")
    .optional();

entry! {
    /// An average whose weights grow with a power γ of the time in training, so that its width is always the same share
    /// of the training (Karras et al. 2024, eq. 1 to 3). From snapshots of two of them any other can be made afterwards
    /// ([`super::coefficients`]).
    Power {
        slug: "power",
        name: "Power function",
        summary: "Average of a constant share of the training, whose length can be chosen afterwards",
        source: "Karras et al. 2024",
        parameters: [&SIGMA_REL],
    }
}

impl Average for Power {
    fn decay(&self, settings: &Settings, update: &Update) -> f64 {
        let gamma = gamma_of(settings.number(&SIGMA_REL));
        (1.0 - update.batch as f64 / update.images.max(1) as f64).max(0.0).powf(gamma + 1.0)
    }
}

/// The exponent γ of an average of relative width σ_rel = √(γ + 1)/((γ + 2)·√(γ + 3)), above 0 and below that of γ = 0,
/// 1/√12 (Karras et al. 2024, eq. 126); 0 for what is wider.
pub fn gamma_of(sigma_rel: f64) -> f64 {
    let width = |gamma: f64| (gamma + 1.0).sqrt() / ((gamma + 2.0) * (gamma + 3.0).sqrt());
    if sigma_rel >= WIDEST {
        return 0.0;
    }
    // The width falls with γ, as 1/γ at last.
    let largest = 2.0 / sigma_rel;
    largest * bisect_time(-sigma_rel, |share| -width(share * largest))
}
