use super::results;
use crate::cli::Place;
use score_explorer::compare::{CellResult, Reading, Results, csv};

#[test]
fn a_comparison_leaves_a_page_that_needs_nothing_else_and_the_command_that_makes_it_again() {
    let place = Place::new();
    let line =
        "compare --device cpu --model exact:worlds --features random --presets heun-10,fast-10,ode-20 --count 32";
    let ended = place.succeeds(&format!("{line} --output report.html"));
    assert!(ended.stderr.contains("fewer than 2048"), "{}", ended.stderr);
    let page = String::from_utf8(place.bytes("report.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 2);
    assert_eq!(page.matches("data:image/png;base64,").count(), 3);
    for outside in [" src=\"http", "href=", "<script", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    for word in ["FD-random", "exact:worlds", "32 samples of each preset", "fewer than 2048", "3.06 ± 0.03", "CPU"] {
        assert!(page.contains(word), "{word}");
    }
    assert_eq!(
        place.files_in("report").iter().filter(|name| name.contains('.')).collect::<Vec<_>>(),
        [
            "chart-seconds.png",
            "chart-seconds.svg",
            "chart.png",
            "chart.svg",
            "comparison.json",
            "results.csv",
            "results.json"
        ]
    );
    let chart = image::open(place.path("report/chart.png")).unwrap().to_rgb8();
    assert!(chart.pixels().filter(|pixel| pixel.0 != [255; 3]).count() > 2000);
    let first = results(&place, "report");
    // The command in the page gives the same figures.
    let command = page.split("<pre>").nth(1).unwrap().split("</pre>").next().unwrap();
    let again = command.strip_prefix("score-explorer ").unwrap().replace("report.html", "again.html");
    place.succeeds(&format!("{again} --device cpu"));
    let second = results(&place, "again");
    let of =
        |results: &Results| results.cells.iter().map(|cell| (cell.slug.clone(), cell.distance)).collect::<Vec<_>>();
    assert_eq!(of(&first), of(&second));
    // Equal noise gives equal images where nothing differs, and some difference elsewhere.
    assert_eq!(first.agreement[1][1], Some(0.0));
    assert!(first.agreement[0][1].unwrap() > 0.0 && first.agreement[0][1] == first.agreement[1][0]);
    let again = place.succeeds(&format!("{line} --output report.html --json"));
    let printed: Results = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(of(&printed), of(&first));
}

fn cell(name: &str, evaluations: f64, value: Option<f64>) -> CellResult {
    CellResult {
        name: name.into(),
        slug: name.into(),
        count: 10,
        evaluations,
        seconds: 1.0,
        distance: value.map(Reading::plain),
        others: Default::default(),
        best_by_evaluations: false,
        best_by_seconds: false,
        failure: value.is_none().then(|| "it is \"broken\", really".into()),
    }
}

#[test]
fn the_front_is_what_no_other_is_as_cheap_as_and_nearer_and_tables_are_quoted() {
    let place = Place::new();
    place.succeeds("compare --device cpu --model mixture:ring --presets heun-5 --count 16 --output o");
    let mut found = results(&place, "o");
    found.cells = vec![
        cell("a", 10.0, Some(5.0)),
        cell("b", 20.0, Some(3.0)),
        cell("c", 20.0, Some(4.0)),
        cell("d", 30.0, Some(3.0)),
        cell("e", 5.0, None),
        cell("f", 40.0, Some(1.0)),
    ];
    found.mark_best();
    let best: Vec<&str> =
        found.cells.iter().filter(|cell| cell.best_by_evaluations).map(|cell| cell.name.as_str()).collect();
    assert_eq!(best, ["a", "b", "f"]);
    let by_seconds: Vec<&str> =
        found.cells.iter().filter(|cell| cell.best_by_seconds).map(|cell| cell.name.as_str()).collect();
    assert_eq!(by_seconds, ["f"]);
    let table = csv(&found);
    assert_eq!(table.lines().count(), 7);
    assert!(table.contains("\"it is \"\"broken\"\", really\""));
}
