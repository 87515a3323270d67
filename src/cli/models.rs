use super::{Failure, library};
use crate::checkpoint::{Entry, PUBLISHED, Release, catalogue, count, facts};
use crate::score::Description;
use crate::task::ModelRef;
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer models
  score-explorer models worlds-vp-small --layers
  score-explorer models checkpoint.pth
  score-explorer models my-training/model.safetensors
  score-explorer models --published
  score-explorer sample --model mixture:two-moons

Any checkpoint, any diffusers folder (./FOLDER) and any folder of images (exact:FOLDER) is a model too.")]
pub(super) struct Args {
    /// Network to show in detail [default: list all models]
    #[arg(value_name = "MODEL", conflicts_with = "published")]
    model: Option<ModelRef>,
    /// Show its layers too
    #[arg(long, requires = "model")]
    layers: bool,
    /// List published checkpoints, and how to get them
    #[arg(long)]
    published: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    match &args.model {
        Some(model) => card(model, args),
        None if args.published => published(args.json),
        None => list(args.json),
    }
}

fn list(as_json: bool) -> Result<(), Failure> {
    let library = library();
    let entries = catalogue(library.as_deref());
    if as_json {
        let models: Vec<_> = entries.iter().map(described).collect();
        println!("{}", serde_json::to_string_pretty(&models)?);
        return Ok(());
    }
    let width = entries.iter().map(|entry| entry.reference.chars().count()).max().unwrap_or(0);
    for entry in &entries {
        say!("{:width$}  {}", entry.reference, entry.summary);
    }
    if let Some(folder) = library {
        say!();
        say!("Imported models are stored in {}", folder.display());
    }
    say!("Published checkpoints, and how to get them: score-explorer models --published");
    Ok(())
}

fn described(entry: &Entry) -> Value {
    json!({
        "model": entry.reference,
        "title": entry.title,
        "summary": entry.summary,
        "path": entry.path.as_ref().map(|path| path.display().to_string()),
    })
}

fn published(as_json: bool) -> Result<(), Failure> {
    if as_json {
        let all: Vec<_> = PUBLISHED
            .iter()
            .map(|published| {
                json!({
                    "name": published.name,
                    "release": published.release.name(),
                    "licence": published.release.licence(),
                    "data": published.data,
                    "side": published.side,
                    "network": published.network,
                    "millions": (published.millions > 0.0).then_some(published.millions),
                    "page": published.page(),
                    "file": published.file(),
                    "steps": published.steps(),
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for release in Release::ALL {
        let all = || PUBLISHED.iter().filter(move |published| published.release == release);
        say!("{} · {}", release.name(), release.licence());
        for published in all() {
            let data = format!("{} {1}×{1}", published.data, published.side);
            say!("  {:38}  {data:22}  {}", published.name, published.network);
        }
        // The steps differ only in names.
        if let Some(first) = all().next() {
            say!("  {}", first.page());
            (1..).zip(first.steps()).for_each(|(number, step)| say!("  {number}. {step}"));
        }
        say!();
    }
    Ok(())
}

fn card(model: &ModelRef, args: &Args) -> Result<(), Failure> {
    let description = library::network(model, None)?.description;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&description))?);
        return Ok(());
    }
    let name = if description.name.is_empty() { model.to_string() } else { description.name.clone() };
    say!("{name}");
    for fact in facts(&description) {
        say!("{:12}  {}", fact.what, fact.value);
    }
    if !description.card.trim().is_empty() {
        say!();
        description.card.trim().lines().for_each(|line| say!("{line}"));
    }
    if args.layers {
        say!();
        for stage in description.config.outline() {
            let [input, output] = stage.channels;
            let (side, width, joins) = (stage.side, stage.width, if stage.joins.is_some() { " + skip" } else { "" });
            let channels = format!("{input} → {output}{joins}");
            say!("{:16}  {channels:20}  {side:4}×{width:<4}  {}", stage.kind.name(), count(stage.parameters));
        }
    }
    Ok(())
}

fn as_json(description: &Description) -> Value {
    let facts: serde_json::Map<String, Value> =
        facts(description).into_iter().map(|fact| (fact.key.into(), fact.value.into())).collect();
    let tensors: Vec<Value> = description
        .config
        .parameters()
        .into_iter()
        .map(|(name, shape)| json!({ "name": name, "shape": shape }))
        .collect();
    json!({ "facts": facts, "description": description, "tensors": tensors })
}
