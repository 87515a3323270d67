//! The presets that are offered, derived from the registry of solvers and from what was published. No solver is named here:
//! one that joins the registry appears by itself.

use super::published::table_1;
use super::{Cell, CompareError};
use crate::checkpoint::{FileError, read_json, write_json};
use crate::registry::{Category, Choice, Kind, Value};
use crate::sde::FamilyKind;
use crate::solver::{Destination, Grid, Group, LogSnr, Preset, SPARE, Solver};
use crate::task::{ModelRef, Steps};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::LazyLock;

/// Score evaluations that few-step presets keep to.
const BUDGETS: [usize; 7] = [5, 8, 10, 15, 20, 30, 50];
/// Tolerances of solvers that choose their own steps.
const TOLERANCES: [f64; 3] = [1e-3, 1e-4, 1e-5];
/// Steps of solvers that walk some of them again.
const WALKED: [usize; 3] = [5, 10, 20];
/// Signal-to-noise ratios of solvers that have one, and the evaluations at which they are compared.
const RATIOS: [f64; 5] = [0.01, 0.05, 0.1, 0.16, 0.25];
const SWEPT_AT: usize = 50;

/// All presets, in the order in which they are offered; no two of one slug.
pub fn presets() -> &'static [Cell] {
    static ALL: LazyLock<Vec<Cell>> = LazyLock::new(|| {
        let mut all: Vec<Cell> = named();
        all.extend(published());
        all.extend(<dyn Solver>::all().iter().flat_map(|solver| few_steps(*solver)));
        all.extend(<dyn Solver>::all().iter().flat_map(|solver| tolerances(*solver)));
        let mut known = std::collections::BTreeSet::new();
        all.retain(|cell| cell.check().is_ok() && known.insert(cell.slug()));
        all
    });
    &ALL
}

/// All tags, in the order in which they first appear, with their numbers of presets.
pub fn tags() -> Vec<(String, usize)> {
    let mut tags: Vec<(String, usize)> = Vec::new();
    for tag in presets().iter().flat_map(|cell| &cell.tags) {
        match tags.iter_mut().find(|(known, _)| known == tag) {
            Some((_, count)) => *count += 1,
            None => tags.push((tag.clone(), 1)),
        }
    }
    tags
}

/// The presets of Trajectory.
fn named() -> Vec<Cell> {
    let tags = |group| match group {
        Group::Fast => ["fast", "named"],
        Group::Flow => ["ode", "named"],
        Group::Consistency => ["consistency-models", "named"],
        Group::Published => ["published", "named"],
        Group::Menu => ["menu", "named"],
    };
    Preset::all().iter().filter_map(|preset| Cell::of(preset, &tags(preset.group)).ok()).collect()
}

/// Song et al. 2021, table 1: its samplers in both of its families.
fn published() -> Vec<Cell> {
    let of = |cell: &'static super::published::TableCell| {
        let name = |preset: &Preset| preset.slug();
        let wanted = [format!("{} {}", cell.sampler, cell.predictor), format!("{} langevin", cell.sampler)];
        let preset = Preset::all()
            .iter()
            .find(|preset| wanted.iter().any(|slug| name(preset) == slug.to_lowercase().replace(' ', "-")))?;
        let family = FamilyKind::ALL.iter().find(|kind| kind.about().slug == cell.family)?;
        let mut own = Cell::of(preset, &["table-1", "published", family.about().slug]).ok()?;
        own.name = format!("{} {}", family.name(), preset.name);
        own.summary = format!("{}, in {}", preset.summary, family.name());
        own.family = Some(family.published());
        Some(own)
    };
    table_1().iter().filter_map(of).collect()
}

