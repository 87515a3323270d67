//! The one walk through the architecture (Song et al. 2021, appendix H): a network is a list of operations.
//!
//! Order, names and shapes of the parameters, and what `forward` does, all follow from it. The operations act on the
//! features h, a stack of features kept for the way up, and two pyramids: the image going down, the output
//! coming up.

use super::config::{BlockKind, Combine, Config, Embedding, Progressive, ProgressiveInput};

/// A change of resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Down,
    Up,
}

/// Channels in and out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    pub input: usize,
    pub output: usize,
}

/// A residual block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub width: Width,
    /// Resampling inside of the block (BigGAN's only).
    pub resample: Option<Direction>,
    /// It has parameters for the noise level.
    pub told: bool,
}

/// The map of 1×1 beside a residual block, by how its weight is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortcut {
    /// A published per-pixel map, inputs × outputs.
    Nin,
    /// A convolution.
    Convolution,
}

impl Block {
    /// What is beside a block of this kind, where that is not the features as they are.
    pub fn shortcut(&self, kind: BlockKind) -> Option<Shortcut> {
        let widens = self.width.input != self.width.output;
        match kind {
            BlockKind::Ddpm => widens.then_some(Shortcut::Nin),
            BlockKind::BigGan => (widens || self.resample.is_some()).then_some(Shortcut::Convolution),
            BlockKind::Adm => widens.then_some(Shortcut::Convolution),
        }
    }
}

/// What happens to the features, in order. Operations with parameters take the next places in `all_modules`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// h ← conv₃ₓ₃(h).
    Stem(Width),
    /// h ← block(h).
    Block(Block),
    /// h ← attention(h).
    Attention(usize),
    /// h ← resampled h, with a convolution if `conv`.
    Resample { direction: Direction, channels: usize, conv: bool },
    /// Keeps h for the way up.
    Keep,
    /// h ← (h, the last kept).
    Recall,
    /// input ← down(input), h ← combine(conv₁ₓ₁(input), h).
    InputSkip(Width),
    /// input ← down(input) with a convolution; input and h ← their sum.
    InputResidual(Width),
    /// output ← up(output) + conv(act(norm(h))); the first has nothing to add to.
    Output(Width),
    /// output ← up(output) with a convolution; output and h ← their sum.
    OutputResidual(Width),
    /// h ← conv(act(norm(h))).
    Head(Width),
    /// h ← output.
    TakeOutput,
    /// h ← mean over pixels of act(norm(h)).
    Pool(usize),
    /// h ← an affine map of h, which is pooled.
    Linear(Width),
}

/// The operations of a configuration.
pub(super) struct Plan<'a> {
    config: &'a Config,
    /// Blocks have parameters for the noise level.
    told: bool,
    pub ops: Vec<Op>,
}

/// A parameter of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its published name.
    pub name: String,
    pub shape: Vec<usize>,
    /// Whether it is trained and an EMA keeps it.
    pub trainable: bool,
    /// Whether it maps features to features: neither the first layer nor the last, nor an embedding.
    pub inner: bool,
    /// Its values before training.
    pub start: Start,
}

/// The law of a parameter's values before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// All are this.
    Constant(f32),
    /// Uniform around 0, the variance this over the mean of fan-in and fan-out.
    FanAverage(f64),
    /// Uniform around 0 with bound 1/√(this fan-in), as PyTorch has it.
    FanIn(usize),
    /// Normal.
    Normal { mean: f64, std: f64 },
    /// In each row γ, α and β of as many channels: γ and α normal with mean 1 and this standard deviation, β 0.
    Styles(f64),
}

/// What score_sde's `default_init` makes of the scale 0.
const NEARLY_ZERO: Start = Start::FanAverage(1e-10);
/// Of per-pixel maps (`NIN`), but for the last of an attention.
const NIN: Start = Start::FanAverage(0.1);
/// Of all other weights.
const USUAL: Start = Start::FanAverage(1.0);

