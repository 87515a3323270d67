//! Comparing sampler presets, on one machine or on many.

use super::drive::Session;
use super::library::{agreed, inception};
use super::options::{DeviceOption, FamilyOptions, seed};
use super::progress::human;
use super::{Failure, stopping};
use crate::app::chart_font;
use crate::checkpoint::check_writable;
use crate::compare::{
    Axis, Cell, Comparison, FEW, Folder, Font, Keep, Part, Reference, Results, Shard, find, merge, presets,
    read_comparison, read_part, read_presets, swept, tags, write_part, write_presets, write_report,
};
use crate::data;
use crate::engine::{Compare, CompareReport, Compared};
use crate::metric::FeatureRef;
use crate::task::{Count, ModelRef, Run};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
Examples:
  score-explorer compare --presets fast,few-steps --count 1024 \\
      --output report.html
  score-explorer compare --presets heun-20,ode-20 --model mine \\
      --reference photos/ --output mine
  score-explorer compare --presets pc-langevin-50 --x solver.snr=0.05,0.1,0.16 \\
      --y steps=10,20,50 --output snr.html
  score-explorer compare --model teacher.safetensors --reference photos/ \\
      --presets heun-20,consistency-2@student.safetensors --output few
  score-explorer compare --presets table-1 --count 1024 --output t1 --dry-run
  score-explorer compare --output mine --count 4096
  score-explorer compare presets deterministic
  score-explorer compare --config comparison.json --shard 3/64 \\
      --output part-3.sefd
  score-explorer compare merge part-*.sefd --output report.html

The same seeds are used in every cell, so that cells differ by their sampler alone, or by the model named after it, as a \
student differs from its teacher: all in the family of the first model. The folder of a comparison is its \
queue: the same command goes on wherever it was stopped or killed, and with a larger --count or more presets it uses \
what is there. A comparison in shards needs no server: each command is a task of a Slurm array, a Ray job or xargs \
(assets/cluster), and merging gives the same figures, to the bit, as one machine of the same kind.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// What is compared: names or tags of presets (as `compare presets` lists them), `all`, or files of presets; after each
    /// may stand another model that it samples, as NAME@MODEL [default: those in the folder, else `named`]
    #[arg(long, value_name = "NAMES|FILE", value_delimiter = ',')]
    presets: Vec<String>,
    /// The file of a comparison (comparison.json of its folder), which other options override
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Values that a setting takes in turn, such as solver.snr=0.05,0.1 or steps=10,20
    #[arg(long, value_name = "KEY=VALUES")]
    x: Option<Axis>,
    /// Values that another setting takes in turn, with each of the first
    #[arg(long, value_name = "KEY=VALUES")]
    y: Option<Axis>,
    /// Model: a name from `models`, a checkpoint, exact:FOLDER or mixture:NAME [default: worlds-vp-small]
    #[arg(long, short)]
    model: Option<ModelRef>,
    #[command(flatten)]
    family: FamilyOptions,
    /// Samples of each preset [default: 1024]
    #[arg(long, short, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    count: Option<Count>,
    /// Features that images are compared by: inception, worlds, c10, random, pixels, or the file of a classifier [default:
    /// inception where its weights are, of Little Worlds worlds, of mixtures pixels, else random]
    #[arg(long, value_name = "NAME|FILE")]
    features: Option<FeatureRef>,
    /// Weights of Inception-v3 [default: pt_inception-2015-12-05-6726825d.pth among the models]
    #[arg(long, value_name = "FILE")]
    inception: Option<PathBuf>,
    /// What is measured, as `metric` takes it, such as fd,kid,prdc [default: all; of more than 1024 features, what is quick]
    #[arg(long, value_name = "METRICS", value_delimiter = ',')]
    measures: Vec<String>,
    /// What samples are compared with: images as `train --data` takes them, statistics (.npz), features (.safetensors), or
    /// `model`: the data of an exact model [default: model, of a bundled network its worlds]
    #[arg(long, value_name = "REFERENCE")]
    reference: Option<Reference>,
    /// Seed of all noise [default: 0]
    #[arg(long, short, value_parser = seed, allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Folder of the comparison; or a report (.html), beside which its folder is made; of a shard, its part (.sefd)
    #[arg(long, short, value_name = "FOLDER|FILE")]
    output: Option<PathBuf>,
    /// Compute one of N parts, such as 3/64
    #[arg(long, value_name = "I/N", help_heading = "Many machines")]
    shard: Option<Shard>,
    /// Keep the features of all samples, or not: all measures but the Fréchet distance need them [default: where they are
    /// small]
    #[arg(long, value_name = "true|false")]
    keep_features: Option<bool>,
    /// Keep all samples as images
    #[arg(long)]
    keep_samples: bool,
    /// Seconds from one save to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    save_every: f64,
    /// Say what would be computed, and how long it would take
    #[arg(long)]
    dry_run: bool,
    /// Compute device
    #[arg(long, value_enum, default_value_t)]
    device: DeviceOption,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Put the parts of a comparison together
    Merge(MergeArgs),
    /// List presets
    Presets(PresetsArgs),
}

