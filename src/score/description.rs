//! All that must be known of a trained network beyond its weights.

use super::{Predicts, Threshold};
use crate::network::{Architecture, InvalidConfig, MAX_LEVELS};
use crate::sde::{Family, LabelConvention, Level, Moments, Range, Table};
use crate::text;
use serde::{Deserialize, Serialize};

/// A trained network's description: what it is and how its output becomes a score. Saved in our own checkpoints'
/// metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct Description {
    /// The architecture.
    pub config: Architecture,
    /// The family it was trained in.
    pub family: Family,
    /// Trained on continuous times; else on `levels` discrete ones.
    pub continuous: bool,
    /// N, the number of discrete levels.
    pub levels: usize,
    /// Which number it is given for its noise level.
    pub labels: LabelConvention,
    /// What it answers, where it is told a time or a step.
    #[serde(skip_serializing_if = "is_usual")]
    pub predicts: Predicts,
    /// β of each of its discrete levels, where they are not the family's: the last may be 1 (zero terminal SNR).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub betas: Option<Vec<f64>>,
    /// The range of its images.
    pub range: Range,
    /// How far estimates of its images may leave that, where samples are clipped.
    #[serde(skip_serializing_if = "is_range")]
    pub threshold: Threshold,
    /// The name people read.
    pub name: String,
    /// Data, licence, training: a few lines for people.
    pub card: String,
    /// Moments of its data in its range, where known.
    pub moments: Option<Moments>,
    /// Names of the classes that it can be told, in their order; empty where they have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// A description as files have it; those of version 0.1.0 do not say the labels.
#[derive(Deserialize)]
struct Saved {
    config: Architecture,
    family: Family,
    continuous: bool,
    levels: usize,
    labels: Option<LabelConvention>,
    #[serde(default)]
    predicts: Predicts,
    betas: Option<Vec<f64>>,
    range: Range,
    #[serde(default)]
    threshold: Threshold,
    #[serde(default)]
    name: String,
    #[serde(default)]
    card: String,
    moments: Option<Moments>,
    #[serde(default)]
    classes: Vec<String>,
}

impl TryFrom<Saved> for Description {
    type Error = InvalidConfig;

    fn try_from(saved: Saved) -> Result<Self, InvalidConfig> {
        let Saved { config, family, continuous, levels, labels, predicts, betas, range, .. } = saved;
        let Saved { threshold, name, card, moments, classes, .. } = saved;
        if levels > MAX_LEVELS {
            return Err(InvalidConfig::new("levels", levels, &format!("at most {MAX_LEVELS}")));
        }
        if levels < 2 && !continuous {
            return Err(InvalidConfig::new("levels", levels, "2 or more where they are discrete"));
        }
        let usual = Description::new(config, family, continuous, levels, range);
        let labels = labels.unwrap_or(usual.labels);
        let own = has_own_answer(&usual.config, labels);
        if predicts != Predicts::Noise && own {
            let rule = "noise where the network has EDM's preconditioning or is told σ";
            return Err(InvalidConfig::new("predicts", "what it is", rule));
        }
        if betas.is_some() && (own || labels != LabelConvention::DdpmIndex) {
            return Err(InvalidConfig::new("betas", "what they are", "none where levels are not those of discrete VP"));
        }
        let fits = |betas: &Vec<f64>| {
            let variances = betas.iter().all(|beta| (0.0..=1.0).contains(beta));
            betas.len() == levels && variances && betas[..levels.saturating_sub(1)].iter().all(|beta| *beta < 1.0)
        };
        if betas.as_ref().is_some_and(|betas| !fits(betas)) {
            return Err(InvalidConfig::new("betas", "what they are", "one variance below 1 for each level"));
        }
        if !threshold.is_valid() {
            return Err(InvalidConfig::new("threshold", "what it is", "above 0, and a ratio from 0 to 1"));
        }
        if !classes.is_empty() && classes.len() != usual.config.classes() {
            let rule = format!("{}, the number of classes", usual.config.classes());
            return Err(InvalidConfig::new("the number of names", classes.len(), &rule));
        }
        // The file may be a stranger's.
        let classes = classes.iter().map(|class| text::name(class)).collect();
        let (name, card) = (text::name(&name), text::printable(&card).into_owned());
        Ok(Description { labels, predicts, betas, threshold, name, card, moments, classes, ..usual })
    }
}

