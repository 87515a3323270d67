use super::CompareError;
use crate::registry::{Category, Choice, Parameter};
use crate::sde::{Family, FamilyKind};
use crate::solver::{Grid, Preset, SIGMAS, Sigmas, Solver};
use crate::task::{ModelRef, Run, Steps};
use serde::{Deserialize, Serialize};

/// A preset as it is compared: a solver with its grid and steps, what people call it and look for it by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The name people read; no two cells of a comparison share one.
    pub name: String,
    /// One line about it, without a full stop.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Words that it is chosen by, such as `few-steps` or `table-1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The model that it samples, where that is not the comparison's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
    /// The family that it runs in, where that is not the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    #[serde(flatten)]
    pub solver: Choice<dyn Solver>,
    #[serde(flatten)]
    pub grid: Choice<dyn Grid>,
    pub steps: Steps,
    /// Leave the last update's noise out, as published.
    #[serde(default = "yes")]
    pub denoise: bool,
    /// Keep every estimate of x(0) inside the data's range.
    #[serde(default)]
    pub clip: bool,
}

fn yes() -> bool {
    true
}

impl Cell {
    /// A preset in the model's own family.
    ///
    /// # Errors
    /// If its number of steps is out of range.
    pub fn of(preset: &Preset, tags: &[&str]) -> Result<Cell, CompareError> {
        Ok(Cell {
            name: preset.name.clone(),
            summary: preset.summary.clone(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            model: None,
            family: None,
            solver: preset.solver.clone(),
            grid: preset.grid.clone(),
            steps: Steps::new(preset.steps)?,
            denoise: true,
            clip: preset.clip,
        })
    }

    /// The solver of a run at levels of σ/α that were found for its model ([`crate::task::StepSearch`]).
    ///
    /// # Errors
    /// If their number is out of range.
    pub fn found(run: &Run, steps: usize, ratios: &[f64]) -> Result<Cell, CompareError> {
        let solver = run.solver.entry().title(run.solver.settings());
        Ok(Cell {
            name: format!("{solver} found {steps}"),
            summary: format!("{solver} at levels found for {} (GITS, Chen et al. 2024)", run.model),
            tags: vec!["found".into(), "few-steps".into()],
            model: None,
            family: Some(run.family),
            solver: run.solver.clone(),
            grid: Choice::<dyn Grid>::new(&Sigmas).with(&SIGMAS, ratios.to_vec()),
            steps: Steps::new(steps)?,
            denoise: run.denoise,
            clip: run.clip,
        })
    }

    /// The same of another model, in whose samples it is beside the comparison's own.
    pub fn of_model(&self, model: &ModelRef) -> Cell {
        Cell { name: format!("{} of {}", self.name, model.short()), model: Some(model.absolute()), ..self.clone() }
    }

    /// Its name on the command line and in names of files: lower case, hyphens between words.
    pub fn slug(&self) -> String {
        let lower = self.name.to_lowercase();
        let plain = |letter: char| letter.is_alphanumeric() || ".+=_".contains(letter);
        lower.split(|letter| !plain(letter)).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
    }

    /// Whether it has this tag, or is of this solver.
    pub fn is_tagged(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag) || self.solver.about().slug == tag
    }

    /// Score evaluations of each sample, where the solver does not choose its own steps.
    pub fn evaluations(&self) -> Option<usize> {
        self.run_of(Run::default()).evaluations()
    }

    /// `base` with its model, family, solver, grid and steps.
    pub fn run_of(&self, base: Run) -> Run {
        Run {
            model: self.model.clone().unwrap_or(base.model),
            family: self.family.unwrap_or(base.family),
            solver: self.solver.clone(),
            grid: self.grid.clone(),
            steps: self.steps,
            denoise: self.denoise,
            clip: self.clip,
            ..base
        }
    }

