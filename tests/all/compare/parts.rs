use super::{figures, results};
use crate::cli::Place;
use score_explorer::compare::{Shard, read_part};

const WHAT: &str =
    "compare --device cpu --model mixture:ring --presets heun-10,pc-langevin-20,adaptive-1e-3 --count 300";

#[test]
fn shards_are_all_samples_once_in_whole_blocks() {
    for (cells, count, of) in [(1usize, 1u64, 1u64), (3, 300, 3), (5, 1024, 64), (7, 64 * 9, 4), (2, 100_000, 7)] {
        let mut busy = 0;
        for cell in 0..cells {
            let mut parts: Vec<_> = (1..=of).map(|index| Shard::new(index, of).unwrap().samples(cell, count)).collect();
            parts.retain(|part| !part.is_empty());
            parts.sort_by_key(|part| part.start);
            busy = busy.max(parts.len());
            let mut next = 0;
            for part in parts {
                assert_eq!(part.start, next);
                assert!(part.start % 64 == 0 && (part.end % 64 == 0 || part.end == count));
                next = part.end;
            }
            assert_eq!(next, count);
        }
        assert_eq!(busy as u64, of.min(count.div_ceil(64)));
    }
    // Where there are fewer blocks than machines, other machines have those of another cell.
    let works = |index: u64| (0..5).any(|cell| !Shard::new(index, 64).unwrap().samples(cell, 1024).is_empty());
    assert!((1..=64).filter(|&index| works(index)).count() > 60);
    assert!(["0/3", "4/3", "1/0", "a/b", "3", "1/9999999999"].iter().all(|text| text.parse::<Shard>().is_err()));
}

#[test]
fn parts_merged_in_any_order_are_one_machine_to_the_bit() {
    for keep in ["true", "false"] {
        let place = Place::new();
        let line = format!("{WHAT} --keep-features {keep}");
        place.succeeds(&format!("{line} --output whole"));
        for index in 1..=3 {
            place.succeeds(&format!("{line} --shard {index}/3 --output {index}.sefd"));
        }
        let whole = figures(&results(&place, "whole"));
        for (number, order) in ["1 2 3", "3 1 2", "2 3 1"].iter().enumerate() {
            let parts: Vec<String> = order.split(' ').map(|index| format!("{index}.sefd")).collect();
            place.succeeds(&format!("compare merge {} --output merged-{number}", parts.join(" ")));
            assert_eq!(figures(&results(&place, &format!("merged-{number}"))), whole, "{order}, features kept: {keep}");
        }
        // A finished part is left as it is, and its work is gone.
        let before = place.bytes("2.sefd");
        assert!(place.succeeds(&format!("{line} --shard 2/3 --output 2.sefd")).stdout.contains("already"));
        assert_eq!(place.bytes("2.sefd"), before);
        assert!(!place.files().iter().any(|name| name.ends_with(".work")));
        // What was merged goes on as if it had been computed there.
        let line = line.replace("300", "330");
        place.succeeds(&format!("{line} --output merged-0"));
        place.succeeds(&format!("{line} --output whole"));
        assert_eq!(figures(&results(&place, "merged-0")), figures(&results(&place, "whole")));
    }
}

#[test]
fn gaps_overlaps_and_strangers_are_refused() {
    let place = Place::new();
    for index in 1..=3 {
        place.succeeds(&format!("{WHAT} --shard {index}/3 --output {index}.sefd"));
    }
    place.succeeds(&format!("{WHAT} --seed 5 --shard 3/3 --output other.sefd"));
    place.succeeds(&format!("{WHAT} --shard 1/2 --output half.sefd"));
    for (parts, word) in [
        ("1.sefd 3.sefd", "missing"),
        ("1.sefd 2.sefd", "missing"),
        ("1.sefd 2.sefd 3.sefd 2.sefd", "another part"),
        ("half.sefd 1.sefd 2.sefd 3.sefd", "another part"),
        ("1.sefd 2.sefd other.sefd", "seeds differ"),
        ("1.sefd none.sefd", "cannot be read"),
    ] {
        place.fails(&format!("compare merge {parts} --output out"), 3, word);
    }
    assert!(!place.files().contains(&"out".to_owned()));
    place.fails(&format!("{WHAT} --shard 1/3 --output folder"), 2, "part-3.sefd");
    place.fails(&format!("{WHAT} --seed 9 --shard 1/3 --output 1.sefd"), 2, "another comparison");
}

#[test]
fn damaged_and_hostile_parts_are_refused_in_a_sentence() {
    let place = Place::new();
    place.succeeds(&format!("{WHAT} --keep-features false --shard 1/2 --output a.sefd"));
    let good = place.bytes("a.sefd");
    let part = read_part(&place.path("a.sefd")).unwrap();
    assert_eq!(
        part.accounts.iter().map(|account| account.first..account.next()).collect::<Vec<_>>(),
        [0..128, 128..300, 0..128]
    );
    let text = String::from_utf8_lossy(&good[..good.len().min(20_000)]).into_owned();
    let dims = text.find("\"0.dims\":\"2\"").expect("the number of features");
    let with = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let mut bytes = good.clone();
        let place = text.find(from).unwrap_or_else(|| panic!("{from}"));
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    assert!(dims > 0);
    let cut = good[..good.len() - 8].to_vec();
    let mut infinite = good.clone();
    let last = infinite.len() - 8;
    infinite[last..].copy_from_slice(&f64::INFINITY.to_le_bytes());
    for (bytes, word) in [
        (cut, "bytes than there are"),
        (infinite, "finite"),
        (with("\"0.dims\":\"2\"", "\"0.dims\":\"9\""), "damaged"),
        (with("\"0.first\":\"0\"", "\"0.first\":\"7\""), "damaged"),
        // Samples without a pixel, which no window can show.
        (with("[0,2,1,1]", "[0,2,0,1]"), "damaged"),
        (with("score-explorer-part\":\"1\"", "score-explorer-part\":\"2\""), "version"),
        (with("\"identity\"", "\"identify\""), "identity"),
        (b"not a part at all, but some words".to_vec(), "safetensors"),
    ] {
        std::fs::write(place.path("b.sefd"), bytes).unwrap();
        place.fails("compare merge b.sefd --output out", 3, word);
    }
}
