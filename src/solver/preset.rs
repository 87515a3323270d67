use super::{Grid, Solver};
use crate::registry::{Category, Choice};
use std::sync::LazyLock;

/// A named set of solver, grid and steps that people start from. Model and family stay as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// The name people read.
    pub name: String,
    /// One line about it, without a full stop.
    pub summary: String,
    pub group: Group,
    pub solver: Choice<dyn Solver>,
    pub grid: Choice<dyn Grid>,
    pub steps: usize,
    /// Keep every estimate of x(0) inside the data's range. The published ones do not.
    pub clip: bool,
}

/// The groups in which presets are offered, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Few evaluations, for a CPU.
    Fast,
    /// The probability-flow ODE.
    Flow,
    /// For consistency models alone.
    Consistency,
    /// Song et al. 2021, table 1.
    Published,
    /// As the menus of ComfyUI and k-diffusion have them.
    Menu,
}

impl Preset {
    /// The presets of all solvers, in the order in which they are offered.
    pub fn all() -> &'static [Preset] {
        static ALL: LazyLock<Vec<Preset>> = LazyLock::new(|| {
            let mut all: Vec<Preset> = <dyn Solver>::all().iter().flat_map(|solver| solver.presets()).collect();
            all.extend(super::menu::presets());
            all.sort_by_key(|preset| preset.group);
            all
        });
        &ALL
    }

    /// The preset of this slug.
    pub fn find(slug: &str) -> Option<&'static Preset> {
        Preset::all().iter().find(|preset| preset.slug() == slug)
    }

    /// Its name on the command line: lower case, one hyphen between words.
    pub fn slug(&self) -> String {
        self.name.to_lowercase().replace([' ', '–'], "-")
    }
}