#[derive(Debug, clap::Args)]
struct MergeArgs {
    /// All parts of one comparison, in any order
    #[arg(required = true, value_name = "PARTS")]
    parts: Vec<PathBuf>,
    /// Folder of the comparison, or a report (.html), beside which its folder is made
    #[arg(long, short, value_name = "FOLDER|FILE")]
    output: PathBuf,
    /// What samples are compared with [default: what the parts name]
    #[arg(long, value_name = "REFERENCE")]
    reference: Option<Reference>,
    /// Weights of Inception-v3 [default: as for `compare`]
    #[arg(long, value_name = "FILE")]
    inception: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct PresetsArgs {
    /// Only those with these names or tags
    #[arg(value_name = "NAMES")]
    names: Vec<String>,
    /// Save them to a file, to be changed or shared
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

fn count(text: &str) -> Result<Count, String> {
    let count = text.parse().map_err(|_| "not a whole number".to_owned())?;
    Count::new(count).map_err(|error| error.to_string())
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    match &args.action {
        Some(Action::Merge(args)) => put_together(args),
        Some(Action::Presets(args)) => list(args),
        None => args.execute(),
    }
}

/// Where what is computed goes.
struct Place {
    folder: PathBuf,
    /// A report elsewhere than in the folder.
    page: Option<PathBuf>,
    /// The part of a shard.
    part: Option<PathBuf>,
}

impl Place {
    /// # Errors
    /// If the output does not fit to what is computed.
    fn of(output: &Path, shard: Option<Shard>) -> Result<Place, Failure> {
        let ending = output.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match (ending.as_deref(), shard) {
            (Some("sefd"), _) => {
                check_writable(output)?;
                let mut folder = output.as_os_str().to_owned();
                folder.push(".work");
                Ok(Place { folder: folder.into(), page: None, part: Some(output.into()) })
            }
            (_, Some(shard)) => Err(Failure::Usage(format!(
                "the shard {shard} is a part, which {output:?} does not name; write one such as part-3.sefd"
            ))),
            (Some("html" | "htm"), None) => {
                check_writable(output)?;
                Ok(Place { folder: output.with_extension(""), page: Some(output.into()), part: None })
            }
            (_, None) => Ok(Place { folder: output.into(), page: None, part: None }),
        }
    }
}

impl Args {
    fn execute(&self) -> Result<(), Failure> {
        let output = self.output.as_deref();
        let output = output.ok_or_else(|| Failure::Usage("give the place of the results with --output".into()))?;
        if !(self.save_every.is_finite() && self.save_every >= 0.0) {
            return Err(Failure::Usage(format!("--save-every {} is not a time; give seconds", self.save_every)));
        }
        let place = Place::of(output, self.shard)?;
        let mut session = Session::open(self.device.into())?;
        let comparison = self.comparison(&place, &mut session)?;
        if let Some(part) = place.part.as_deref().filter(|part| part.exists()) {
            return already(part, &comparison);
        }
        Folder::new(&place.folder).admits(&comparison)?;
        let task = Compare {
            comparison: comparison.clone(),
            folder: place.folder.clone(),
            shard: self.shard.unwrap_or(Shard::WHOLE),
            save_every: Duration::from_secs_f64(self.save_every.min(1e6)),
            inception: self.inception.clone(),
            rehearse: self.dry_run,
        };
        if self.dry_run {
            let done = session.perform(task)?;
            return foretell(&done.report, self.json);
        }
        if comparison.count.get() < FEW {
            session.progress.say(&format!(
                "note: {} samples are fewer than {FEW}; distances compare only at equal counts",
                comparison.count.get()
            ));
        }
        stopping::on_signals();
        let Some(compared) = session.compare(task)? else { return Ok(()) };
        finish(&place, compared, self.json)
    }

    /// What is compared: what the options say, over a file, or over what the folder holds.
    fn comparison(&self, place: &Place, session: &mut Session) -> Result<Comparison, Failure> {
        let base = match &self.config {
            Some(file) => {
                let read = read_comparison(file)?;
                let model = agreed(file, &read.model, self.model.as_ref(), "model")?;
                trusted(file, &read.reference, self.reference.as_ref())?;
                if self.presets.is_empty() {
                    known(file, &read.cells, self.model.as_ref())?;
                }
                Some(Comparison { model, ..read })
            }
            None => Folder::new(&place.folder).comparison()?,
        };
        let cells = self.cells(base.as_ref())?;
        let comparison = match base {
            Some(base) => self.over(base, cells)?,
            None => {
                let model = self.model.clone().unwrap_or_else(|| Run::default().model);
                let own = session.inspect(&model)?.family;
                Comparison {
                    family: self.family.of(own)?,
                    seed: self.seed.unwrap_or(0),
                    count: self.count.map_or_else(|| Count::new(1024), Ok)?,
                    features: self.features.clone().map_or_else(|| self.usual_features(&model), Ok)?,
                    reference: self.reference.clone().map_or_else(|| usual_reference(&model), Ok)?,
                    keep: self.keep(Keep::default()),
                    measures: self.measures.clone(),
                    model,
                    cells,
                }
            }
        };
        comparison.check()?;
        for model in comparison.models().into_iter().filter(|model| **model != comparison.model) {
            session.inspect(model)?;
        }
        Ok(comparison)
    }

    /// What the options make of a comparison.
    fn over(&self, base: Comparison, cells: Vec<Cell>) -> Result<Comparison, Failure> {
        Ok(Comparison {
            model: self.model.clone().unwrap_or(base.model),
            family: if self.family.is_given() { self.family.of(Some(base.family))? } else { base.family },
            seed: self.seed.unwrap_or(base.seed),
            count: self.count.unwrap_or(base.count),
            features: self.features.clone().unwrap_or(base.features),
            reference: self.reference.clone().unwrap_or(base.reference),
            keep: self.keep(base.keep),
            measures: if self.measures.is_empty() { base.measures } else { self.measures.clone() },
            cells,
        })
    }

    /// The features where none are given.
    fn usual_features(&self, model: &ModelRef) -> Result<FeatureRef, Failure> {
        let is_worlds = model.bundled().is_some() || *model == ModelRef::Exact(ModelRef::WORLDS.into());
        let name = match model {
            ModelRef::Mixture(_) => "pixels",
            _ if is_worlds => "worlds",
            _ if inception(self.inception.as_deref()).is_some() => "inception",
            _ => "random",
        };
        Ok(name.parse()?)
    }

    fn keep(&self, base: Keep) -> Keep {
        Keep { features: self.keep_features.or(base.features), samples: base.samples || self.keep_samples }
    }

    /// The presets that are named, over the axes that are given.
    fn cells(&self, base: Option<&Comparison>) -> Result<Vec<Cell>, Failure> {
        let named = match self.presets.as_slice() {
            [] => base.map_or_else(|| find(&["named".to_owned()]), |base| Ok(base.cells.clone()))?,
            names => {
                for file in names.iter().filter(|name| name.ends_with(".json")).map(Path::new) {
                    known(file, &read_presets(file)?, self.model.as_ref())?;
                }
                find(names)?
            }
        };
        let axes: Vec<Axis> = self.x.iter().chain(&self.y).cloned().collect();
        Ok(swept(&named, &axes)?)
    }
}

/// A path that a file names as the model of a preset may be a stranger's: it is opened where it is given.
fn known(file: &Path, cells: &[Cell], given: Option<&ModelRef>) -> Result<(), Failure> {
    let paths = cells.iter().filter_map(|cell| cell.model.as_ref()).filter(|model| model.is_path());
    match paths.into_iter().find(|model| given.map(ModelRef::absolute) != Some(model.absolute())) {
        Some(model) => Err(Failure::Usage(format!(
            "{file:?} names the model {model}, a path, which is not opened unasked; to open it, give its presets as \
             NAME@{model} with --presets"
        ))),
        None => Ok(()),
    }
}

/// A path that a file names as the reference may be a stranger's: it is opened where it is given.
fn trusted(file: &Path, named: &Reference, given: Option<&Reference>) -> Result<(), Failure> {
    let is_path = match named {
        Reference::Model => false,
        Reference::Data(place) => matches!(place, data::Place::Files { .. }),
    };
    if given.is_some() || !is_path {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{file:?} names the reference {named}, a path, which is not opened unasked; to open it, give that path with \
         --reference"
    )))
}

