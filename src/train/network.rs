//! Networks to begin with: the published families of networks at a few sizes, and how they are conditioned.

use crate::network::{Config, DitConfig, Embedding, ProgressiveInput};
use crate::registry::{About, Category, Choice, Entry, Parameter, entry};
use crate::score::{Description, Predicts};
use crate::sde::{Family, FamilyKind, LabelConvention, Range, Ve};

/// Least height and width of a network's coarsest features.
const COARSEST: usize = 4;
/// Height of the finest features with self-attention, at most.
const ATTENTION: usize = 16;

/// Side of the patches that a network sees as one pixel.
pub const PATCH: Parameter = Parameter::levels("patch", 1, &[1, 2, 4]).named(
    "Patches",
    "Patches",
    "Side of the patches of pixels that the network sees as one pixel of more channels: with 2, 64 pixels cost what 32 cost",
);

/// How large a network is.
pub trait Size: Entry {
    /// Channels at the highest resolution, factors of these at each resolution, and blocks at each.
    fn shape(&self) -> (usize, &'static [usize], usize);
}

/// The sizes, the smallest first.
impl Category for dyn Size {
    const NAME: &'static str = "size";

    fn all() -> &'static [&'static Self] {
        &[&Tiny, &Small, &Medium, &Published]
    }
}

entry! {
    /// For trying things out, and for tests.
    Tiny {
        slug: "tiny",
        name: "Tiny",
        summary: "16·32·32 channels, one block each: learns simple images in minutes",
        parameters: [&PATCH],
    }
}

entry! {
    /// The size of the network that ships.
    Small {
        slug: "small",
        name: "Small",
        summary: "32·64·128 channels, two blocks each: an afternoon on a laptop",
        parameters: [&PATCH],
    }
}

entry! {
    /// Between.
    Medium {
        slug: "medium",
        name: "Medium",
        summary: "64·128·128 channels, two blocks each: a day on a GPU",
        parameters: [&PATCH],
    }
}

entry! {
    /// That of CIFAR-10's published networks, of the deep kind.
    Published {
        slug: "published",
        name: "Full",
        summary: "128·256·256·256 channels, four blocks each: days on a GPU",
        source: "Song et al. 2021, appendix H",
        parameters: [&PATCH],
    }
}

impl Size for Tiny {
    fn shape(&self) -> (usize, &'static [usize], usize) {
        (16, &[1, 2, 2], 1)
    }
}

impl Size for Small {
    fn shape(&self) -> (usize, &'static [usize], usize) {
        (32, &[1, 2, 4], 2)
    }
}

impl Size for Medium {
    fn shape(&self) -> (usize, &'static [usize], usize) {
        (64, &[1, 2, 2], 2)
    }
}

impl Size for Published {
    fn shape(&self) -> (usize, &'static [usize], usize) {
        (128, &[1, 2, 2, 2], 4)
    }
}

/// How a network is conditioned on its noise level.
pub trait Recipe: Entry {
    /// What is known of a network of this recipe, for images of a shape (channels, height, width).
    fn description(&self, size: &Choice<dyn Size>, family: Option<Family>, shape: [usize; 3]) -> Description;
}

/// The recipes, in the order in which they are offered.
impl Category for dyn Recipe {
    const NAME: &'static str = "recipe";

    fn all() -> &'static [&'static Self] {
        &[&ScoreSde, &EdmRecipe, &Transformer]
    }
}

impl Choice<dyn Recipe> {
    /// What is known of a network of this recipe, and answers what is chosen: networks that are told σ have an answer of
    /// their own.
    pub fn description(&self, size: &Choice<dyn Size>, family: Option<Family>, shape: [usize; 3]) -> Description {
        let usual = self.entry().description(size, family, shape);
        let chosen = Predicts::called(self.settings().option(&PREDICTS));
        let sees_patches = usual.config.unet().is_some_and(|config| config.patch > 1);
        let predicts = match usual.labels {
            _ if usual.has_own_answer() => Predicts::Noise,
            LabelConvention::FlowTime => chosen.unwrap_or(Predicts::Flow),
            // The noise of whole patches is too much to be answered exactly.
            _ if sees_patches => chosen.unwrap_or(Predicts::Velocity),
            _ => chosen.unwrap_or(Predicts::Noise),
        };
        Description { predicts, ..usual }
    }
}

/// What a network is trained to answer.
pub const PREDICTS: Parameter = Parameter::choice("predicts", "usual", || {
    std::iter::once(&USUAL).chain(Predicts::ALL.iter().map(|predicts| predicts.about())).collect()
})
.named("Answers", "Answers", "Answers: what the network predicts of x = α x(0) + σ z; a network of VE the score itself")
.optional();

static USUAL: About = About {
    slug: "usual",
    name: "Usual",
    summary: "z − x(0) in the family Flow; in the others v behind patches, else the noise",
    source: "",
    parameters: &[],
};

