//! What guided-diffusion calls the parameters of a network.

use crate::checkpoint::places::{Names, Place, Way};
use crate::network::{BlockKind, Config, Weights, WeightsError};

/// The weights by our names and in our layout. What is left over keeps its name.
///
/// Where the network has learnt variances, too, they are left out: they are the second half of what the last layer puts
/// out, and no score depends on them.
pub(in crate::checkpoint) fn renamed(
    mut tensors: Weights,
    config: &Config,
    new_order: bool,
) -> Result<Weights, WeightsError> {
    for name in ["out.2.weight", "out.2.bias"] {
        let Some(array) = tensors.get_mut(name) else { continue };
        if array.shape.first() == Some(&(2 * config.num_channels)) {
            array.values.truncate(array.values.len() / 2);
            array.shape[0] = config.num_channels;
        }
    }
    let names = Names {
        module: &|place| module(config, place),
        block: ["in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection"],
        attention: ["norm", "qkv", "qkv", "qkv", "proj_out"],
        together: &|channels| if new_order { channels } else { config.head_width(channels) },
    };
    names.renamed(tensors, config)
}

/// Where guided-diffusion keeps a module.
fn module(config: &Config, place: Place) -> String {
    let each = config.num_res_blocks + 1;
    let last = config.ch_mult.len() - 1;
    let at = |way: Way, level: usize, block: usize, part: usize| match way {
        Way::Down => format!("input_blocks.{}.{part}", 1 + level * each + block),
        Way::Middle => format!("middle_block.{}", 2 * block + part),
        Way::Up => format!("output_blocks.{}.{part}", (last - level) * each + block),
    };
    let convolves = config.resblock_type == BlockKind::Ddpm;
    match place {
        Place::Dense(index) => format!("time_embed.{}", 2 * index),
        Place::Classes => "label_emb".into(),
        Place::Stem => "input_blocks.0.0".into(),
        Place::Block(way, level, block) => at(way, level, block, 0),
        Place::Attention(way, level, block) => at(way, level, block, 1),
        Place::Resampling(Way::Up, level) => {
            let module = at(Way::Up, level, each - 1, 1 + usize::from(config.attends(level)));
            if convolves { format!("{module}.conv") } else { module }
        }
        Place::Resampling(_, level) => {
            let module = at(Way::Down, level, each - 1, 0);
            if convolves { format!("{module}.op") } else { module }
        }
        Place::OutputNorm(_) => "out.0".into(),
        Place::OutputConv(_) => "out.2".into(),
        // It has none of these.
        Place::Frequencies | Place::Input(_) => "none".into(),
    }
}
