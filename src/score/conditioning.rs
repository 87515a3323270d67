//! How a network is told its noise level, and how its output there becomes a score. What a network is trained with and
//! what it is asked with later are read from here, so that they are the same.

use super::{Description, Predicts};
use crate::sde::{LabelConvention, Level};

/// The times between which published networks are trained.
const FIRST_TIME: f64 = 1e-5;
const LAST_TIME: f64 = 1.0;
/// The label of noise alone in flow matching.
const FLOW_LABELS: f64 = 1000.0;

/// The noise levels of one network.
pub struct Conditioning {
    description: Description,
    /// Of networks that are given the index of one of DDPM's steps; else none.
    ddpm: DdpmSteps,
}

/// A place on the network's own path, and how its output there becomes a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// α of the network's path: its state is x = α·x(0) + σ·z.
    pub alpha: f64,
    /// σ of the network's path, in units of its own data.
    pub sigma: f64,
    /// What the network is given is `scale` × x.
    pub scale: f64,
    /// What the network is told.
    pub label: f64,
    /// Score = `gain` × output + `skip` × x.
    pub gain: f64,
    pub skip: f64,
}

impl Conditioning {
    /// The levels of a network so described.
    pub fn new(description: Description) -> Self {
        let ddpm = DdpmSteps::of(&description);
        Conditioning { description, ddpm }
    }

    /// What is known of the network.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The first and the last time of training: 1e-5 and 1 as published; of networks of discrete levels and of those
    /// whose σ is drawn by itself (EDM), all times.
    pub fn times(&self) -> (f64, f64) {
        match self.description.labels {
            LabelConvention::Time | LabelConvention::Sigma | LabelConvention::FlowTime => (FIRST_TIME, LAST_TIME),
            LabelConvention::LogSigma | LabelConvention::SmldIndex | LabelConvention::DdpmIndex => (0.0, LAST_TIME),
        }
    }

    /// Where a network is trained at `t`, from 0 to 1. Of a network of N discrete levels each takes an Nth of this, the
    /// least noise first.
    pub fn trained(&self, t: f64) -> Place {
        let levels = self.description.levels.max(1);
        let index = ((t * levels as f64) as usize).min(levels - 1);
        match self.description.labels {
            LabelConvention::DdpmIndex => self.ddpm.place(index),
            LabelConvention::SmldIndex => self.at_time(index as f64 / (levels.max(2) - 1) as f64),
            LabelConvention::Time | LabelConvention::Sigma | LabelConvention::LogSigma | LabelConvention::FlowTime => {
                self.at_time(t)
            }
        }
    }

    /// A time at which a network is trained and told this label: of [`Conditioning::trained`] the inverse, where a level
    /// has the middle of its share. Not for labels beyond those of the training, which have the nearest of its times.
    pub fn time_of(&self, label: f64) -> f64 {
        let levels = self.description.levels.max(1) as f64;
        let sde = self.description.family.sde();
        let time = match self.description.labels {
            LabelConvention::Time => label / 999.0,
            LabelConvention::Sigma => sde.time_of_ratio(label),
            LabelConvention::LogSigma => sde.time_of_ratio((4.0 * label).exp()),
            LabelConvention::SmldIndex => 1.0 - (label + 0.5) / levels,
            LabelConvention::DdpmIndex => (label + 0.5) / levels,
            // σ/(α + σ) = label/1000.
            LabelConvention::FlowTime => sde.time_of_ratio(label / (FLOW_LABELS - label).max(0.0)),
        };
        let (first, last) = self.times();
        time.clamp(first, last)
    }

    /// The place with the same σ/α, at the nearest time that was trained. DDPM's steps lie beside the path of the
    /// family, so that score_sde's label belongs to a sample that walks them, and to no other.
    pub fn nearest(&self, at: Level) -> Place {
        let walks = at.table == Some(self.description.table()) && self.description.betas.is_none();
        if self.description.labels == LabelConvention::DdpmIndex && !walks {
            return self.ddpm.nearest(at.ratio());
        }
        self.at_time(self.description.family.sde().time_of_ratio(at.ratio()).clamp(self.first_time(), LAST_TIME))
    }

