//! What diffusers calls the parameters of a `UNet2DModel`.

use crate::checkpoint::places::{Names, Place, Way};
use crate::network::{BlockKind, Config, Weights, WeightsError};

/// What attentions were called before version 0.15, and are called since.
const RENAMED: [[&str; 2]; 4] =
    [[".query.", ".to_q."], [".key.", ".to_k."], [".value.", ".to_v."], [".proj_attn.", ".to_out.0."]];

/// The weights by our names and in our layout. What is left over keeps its name.
pub(super) fn renamed(mut tensors: Weights, config: &Config) -> Result<Weights, WeightsError> {
    // A second name of the frequencies that some versions wrote.
    if tensors.contains_key("time_proj.weight") {
        tensors.remove("time_proj.W");
    }
    let new = |name: String| RENAMED.iter().fold(name, |name, [old, new]| name.replace(old, new));
    let module = |place| module(config, place);
    let names = names(&module);
    names.renamed(tensors.into_iter().map(|(name, array)| (new(name), array)).collect(), config)
}

/// The weights by diffusers' names and in its layout.
pub(super) fn theirs(weights: &Weights, config: &Config) -> Result<Weights, WeightsError> {
    let module = |place| module(config, place);
    names(&module).theirs(weights, config)
}

fn names(module: &dyn Fn(Place) -> String) -> Names<'_> {
    Names {
        module,
        block: ["norm1", "conv1", "time_emb_proj", "norm2", "conv2", "conv_shortcut"],
        attention: ["group_norm", "to_q", "to_k", "to_v", "to_out.0"],
    }
}

/// Where diffusers keeps a module.
fn module(config: &Config, place: Place) -> String {
    let last = config.ch_mult.len() - 1;
    let at = |way: Way, level: usize| match way {
        Way::Down => format!("down_blocks.{level}"),
        Way::Middle => "mid_block".into(),
        Way::Up => format!("up_blocks.{}", last - level),
    };
    match place {
        Place::Frequencies => "time_proj.weight".into(),
        Place::Dense(index) => format!("time_embedding.linear_{}", index + 1),
        Place::Stem => "conv_in".into(),
        Place::Block(way, level, block) => format!("{}.resnets.{block}", at(way, level)),
        // Without an attention behind each block, there is one.
        Place::Attention(Way::Up, level, _) if !config.variant.attention_after_each => {
            format!("{}.attentions.0", at(Way::Up, level))
        }
        Place::Attention(way, level, block) => format!("{}.attentions.{block}", at(way, level)),
        Place::Resampling(way, level) => {
            let name = match (config.resblock_type, way) {
                (BlockKind::Ddpm, Way::Up) => "upsamplers.0.conv",
                (BlockKind::Ddpm, _) => "downsamplers.0.conv",
                (BlockKind::BigGan, Way::Up) => "resnet_up",
                (BlockKind::BigGan, _) => "resnet_down",
            };
            format!("{}.{name}", at(way, level))
        }
        Place::Input(level) => format!("{}.skip_conv", at(Way::Down, level)),
        // The last addition to the output has the place of the only one of other networks.
        Place::OutputNorm(0) => "conv_norm_out".into(),
        Place::OutputConv(0) => "conv_out".into(),
        Place::OutputNorm(level) => format!("{}.skip_norm", at(Way::Up, level)),
        Place::OutputConv(level) => format!("{}.skip_conv", at(Way::Up, level)),
    }
}
