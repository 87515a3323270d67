//! What the names and shapes of guided-diffusion's `UNetModel` reveal.

use crate::checkpoint::overrides::Completion;
use crate::checkpoint::tensors::Shapes;
use crate::checkpoint::{ConfigError, Described, Overrides};
use crate::network::{BlockKind, Classes, Config, Joins, Variant};
use crate::score::Description;
use crate::sde::{FamilyKind, Range};
use std::collections::BTreeMap;

const SIZE: &str = "adm.image_size";
const HEAD: &str = "adm.num_head_channels";
const HEADS: &str = "adm.num_heads";
const ORDER: &str = "adm.use_new_attention_order";
const SCHEDULE: &str = "adm.noise_schedule";
const FIELDS: [&str; 5] = [SIZE, HEAD, HEADS, ORDER, SCHEDULE];
/// Steps of the published networks.
const STEPS: usize = 1000;

/// The sizes of the published networks, by their factors of channels.
const SIZES: [(&[usize], usize); 3] = [(&[1, 1, 2, 2, 4, 4], 256), (&[1, 1, 2, 3, 4], 128), (&[1, 2, 3, 4], 64)];

/// Whether these are the names of a network of guided-diffusion.
pub(in crate::checkpoint) fn is_guided<T>(named: &BTreeMap<String, T>) -> bool {
    named.contains_key("time_embed.0.weight") && named.contains_key("input_blocks.0.0.weight")
}

/// A network, and how its attentions keep queries, keys and values.
pub(in crate::checkpoint) struct Found {
    pub described: Described,
    /// Queries of all heads come before all keys; else those of a head are together.
    pub new_order: bool,
}

/// Infers the network from names and shapes, and from overrides.
///
/// # Errors
/// If the names are not those of a `UNetModel` that can be used here, or an override is not possible.
pub(in crate::checkpoint) fn infer(shapes: &Shapes, overrides: &Overrides) -> Result<Found, ConfigError> {
    overrides.only(&FIELDS)?;
    let mut completion = Completion { overrides, assumed: Vec::new() };
    let mut config = Names { shapes }.config()?;
    let whole = |field: &str, value: &serde_json::Value| {
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok()).filter(|&number| number > 0);
        number.ok_or_else(|| ConfigError::invalid(field, value, "a whole number above 0"))
    };
    let published = SIZES.iter().find(|(factors, _)| *factors == config.ch_mult);
    let size = completion.value(SIZE, published.map_or(64, |(_, size)| *size), "as published with these channels");
    config.image_size = whole(SIZE, &size)?;
    config.attn_resolutions =
        config.attn_resolutions.iter().map(|&level| config.image_size.checked_shr(level as u32).unwrap_or(0)).collect();
    if let Some(heads) = overrides.get(HEADS) {
        config.variant.heads = Some(whole(HEADS, heads)?);
    } else {
        let head = completion.value(HEAD, 64, "as published, but for the network of 128×128 with 4 heads");
        config.variant.head_channels = Some(whole(HEAD, &head)?);
    }
    let order = completion.value(ORDER, false, "as published");
    let new_order = order.as_bool().ok_or_else(|| ConfigError::invalid(ORDER, &order, "true or false"))?;
    let schedule = completion.value(SCHEDULE, "linear", "as published, but for the network of 64×64");
    if schedule.as_str() != Some("linear") {
        return Err(ConfigError::invalid(SCHEDULE, &schedule, "linear"));
    }
    config.check()?;
    let family = FamilyKind::Vp.published();
    let description = Description::new(config.into(), family, false, STEPS, Range::Symmetric);
    let described = Described { description, inferred: true, assumed: completion.assumed };
    Ok(Found { described, new_order })
}

/// The names and shapes, which reveal an architecture.
struct Names<'a> {
    shapes: &'a Shapes,
}

impl Names<'_> {
    fn shape(&self, name: &str) -> &[usize] {
        self.shapes.get(name).map_or(&[], Vec::as_slice)
    }

    fn has(&self, name: &str) -> bool {
        self.shapes.contains_key(name)
    }

    /// How many modules there are in a list.
    fn modules(&self, list: &str) -> usize {
        let number = |name: &String| name.strip_prefix(list)?.split('.').next()?.parse().ok();
        self.shapes.keys().filter_map(number).max().map_or(0, |last: usize| last.saturating_add(1))
    }

    /// The configuration without a size; of attention, the levels instead of the resolutions.
    fn config(&self) -> Result<Config, ConfigError> {
        let &[wide, nf] = self.shape("time_embed.0.weight") else {
            return Err(ConfigError::Foreign("its time_embed.0.weight does not have two dimensions"));
        };
        let &[stem, num_channels, 3, 3] = self.shape("input_blocks.0.0.weight") else {
            return Err(ConfigError::Foreign("its first layer is not a 3×3 convolution"));
        };
        if nf == 0 || stem != nf || wide != nf.saturating_mul(4) {
            return Err(ConfigError::Foreign("its first layer is not as wide as the embedding's sines and cosines"));
        }
        let outputs = self.modules("output_blocks.").min(1000);
        let resamples = |i: &usize| {
            (1..3).any(|part| {
                let at = |rest: &str| self.has(&format!("output_blocks.{i}.{part}.{rest}"));
                at("in_layers.0.weight") || at("conv.weight")
            })
        };
        let levels = (0..outputs).filter(resamples).count() + 1;
        let each = outputs / levels;
        if each < 2 || each * levels != outputs || self.modules("input_blocks.") != outputs {
            return Err(ConfigError::Foreign("its blocks are not as many at every resolution"));
        }
        let first = |level: usize| format!("input_blocks.{}", 1 + level * each);
        let width = |level: usize| self.shape(&format!("{}.0.in_layers.2.weight", first(level))).first().copied();
        let widths: Vec<usize> = (0..levels).filter_map(width).collect();
        if widths.len() != levels || widths.iter().any(|width| !width.is_multiple_of(nf)) {
            return Err(ConfigError::Foreign("its widths are not multiples of the first layer's"));
        }
        let told = self.shape("input_blocks.1.0.emb_layers.1.weight").first().copied();
        let convolves = self.shapes.keys().any(|name| name.ends_with(".0.op.weight"));
        let classes = match *self.shape("label_emb.weight") {
            [] => None,
            [count, _] => Some(Classes { count, joins: Joins::Embedding, none: false }),
            _ => return Err(ConfigError::Foreign("its label_emb.weight does not have two dimensions")),
        };
        Ok(Config {
            nf,
            ch_mult: widths.iter().map(|width| width / nf).collect(),
            num_res_blocks: each - 1,
            attn_resolutions: (0..levels)
                .filter(|&level| self.has(&format!("{}.1.qkv.weight", first(level))))
                .collect(),
            skip_rescale: false,
            resblock_type: if convolves { BlockKind::Ddpm } else { BlockKind::Adm },
            norm_groups: Some(32),
            variant: Variant {
                norm_epsilon: 1e-5,
                attention_after_each: true,
                cosines_first: true,
                frequency_shift: 0.0,
                margin_all_round: true,
                scale_shift: told == widths.first().map(|width| 2 * width),
                classes,
                ..Variant::default()
            },
            num_channels,
            ..Config::ddpmpp()
        })
    }
}
