use score_explorer::compare::{Axis, Cell, find, presets, published, read_presets, swept, tags, write_presets};
use score_explorer::registry::Category;
use score_explorer::solver::Solver;
use std::collections::BTreeSet;

fn named(word: &str) -> Vec<Cell> {
    find(&[word.to_owned()]).unwrap()
}

#[test]
fn every_solver_of_the_registry_has_presets_at_few_evaluations_or_by_what_decides_them() {
    for solver in <dyn Solver>::all() {
        let own: Vec<&Cell> = presets().iter().filter(|cell| cell.solver.is(*solver)).collect();
        let few = own.iter().filter_map(|cell| cell.evaluations()).filter(|evaluations| *evaluations <= 50).count();
        // No two that choose their own steps are one sampler under two names.
        let adaptive: Vec<&&Cell> = own.iter().filter(|cell| cell.evaluations().is_none()).collect();
        let mut different: Vec<_> = adaptive.iter().map(|cell| (&cell.solver, &cell.grid, cell.steps)).collect();
        different.dedup();
        assert_eq!(different.len(), adaptive.len(), "{}", solver.about().slug);
        assert!(few >= 5 || adaptive.len() >= 3, "{}", solver.about().slug);
    }
    let slugs: BTreeSet<String> = presets().iter().map(Cell::slug).collect();
    assert_eq!(slugs.len(), presets().len());
    for cell in presets() {
        assert!(cell.check().is_ok(), "{}", cell.name);
        assert_eq!(named(&cell.slug()), std::slice::from_ref(cell));
        let said: usize = cell.slug().rsplit('-').next().and_then(|word| word.parse().ok()).unwrap_or(usize::MAX);
        if cell.is_tagged("steps") {
            // A step takes four evaluations at most.
            assert!(cell.evaluations().unwrap() <= said && cell.evaluations().unwrap() + 4 > said, "{}", cell.name);
        }
    }
    assert!(tags().iter().all(|(tag, count)| named(tag).len() == *count));
}

/// Song et al. 2021, table 1 has ten cells of each family, and the evaluations that the file of published figures gives.
#[test]
fn table_1_is_there_as_published() {
    let table = named("table-1");
    assert_eq!((table.len(), named("ve").len(), named("vp").len()), (20, 10, 10));
    let figures: Vec<_> = published().into_iter().filter(|figure| figure.source.contains("table 1")).collect();
    assert_eq!(figures.len(), 20);
    for (cell, figure) in table.iter().zip(&figures) {
        // A corrector alone denoises once more in the end.
        let evaluations = cell.evaluations().unwrap() as f64;
        assert!((evaluations - figure.evaluations).abs() <= 1.0, "{} {}", cell.name, figure.name);
        let sampler = figure.name.split(": ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(cell.name.contains(sampler), "{} {}", cell.name, figure.name);
    }
    let best = figures.iter().min_by(|a, b| a.fid.total_cmp(&b.fid)).unwrap();
    assert_eq!((best.fid, best.std), (3.06, Some(0.03)));
    let others = published();
    assert!(others.iter().all(|figure| !figure.source.is_empty() && figure.fid > 1.0 && figure.evaluations >= 3.0));
    assert!(others.iter().any(|figure| figure.source.contains("Karras") && figure.fid == 1.97));
    assert!(others.iter().any(|figure| figure.source.contains("read off")));
}

#[test]
fn presets_are_swept_over_any_two_settings() {
    let axes: Vec<Axis> = ["solver.snr=0.05,0.1,0.16", "steps=10,20"].map(|axis| axis.parse().unwrap()).into();
    let cells = swept(&named("pc-langevin-50"), &axes).unwrap();
    assert_eq!(cells.len(), 6);
    assert_eq!(cells[1].name, "pc langevin 50 snr=0.05 steps=20");
    assert_eq!((cells[1].steps.get(), cells[1].evaluations()), (20, Some(40)));
    for (key, value) in [
        ("grid", "edm:5"),
        ("grid.rho", "3"),
        ("clip", "false"),
        ("denoise", "false"),
        ("family", "sub-vp"),
        ("family.beta_max", "10"),
        ("solver", "heun"),
    ] {
        let mut cell = named("ddim-10").remove(0);
        cell.set("grid", "edm").unwrap();
        cell.set("family", "vp").unwrap();
        let before = cell.clone();
        cell.set(key, value).unwrap();
        assert_ne!(cell, before, "{key}");
    }
    for (axis, word) in [
        ("solver.snr=0.1", "not a setting"),
        ("steps=0", "out of range"),
        ("steps=many", "not supported"),
        ("grid=cosine", "log-snr"),
        ("family.beta_max=2", "own family"),
        ("clip=perhaps", "true or false"),
    ] {
        let refusal = swept(&named("heun-10"), &[axis.parse().unwrap()]).unwrap_err().to_string();
        assert!(refusal.contains(word), "{axis}: {refusal}");
    }
    assert!(["steps", "steps=", "=1", "steps=1,,2"].iter().all(|axis| axis.parse::<Axis>().is_err()));
}

#[test]
fn presets_are_saved_and_read_again_and_what_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.json");
    write_presets(&path, presets()).unwrap();
    assert_eq!(read_presets(&path).unwrap(), presets());
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, word) in [
        ("\"score-explorer-presets\": 1", "\"score-explorer-presets\": 2", "newer"),
        ("\"solver\": \"heun\"", "\"solver\": \"hein\"", "heun"),
        ("\"steps\": 10,", "\"steps\": 0,", "steps"),
    ] {
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let refusal = read_presets(&path).unwrap_err().to_string();
        assert!(refusal.contains(word), "{from}: {refusal}");
    }
    assert!(find(&["nothing".into()]).unwrap_err().to_string().contains("few-steps"));
}
