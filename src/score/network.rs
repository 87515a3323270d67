use super::{Description, ScoreError, ScoreModel};
use crate::Image;
use crate::network::Network;
use crate::sde::{LabelConvention, Level, Moments, Range};
use burn::tensor::{Device, Tensor, TensorData};

/// The times between which published networks are trained.
const FIRST_TIME: f64 = 1e-5;
const LAST_TIME: f64 = 1.0;

/// A trained network as a score model: any (α, σ) is brought to the network's own family
/// and to the time with the same σ/α.
pub struct NetworkScore {
    network: Network,
    description: Description,
    /// Of networks that are given the index of one of DDPM's steps; else none.
    ddpm: DdpmSteps,
}

/// A place on the network's own path, and how its output there becomes a score.
#[derive(Clone, Copy, Debug)]
struct Native {
    /// α′ of the network's family.
    alpha: f64,
    /// What the network is given is `scale` × the native state.
    scale: f64,
    /// What the network is told.
    label: f64,
    /// Native score = `gain` × output + `skip` × native state.
    gain: f64,
    skip: f64,
}

impl NetworkScore {
    /// A network and what must be known of it.
    pub fn new(network: Network, description: Description) -> Self {
        let ddpm = DdpmSteps::of(&description);
        NetworkScore { network, description, ddpm }
    }

    /// What is known of the network.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The network itself.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What the network is told at this level, as published: score_sde's label, or EDM's c_noise.
    pub fn label(&self, at: Level) -> f64 {
        self.native(at).label
    }

    /// What the network itself answers for x (N×C×H×W) at these levels, one for all samples or one for each.
    ///
    /// # Errors
    /// If the device fails.
    pub fn output(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let native: Vec<Native> = at.iter().map(|&level| self.native(level)).collect();
        let labels: Vec<f64> = native.iter().map(|native| native.label).collect();
        let scales = scaled(&native, at, |native, scale| native.scale * scale, &x.device());
        Ok(self.network.forward(x.clone() * scales, &labels)?)
    }

    /// The native place with the same σ/α, at the nearest time that was trained. Labels go with what the network answers,
    /// as in score_sde (`models/utils.py`, `get_score_fn`), but for EDM's preconditioning. DDPM's steps lie beside the
    /// path of the family, so that score_sde's label belongs to a sample that walks them, and to no other.
    fn native(&self, at: Level) -> Native {
        let sde = self.description.family.sde();
        let t = sde.time_of_ratio(at.ratio()).clamp(self.first_time(), LAST_TIME);
        let Level { alpha, sigma, .. } = sde.level(t);
        let last = self.description.levels.max(1) as f64 - 1.0;
        let (label, gain) = match self.description.labels {
            LabelConvention::Time => (t * 999.0, -1.0 / sigma),
            LabelConvention::Sigma => (sigma, 1.0),
            LabelConvention::LogSigma => (sigma.ln() / 4.0, 1.0),
            LabelConvention::SmldIndex => self.network.smld_label((1.0 - t) * last),
            LabelConvention::DdpmIndex if at.table != Some(self.description.table()) => {
                return self.ddpm.native(at.ratio());
            }
            // The time came through σ/α: what should be whole may have lost its last digits.
            LabelConvention::DdpmIndex => (t * last, -1.0 / self.ddpm.level((t * last + 1e-6) as usize).sigma),
        };
        let native = Native { alpha, scale: 1.0, label, gain, skip: 0.0 };
        match self.description.config.sigma_data() {
            Some(sigma_data) => native.preconditioned(sigma, sigma_data),
            None => native,
        }
    }

    /// The first time that was trained. Levels of networks that are told σ begin with σ_min itself (continuous times of
    /// VE, from 1e-5 on, with a ten-thousandth more).
    fn first_time(&self) -> f64 {
        match self.description.labels {
            LabelConvention::SmldIndex | LabelConvention::LogSigma | LabelConvention::Sigma => 0.0,
            LabelConvention::Time | LabelConvention::DdpmIndex => FIRST_TIME,
        }
    }
}