    /// Labels go with what the network answers, as in score_sde (`models/utils.py`, `get_score_fn`), but for EDM's
    /// preconditioning.
    fn at_time(&self, t: f64) -> Place {
        let Level { alpha, sigma, .. } = self.description.family.sde().level(t);
        let last = self.description.levels.max(1) as f64 - 1.0;
        let noise = |gain: f64| [gain, 0.0];
        let answers = || self.description.predicts.score(alpha, sigma);
        let (label, [gain, skip]) = match self.description.labels {
            LabelConvention::Time => (t * 999.0, answers()),
            LabelConvention::FlowTime => (FLOW_LABELS * sigma / (alpha + sigma), answers()),
            LabelConvention::Sigma => (sigma, noise(1.0)),
            LabelConvention::LogSigma => (sigma.ln() / 4.0, noise(1.0)),
            LabelConvention::SmldIndex => {
                let (label, gain) = self.description.config.smld_label((1.0 - t) * last);
                (label, noise(gain))
            }
            // The time came through σ/α: what should be whole may have lost its last digits.
            LabelConvention::DdpmIndex => {
                let of = self.ddpm.level((t * last + 1e-6) as usize);
                (t * last, self.description.predicts.score(of.alpha, of.sigma))
            }
        };
        let place = Place { alpha, sigma, scale: 1.0, label, gain, skip };
        match self.description.config.sigma_data() {
            Some(sigma_data) => place.preconditioned(sigma_data),
            None => place,
        }
    }

    /// The first time that was trained. Levels of networks that are told σ begin with σ_min itself (continuous times of
    /// VE, from 1e-5 on, with a ten-thousandth more).
    fn first_time(&self) -> f64 {
        match self.description.labels {
            LabelConvention::SmldIndex | LabelConvention::LogSigma | LabelConvention::Sigma => 0.0,
            LabelConvention::Time | LabelConvention::DdpmIndex | LabelConvention::FlowTime => FIRST_TIME,
        }
    }

    /// Smallest and largest σ/α that was trained.
    pub fn ratios(&self) -> (f64, f64) {
        if self.description.labels == LabelConvention::DdpmIndex {
            return self.ddpm.ends();
        }
        let sde = self.description.family.sde();
        (sde.level(self.first_time()).ratio(), sde.level(LAST_TIME).ratio())
    }
}

impl Place {
    /// The same with EDM's preconditioning (Karras et al. 2022, table 1): D(x; σ) = c_skip·x + c_out·F(c_in·x; c_noise)
    /// is the denoised image, and the score is (D − x)/σ².
    fn preconditioned(self, sigma_data: f64) -> Self {
        let total = self.sigma * self.sigma + sigma_data * sigma_data;
        // c_out/σ², and (c_skip − 1)/σ².
        let (gain, skip) = (sigma_data / (self.sigma * total.sqrt()), -1.0 / total);
        Place { scale: 1.0 / total.sqrt(), gain, skip, ..self }
    }
}

/// σ/α of each of DDPM's steps, the smallest first, and what the network answers there.
struct DdpmSteps(Vec<f64>, Predicts);

impl DdpmSteps {
    fn of(description: &Description) -> DdpmSteps {
        match description.labels {
            LabelConvention::DdpmIndex => {
                DdpmSteps(description.trained_ratios().into_iter().rev().collect(), description.predicts)
            }
            _ => DdpmSteps(Vec::new(), Predicts::Noise),
        }
    }

    /// α and σ of a step, or of the last one.
    fn level(&self, index: usize) -> Level {
        preserving(self.ratio(index))
    }

    fn ratio(&self, index: usize) -> f64 {
        self.0.get(index).or(self.0.last()).copied().unwrap_or(1.0)
    }

    /// Smallest and largest σ/α above 0.
    fn ends(&self) -> (f64, f64) {
        let first = self.0.partition_point(|&ratio| ratio <= 0.0);
        (self.ratio(first), self.ratio(self.0.len()))
    }

    /// The place of a step.
    fn place(&self, index: usize) -> Place {
        labelled(self.1, self.ratio(index), index as f64)
    }

    /// The place with this σ/α, or the nearest that was trained: between two steps the label between theirs, log σ/α
    /// linear in it.
    fn nearest(&self, ratio: f64) -> Place {
        let (lowest, highest) = self.ends();
        let ratio = ratio.max(lowest).min(highest);
        let above = self.0.partition_point(|&known| known < ratio);
        let below = above.saturating_sub(1);
        let (low, high) = (self.ratio(below), self.ratio(above));
        let between = if high > low && low > 0.0 { (ratio / low).ln() / (high / low).ln() } else { 0.0 };
        labelled(self.1, ratio, below as f64 + between)
    }
}

/// The place with this σ/α of a network of VP's levels.
fn labelled(predicts: Predicts, ratio: f64, label: f64) -> Place {
    let Level { alpha, sigma, .. } = preserving(ratio);
    let [gain, skip] = predicts.score(alpha, sigma);
    Place { alpha, sigma, scale: 1.0, label, gain, skip }
}

/// The level with this σ/α of a path with α² + σ² = 1.
fn preserving(ratio: f64) -> Level {
    let alpha = 1.0 / ratio.hypot(1.0);
    Level::new(alpha, ratio * alpha)
}