/// The reference where none is given.
fn usual_reference(model: &ModelRef) -> Result<Reference, Failure> {
    match (model, model.bundled()) {
        (ModelRef::Exact(_) | ModelRef::Mixture(_), _) => Ok(Reference::Model),
        (_, Some(size)) => Ok(Reference::Data(data::Place::Worlds(size))),
        _ => Err(Failure::Usage("give images or their statistics to compare with by --reference".into())),
    }
}

/// A part that is there needs nothing, if it is this one.
fn already(path: &Path, comparison: &Comparison) -> Result<(), Failure> {
    let part = read_part(path)?;
    if part.comparison.absolute() == comparison.absolute() {
        say!("{} is complete already", path.display());
        return Ok(());
    }
    Err(Failure::Usage(format!("{path:?} holds a part of another comparison; choose another file, or remove it")))
}

/// Writes and prints what came of it.
fn finish(place: &Place, compared: Compared, json: bool) -> Result<(), Failure> {
    let Compared { part, results } = compared;
    if let Some(path) = &place.part {
        write_part(path, &part)?;
        // What cannot be removed does no harm.
        let _ = std::fs::remove_dir_all(&place.folder);
        say!("wrote {}", path.display());
        return Ok(());
    }
    let Some(results) = results else { return Ok(()) };
    let folder = Folder::new(&place.folder);
    let images: Vec<_> = part.accounts.iter().map(|account| Some(account.images.clone())).collect();
    let images = if results.metric.ends_with("points") { vec![None; images.len()] } else { images };
    write_report(&folder, &results, &images, font()?, place.page.as_deref())?;
    if json {
        println!("{}", serde_json::to_string(&results)?);
        return Ok(());
    }
    print(&results);
    say!("wrote {}", place.page.clone().unwrap_or_else(|| folder.path().join("report.html")).display());
    Ok(())
}

