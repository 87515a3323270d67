//! What is configured of a U-Net.

use super::memory;
use super::plan::Plan;
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// Discrete levels of a network; published ones have up to 2000.
pub const MAX_LEVELS: usize = 100_000;

/// A pointwise nonlinearity (`model.nonlinearity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Nonlinearity {
    /// x·sigmoid(x), also known as SiLU.
    #[serde(rename = "swish")]
    Swish,
    /// Exponential linear unit.
    #[serde(rename = "elu")]
    Elu,
    /// max(x, 0).
    #[serde(rename = "relu")]
    Relu,
    /// Leaky ReLU with slope 0.2.
    #[serde(rename = "lrelu")]
    LeakyRelu,
    /// The Gaussian error linear unit, approximated by tanh (Hendrycks and Gimpel 2016): that of transformers, which no
    /// configuration chooses.
    #[serde(skip)]
    Gelu,
}

/// The residual block (`model.resblock_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockKind {
    /// DDPM's; resampling stands between the blocks.
    Ddpm,
    /// BigGAN's; the block itself resamples.
    BigGan,
    /// ADM's (Dhariwal and Nichol 2021): as BigGAN's, but only a change of width is mapped beside the block.
    Adm,
}

/// How the output is gathered over the resolutions (`model.progressive`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progressive {
    None,
    OutputSkip,
    Residual,
}

/// How the input is fed to the lower resolutions (`model.progressive_input`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgressiveInput {
    None,
    InputSkip,
    Residual,
}

/// How an input pyramid joins the features (`model.progressive_combine`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    Sum,
    Cat,
}

/// How the noise level is embedded (`model.embedding_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Embedding {
    /// Sines of the label at fixed frequencies.
    Positional,
    /// Sines of log σ at random frequencies.
    Fourier,
}

/// The classes of images that a network is told: a row of a table for each joins what it is told of the noise level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classes {
    /// Number of classes.
    pub count: usize,
    /// What the row joins.
    pub joins: Joins,
    /// A row of its own says that no class is told; else nothing joins then.
    #[serde(default)]
    pub none: bool,
}

impl Classes {
    /// Most classes.
    pub const MAX: usize = 65_536;

    /// Rows of the table.
    pub(super) fn rows(&self) -> usize {
        self.count + usize::from(self.none)
    }

    /// The row of a class, if it has one.
    pub(super) fn row(&self, class: Option<usize>) -> Option<usize> {
        class.filter(|&class| class < self.count).or(self.none.then_some(self.count))
    }
}

/// What the row of a class joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Joins {
    /// Sines and cosines of the noise level, before the embedding's two affine maps (EDM's `SongUNet`).
    Features,
    /// The outcome of these maps, before its nonlinearity (Dhariwal and Nichol 2021, and diffusers).
    Embedding,
}

/// Where other releases of these networks may differ from the first (Song et al. 2021), which is the default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Variant {
    /// ε of every group normalisation.
    pub norm_epsilon: f64,
    /// On the way up, attention follows every block of its resolution (as in Ho et al. 2020), not the last one only.
    pub attention_after_each: bool,
    /// Channels of one attention head; one head has all where it is not given.
    pub head_channels: Option<usize>,
    /// Heads of every attention, where their width is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<usize>,
    /// The positional embedding has its cosines before its sines.
    pub cosines_first: bool,
    /// The last of the n frequencies of the positional embedding is 10000^(−(n−1)/(n−shift)).
    pub frequency_shift: f64,
    /// Convolutions that halve have zeros on all sides, not only after the last row and column.
    pub margin_all_round: bool,
    /// The noise level scales and shifts the second normalisation of a block; else it is added before.
    pub scale_shift: bool,
    /// Sines and cosines of the embedding; else `nf` of a positional one, 2·`nf` of a Fourier one.
    pub embedding_width: Option<usize>,
    /// Values that become of these by the embedding's two affine maps, and are told to the blocks; else 4·`nf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told_width: Option<usize>,
    /// The label is a logarithm already, which the Fourier embedding takes as it is.
    pub log_label: bool,
    /// σ_data of EDM's preconditioning (Karras et al. 2022, table 1), where the network was trained with it.
    pub sigma_data: Option<f64>,
    /// The classes that it is told, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
}

