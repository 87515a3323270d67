//! What the scenes of all kinds are made of.

use super::canvas::{Canvas, Colour, Light, SCENE, mix};
use crate::solver::{Words, cos_sin, exp, ln};

/// Top of the sky, horizon, and the light of sun or moon.
struct Sky([Colour; 3]);

const DAY: Sky = Sky([[58.0, 124.0, 205.0], [188.0, 220.0, 240.0], [255.0, 250.0, 225.0]]);
const CLEAR: Sky = Sky([[30.0, 96.0, 190.0], [150.0, 205.0, 235.0], [255.0, 248.0, 220.0]]);
const DAWN: Sky = Sky([[92.0, 110.0, 170.0], [250.0, 196.0, 170.0], [255.0, 228.0, 190.0]]);
const SUNSET: Sky = Sky([[70.0, 52.0, 120.0], [250.0, 140.0, 72.0], [255.0, 210.0, 120.0]]);
const DUSK: Sky = Sky([[38.0, 36.0, 84.0], [196.0, 96.0, 122.0], [255.0, 190.0, 150.0]]);
const STORM: Sky = Sky([[70.0, 82.0, 96.0], [150.0, 160.0, 168.0], [220.0, 224.0, 226.0]]);
const NIGHT: Sky = Sky([[8.0, 12.0, 38.0], [36.0, 48.0, 92.0], [236.0, 238.0, 220.0]]);
const VIOLET: Sky = Sky([[24.0, 10.0, 54.0], [92.0, 52.0, 120.0], [240.0, 226.0, 250.0]]);

pub(super) const BLACK: Colour = [0.0; 3];
pub(super) const WHITE: Colour = [255.0; 3];
/// What everything turns to where there is little light.
const DARKNESS: Colour = [10.0, 12.0, 34.0];

/// What is in the sky.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Fair,
    /// No sun.
    Storm,
    /// Little light.
    Dim,
}

/// What a kind of scene has for skies.
const SKIES: [&[(Sky, Weather)]; 6] = {
    use Weather::{Dim, Fair, Storm};
    [
        &[(CLEAR, Fair), (DAY, Fair), (SUNSET, Fair), (DUSK, Dim)],
        &[(DAY, Fair), (CLEAR, Fair), (DAWN, Fair), (STORM, Storm)],
        &[(CLEAR, Fair), (DAY, Fair), (DAWN, Fair), (SUNSET, Fair), (DUSK, Dim)],
        // The second one is taken less often.
        &[(NIGHT, Dim), (VIOLET, Dim)],
        &[(DAY, Fair), (CLEAR, Fair), (SUNSET, Fair), (DAWN, Fair), (STORM, Storm)],
        &[(DAY, Fair), (DAWN, Fair), (SUNSET, Fair), (DUSK, Dim), (CLEAR, Fair)],
    ]
};

/// A scene that is being drawn.
pub(super) struct Scene {
    pub canvas: Canvas,
    pub dice: Words,
    /// Colours of the horizon and of the light.
    pub haze: Colour,
    pub light: Colour,
    pub weather: Weather,
    /// Where sky and ground meet.
    pub horizon: f32,
    /// Where the light is, from the left.
    pub sun: f32,
    /// How dark things on the ground are.
    shade: f32,
}