    /// Sets one of its values, as the command line writes it: `steps`, `clip`, `denoise`, `family`, `grid` (with its
    /// parameters, `edm:7`), or a parameter by its key, alone or after `solver.`, `grid.` or `family.`.
    ///
    /// # Errors
    /// If there is no such value, or it does not take this one.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), CompareError> {
        let flag = |text: &str| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(CompareError::Value { key: key.into(), value: text.into(), takes: "true or false".into() }),
        };
        let (part, name) = key.split_once('.').unwrap_or(("", key));
        match (part, name) {
            ("", "steps") => {
                let steps = text.parse().map_err(|_| CompareError::Value {
                    key: key.into(),
                    value: text.into(),
                    takes: format!("1 to {}", Steps::MAX),
                })?;
                self.steps = Steps::new(steps)?;
            }
            ("", "clip") => self.clip = flag(text)?,
            ("", "denoise") => self.denoise = flag(text)?,
            ("", "grid") => self.grid = text.parse()?,
            ("", "family") => self.family = Some(family(text)?.published()),
            ("", "solver") => return self.choose(text),
            ("family", parameter) => self.set_family(key, parameter, text)?,
            ("grid", parameter) => set(&mut self.grid, key, parameter, text)?,
            ("solver" | "", parameter) => set(&mut self.solver, key, parameter, text)?,
            _ => return Err(self.unknown(key)),
        }
        Ok(())
    }

    fn choose(&mut self, text: &str) -> Result<(), CompareError> {
        let solver: Choice<dyn Solver> = text.parse()?;
        self.grid = solver.entry().grid();
        self.solver = solver;
        Ok(())
    }

    fn set_family(&mut self, key: &str, name: &str, text: &str) -> Result<(), CompareError> {
        let Some(family) = self.family else { return Err(CompareError::NoFamily(self.name.clone())) };
        let parameters = family.kind().about().parameters;
        let parameter = named(parameters, name).ok_or_else(|| self.unknown(key))?;
        let mut settings = family.sde().settings();
        settings.set(parameter, parameter.parse(text)?)?;
        self.family = Some(family.kind().with(&settings)?);
        Ok(())
    }

    fn unknown(&self, key: &str) -> CompareError {
        CompareError::Key { key: key.into(), of: self.name.clone(), known: self.keys().join(", ") }
    }

    /// The values that [`Cell::set`] sets.
    pub fn keys(&self) -> Vec<String> {
        let own = |parameters: Vec<&'static Parameter>, part: &str| {
            parameters.into_iter().map(|parameter| format!("{part}.{}", parameter.key)).collect::<Vec<_>>()
        };
        let mut keys: Vec<String> = ["steps", "grid", "solver", "family", "clip", "denoise"].map(Into::into).into();
        keys.extend(own(self.solver.parameters(), "solver"));
        keys.extend(own(self.grid.parameters(), "grid"));
        keys
    }

    /// Whether its parts fit together.
    ///
    /// # Errors
    /// If they do not.
    pub fn check(&self) -> Result<(), CompareError> {
        self.solver.check()?;
        self.grid.check()?;
        Ok(())
    }
}

/// The family of this slug.
fn family(slug: &str) -> Result<FamilyKind, CompareError> {
    let found = FamilyKind::ALL.iter().copied().find(|kind| kind.about().slug == slug);
    found.ok_or_else(|| {
        let known: Vec<&str> = FamilyKind::ALL.iter().map(|kind| kind.about().slug).collect();
        CompareError::Value { key: "family".into(), value: slug.into(), takes: known.join(", ") }
    })
}

fn named(parameters: &[&'static Parameter], name: &str) -> Option<&'static Parameter> {
    let name = name.replace('-', "_");
    parameters.iter().copied().find(|parameter| parameter.key == name)
}

/// Sets a parameter of a choice by its key.
fn set<E: ?Sized + Category>(choice: &mut Choice<E>, key: &str, name: &str, text: &str) -> Result<(), CompareError> {
    let parameters = choice.parameters();
    let Some(parameter) = named(&parameters, name) else {
        let known: Vec<&str> = parameters.iter().map(|parameter| parameter.key).collect();
        let known = if known.is_empty() { "nothing".into() } else { known.join(", ") };
        return Err(CompareError::Key { key: key.into(), of: choice.about().slug.into(), known });
    };
    let value = parameter.parse(text)?;
    choice.settings_mut().set(parameter, value)?;
    Ok(choice.check()?)
}
