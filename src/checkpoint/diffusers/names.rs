//! What diffusers calls the parameters of a `UNet2DModel`.

use crate::checkpoint::places::{self, Place, Way};
use crate::network::{Architecture, BlockKind, Config, Weights, WeightsError};

/// The weights by our names and in our layout. What is left over keeps its name.
pub(super) fn renamed(mut tensors: Weights, architecture: &Architecture) -> Result<Weights, WeightsError> {
    // A second name of the frequencies that some versions wrote.
    if tensors.contains_key("time_proj.weight") {
        tensors.remove("time_proj.W");
    }
    places::renamed(tensors, architecture, |tensors, place, part| {
        let [new, old] = architecture.unet().map(|config| names(config, place, part)).unwrap_or_default();
        let array = tensors.remove(&new).or_else(|| tensors.remove(&old));
        (new, array)
    })
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
        Place::Frequencies => "time_proj".into(),
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

/// What diffusers calls a parameter of a module, and called it before its version 0.15.
fn names(config: &Config, place: Place, part: &str) -> [String; 2] {
    let (part, end) = part.rsplit_once('.').unwrap_or(("", part));
    let end = match end {
        "W" => "weight",
        "b" => "bias",
        other => other,
    };
    let resamples_in_blocks = config.resblock_type == BlockKind::BigGan;
    let names = match (place, part) {
        (Place::Attention(..), "NIN_0") => ["to_q.", "query."],
        (Place::Attention(..), "NIN_1") => ["to_k.", "key."],
        (Place::Attention(..), "NIN_2") => ["to_v.", "value."],
        (Place::Attention(..), "NIN_3") => ["to_out.0.", "proj_attn."],
        (Place::Attention(..), _) => ["group_norm."; 2],
        (Place::Resampling(..), _) if !resamples_in_blocks => [""; 2],
        (Place::Block(..) | Place::Resampling(..), part) => match part {
            "GroupNorm_0" => ["norm1."; 2],
            "Conv_0" => ["conv1."; 2],
            "Dense_0" => ["time_emb_proj."; 2],
            "GroupNorm_1" => ["norm2."; 2],
            "Conv_1" => ["conv2."; 2],
            _ => ["conv_shortcut."; 2],
        },
        _ => [""; 2],
    };
    names.map(|name| format!("{}.{name}{end}", module(config, place)))
}
