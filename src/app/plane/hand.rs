//! What the hand does in the picture: tools, and what each changes in the scene.

use crate::plane::{Drawing, Known, Piece, Scene, Shape, Start};
use serde::{Deserialize, Serialize};

/// What a stroke over the picture does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// Looks: where a point leads; a drag moves the picture.
    #[default]
    Look,
    Brush,
    Gaussian,
    Erase,
    /// Starting points of particles.
    Start,
    /// A measurement: a click is a point, a drag a line.
    Measure,
}

impl Tool {
    /// All of them, with their names and what each does.
    pub const ALL: [(Tool, &'static str, &'static str); 6] = [
        (
            Tool::Look,
            "Look",
            "Point at a place to see its score, its denoised estimate and where the flow leads it; drag to move the view (V)",
        ),
        (Tool::Brush, "Brush", "Draw data (B)"),
        (Tool::Gaussian, "Gaussian", "Click to add a Gaussian; drag to set its width (N)"),
        (Tool::Erase, "Erase", "Erase strokes, points and Gaussians (E)"),
        (Tool::Start, "Start", "Click to add starting points of the particles (P)"),
        (Tool::Measure, "Measure", "Click to measure a point; drag to measure a line (M)"),
    ];
}

/// The tool in hand and how it is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hand {
    pub tool: Tool,
    /// Of the brush, in the units of the plane.
    pub width: f64,
    /// The class of what is drawn.
    pub class: usize,
    /// Where the tool was put down, while it is down.
    #[serde(skip)]
    down: Option<[f64; 2]>,
    /// Where the keyboard's cross is.
    #[serde(skip)]
    pub cross: Option<[f64; 2]>,
}

impl Default for Hand {
    fn default() -> Self {
        Hand { tool: Tool::Look, width: 0.15, class: 0, down: None, cross: None }
    }
}

/// Noise of a new measurement.
const NOISE: f64 = 0.1;
/// A drag shorter than this share of the view is a click.
const CLICK: f64 = 0.04;

impl Hand {
    /// Values that no control can show become usual ones.
    pub fn sanitize(&mut self) {
        let usual = Hand::default();
        let [least, most] = Hand::WIDTHS;
        if !(least..=most).contains(&self.width) || self.class >= Drawing::CLASSES {
            *self = usual;
        }
    }

    /// Thinnest and widest brush.
    pub const WIDTHS: [f64; 2] = [0.02, 1.0];

    /// Whether it is down.
    pub fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// Puts the tool down.
    pub fn begin(&mut self, scene: &mut Scene, at: [f64; 2]) {
        self.down = Some(at);
        let (class, width) = (self.class, self.width);
        let room = scene.drawing.pieces.len() < Drawing::MOST_PIECES;
        match self.tool {
            Tool::Brush if room => {
                scene.drawing.pieces.push(piece(Shape::Stroke { points: vec![at], width }, width, class));
            }
            Tool::Gaussian if room => {
                scene.drawing.pieces.push(piece(Shape::Gaussian { at, std: 0.5 * width }, 0.5, class));
            }
            Tool::Erase => erase(&mut scene.drawing, at, 0.5 * width),
            Tool::Start => add_start(scene, at),
            Tool::Measure => scene.known = Some(Known::Point { at, noise: noise_of(scene) }),
            Tool::Look | Tool::Brush | Tool::Gaussian => {}
        }
    }