/// σ/α of each of DDPM's steps, the smallest first.
struct DdpmSteps(Vec<f64>);

impl DdpmSteps {
    fn of(description: &Description) -> DdpmSteps {
        match description.labels {
            LabelConvention::DdpmIndex => DdpmSteps(description.trained_ratios().into_iter().rev().collect()),
            _ => DdpmSteps(Vec::new()),
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

    /// The place with this σ/α, or the nearest that was trained: between two steps the label between theirs, log σ/α
    /// linear in it.
    fn native(&self, ratio: f64) -> Native {
        let (lowest, highest) = self.ends();
        let ratio = ratio.max(lowest).min(highest);
        let above = self.0.partition_point(|&known| known < ratio);
        let below = above.saturating_sub(1);
        let (low, high) = (self.ratio(below), self.ratio(above));
        let between = if high > low && low > 0.0 { (ratio / low).ln() / (high / low).ln() } else { 0.0 };
        let Level { alpha, sigma, .. } = preserving(ratio);
        Native { alpha, scale: 1.0, label: below as f64 + between, gain: -1.0 / sigma, skip: 0.0 }
    }
}

/// The level with this σ/α of a path with α² + σ² = 1.
fn preserving(ratio: f64) -> Level {
    let alpha = 1.0 / ratio.hypot(1.0);
    Level::new(alpha, ratio * alpha)
}

impl Native {
    /// The same with EDM's preconditioning (Karras et al. 2022, table 1): D(x; σ) = c_skip·x + c_out·F(c_in·x; c_noise)
    /// is the denoised image, and the score is (D − x)/σ².
    fn preconditioned(self, sigma: f64, sigma_data: f64) -> Self {
        let total = sigma * sigma + sigma_data * sigma_data;
        // c_out/σ², and (c_skip − 1)/σ².
        let (gain, skip) = (sigma_data / (sigma * total.sqrt()), -1.0 / total);
        Native { scale: 1.0 / total.sqrt(), gain, skip, ..self }
    }
}

impl ScoreModel for NetworkScore {
    fn shape(&self) -> [usize; 3] {
        self.description.config.shape()
    }

    fn range(&self) -> Option<Range> {
        Some(self.description.range)
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        if self.description.labels == LabelConvention::DdpmIndex {
            return Some(self.ddpm.ends());
        }
        let sde = self.description.family.sde();
        Some((sde.level(self.first_time()).ratio(), sde.level(LAST_TIME).ratio()))
    }

    fn moments(&self) -> Option<Moments> {
        self.description.moments
    }

    /// With y = x/α, the network's own state at the same σ/α is x′ = α′·y, so ∇ₓ log p = (α′/α)·∇ₓ′ log p′.
    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let [n, c, h, w] = x.dims();
        let expected = self.shape();
        if expected != [c, h, w] || (at.len() != 1 && at.len() != n) {
            return Err(ScoreError::Shape { expected, found: [c, h, w] });
        }
        let native: Vec<Native> = at.iter().map(|&level| self.native(level)).collect();
        let device = &x.device();
        let score = self.output(x, at)? * scaled(&native, at, |native, scale| native.gain * scale, device);
        Ok(match native.iter().all(|native| native.skip == 0.0) {
            true => score,
            false => score + x.clone() * scaled(&native, at, |native, scale| native.skip * scale * scale, device),
        })
    }
}

/// A factor for each level, from its native place and α′/α, to broadcast over images.
fn scaled(native: &[Native], at: &[Level], factor: impl Fn(&Native, f64) -> f64, device: &Device) -> Image {
    let values = native.iter().zip(at).map(|(native, level)| factor(native, native.alpha / level.alpha) as f32);
    let values: Vec<f32> = values.collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count, 1, 1, 1]), device)
}
