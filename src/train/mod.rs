//! Training score models: what is minimised, at which times, by which updates, and what is kept of the weights.
//!
//! An [`Objective`] makes of clean data, noise and times a [`Regression`]: what goes into the network, and how far its
//! output is from what it should be. [`Times`] say at which noise levels. An [`Optimizer`] gives each parameter the rule by
//! which it moves, a [`Schedule`] its pace; an [`Average`] follows the weights. All of it is arithmetic on slices, the
//! same for any number of threads, in single precision for training and in double precision for reference.

mod average;
mod classification;
mod consistency;
mod folder;
mod gradient;
mod history;
mod init;
mod matching;
mod memorisation;
mod network;
mod objective;
mod optimizer;
mod posthoc;
mod real;
mod regression;
mod schedule;
mod times;
mod trainer;
mod training;

pub use average::{
    Average, DECAY, Ema, HALF_LIFE, HalfLife, Power, Profile, ProfileError, RAMP_UP_RATIO, SIGMA_REL, Update, WARM,
    coefficients, combine, follow, gamma_of, half_life_decay,
};
pub use classification::{
    Augmentation, ClassifierError, ClassifierTrainer, ClassifierTraining, Progress as ClassifierProgress, accuracy,
    cross_entropy,
};
pub use consistency::{
    Answers, Drawn, Nearer, heun, is_first_stage, levels, noised, pairs, regression as consistency_regression,
};
pub use folder::{Folder, FolderError, Metrics, Notes, read_training, write_training};
pub use gradient::{LossGradient, loss_gradient};
pub use history::{History, LEVELS, Levels, Point};
pub use init::initial_weights;
pub use matching::{implicit, sliced};
pub use memorisation::{Memorisation, Remembered, copying};
pub use network::{EdmRecipe, Medium, PREDICTS, Published, Recipe, ScoreSde, Size, Small, Tiny, Transformer};
pub use objective::{
    ConsistencyDistillation, ConsistencyTraining, Ddpm, Dsm, Edm, HALF_SUM, LIKELIHOOD, MEAN, NOISE, Objective,
    ObjectiveError, Prediction, REDUCTION, SUM, Smld, Uncertain, WEIGHTING, uncertain, usual,
};
pub use optimizer::{
    Adam, AdamRule, AdamW, BETA_1, BETA_2, CLIP, EPSILON, LEARNING_RATE, MOMENTUM, MUON_RATE, Muon, MuonRule, NESTEROV,
    Optimizer, OptimizerError, OptimizerState, Pace, Rule, WEIGHT_DECAY, clip, norm, orthogonalised,
};
pub use posthoc::{Posthoc, PosthocError, posthoc};
pub use real::Real;
pub use regression::Regression;
pub use schedule::{InverseSqrt, Position, RAMP_UP_IMAGES, REFERENCE_BATCHES, Schedule, WARM_UP, WarmUp};
pub use times::{Draw, Importance, LogNormal, P_MEAN, P_STD, Path, STRATIFIED, Times, TimesError, Uniform, draw};
pub use trainer::{State, StepReport, TrainError, Trainer, WIDTHS};
pub use training::{LABEL_DROPOUT, Training, TrainingError};