impl Scene {
    /// The sky of a scene of this kind.
    pub fn new(kind: usize, is_night: bool, size: usize, mut dice: Words) -> Self {
        let skies = SKIES[kind % SKIES.len()];
        let chosen = match is_night {
            true => usize::from(!dice.chance(0.7)),
            false => dice.below(skies.len()),
        };
        let (Sky(colours), weather) = &skies[chosen];
        let [top, haze, light] = colours.map(|colour| dice.jitter(colour, 9.0));
        let horizon = SCENE * dice.between(0.52, 0.70);
        let power = dice.between(0.8, 1.5);
        let [sun, height] = [SCENE * dice.between(0.12, 0.88), SCENE * dice.between(0.10, 0.48)];
        let radius = (*weather != Weather::Storm && dice.chance(0.8)).then(|| SCENE * dice.between(0.045, 0.085));
        let shade = match (is_night, weather) {
            (true, _) => 0.62,
            (false, Weather::Dim) => 0.34,
            _ => 0.0,
        };
        let canvas = Canvas::new(size);
        let mut scene = Scene { canvas, dice, haze, light, weather: *weather, horizon, sun, shade };
        scene.sky(top, power, radius.map(|radius| (height, radius, if is_night { 0.25 } else { 0.55 })));
        if is_night {
            scene.stars();
        } else if scene.dice.chance(0.55) {
            let white = mix([250.0, 250.0, 252.0], haze, if *weather == Weather::Dim { 0.6 } else { 0.25 });
            for _ in 0..1 + scene.dice.below(3) {
                scene.cloud(white);
            }
        }
        scene
    }

    /// The gradient, and a disc with its glow: height, radius, strength.
    fn sky(&mut self, top: Colour, power: f32, light: Option<(f32, f32, f32)>) {
        let (haze, horizon, sun) = (self.haze, self.horizon, self.sun);
        let row = |y: f32| {
            let share = if y >= horizon.floor() { 1.0 } else { power_of(y.max(0.0) / (SCENE - 1.0), power) };
            mix(top, haze, share)
        };
        let light = light.map(|(height, radius, strength)| Light::new(self.light, [sun, height], radius, strength));
        self.canvas.sky(row, light.as_ref());
    }

    fn stars(&mut self) {
        for _ in 0..10 + self.dice.below(16) {
            let [x, y] = [self.dice.between(0.0, SCENE), self.dice.between(0.0, self.horizon * 0.85)];
            let radius = self.dice.between(1.2, 3.2);
            self.canvas.ellipse([x - radius, y - radius], [x + radius, y + radius], [235.0, 238.0, 255.0]);
        }
    }

    fn cloud(&mut self, colour: Colour) {
        let [x, y] = [SCENE * self.dice.between(0.05, 0.95), SCENE * self.dice.between(0.10, 0.38)];
        let width = SCENE * self.dice.between(0.16, 0.34);
        for _ in 0..4 + self.dice.below(3) {
            let place = x + self.dice.between(-0.5, 0.5) * width;
            let radius = width * self.dice.between(0.13, 0.26);
            let [across, down] = [1.3 * radius, 0.7 * radius];
            self.canvas.ellipse([place - across, y - radius], [place + across, y + down], colour);
        }
        self.canvas.rectangle([x - width * 0.55, y], [x + width * 0.55, y + width * 0.10], colour);
    }

    /// A colour as it is in this light.
    pub fn lit(&self, colour: Colour) -> Colour {
        mix(colour, DARKNESS, self.shade)
    }

    /// A colour as it is in this light and so far in the haze.
    pub fn far(&self, colour: Colour, share: f32) -> Colour {
        self.lit(mix(colour, self.haze, share))
    }

    /// The line of hills about a height, with hills so high: sines of growing frequency.
    pub fn ridge(&mut self, height: f32, rough: f32, octaves: i32) -> Vec<f32> {
        let mut line = vec![height; self.canvas.places().count()];
        let mut size = rough;
        for octave in 0..octaves {
            let frequency = f64::from(2f32.powi(octave) * self.dice.between(0.7, 1.3)) / f64::from(SCENE - 1.0);
            let start = self.dice.uniform();
            // A sine at equal distances turns by the same angle each time.
            let mut places = self.canvas.places().map(|x| start + frequency * f64::from(x));
            let Some(first) = places.next() else { continue };
            let turn = places.next().map_or(0.0, |second| second - first);
            let [mut cos, mut sin] = cos_sin(first - first.floor());
            let [turn_cos, turn_sin] = cos_sin(turn - turn.floor());
            for value in &mut line {
                *value += size * sin as f32;
                (cos, sin) = (cos * turn_cos - sin * turn_sin, sin * turn_cos + cos * turn_sin);
            }
            size /= 1.75;
        }
        line
    }

