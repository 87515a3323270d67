//! Scenes as files, some of them strangers', and the lessons.

use score_explorer::plane::{Known, Layers, Pane, Recipe, Scene, SceneError, Start, lesson, lessons};
use score_explorer::task::Steps;
use serde_json::{Value, json};
use std::fs;
use tempfile::tempdir;

/// A scene with everything in it.
fn full() -> Scene {
    let mut pane = Pane::new("ddim:0.5".parse().unwrap(), Steps::new(12).unwrap());
    pane.method = Some("dps:0.7".parse().unwrap());
    let second = Pane { learned: true, from: 0.8, to: Some(0.01), ..Pane::default() };
    Scene {
        title: "A title".into(),
        text: "A text.".into(),
        attempt: "Try.".into(),
        time: 0.25,
        layers: Layers { streamlines: true, density: false, ..Layers::default() },
        panes: vec![pane, second],
        start: Start::Points(vec![[0.5, -0.25]]),
        seed: 9,
        count: 77,
        known: Some(Known::Line { direction: [1.0, 2.0], value: 0.1, noise: 0.05 }),
        learning: Some(Recipe { points: Some(50), ..Recipe::default() }),
        ..Scene::default()
    }
}

#[test]
fn a_scene_reads_back_as_it_was_written() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("scene.json");
    for scene in [Scene::default(), full()] {
        scene.write(&path).unwrap();
        assert_eq!(Scene::read(&path).unwrap(), scene);
        assert_eq!(Scene::from_json(&fs::read_to_string(&path).unwrap()).unwrap(), scene);
    }
}

#[test]
fn every_lesson_is_a_scene_with_a_text_and_one_thing_to_try() {
    assert!(lessons().len() >= 12);
    for one in lessons() {
        let scene = lesson(one.slug).unwrap_or_else(|error| panic!("{}: {error}", one.slug));
        assert!(!scene.title.is_empty() && scene.title.chars().count() < 60, "{}", one.slug);
        let words = scene.text.split_whitespace().count();
        assert!((40..200).contains(&words), "{}: {words} words", one.slug);
        assert!((5..60).contains(&scene.attempt.split_whitespace().count()), "{}", one.slug);
        // A lesson is written and read as anybody's scene.
        let again = Scene::from_json(&serde_json::to_string(&scene).unwrap()).unwrap();
        assert_eq!(again, scene);
    }
    let unknown = lesson("nothing").unwrap_err();
    assert!(matches!(unknown, SceneError::Lesson { .. }) && unknown.to_string().contains("langevin"), "{unknown}");
}

/// Symbols are parts of formulas, which are between dollar signs and thereby typeset.
#[test]
fn formulas_of_lessons_are_typeset() {
    for one in lessons() {
        let Scene { text, attempt, .. } = one.scene().unwrap();
        for text in text.split("\n\n").chain([attempt.as_str()]) {
            let parts: Vec<&str> = text.split('$').collect();
            assert_eq!(parts.len() % 2, 1, "{}: a formula does not end in {text:?}", one.slug);
            let plain = parts.iter().step_by(2).find(|part| part.contains(|c| "=<>_|²←∇∫√αεστ".contains(c)));
            assert_eq!(plain, None, "{}", one.slug);
        }
    }
}

/// What a stranger's file may hold, and a word of the sentence that refuses it.
#[test]
fn what_is_no_scene_is_refused_in_a_sentence() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("scene.json");
    let good = || {
        serde_json::from_str::<Value>(&{
            full().write(&path).unwrap();
            fs::read_to_string(&path).unwrap()
        })
        .unwrap()
    };
    let changed = |pointer: &str, value: Value| {
        let mut scene = good();
        *scene.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        scene
    };
    let added = |pointer: &str, key: &str| {
        let mut scene = good();
        scene.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert(key.into(), json!(1));
        scene
    };
    for (scene, word) in [
        (changed("/time", json!(2.0)), "time 2"),
        (changed("/count", json!(1_000_000)), "1000000 particles"),
        (changed("/view/half", json!(1e9)), "view"),
        (changed("/drawing", json!([])), "empty"),
        (changed("/drawing/0/shape/famous", json!("nothing")), "two-moons"),
        (changed("/panes", json!(vec![good()["panes"][1].clone(); 5])), "5 panes"),
        (changed("/panes/0/solver", json!("nothing")), "unknown solver"),
        (changed("/panes/0/steps", json!(0)), "0 steps"),
        (changed("/panes/1/from", json!(0.0)), "start at t = 0"),
        (changed("/panes/1/to", json!(0.9)), "last evaluation"),
        (changed("/known", json!(null)), "known"),
        (changed("/known/line/noise", json!(-1.0)), "known"),
        (changed("/learning", json!(null)), "learning"),
        (changed("/learning/width", json!(100_000)), "width"),
        (changed("/start/points", json!([])), "starting points"),
        (changed("/start/points/0/0", json!(1e30)), "starting points"),
        (changed("/title", json!("x".repeat(9_000))), "9000 characters"),
        (changed("/family/beta_max", json!(-3.0)), "β_max"),
        (changed("/score-explorer-plane", json!(2)), "newer"),
        (added("", "colour"), "colour"),
        (added("/layers", "rainbow"), "rainbow"),
        (added("/panes/0", "speed"), "speed"),
        (added("/family", "gamma"), "gamma"),
        (added("/drawing/0", "speed"), "speed"),
        (json!({}), "score-explorer-plane"),
        (json!([1, 2]), "score-explorer-plane"),
    ] {
        fs::write(&path, scene.to_string()).unwrap();
        let sentence = Scene::read(&path).unwrap_err().to_string();
        assert!(sentence.contains(word), "{word:?}: {sentence}");
    }
    for (bytes, word) in
        [("", "empty"), ("{\"score-explorer-plane\": 1, \"time\": NaN}", "NaN"), ("\u{1}\u{2}", "JSON")]
    {
        fs::write(&path, bytes).unwrap();
        let sentence = Scene::read(&path).unwrap_err().to_string();
        assert!(sentence.contains(word), "{sentence}");
    }
    // Larger than any scene: refused by its size, before memory is reserved for it.
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(Scene::read(&path).unwrap_err().to_string().contains("limit"));
}
