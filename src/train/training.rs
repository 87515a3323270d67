//! All that decides a training, as a value.

use super::{
    Average, DECAY, Ema, LEARNING_RATE, Levels, Nearer, Objective, Optimizer, Path, SIGMA_REL, Schedule, Times,
    WARM_UP, usual,
};
use crate::data::DataSource;
use crate::registry::{Choice, ChoiceError};
use crate::score::{Conditioning, Description, Predicts};
use crate::task::ModelRef;
use serde::{Deserialize, Serialize};

/// Parameters of a network that is small.
const SMALL: usize = 10_000_000;
/// Learning rate of the published trainings.
const PUBLISHED_RATE: f64 = 2e-4;
/// Usual share of the labels that are left out (Ho and Salimans 2022, table 1).
pub const LABEL_DROPOUT: f64 = 0.1;
/// Images of one step, at most.
const MAX_BATCH: usize = 65_536;

/// Everything that decides the weights of a training. Serialised, it is a training's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    #[serde(flatten)]
    pub source: DataSource,
    /// The network, its family and how it is told its noise level.
    pub network: Description,
    /// Whose weights it begins with; else they are new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<ModelRef>,
    /// What that network answers, where this one is to answer something else.
    #[serde(default, alias = "teacher_predicts", skip_serializing_if = "Option::is_none")]
    pub start_predicts: Option<Predicts>,
    #[serde(flatten)]
    pub objective: Choice<dyn Objective>,
    #[serde(flatten)]
    pub times: Choice<dyn Times>,
    #[serde(flatten)]
    pub optimizer: Choice<dyn Optimizer>,
    #[serde(flatten)]
    pub schedule: Choice<dyn Schedule>,
    /// Of the weights that the network is used with.
    #[serde(flatten)]
    pub average: Choice<dyn Average>,
    /// Images of one step.
    pub batch: usize,
    /// Images after which the training is done.
    pub images: u64,
    /// Whether half of the images are mirrored.
    #[serde(default)]
    pub flips: bool,
    /// Share of the features between a block's convolutions that are left out at random.
    #[serde(default)]
    pub dropout: f64,
    /// Of a network that is told the classes of its data: the share of the images that it is not told the class of, so that
    /// it also learns all data together, as classifier-free guidance needs. None: no class is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_dropout: Option<f64>,
    /// Images from one stored pair of power-function averages to the next, of which an average of any length can be made
    /// afterwards; 0 stores none.
    #[serde(default)]
    pub snapshots: u64,
    /// Of the first weights, the order of the data and all noise.
    pub seed: u64,
}