impl Description {
    /// A network with the labels that are usual for it: EDM's where it has EDM's preconditioning, else those of its
    /// family. Its name, card and moments are left out.
    pub fn new(config: Architecture, family: Family, continuous: bool, levels: usize, range: Range) -> Description {
        let labels = match config.sigma_data() {
            Some(_) => LabelConvention::LogSigma,
            None => family.sde().label_convention(continuous),
        };
        let (name, card, moments, classes) = (String::new(), String::new(), None, Vec::new());
        let (predicts, betas, threshold) = (Predicts::Noise, None, Threshold::Range);
        Description {
            config,
            family,
            continuous,
            levels,
            labels,
            predicts,
            betas,
            range,
            threshold,
            name,
            card,
            moments,
            classes,
        }
    }

    /// Whether its answer is its own, and nothing of [`Predicts`]: it is told σ and answers scores, or has EDM's
    /// preconditioning.
    pub fn has_own_answer(&self) -> bool {
        has_own_answer(&self.config, self.labels)
    }

    /// Names of all classes that it can be told: their numbers from 0 where they have no names.
    pub fn class_names(&self) -> Vec<String> {
        match self.classes.is_empty() {
            true => (0..self.config.classes()).map(|class| class.to_string()).collect(),
            false => self.classes.clone(),
        }
    }

    /// Takes the classes away from a network that was told them.
    pub fn forget_classes(&mut self) {
        self.classes.clear();
        self.config.tell_classes(0);
    }

    /// The family as runs have it. A network's own σ are in units of its own data; a run of VE works in [0, 1], whatever
    /// the network's range.
    pub fn family_of_runs(&self) -> Family {
        self.family.scaled(self.family.facts().range.span() / self.range.span())
    }

    /// σ/α of each level of a network that is given the index of one, the largest first; else nothing.
    pub fn trained_ratios(&self) -> Vec<f64> {
        let (levels, sde) = (self.levels.max(2), self.family.sde());
        let last = levels as f64 - 1.0;
        match self.labels {
            LabelConvention::Time | LabelConvention::Sigma | LabelConvention::LogSigma | LabelConvention::FlowTime => {
                Vec::new()
            }
            LabelConvention::SmldIndex => {
                (0..levels).map(|index| sde.level(1.0 - index as f64 / last).ratio()).collect()
            }
            LabelConvention::DdpmIndex => {
                let mut ratios: Vec<f64> = self.ddpm_log_alphas().map(|log| (-log).exp_m1().sqrt()).collect();
                ratios.reverse();
                ratios
            }
        }
    }

    /// The published table of the network's own levels.
    pub fn table(&self) -> Table {
        Table { family: self.family, levels: self.levels }
    }

    /// The level at `t` of a sample that walks that table: networks of discrete levels are then evaluated as published.
    pub fn published_level(&self, t: f64) -> Level {
        Level { table: Some(self.table()), ..self.family.sde().level(t) }
    }

    /// ln ᾱ of each step of DDPM's table (Ho et al. 2020), ᾱ the running product of 1 − β: of the network's own β, or of
    /// linear ones, β_i/N. Of a zero terminal SNR ᾱ ends at 2⁻²⁴, as in diffusers, so that σ/α is a number.
    fn ddpm_log_alphas(&self) -> impl Iterator<Item = f64> + '_ {
        let (n, sde) = (self.levels.max(1), self.family.sde());
        let last = n.max(2) as f64 - 1.0;
        let beta = move |index: usize| match &self.betas {
            Some(betas) => betas.get(index).copied().unwrap_or_default(),
            None => (sde.beta(index as f64 / last) / n as f64).min(0.999),
        };
        let least = -24.0 * std::f64::consts::LN_2;
        (0..n).scan(0.0, move |sum, index| {
            *sum += (-beta(index)).ln_1p();
            Some(sum.max(if self.betas.is_some() { least } else { f64::MIN }))
        })
    }
}

fn has_own_answer(config: &Architecture, labels: LabelConvention) -> bool {
    config.sigma_data().is_some() || labels.answers_scores()
}

/// Whether estimates are kept inside the range.
fn is_range(threshold: &Threshold) -> bool {
    *threshold == Threshold::Range
}

/// Whether a network answers what most do.
fn is_usual(predicts: &Predicts) -> bool {
    *predicts == Predicts::Noise
}