fn font() -> Result<Font, Failure> {
    chart_font()
        .map(Font)
        .ok_or_else(|| Failure::Running("the font of charts is missing; build the program again".into()))
}

/// The table, the nearest first.
fn print(results: &Results) {
    let width = results.cells.iter().map(|cell| cell.slug.chars().count()).max().unwrap_or(0).max(6);
    say!("{:<width$}{:>9}{:>13}{:>11}  {}", "preset", "samples", "evaluations", "s/sample", results.metric);
    let mut cells: Vec<_> = results.cells.iter().collect();
    cells.sort_by(|a, b| {
        let value = |cell: &crate::compare::CellResult| cell.distance.map_or(f64::INFINITY, |figure| figure.value);
        value(a).total_cmp(&value(b))
    });
    for cell in cells {
        let what = match (&cell.failure, cell.distance) {
            (Some(failure), _) => failure.clone(),
            (None, Some(figure)) => {
                let best = if cell.best_by_evaluations { "  *" } else { "" };
                format!("{}{best}", figure.words())
            }
            (None, None) => "–".into(),
        };
        let (count, evaluations, seconds) = (cell.count, cell.evaluations, cell.seconds);
        say!("{:<width$}{count:>9}{evaluations:>13.1}{seconds:>11.4}  {what}", cell.slug);
    }
    say!("* no other preset is as cheap in evaluations and as near");
}

