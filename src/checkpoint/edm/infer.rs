//! What the names and shapes of EDM's `SongUNet` and `DhariwalUNet` (Karras et al. 2022) reveal.

use crate::checkpoint::config::disordered;
use crate::checkpoint::overrides::Completion;
use crate::checkpoint::tensors::Shapes;
use crate::checkpoint::{ConfigError, Described, Overrides};
use crate::network::{BlockKind, Classes, Config, Embedding, Joins, Progressive, ProgressiveInput, Variant};
use crate::score::Description;
use crate::sde::{Family, Range, Ve, Vp};
use std::collections::BTreeMap;

/// The Python classes that make a score model of the network (table 1), and what they are called in short.
const KINDS: [(&str, &str); 3] = [("EDMPrecond", "edm"), ("VPPrecond", "vp"), ("VEPrecond", "ve")];
/// Channels of a head of ADM's attention.
const HEAD: usize = 64;
const KIND: &str = "edm.preconditioning";
const FIELDS: [&str; 4] = [KIND, "edm.sigma_data", "edm.sigma_min", "edm.sigma_max"];

/// Whether these are the names of a network of EDM.
pub(in crate::checkpoint) fn is_edm<T>(named: &BTreeMap<String, T>) -> bool {
    named.contains_key("map_layer0.weight") && named.keys().any(|name| name.starts_with("enc."))
}

/// Infers the network from names (without what stands before all) and shapes, from the name of its Python class where the file has it,
/// and from overrides.
///
/// # Errors
/// If the names are not those of a `SongUNet` that can be used here, or an override is not possible.
pub(in crate::checkpoint) fn infer(
    shapes: &Shapes,
    class: Option<&str>,
    overrides: &Overrides,
) -> Result<Described, ConfigError> {
    overrides.only(&FIELDS)?;
    let mut completion = Completion { overrides, assumed: Vec::new() };
    let mut config = Names { shapes }.config()?;
    let family = preconditioning(&mut config, class, overrides, &mut completion)?;
    config.check()?;
    let (levels, range) = (config.num_scales, if config.centered { Range::Symmetric } else { Range::Unit });
    let description = Description::new(config.into(), family, true, levels, range);
    Ok(Described { description, inferred: true, assumed: completion.assumed })
}

/// Completes the configuration with the preconditioning, and names the family that it is.
fn preconditioning(
    config: &mut Config,
    class: Option<&str>,
    overrides: &Overrides,
    completion: &mut Completion,
) -> Result<Family, ConfigError> {
    let known = class.filter(|_| overrides.get(KIND).is_none());
    let known = known.and_then(|class| KINDS.iter().find(|(name, _)| *name == class)).map(|(_, kind)| *kind);
    let kind = known.map_or_else(
        || completion.value(KIND, "edm", "as the networks called edm-…; those called baseline-… have vp or ve"),
        Into::into,
    );
    let mut number = |field: &str, value: f64, reason: &str| {
        let answer = completion.value(field, value, reason);
        answer.as_f64().ok_or_else(|| ConfigError::invalid(field, &answer, "a number"))
    };
    let paper = "as published";
    match kind.as_str() {
        Some("edm") => {
            config.variant.sigma_data = Some(number("edm.sigma_data", 0.5, paper)?);
            let (min, max) = (number("edm.sigma_min", 0.002, paper)?, number("edm.sigma_max", 80.0, paper)?);
            ve(config, min, max)
        }
        // Both are the published parametrisations in other units.
        Some("vp") => Ok(Family::Vp(Vp::default())),
        Some("ve") if config.embedding_type == Embedding::Fourier => {
            let (min, max) = (number("edm.sigma_min", 0.02, paper)?, number("edm.sigma_max", 100.0, paper)?);
            // σ of images in [−1, 1] is twice that of images in [0, 1], and the label is ln(σ/2).
            (config.centered, config.scale_by_sigma, config.variant.log_label) = (false, true, false);
            ve(config, min / 2.0, max / 2.0)
        }
        _ => Err(ConfigError::invalid(KIND, &kind, "edm, vp, or, with a Fourier embedding, ve")),
    }
}

fn ve(config: &mut Config, min: f64, max: f64) -> Result<Family, ConfigError> {
    (config.sigma_min, config.sigma_max) = (min, max);
    Ve::new(min, max).map(Family::Ve).map_err(|error| disordered("edm.sigma_min to edm.sigma_max", &error))
}

/// The names and shapes, which reveal an architecture.
struct Names<'a> {
    shapes: &'a Shapes,
}

