//! Training against published code's own figures (tests/data/training), closed forms and laws.

mod afterwards;
mod averages;
mod classes;
mod classification;
mod consistency;
mod finetuning;
mod initialisation;
mod matching;
mod minimiser;
mod objectives;
mod optimizers;
mod times;
mod whole;

use score_explorer::checkpoint::open_network;
use score_explorer::score::{Conditioning, Description, Predicts};
use score_explorer::sde::{Family, FamilyKind, Range, Ve};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// A file of recorded figures.
fn figures(name: &str) -> Value {
    crate::recorded::figures(&data().join("training").join(name))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is a number"))
}

/// All numbers of a nested list, in order.
fn numbers(value: &Value) -> Vec<f64> {
    match value.as_array() {
        Some(list) => list.iter().flat_map(numbers).collect(),
        None => vec![number(value)],
    }
}

/// The largest difference, as a share of the largest of `expected`.
fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = |values: &mut dyn Iterator<Item = f64>| {
        values.fold(0.0, |most: f64, x| if x.is_nan() { f64::INFINITY } else { most.max(x.abs()) })
    };
    let difference = largest(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    if difference == 0.0 { 0.0 } else { difference / largest(&mut expected.iter().copied()) }
}

/// How a network is told its noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Continuous(FamilyKind),
    Smld,
    Ddpm,
    Edm,
    /// A network that answers the velocity of straight lines.
    Flow,
    /// One that answers v, or the clean data.
    Answers(Predicts),
}

impl Told {
    const ALL: [Told; 10] = [
        Told::Continuous(FamilyKind::Ve),
        Told::Continuous(FamilyKind::Vp),
        Told::Continuous(FamilyKind::SubVp),
        Told::Smld,
        Told::Ddpm,
        Told::Edm,
        Told::Flow,
        Told::Continuous(FamilyKind::Cosine),
        Told::Answers(Predicts::Velocity),
        Told::Answers(Predicts::Data),
    ];

    /// A network with the published tables for CIFAR-10, or EDM's.
    fn description(self) -> Description {
        let folder = data().join("nets/ddpmpp-vp-cifar10");
        let opened = open_network(&folder.join("checkpoint.pth"), Some(&folder.join("config.json"))).unwrap();
        let mut config = opened.description.config.unet().unwrap().clone();
        let (family, continuous) = match self {
            Told::Continuous(kind) => (kind.published(), true),
            Told::Smld => (FamilyKind::Ve.published(), false),
            Told::Ddpm => (FamilyKind::Vp.published(), false),
            Told::Edm => (Family::Ve(Ve::new(0.002, 80.0).unwrap()), true),
            Told::Flow => (FamilyKind::Flow.published(), true),
            Told::Answers(_) => (FamilyKind::Vp.published(), true),
        };
        let predicts = match self {
            Told::Flow => Predicts::Flow,
            Told::Answers(predicts) => predicts,
            _ => Predicts::Noise,
        };
        if self == Told::Edm {
            config.variant.sigma_data = Some(0.5);
        }
        Description { predicts, ..Description::new(config.into(), family, continuous, 1000, Range::Symmetric) }
    }

    fn conditioning(self) -> Conditioning {
        Conditioning::new(self.description())
    }
}
