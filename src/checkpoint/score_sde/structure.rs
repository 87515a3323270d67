//! What names and shapes alone reveal of a network: its modules.

use crate::network::{Config, Weights};
use std::collections::BTreeMap;

/// The kinds of modules, in which their parameters differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModuleKind {
    /// The frequencies of a Fourier embedding.
    Frequencies,
    /// An affine map.
    Dense,
    /// A convolution by itself.
    Conv,
    /// A normalisation by itself.
    Norm,
    Block,
    Attention,
    /// What feeds the image to a lower resolution.
    InputSkip,
    /// A resampling with a convolution.
    Resampling,
}

/// The parameters of a module by their names inside of it, with their shapes.
pub type Module = BTreeMap<String, Vec<usize>>;

impl ModuleKind {
    /// The kind of a module with these parameters.
    pub fn of(module: &Module) -> Self {
        let dimensions = |part: &str| module.get(part).map(Vec::len);
        match (dimensions("W"), dimensions("weight")) {
            (Some(_), _) => ModuleKind::Frequencies,
            (_, Some(2)) => ModuleKind::Dense,
            (_, Some(4)) => ModuleKind::Conv,
            (_, Some(_)) => ModuleKind::Norm,
            _ if module.contains_key("Conv_1.weight") => ModuleKind::Block,
            _ if module.contains_key("NIN_3.W") => ModuleKind::Attention,
            _ if module.get("Conv_0.weight").is_some_and(|shape| shape.ends_with(&[1, 1])) => ModuleKind::InputSkip,
            _ => ModuleKind::Resampling,
        }
    }
}

/// All that is known of a network without its configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Structure {
    /// Its modules in PyTorch's layout.
    pub modules: Vec<Module>,
    /// Whether they are in the order of the network; else each kind is by itself.
    pub ordered: bool,
    /// The discrete levels' number, smallest and largest σ, where they are kept.
    pub levels: Option<(usize, f64, f64)>,
}

impl Structure {
    /// That of parameters with published names (`all_modules.…`); other names are passed over.
    pub fn published<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Self {
        Structure { modules: modules(parameters).into_values().collect(), ordered: true, levels: None }
    }

    /// That of a state dictionary, which keeps discrete levels from the largest σ to the smallest.
    pub(in crate::checkpoint) fn of(weights: &Weights) -> Self {
        let sigmas = weights.get("sigmas").map_or(&[][..], |sigmas| &sigmas.values);
        // As they were before they became powers of e in single precision.
        let round = |sigma: &f32| format!("{sigma:.4e}").parse::<f64>().ok();
        let ends = sigmas.last().and_then(round).zip(sigmas.first().and_then(round));
        let shapes = weights.iter().map(|(name, array)| (name.as_str(), array.shape.as_slice()));
        Structure { levels: ends.map(|(min, max)| (sigmas.len(), min, max)), ..Structure::published(shapes) }
    }

    /// Modules of one kind.
    pub(super) fn all(&self, kind: ModuleKind) -> impl Iterator<Item = &Module> {
        self.modules.iter().filter(move |module| ModuleKind::of(module) == kind)
    }

    /// Whether the network of `config` has these very modules.
    pub(super) fn is_of(&self, config: &Config) -> bool {
        let parameters = config.parameters();
        let shapes = parameters.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
        let mut modules = Structure::published(shapes).modules;
        if !self.ordered {
            modules.sort_by_key(ModuleKind::of);
        }
        modules == self.modules
    }
}

/// The number of the module that a published name (`all_modules.…`) lies in, and its name inside of that.
pub fn module_of(name: &str) -> Option<(usize, &str)> {
    let (index, part) = name.strip_prefix("all_modules.")?.split_once('.')?;
    Some((index.parse().ok()?, part))
}

/// The modules of published names (`all_modules.…`) by their numbers.
pub fn modules<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> BTreeMap<usize, Module> {
    let mut modules: BTreeMap<usize, Module> = BTreeMap::new();
    for (name, shape) in parameters {
        if let Some((index, part)) = module_of(name) {
            modules.entry(index).or_default().insert(part.to_owned(), shape.to_vec());
        }
    }
    modules
}
