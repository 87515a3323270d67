//! `score-explorer plane`, through the real program.

use crate::cli::Place;
use image::AnimationDecoder;
use score_explorer::plane::{Drawing, lessons};
use serde_json::Value;
use std::fs;
use std::io::Cursor;

const QUICK: &str = "plane --count 100 --steps 4 --size 96";

#[test]
fn every_output_is_written_and_read_back() {
    let place = Place::new();
    place.succeeds(&format!(
        "{QUICK} --output a.png --output a.svg --output a.csv --output a.json --output a.gif --output a.webp"
    ));
    assert_eq!(place.files(), ["a.csv", "a.gif", "a.json", "a.png", "a.svg", "a.webp"]);
    let image = image::load_from_memory(&place.bytes("a.png")).unwrap();
    assert_eq!((image.width(), image.height()), (112, 144));
    let gif = image::codecs::gif::GifDecoder::new(Cursor::new(place.bytes("a.gif"))).unwrap();
    let webp = image::codecs::webp::WebPDecoder::new(Cursor::new(place.bytes("a.webp"))).unwrap();
    let counts =
        [gif.into_frames().collect_frames(), webp.into_frames().collect_frames()].map(|frames| frames.unwrap().len());
    assert_eq!(counts, [60, 60]);
    assert_eq!(String::from_utf8(place.bytes("a.csv")).unwrap().lines().count(), 101);
    // The scene's file repeats the particles to the last bit.
    place.succeeds("plane a.json --output b.csv");
    assert!(place.bytes("a.csv") == place.bytes("b.csv"));
}

#[test]
fn a_summary_says_how_far_each_pane_ends_from_the_data() {
    let place = Place::new();
    let line = "plane --count 100 --data ring --solver heun --steps 20 --layers density,errors --json";
    let summary: Value = serde_json::from_str(&place.succeeds(line).stdout).unwrap();
    let pane = &summary["panes"][0];
    assert_eq!((pane["solver"].as_str(), pane["nfe"].as_f64()), (Some("heun"), Some(39.0)));
    let (found, floor) = (pane["w2"].as_f64().unwrap(), pane["w2_exact"].as_f64().unwrap());
    assert!(found > 0.0 && found < 4.0 * floor, "{found}, {floor}");
    assert!(pane["flow_error"].as_f64().unwrap() < 0.1);
    assert!(place.files().is_empty(), "only what is asked for is written");
}

/// A corrector whose steps follow the norm of each particle's own score leads some of them far away: in the plane that of
/// the batch is usual, and the other is taken only where it is asked for.
#[test]
fn correctors_take_the_norms_of_the_batch() {
    let place = Place::new();
    let distance = |more: &str| -> f64 {
        let line = format!(
            "plane --count 1000 --data checkerboard --family ve --sigma-max 5 --solver pc --corrector langevin --steps 60 --json {more}"
        );
        let summary: Value = serde_json::from_str(&place.succeeds(&line).stdout).unwrap();
        summary["panes"][0]["w2"].as_f64().unwrap()
    };
    let (usual, own) = (distance(""), distance("--norms sample"));
    assert!(usual < 0.2 && own > 1.0, "{usual}, {own}");
}

#[test]
fn lists_sweeps_tables_and_pictures() {
    let place = Place::new();
    let list = place.succeeds("plane --list").stdout;
    assert!(lessons().iter().all(|lesson| list.contains(lesson.slug)) && list.contains("swiss-roll"));
    let swept = place.succeeds(&format!("{QUICK} --solver heun --sweep 2,8")).stdout;
    assert_eq!(swept.lines().count(), 4, "{swept}");
    fs::write(place.path("points.csv"), "x;y\n# a remark\n100;-3\n\n120;5.5\n140;4\n").unwrap();
    place.succeeds(&format!("{QUICK} --points points.csv --output p.json --output p.png"));
    let scene: Value = serde_json::from_slice(&place.bytes("p.json")).unwrap();
    let points = &scene["drawing"][0]["shape"]["points"]["points"];
    assert_eq!((points[0][0].as_f64(), points[2][0].as_f64()), (Some(-1.0), Some(1.0)));
    let mut picture = image::RgbImage::from_pixel(40, 20, image::Rgb([255; 3]));
    (10..30).for_each(|x| picture.put_pixel(x, 5, image::Rgb([0; 3])));
    picture.save(place.path("ink.png")).unwrap();
    place.succeeds(&format!("{QUICK} --picture ink.png --time 0.1 --output i.png --dark"));
}

