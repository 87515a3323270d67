//! A canvas on which shapes have hard edges, finer than the picture that it is averaged down to.

use crate::solver::exp;

/// Red, green, blue from 0 to 255.
pub(super) type Colour = [f32; 3];

/// Width and height of a scene in its own units.
pub(super) const SCENE: f32 = 256.0;
/// Rows and columns of the canvas for each pixel.
const FINER: usize = 4;
/// Depth at which the ground has its lower colour.
const DEEP: f32 = 0.35 * SCENE;
/// Colours of a gradient.
const SHADES: usize = 256;

/// A corner, or the place of a pixel: x and y in units of the scene.
pub(super) type Point = [f32; 2];

/// Pixels of a scene. Shapes cover the units of the scene that their outlines touch, as in drawing programs.
pub(super) struct Canvas {
    side: usize,
    /// Of the scene, for each pixel of the canvas.
    unit: f32,
    pixels: Vec<[u8; 4]>,
    /// How much of each pixel of a row a shape covers.
    coverage: Vec<f32>,
}

impl Canvas {
    /// For a picture of `size` pixels.
    pub fn new(size: usize) -> Self {
        let side = FINER * size.max(1);
        Canvas { side, unit: SCENE / side as f32, pixels: vec![[0; 4]; side * side], coverage: vec![0.0; side] }
    }

    /// Where the middle of each column or row lies.
    pub fn places(&self) -> impl Iterator<Item = f32> + use<> {
        let unit = self.unit;
        (0..self.side).map(move |index| (index as f32 + 0.5) * unit - 0.5)
    }

    fn rows(&mut self) -> impl Iterator<Item = (f32, &mut [[u8; 4]])> {
        let places = self.places();
        places.zip(self.pixels.chunks_exact_mut(self.side))
    }

    /// Paints every pixel: `row` gives the colour of a row, over which a light is laid.
    pub fn sky(&mut self, row: impl Fn(f32) -> Colour, light: Option<&Light>) {
        let across: Vec<f32> = match light {
            Some(light) => self.places().map(|x| (x - light.place[0]) * (x - light.place[0])).collect(),
            None => Vec::new(),
        };
        let mut steps = vec![0.0; across.len()];
        for (y, pixels) in self.rows() {
            let colour = row(y);
            let Some(light) = light.filter(|light| (y - light.place[1]).abs() < light.reach()) else {
                pixels.fill(floor(colour));
                continue;
            };
            let down = (y - light.place[1]) * (y - light.place[1]);
            // Roots by themselves, so that several are taken at once.
            for (step, across) in steps.iter_mut().zip(&across) {
                *step = (across + down).sqrt() * Light::FINE + 0.5;
            }
            for (pixel, step) in pixels.iter_mut().zip(&steps) {
                *pixel = floor(mix(colour, light.colour, light.at(*step)));
            }
        }
    }

    /// Lays a colour over the rows below a place, by a share: the reflection is `centre` and `width` of a row.
    pub fn reflect(&mut self, below: f32, colour: Colour, strip: impl Fn(f32) -> Point) {
        let unit = self.unit;
        for (y, pixels) in self.rows().skip_while(|(y, _)| *y <= below) {
            let [centre, width] = strip(y);
            let [first, end] = [centre - width, centre + width].map(|x| ((x + 0.5) / unit).max(0.0) as usize);
            let columns = pixels.iter_mut().enumerate().take(end + 1).skip(first);
            for (column, pixel) in columns {
                let x = (column as f32 + 0.5) * unit - 0.5;
                let share = (1.0 - (x - centre).abs() / width).clamp(0.0, 1.0) * 0.5;
                *pixel = floor(mix(colour_of(*pixel), colour, share));
            }
        }
    }

    /// Fills what lies below a line, given at the columns' places, from one colour to another as it gets deeper.
    pub fn ground(&mut self, line: &[f32], [top, bottom]: [Colour; 2]) {
        let shades: [[u8; 4]; SHADES] =
            std::array::from_fn(|shade| floor(mix(top, bottom, shade as f32 / (SHADES - 1) as f32)));
        let step = (SHADES - 1) as f32 / DEEP;
        let highest = line.iter().copied().fold(f32::MAX, f32::min);
        for (y, pixels) in self.rows().skip_while(|(y, _)| *y < highest) {
            for (pixel, line) in pixels.iter_mut().zip(line) {
                let depth = y - line;
                if depth >= 0.0 {
                    *pixel = shades[((depth * step) as usize).min(SHADES - 1)];
                }
            }
        }
    }

