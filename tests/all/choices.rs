//! Choices from the words in which people write them.

use score_explorer::registry::{Category, Choice};
use score_explorer::score::Operator;
use score_explorer::solver::{Corrector, Grid, Method, Predictor, Solver};

/// `slug:value:value`.
#[track_caller]
fn choice<E: ?Sized + Category>(text: &str) -> Choice<E> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub fn solver(text: &str) -> Choice<dyn Solver> {
    choice(text)
}

/// The corrector may carry values: `hmc:0.16:1:3:true`.
pub fn pc(predictor: &str, corrector: &str) -> Choice<dyn Solver> {
    choice(&format!("pc:{predictor}:{corrector}"))
}

pub fn corrector(text: &str) -> Choice<dyn Corrector> {
    choice(text)
}

pub fn grid(text: &str) -> Choice<dyn Grid> {
    choice(text)
}

pub fn method(text: &str) -> Choice<dyn Method> {
    choice(text)
}

pub fn operator(text: &str) -> Choice<dyn Operator> {
    choice(text)
}

/// The slugs of a category.
pub fn slugs<E: ?Sized + Category>() -> impl Iterator<Item = &'static str> {
    E::all().iter().map(|entry| entry.about().slug)
}

/// The slugs of all predictors that predict.
pub fn predictors() -> impl Iterator<Item = &'static str> {
    slugs::<dyn Predictor>().filter(|slug| *slug != "none")
}
