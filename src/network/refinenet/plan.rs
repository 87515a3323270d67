//! The stages of the published networks, and with them names, shapes and order of all parameters.

use super::RefineNetConfig;
use crate::network::plan::{Parameter, Start};

/// A residual block.
#[derive(Clone, Copy, Debug)]
pub(in crate::network) struct Block {
    pub input: usize,
    pub output: usize,
    pub dilation: usize,
    /// The first of a stage, but for the first stage: it halves, or is dilated where a stage keeps its size for that.
    pub first: bool,
}

impl Block {
    /// Whether its second half takes means of 2×2 pixels.
    pub fn halves(&self) -> bool {
        self.first && self.dilation == 1
    }

    /// Channels between its two convolutions.
    pub fn inner(&self) -> usize {
        if self.first { self.input } else { self.output }
    }
}

/// A stage on the way down: two blocks at one resolution.
#[derive(Clone, Debug)]
pub(in crate::network) struct Stage {
    pub name: &'static str,
    pub blocks: [Block; 2],
}

/// A refinement on the way up.
#[derive(Clone, Debug)]
pub(in crate::network) struct Refine {
    pub name: &'static str,
    /// Its place in the order of evaluation, from the coarsest.
    pub place: usize,
    /// Channels of the stage, and as many come from the coarser refinement.
    pub input: usize,
    pub output: usize,
    /// It has a coarser refinement.
    pub fuses: bool,
    /// Residual units after the fusion.
    pub units: usize,
}

/// Residual units on each input of a refinement, and convolutions in each.
pub(in crate::network) const INPUT_UNITS: usize = 2;
pub(in crate::network) const UNIT_CONVS: usize = 2;
/// Poolings of a refinement.
pub(in crate::network) const POOLINGS: usize = 2;
/// Standard deviation of the first γ and α around 1.
const STYLE_STD: f64 = 0.02;
/// Pixels on a side of what a pooling takes together.
pub(in crate::network) const POOLED: usize = 5;

/// Name, channels in units of `ngf`, and dilation of each stage.
fn table(stages: usize) -> &'static [(&'static str, usize, usize)] {
    match stages {
        6 => &[("1", 1, 1), ("2", 2, 1), ("3", 2, 1), ("31", 2, 1), ("4", 4, 2), ("5", 4, 4)],
        5 => &[("1", 1, 1), ("2", 2, 1), ("3", 2, 1), ("4", 4, 2), ("5", 4, 4)],
        _ => &[("1", 1, 1), ("2", 2, 1), ("3", 2, 2), ("4", 2, 4)],
    }
}

impl RefineNetConfig {
    /// Channels of each stage, from the highest resolution.
    pub fn widths(&self) -> Vec<usize> {
        table(self.stages).iter().map(|(_, factor, _)| factor * self.ngf).collect()
    }
}