/// A solver as it is, and with each option of each of its choices in turn, with the words that name it.
fn variants(solver: &'static dyn Solver) -> Vec<(String, Choice<dyn Solver>)> {
    let usual = Choice::new(solver);
    let mut all = vec![(solver.about().slug.to_owned(), usual.clone())];
    for parameter in usual.parameters() {
        let values: Vec<Value> = match &parameter.kind {
            Kind::Choice { options, .. } => options().into_iter().map(|about| Value::Option(about.slug)).collect(),
            Kind::Levels { levels, .. } => levels.iter().map(|&level| Value::Whole(level)).collect(),
            _ => Vec::new(),
        };
        for value in values.into_iter().filter(|value| *value != parameter.default()) {
            let words = match &value {
                Value::Option(slug) => format!("{} {slug}", solver.about().slug),
                other => format!("{} {} {other}", solver.about().slug, parameter.key.replace('_', " ")),
            };
            let mut variant = usual.clone();
            if variant.settings_mut().set(parameter, value).is_ok() && variant.check().is_ok() {
                all.push((words, variant));
            }
        }
    }
    all
}

/// The most steps of a solver within so many evaluations, with the evaluations that they take.
fn within(solver: &Choice<dyn Solver>, budget: usize) -> Option<(usize, usize)> {
    let all = (1..=budget).map_while(|steps| Some((steps, solver.evaluations(steps, Destination::Denoised)?)));
    all.filter(|(steps, evaluations)| *evaluations <= budget && (*steps > 1 || budget == 1)).last()
}

/// The grid on which solvers are compared; one that asks nothing at a grid's last level has a grid that leaves it out.
fn compared_on(solver: &dyn Solver) -> Choice<dyn Grid> {
    let own = solver.grid();
    if own.settings().whole(&SPARE) > 0 { own } else { Choice::new(&LogSnr) }
}

/// A solver at 5 to 50 evaluations, and with the ratios of its corrector.
fn few_steps(solver: &'static dyn Solver) -> Vec<Cell> {
    let mut all = Vec::new();
    for (words, choice) in variants(solver) {
        let kind = if choice.entry().is_stochastic(choice.settings()) { "stochastic" } else { "deterministic" };
        let cell = |name: String, choice: &Choice<dyn Solver>, budget, tags: &[&str]| {
            let (steps, evaluations) = within(choice, budget)?;
            Some(Cell {
                name,
                summary: format!(
                    "{}: {steps} steps, {evaluations} evaluations",
                    choice.entry().title(choice.settings())
                ),
                tags: [kind, "few-steps"].iter().chain(tags).map(|tag| (*tag).to_owned()).collect(),
                model: None,
                family: None,
                solver: choice.clone(),
                grid: compared_on(solver),
                steps: Steps::new(steps).ok()?,
                denoise: true,
                clip: true,
            })
        };
        all.extend(BUDGETS.iter().filter_map(|&budget| cell(format!("{words} {budget}"), &choice, budget, &["steps"])));
        let ratio = choice.parameters().into_iter().find(|parameter| parameter.key == crate::solver::SNR.key);
        let swept = ratio.into_iter().flat_map(|ratio| RATIOS.map(|value| (ratio, value)));
        all.extend(swept.filter_map(|(ratio, value)| {
            let choice = choice.clone().with(ratio, value);
            cell(format!("{words} {SWEPT_AT} snr={value}"), &choice, SWEPT_AT, &["snr"])
        }));
    }
    all
}

