//! What is said of a network: its card, line by line.

use crate::network::{Architecture, BlockKind, Config, Embedding, Progressive};
use crate::score::Description;
use crate::sde::Family;

/// One line of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub what: &'static str,
    pub value: String,
    /// What the words mean.
    pub tip: &'static str,
}

/// The lines of a network's card, from its description alone.
pub fn facts(description: &Description) -> Vec<Fact> {
    let fact = |what, value, tip| Fact { what, value, tip };
    let config = &description.config;
    let [channels, height, width] = config.shape();
    let parameters: usize = config.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    let (low, high) = description.range.bounds();
    let mut facts = vec![
        fact("Network", network(config), "Architecture of the score model"),
        fact("Parameters", count(parameters), "Numbers that were trained"),
        fact(
            "Pictures",
            format!("{channels}×{height}×{width} in [{low}, {high}]").replace('-', "−"),
            "Channels, height, width, range",
        ),
        fact("Family", family(&description.family), "The SDE that it was trained in; it runs in any"),
        fact("Times", times(description), "Times t at which it was trained"),
    ];
    if let Family::Ve(ve) = &description.family {
        let range = format!("{} to {}", ve.sigma_min(), ve.sigma_max());
        facts.push(fact("σ", range, "Noise levels in units of its pictures' range"));
    }
    if let Some(moments) = description.moments {
        let text =
            format!("mean {:.3}, spread {:.3}", moments.mean, moments.variance().max(0.0).sqrt()).replace('-', "−");
        facts.push(fact("Data", text, "Mean and standard deviation of its training data"));
    }
    facts
}

/// A number of parameters as people say it.
pub fn count(parameters: usize) -> String {
    match parameters as f64 {
        few if few < 1e4 => format!("{parameters}"),
        some if some < 1e6 => format!("{:.0} thousand", some / 1e3),
        many => format!("{:.1} million", many / 1e6),
    }
}

fn network(architecture: &Architecture) -> String {
    match architecture {
        Architecture::Unet(config) => unet(config),
        Architecture::RefineNet(config) => {
            let name = if config.conditional { "NCSN" } else { "NCSNv2" };
            let widths: Vec<String> = config.widths().iter().map(ToString::to_string).collect();
            format!("{name}, {} channels", widths.join("·"))
        }
    }
}

fn unet(config: &Config) -> String {
    let name = match (config.resblock_type, config.progressive) {
        (BlockKind::Ddpm, _) => "DDPM",
        (BlockKind::BigGan, Progressive::None) if config.embedding_type == Embedding::Positional => "DDPM++",
        (BlockKind::BigGan, _) => "NCSN++",
    };
    let widths: Vec<String> = config.ch_mult.iter().map(|factor| (config.nf * factor).to_string()).collect();
    format!("{name}, {} channels, {} blocks each", widths.join("·"), config.num_res_blocks)
}

fn family(family: &Family) -> String {
    match family {
        Family::Ve(_) => "VE".into(),
        Family::Vp(vp) => format!("VP, β {} to {}", vp.beta_min(), vp.beta_max()),
        Family::SubVp(sub_vp) => format!("sub-VP, β {} to {}", sub_vp.beta_min(), sub_vp.beta_max()),
    }
}

fn times(description: &Description) -> String {
    match description.continuous {
        true => "continuous".into(),
        false => format!("{} discrete levels", description.levels),
    }
}