impl<'a> Plan<'a> {
    pub fn new(config: &'a Config) -> Self {
        // Published networks have them whether they are told the level or not.
        let mut plan = Plan { config, told: true, ops: Vec::new() };
        let mut kept = Vec::new();
        let channels = plan.way_down(&mut kept);
        let middle =
            Op::Block(Block { width: Width { input: channels, output: channels }, resample: None, told: true });
        plan.ops.extend([middle, Op::Attention(channels), middle]);
        let channels = plan.way_up(channels, kept);
        plan.ops.push(match config.progressive {
            Progressive::OutputSkip => Op::TakeOutput,
            _ => Op::Head(Width { input: channels, output: config.inside()[0] }),
        });
        plan
    }

    /// What is configured.
    pub fn config(&self) -> &'a Config {
        self.config
    }

    /// The way down alone, and a map of its pooled features to so many classes.
    pub fn classifier(config: &'a Config, classes: usize) -> Self {
        let mut plan = Plan { config, told: config.conditional, ops: Vec::new() };
        let channels = plan.way_down(&mut Vec::new());
        plan.ops.retain(|op| !matches!(op, Op::Keep));
        plan.ops.extend([Op::Pool(channels), Op::Linear(Width { input: channels, output: classes })]);
        plan
    }

    /// Appends the operations from the image to the lowest resolution; returns the channels there.
    fn way_down(&mut self, kept: &mut Vec<usize>) -> usize {
        let config = self.config;
        let mut channels = config.nf;
        let [mut pyramid, ..] = config.inside();
        self.ops.push(Op::Stem(Width { input: pyramid, output: channels }));
        self.keep(kept, channels);
        for (level, factor) in config.ch_mult.iter().enumerate() {
            for _ in 0..config.num_res_blocks {
                channels = self.block(channels, config.nf * factor);
                self.attend(level, channels);
                self.keep(kept, channels);
            }
            if level + 1 == config.ch_mult.len() {
                break;
            }
            self.resample(Direction::Down, channels);
            let width = Width { input: pyramid, output: channels };
            match config.progressive_input {
                ProgressiveInput::None => {}
                ProgressiveInput::InputSkip => {
                    self.ops.push(Op::InputSkip(width));
                    channels *= if config.progressive_combine == Combine::Cat { 2 } else { 1 };
                }
                ProgressiveInput::Residual => {
                    self.ops.push(Op::InputResidual(width));
                    pyramid = channels;
                }
            }
            self.keep(kept, channels);
        }
        channels
    }

    /// Appends the operations from the lowest resolution to the highest; returns the channels there.
    fn way_up(&mut self, mut channels: usize, mut kept: Vec<usize>) -> usize {
        let config = self.config;
        let mut pyramid = None;
        for (level, factor) in config.ch_mult.iter().enumerate().rev() {
            for _ in 0..=config.num_res_blocks {
                self.ops.push(Op::Recall);
                channels = self.block(channels + kept.pop().unwrap_or(0), config.nf * factor);
                if config.variant.attention_after_each {
                    self.attend(level, channels);
                }
            }
            if !config.variant.attention_after_each {
                self.attend(level, channels);
            }
            match (config.progressive, pyramid) {
                (Progressive::None, _) => {}
                (Progressive::OutputSkip, _) => {
                    self.ops.push(Op::Output(Width { input: channels, output: config.inside()[0] }));
                }
                (Progressive::Residual, None) => {
                    self.ops.push(Op::Output(Width { input: channels, output: channels }));
                    pyramid = Some(channels);
                }
                (Progressive::Residual, Some(input)) => {
                    self.ops.push(Op::OutputResidual(Width { input, output: channels }));
                    pyramid = Some(channels);
                }
            }
            if level > 0 {
                self.resample(Direction::Up, channels);
            }
        }
        channels
    }

    fn keep(&mut self, kept: &mut Vec<usize>, channels: usize) {
        kept.push(channels);
        self.ops.push(Op::Keep);
    }

    fn block(&mut self, input: usize, output: usize) -> usize {
        self.ops.push(Op::Block(Block { width: Width { input, output }, resample: None, told: self.told }));
        output
    }

    fn attend(&mut self, level: usize, channels: usize) {
        if self.config.attends(level) {
            self.ops.push(Op::Attention(channels));
        }
    }

    fn resample(&mut self, direction: Direction, channels: usize) {
        self.ops.push(match self.config.resblock_type {
            BlockKind::Ddpm => Op::Resample { direction, channels, conv: self.config.resamp_with_conv },
            BlockKind::BigGan | BlockKind::Adm => {
                let width = Width { input: channels, output: channels };
                Op::Block(Block { width, resample: Some(direction), told: self.told })
            }
        });
    }

    /// Channels of every group normalisation.
    pub fn norms(&self) -> impl Iterator<Item = usize> {
        self.ops.iter().flat_map(|op| match *op {
            Op::Block(Block { width, .. }) => vec![width.input, width.output],
            Op::Attention(channels) | Op::Pool(channels) => vec![channels],
            Op::Output(width) | Op::Head(width) => vec![width.input],
            _ => Vec::new(),
        })
    }

    /// Channels of every self-attention.
    pub fn attentions(&self) -> impl Iterator<Item = usize> {
        self.ops.iter().filter_map(|op| if let Op::Attention(channels) = *op { Some(channels) } else { None })
    }

    /// All parameters in published order.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut list = List { config: self.config, module: 0, parameters: Vec::new() };
        list.embedding();
        self.ops.iter().for_each(|op| list.op(op));
        list.parameters
    }

    /// The number of values of each parameter.
    pub fn sizes(&self) -> Vec<usize> {
        self.parameters().into_iter().map(|parameter| parameter.shape.iter().product()).collect()
    }

    /// The number of values in the parameters of the embedding, and of each operation.
    pub fn counts(&self) -> Vec<usize> {
        let mut list = List { config: self.config, module: 0, parameters: Vec::new() };
        list.embedding();
        let mut counts = vec![list.take_count()];
        counts.extend(self.ops.iter().map(|op| {
            list.op(op);
            list.take_count()
        }));
        counts
    }
}

