//! Dependencies between the modules point one way, in the order that `src/lib.rs` gives.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The modules of each rank from the top, which the one paragraph with arrows names.
fn order() -> Vec<Vec<String>> {
    let text = fs::read_to_string(source().join("lib.rs")).unwrap();
    let doc: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let doc = doc.join("\n");
    let mut paragraphs = doc.split("\n\n").filter(|paragraph| paragraph.contains('→'));
    let paragraph = paragraphs.next().expect("the order of the modules");
    assert!(paragraphs.next().is_none(), "the order is given once");
    let names = |rank: &str| rank.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    paragraph.split('→').map(names).collect()
}

/// All files of the modules, and which module each is of.
fn files() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![source()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(source()).unwrap().with_extension("");
            let module = inside.iter().next().unwrap().to_str().unwrap().to_owned();
            if module != "lib" && module != "main" {
                files.push((path, module));
            }
        }
    }
    files
}

/// The first names of the paths that go on here: one, or those of a group.
fn heads(rest: &str) -> Vec<&str> {
    fn word(text: &str) -> &str {
        let text = text.trim_start();
        text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default()
    }
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut depth, mut heads) = (0, vec![word(group)]);
    for (place, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(word(&group[place + 1..])),
            _ => {}
        }
    }
    heads
}

/// The modules that a file names from the crate's root.
fn imported(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let after = |start: &str| {
        let starts =
            code.match_indices(start).map(|(place, start)| code[place + start.len()..].trim_start_matches("super::"));
        starts.flat_map(heads).map(str::to_owned).collect::<Vec<_>>()
    };
    // As many steps up as the file is deep lead to the root, too.
    let inside = path.strip_prefix(source()).unwrap();
    let depth = inside.components().count() - usize::from(inside.ends_with("mod.rs"));
    [after("crate::"), after(&"super::".repeat(depth))].concat().into_iter().collect()
}

#[test]
fn arrows_between_modules_run_one_way() {
    let order = order();
    let rank = |module: &str| order.iter().position(|names| names.iter().any(|name| name == module));
    let (mut back, mut arrows) = (Vec::new(), BTreeSet::new());
    let files = files();
    for (path, module) in &files {
        let own = rank(module).unwrap_or_else(|| panic!("src/lib.rs gives {module} no place in the order"));
        for other in imported(path).iter().filter(|other| *other != module) {
            match rank(other) {
                Some(place) if place <= own => back.push(format!("{} ({module}) uses {other}", path.display())),
                Some(_) => drop(arrows.insert((module.clone(), other.clone()))),
                // A name of the root itself, as `Image`.
                None => assert!(!files.iter().any(|(_, known)| known == other), "{other} has no place in the order"),
            }
        }
    }
    assert!(back.is_empty(), "arrows that run back:\n{}", back.join("\n"));
    // All forms of paths are seen.
    for arrow in [("cli", "engine"), ("score", "network"), ("task", "sde"), ("engine", "checkpoint")] {
        assert!(arrows.contains(&(arrow.0.to_owned(), arrow.1.to_owned())), "{arrow:?} is not seen");
    }
}