    /// Lays snow between a line and another.
    pub fn snow(&mut self, line: &[f32], end: &[f32], colour: Colour) {
        let lowest = end.iter().copied().fold(0.0, f32::max);
        for (y, pixels) in self.rows().take_while(|(y, _)| *y < lowest) {
            for ((pixel, line), end) in pixels.iter_mut().zip(line).zip(end) {
                if y >= *line && y < *end {
                    *pixel = floor(mix(colour_of(*pixel), colour, 0.85));
                }
            }
        }
    }

    /// A rectangle from its left upper to its right lower corner.
    pub fn rectangle(&mut self, [left, top]: Point, [right, bottom]: Point, colour: Colour) {
        let [left, right] = [left.floor(), right.floor() + 1.0];
        self.shape([top.floor(), bottom.floor() + 1.0], colour, |_| Some([left, right]));
    }

    /// A rectangle with round corners.
    pub fn rounded(&mut self, [left, top]: Point, [right, bottom]: Point, radius: f32, colour: Colour) {
        let [left, top, right, bottom] = [left.floor(), top.floor(), right.floor() + 1.0, bottom.floor() + 1.0];
        self.shape([top, bottom], colour, |y| {
            let beyond = (top + radius - y).max(y - (bottom - radius)).max(0.0);
            let inset = radius - (radius * radius - beyond * beyond).max(0.0).sqrt();
            Some([left + inset, right - inset])
        });
    }

    /// The ellipse inside a rectangle.
    pub fn ellipse(&mut self, [left, top]: Point, [right, bottom]: Point, colour: Colour) {
        let [left, top, right, bottom] = [left.floor(), top.floor(), right.floor() + 1.0, bottom.floor() + 1.0];
        let [centre, half] = [(left + right) / 2.0, (right - left) / 2.0];
        self.shape([top, bottom], colour, |y| {
            let height = (2.0 * y - top - bottom) / (bottom - top);
            let width = half * (1.0 - height * height).max(0.0).sqrt();
            Some([centre - width, centre + width])
        });
    }

    /// A convex polygon.
    pub fn polygon<const N: usize>(&mut self, corners: [Point; N], colour: Colour) {
        let corners = corners.map(|corner| corner.map(|place| place.floor() + 0.5));
        let low = corners.iter().fold(f32::MAX, |low, [_, y]| low.min(*y));
        let high = corners.iter().fold(f32::MIN, |high, [_, y]| high.max(*y));
        self.shape([low - 0.5, high + 0.5], colour, |y| {
            let y = y.clamp(low, high);
            let mut span: Option<Point> = None;
            for (index, [x, own]) in corners.iter().enumerate() {
                let [next_x, next] = corners[(index + 1) % N];
                if (y < own.min(next)) || y > own.max(next) {
                    continue;
                }
                let x = if next == *own { *x } else { x + (next_x - x) * (y - own) / (next - own) };
                span = Some(span.map_or([x, x], |[left, right]| [left.min(x), right.max(x)]));
            }
            span.map(|[left, right]| [left - 0.5, right + 0.5])
        });
    }