/// The stages, from the highest resolution.
pub(in crate::network) fn stages(config: &RefineNetConfig) -> Vec<Stage> {
    let mut input = config.ngf;
    let stage = |(index, &(name, factor, dilation)): (usize, &(&'static str, usize, usize))| {
        let output = factor * config.ngf;
        let first = Block { input, output, dilation, first: index > 0 };
        input = output;
        Stage { name, blocks: [first, Block { input: output, output, dilation, first: false }] }
    };
    table(config.stages).iter().enumerate().map(stage).collect()
}

/// The refinements in the order in which they are registered, which is that of their names.
pub(in crate::network) fn refinements(config: &RefineNetConfig) -> Vec<Refine> {
    let widths = config.widths();
    let names: &[&str] = if widths.len() == 6 { &["1", "2", "31", "3", "4", "5"] } else { &["1", "2", "3", "4", "5"] };
    // Each comes out as wide as the next finer stage, the finest as wide as itself.
    let finer = |place: usize| widths.iter().rev().nth(place + 1).copied().unwrap_or(config.ngf);
    let refine = |(place, (&width, &name)): (usize, (&usize, &&'static str))| {
        let units = if place + 1 == widths.len() { 3 } else { 1 };
        Refine { name, place, input: width, output: finer(place), fuses: place > 0, units }
    };
    let mut list: Vec<Refine> = widths.iter().rev().zip(names).enumerate().map(refine).collect();
    list.sort_by_key(|refine| refine.name);
    list
}

/// All parameters in published order.
pub(in crate::network) fn parameters(config: &RefineNetConfig) -> Vec<Parameter> {
    let mut list = List { levels: config.conditional.then_some(config.num_classes), parameters: Vec::new() };
    list.conv("begin_conv", config.channels, config.ngf, 3);
    list.norm("normalizer", config.ngf);
    list.conv("end_conv", config.ngf, config.channels, 3);
    list.parameters.iter_mut().for_each(|parameter| parameter.inner = false);
    for stage in stages(config) {
        for (index, block) in stage.blocks.iter().enumerate() {
            list.block(&format!("res{}.{index}", stage.name), block);
        }
    }
    for refine in refinements(config) {
        list.refine(&format!("refine{}", refine.name), &refine);
    }
    list.parameters
}

/// Collects parameters.
struct List {
    /// Number of levels that the norms know.
    levels: Option<usize>,
    parameters: Vec<Parameter>,
}

impl List {
    fn add(&mut self, name: String, shape: &[usize], start: Start) {
        let inner = shape.len() == 4;
        self.parameters.push(Parameter { name, shape: shape.to_vec(), trainable: true, inner, start });
    }

    fn conv(&mut self, at: &str, input: usize, output: usize, size: usize) {
        let start = Start::FanIn(input * size * size);
        self.add(format!("{at}.weight"), &[output, input, size, size], start);
        self.add(format!("{at}.bias"), &[output], start);
    }

    /// A 3×3 convolution without bias.
    fn unbiased(&mut self, at: &str, channels: usize) {
        self.add(format!("{at}.weight"), &[channels, channels, 3, 3], Start::FanIn(channels * 9));
    }

    fn norm(&mut self, at: &str, channels: usize) {
        if let Some(levels) = self.levels {
            return self.add(format!("{at}.embed.weight"), &[levels, 3 * channels], Start::Styles(STYLE_STD));
        }
        for part in ["alpha", "gamma"] {
            self.add(format!("{at}.{part}"), &[channels], Start::Normal { mean: 1.0, std: STYLE_STD });
        }
        self.add(format!("{at}.beta"), &[channels], Start::Constant(0.0));
    }

    /// A norm where only conditional networks have one.
    fn conditional_norm(&mut self, at: &str, channels: usize) {
        if self.levels.is_some() {
            self.norm(at, channels);
        }
    }

    fn block(&mut self, at: &str, block: &Block) {
        let Block { input, output, .. } = *block;
        let inside = if block.halves() { ".conv" } else { "" };
        self.conv(&format!("{at}.conv1"), input, block.inner(), 3);
        self.norm(&format!("{at}.normalize2"), block.inner());
        self.conv(&format!("{at}.conv2{inside}"), block.inner(), output, 3);
        if block.first {
            self.conv(&format!("{at}.shortcut{inside}"), input, output, if block.halves() { 1 } else { 3 });
        }
        self.norm(&format!("{at}.normalize1"), input);
    }

    fn units(&mut self, at: &str, channels: usize, units: usize) {
        for unit in 1..=units {
            for conv in 1..=UNIT_CONVS {
                self.conditional_norm(&format!("{at}.{unit}_{conv}_norm"), channels);
                self.unbiased(&format!("{at}.{unit}_{conv}_conv"), channels);
            }
        }
    }

    fn refine(&mut self, at: &str, refine: &Refine) {
        let inputs = if refine.fuses { 2 } else { 1 };
        (0..inputs).for_each(|i| self.units(&format!("{at}.adapt_convs.{i}"), refine.input, INPUT_UNITS));
        self.units(&format!("{at}.output_convs"), refine.output, refine.units);
        if refine.fuses {
            (0..inputs).for_each(|i| self.conv(&format!("{at}.msf.convs.{i}"), refine.input, refine.output, 3));
            (0..inputs).for_each(|i| self.conditional_norm(&format!("{at}.msf.norms.{i}"), refine.input));
        }
        (0..POOLINGS).for_each(|i| self.unbiased(&format!("{at}.crp.convs.{i}"), refine.output));
        (0..POOLINGS).for_each(|i| self.conditional_norm(&format!("{at}.crp.norms.{i}"), refine.output));
    }
}
