//! What is minimised. All denoising objectives measure how far σ·score + z is from 0, where the score follows from the
//! network's output as it will when the network is used ([`Conditioning`]); they differ by the weight of each noise level.

mod consistency;
mod ddpm;
mod dsm;
mod edm;
mod prediction;
mod smld;
mod uncertainty;

pub use consistency::{ConsistencyDistillation, ConsistencyTraining};
pub use ddpm::Ddpm;
pub use dsm::{Dsm, LIKELIHOOD, NOISE, WEIGHTING};
pub use edm::Edm;
pub use prediction::Prediction;
pub use smld::Smld;
pub use uncertainty::{Uncertain, uncertain};

use super::regression::Mix;
use super::{Draw, Nearer, Real, Regression, Times, Uniform};
use crate::registry::{About, Category, Choice, Entry, Parameter, Settings};
use crate::score::{Conditioning, Description, Place, Predicts};
use crate::sde::Sde;

/// What becomes of the squares of an image.
pub const REDUCTION: Parameter = Parameter::choice("reduction", "mean", || vec![&MEAN, &HALF_SUM, &SUM])
    .named("Reduction", "Reduction", "The loss of an image: mean, half the sum, or sum over its values")
    .optional();

/// The mean of the squares (score_sde's `reduce_mean`).
pub static MEAN: About =
    About { slug: "mean", name: "Mean", summary: "mean over an image's values", source: "", parameters: &[] };

/// Half their sum (score_sde without `reduce_mean`).
pub static HALF_SUM: About = About {
    slug: "half-sum",
    name: "Half sum",
    summary: "half the sum over an image's values",
    source: "",
    parameters: &[],
};

/// Their sum (as EDM is trained).
pub static SUM: About =
    About { slug: "sum", name: "Sum", summary: "sum over an image's values", source: "", parameters: &[] };

/// Something that is minimised to make a network a score model.
pub trait Objective: Entry {
    /// Whether it is for networks so described.
    fn suits(&self, description: &Description) -> bool;

    /// Of which networks it is, in words.
    fn of(&self) -> &'static str;

    /// The law of times that suits it.
    fn times(&self) -> Choice<dyn Times> {
        Choice::new(&Uniform)
    }

    /// Of consistency models, where the nearer of two states of a trajectory comes from; the others denoise.
    fn nearer(&self) -> Option<Nearer> {
        None
    }

    /// The weight of ‖σ·score + z‖² at the time `t`, where the network is at `place`.
    fn weight(&self, settings: &Settings, sde: &dyn Sde, t: f64, place: &Place) -> f64;
}

/// The objectives, in the order in which they are offered.
impl Category for dyn Objective {
    const NAME: &'static str = "objective";

    fn all() -> &'static [&'static Self] {
        &[&Dsm, &Edm, &Smld, &Ddpm, &Prediction, &ConsistencyTraining, &ConsistencyDistillation]
    }
}

/// An objective that is not for this network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the objective {objective} is for networks {of}, which this one is not; choose {usual}")]
pub struct ObjectiveError {
    pub objective: &'static str,
    /// As [`Objective::of`] says.
    pub of: &'static str,
    pub usual: &'static str,
}

/// The objective that networks so described are trained with: EDM's where they have its preconditioning, the error of
/// their answer where that is not the noise, the discrete one where they have discrete levels.
pub fn usual(description: &Description) -> Choice<dyn Objective> {
    let entry: &dyn Objective = match description.config.sigma_data() {
        Some(_) => &Edm,
        None if description.predicts != Predicts::Noise => &Prediction,
        None => <dyn Objective>::all().iter().find(|entry| entry.suits(description)).copied().unwrap_or(&Dsm),
    };
    Choice::new(entry)
}

impl Choice<dyn Objective> {
    /// Whether it is for networks so described.
    ///
    /// # Errors
    /// If it is not.
    pub fn check_for(&self, description: &Description) -> Result<(), ObjectiveError> {
        match self.entry().suits(description) {
            true => Ok(()),
            false => Err(ObjectiveError {
                objective: self.about().slug,
                of: self.entry().of(),
                usual: usual(description).about().slug,
            }),
        }
    }

    /// The regression for clean data in the network's range and standard normal noise, N×D each, at N times.
    pub fn regression<F: Real>(
        &self,
        conditioning: &Conditioning,
        clean: &[F],
        noise: &[F],
        draws: &[Draw],
    ) -> Regression<F> {
        let sde = conditioning.description().family.sde();
        let size = clean.len() / draws.len().max(1);
        let mix = |draw: &Draw| {
            let place = conditioning.trained(draw.t);
            let Place { alpha, sigma, scale, label, gain, skip } = place;
            let share = match self.settings().option(&REDUCTION) {
                "half-sum" => 0.5,
                "sum" => 1.0,
                _ => 1.0 / size as f64,
            };
            let weight = self.entry().weight(self.settings(), sde, draw.t, &place);
            Mix {
                input: [scale * alpha, scale * sigma],
                // σ·(gain·F + skip·x) + z, sorted by data and noise while nothing has cancelled yet.
                offset: [sigma * skip * alpha, 1.0 + sigma * skip * sigma],
                label,
                gain: sigma * gain,
                weight: share * weight * draw.correction,
            }
        };
        Regression::new(clean, noise, draws.iter().map(mix))
    }
}