/// A solver that chooses its own steps, at three tolerances; one that walks some of its steps again, with three numbers of them.
fn tolerances(solver: &'static dyn Solver) -> Vec<Cell> {
    let usual = Choice::new(solver);
    if usual.evaluations(2, Destination::Denoised).is_some() {
        return Vec::new();
    }
    let by_tolerance: Vec<_> =
        usual.parameters().into_iter().filter(|parameter| parameter.key.ends_with("tol")).collect();
    let (slug, summary) = (solver.about().slug, solver.about().summary);
    let kind = if solver.is_stochastic(usual.settings()) { "stochastic" } else { "deterministic" };
    let cell = |name: String, summary: String, tags: &[&str], solver: Choice<dyn Solver>, steps: usize| {
        Some(Cell {
            name,
            summary,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            model: None,
            family: None,
            grid: solver.entry().grid(),
            solver,
            steps: Steps::new(steps).ok()?,
            denoise: true,
            clip: false,
        })
    };
    if by_tolerance.is_empty() {
        let walked = |steps: usize| {
            cell(format!("{slug} {steps} steps"), format!("{summary}: {steps} steps"), &[kind], usual.clone(), steps)
        };
        return WALKED.iter().filter_map(|&steps| walked(steps)).collect();
    }
    let tolerated = |tolerance: f64| {
        let mut choice = usual.clone();
        for parameter in &by_tolerance {
            choice.settings_mut().set(parameter, tolerance).ok()?;
        }
        // It arrives at the last time, and then at the data.
        cell(
            format!("{slug} {tolerance:e}"),
            format!("{summary}, tolerance {tolerance:e}"),
            &[kind, "tolerance"],
            choice,
            2,
        )
    };
    TOLERANCES.iter().filter_map(|&tolerance| tolerated(tolerance)).collect()
}

/// The presets that words name: slugs, tags, slugs of solvers, `all`, or files of presets (`.json`); each once. After them
/// may stand a model that they sample in place of the comparison's: `consistency-2@student.safetensors`.
///
/// # Errors
/// If a word names nothing, or a file cannot be read.
pub fn find(words: &[String]) -> Result<Vec<Cell>, CompareError> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut add = |cell: &Cell| {
        if !cells.iter().any(|known| known.name == cell.name) {
            cells.push(cell.clone());
        }
    };
    for word in words {
        match word.split_once('@').map(|(name, model)| (named_by(name), model)) {
            Some((Ok(chosen), model)) => {
                let model: ModelRef = model.parse()?;
                chosen.iter().for_each(|cell| add(&cell.of_model(&model)));
            }
            _ => named_by(word)?.iter().for_each(&mut add),
        }
    }
    Ok(cells)
}

/// The presets that a word names.
fn named_by(word: &str) -> Result<Vec<Cell>, CompareError> {
    if word.ends_with(".json") {
        return read_presets(Path::new(word));
    }
    if let Some(cell) = presets().iter().find(|cell| cell.slug() == word) {
        return Ok(vec![cell.clone()]);
    }
    let chosen: Vec<Cell> = presets().iter().filter(|cell| word == "all" || cell.is_tagged(word)).cloned().collect();
    if chosen.is_empty() {
        let tags: Vec<String> = tags().into_iter().map(|(tag, _)| tag).collect();
        return Err(CompareError::Preset { name: word.to_owned(), tags: tags.join(", ") });
    }
    Ok(chosen)
}

const WHAT: &str = "a file of presets";
/// The field that marks such a file, with its version.
const FIELD: &str = "score-explorer-presets";
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Presets {
    #[serde(rename = "score-explorer-presets", default, skip_deserializing)]
    version: u64,
    presets: Vec<Cell>,
}

/// Reads presets that were saved to be shared.
///
/// # Errors
/// If the file cannot be read, or one is not possible.
pub fn read_presets(path: &Path) -> Result<Vec<Cell>, CompareError> {
    let value = read_json(path, WHAT, FIELD, VERSION)?;
    let wrong = |reason: String| FileError::Format { path: path.into(), expected: WHAT, reason };
    let file: Presets = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
    file.presets.iter().try_for_each(Cell::check).map_err(|error| wrong(error.to_string()))?;
    Ok(file.presets)
}

/// Saves presets, to be shared.
///
/// # Errors
/// If the file cannot be written.
pub fn write_presets(path: &Path, presets: &[Cell]) -> Result<(), CompareError> {
    Ok(write_json(path, WHAT, &Presets { version: VERSION, presets: presets.to_vec() })?)
}
