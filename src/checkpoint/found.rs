//! Looks through what a checkpoint's pickle holds for the weights of a network.

use super::pickle::{Pickle, Value};
use super::sets::{self, Set};
use crate::text;
use std::collections::HashSet;
use std::rc::Rc;

/// Keys under which weights of networks that are not known are looked for.
pub(super) const KEYS: [&str; 9] =
    ["model", "state_dict", "model_state_dict", "model_state", "net", "network", "score_model", "params", "weights"];
/// Dictionaries inside dictionaries in which weights are looked for.
const MAX_DEPTH: usize = 6;
/// Letters of a key of such a dictionary.
const MAX_KEY: usize = 64;

/// Named tensors that may be a network's.
pub(super) struct Named<'p> {
    /// The keys that lead to them, joined by dots.
    pub keys: String,
    /// The dictionary's entries that are tensors, or were to be.
    entries: Rc<[&'p (Value, Value)]>,
    pub set: Set,
}

impl<'p> Named<'p> {
    pub fn pairs(&self) -> impl Iterator<Item = &'p (Value, Value)> {
        self.set.members.iter().filter_map(|&member| self.entries.get(member).copied())
    }

    /// Keys and what stands before the names.
    fn place(&self) -> String {
        format!("{}.{}", self.keys, self.set.prefix)
    }
}

/// All that a pickle has of weights.
#[derive(Default)]
pub(super) struct Found<'p> {
    named: Vec<Named<'p>>,
    /// An average in the order of the parameters.
    pub shadow: Option<&'p [Value]>,
}

impl<'p> Found<'p> {
    /// Looks through dictionaries, and the attributes of objects, from the root down.
    pub fn of(pickle: &'p Pickle) -> Self {
        let mut found = Found::default();
        found.walk(pickle, "", pickle.root, MAX_DEPTH, &mut HashSet::new());
        found
    }

    /// Looks at a value and at what is inside it, so many levels deep, unless it was seen already.
    fn walk(&mut self, pickle: &'p Pickle, keys: &str, value: Value, depth: usize, seen: &mut HashSet<usize>) {
        let Value::Object(handle) = value else { return };
        if !seen.insert(handle) {
            return;
        }
        if let Some(items) = pickle.items(value).filter(|_| sets::is_average(keys)) {
            let all = !items.is_empty() && items.iter().all(|&item| pickle.tensor(item).is_some());
            self.shadow = self.shadow.or(Some(items).filter(|_| all));
        }
        self.look(pickle, keys, value);
        let Some(depth) = depth.checked_sub(1) else { return };
        for &(key, value) in pickle.pairs(value).into_iter().flatten() {
            if let Some(key) = pickle.text(key) {
                self.walk(pickle, &joined(keys, key), value, depth, seen);
            }
        }
        // An object's attributes are at its own place.
        if let Some(state) = pickle.state(value) {
            self.walk(pickle, keys, state, depth, seen);
        }
    }

    /// Takes in the tensors of a dictionary.
    fn look(&mut self, pickle: &'p Pickle, keys: &str, value: Value) {
        let entries = pickle.pairs(value).into_iter().flatten().filter(|(name, value)| {
            let made = pickle.tensor(*value).is_some() || pickle.class(*value).is_some();
            made && pickle.text(*name).is_some()
        });
        let entries: Rc<[&(Value, Value)]> = entries.collect();
        let names: Vec<&str> = entries.iter().filter_map(|(name, _)| pickle.text(*name)).collect();
        if entries.iter().any(|(_, value)| pickle.tensor(*value).is_some()) || names.iter().any(|name| is_known(name)) {
            let named = sets::sets(&names).into_iter();
            self.named.extend(named.map(|set| Named { keys: keys.into(), entries: entries.clone(), set }));
        }
    }

    /// The raw weights, and their average.
    pub fn chosen(&self) -> [Option<&Named<'p>>; 2] {
        let known: Vec<&Named> = self.named.iter().filter(|named| named.set.known).collect();
        if !known.is_empty() {
            let places: Vec<String> = known.iter().map(|named| named.place()).collect();
            return sets::choose(places.iter().map(String::as_str)).map(|chosen| Some(*known.get(chosen?)?));
        }
        let at = |keys: &str| self.named.iter().find(|named| named.keys == keys);
        [KEYS.iter().find_map(|key| at(key)).or_else(|| at("")), None]
    }

    /// Says which weights were taken where there is a choice of as good ones.
    pub fn notes(&self, first: Option<&Named>, average: Option<&Named>) -> Vec<String> {
        let taken = average.or(first).filter(|taken| taken.set.known);
        let Some(taken) = taken.map(Named::place) else { return Vec::new() };
        let words = sets::averages(&taken);
        let like = |named: &&Named| named.set.known && sets::averages(&named.place()) == words;
        match self.named.iter().filter(like).count() {
            0 | 1 => Vec::new(),
            count => vec![format!(
                "The file has {count} such sets of weights; those at {:?} are used.",
                text::name(taken.trim_matches('.'))
            )],
        }
    }
}

fn is_known(name: &str) -> bool {
    name.contains(sets::MODULES)
}

/// Keys joined by a dot, of which only the beginning counts.
fn joined(keys: &str, key: &str) -> String {
    let key: String = key.chars().take(MAX_KEY).collect();
    if keys.is_empty() { key } else { format!("{keys}.{key}") }
}
