use crate::network::config::{bound, within};
use crate::network::plan::{Parameter, Start};
use crate::network::{Classes, InvalidConfig, Joins, NetworkConfig, Stage, StageKind, memory};
use serde::{Deserialize, Serialize};

/// Sines and cosines that a noise level is embedded as.
pub(super) const FEATURES: usize = 256;
/// Most tokens, as attention compares all with all.
const MOST_TOKENS: usize = 4096;

/// The architecture of a diffusion transformer, with the published names (Peebles and Xie 2023, section 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DitConfig {
    /// Channels of a token.
    pub hidden_size: usize,
    /// Blocks.
    pub depth: usize,
    pub num_heads: usize,
    /// Channels inside of a block's perceptron.
    pub mlp_width: usize,
    /// Height and width of a token in pixels.
    pub patch_size: usize,
    /// The classes that it is told, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
    /// Height and width of an image.
    pub image_size: usize,
    pub num_channels: usize,
    /// σ_data of EDM's preconditioning (Karras et al. 2022, table 1), where it was trained with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_data: Option<f64>,
}

impl DitConfig {
    /// Tokens along a side.
    pub(in crate::network) fn side(&self) -> usize {
        self.image_size / self.patch_size.max(1)
    }

    /// Values of a patch.
    pub(in crate::network) fn patch(&self) -> usize {
        self.num_channels * self.patch_size * self.patch_size
    }

    /// What is told of a token's place, tokens × channels: sines and cosines of its column, then of its row, at frequencies
    /// 10000^(−j/(D/4)).
    pub fn positions(&self) -> Vec<f32> {
        let (side, quarter) = (self.side(), self.hidden_size / 4);
        let waves = |place: usize| {
            let phases =
                move || (0..quarter).map(move |j| place as f64 * 10_000_f64.powf(-(j as f64) / quarter as f64));
            phases().map(f64::sin).chain(phases().map(f64::cos)).map(|wave| wave as f32)
        };
        (0..side * side).flat_map(|token| waves(token % side).chain(waves(token / side))).collect()
    }
}

/// Of maps, as PyTorch's `xavier_uniform_` begins them.
const XAVIER: Start = Start::FanAverage(1.0);
const SMALL: Start = Start::Normal { mean: 0.0, std: 0.02 };
const NOTHING: Start = Start::Constant(0.0);

impl NetworkConfig for DitConfig {
    const FIELD: &'static str = "hidden_size";

    fn check(&self) -> Result<(), InvalidConfig> {
        within(self.hidden_size, 4, 4096, "hidden_size")?;
        bound(self.hidden_size.is_multiple_of(4), "hidden_size", self.hidden_size, "a multiple of 4")?;
        within(self.depth, 1, 64, "depth")?;
        within(self.num_heads, 1, 64, "num_heads")?;
        let rule = format!("a divisor of hidden_size, {}", self.hidden_size);
        bound(self.hidden_size.is_multiple_of(self.num_heads), "num_heads", self.num_heads, &rule)?;
        within(self.mlp_width, 1, 65_536, "mlp_width")?;
        within(self.image_size, 1, 4096, "image_size")?;
        within(self.patch_size, 1, 64, "patch_size")?;
        let rule = format!("divisible by patch_size, {}", self.patch_size);
        bound(self.image_size.is_multiple_of(self.patch_size), "image_size", self.image_size, &rule)?;
        within(self.side() * self.side(), 1, MOST_TOKENS, "the number of tokens")?;
        within(self.num_channels, 1, 64, "num_channels")?;
        within(self.classes.as_ref().map_or(1, |classes| classes.count), 1, Classes::MAX, "the number of classes")?;
        let joins = self.classes.as_ref().is_none_or(|classes| classes.joins == Joins::Embedding);
        bound(joins, "classes.joins", "features", "embedding")?;
        within(self.sigma_data.unwrap_or(0.5), 1e-6, 1e6, "sigma_data")?;
        memory::check(&self.outline())
    }

