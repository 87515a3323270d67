//! Scenes as pictures.

use score_explorer::app::chart_font;
use score_explorer::compare::Font;
use score_explorer::plane::{
    Course, Detail, Fields, Layers, Look, Panel, Scene, Shot, Start, View, csv, forward, lessons,
};
use std::sync::Arc;

fn look(side: u32, dark: bool) -> Look {
    Look { side, dark, font: Font(chart_font().unwrap()) }
}

fn coarse() -> Detail {
    Detail { density: 48, arrows: 8, lines: 8 }
}

fn panels(scene: &Scene) -> Vec<Panel> {
    let plane = scene.plane().unwrap();
    let cloud = forward(&plane, scene.family.sde(), 1.0, 10, 1, 60);
    vec![Panel { title: "Forward".into(), note: "a note".into(), frames: cloud.frames, errors: None }]
}

fn parts(scene: &Scene) -> (Fields, Course) {
    let (plane, go_on) = (scene.plane().unwrap(), || Ok(()));
    (Fields::of(scene, &plane, None, coarse(), &go_on).unwrap(), Course::of(scene, &plane, None, &go_on).unwrap())
}

/// Each lesson's fields, with few particles: the clouds themselves take longer.
#[test]
fn every_lesson_renders_light_and_dark_as_pixels_and_as_a_graphic() {
    for lesson in lessons() {
        let scene = lesson.scene().unwrap();
        let (fields, course) = parts(&scene);
        let panels = panels(&scene);
        let shot = Shot { scene: &scene, fields: &fields, course: &course, panels: &panels };
        let (light, dark) = (shot.image(&look(120, false)).unwrap(), shot.image(&look(120, true)).unwrap());
        assert_eq!((light.width(), light.height()), (136, 168), "{}", lesson.slug);
        let mean =
            |image: &image::RgbImage| image.iter().map(|value| f64::from(*value)).sum::<f64>() / image.len() as f64;
        assert!(mean(&light) > mean(&dark) + 60.0, "{}", lesson.slug);
        let colours: std::collections::BTreeSet<[u8; 3]> = light.pixels().map(|pixel| pixel.0).collect();
        assert!(colours.len() > 20, "{}: something is drawn", lesson.slug);
        let svg = shot.svg(&look(120, false)).unwrap();
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && svg.contains("Forward"),
            "{}",
            lesson.slug
        );
    }
}

/// One Gaussian at (1, 1) of a view from −2 to 2: its densest pixel is a quarter of the way from the right and the top.
#[test]
fn densities_and_particles_are_where_they_are() {
    let gaussian = r#"[{"shape": {"gaussian": {"at": [1.0, 1.0], "std": 0.2}}}]"#;
    let mut scene = Scene { view: View { centre: [0.0; 2], half: 2.0 }, ..Scene::default() };
    scene.drawing = serde_json::from_str(gaussian).unwrap();
    let (side, head, margin) = (200, 40, 8);
    let find = |scene: &Scene, panels: &[Panel], is: &dyn Fn([u8; 3]) -> f64| {
        let (fields, course) = parts(scene);
        let image = Shot { scene, fields: &fields, course: &course, panels }.image(&look(side, false)).unwrap();
        let weighed = image.enumerate_pixels().map(|(x, y, pixel)| (f64::from(x), f64::from(y), is(pixel.0)));
        let inside = weighed.filter(|(_, y, _)| *y > f64::from(head) + 1.0 && *y < f64::from(head + side) - 2.0);
        let (x, y, all) = inside.fold((0.0, 0.0, 0.0), |(x, y, all), (a, b, w)| (x + w * a, y + w * b, all + w));
        [x / all - f64::from(margin), y / all - f64::from(head)]
    };
    // The bluer, the denser.
    let blue = |[red, _, blue]: [u8; 3]| (f64::from(blue) - f64::from(red)).max(0.0);
    scene.layers = Layers { particles: false, ..Layers::default() };
    let [x, y] = find(&scene, &[], &blue);
    assert!((x - 150.0).abs() < 3.0 && (y - 50.0).abs() < 3.0, "{x} {y}");
    scene.layers = Layers { density: false, particles: true, ..Layers::default() };
    let one = score_explorer::plane::Frame { step: 0, t: 0.0, points: vec![[-1.0, -0.5]] };
    let panel = Panel { frames: vec![Arc::new(one)], ..Panel::default() };
    let orange = |[red, _, blue]: [u8; 3]| (f64::from(red) - f64::from(blue) - 60.0).max(0.0);
    let [x, y] = find(&scene, &[panel], &orange);
    assert!((x - 50.0).abs() < 3.0 && (y - 125.0).abs() < 3.0, "{x} {y}");
}

#[test]
fn particles_are_written_as_a_table() {
    let scene = Scene { start: Start::Forward, ..Scene::default() };
    let all = csv(&panels(&scene), 1.0);
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!((lines[0], lines.len()), ("pane,particle,t,x,y", 61));
    assert!(lines[1].starts_with("1,0,1,") && lines[60].starts_with("1,59,1,"));
    for line in &lines[1..] {
        let numbers: Vec<f64> = line.split(',').map(|word| word.parse().unwrap()).collect();
        assert!(numbers.len() == 5 && numbers.iter().all(|number| number.is_finite()));
    }
}

#[test]
fn impossible_sizes_are_refused() {
    let scene = Scene::default();
    let (fields, course) = parts(&scene);
    let shot = Shot { scene: &scene, fields: &fields, course: &course, panels: &[] };
    for side in [0, 95, 100_000] {
        assert!(shot.image(&look(side, false)).unwrap_err().to_string().contains("choose 96 to 2048"));
    }
}