/// A training that cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    #[error("a batch of {0} images is out of range; choose 1 to {MAX_BATCH}")]
    Batch(usize),
    #[error("a training of {0} images is shorter than one batch; choose {1} or more")]
    Images(u64, usize),
    #[error("a dropout of {0} is out of range; choose 0 to 0.9")]
    Dropout(f64),
    #[error("a network of this kind ({0}) has no dropout; choose 0")]
    NoDropout(String),
    #[error("distillation is by a teacher, and a new network has none; finetune a model, or train by consistency")]
    NoTeacher,
    #[error("a network of this kind has an answer of its own, so it cannot be taught {0}; leave --predicts out")]
    OwnAnswer(&'static str),
    #[error("a label dropout of {0} is out of range; choose 0 to 1")]
    LabelDropout(f64),
    #[error(
        "the data have no classes to be told; give folders of classes or labelled images, or leave --conditional out"
    )]
    NoClasses,
    #[error("the data have {data} classes but the network can be told {network}; choose other data or another network")]
    Classes { data: usize, network: usize },
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    #[error(transparent)]
    Objective(#[from] super::ObjectiveError),
    #[error(transparent)]
    Times(#[from] super::TimesError),
    #[error("the data are {data:?} (channels, height, width) but the network is for {network:?}; choose another size")]
    Shape { data: [usize; 3], network: [usize; 3] },
    #[error("{found} images are too few to train on; give {} or more", Training::LEAST)]
    Few { found: u64 },
}

impl Training {
    /// Fewest images that a network can be trained on.
    pub const LEAST: u64 = 2;

    /// The usual training of a network on data.
    pub fn usual(source: DataSource, network: Description) -> Training {
        let objective = usual(&network);
        let times: &'static dyn Times = match network.config.sigma_data() {
            Some(_) => &super::LogNormal,
            None => &super::Uniform,
        };
        let label_dropout = (network.config.classes() > 0).then_some(LABEL_DROPOUT);
        let mut schedule = Choice::<dyn Schedule>::new(&super::WarmUp);
        let mut average = Choice::<dyn Average>::new(&Ema);
        // For trainings of hours, not days: a shorter warm-up, and an average of the last thousands of steps.
        schedule.settings_mut().set_nearest(&WARM_UP, 100u64);
        average.settings_mut().set_nearest(&DECAY, 0.9995);
        // Small networks learn several times as fast with larger and more steps; the others as published.
        let is_small = network.config.count() < SMALL;
        let (batch, rate) = if is_small { (32, 1e-3) } else { (128, PUBLISHED_RATE) };
        let mut optimizer = Choice::<dyn Optimizer>::new(&super::Adam);
        optimizer.settings_mut().set_nearest(&LEARNING_RATE, rate);
        Training {
            source,
            network,
            start: None,
            start_predicts: None,
            objective,
            times: Choice::new(times),
            optimizer,
            schedule,
            average,
            batch,
            images: 1_000_000,
            flips: true,
            dropout: 0.0,
            label_dropout,
            snapshots: 0,
            seed: 0,
        }
    }

    /// The usual training of a network that has learnt already: it begins with the weights of a model, at the published
    /// rate whatever its size, as larger steps would undo what it has learnt.
    pub fn further(start: ModelRef, source: DataSource, network: Description) -> Training {
        let mut training = Training { start: Some(start), ..Training::usual(source, network) };
        training.optimizer.settings_mut().set_nearest(&LEARNING_RATE, PUBLISHED_RATE);
        training
    }

    /// Whether the parts fit together.
    ///
    /// # Errors
    /// If they do not.
    pub fn check(&self) -> Result<(), TrainingError> {
        self.objective.check()?;
        self.times.check()?;
        self.optimizer.check()?;
        self.schedule.check()?;
        self.average.check()?;
        if !(1..=MAX_BATCH).contains(&self.batch) {
            return Err(TrainingError::Batch(self.batch));
        }
        if self.images < self.batch as u64 {
            return Err(TrainingError::Images(self.images, self.batch));
        }
        if !(0.0..=0.9).contains(&self.dropout) {
            return Err(TrainingError::Dropout(self.dropout));
        }
        if self.dropout > 0.0 && !self.network.config.has_dropout() {
            return Err(TrainingError::NoDropout(self.network.config.summary()));
        }
        if let Some(share) = self.label_dropout.filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(TrainingError::LabelDropout(share));
        }
        if self.network.predicts != Predicts::Noise && self.network.has_own_answer() {
            return Err(TrainingError::OwnAnswer(self.network.predicts.about().slug));
        }
        self.objective.check_for(&self.network)?;
        if self.is_taught() && self.start.is_none() {
            return Err(TrainingError::NoTeacher);
        }
        self.times.check_for(&Path::of(&Conditioning::new(self.network.clone())))?;
        Ok(())
    }

    /// Lets the network answer something else than the one that it begins with, and learn it by what is usual for that.
    /// The noise and v are next to the same where there is little noise, so that what was learnt for one is a good
    /// beginning for the other.
    pub fn answer(&mut self, predicts: Predicts) {
        let before = self.start_predicts.unwrap_or(self.network.predicts);
        self.start_predicts = (predicts != before).then_some(before);
        self.network.predicts = predicts;
        if self.objective.entry().nearer().is_none() {
            self.objective = usual(&self.network);
        }
    }

    /// Lets it answer v where it would answer the noise, an error of which is σ/α times as large in the denoised image:
    /// a hundred times where samples begin.
    pub fn bound_answers(&mut self) {
        if self.network.predicts == Predicts::Noise && !self.network.has_own_answer() {
            self.answer(Predicts::Velocity);
        }
    }

    /// Whether it learns from a teacher, the network that it begins with.
    pub fn is_taught(&self) -> bool {
        self.objective.entry().nearer() == Some(Nearer::Teacher)
    }

    /// Tells the network the classes of its data, if it is to be told them; a network that is new has as many.
    ///
    /// # Errors
    /// If the data have none, or the network can be told another number of them.
    pub fn tell_classes(&mut self, names: &[&str]) -> Result<(), TrainingError> {
        if self.label_dropout.is_none() {
            return Ok(());
        }
        if self.start.is_none() && self.network.config.classes() == 0 {
            self.network.config.tell_classes(names.len());
        }
        let (data, network) = (names.len(), self.network.config.classes());
        if data == 0 {
            return Err(TrainingError::NoClasses);
        }
        if data != network {
            return Err(TrainingError::Classes { data, network });
        }
        if self.network.classes.is_empty() {
            self.network.classes = names.iter().map(|&name| name.into()).collect();
        }
        Ok(())
    }

    /// Where its noise levels lie.
    pub fn levels(&self) -> Levels {
        let path = Path::of(&Conditioning::new(self.network.clone()));
        let sde = self.network.family.sde();
        Levels { ratios: [path.first, path.last].map(|t| sde.level(t).ratio().max(1e-3)) }
    }

    /// Steps of the whole training.
    pub fn steps(&self) -> u64 {
        self.images.div_ceil(self.batch.max(1) as u64)
    }

    /// "exponential average", with the width of one that is a constant share of the training.
    fn averaged(&self) -> String {
        let width = match self.average.parameters().iter().any(|parameter| parameter.key == SIGMA_REL.key) {
            true => format!(" of width {}", self.average.settings().number(&SIGMA_REL)),
            false => String::new(),
        };
        format!("{} average{width} of the weights", self.average.about().name.to_lowercase())
    }

    /// What a model's card says of it after so many steps.
    pub fn card(&self, steps: u64) -> String {
        let images = steps * self.batch as u64;
        let start = self.start.as_ref().map_or_else(|| format!("seed {}", self.seed), ModelRef::to_string);
        format!(
            "Trained on {} from {start}: {}, {}, batches of {}, {}.\nTrained for {steps} steps ({images} images).",
            self.source.place,
            self.objective.about().name,
            self.optimizer.about().name,
            self.batch,
            self.averaged(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Place;
    use crate::train::{ConsistencyDistillation, Recipe, ScoreSde, Tiny};

    fn further() -> Training {
        let network = Choice::<dyn Recipe>::new(&ScoreSde).description(&Choice::new(&Tiny), None, [3, 32, 32]);
        let source = DataSource { place: Place::Worlds(32), size: None, channels: None };
        Training::further(ModelRef::Named(ModelRef::FIRST.into()), source, network)
    }

    #[test]
    fn what_is_answered_changes_what_is_minimised_and_back() {
        let before = further();
        let mut training = before.clone();
        training.bound_answers();
        assert_eq!((training.network.predicts, training.start_predicts), (Predicts::Velocity, Some(Predicts::Noise)));
        assert_eq!(training.objective.about().slug, "prediction");
        training.check().unwrap();
        training.answer(Predicts::Noise);
        assert_eq!(training, before);
    }

    /// Its teacher still answers the noise.
    #[test]
    fn a_student_is_bounded_and_keeps_its_objective() {
        let mut training = further();
        training.objective = Choice::new(&ConsistencyDistillation);
        training.bound_answers();
        assert!(training.is_taught());
        assert_eq!(training.start_predicts, Some(Predicts::Noise));
        // As files of version 0.1 call it.
        let text = serde_json::to_string(&training).unwrap();
        let older = text.replace("start_predicts", "teacher_predicts");
        assert_ne!(text, older);
        assert_eq!(serde_json::from_str::<Training>(&older).unwrap(), training);
    }
}
