use super::{Path, STRATIFIED, Times};
use crate::registry::{Settings, entry};

entry! {
    /// Density in proportion to g²/σ², so that the loss with likelihood weighting has little variance; it is divided by
    /// the density, so that its mean is that of uniform times (Song et al. 2021b, section 4.2).
    ///
    /// Along an affine path g²/σ² is the derivative of ln(σ²/α²): these times are uniform in the log signal-to-noise
    /// ratio, whatever the family.
    Importance {
        slug: "importance",
        name: "Importance",
        summary: "Uniform in log σ/α, for likelihood weighting",
        source: "Song et al. 2021b, section 4.2",
        parameters: [&STRATIFIED],
    }
}

/// ln σ/α at the first and the last time.
fn ends(path: &Path) -> [f64; 2] {
    let sde = path.family.sde();
    [path.first, path.last].map(|t| sde.level(t).ratio().max(f64::MIN_POSITIVE).ln())
}

impl Times for Importance {
    fn time(&self, _settings: &Settings, path: &Path, u: f64) -> f64 {
        let [low, high] = ends(path);
        path.family.sde().time_of_ratio((low + (high - low) * u).exp())
    }

    fn correction(&self, _settings: &Settings, path: &Path, t: f64) -> f64 {
        let ([low, high], sde) = (ends(path), path.family.sde());
        let density = (sde.diffusion(t) / sde.sigma(t)).powi(2) / (2.0 * (high - low));
        1.0 / (density * (path.last - path.first))
    }
}
