//! Diffusion transformers as facebookresearch/DiT publishes them (Peebles and Xie 2023): state dictionaries.

use super::overrides::Completion;
use super::tensors::Shapes;
use super::{ConfigError, Described, Overrides};
use crate::network::{Classes, DitConfig, Joins, NetworkConfig, Weights, WeightsError};
use crate::score::Description;
use crate::sde::{FamilyKind, Range};
use std::collections::BTreeMap;

const HEADS: &str = "dit.num_heads";
const DROPOUT: &str = "dit.class_dropout";
const POSITIONS: &str = "pos_embed";
/// Steps of the published networks.
const STEPS: usize = 1000;

/// Whether these are the names of a diffusion transformer.
pub(super) fn is_dit<T>(named: &BTreeMap<String, T>) -> bool {
    named.contains_key("x_embedder.proj.weight") && named.contains_key(POSITIONS)
}

/// Infers the network from names and shapes, and from overrides.
///
/// # Errors
/// If they are not those of a `DiT` that can be used here, or an override is not possible.
pub(super) fn infer(shapes: &Shapes, overrides: &Overrides) -> Result<Described, ConfigError> {
    overrides.only(&[HEADS, DROPOUT])?;
    let mut completion = Completion { overrides, assumed: Vec::new() };
    let shape = |name: &str| shapes.get(name).map_or(&[][..], Vec::as_slice);
    let &[hidden_size, num_channels, patch_size, across] = shape("x_embedder.proj.weight") else {
        return Err(ConfigError::Foreign("its x_embedder.proj.weight does not have four dimensions"));
    };
    let side = shape(POSITIONS).get(1).map_or(0, |tokens| tokens.isqrt());
    if patch_size != across || shape(POSITIONS) != [1, side * side, hidden_size] {
        return Err(ConfigError::Foreign("its patches or its images are not square"));
    }
    let depth = (0..64).take_while(|block| shapes.contains_key(&format!("blocks.{block}.attn.qkv.weight"))).count();
    let usual = if hidden_size == 1152 { 16 } else { (hidden_size / 64).max(1) };
    let heads = completion.value(HEADS, usual, "as in the published network of this width");
    let num_heads = heads.as_u64().and_then(|heads| usize::try_from(heads).ok());
    let num_heads = num_heads.ok_or_else(|| ConfigError::invalid(HEADS, &heads, "a whole number"))?;
    let classes = match *shape("y_embedder.embedding_table.weight") {
        [] => None,
        [rows, _] => {
            let dropout = completion.value(DROPOUT, true, "as published: the last row of its table is for no class");
            let none = dropout.as_bool().ok_or_else(|| ConfigError::invalid(DROPOUT, &dropout, "true or false"))?;
            Some(Classes { count: rows.saturating_sub(usize::from(none)), joins: Joins::Embedding, none })
        }
        _ => return Err(ConfigError::Foreign("its table of classes does not have two dimensions")),
    };
    let config = DitConfig {
        hidden_size,
        depth,
        num_heads,
        mlp_width: shape("blocks.0.mlp.fc1.weight").first().copied().unwrap_or(0),
        patch_size,
        classes,
        image_size: side.saturating_mul(patch_size),
        num_channels,
        sigma_data: None,
    };
    config.check()?;
    let description = Description::new(config.into(), FamilyKind::Vp.published(), false, STEPS, Range::Symmetric);
    Ok(Described { description, inferred: true, assumed: completion.assumed })
}

/// The weights without the places of tokens, which are known, and without learnt variances, on which no score depends.
///
/// # Errors
/// If the places are others.
pub(super) fn renamed(mut tensors: Weights, config: &DitConfig) -> Result<Weights, WeightsError> {
    if let Some(places) = tensors.remove(POSITIONS) {
        let usual = config.positions();
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 2e-3;
        if places.values.len() != usual.len() || !places.values.iter().zip(&usual).all(near) {
            return Err(WeightsError::Unused {
                count: 1,
                example: format!("{POSITIONS}, which is not of sines and cosines"),
            });
        }
    }
    let (channels, pixels) = (config.num_channels, config.patch_size * config.patch_size);
    for name in ["final_layer.linear.weight", "final_layer.linear.bias"] {
        let Some(array) = tensors.get_mut(name).filter(|array| array.shape.first() == Some(&(2 * channels * pixels)))
        else {
            continue;
        };
        // Of each pixel the noise comes first, then the variance.
        let half = array.values.len() / (2 * pixels).max(1);
        array.values = array.values.chunks(half.max(1)).step_by(2).flatten().copied().collect();
        array.shape[0] /= 2;
    }
    Ok(tensors)
}
