//! A published configuration, inferred from names and shapes.
//!
//! Width, blocks, kinds of blocks, pyramids and places of attention follow from the modules: of the few architectures
//! with as many blocks, the one that has these very parameters is taken. What no shape tells is answered as in the
//! nearest published configuration (Song et al. 2021, appendix H), and said.

use super::config;
use super::structure::{Module, ModuleKind, Structure};
use crate::checkpoint::overrides::Completion;
use crate::checkpoint::{ConfigError, Described, Overrides};
use crate::network::{BlockKind, Combine, Config, Embedding, Progressive, ProgressiveInput};
use serde_json::{Value, json};
use std::path::Path;

/// Blocks on one level of any network that is read.
const MOST_BLOCKS: usize = 32;

/// Infers a network of score_sde from its structure, the name of its file and folder, and the fields that were given by
/// hand.
///
/// # Errors
/// If the structure is of no published architecture, or an override is not possible.
pub fn infer(structure: &Structure, path: &Path, overrides: &Overrides) -> Result<Described, ConfigError> {
    let shape = Shape::of(structure)?;
    let mut completion = Completion { overrides, assumed: Vec::new() };
    let mut configuration = complete(&shape, structure.levels, path, &mut completion);
    overrides.apply(&mut configuration)?;
    let description = config::read(&configuration)?;
    Ok(Described { description, inferred: true, assumed: completion.assumed })
}

/// What shapes reveal.
struct Shape {
    /// Its image is 2^levels pixels wide, which stands for any size.
    config: Config,
    /// Levels with attention, from the image's own.
    attention: Vec<usize>,
    /// Other choices of these levels that have the same shapes.
    rivals: usize,
    /// Whether names reveal that resampling is filtered.
    filtered: Option<bool>,
}

impl Shape {
    fn of(structure: &Structure) -> Result<Shape, ConfigError> {
        let (base, filtered) = Self::base(structure)?;
        let blocks: Vec<usize> =
            structure.all(ModuleKind::Block).filter_map(|block| sizes(block, "Conv_0.weight")).map(|s| s[0]).collect();
        let attentions = structure.all(ModuleKind::Attention).count();
        let mut fitting = Vec::new();
        for (levels, per_level) in divisions(blocks.len(), base.resblock_type) {
            let Some(config) = with_levels(&base, &blocks, levels, per_level) else { continue };
            for attention in choices(levels, per_level, attentions) {
                let image = 1 << levels;
                let attn_resolutions = attention.iter().map(|level| image >> level).collect();
                let config = Config { image_size: image, attn_resolutions, ..config.clone() };
                let mut pyramids = pyramids(&config).into_iter();
                fitting.extend(pyramids.find(|config| structure.is_of(config)).map(|config| (config, attention)));
            }
        }
        let rivals = fitting.len().saturating_sub(1);
        // Published networks attend at 16 pixels: two levels above the lowest; with 1024 pixels, one.
        let published = |(config, attention): &(Config, Vec<usize>)| {
            let levels = config.ch_mult.len();
            let usual = levels.saturating_sub(if levels < 8 { 3 } else { 2 });
            attention.iter().map(|level| level.abs_diff(usual)).sum::<usize>()
        };
        let (config, attention) =
            fitting.into_iter().min_by_key(published).ok_or(ConfigError::NotInferred("none has these blocks"))?;
        Ok(Shape { config, attention, rivals, filtered })
    }

    /// What single modules reveal, and whether their names reveal a filter.
    fn base(structure: &Structure) -> Result<(Config, Option<bool>), ConfigError> {
        let wrong = ConfigError::NotInferred;
        let stem = structure.all(ModuleKind::Conv).next().and_then(|stem| sizes(stem, "weight"));
        let [nf, num_channels] = stem.ok_or(wrong("its first convolution"))?;
        let has = |kind: ModuleKind, part: &str| structure.all(kind).any(|module| module.contains_key(part));
        let resampling = |part: &str| structure.all(ModuleKind::Resampling).any(|module| module.contains_key(part));
        let (filtered, plain) = (resampling("Conv2d_0.weight"), resampling("Conv_0.weight"));
        let takes_image = |module: &Module| {
            let widths = sizes(module, "Conv2d_0.weight").or(sizes(module, "Conv_0.weight"));
            widths.is_some_and(|[_, input]| input == num_channels)
        };
        let progressive_input = match structure.all(ModuleKind::Resampling).any(takes_image) {
            _ if structure.all(ModuleKind::InputSkip).next().is_some() => ProgressiveInput::InputSkip,
            true => ProgressiveInput::Residual,
            false => ProgressiveInput::None,
        };
        let biggan = has(ModuleKind::Block, "Conv_2.weight");
        let fourier = structure.all(ModuleKind::Frequencies).next().is_some();
        let config = Config {
            nf,
            num_channels,
            progressive_input,
            resblock_type: if biggan { BlockKind::BigGan } else { BlockKind::Ddpm },
            conditional: structure.all(ModuleKind::Dense).next().is_some(),
            embedding_type: if fourier { Embedding::Fourier } else { Embedding::Positional },
            fir: filtered,
            ..Config::ddpmpp()
        };
        Ok((config, (filtered || plain).then_some(filtered)))
    }
}