/// Says what would be computed.
fn foretell(report: &CompareReport, json: bool) -> Result<(), Failure> {
    let (comparison, estimate) = (&report.comparison, report.estimate);
    if json {
        let summary = json!({
            "cells": comparison.cells.iter().map(Cell::slug).collect::<Vec<_>>(),
            "samples": estimate.wanted,
            "there": estimate.there,
            "evaluations": estimate.evaluations,
            "guessed": estimate.guessed,
            "evaluations_per_second": estimate.per_second,
            "seconds": estimate.left().as_secs_f64(),
        });
        println!("{summary}");
        return Ok(());
    }
    say!("presets      {} of {} samples each", comparison.cells.len(), comparison.count.get());
    say!("samples      {} of {} are there", estimate.there, estimate.wanted);
    let guessed = match estimate.guessed {
        0 => String::new(),
        guessed => format!(", of {guessed} presets with steps of their own by a guess"),
    };
    say!("evaluations  {:.0} left{guessed}", estimate.evaluations);
    say!("speed        {:.0} evaluations/s on {}", estimate.per_second, report.device.name);
    say!("time         {}", human(estimate.left()));
    Ok(())
}

fn put_together(args: &MergeArgs) -> Result<(), Failure> {
    let place = Place::of(&args.output, None)?;
    if place.part.is_some() {
        return Err(Failure::Usage("merged parts make a folder or a report; name one such as report.html".into()));
    }
    let mut parts: Vec<(PathBuf, Part)> = Vec::new();
    for path in &args.parts {
        parts.push((path.clone(), read_part(path)?));
    }
    let mut whole = merge(parts)?;
    if let Some(first) = args.parts.first() {
        trusted(first, &whole.comparison.reference, args.reference.as_ref())?;
    }
    if let Some(reference) = &args.reference {
        whole.comparison.reference = reference.clone();
    }
    let folder = Folder::new(&place.folder);
    folder.put(&whole)?;
    let Part { comparison, .. } = whole;
    let mut session = Session::open(crate::engine::DeviceChoice::Cpu)?;
    let task = Compare {
        comparison,
        folder: place.folder.clone(),
        shard: Shard::WHOLE,
        save_every: Duration::from_secs(60),
        inception: args.inception.clone(),
        rehearse: false,
    };
    let Some(compared) = session.compare(task)? else { return Ok(()) };
    finish(&place, compared, args.json)
}

fn list(args: &PresetsArgs) -> Result<(), Failure> {
    let cells = if args.names.is_empty() { presets().to_vec() } else { find(&args.names)? };
    if let Some(file) = &args.save {
        write_presets(file, &cells)?;
        say!("wrote {} presets to {}", cells.len(), file.display());
        return Ok(());
    }
    if args.json {
        println!("{}", serde_json::to_string(&cells)?);
        return Ok(());
    }
    let width = cells.iter().map(|cell| cell.slug().chars().count()).max().unwrap_or(0);
    for cell in &cells {
        let evaluations = cell.evaluations().map_or("adaptive".into(), |number| number.to_string());
        say!("{:<width$}  {evaluations:>8}  {}", cell.slug(), cell.tags.join(" "));
    }
    let tags: Vec<String> = tags().into_iter().map(|(tag, count)| format!("{tag} ({count})")).collect();
    say!("tags: {}", tags.join(", "));
    Ok(())
}
