//! Presets of several models in one comparison.

use super::{figures, results};
use crate::cli::Place;
use score_explorer::compare::{Account, Folder};

const WHAT: &str = "compare --device cpu --model mixture:ring --presets heun-10,heun-10@mixture:two-moons --count 150";

/// What a folder holds of the cell with this slug.
fn account(place: &Place, folder: &str, slug: &str) -> Account {
    let folder = Folder::new(&place.path(folder));
    let comparison = folder.comparison().unwrap().unwrap();
    let cell = comparison.cells.iter().find(|cell| cell.slug() == slug).unwrap();
    folder.read(&comparison, cell).unwrap().unwrap().0
}

#[test]
fn a_preset_of_another_model_draws_that_models_samples_beside_the_comparisons_own() {
    let place = Place::new();
    place.succeeds(&format!("{WHAT} --output both"));
    let alone = "compare --device cpu --presets heun-10 --count 150";
    place.succeeds(&format!("{alone} --model mixture:ring --output ring"));
    place.succeeds(&format!("{alone} --model mixture:two-moons --output moons"));
    for (slug, folder) in [("heun-10", "ring"), ("heun-10-of-two-moons", "moons")] {
        let (found, expected) = (account(&place, "both", slug), account(&place, folder, "heun-10"));
        assert_eq!((found.features(), &found.images), (expected.features(), &expected.images), "{slug}");
    }
    // Against one reference, which is the ring's own data.
    let [own, other] = [0, 1].map(|index| results(&place, "both").cells[index].distance.unwrap());
    assert!(own == results(&place, "ring").cells[0].distance.unwrap() && own != other, "{own:?} {other:?}");
    assert_eq!(results(&place, "both").model, "mixture:ring, mixture:two-moons");
}

#[test]
fn parts_of_several_models_are_one_machine_to_the_bit_and_go_on() {
    let place = Place::new();
    place.succeeds(&format!("{WHAT} --output whole"));
    for index in 1..=2 {
        place.succeeds(&format!("{WHAT} --shard {index}/2 --output {index}.sefd"));
    }
    place.succeeds("compare merge 2.sefd 1.sefd --output merged");
    assert_eq!(figures(&results(&place, "merged")), figures(&results(&place, "whole")));
    // With more samples, and by the file that is in the folder.
    for folder in ["merged", "whole"] {
        place.succeeds(&format!("compare --device cpu --count 170 --output {folder}"));
    }
    place.succeeds("compare --device cpu --config whole/comparison.json --output again");
    for folder in ["merged", "again"] {
        assert_eq!(figures(&results(&place, folder)), figures(&results(&place, "whole")), "{folder}");
    }
}

#[test]
fn models_that_do_not_compare_and_paths_of_strangers_are_refused() {
    let place = Place::new();
    let line = "compare --device cpu --model mixture:ring --count 16 --output o --presets";
    place.fails(&format!("{line} heun-10,heun-10@worlds-vp-small"), 1, "compare models of one size");
    place.fails(&format!("{line} heun-10@"), 2, "unknown model");
    place.succeeds("compare presets heun-10@theirs/model.safetensors --save theirs.json");
    place.fails(&format!("{line} theirs.json"), 2, "not opened unasked");
    assert!(!place.path("o").exists());
    // What is given by a person is opened, if it can be.
    place.fails(&format!("{line} heun-10@theirs/model.safetensors"), 3, "model.safetensors");
}
