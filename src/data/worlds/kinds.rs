//! The six kinds of scenes: what lies below the sky.

use super::canvas::{Colour, SCENE, mix};
use super::scene::{BLACK, Dice, Look, Scene, WHITE, Weather};

/// A kind's name, and how it is drawn.
pub(super) type Kind = (&'static str, fn(&mut Scene));

/// In the order of their names, as folders of classes are.
pub(super) const ALL: [Kind; 6] = [
    ("desert", desert),
    ("forest", forest),
    ("mountains", mountains),
    (NIGHT, night),
    ("sea", sea),
    ("village", village),
];
pub(super) const NIGHT: &str = "night";

fn sea(scene: &mut Scene) {
    let horizon = scene.horizon;
    if scene.dice.chance(0.5) {
        let height = horizon - SCENE * scene.dice.between(0.02, 0.10);
        let line = scene.ridge(height, SCENE * 0.03, 5);
        let coast = [0.45, 0.6].map(|share| mix([70.0, 96.0, 110.0], scene.haze, share));
        scene.canvas.ground(&line, coast);
    }
    let water = scene.dice.jitter([36.0, 104.0, 150.0], 16.0);
    let water = scene.lit(water);
    let line = scene.level(horizon);
    scene.canvas.ground(&line, [mix(water, scene.haze, 0.45), mix(water, [6.0, 24.0, 50.0], 0.45)]);
    if scene.weather != Weather::Storm {
        let sun = scene.sun;
        scene.canvas.reflect(horizon, scene.light, |y| {
            let [_, sin] = turn(y * 0.35);
            [sun - 5.0 * sin, (SCENE * 0.03 + (y - horizon) * 0.16).max(1.0)]
        });
    }
    if scene.dice.chance(0.7) {
        boat(scene);
    } else if scene.dice.chance(0.6) {
        let [x, width] = [SCENE * scene.dice.between(0.25, 0.75), SCENE * scene.dice.between(0.12, 0.24)];
        let sand = scene.lit([222.0, 196.0, 140.0]);
        scene.canvas.ellipse([x - width, horizon - width * 0.22], [x + width, horizon + width * 0.26], sand);
        let leaf = scene.lit([50.0, 120.0, 60.0]);
        scene.tree([x, horizon], width * 1.5, leaf, false);
    }
}

fn boat(scene: &mut Scene) {
    let x = SCENE * scene.dice.between(0.2, 0.8);
    let y = scene.horizon + SCENE * scene.dice.between(0.04, 0.16);
    let height = SCENE * scene.dice.between(0.14, 0.26);
    let sail = scene.dice.jitter([246.0, 240.0, 226.0], 6.0);
    let hull = scene.dice.jitter([130.0, 50.0, 40.0], 20.0);
    let hull = scene.lit(hull);
    let at = |across: f32, up: f32| [x + height * across, y - height * up];
    scene.canvas.polygon([at(0.0, 1.0), at(0.0, 0.12), at(0.55, 0.12)], sail);
    scene.canvas.polygon([at(-0.06, 0.85), at(-0.06, 0.12), at(-0.4, 0.12)], mix(sail, BLACK, 0.12));
    scene.canvas.polygon([at(-0.5, 0.06), at(0.62, 0.06), at(0.40, -0.10), at(-0.34, -0.10)], hull);
}

fn mountains(scene: &mut Scene) {
    let (horizon, rock) = (scene.horizon, scene.dice.jitter([96.0, 92.0, 112.0], 16.0));
    for range in 0..2 + scene.dice.below(2) {
        let far = range as f32;
        let line = scene.ridge(horizon - SCENE * (0.16 - 0.07 * far), SCENE * (0.13 - 0.025 * far), 5);
        let haze = 0.55 - 0.2 * far;
        let colours = [rock, mix(rock, [50.0, 70.0, 60.0], 0.5)].map(|colour| scene.far(colour, haze));
        scene.canvas.ground(&line, colours);
        if range == 0 && scene.dice.chance(0.8) {
            let snow = scene.lit(mix([250.0, 252.0, 255.0], scene.light, 0.25));
            let end: Vec<f32> = line.iter().map(|line| line + (horizon - SCENE * 0.14 - line).max(0.0) * 0.8).collect();
            scene.canvas.snow(&line, &end, snow);
        }
    }
    let ground = scene.dice.jitter([86.0, 128.0, 70.0], 16.0);
    let ground = scene.lit(ground);
    let height = SCENE * scene.dice.between(0.78, 0.86);
    let line = scene.ridge(height, SCENE * 0.02, 5);
    scene.canvas.ground(&line, [ground, mix(ground, [10.0, 20.0, 10.0], 0.4)]);
    if scene.dice.chance(0.6) {
        let look = Look { colour: scene.lit([36.0, 84.0, 56.0]), pines: 1.0 };
        scene.trees(4, [0.05, 0.95], [0.86, 0.96], [0.12, 0.20], look);
    }
}

fn forest(scene: &mut Scene) {
    let far = scene.far([70.0, 120.0, 84.0], 0.5);
    let line = scene.ridge(scene.horizon - SCENE * 0.05, SCENE * 0.05, 5);
    scene.canvas.ground(&line, [far, far]);
    let ground = scene.dice.jitter([96.0, 150.0, 74.0], 16.0);
    let ground = scene.lit(ground);
    let line = scene.ridge(SCENE * 0.70, SCENE * 0.03, 5);
    scene.canvas.ground(&line, [ground, mix(ground, [10.0, 30.0, 10.0], 0.45)]);
    let (pines, count) = (scene.dice.chance(0.5), 5 + scene.dice.below(6));
    let leaf: Colour = if scene.dice.chance(0.25) { [176.0, 96.0, 36.0] } else { [38.0, 100.0, 52.0] };
    let mut places: Vec<f32> = (0..count).map(|_| scene.dice.between(0.70, 0.97)).collect();
    places.sort_by(f32::total_cmp);
    let leaf = scene.dice.jitter(leaf, 16.0);
    for place in places {
        let x = SCENE * scene.dice.between(0.0, 1.0);
        let colour = scene.far(leaf, (0.35 - (place - 0.7) * 1.4).max(0.0));
        scene.tree([x, SCENE * place], SCENE * (0.16 + 0.9 * (place - 0.68)), colour, pines);
    }
}

fn desert(scene: &mut Scene) {
    let (horizon, sand) = (scene.horizon, scene.dice.jitter([226.0, 176.0, 104.0], 14.0));
    if scene.dice.chance(0.5) {
        mesa(scene);
    } else if scene.dice.chance(0.6) {
        for _ in 0..1 + scene.dice.below(3) {
            pyramid(scene);
        }
    }
    for dune in [0.0, 1.0, 2.0] {
        let line = scene.ridge(horizon + SCENE * (0.02 + 0.12 * dune), SCENE * 0.035, 3);
        let colours = [([150.0, 90.0, 50.0], 0.10 * dune), ([120.0, 66.0, 40.0], 0.35 + 0.1 * dune)];
        scene.canvas.ground(&line, colours.map(|(colour, share)| scene.lit(mix(sand, colour, share))));
    }
    if scene.dice.chance(0.65) {
        for _ in 0..1 + scene.dice.below(2) {
            cactus(scene);
        }
    }
}

fn mesa(scene: &mut Scene) {
    let x = SCENE * scene.dice.between(0.2, 0.8);
    let [width, height] = [SCENE * scene.dice.between(0.16, 0.30), SCENE * scene.dice.between(0.16, 0.28)];
    let rock = scene.dice.jitter([176.0, 92.0, 60.0], 12.0);
    let rock = scene.far(rock, 0.15);
    let [top, foot] = [scene.horizon - height, scene.horizon + 8.0];
    let corner = [x + width * 0.55, top];
    scene.canvas.polygon([[x - width, foot], [x - width * 0.6, top], corner, [x + width, foot]], rock);
    let shadow = mix(rock, [40.0, 10.0, 20.0], 0.25);
    let corners = [[x + width * 0.1, foot], [x + width * 0.2, top], corner, [x + width, foot]];
    scene.canvas.polygon(corners, shadow);
}

fn pyramid(scene: &mut Scene) {
    let [x, height] = [SCENE * scene.dice.between(0.1, 0.9), SCENE * scene.dice.between(0.12, 0.30)];
    let stone = scene.dice.jitter([214.0, 172.0, 110.0], 8.0);
    let stone = scene.far(stone, 0.1);
    let ([top, foot], canvas) = ([scene.horizon - height, scene.horizon + 6.0], &mut scene.canvas);
    canvas.polygon([[x - height, foot], [x, top], [x + height, foot]], stone);
    let shadow = mix(stone, [60.0, 30.0, 20.0], 0.35);
    canvas.polygon([[x, top], [x + height, foot], [x + height * 0.25, foot]], shadow);
}

fn cactus(scene: &mut Scene) {
    let [x, y] = [SCENE * scene.dice.between(0.1, 0.9), SCENE * scene.dice.between(0.80, 0.94)];
    let height = SCENE * scene.dice.between(0.16, 0.26);
    let green = scene.dice.jitter([54.0, 112.0, 64.0], 8.0);
    let green = scene.lit(green);
    let at = |across: f32, up: f32| [x + height * across, y - height * up];
    let canvas = &mut scene.canvas;
    canvas.rounded(at(-0.10, 1.0), at(0.10, 0.0), height * 0.10, green);
    canvas.rounded(at(-0.38, 0.72), at(-0.22, 0.38), height * 0.07, green);
    canvas.rectangle(at(-0.34, 0.46), at(0.0, 0.34), green);
    canvas.rounded(at(0.22, 0.82), at(0.38, 0.46), height * 0.07, green);
    canvas.rectangle(at(0.0, 0.56), at(0.34, 0.44), green);
}

fn village(scene: &mut Scene) {
    const WALLS: [Colour; 3] = [[240.0, 230.0, 206.0], [224.0, 196.0, 160.0], [200.0, 210.0, 222.0]];
    const ROOFS: [Colour; 3] = [[176.0, 60.0, 44.0], [92.0, 70.0, 80.0], [60.0, 96.0, 120.0]];
    let far = scene.far([92.0, 130.0, 96.0], 0.45);
    let line = scene.ridge(scene.horizon - SCENE * 0.04, SCENE * 0.06, 5);
    scene.canvas.ground(&line, [far, far]);
    let ground = scene.dice.jitter([112.0, 158.0, 80.0], 16.0);
    let ground = scene.lit(ground);
    let height = SCENE * scene.dice.between(0.70, 0.76);
    let line = scene.ridge(height, SCENE * 0.035, 3);
    scene.canvas.ground(&line, [ground, mix(ground, [20.0, 40.0, 10.0], 0.4)]);
    let count = 1 + scene.dice.below(3);
    let mut places: Vec<f32> = (0..count).map(|_| scene.dice.between(0.14, 0.86)).collect();
    places.sort_by(f32::total_cmp);
    for place in places {
        let width = SCENE * scene.dice.between(0.15, 0.26);
        let hill = line.get((place * line.len() as f32) as usize).copied().unwrap_or(height);
        let foot = hill + SCENE * scene.dice.between(0.06, 0.16);
        let wall = WALLS[scene.dice.below(WALLS.len())];
        let wall = scene.dice.jitter(wall, 8.0);
        let roof = ROOFS[scene.dice.below(ROOFS.len())];
        let roof = scene.dice.jitter(roof, 10.0);
        let (wall, roof) = (scene.lit(wall), scene.lit(roof));
        scene.house([SCENE * place, foot], width, wall, roof, scene.weather == Weather::Dim);
    }
    if scene.dice.chance(0.6) {
        let look = Look { colour: scene.lit([46.0, 108.0, 54.0]), pines: 0.4 };
        scene.trees(3, [0.03, 0.97], [0.84, 0.96], [0.16, 0.26], look);
    }
    if scene.dice.chance(0.25) {
        balloon(scene);
    }
}

fn balloon(scene: &mut Scene) {
    let [x, y] = [SCENE * scene.dice.between(0.15, 0.85), SCENE * scene.dice.between(0.16, 0.34)];
    let radius = SCENE * scene.dice.between(0.06, 0.10);
    let colour = scene.dice.jitter([220.0, 60.0, 60.0], 40.0);
    let at = |across: f32, down: f32| [x + radius * across, y + radius * down];
    scene.canvas.ellipse(at(-1.0, -1.0), at(1.0, 1.0), colour);
    scene.canvas.ellipse(at(-0.4, -1.0), at(0.4, 1.0), mix(colour, WHITE, 0.6));
    scene.canvas.rectangle(at(-0.25, 1.25), at(0.25, 1.65), [110.0, 76.0, 48.0]);
}

/// A skyline, or hills with a light.
fn night(scene: &mut Scene) {
    if scene.dice.chance(0.6) {
        let dark = scene.dice.jitter([22.0, 26.0, 50.0], 6.0);
        return [0.0, 1.0].into_iter().for_each(|layer| skyline(scene, dark, layer));
    }
    for hill in [0.0, 1.0] {
        let line = scene.ridge(scene.horizon + SCENE * (0.02 + 0.12 * hill), SCENE * 0.06, 5);
        let colours = [scene.far([40.0, 56.0, 84.0], 0.3 - 0.2 * hill), scene.lit([16.0, 22.0, 40.0])];
        scene.canvas.ground(&line, colours);
    }
    let place = [SCENE * scene.dice.between(0.2, 0.8), SCENE * scene.dice.between(0.84, 0.93)];
    let width = SCENE * scene.dice.between(0.14, 0.22);
    scene.house(place, width, [46.0, 46.0, 66.0], [26.0, 24.0, 40.0], true);
    if scene.dice.chance(0.6) {
        let look = Look { colour: [14.0, 26.0, 32.0], pines: 1.0 };
        scene.trees(4, [0.03, 0.97], [0.86, 0.97], [0.16, 0.26], look);
    }
}

/// A row of houses with lit windows, the nearer one lower.
fn skyline(scene: &mut Scene, dark: Colour, layer: f32) {
    let wall = mix(dark, scene.haze, 0.35 * (1.0 - layer));
    let window = mix([255.0, 214.0, 120.0], wall, 0.15 + 0.35 * (1.0 - layer));
    let mut x = -SCENE * 0.05;
    while x < SCENE {
        let width = SCENE * scene.dice.between(0.08, 0.17);
        let height = SCENE * scene.dice.between(0.12, 0.42) * (1.0 - 0.25 * layer);
        let top = scene.horizon + SCENE * 0.10 * layer - height;
        scene.canvas.rectangle([x, top], [x + width, SCENE], wall);
        let mut y = top + 8.0;
        while y < SCENE * 0.96 {
            let mut left = x + 6.0;
            while left < x + width - 8.0 {
                if scene.dice.chance(0.38) {
                    scene.canvas.rectangle([left, y], [left + 6.0, y + 8.0], window);
                }
                left += 14.0;
            }
            y += 18.0;
        }
        x += width * scene.dice.between(0.9, 1.15);
    }
}

/// cos and sin of an angle in radians.
fn turn(angle: f32) -> [f32; 2] {
    let turns = f64::from(angle) / std::f64::consts::TAU;
    crate::solver::cos_sin(turns - turns.floor()).map(|value| value as f32)
}