    fn shape(&self) -> [usize; 3] {
        [self.num_channels, self.image_size, self.image_size]
    }

    fn plan(&self) -> Vec<Parameter> {
        let (hidden, patch) = (self.hidden_size, self.patch_size);
        let mut all = Vec::new();
        let mut add = |name: String, shape: &[usize], inner: bool, start: Start| {
            all.push(Parameter { name, shape: shape.to_vec(), trainable: true, inner, start });
        };
        let mut pair = |name: &str, shape: &[usize], inner: bool, start: Start| {
            add(format!("{name}.weight"), shape, inner, start);
            add(format!("{name}.bias"), &shape[..1], false, NOTHING);
        };
        // It begins as the linear map of a patch that it is.
        let (as_filter, as_map) = ((hidden + self.num_channels) * patch * patch, hidden + self.patch());
        let start = Start::FanAverage(as_filter as f64 / as_map as f64);
        pair("x_embedder.proj", &[hidden, self.num_channels, patch, patch], false, start);
        pair("t_embedder.mlp.0", &[hidden, FEATURES], false, SMALL);
        pair("t_embedder.mlp.2", &[hidden, hidden], true, SMALL);
        for block in 0..self.depth {
            let mut pair =
                |name: &str, shape: [usize; 2], start| pair(&format!("blocks.{block}.{name}"), &shape, true, start);
            pair("attn.qkv", [3 * hidden, hidden], XAVIER);
            pair("attn.proj", [hidden, hidden], XAVIER);
            pair("mlp.fc1", [self.mlp_width, hidden], XAVIER);
            pair("mlp.fc2", [hidden, self.mlp_width], XAVIER);
            pair("adaLN_modulation.1", [6 * hidden, hidden], NOTHING);
        }
        pair("final_layer.linear", &[self.patch(), hidden], false, NOTHING);
        pair("final_layer.adaLN_modulation.1", &[2 * hidden, hidden], true, NOTHING);
        if let Some(classes) = &self.classes {
            add("y_embedder.embedding_table.weight".into(), &[classes.rows(), hidden], false, SMALL);
        }
        all
    }

    fn outline(&self) -> Vec<Stage> {
        let (hidden, side) = (self.hidden_size, self.side());
        let layer =
            |kind, side, channels, parameters| Stage { kind, side, width: side, channels, parameters, joins: None };
        let table = self.classes.as_ref().map_or(0, |classes| classes.rows() * hidden);
        let embedding = hidden * (FEATURES + hidden + 2) + table;
        let mut layers = vec![
            layer(StageKind::Embedding, 1, [FEATURES, hidden], embedding),
            layer(StageKind::Convolution, side, [self.patch(), hidden], hidden * (self.patch() + 1)),
        ];
        let attention = 4 * hidden * (hidden + 1);
        // What they are told is one map for both.
        let told = 6 * hidden * (hidden + 1);
        let wide = self.mlp_width;
        for _ in 0..self.depth {
            layers.push(layer(StageKind::Attention, side, [hidden; 2], attention + told));
            layers.push(layer(StageKind::ResidualBlock, side, [hidden, wide], wide * (hidden + 1)));
            layers.push(layer(StageKind::ResidualBlock, side, [wide, hidden], hidden * (wide + 1)));
        }
        let last = (self.patch() + 2 * hidden) * (hidden + 1);
        layers.push(layer(StageKind::Convolution, self.image_size, [hidden, self.num_channels], last));
        layers
    }

    fn summary(&self) -> String {
        let Self { hidden_size, depth, patch_size, .. } = self;
        format!("DiT, {hidden_size} channels, {depth} blocks, patches {patch_size}×{patch_size}")
    }

    fn sigma_data(&self) -> Option<f64> {
        self.sigma_data
    }

    fn classes(&self) -> usize {
        self.classes.as_ref().map_or(0, |classes| classes.count)
    }

    fn has_dropout(&self) -> bool {
        false
    }
}