    pub fn level(&self, height: f32) -> Vec<f32> {
        vec![height; self.canvas.places().count()]
    }

    pub fn tree(&mut self, [x, y]: [f32; 2], height: f32, colour: Colour, is_pine: bool) {
        let trunk = mix([70.0, 48.0, 32.0], colour, 0.4);
        let canvas = &mut self.canvas;
        canvas.rectangle([x - height * 0.05, y - height * 0.35], [x + height * 0.05, y], trunk);
        let leaf = self.dice.jitter(colour, 10.0);
        if is_pine {
            for storey in [0.0, 1.0, 2.0] {
                let (width, base) = (height * (0.30 - 0.07 * storey), y - height * (0.25 + 0.25 * storey));
                let corners = [[x - width, base], [x + width, base], [x, base - height * 0.38]];
                canvas.polygon(corners, mix(leaf, WHITE, 0.04 * storey));
            }
        } else {
            let radius = height * 0.32;
            canvas.ellipse([x - radius, y - height], [x + radius, y - height * 0.30], leaf);
            let bright = mix(leaf, [255.0, 255.0, 230.0], 0.14);
            let corners = [[x - radius * 0.7, y - height * 0.96], [x + radius * 0.25, y - height * 0.55]];
            canvas.ellipse(corners[0], corners[1], bright);
        }
    }

    /// Some trees between these heights, all of one kind or, where `pines` is a chance, of either.
    pub fn trees(&mut self, most: usize, [left, right]: [f32; 2], [low, high]: [f32; 2], tall: [f32; 2], look: Look) {
        for _ in 0..1 + self.dice.below(most) {
            let place = [SCENE * self.dice.between(left, right), SCENE * self.dice.between(low, high)];
            let height = SCENE * self.dice.between(tall[0], tall[1]);
            let is_pine = self.dice.chance(look.pines);
            self.tree(place, height, look.colour, is_pine);
        }
    }

    pub fn house(&mut self, [x, y]: [f32; 2], width: f32, wall: Colour, roof: Colour, has_light: bool) {
        let height = width * self.dice.between(0.65, 0.95);
        let (half, canvas) = (width / 2.0, &mut self.canvas);
        canvas.rectangle([x - half, y - height], [x + half, y], wall);
        canvas.rectangle([x, y - height], [x + half, y], mix(wall, BLACK, 0.16));
        let (eaves, top) = (width * 0.62, y - height - width * 0.55);
        canvas.polygon([[x - eaves, y - height], [x + eaves, y - height], [x, top]], roof);
        let window = if has_light { [255.0, 222.0, 120.0] } else { [70.0, 90.0, 110.0] };
        canvas.rectangle([x - width * 0.30, y - height * 0.70], [x - width * 0.08, y - height * 0.38], window);
        canvas.rectangle([x + width * 0.10, y - height * 0.45], [x + width * 0.30, y], mix(roof, BLACK, 0.45));
    }
}

/// How trees look.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub colour: Colour,
    /// Chance that one is a pine.
    pub pines: f64,
}

/// xʸ for x from 0 to 1.
fn power_of(x: f32, y: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { exp(f64::from(y) * ln(f64::from(x))) as f32 }
}

/// What a scene asks of chance.
pub(super) trait Dice {
    fn between(&mut self, low: f32, high: f32) -> f32;
    fn chance(&mut self, share: f64) -> bool;
    /// A whole number below this one.
    fn below(&mut self, count: usize) -> usize;
    /// A colour with normal noise of this standard deviation.
    fn jitter(&mut self, colour: Colour, deviation: f32) -> Colour;
}

impl Dice for Words {
    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform() as f32
    }

    fn chance(&mut self, share: f64) -> bool {
        self.uniform() < share
    }

    fn below(&mut self, count: usize) -> usize {
        (self.uniform() * count as f64) as usize
    }

    fn jitter(&mut self, colour: Colour, deviation: f32) -> Colour {
        colour.map(|value| value + deviation * self.normal() as f32)
    }
}
