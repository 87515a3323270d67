//! What diffusers calls the parameters of a `UNet2DModel`.

use crate::checkpoint::places::{Names, Place, Way};
use crate::network::{Array, BlockKind, Config, Weights, WeightsError};

/// The two affine maps of classes, where they are embedded as noise levels are.
const MAPS: [&str; 4] = [
    "class_embedding.linear_1.weight",
    "class_embedding.linear_1.bias",
    "class_embedding.linear_2.weight",
    "class_embedding.linear_2.bias",
];

/// What attentions were called before version 0.15, and are called since.
const RENAMED: [[&str; 2]; 4] =
    [[".query.", ".to_q."], [".key.", ".to_k."], [".value.", ".to_v."], [".proj_attn.", ".to_out.0."]];

/// The weights by our names and in our layout. What is left over keeps its name.
pub(super) fn renamed(mut tensors: Weights, config: &Config) -> Result<Weights, WeightsError> {
    // A second name of the frequencies that some versions wrote.
    if tensors.contains_key("time_proj.weight") {
        tensors.remove("time_proj.W");
    }
    tabulate_classes(&mut tensors, config)?;
    let new = |name: String| RENAMED.iter().fold(name, |name, [old, new]| name.replace(old, new));
    let module = |place| module(config, place);
    let names = names(&module);
    names.renamed(tensors.into_iter().map(|(name, array)| (new(name), array)).collect(), config)
}

/// Where classes are embedded as noise levels are, by sines and two affine maps, makes a table of what comes of that.
fn tabulate_classes(tensors: &mut Weights, config: &Config) -> Result<(), WeightsError> {
    let Some(classes) = config.variant.classes.as_ref().filter(|_| tensors.contains_key(MAPS[0])) else {
        return Ok(());
    };
    let mut take = |name: &str, shape: &[usize]| {
        let array = tensors.remove(name).ok_or_else(|| WeightsError::Missing { name: name.to_owned() })?;
        match array.shape == shape && array.values.len() == shape.iter().product::<usize>() {
            true => Ok(array.values),
            false => {
                Err(WeightsError::Shape { name: name.to_owned(), expected: shape.to_vec(), found: array.shape.clone() })
            }
        }
    };
    let (features, width) = (config.nf, 4 * config.nf);
    let shapes: [&[usize]; 4] = [&[width, features], &[width], &[width, width], &[width]];
    let mut maps = Vec::new();
    for (name, shape) in MAPS.into_iter().zip(shapes) {
        maps.push(take(name, shape)?);
    }
    let [first, below, second, above] = &maps[..] else { return Ok(()) };
    let affine = |weight: &[f32], bias: &[f32], from: &[f64]| -> Vec<f64> {
        let rows = weight.chunks(from.len().max(1)).zip(bias);
        rows.map(|(row, b)| row.iter().zip(from).map(|(w, x)| f64::from(*w) * x).sum::<f64>() + f64::from(*b)).collect()
    };
    let row = |class: usize| {
        let sines: Vec<f64> = config.positional(class as f64).into_iter().map(f64::from).collect();
        let hidden = affine(first, below, &sines).into_iter().map(|x| x / (1.0 + (-x).exp()));
        affine(second, above, &hidden.collect::<Vec<f64>>()).into_iter().map(|x| x as f32)
    };
    let values = (0..classes.count).flat_map(row).collect();
    tensors.insert("class_embedding.weight".into(), Array { shape: vec![classes.count, width], values });
    Ok(())
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
        together: &|_| 1,
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
        Place::Classes => "class_embedding".into(),
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
                (_, Way::Up) => "resnet_up",
                _ => "resnet_down",
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