entry! {
    /// NCSN++ for VE, DDPM++ for VP and sub-VP, on continuous times (Song et al. 2021).
    ScoreSde {
        slug: "score-sde",
        name: "Score SDE",
        summary: "NCSN++ for VE, DDPM++ for the other families, as published with continuous times",
        source: "Song et al. 2021, appendix H",
        parameters: [&PREDICTS],
    }
}

entry! {
    /// DDPM++ with EDM's preconditioning (Karras et al. 2022, table 1).
    EdmRecipe {
        slug: "edm",
        name: "EDM",
        summary: "DDPM++ with EDM's preconditioning, σ from 0.002 to 80",
        source: "Karras et al. 2022, table 1",
    }
}

entry! {
    /// A diffusion transformer with EDM's preconditioning (Peebles and Xie 2023; Karras et al. 2022, table 1).
    Transformer {
        slug: "dit",
        name: "DiT",
        summary: "Transformer over patches with EDM's preconditioning: few, large products of matrices",
        source: "Peebles and Xie 2023, section 3",
    }
}

/// Channels of a head of attention.
const HEAD: usize = 32;

impl Recipe for Transformer {
    fn description(&self, size: &Choice<dyn Size>, family: Option<Family>, shape: [usize; 3]) -> Description {
        let ((nf, _, blocks), [num_channels, image_size, _]) = (size.entry().shape(), shape);
        let hidden_size = 6 * nf;
        // The smallest patches of whole pixels; a token for each pixel would be far too many.
        let wanted = size.settings().whole(&PATCH).max(2) as usize;
        let patch_size = if image_size.is_multiple_of(wanted) { wanted } else { 1 };
        let config = DitConfig {
            hidden_size,
            depth: 2 * blocks + 2,
            num_heads: hidden_size / HEAD,
            mlp_width: 4 * hidden_size,
            patch_size,
            classes: None,
            image_size,
            num_channels,
            sigma_data: Some(0.5),
        };
        let own = Ve::new(0.002, 80.0).unwrap_or_default();
        Description::new(config.into(), family.unwrap_or(Family::Ve(own)), true, 1000, Range::Symmetric)
    }
}

impl Recipe for ScoreSde {
    fn description(&self, size: &Choice<dyn Size>, family: Option<Family>, shape: [usize; 3]) -> Description {
        let family = family.unwrap_or_else(|| FamilyKind::Vp.published());
        let mut config = network(size, shape);
        let range = match family {
            Family::Ve(ve) => {
                config.fir = true;
                config.embedding_type = Embedding::Fourier;
                config.fourier_scale = Some(16.0);
                config.progressive_input = ProgressiveInput::Residual;
                config.scale_by_sigma = true;
                config.centered = false;
                (config.sigma_min, config.sigma_max) = (ve.sigma_min(), ve.sigma_max());
                Range::Unit
            }
            _ => Range::Symmetric,
        };
        let levels = config.num_scales;
        Description::new(config.into(), family, true, levels, range)
    }
}

impl Recipe for EdmRecipe {
    fn description(&self, size: &Choice<dyn Size>, family: Option<Family>, shape: [usize; 3]) -> Description {
        let mut config = network(size, shape);
        config.variant.sigma_data = Some(0.5);
        let levels = config.num_scales;
        let own = Ve::new(0.002, 80.0).unwrap_or_default();
        Description::new(config.into(), family.unwrap_or(Family::Ve(own)), true, levels, Range::Symmetric)
    }
}

/// A DDPM++ network of a size for images of a shape: it halves them as long as they stay whole and large enough.
fn network(size: &Choice<dyn Size>, [channels, height, width]: [usize; 3]) -> Config {
    let (nf, factors, num_res_blocks) = size.entry().shape();
    let patch = size.settings().whole(&PATCH).clamp(1, 4) as u8;
    let [rows, columns] = [height, width].map(|side| side / usize::from(patch));
    let halved = |times: usize| {
        let whole = |side: usize| side.is_multiple_of(1 << times) && side >> times >= COARSEST;
        whole(rows) && whole(columns)
    };
    // Larger images are halved more often.
    let more = (rows / 64).checked_ilog2().unwrap_or(0) as usize;
    let wanted = factors.len() + more;
    let levels = (1..wanted).take_while(|&times| halved(times)).count() + 1;
    let last = factors.last().copied().unwrap_or(1);
    let ch_mult = factors.iter().copied().chain(std::iter::repeat(last)).take(levels).collect();
    let attention = (0..levels).map(|level| rows >> level).find(|&side| side <= ATTENTION);
    Config {
        nf,
        ch_mult,
        num_res_blocks,
        attn_resolutions: attention.into_iter().collect(),
        patch,
        image_size: height,
        image_width: (width != height).then_some(width),
        num_channels: channels,
        ..Config::ddpmpp()
    }
}