impl Default for Variant {
    fn default() -> Self {
        Variant {
            norm_epsilon: 1e-6,
            attention_after_each: false,
            head_channels: None,
            heads: None,
            cosines_first: false,
            frequency_shift: 1.0,
            margin_all_round: false,
            scale_shift: false,
            embedding_width: None,
            told_width: None,
            log_label: false,
            sigma_data: None,
            classes: None,
        }
    }
}

/// The architecture of a published `ncsnpp` (NCSN++ and DDPM++) or `ddpm` network, with the published field names
/// (Song et al. 2021, appendix H).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Channels at the highest resolution, before `ch_mult`.
    pub nf: usize,
    /// Channels of each resolution, from the highest, in units of `nf`.
    pub ch_mult: Vec<usize>,
    /// Residual blocks at each resolution on the way down; one more on the way up.
    pub num_res_blocks: usize,
    /// Resolutions (in pixels, or patches where there are any) with self-attention.
    pub attn_resolutions: Vec<usize>,
    /// DDPM blocks: resampling has a convolution.
    pub resamp_with_conv: bool,
    /// The blocks are told the noise level.
    pub conditional: bool,
    /// Resampling is low-pass filtered.
    pub fir: bool,
    /// One-dimensional low-pass filter, of any scale.
    pub fir_kernel: Vec<f64>,
    /// Residual sums are scaled by 1/√2.
    pub skip_rescale: bool,
    pub resblock_type: BlockKind,
    pub progressive: Progressive,
    pub progressive_input: ProgressiveInput,
    pub progressive_combine: Combine,
    pub embedding_type: Embedding,
    /// Standard deviation with which the Fourier frequencies were drawn.
    #[serde(default)]
    pub fourier_scale: Option<f64>,
    /// The output is divided by σ.
    pub scale_by_sigma: bool,
    pub nonlinearity: Nonlinearity,
    /// Groups of every group normalisation (DDPM: 32); else min(channels/4, 32).
    #[serde(default)]
    pub norm_groups: Option<usize>,
    /// What other releases do in another way.
    #[serde(default)]
    pub variant: Variant,
    /// Height, and width where that is not given.
    pub image_size: usize,
    /// Width of images that are not square.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_width: Option<usize>,
    pub num_channels: usize,
    /// Side of the patches of pixels that the layers see as one pixel of more channels; 1 in published networks.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub patch: u8,
    /// Images live in [−1, 1]; else in [0, 1], and the network maps them itself.
    pub centered: bool,
    /// Smallest σ of the discrete levels.
    pub sigma_min: f64,
    /// Largest σ of the discrete levels.
    pub sigma_max: f64,
    /// Number of discrete levels.
    pub num_scales: usize,
}

fn one() -> u8 {
    1
}

fn is_one(number: &u8) -> bool {
    *number == 1
}

impl Variant {
    fn check(&self) -> Result<(), InvalidConfig> {
        within(self.norm_epsilon, 1e-12, 1.0, "norm_eps")?;
        within(self.embedding_width.unwrap_or(2), 2, 65536, "the width of the embedding")?;
        within(self.told_width.unwrap_or(2), 2, 65536, "the width of what blocks are told")?;
        within(self.sigma_data.unwrap_or(0.5), 1e-6, 1e6, "edm.sigma_data")?;
        within(self.frequency_shift, 0.0, 1.0, "freq_shift")?;
        within(self.classes.as_ref().map_or(1, |classes| classes.count), 1, Classes::MAX, "the number of classes")
    }
}

/// Why no network can be built from a configuration: the first field that is out of bounds.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field} = {value} is invalid; it must be {rule}")]
pub struct InvalidConfig {
    /// The field by its published name.
    pub field: String,
    pub value: String,
    /// What it must be.
    pub rule: String,
}

impl InvalidConfig {
    pub fn new(field: &str, value: impl Display, rule: &str) -> Self {
        InvalidConfig { field: field.to_owned(), value: value.to_string(), rule: rule.to_owned() }
    }
}

/// Refuses a field that is not as its `rule` says.
pub(super) fn bound(ok: bool, field: &str, value: impl Display, rule: &str) -> Result<(), InvalidConfig> {
    if ok { Ok(()) } else { Err(InvalidConfig::new(field, value, rule)) }
}

/// Refuses a field that is out of its range.
pub(super) fn within<T: PartialOrd + Display>(value: T, low: T, high: T, field: &str) -> Result<(), InvalidConfig> {
    let rule = format!("from {low} to {high}");
    bound((low..=high).contains(&value), field, value, &rule)
}

