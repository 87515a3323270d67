//! The card of a network, line by line.

use crate::registry::{Parameter, Value};
use crate::score::Description;
use crate::sde::Family;

/// One line of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its label.
    pub what: &'static str,
    pub value: String,
    /// What the label means.
    pub tip: &'static str,
}

/// The lines of a network's card, from its description alone.
pub fn facts(description: &Description) -> Vec<Fact> {
    let fact = |key, what, value, tip| Fact { key, what, value, tip };
    let config = &description.config;
    let [channels, height, width] = config.shape();
    let parameters: usize = config.count();
    let (low, high) = description.range.bounds();
    let mut facts = vec![
        fact("network", "Network", config.summary(), "Architecture of the score model"),
        fact("parameters", "Parameters", count(parameters), "Number of trained parameters"),
        fact(
            "pictures",
            "Images",
            format!("{channels}×{height}×{width} in [{low}, {high}]").replace('-', "−"),
            "Channels, height and width; data range",
        ),
        fact("family", "Family", family(&description.family), "SDE family it was trained in; it runs in any"),
        fact("times", "Times", times(description), "Times t at which it was trained"),
        fact("answers", "Answers", answers(description), "What it makes of x = α x(0) + σ z"),
    ];
    if let Some(moments) = description.moments {
        let text = format!("mean {:.3}, std {:.3}", moments.mean, moments.variance().max(0.0).sqrt()).replace('-', "−");
        facts.push(fact("data", "Data", text, "Mean and standard deviation of its training data"));
    }
    facts
}

/// A number of parameters in words.
pub fn count(parameters: usize) -> String {
    match parameters as f64 {
        few if few < 1e4 => format!("{parameters}"),
        some if some < 1e6 => format!("{:.0} thousand", some / 1e3),
        many => format!("{:.1} million", many / 1e6),
    }
}

/// "VP, β_min 0.1, β_max 20".
fn family(family: &Family) -> String {
    let (about, settings) = (family.kind().about(), family.sde().settings());
    let said = |parameter: &&Parameter| match settings.value(parameter) {
        Value::Flag(on) => on.then(|| format!(", {}", parameter.label)),
        _ => Some(format!(", {} {}", parameter.label, settings.number(parameter))),
    };
    about.name.to_owned() + &about.parameters.iter().filter_map(said).collect::<String>()
}

fn times(description: &Description) -> String {
    match description.continuous {
        true => "continuous".into(),
        false => format!("{} discrete levels", description.levels),
    }
}

fn answers(description: &Description) -> String {
    match description.config.sigma_data() {
        Some(_) => "the clean data x(0), by EDM's preconditioning".into(),
        None if description.has_own_answer() => "the score".into(),
        None => description.predicts.about().summary.into(),
    }
}
