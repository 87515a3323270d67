use super::{Conditioning, Description, Place, Predicts, ScoreError, ScoreModel, Threshold, denoised};
use crate::Image;
use crate::network::{Labels, Network, Sum, Weight};
use crate::sde::{Level, Moments, Range};

/// A trained network as a score model: any (α, σ) is brought to the network's own family
/// and to the time with the same σ/α.
pub struct NetworkScore {
    network: Network,
    conditioning: Conditioning,
}

impl NetworkScore {
    /// A network and what must be known of it.
    pub fn new(network: Network, description: Description) -> Self {
        NetworkScore { network, conditioning: Conditioning::new(description) }
    }

    /// What is known of the network.
    pub fn description(&self) -> &Description {
        self.conditioning.description()
    }

    /// The network itself.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What the network is told at this level, as published: score_sde's label, or EDM's c_noise.
    pub fn label(&self, at: Level) -> f64 {
        self.conditioning.nearest(at).label
    }

    /// What the network itself answers for x (N×C×H×W) at these levels, one for all samples or one for each.
    ///
    /// # Errors
    /// If the device fails.
    pub fn output(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.output_of(None, x, at)
    }

    /// The same of a class, if one is told.
    fn output_of(&self, class: Option<usize>, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let native: Vec<Place> = at.iter().map(|&level| self.conditioning.nearest(level)).collect();
        let labels: Vec<f64> = native.iter().map(|native| native.label).collect();
        let labels = Labels { levels: &labels, classes: &[class] };
        // In its own family, x is what the network expects.
        let x = Sum::of(weights(&native, at, |native, scale| native.scale * scale), x).tensor();
        Ok(self.network.forward(x, labels)?)
    }
}

impl ScoreModel for NetworkScore {
    fn shape(&self) -> [usize; 3] {
        self.description().config.shape()
    }

    fn range(&self) -> Option<Range> {
        Some(self.description().range)
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        Some(self.conditioning.ratios())
    }

    fn moments(&self) -> Option<Moments> {
        self.description().moments
    }

    fn threshold(&self) -> Threshold {
        self.description().threshold
    }

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.score_of(None, x, at)
    }

    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.denoised_of(None, x, at)
    }

    fn of_class(&self, class: usize) -> Option<Box<dyn ScoreModel + '_>> {
        let known = class < self.description().config.classes();
        known.then(|| -> Box<dyn ScoreModel + '_> { Box::new(OfClass { model: self, class }) })
    }
}

/// A network that is told a class.
struct OfClass<'a> {
    model: &'a NetworkScore,
    class: usize,
}

impl ScoreModel for OfClass<'_> {
    crate::score::described_by_its_model!();

    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.model.score_of(Some(self.class), x, at)
    }

    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.model.denoised_of(Some(self.class), x, at)
    }
}

impl NetworkScore {
    /// With y = x/α, the network's own state at the same σ/α is x′ = α′·y, so ∇ₓ log p = (α′/α)·∇ₓ′ log p′.
    fn score_of(&self, class: Option<usize>, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.answer(class, x, at, |native, scale| [native.gain * scale, native.skip * scale * scale])
    }

    /// Of networks that answer the clean data or a velocity, E[x(0) | x] without the detour over the score, which divides
    /// by α.
    fn denoised_of(&self, class: Option<usize>, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let predicts = self.description().predicts;
        if predicts == Predicts::Noise {
            return Ok(denoised(x, &self.score_of(class, x, at)?, at));
        }
        self.answer(class, x, at, |native, scale| {
            let [gain, skip] = predicts.clean(native.alpha, native.sigma);
            [gain, skip * scale]
        })
    }

    /// gain × the network's output + skip × x, both from its native place and α′/α.
    fn answer(
        &self,
        class: Option<usize>,
        x: &Image,
        at: &[Level],
        shares: impl Fn(&Place, f64) -> [f64; 2],
    ) -> Result<Image, ScoreError> {
        let [n, c, h, w] = x.dims();
        let expected = self.shape();
        if expected != [c, h, w] || (at.len() != 1 && at.len() != n) {
            return Err(ScoreError::Shape { expected, found: [c, h, w] });
        }
        let native: Vec<Place> = at.iter().map(|&level| self.conditioning.nearest(level)).collect();
        let share = |which: usize| weights(&native, at, |native, scale| shares(native, scale)[which]);
        let (gain, skip) = (share(0), share(1));
        let output = self.output_of(class, x, at)?;
        let answer = Sum::of(gain, &output);
        Ok(if skip.is(0.0) { answer.tensor() } else { answer.plus(skip, x).tensor() })
    }
}

/// A weight of each level, from its native place and α′/α.
fn weights(native: &[Place], at: &[Level], weight: impl Fn(&Place, f64) -> f64) -> Weight<'static> {
    let both = native.iter().zip(at);
    both.map(|(native, level)| weight(native, native.alpha / level.alpha)).collect::<Vec<_>>().into()
}
