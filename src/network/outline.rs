//! A U-Net layer by layer, as people draw it.

use super::Config;
use super::plan::{Block, Direction, Op, Plan, Width};

/// What a layer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageKind {
    /// Embeds the noise level.
    Embedding,
    Convolution,
    ResidualBlock,
    Attention,
    /// Halves or doubles the resolution.
    Resampling,
    /// Fuses a stage's features with those of the coarser ones, as RefineNets do.
    Refinement,
}

impl StageKind {
    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            StageKind::Embedding => "level embedding",
            StageKind::Convolution => "convolution",
            StageKind::ResidualBlock => "residual block",
            StageKind::Attention => "self-attention",
            StageKind::Resampling => "resampling",
            StageKind::Refinement => "refinement",
        }
    }
}

/// One layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    pub kind: StageKind,
    /// Height of its output; 1 for the embedding.
    pub side: usize,
    /// Width of its output.
    pub width: usize,
    /// Channels in and out.
    pub channels: [usize; 2],
    pub parameters: usize,
    /// The place in the list of the earlier layer whose output joins its input.
    pub joins: Option<usize>,
}

impl Config {
    /// The layers in the order in which they compute.
    pub fn outline(&self) -> Vec<Stage> {
        Plan::new(self).outline()
    }
}

impl Plan<'_> {
    /// The layers in the order in which they compute.
    pub fn outline(&self) -> Vec<Stage> {
        let config = self.config();
        let mut counts = self.counts().into_iter();
        let mut stages = Vec::new();
        let embedding = counts.next().unwrap_or(0);
        if embedding > 0 {
            let channels = [config.embedding_width(), config.told_width()];
            let (kind, parameters) = (StageKind::Embedding, embedding);
            stages.push(Stage { kind, side: 1, width: 1, channels, parameters, joins: None });
        }
        let ([_, mut side, _], mut kept, mut joins) = (config.inside(), Vec::new(), None);
        for (op, parameters) in self.ops.iter().zip(counts) {
            match *op {
                Op::Keep => kept.push(stages.len().saturating_sub(1)),
                Op::Recall => joins = kept.pop(),
                Op::TakeOutput => {}
                _ => {
                    let (kind, channels, direction) = what(op);
                    side = match direction {
                        Some(Direction::Down) => side / 2,
                        Some(Direction::Up) => side * 2,
                        None => side,
                    };
                    let width = side * config.image_width() / config.image_size.max(1);
                    stages.push(Stage { kind, side, width, channels, parameters, joins: joins.take() });
                }
            }
        }
        stages
    }
}

/// Kind, channels and change of resolution of an operation that computes.
fn what(op: &Op) -> (StageKind, [usize; 2], Option<Direction>) {
    let both = |Width { input, output }: Width| [input, output];
    match *op {
        Op::Block(Block { width, resample: None, .. }) => (StageKind::ResidualBlock, both(width), None),
        Op::Block(Block { width, resample, .. }) => (StageKind::Resampling, both(width), resample),
        Op::Attention(channels) => (StageKind::Attention, [channels; 2], None),
        Op::Resample { direction, channels, .. } => (StageKind::Resampling, [channels; 2], Some(direction)),
        Op::Stem(width)
        | Op::InputSkip(width)
        | Op::InputResidual(width)
        | Op::Output(width)
        | Op::OutputResidual(width)
        | Op::Head(width)
        | Op::Linear(width) => (StageKind::Convolution, both(width), None),
        Op::Pool(channels) => (StageKind::Resampling, [channels; 2], None),
        Op::Keep | Op::Recall | Op::TakeOutput => (StageKind::Convolution, [0; 2], None),
    }
}
