//! Which of a file's tensors are the weights of a network: people save them bare or in dictionaries, alone or beside their
//! average, and under what training wraps around a model.

use std::collections::BTreeMap;

/// What begins the names of a published U-Net's parameters.
pub(super) const MODULES: &str = "all_modules.";
/// Parameters that networks of NCSN, EDM, diffusers, guided-diffusion and DiT have once.
const ONCE: [&str; 5] =
    ["begin_conv.weight", "map_layer0.weight", "conv_in.weight", "time_embed.0.weight", "x_embedder.proj.weight"];
/// What data-parallel training, compilation and Lightning put before all names.
const WRAPPERS: [&str; 3] = ["module.", "_orig_mod.", "model."];
/// Words for averaged weights in keys and names.
const AVERAGES: [&str; 6] = ["average", "averaged", "avg", "shadow", "polyak", "swa"];

/// One set of weights among named tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Set {
    /// What stands before the names of its parameters, wrappers and all.
    pub prefix: String,
    /// Places of its parameters among the names.
    pub members: Vec<usize>,
    /// Whether its names are those of a network that is known.
    pub known: bool,
}

/// The sets of weights among `names`, those that come first first.
pub(super) fn sets(names: &[&str]) -> Vec<Set> {
    let known = names.iter().any(|name| before(name).is_some());
    let prefixes: Vec<&str> =
        if known { names.iter().filter_map(|name| before(name)).collect() } else { vec![wrapped(names)] };
    let (mut sets, mut places): (Vec<Set>, BTreeMap<&str, usize>) = (Vec::new(), BTreeMap::new());
    for prefix in prefixes {
        places.entry(prefix).or_insert_with(|| {
            sets.push(Set { prefix: prefix.into(), members: Vec::new(), known });
            sets.len() - 1
        });
    }
    for (member, name) in names.iter().enumerate() {
        // The longest prefix counts, as one model may be wrapped in another.
        let ends = name.rmatch_indices('.').map(|(dot, _)| dot + 1).chain([0]);
        let place = ends.filter_map(|end| name.get(..end)).find_map(|start| places.get(start));
        if let Some(set) = place.and_then(|&place| sets.get_mut(place)) {
            set.members.push(member);
        }
    }
    sets
}

/// What stands before a name of a known network.
fn before(name: &str) -> Option<&str> {
    let whole = |prefix: &&str| prefix.is_empty() || prefix.ends_with('.');
    let modules = name.find(MODULES).and_then(|start| name.get(..start)).filter(whole);
    modules.or_else(|| ONCE.iter().find_map(|once| name.strip_suffix(once).filter(whole)))
}

/// The wrappers that stand before all names.
pub(super) fn wrapped<'a>(names: &[&'a str]) -> &'a str {
    let Some(first) = names.first() else { return "" };
    let mut end = 0;
    while let Some(wrapper) = WRAPPERS.iter().find(|wrapper| {
        let starts = |name: &&str| name.get(end..).is_some_and(|rest| rest.starts_with(**wrapper));
        names.iter().all(starts)
    }) {
        end += wrapper.len();
    }
    first.get(..end).unwrap_or("")
}

/// Whether keys or names at this place speak of an average.
pub(super) fn is_average(place: &str) -> bool {
    averages(place) > 0
}

/// How many words of a place speak of an average.
pub(super) fn averages(place: &str) -> usize {
    let lower = place.to_lowercase();
    let words = lower.split(|letter: char| !letter.is_alphanumeric());
    words.filter(|word| word.starts_with("ema") || word.ends_with("ema") || AVERAGES.contains(word)).count()
}

/// The best places for raw weights and for their average: of each kind the first, but of averages one that says so twice,
/// as what is called the EMA may hold the raw weights, too.
pub(super) fn choose<'a>(places: impl IntoIterator<Item = &'a str>) -> [Option<usize>; 2] {
    let mut chosen: [Option<(usize, usize)>; 2] = [None; 2];
    for (index, place) in places.into_iter().enumerate() {
        let words = averages(place);
        let best = &mut chosen[usize::from(words > 0)];
        if best.is_none_or(|(_, known)| known < words) {
            *best = Some((index, words));
        }
    }
    chosen.map(|best| best.map(|(index, _)| index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, Vec<String>)> {
        let inner = |set: &Set, place: &usize| names[*place][set.prefix.len()..].to_owned();
        sets(names)
            .iter()
            .map(|set| (set.prefix.clone(), set.members.iter().map(|m| inner(set, m)).collect()))
            .collect()
    }

    #[test]
    fn wrappers_in_any_order_and_models_in_models_are_told_apart() {
        for prefix in ["", "module.", "_orig_mod.module.", "model.net._orig_mod.", "module.model.model."] {
            let names = ["all_modules.0.weight", "sigmas"].map(|name| format!("{prefix}{name}"));
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let inner = vec!["all_modules.0.weight".to_owned(), "sigmas".to_owned()];
            assert_eq!(found(&names), [(prefix.to_owned(), inner)]);
        }
        let names = ["begin_conv.weight", "ema_model.module.begin_conv.weight", "ema_model.module.x", "res1.x"];
        let [raw, average] = &found(&names)[..] else { panic!("there are two sets") };
        assert_eq!(raw.1, ["begin_conv.weight", "res1.x"]);
        assert_eq!((average.0.as_str(), average.1.len()), ("ema_model.module.", 2));
        assert_eq!(found(&["module.a", "module.module.b"]), [("module.".into(), vec!["a".into(), "module.b".into()])]);
        assert_eq!(found(&["net.small_all_modules.0.weight"])[0].0, "");
    }

    #[test]
    fn averages_are_known_by_words() {
        for place in ["ema", "model_ema", "ema_0.9999", "EMAModel.shadow_params", "state_dict_ema.module.", "netEMA"] {
            assert!(is_average(place), "{place}");
        }
        for place in ["", "model", "state_dict.model.", "optimizer", "temporal", "scheme", "raw.module.", "demand"] {
            assert!(!is_average(place), "{place}");
        }
        assert_eq!(choose(["model", "ema_a", "net", "ema_b"]), [Some(0), Some(1)]);
        assert_eq!(choose(["ema"]), [None, Some(0)]);
        assert_eq!(choose(["ema.online.", "ema.ema_model."]), [None, Some(1)]);
    }
}