/// Output and input channels of a convolution in a module.
fn sizes(module: &Module, part: &str) -> Option<[usize; 2]> {
    match module.get(part)?[..] {
        [output, input, ..] => Some([output, input]),
        _ => None,
    }
}

/// Numbers of levels, and of blocks on each on the way down, that make so many blocks.
fn divisions(blocks: usize, kind: BlockKind) -> Vec<(usize, usize)> {
    // n on each level on the way down, n + 1 on the way up, 2 in the middle; BigGAN's resample in blocks, too.
    let (besides, middle) = if kind == BlockKind::BigGan { (3, 0) } else { (1, 2) };
    let Some(rest) = blocks.checked_sub(middle) else { return Vec::new() };
    let whole = |levels: usize| {
        let twice = rest.is_multiple_of(levels).then_some(rest / levels)?.checked_sub(besides)?;
        (twice > 0 && twice <= 2 * MOST_BLOCKS && twice.is_multiple_of(2)).then_some((levels, twice / 2))
    };
    (1..=10).filter_map(whole).collect()
}

/// The configuration with the widths of these blocks, if they have whole multiples of its width.
fn with_levels(base: &Config, blocks: &[usize], levels: usize, per_level: usize) -> Option<Config> {
    let stride = per_level + usize::from(base.resblock_type == BlockKind::BigGan);
    let factor = |level: usize| {
        let width = *blocks.get(level * stride)?;
        (base.nf > 0 && width > 0 && width.is_multiple_of(base.nf)).then(|| width / base.nf)
    };
    let ch_mult: Option<Vec<usize>> = (0..levels).map(factor).collect();
    Some(Config { ch_mult: ch_mult?, num_res_blocks: per_level, ..base.clone() })
}

/// Choices of the levels with attention that make so many of them.
fn choices(levels: usize, per_level: usize, attentions: usize) -> Vec<Vec<usize>> {
    // One in the middle; on each of its levels, n on the way down and one on the way up.
    let chosen = |bits: u32| (0..levels).filter(|level| bits >> level & 1 == 1).collect::<Vec<_>>();
    let fits = |chosen: &Vec<usize>| chosen.len() * (per_level + 1) + 1 == attentions;
    (0..1_u32 << levels).map(chosen).filter(fits).collect()
}

/// The configuration with each way to gather the output and to feed the input.
fn pyramids(config: &Config) -> Vec<Config> {
    let combines = [Combine::Sum, Combine::Cat];
    let combines = if config.progressive_input == ProgressiveInput::InputSkip { &combines[..] } else { &combines[..1] };
    let convs = if config.resblock_type == BlockKind::Ddpm { &[true, false][..] } else { &[true][..] };
    let mut all = Vec::new();
    for progressive in [Progressive::None, Progressive::OutputSkip, Progressive::Residual] {
        for &progressive_combine in combines {
            for &resamp_with_conv in convs {
                all.push(Config { progressive, progressive_combine, resamp_with_conv, ..config.clone() });
            }
        }
    }
    all
}

/// The whole published configuration: what shapes reveal, and for the rest overrides or assumptions.
fn complete(shape: &Shape, levels: Option<(usize, f64, f64)>, path: &Path, completion: &mut Completion) -> Value {
    let config = &shape.config;
    let fourier = config.embedding_type == Embedding::Fourier;
    let pyramid = config.progressive_input != ProgressiveInput::None || config.progressive != Progressive::None;
    let name = name(config, pyramid || fourier, completion);
    let plus = name != "ddpm";
    let size = image_size(shape, completion);
    let sde = process(plus && (fourier || pyramid), levels, completion);
    let ve = sde == "vesde";
    let continuous = if ve { fourier } else { plus };
    let continuous = completion.value("training.continuous", continuous, "whether it was trained between the levels");
    let range = if ve { "images in [0, 1], as with VE" } else { "images in [−1, 1], as with VP and sub-VP" };
    let centered = completion.value("data.centered", !ve, range);
    let scaled = completion.value("model.scale_by_sigma", ve, "only VE networks divide the output by σ");
    let (fir, rescale) = match plus {
        true => (
            shape
                .filtered
                .map_or_else(|| completion.value("model.fir", pyramid, "filters go with pyramids"), Value::from),
            completion.value("model.skip_rescale", true, "as all published ncsnpp networks"),
        ),
        false => (json!(false), json!(false)),
    };
    let (sigma_min, sigma_max, num_scales, beta_min, beta_max) = scales(ve, &size, levels, path, completion);
    let pixels = size.as_u64().unwrap_or(0);
    let attn_resolutions: Vec<u64> = shape.attention.iter().map(|level| pixels >> level).collect();
    json!({
        "data": { "image_size": size, "num_channels": config.num_channels, "centered": centered },
        "training": { "sde": sde, "continuous": continuous },
        "model": {
            "name": name, "nf": config.nf, "ch_mult": config.ch_mult, "num_res_blocks": config.num_res_blocks,
            "attn_resolutions": attn_resolutions, "resamp_with_conv": config.resamp_with_conv,
            "conditional": config.conditional, "fir": fir, "fir_kernel": config.fir_kernel, "skip_rescale": rescale,
            "resblock_type": config.resblock_type, "progressive": config.progressive,
            "progressive_input": config.progressive_input, "progressive_combine": config.progressive_combine,
            "embedding_type": config.embedding_type, "scale_by_sigma": scaled,
            "nonlinearity": completion.value("model.nonlinearity", "swish", "as all published networks"),
            "sigma_min": sigma_min, "sigma_max": sigma_max, "num_scales": num_scales,
            "beta_min": beta_min, "beta_max": beta_max,
        },
    })
}

