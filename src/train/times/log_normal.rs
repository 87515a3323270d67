use super::normal::quantile;
use super::{Path, STRATIFIED, Times};
use crate::registry::{Parameter, Scale, Settings, entry};

/// Mean of ln σ/α.
pub const P_MEAN: Parameter = Parameter::number("p_mean", -1.2, -10.0, 10.0)
    .usual(-3.0, 3.0, Scale::Linear(2))
    .named("P_mean", "P_mean", "Mean of ln σ/α")
    .optional();

/// Standard deviation of ln σ/α.
pub const P_STD: Parameter = Parameter::number("p_std", 1.2, 0.01, 10.0)
    .usual(0.1, 3.0, Scale::Linear(2))
    .named("P_std", "P_std", "Standard deviation of ln σ/α")
    .optional();

entry! {
    /// ln σ/α is normal: most of the training goes to the levels at which there is most to learn. What lies beyond the
    /// path's ends is drawn at its ends.
    LogNormal {
        slug: "log-normal",
        name: "Log-normal",
        summary: "ln σ/α is normally distributed",
        source: "Karras et al. 2022, table 1",
        parameters: [&P_MEAN, &P_STD, &STRATIFIED],
    }
}

impl Times for LogNormal {
    fn time(&self, settings: &Settings, path: &Path, u: f64) -> f64 {
        let log_ratio = settings.number(&P_MEAN) + settings.number(&P_STD) * quantile(u);
        path.family.sde().time_of_ratio(log_ratio.exp())
    }
}