    /// Moves it while it is down.
    pub fn drag(&mut self, scene: &mut Scene, at: [f64; 2]) {
        let Some(from) = self.down else { return };
        let away = distance(from, at);
        match (self.tool, scene.drawing.pieces.last_mut()) {
            (Tool::Brush, Some(Piece { shape: Shape::Stroke { points, width }, weight, .. })) => {
                let last = points.last().copied().unwrap_or(at);
                if distance(last, at) > 0.12 * *width && points.len() < Drawing::MOST_POINTS {
                    points.push(at);
                    // As much ink for each part of the line.
                    *weight += distance(last, at);
                }
            }
            (Tool::Gaussian, Some(Piece { shape: Shape::Gaussian { std, .. }, .. }))
                if away > CLICK * scene.view.half =>
            {
                *std = away.clamp(Drawing::WIDTHS[0], Drawing::WIDTHS[1]);
            }
            (Tool::Erase, _) => erase(&mut scene.drawing, at, 0.5 * self.width),
            (Tool::Measure, _) if away > CLICK * scene.view.half => measure_line(scene, from, at),
            _ => {}
        }
    }

    /// Lifts it.
    pub fn end(&mut self) {
        self.down = None;
    }
}

fn piece(shape: Shape, weight: f64, class: usize) -> Piece {
    Piece { weight, class, ..Piece::new(shape) }
}

/// The noise of what is known, or the usual one.
fn noise_of(scene: &Scene) -> f64 {
    match scene.known {
        Some(Known::Line { noise, .. } | Known::Point { noise, .. } | Known::HalfPlane { noise, .. }) => noise,
        None => NOISE,
    }
}

/// The line through two points, or where a half-plane is known the one on the left of the way from one to the other.
fn measure_line(scene: &mut Scene, from: [f64; 2], to: [f64; 2]) {
    let direction = [from[1] - to[1], to[0] - from[0]];
    let length = direction[0].hypot(direction[1]);
    let direction = direction.map(|x| x / length);
    let value = direction[0] * from[0] + direction[1] * from[1];
    let noise = noise_of(scene);
    scene.known = Some(match scene.known {
        Some(Known::HalfPlane { .. }) => Known::HalfPlane { direction, value, noise },
        _ => Known::Line { direction, value, noise },
    });
}

fn add_start(scene: &mut Scene, at: [f64; 2]) {
    let std = scene.family.sde().prior_std();
    let place = at.map(|x| x / std);
    match &mut scene.start {
        Start::Points(points) if points.len() < Scene::MOST_PARTICLES => points.push(place),
        start => *start = Start::Points(vec![place]),
    }
}