#[test]
fn a_network_is_learned_and_a_lesson_shown() {
    let place = Place::new();
    place.succeeds("plane --lesson langevin --count 50 --steps 3 --size 96 --output lesson.png");
    let scene = r#"{"score-explorer-plane": 1, "drawing": [{"shape": {"famous": "pair"}}],
        "family": {"family": "vp", "beta_min": 0.1, "beta_max": 20.0}, "count": 50,
        "panes": [{"solver": "euler", "grid": "log-snr", "steps": 4, "learned": true}],
        "learning": {"matching": "flow-matching", "steps": 20, "width": 16, "depth": 1, "batch": 16}}"#;
    fs::write(place.path("scene.json"), scene).unwrap();
    let summary: Value =
        serde_json::from_str(&place.succeeds("plane scene.json --json --output l.png").stdout).unwrap();
    assert_eq!(summary["learned"]["steps"], 20);
    assert_eq!(place.files(), ["l.png", "lesson.png", "scene.json"]);
}

#[test]
fn bad_input_is_one_sentence() {
    let place = Place::new();
    let many = "0,0\n".repeat(Drawing::MOST_POINTS + 1);
    for (name, text) in [
        ("nan.csv", "x,y\n1,2\n3,NaN\n"),
        ("text.csv", "1,2\n3,four\n"),
        ("three.csv", "1,2\n1,2,3\n"),
        ("empty.csv", "# nothing\n"),
        ("names.csv", "x,y\n"),
        ("many.csv", &many),
        (
            "empty.json",
            r#"{"score-explorer-plane": 1, "drawing": [], "family": {"family": "vp", "beta_min": 0.1, "beta_max": 20}}"#,
        ),
    ] {
        fs::write(place.path(name), text).unwrap();
    }
    fs::write(place.path("bytes.csv"), [0xff, 0xfe, 0x00]).unwrap();
    fs::File::create(place.path("enormous.json")).unwrap().set_len(1 << 40).unwrap();
    image::RgbImage::from_pixel(8, 8, image::Rgb([128; 3])).save(place.path("grey.png")).unwrap();
    for (line, code, word) in [
        ("--points nan.csv", 3, "line 3"),
        ("--points text.csv", 3, "four"),
        ("--points three.csv", 3, "3 numbers"),
        ("--points empty.csv", 3, "no points"),
        ("--points names.csv", 3, "no points"),
        ("--points many.csv", 3, "more than 50000"),
        ("--points bytes.csv", 3, "not text"),
        ("--points missing.csv", 3, "cannot be read"),
        ("--picture grey.png", 3, "without ink"),
        ("empty.json", 3, "empty"),
        ("enormous.json", 3, "limit"),
        ("--lesson nothing", 2, "langevin"),
        ("--data nothing", 2, "two-moons"),
        ("--layers density,rainbow", 2, "rainbow"),
        ("--time 1.5", 2, "time 1.5"),
        ("--count 0", 2, "0 particles"),
        ("--size 5", 2, "5 pixels"),
        ("--solver ddim --snr 0.1", 2, "--snr"),
        ("--output a.mp4", 2, "mp4"),
        ("--output missing/a.png", 4, "cannot be written"),
    ] {
        let ended = place.fails(&format!("plane {line}"), code, word);
        assert!(ended.contains("; "), "{line}: {ended}");
    }
    assert!(!place.files().iter().any(|file| file == "plane.png"));
}