    /// A shape between two rows whose left and right end at a place `span` gives.
    fn shape(&mut self, [top, bottom]: [f32; 2], colour: Colour, span: impl Fn(f32) -> Option<Point>) {
        let (side, unit) = (self.side, self.unit);
        let lines = (unit.round() as usize).max(1);
        let share = 1.0 / lines as f32;
        let first = (top / unit).max(0.0) as usize;
        let last = ((bottom / unit).ceil().max(0.0) as usize).min(side);
        for row in first..last {
            let (mut from, mut to) = (side, 0);
            for line in 0..lines {
                let y = (row as f32 + (line as f32 + 0.5) * share) * unit;
                let Some([left, right]) = Some(y).filter(|y| (top..bottom).contains(y)).and_then(&span) else {
                    continue;
                };
                let [left, right] = [left, right].map(|x| (x / unit).clamp(0.0, side as f32));
                let [start, end] = [left as usize, (right.ceil() as usize).min(side)];
                from = from.min(start);
                to = to.max(end);
                for (column, cover) in self.coverage.iter_mut().enumerate().take(end).skip(start) {
                    let column = column as f32;
                    *cover += share * (right.min(column + 1.0) - left.max(column)).max(0.0);
                }
            }
            let whole = round(colour);
            let pixels = self.pixels[row * side..].iter_mut().zip(&mut self.coverage).take(to).skip(from);
            for (pixel, cover) in pixels {
                *pixel = if *cover > 0.999 { whole } else { round(mix(colour_of(*pixel), colour, *cover)) };
                *cover = 0.0;
            }
        }
    }

    /// The mean over each pixel, as three planes, mirrored if it is to be.
    pub fn average(&self, mirrored: bool, levels: &mut [u8]) {
        let size = self.side / FINER;
        // Sums of red and blue in one number and of green in another: no sum of sixteen takes more than twelve bits.
        let mut sums = vec![[0u32; 2]; size];
        for (y, rows) in self.pixels.chunks_exact(FINER * self.side).enumerate() {
            sums.fill([0; 2]);
            for row in rows.chunks_exact(self.side) {
                for (sum, pixels) in sums.iter_mut().zip(row.chunks_exact(FINER)) {
                    for pixel in pixels {
                        let pixel = u32::from_le_bytes(*pixel);
                        sum[0] += pixel & 0x00ff_00ff;
                        sum[1] += pixel >> 8 & 0xff;
                    }
                }
            }
            const COUNT: u32 = (FINER * FINER) as u32;
            for (x, [both, green]) in sums.iter().enumerate() {
                let x = if mirrored { size - 1 - x } else { x };
                for (channel, sum) in [both & 0xffff, *green, both >> 16].into_iter().enumerate() {
                    if let Some(level) = levels.get_mut((channel * size + y) * size + x) {
                        *level = ((sum + COUNT / 2) / COUNT) as u8;
                    }
                }
            }
        }
    }
}

/// A disc, and the glow about it.
pub(super) struct Light {
    pub colour: Colour,
    pub place: Point,
    /// How much of it is seen at a distance, by steps, until it is as good as nothing.
    shares: Vec<f32>,
}

impl Light {
    /// Steps for each unit of the scene.
    const FINE: f32 = 4.0;
    /// What is left of a colour is less than half a level.
    const NOTHING: f32 = 0.002;

    pub fn new(colour: Colour, place: Point, radius: f32, strength: f32) -> Self {
        // exp(−d/1.6r) at equal distances is a product of equal factors.
        let factor = exp(-1.0 / f64::from(Self::FINE * 1.6 * radius)) as f32;
        let (mut share, mut shares) = (strength, Vec::new());
        while share > Self::NOTHING {
            let distance = shares.len() as f32 / Self::FINE;
            let disc = (radius - distance + 0.5).clamp(0.0, 1.0);
            shares.push(1.0 - (1.0 - share) * (1.0 - disc));
            if distance >= radius {
                share *= factor;
            }
        }
        Light { colour, place, shares }
    }

    fn reach(&self) -> f32 {
        self.shares.len() as f32 / Self::FINE
    }

    /// What is seen so many steps away.
    fn at(&self, step: f32) -> f32 {
        self.shares.get(step as usize).copied().unwrap_or(0.0)
    }
}

/// A colour between two.
pub(super) fn mix(from: Colour, to: Colour, share: f32) -> Colour {
    std::array::from_fn(|channel| from[channel] + (to[channel] - from[channel]) * share)
}

fn colour_of([red, green, blue, _]: [u8; 4]) -> Colour {
    [red, green, blue].map(f32::from)
}

fn floor([red, green, blue]: Colour) -> [u8; 4] {
    [red as u8, green as u8, blue as u8, 0]
}

fn round(colour: Colour) -> [u8; 4] {
    floor(colour.map(|value| value + 0.5))
}
