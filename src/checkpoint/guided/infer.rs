//! What the names and shapes of guided-diffusion's `UNetModel` reveal.

use crate::checkpoint::overrides::Completion;
use crate::checkpoint::tensors::Shapes;
use crate::checkpoint::{ConfigError, Described, Overrides};
use crate::network::{BlockKind, Classes, Config, Joins, Variant};
use crate::score::Description;
use crate::sde::{Cosine, FamilyKind, Range};
use std::collections::BTreeMap;

const SIZE: &str = "adm.image_size";
const HEAD: &str = "adm.num_head_channels";
const HEADS: &str = "adm.num_heads";
const ORDER: &str = "adm.use_new_attention_order";
const SCHEDULE: &str = "adm.noise_schedule";
const FIELDS: [&str; 5] = [SIZE, HEAD, HEADS, ORDER, SCHEDULE];
/// Channels of the images of all its networks.
const RGB: usize = 3;
/// Steps of the published networks.
const STEPS: usize = 1000;

const LINEAR: &str = "linear";
const COSINE: &str = "cosine";

/// What no shape reveals of a network.
#[derive(Clone, Copy)]
struct Known {
    /// Of the first layer, and by what they are multiplied at each resolution.
    channels: usize,
    factors: &'static [usize],
    size: usize,
    /// Heads of each attention; where there are none, heads are 64 wide.
    heads: Option<usize>,
    new_order: bool,
    schedule: &'static str,
}

