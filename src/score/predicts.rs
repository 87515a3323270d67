use crate::registry::About;
use serde::{Deserialize, Serialize};

/// What a network answers of x = α·x(0) + σ·z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predicts {
    /// z (Ho et al. 2020).
    #[default]
    Noise,
    /// x(0).
    Data,
    /// α·z − σ·x(0) (Salimans and Ho 2022).
    Velocity,
    /// z − x(0), the velocity of straight lines (Lipman et al. 2023; Liu et al. 2023).
    Flow,
}

/// What is said of each answer.
macro_rules! answers {
    ($($name:ident: $slug:literal, $title:literal, $summary:literal, $source:literal;)*) => {
        impl Predicts {
            /// All, in the order in which they are offered.
            pub const ALL: &'static [Predicts] = &[$(Predicts::$name),*];

            /// Its name in files and on the command line, and in words.
            pub fn about(self) -> &'static About {
                match self {
                    $(Predicts::$name => {
                        static ABOUT: About =
                            About { slug: $slug, name: $title, summary: $summary, source: $source, parameters: &[] };
                        &ABOUT
                    })*
                }
            }
        }
    };
}

answers! {
    Noise: "noise", "Noise", "the noise z", "Ho et al. 2020";
    Data: "data", "Data", "the clean data x(0)", "";
    Velocity: "velocity", "v", "v = α z − σ x(0)", "Salimans and Ho 2022";
    Flow: "flow", "Flow", "the velocity z − x(0) of straight lines", "Lipman et al. 2023";
}

impl Predicts {
    /// The one of this name, if one has it.
    pub fn called(slug: &str) -> Option<Predicts> {
        Predicts::ALL.iter().copied().find(|predicts| predicts.about().slug == slug)
    }

    /// z = a × answer + b × x: what the answer and the state say of the noise.
    fn noise(self, alpha: f64, sigma: f64) -> [f64; 2] {
        match self {
            Predicts::Noise => [1.0, 0.0],
            Predicts::Data => [-alpha / sigma, 1.0 / sigma],
            Predicts::Velocity => {
                let square = alpha * alpha + sigma * sigma;
                [alpha / square, sigma / square]
            }
            Predicts::Flow => [alpha / (alpha + sigma), 1.0 / (alpha + sigma)],
        }
    }

    /// The score as gain × answer + skip × x.
    pub(super) fn score(self, alpha: f64, sigma: f64) -> [f64; 2] {
        self.noise(alpha, sigma).map(|share| -share / sigma)
    }

    /// E[x(0) | x] as gain × answer + skip × x: exact also where α is next to nothing.
    pub(super) fn clean(self, alpha: f64, sigma: f64) -> [f64; 2] {
        match self {
            Predicts::Noise => [-sigma / alpha, 1.0 / alpha],
            Predicts::Data => [1.0, 0.0],
            Predicts::Velocity => {
                let square = alpha * alpha + sigma * sigma;
                [-sigma / square, alpha / square]
            }
            Predicts::Flow => [-sigma / (alpha + sigma), 1.0 / (alpha + sigma)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is answered, the score is −z/σ and the clean data are what they were, on any path.
    #[test]
    fn answers_of_all_kinds_say_the_same() {
        let (clean, noise) = (0.7, -1.3);
        for (alpha, sigma) in [(1.0, 30.0), (0.6, 0.8), (0.25, 0.75), (1.0, 0.01)] {
            let x = alpha * clean + sigma * noise;
            let of = |[gain, skip]: [f64; 2], answer: f64| gain * answer + skip * x;
            for (predicts, answer) in [
                (Predicts::Noise, noise),
                (Predicts::Data, clean),
                (Predicts::Velocity, alpha * noise - sigma * clean),
                (Predicts::Flow, noise - clean),
            ] {
                let score = of(predicts.score(alpha, sigma), answer);
                // Rounding of x(0), whose share in the answer is small where there is much noise.
                assert!((score + noise / sigma).abs() < 1e-10 / sigma.powi(2), "{predicts:?}: {score}");
                let found = of(predicts.clean(alpha, sigma), answer);
                assert!((found - clean).abs() < 1e-12 * (1.0 + sigma / alpha), "{predicts:?}: {found}");
            }
        }
    }
}
