use super::Objective;
use crate::registry::{Settings, entry};
use crate::score::{Description, Place, Predicts};
use crate::sde::Sde;
use crate::train::Nearer;

entry! {
    /// The same answer at two neighbouring noise levels of an image with the same noise: a consistency model without a
    /// teacher. Levels, weights and loss are those of Song and Dhariwal 2024.
    ConsistencyTraining {
        slug: "consistency",
        name: "Consistency training",
        summary: "A model that samples in one to four steps, without a teacher",
        source: "Song et al. 2023, algorithm 3; Song and Dhariwal 2024",
    }
}

entry! {
    /// The same answer at two neighbouring noise levels of a trajectory that a teacher leads along: the model that the
    /// training begins with.
    ConsistencyDistillation {
        slug: "consistency-distillation",
        name: "Consistency distillation",
        summary: "A model that samples in one to four steps, taught by the one that the training begins with",
        source: "Song et al. 2023, algorithm 2; Song and Dhariwal 2024",
    }
}

macro_rules! consistency {
    ($objective:ident, $nearer:expr, $of:literal, $suits:expr) => {
        impl Objective for $objective {
            fn suits(&self, description: &Description) -> bool {
                description.config.sigma_data().is_some() || !description.labels.answers_scores() && $suits(description)
            }

            fn of(&self) -> &'static str {
                $of
            }

            /// That of EDM, where one network's score at given times is asked about; in a training, pairs of levels have
            /// their own.
            fn weight(&self, settings: &Settings, sde: &dyn Sde, t: f64, place: &Place) -> f64 {
                super::Edm.weight(settings, sde, t, place)
            }

            fn nearer(&self) -> Option<Nearer> {
                Some($nearer)
            }
        }
    };
}

consistency!(
    ConsistencyTraining,
    Nearer::SameNoise,
    "with EDM's preconditioning, or that answer data or velocities (--recipe edm, or --predicts velocity)",
    |description: &Description| description.predicts != Predicts::Noise
);
consistency!(
    ConsistencyDistillation,
    Nearer::Teacher,
    "with EDM's preconditioning, or that answer noise, data or velocities (not scores, as those of VE do)",
    |_| true
);
