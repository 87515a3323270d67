//! What tells the classes of a set: folders, or a list of labels beside the pictures.

use super::picture_set::Classes;
use super::sources::{Source, shown};
use super::tally::Tally;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};

/// The list of labels in sets of EDM and StyleGAN.
pub(super) const LIST: &str = "dataset.json";
/// Bytes of it: those of a million pictures take 60 MB.
const MAX_LIST: u64 = 128 << 20;
/// Classes of a set.
pub(super) const MAX_CLASSES: u32 = 65_536;
const UNLABELLED: [&str; 2] =
    ["has no label in dataset.json and was skipped", "have no label in dataset.json and were skipped"];

/// Labels by the names of pictures.
pub(super) struct List(HashMap<String, u32>);

#[derive(Deserialize)]
struct Dataset {
    labels: Option<Vec<(String, u32)>>,
}

impl List {
    /// The list of a source: `None` where there is none, else its labels, if it has any; or what is wrong with it.
    pub fn of(source: &mut Source) -> Result<Option<Option<List>>, String> {
        let Some((name, bytes)) = source.beside(|last| last == LIST, MAX_LIST) else { return Ok(None) };
        let wrong = |why: String| format!("its {LIST} {why}; mend or remove it");
        let dataset: Dataset = serde_json::from_slice(&bytes.map_err(|why| wrong(format!("cannot be read ({why})")))?)
            .map_err(|error| wrong(format!("is not a list of [name, label] ({error})")))?;
        let Some(labels) = dataset.labels.filter(|labels| !labels.is_empty()) else { return Ok(Some(None)) };
        if let Some((name, label)) = labels.iter().find(|(_, label)| *label >= MAX_CLASSES) {
            let why = format!("gives {} the label {label}, which is not below {MAX_CLASSES}", shown(name));
            return Err(wrong(why));
        }
        let folder = name.strip_suffix(LIST).unwrap_or_default();
        let mut list = HashMap::new();
        for (name, label) in labels {
            let name = format!("{folder}{}", shown(&name));
            // Names that are alike as far as they are shown count as one, too: better than a wrong label.
            if let Some(other) = list.insert(name.clone(), label).filter(|other| *other != label) {
                return Err(wrong(format!("gives {name} the labels {other} and {label}")));
            }
        }
        Ok(Some(Some(List(list))))
    }

    /// Whether it has this picture; one that it has not is counted.
    pub fn has(&self, name: &str, tally: &mut Tally) -> bool {
        let has = self.0.contains_key(name);
        if !has {
            tally.add(UNLABELLED, name, "");
        }
        has
    }

    pub fn classes(&self, names: &[String]) -> Classes {
        numbered(names.iter().map(|name| self.0.get(name).copied().unwrap_or(0)).collect())
    }
}

/// Classes that have numbers for names.
pub(super) fn numbered(labels: Vec<u32>) -> Classes {
    let count = labels.iter().max().map_or(0, |&most| most + 1);
    Classes { names: (0..count).map(|number| number.to_string()).collect(), labels }
}

/// The classes of pictures all of which lie in folders of classes: the first folder of each below those that all
/// lie in, in the order of their names.
pub(super) fn folders(names: &[String]) -> Option<Classes> {
    let common = common_folder(names.iter().map(String::as_str));
    let class = |name: &String| -> Option<String> { Some(name.get(common..)?.split_once('/')?.0.to_owned()) };
    let all: Vec<String> = names.iter().map(class).collect::<Option<_>>()?;
    let distinct: BTreeSet<&String> = all.iter().collect();
    if distinct.len() < 2 || distinct.len() > MAX_CLASSES as usize {
        return None;
    }
    let numbers: HashMap<&String, u32> = distinct.iter().copied().zip(0..).collect();
    let labels = all.iter().filter_map(|name| numbers.get(name).copied()).collect();
    Some(Classes { names: distinct.into_iter().cloned().collect(), labels })
}

/// How many bytes of all names are folders that they have in common, the last slash included.
pub(super) fn common_folder<'n>(mut names: impl Iterator<Item = &'n str>) -> usize {
    let Some(first) = names.next() else { return 0 };
    let mut common = first.rfind('/').map_or("", |slash| &first[..=slash]);
    for name in names {
        while !name.starts_with(common) {
            common = common[..common.len() - 1].rfind('/').map_or("", |slash| &common[..=slash]);
        }
    }
    common.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(names: &[&str]) -> Option<Vec<String>> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let classes = folders(&names)?;
        Some(classes.labels.iter().map(|&label| classes.names[label as usize].clone()).collect())
    }

    #[test]
    fn a_class_is_the_first_folder_below_those_that_all_lie_in() {
        let of = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(told(&["b/1.png", "a/2.png", "a/x/3.png"]), Some(of(&["b", "a", "a"])));
        assert_eq!(told(&["set/train/frog/1.png", "set/train/cat/2.png"]), Some(of(&["frog", "cat"])));
        assert_eq!(told(&["set/a1/1.png", "set/a2/2.png"]), Some(of(&["a1", "a2"])), "names may begin alike");
        for none in [&["a/1.png", "2.png"][..], &["1.png", "2.png"], &["a/1.png", "a/2.png"], &[]] {
            assert_eq!(told(none), None, "{none:?}");
        }
    }
}