/// Collects parameters module by module.
struct List<'a> {
    config: &'a Config,
    module: usize,
    parameters: Vec<Parameter>,
}

impl List<'_> {
    /// The number of values in the parameters so far, which are let go.
    fn take_count(&mut self) -> usize {
        self.parameters.drain(..).map(|parameter| parameter.shape.iter().product::<usize>()).sum()
    }

    /// Adds a parameter of the present module.
    fn add(&mut self, part: &str, name: &str, shape: &[usize], start: Start) {
        let dot = if part.is_empty() { "" } else { "." };
        let name = format!("all_modules.{}.{part}{dot}{name}", self.module);
        let inner = shape.len() > 1;
        self.parameters.push(Parameter { name, shape: shape.to_vec(), trainable: true, inner, start });
    }

    /// Weight and bias; as many biases as the weight has rows.
    fn pair(&mut self, part: &str, shape: &[usize], start: Start) {
        self.add(part, "weight", shape, start);
        self.add(part, "bias", &shape[..1], Start::Constant(0.0));
    }

    fn norm(&mut self, part: &str, channels: usize) {
        self.pair(part, &[channels], Start::Constant(1.0));
    }

    fn conv(&mut self, part: &str, width: Width, start: Start) {
        self.pair(part, &[width.output, width.input, 3, 3], start);
    }

    fn nin(&mut self, part: &str, width: Width, start: Start) {
        self.add(part, "W", &[width.input, width.output], start);
        self.add(part, "b", &[width.output], Start::Constant(0.0));
    }

    /// The parameters added since there were `count` touch what is no feature: an image, or a label.
    fn outer(&mut self, count: usize) {
        self.parameters.iter_mut().skip(count).for_each(|parameter| parameter.inner = false);
    }

    fn embedding(&mut self) {
        let (told, features) = (self.config.told_width(), self.config.embedding_width());
        if self.config.embedding_type == Embedding::Fourier {
            // As published where the scale is not known.
            let std = self.config.fourier_scale.unwrap_or(16.0);
            self.add("", "W", &[features / 2], Start::Normal { mean: 0.0, std });
            self.parameters.iter_mut().for_each(|p| p.trainable = false);
            self.module += 1;
        }
        if self.config.conditional {
            let before = self.parameters.len();
            self.pair("", &[told, features], USUAL);
            self.outer(before);
            self.module += 1;
            self.pair("", &[told, told], USUAL);
            self.module += 1;
        }
        if let Some(classes) = &self.config.variant.classes {
            let before = self.parameters.len();
            let shape = [classes.rows(), self.config.width_of_class(classes.joins)];
            // As PyTorch begins a table.
            self.add("", "weight", &shape, Start::Normal { mean: 0.0, std: 1.0 });
            self.outer(before);
            self.module += 1;
        }
    }

    /// Adds the parameters of an operation's modules.
    fn op(&mut self, op: &Op) {
        let before = self.parameters.len();
        match *op {
            Op::Keep | Op::Recall | Op::TakeOutput => return,
            Op::Stem(width) => self.conv("", width, USUAL),
            Op::Block(block) => self.block(block),
            Op::Attention(channels) => {
                self.norm("GroupNorm_0", channels);
                let width = Width { input: channels, output: channels };
                ["NIN_0", "NIN_1", "NIN_2"].iter().for_each(|part| self.nin(part, width, NIN));
                self.nin("NIN_3", width, NEARLY_ZERO);
            }
            Op::Resample { channels, conv, .. } => {
                if conv {
                    self.resampling_conv(Width { input: channels, output: channels });
                }
            }
            Op::InputSkip(width) => self.pair("Conv_0", &[width.output, width.input, 1, 1], USUAL),
            Op::InputResidual(width) | Op::OutputResidual(width) => self.resampling_conv(width),
            Op::Output(width) | Op::Head(width) => {
                // A pyramid of features, unlike one of images, begins as any layer does.
                let features = matches!(op, Op::Output(_)) && self.config.progressive == Progressive::Residual;
                let start = if features { USUAL } else { NEARLY_ZERO };
                self.norm("", width.input);
                self.module += 1;
                self.conv("", width, start);
            }
            Op::Pool(channels) => self.norm("", channels),
            Op::Linear(width) => self.pair("", &[width.output, width.input], NEARLY_ZERO),
        }
        let [image, ..] = self.config.inside();
        match *op {
            Op::Stem(_) | Op::InputSkip(_) | Op::Linear(_) => self.outer(before),
            Op::InputResidual(width) if width.input == image => self.outer(before),
            Op::Output(width) | Op::Head(width) if width.output == image => self.outer(before),
            _ => {}
        }
        self.module += 1;
    }

    fn block(&mut self, block: Block) {
        let Width { input, output } = block.width;
        self.norm("GroupNorm_0", input);
        self.conv("Conv_0", block.width, USUAL);
        if block.told {
            let told = if self.config.variant.scale_shift { 2 * output } else { output };
            self.pair("Dense_0", &[told, self.config.told_width()], USUAL);
        }
        self.norm("GroupNorm_1", output);
        self.conv("Conv_1", Width { input: output, output }, NEARLY_ZERO);
        match block.shortcut(self.config.resblock_type) {
            Some(Shortcut::Nin) => self.nin("NIN_0", block.width, NIN),
            Some(Shortcut::Convolution) => self.pair("Conv_2", &[output, input, 1, 1], USUAL),
            None => {}
        }
    }

    fn resampling_conv(&mut self, width: Width) {
        self.conv(if self.config.fir { "Conv2d_0" } else { "Conv_0" }, width, USUAL);
    }
}