/// `ddpm` and an `ncsnpp` with DDPM's blocks have the same shapes.
fn name(config: &Config, only_ncsnpp: bool, completion: &mut Completion) -> Value {
    // DDPM's 32 groups must divide every width, and it resamples with convolutions.
    if only_ncsnpp || config.resblock_type == BlockKind::BigGan || !config.nf.is_multiple_of(32) {
        return json!("ncsnpp");
    }
    completion.value("model.name", "ddpm", "an ncsnpp network with ddpm blocks has the same shapes")
}

/// The image's height and width.
fn image_size(shape: &Shape, completion: &mut Completion) -> Value {
    let lowest = shape.config.ch_mult.len() - 1;
    match shape.attention.first() {
        None => completion.value("data.image_size", 4_u64 << lowest, "4 pixels at the lowest resolution, as published"),
        Some(level) if shape.rivals == 0 => {
            completion.value("data.image_size", 16_u64 << level, "attention at 16 pixels, as published")
        }
        Some(level) => {
            let reason = format!("attention at 16 pixels; {} other placements have the same shapes", shape.rivals);
            completion.value("data.image_size", 16_u64 << level, &reason)
        }
    }
}

/// The SDE.
fn process(ncsnpp: bool, levels: Option<(usize, f64, f64)>, completion: &mut Completion) -> Value {
    // VP configurations keep the σ that CIFAR-10 has.
    let far = levels.is_some_and(|(_, _, largest)| (largest - 50.0).abs() > 0.01);
    let (sde, reason) = match ncsnpp || far {
        true => ("vesde", "as most NCSN++ networks; vpsde and subvpsde are the others"),
        false => ("vpsde", "as most DDPM++ and DDPM networks; subvpsde and vesde are the others"),
    };
    completion.value("training.sde", sde, reason)
}

/// The largest σ published for images of this size, and for which. Those of LSUN have one of their own, and folders that
/// are named after them.
fn largest_sigma(pixels: u64, path: &Path) -> (f64, String) {
    let names: Vec<String> = path.iter().rev().take(2).map(|name| name.to_string_lossy().to_lowercase()).collect();
    let named = |set: &str| names.iter().any(|name| name.contains(set));
    let of_lsun = |set: &str| format!("as published for LSUN {set}, which the path names");
    match pixels {
        129..=256 if named("bedroom") => (378.0, of_lsun("bedroom")),
        129..=256 if named("church") => (380.0, of_lsun("church")),
        129..=256 => (348.0, "as published for CelebA-HQ at 256 pixels; bedroom has 378, church 380".into()),
        // CIFAR-10, CelebA, and FFHQ at 1024 pixels.
        0..=32 => (50.0, format!("as published for {pixels} pixels")),
        33..=64 => (90.0, format!("as published for {pixels} pixels")),
        65..=128 => (348.0, format!("as published for {pixels} pixels")),
        _ => (1348.0, format!("as published for {pixels} pixels")),
    }
}

/// The least and the largest σ, the number of levels, and the least and the largest β.
fn scales(
    ve: bool,
    size: &Value,
    levels: Option<(usize, f64, f64)>,
    path: &Path,
    completion: &mut Completion,
) -> (Value, Value, Value, Value, Value) {
    let pixels = size.as_u64().unwrap_or(32);
    let count = if pixels <= 64 { 1000 } else { 2000 };
    let (largest, published) = largest_sigma(pixels, path);
    let mut ask = |needed: bool, field: &str, value: Value, reason: &str| match needed {
        true => completion.value(field, value, reason),
        false => value,
    };
    let (sigma_min, sigma_max, num_scales) = match levels {
        Some((count, min, max)) => (json!(min), json!(max), json!(count)),
        None => (
            ask(ve, "model.sigma_min", json!(0.01), "as published"),
            ask(ve, "model.sigma_max", json!(largest), &published),
            ask(
                true,
                "model.num_scales",
                json!(if ve { count } else { 1000 }),
                &format!("as published for {pixels} pixels"),
            ),
        ),
    };
    let beta_min = ask(!ve, "model.beta_min", json!(0.1), "as published");
    (sigma_min, sigma_max, num_scales, beta_min, ask(!ve, "model.beta_max", json!(20.0), "as published"))
}