/// The published networks, by their channels (the flags in the project's description).
const PUBLISHED: [Known; 4] = [
    Known {
        channels: 128,
        factors: &[1, 2, 2, 4, 4, 8, 8],
        size: 512,
        heads: None,
        new_order: false,
        schedule: LINEAR,
    },
    Known { channels: 256, factors: &[1, 1, 2, 2, 4, 4], size: 256, heads: None, new_order: false, schedule: LINEAR },
    Known { channels: 256, factors: &[1, 1, 2, 3, 4], size: 128, heads: Some(4), new_order: false, schedule: LINEAR },
    Known { channels: 192, factors: &[1, 2, 3, 4], size: 64, heads: None, new_order: true, schedule: COSINE },
];
/// Of a network of other channels: what most of them are.
const USUAL: Known = Known { channels: 0, factors: &[], size: 64, heads: None, new_order: false, schedule: LINEAR };

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
    let alike = PUBLISHED.into_iter().find(|known| known.factors == config.ch_mult);
    let (known, reason) = match alike {
        Some(known) if known.channels == config.nf => (known, "as published with these channels"),
        _ => (Known { size: alike.map_or(USUAL.size, |known| known.size), ..USUAL }, "as most published networks"),
    };
    let size = completion.value(SIZE, known.size, reason);
    config.image_size = whole(SIZE, &size)?;
    config.attn_resolutions =
        config.attn_resolutions.iter().map(|&level| config.image_size.checked_shr(level as u32).unwrap_or(0)).collect();
    let heads = known.heads.filter(|_| overrides.get(HEAD).is_none());
    if heads.is_some() || overrides.get(HEADS).is_some() {
        let heads = completion.value(HEADS, heads.unwrap_or(1), reason);
        config.variant.heads = Some(whole(HEADS, &heads)?);
    } else {
        let head = completion.value(HEAD, 64, reason);
        config.variant.head_channels = Some(whole(HEAD, &head)?);
    }
    let order = completion.value(ORDER, known.new_order, reason);
    let new_order = order.as_bool().ok_or_else(|| ConfigError::invalid(ORDER, &order, "true or false"))?;
    let schedule = completion.value(SCHEDULE, known.schedule, reason);
    let (family, betas) = match schedule.as_str() {
        Some(LINEAR) => (FamilyKind::Vp.published(), None),
        Some(COSINE) => (FamilyKind::Cosine.published(), Some(Cosine::default().betas(STEPS))),
        _ => return Err(ConfigError::invalid(SCHEDULE, &schedule, "linear or cosine")),
    };
    config.check()?;
    let description = Description::new(config.into(), family, false, STEPS, Range::Symmetric);
    let description = Description { betas, ..description };
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
        let &[told, features] = self.shape("time_embed.0.weight") else {
            return Err(ConfigError::Foreign("its time_embed.0.weight does not have two dimensions"));
        };
        let &[nf, num_channels, 3, 3] = self.shape("input_blocks.0.0.weight") else {
            return Err(ConfigError::Foreign("its first layer is not a 3×3 convolution"));
        };
        if nf == 0 {
            return Err(ConfigError::Foreign("its first layer is empty"));
        }
        if num_channels == 2 * RGB {
            return Err(ConfigError::Foreign("it enlarges images, and takes a small one beside the noise"));
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
        let scaled = self.shape("input_blocks.1.0.emb_layers.1.weight").first().copied();
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
                scale_shift: scaled == widths.first().map(|width| 2 * width),
                // The first layer may be narrower than what the embedding begins with, by half in that of 512 pixels.
                embedding_width: (features != nf).then_some(features),
                told_width: (told != nf.saturating_mul(4)).then_some(told),
                classes,
                ..Variant::default()
            },
            num_channels,
            ..Config::ddpmpp()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is looked at of a network whose embedding begins with so many features, with these factors of so many channels,
    /// and one block at each resolution.
    fn shapes(features: usize, channels: usize, factors: &[usize]) -> Shapes {
        let outputs = 2 * factors.len();
        let mut shapes = Shapes::new();
        let mut add = |name: String, shape: &[usize]| drop(shapes.insert(name, shape.to_vec()));
        add("time_embed.0.weight".into(), &[4 * features, features]);
        add("input_blocks.0.0.weight".into(), &[channels, 3, 3, 3]);
        for block in 0..outputs {
            add(format!("input_blocks.{block}.0.in_layers.0.weight"), &[32]);
            add(format!("output_blocks.{block}.0.in_layers.0.weight"), &[32]);
        }
        for (level, factor) in factors.iter().enumerate() {
            add(format!("input_blocks.{}.0.in_layers.2.weight", 2 * level + 1), &[channels * factor, channels, 3, 3]);
            if level > 0 {
                add(format!("output_blocks.{}.1.in_layers.0.weight", 2 * level - 1), &[32]);
            }
        }
        shapes
    }

    /// By the flags in guided-diffusion's own description of its networks.
    #[test]
    fn published_networks_are_completed_as_published() {
        let cases: [([usize; 2], &[usize], [&str; 4]); 4] = [
            (
                [192, 192],
                &[1, 2, 3, 4],
                [
                    "image_size = 64",
                    "num_head_channels = 64",
                    "use_new_attention_order = true",
                    "noise_schedule = cosine",
                ],
            ),
            (
                [256, 256],
                &[1, 1, 2, 3, 4],
                ["image_size = 128", "num_heads = 4", "use_new_attention_order = false", "noise_schedule = linear"],
            ),
            (
                [256, 256],
                &[1, 1, 2, 2, 4, 4],
                [
                    "image_size = 256",
                    "num_head_channels = 64",
                    "use_new_attention_order = false",
                    "noise_schedule = linear",
                ],
            ),
            // Its factors of 256 are 0.5, 1, 1, 2, 2, 4, 4.
            (
                [256, 128],
                &[1, 2, 2, 4, 4, 8, 8],
                [
                    "image_size = 512",
                    "num_head_channels = 64",
                    "use_new_attention_order = false",
                    "noise_schedule = linear",
                ],
            ),
        ];
        for ([features, channels], factors, expected) in cases {
            let shapes = shapes(features, channels, factors);
            let Found { described, new_order } = infer(&shapes, &Overrides::default()).unwrap();
            let assumed: Vec<String> =
                described.assumed.iter().map(|it| format!("{} = {}", it.field, it.value)).collect();
            assert_eq!(assumed, expected.map(|what| format!("adm.{what}")));
            assert_eq!(new_order, expected[2].ends_with("true"));
        }
        // What is set is not assumed, whatever was published.
        let told = Overrides::parse(["adm.num_head_channels=32"]).unwrap();
        let found = infer(&shapes(256, 256, &[1, 1, 2, 3, 4]), &told).unwrap().described;
        let variant = &found.description.config.unet().unwrap().variant;
        assert_eq!((variant.heads, variant.head_channels), (None, Some(32)));
        // Of a narrower one nothing but the size is like.
        let found = infer(&shapes(128, 128, &[1, 2, 3, 4]), &Overrides::default()).unwrap();
        let description = found.described.description;
        assert_eq!((description.config.shape()[1], found.new_order, description.betas), (64, false, None));
    }
}
