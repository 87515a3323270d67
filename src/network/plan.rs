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
}

/// The operations of a configuration.
pub(super) struct Plan<'a> {
    config: &'a Config,
    pub ops: Vec<Op>,
}

/// A parameter: its published name, its shape, and whether an EMA keeps it.
pub struct Parameter {
    pub name: String,
    pub shape: Vec<usize>,
    pub trainable: bool,
}

impl<'a> Plan<'a> {
    pub fn new(config: &'a Config) -> Self {
        let mut plan = Plan { config, ops: Vec::new() };
        let mut kept = Vec::new();
        let channels = plan.way_down(&mut kept);
        let middle = Op::Block(Block { width: Width { input: channels, output: channels }, resample: None });
        plan.ops.extend([middle, Op::Attention(channels), middle]);
        let channels = plan.way_up(channels, kept);
        plan.ops.push(match config.progressive {
            Progressive::OutputSkip => Op::TakeOutput,
            _ => Op::Head(Width { input: channels, output: config.inside()[0] }),
        });
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
        self.ops.push(Op::Block(Block { width: Width { input, output }, resample: None }));
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
            BlockKind::BigGan => {
                let width = Width { input: channels, output: channels };
                Op::Block(Block { width, resample: Some(direction) })
            }
        });
    }

    /// Channels of every group normalisation.
    pub fn norms(&self) -> impl Iterator<Item = usize> {
        self.ops.iter().flat_map(|op| match *op {
            Op::Block(Block { width, .. }) => vec![width.input, width.output],
            Op::Attention(channels) => vec![channels],
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
    fn add(&mut self, part: &str, name: &str, shape: &[usize]) {
        let dot = if part.is_empty() { "" } else { "." };
        let name = format!("all_modules.{}.{part}{dot}{name}", self.module);
        self.parameters.push(Parameter { name, shape: shape.to_vec(), trainable: true });
    }

    /// Weight and bias; as many biases as the weight has rows.
    fn pair(&mut self, part: &str, shape: &[usize]) {
        self.add(part, "weight", shape);
        self.add(part, "bias", &shape[..1]);
    }

    fn conv(&mut self, part: &str, width: Width) {
        self.pair(part, &[width.output, width.input, 3, 3]);
    }

    fn nin(&mut self, part: &str, width: Width) {
        self.add(part, "W", &[width.input, width.output]);
        self.add(part, "b", &[width.output]);
    }

    fn embedding(&mut self) {
        let (nf, features) = (self.config.nf, self.config.embedding_width());
        if self.config.embedding_type == Embedding::Fourier {
            self.add("", "W", &[features / 2]);
            self.parameters.iter_mut().for_each(|p| p.trainable = false);
            self.module += 1;
        }
        if self.config.conditional {
            self.pair("", &[4 * nf, features]);
            self.module += 1;
            self.pair("", &[4 * nf, 4 * nf]);
            self.module += 1;
        }
    }

    /// Adds the parameters of an operation's modules.
    fn op(&mut self, op: &Op) {
        match *op {
            Op::Keep | Op::Recall | Op::TakeOutput => return,
            Op::Stem(width) => self.conv("", width),
            Op::Block(block) => self.block(block),
            Op::Attention(channels) => {
                self.pair("GroupNorm_0", &[channels]);
                let width = Width { input: channels, output: channels };
                ["NIN_0", "NIN_1", "NIN_2", "NIN_3"].iter().for_each(|part| self.nin(part, width));
            }
            Op::Resample { channels, conv, .. } => {
                if conv {
                    self.resampling_conv(Width { input: channels, output: channels });
                }
            }
            Op::InputSkip(width) => self.pair("Conv_0", &[width.output, width.input, 1, 1]),
            Op::InputResidual(width) | Op::OutputResidual(width) => self.resampling_conv(width),
            Op::Output(width) | Op::Head(width) => {
                self.pair("", &[width.input]);
                self.module += 1;
                self.conv("", width);
            }
        }
        self.module += 1;
    }

    fn block(&mut self, block: Block) {
        let Width { input, output } = block.width;
        self.pair("GroupNorm_0", &[input]);
        self.conv("Conv_0", block.width);
        let told = if self.config.variant.scale_shift { 2 * output } else { output };
        self.pair("Dense_0", &[told, 4 * self.config.nf]);
        self.pair("GroupNorm_1", &[output]);
        self.conv("Conv_1", Width { input: output, output });
        match self.config.resblock_type {
            BlockKind::Ddpm if input != output => self.nin("NIN_0", block.width),
            BlockKind::BigGan if input != output || block.resample.is_some() => {
                self.pair("Conv_2", &[output, input, 1, 1]);
            }
            _ => {}
        }
    }

    fn resampling_conv(&mut self, width: Width) {
        self.conv(if self.config.fir { "Conv2d_0" } else { "Conv_0" }, width);
    }
}