/// Takes away what is within a radius. Famous sets and pictures stay: they are whole.
fn erase(drawing: &mut Drawing, at: [f64; 2], radius: f64) {
    let is_left = |point: &[f64; 2]| distance(*point, at) > radius;
    let mut left = Vec::with_capacity(drawing.pieces.len());
    for piece in std::mem::take(&mut drawing.pieces) {
        match &piece.shape {
            Shape::Gaussian { at, .. } => left.extend(is_left(at).then_some(piece)),
            Shape::Points { points, std } => {
                let points: Vec<_> = points.iter().copied().filter(is_left).collect();
                let shape = Shape::Points { std: *std, points: points.clone() };
                left.extend((!points.is_empty()).then_some(Piece { shape, ..piece }));
            }
            // What is left of a line on both sides are two lines.
            Shape::Stroke { points, width } => {
                let whole = points.len();
                for part in points.split(|point| !is_left(point)).filter(|part| !part.is_empty()) {
                    let weight = piece.weight * part.len() as f64 / whole as f64;
                    let shape = Shape::Stroke { points: part.to_vec(), width: *width };
                    left.push(Piece { shape, weight: weight.max(Drawing::WEIGHTS[0]), class: piece.class });
                }
            }
            Shape::Ink(_) | Shape::Famous(_) => left.push(piece),
        }
    }
    drawing.pieces = left;
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(tool: Tool) -> (Hand, Scene) {
        let scene = Scene { drawing: Drawing::default(), ..Scene::default() };
        (Hand { tool, ..Hand::default() }, scene)
    }

    fn stroke(hand: &mut Hand, scene: &mut Scene, way: &[[f64; 2]]) {
        hand.begin(scene, way[0]);
        way.iter().for_each(|at| hand.drag(scene, *at));
        hand.end();
    }

    #[test]
    fn a_stroke_is_data_where_it_was_drawn() {
        let (mut hand, mut scene) = with(Tool::Brush);
        stroke(&mut hand, &mut scene, &[[-0.5, 0.2], [0.0, 0.2], [0.5, 0.2]]);
        let [Piece { shape: Shape::Stroke { points, .. }, weight, .. }] = &scene.drawing.pieces[..] else { panic!() };
        assert_eq!((points.len(), points[0], points[2]), (3, [-0.5, 0.2], [0.5, 0.2]));
        assert!((weight - 1.15).abs() < 1e-9, "its length and its own width: {weight}");
        let mean = scene.plane().unwrap().mean();
        assert!(mean[0].abs() < 1e-6 && (mean[1] - 0.2).abs() < 1e-6);
    }

    #[test]
    fn a_drag_sets_the_width_of_a_gaussian_and_a_click_leaves_it() {
        let (mut hand, mut scene) = with(Tool::Gaussian);
        stroke(&mut hand, &mut scene, &[[0.3, 0.3]]);
        stroke(&mut hand, &mut scene, &[[0.0, 0.0], [0.3, 0.4]]);
        let stds: Vec<f64> = scene
            .drawing
            .pieces
            .iter()
            .map(|piece| match piece.shape {
                Shape::Gaussian { std, .. } => std,
                _ => panic!(),
            })
            .collect();
        assert_eq!(stds, [0.075, 0.5]);
    }

    #[test]
    fn the_eraser_parts_a_line_in_two_and_takes_gaussians_whole() {
        let (mut hand, mut scene) = with(Tool::Brush);
        let way: Vec<[f64; 2]> = (0..=20).map(|k| [0.1 * f64::from(k) - 1.0, 0.0]).collect();
        stroke(&mut hand, &mut scene, &way);
        hand.tool = Tool::Gaussian;
        stroke(&mut hand, &mut scene, &[[0.0, 0.05]]);
        (hand.tool, hand.width) = (Tool::Erase, 0.5);
        stroke(&mut hand, &mut scene, &[[0.0, 0.0]]);
        let reaches: Vec<[f64; 2]> = scene
            .drawing
            .pieces
            .iter()
            .map(|piece| match &piece.shape {
                Shape::Stroke { points, .. } => [points[0][0], points[points.len() - 1][0]],
                other => panic!("{other:?}"),
            })
            .collect();
        let [[a, b], [c, d]] = reaches[..] else { panic!("{reaches:?}") };
        assert!((a, d) == (-1.0, 1.0) && (b + 0.3).abs() < 1e-9 && (c - 0.3).abs() < 1e-9, "{reaches:?}");
    }

    #[test]
    fn a_click_measures_a_point_and_a_drag_the_line_through_both_ends() {
        let (mut hand, mut scene) = with(Tool::Measure);
        stroke(&mut hand, &mut scene, &[[0.2, 0.1]]);
        assert_eq!(scene.known, Some(Known::Point { at: [0.2, 0.1], noise: NOISE }));
        stroke(&mut hand, &mut scene, &[[0.0, 0.5], [1.0, 0.5]]);
        assert_eq!(scene.known, Some(Known::Line { direction: [0.0, 1.0], value: 0.5, noise: NOISE }));
    }

    #[test]
    fn starting_points_are_where_they_were_set_whatever_the_prior() {
        for kind in crate::sde::FamilyKind::ALL {
            let (mut hand, mut scene) = with(Tool::Start);
            scene.family = kind.published();
            scene.drawing = Scene::default().drawing;
            stroke(&mut hand, &mut scene, &[[0.4, -0.8]]);
            let plane = scene.plane().unwrap();
            let starts = scene.starts(&plane, &scene.panes[0]).unwrap();
            assert!((starts[0][0] - 0.4).abs() < 1e-5 && (starts[0][1] + 0.8).abs() < 1e-5, "{kind}: {starts:?}");
        }
    }
}
