//! What of a comparison is looked at.

use crate::compare::Cost;
use serde::{Deserialize, Serialize};

/// Presets that are shown side by side, at most.
pub const BESIDE: usize = 4;

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// Whether costs are seconds, and not score evaluations.
    pub seconds: bool,
    /// Whether what others published is shown.
    pub published: bool,
    /// Show how the images of the others differ from the first one's.
    pub difference: bool,
    /// By what the table is sorted.
    pub order: Order,
    /// The presets side by side, in the order in which they were chosen.
    #[serde(skip)]
    pub selected: Vec<usize>,
}

/// By what a table is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// As they were chosen.
    #[default]
    Given,
    Cost,
    Distance,
}

impl View {
    /// What costs are.
    pub fn cost(&self) -> Cost {
        if self.seconds { Cost::Seconds } else { Cost::Evaluations }
    }

    /// Its name on an axis.
    pub fn axis(&self) -> &'static str {
        if self.seconds { "seconds of each sample" } else { "evaluations of each sample" }
    }

    /// Its unit after a number.
    pub fn unit(&self) -> &'static str {
        if self.seconds { "s" } else { "evaluations" }
    }

    /// Puts a preset beside the others, or takes it away.
    pub fn toggle(&mut self, index: usize) {
        let before = self.selected.len();
        self.selected.retain(|&known| known != index);
        if self.selected.len() == before {
            if before == BESIDE {
                self.selected.remove(0);
            }
            self.selected.push(index);
        }
    }
}