impl Config {
    /// What published DDPM++ networks have in common (Song et al. 2021, appendix H); without a size yet.
    pub fn ddpmpp() -> Config {
        Config {
            nf: 0,
            ch_mult: Vec::new(),
            num_res_blocks: 0,
            attn_resolutions: Vec::new(),
            resamp_with_conv: true,
            conditional: true,
            fir: false,
            fir_kernel: vec![1.0, 3.0, 3.0, 1.0],
            skip_rescale: true,
            resblock_type: BlockKind::BigGan,
            progressive: Progressive::None,
            progressive_input: ProgressiveInput::None,
            progressive_combine: Combine::Sum,
            embedding_type: Embedding::Positional,
            fourier_scale: None,
            scale_by_sigma: false,
            nonlinearity: Nonlinearity::Swish,
            norm_groups: None,
            variant: Variant::default(),
            image_size: 0,
            image_width: None,
            patch: 1,
            num_channels: 0,
            centered: true,
            sigma_min: 0.01,
            sigma_max: 50.0,
            num_scales: 1000,
        }
    }

    /// The configuration, if a network can be built from it and computed in reasonable memory.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        self.check_for(|| Plan::new(self))
    }

    /// The same for another list of operations, which is laid out once its sizes are known to be reasonable.
    pub(super) fn check_for<'a>(&'a self, plan: impl FnOnce() -> Plan<'a>) -> Result<(), InvalidConfig> {
        within(self.nf, 4, 1024, "model.nf")?;
        within(self.ch_mult.len(), 1, 10, "the number of model.ch_mult")?;
        self.ch_mult.iter().try_for_each(|&m| within(m, 1, 64, "an entry of model.ch_mult"))?;
        within(self.num_res_blocks, 1, 32, "model.num_res_blocks")?;
        within(self.num_channels, 1, 64, "data.num_channels")?;
        within(self.num_scales, 2, MAX_LEVELS, "model.num_scales")?;
        within(self.image_size, 1, 4096, "data.image_size")?;
        within(self.patch, 1, 4, "model.patch")?;
        let coarsest = self.side_of_patch() << (self.ch_mult.len() - 1);
        let patches = if self.patch > 1 { format!(" of patches {0}×{0}", self.patch) } else { String::new() };
        let rule = format!("divisible by {coarsest}, for {} resolutions{patches}", self.ch_mult.len());
        bound(self.image_size.is_multiple_of(coarsest), "data.image_size", self.image_size, &rule)?;
        within(self.image_width(), 1, 4096, "data.image_width")?;
        bound(self.image_width().is_multiple_of(coarsest), "data.image_width", self.image_width(), &rule)?;
        let finest_attention = (0..self.ch_mult.len()).map(|level| self.side(level));
        let finest_attention = finest_attention.filter(|size| self.attn_resolutions.contains(size)).max();
        let attention = finest_attention.unwrap_or(0).max(self.image_size / coarsest);
        within(attention, 1, 64, "the resolution of self-attention")?;
        let across = attention * self.image_width() / self.image_size;
        within(across, 1, 64, "the width of self-attention's features")?;
        within(self.fir_kernel.len(), 2, 16, "the length of model.fir_kernel")?;
        let sum: f64 = self.fir_kernel.iter().sum();
        bound(sum.is_finite() && sum > 0.0, "the sum of model.fir_kernel", sum, "positive")?;
        self.variant.check()?;
        let told = self.conditional || self.variant.classes.is_none();
        bound(told, "model.conditional", self.conditional, "true for a network of classes")?;
        let plan = plan();
        for channels in plan.attentions() {
            let heads = self.variant.heads.unwrap_or(1);
            let rule = format!("a multiple of its number of heads, {heads}");
            bound(heads > 0 && channels.is_multiple_of(heads), "the width of an attention", channels, &rule)?;
            let head = self.variant.head_channels.unwrap_or(channels);
            let rule = format!("a multiple of the width of a head, {head}");
            bound(head > 0 && channels.is_multiple_of(head), "the width of an attention", channels, &rule)?;
        }
        let ordered = self.sigma_min > 0.0 && self.sigma_min < self.sigma_max && self.sigma_max.is_finite();
        let sigmas = format!("{} to {}", self.sigma_min, self.sigma_max);
        bound(ordered, "model.sigma_min to model.sigma_max", sigmas, "positive and growing")?;
        for channels in plan.norms() {
            let groups = self.groups(channels);
            let rule = format!("a multiple of its number of groups, {groups}");
            bound(channels.is_multiple_of(groups), "the width of a layer", channels, &rule)?;
        }
        memory::check(&plan.outline())
    }

    /// Names and shapes of all parameters, in published order.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        Plan::new(self).parameters().into_iter().map(|p| (p.name, p.shape)).collect()
    }

    /// Sines and cosines of the embedding of the noise level.
    pub(super) fn embedding_width(&self) -> usize {
        self.variant.embedding_width.unwrap_or(match self.embedding_type {
            Embedding::Positional => self.nf,
            Embedding::Fourier => 2 * self.nf,
        })
    }

    /// Values that blocks are told of the noise level and the class.
    pub(super) fn told_width(&self) -> usize {
        self.variant.told_width.unwrap_or(4 * self.nf)
    }

    /// The positional embedding's frequencies: 10000^(−j/(count−shift)); DDPM's shift is 1.
    pub(super) fn frequencies(&self) -> Vec<f64> {
        let count = self.embedding_width() / 2;
        (0..count).map(|j| 10_000_f64.powf(-(j as f64) / (count as f64 - self.variant.frequency_shift))).collect()
    }

    /// Sines, then cosines, of a place at these frequencies, or the other way round; and a zero where they are odd.
    pub(super) fn waves(&self, frequencies: &[f64], place: f64) -> Vec<f32> {
        let odd = self.embedding_type == Embedding::Positional && !self.embedding_width().is_multiple_of(2);
        let phases = || frequencies.iter().map(|frequency| frequency * place);
        let turned = self.variant.cosines_first;
        let wave = |cosine: bool| phases().map(move |phase| if cosine { phase.cos() } else { phase.sin() });
        let waves = wave(turned).chain(wave(!turned));
        waves.chain(odd.then_some(0.0)).map(|wave| wave as f32).collect()
    }

    /// What a number is embedded as by sines and cosines.
    pub fn positional(&self, number: f64) -> Vec<f32> {
        self.waves(&self.frequencies(), number)
    }

    /// Values that the row of a class has.
    pub(super) fn width_of_class(&self, joins: Joins) -> usize {
        match joins {
            Joins::Features => self.embedding_width(),
            Joins::Embedding => self.told_width(),
        }
    }

    /// The images' width.
    pub fn image_width(&self) -> usize {
        self.image_width.unwrap_or(self.image_size)
    }

    /// Pixels along a side of a patch.
    pub(super) fn side_of_patch(&self) -> usize {
        usize::from(self.patch).max(1)
    }

    /// Channels, height and width of images as the layers see them, in patches.
    pub(super) fn inside(&self) -> [usize; 3] {
        let p = self.side_of_patch();
        [self.num_channels * p * p, self.image_size / p, self.image_width() / p]
    }

    /// Height of the features at the resolution that was halved `level` times.
    fn side(&self, level: usize) -> usize {
        self.inside()[1] >> level
    }

    /// Whether the resolution that was halved `level` times has self-attention.
    pub fn attends(&self, level: usize) -> bool {
        self.attn_resolutions.contains(&self.side(level))
    }

    /// Channels of a head of an attention over so many.
    pub fn head_width(&self, channels: usize) -> usize {
        let all = channels / self.variant.heads.unwrap_or(1).max(1);
        self.variant.head_channels.unwrap_or(all).clamp(1, channels.max(1))
    }

    /// Factor of residual sums.
    pub(super) fn residual_scale(&self) -> f32 {
        if self.skip_rescale { std::f32::consts::FRAC_1_SQRT_2 } else { 1.0 }
    }

    /// Groups of a group normalisation over `channels`.
    pub(super) fn groups(&self, channels: usize) -> usize {
        self.norm_groups.map_or((channels / 4).clamp(1, 32), |groups| groups.max(1))
    }

    /// σ of the discrete level `index`, largest first.
    pub fn discrete_sigma(&self, index: usize) -> f64 {
        let last = self.num_scales.max(2) - 1;
        let place = index.min(last) as f64 / last as f64;
        self.sigma_max * (self.sigma_min / self.sigma_max).powf(place)
    }
}