impl Names<'_> {
    fn shape(&self, name: &str) -> &[usize] {
        self.shapes.get(name).map_or(&[], Vec::as_slice)
    }

    fn has(&self, part: &str) -> bool {
        self.shapes.keys().any(|name| name.contains(part))
    }

    fn config(&self) -> Result<Config, ConfigError> {
        let (size, stem) = self.stem().ok_or_else(|| ConfigError::Missing("enc.…_conv.weight".to_owned()))?;
        let &[nf, num_channels, 3, 3] = stem else {
            return Err(ConfigError::Foreign("its first layer is not a 3×3 convolution"));
        };
        let &[wide, embedding_width] = self.shape("map_layer0.weight") else {
            return Err(ConfigError::Foreign("its map_layer0.weight does not have two dimensions"));
        };
        let block = |level: usize, rest: &str| format!("enc.{0}x{0}_block{rest}", size >> level);
        let levels =
            (0..10).take_while(|&l| size >> l > 0 && self.shapes.contains_key(&block(l, "0.norm0.weight"))).count();
        let widths = (0..levels).map(|level| self.shape(&block(level, "0.conv0.weight")).first().copied().unwrap_or(0));
        let blocks = (0..32).take_while(|i| self.shapes.contains_key(&block(0, &format!("{i}.norm0.weight")))).count();
        let attends = |&level: &usize| self.shapes.contains_key(&block(level, "0.norm2.weight"));
        let fourier = self.has("map_noise.freqs");
        let usual = if fourier { 2 * nf } else { nf };
        let embedding_width = (embedding_width != usual).then_some(embedding_width);
        let told_width = (wide != nf.saturating_mul(4)).then_some(wide);
        let adm = self.shapes.contains_key("out_norm.weight");
        let joins = if adm { Joins::Embedding } else { Joins::Features };
        let classes = match *self.shape("map_label.weight") {
            [] => None,
            [_, count] => Some(Classes { count, joins, none: false }),
            _ => return Err(ConfigError::Foreign("its map_label.weight does not have two dimensions")),
        };
        let usual = Config::ddpmpp();
        let variant = match adm {
            // The blocks of ADM (Dhariwal and Nichol 2021), as in EDM's `DhariwalUNet`.
            true => Variant {
                norm_epsilon: 1e-5,
                attention_after_each: true,
                head_channels: Some(HEAD),
                cosines_first: true,
                frequency_shift: 0.0,
                scale_shift: true,
                ..Variant::default()
            },
            false => Variant::default(),
        };
        Ok(Config {
            nf,
            ch_mult: widths.map(|width| width / nf.max(1)).collect(),
            num_res_blocks: blocks,
            attn_resolutions: (0..levels).filter(attends).map(|level| size >> level).collect(),
            fir: self.filtered()?,
            progressive: if self.has("_aux_up") || self.outputs() > 1 {
                Progressive::OutputSkip
            } else {
                Progressive::None
            },
            progressive_input: match (self.has("_aux_residual"), self.has("_aux_skip")) {
                (true, _) => ProgressiveInput::Residual,
                (_, true) => ProgressiveInput::InputSkip,
                _ => ProgressiveInput::None,
            },
            embedding_type: if fourier { Embedding::Fourier } else { Embedding::Positional },
            skip_rescale: !adm,
            resblock_type: if adm { BlockKind::Adm } else { usual.resblock_type },
            variant: Variant { embedding_width, told_width, log_label: fourier, classes, ..variant },
            image_size: size,
            num_channels,
            ..usual
        })
    }

    /// The image's size and the shape of the first convolution.
    fn stem(&self) -> Option<(usize, &[usize])> {
        self.shapes.iter().find_map(|(name, shape)| {
            let place = name.strip_prefix("enc.")?.strip_suffix("_conv.weight")?;
            let (size, _) = place.split_once('x')?;
            Some((size.parse().ok()?, shape.as_slice()))
        })
    }

    fn outputs(&self) -> usize {
        self.shapes.keys().filter(|name| name.ends_with("_aux_conv.weight")).count()
    }

    /// Whether resampling is filtered: the published filters are \[1, 1\], which is none, and \[1, 3, 3, 1\].
    fn filtered(&self) -> Result<bool, ConfigError> {
        let filter = self.shapes.iter().find(|(name, _)| name.ends_with(".resample_filter"));
        match filter.map(|(_, shape)| shape.as_slice()) {
            None | Some([1, 1, 2, 2]) => Ok(false),
            Some([1, 1, 4, 4]) => Ok(true),
            Some(_) => Err(ConfigError::Foreign("its resampling filter has neither two values nor four")),
        }
    }
}
