//! Distance against cost, as a vector graphic or an image.

use super::{Cell, CellResult, CompareError, Results, published};
use plotters::coord::Shift;
use plotters::coord::combinators::{BindKeyPoints, LogCoord, WithKeyPoints};
use plotters::prelude::*;
use plotters::style::register_font;
use std::ops::Range;

/// The bytes of a font, with which texts are measured and drawn.
#[derive(Clone, Copy)]
pub struct Font(pub &'static [u8]);

/// What a sample costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// In score evaluations.
    Evaluations,
    /// In seconds.
    Seconds,
}

/// What a chart shows.
#[derive(Clone, Copy)]
pub struct Chart<'a> {
    pub results: &'a Results,
    pub cost: Cost,
    /// Show what others published, as a layer of its own.
    pub published: bool,
    pub font: Font,
}

/// Width and height, in pixels.
const SIZE: (u32, u32) = (1000, 620);
const FAMILY: &str = "sans-serif";
const INK: RGBColor = RGBColor(60, 60, 70);
const BEST: RGBColor = RGBColor(200, 70, 20);
/// Of samplers, in turn.
const COLOURS: [RGBColor; 10] = [
    RGBColor(30, 100, 200),
    RGBColor(200, 40, 60),
    RGBColor(30, 140, 60),
    RGBColor(130, 70, 180),
    RGBColor(190, 110, 0),
    RGBColor(0, 140, 160),
    RGBColor(200, 60, 150),
    RGBColor(110, 120, 20),
    RGBColor(120, 70, 50),
    RGBColor(70, 80, 110),
];
const OTHERS: RGBColor = RGBColor(140, 140, 140);

type Axis = WithKeyPoints<LogCoord<f64>>;
type Plane = Cartesian2d<Axis, Axis>;

impl Cost {
    /// Of one sample.
    pub fn of(self, cell: &CellResult) -> f64 {
        match self {
            Cost::Evaluations => cell.evaluations,
            Cost::Seconds => cell.seconds,
        }
    }

    fn is_best(self, cell: &CellResult) -> bool {
        match self {
            Cost::Evaluations => cell.best_by_evaluations,
            Cost::Seconds => cell.best_by_seconds,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Cost::Evaluations => "score evaluations of each sample",
            Cost::Seconds => "seconds of computing of each sample",
        }
    }
}

/// A measured dot.
#[derive(Clone, Copy)]
struct Dot<'a> {
    at: (f64, f64),
    interval: Option<[f64; 2]>,
    best: bool,
    name: &'a str,
}

/// The dots of one sampler, by their cost.
struct Line<'a> {
    name: String,
    dots: Vec<Dot<'a>>,
}

impl<'a> Line<'a> {
    fn of(mut dots: Vec<Dot<'a>>) -> Line<'a> {
        dots.sort_by(|a, b| a.at.0.total_cmp(&b.at.0));
        let names: Vec<&str> = dots.iter().map(|dot| dot.name).collect();
        Line { name: common_name(&names), dots }
    }

    /// Where its name stands.
    fn end(&self) -> (f64, f64) {
        self.dots.last().map_or((1.0, 1.0), |dot| dot.at)
    }
}

/// Whether two cells are one sampler that takes more or fewer steps.
fn is_one_sampler(a: &Cell, b: &Cell) -> bool {
    let all_but_steps =
        |of: &Cell| Cell { name: String::new(), summary: String::new(), tags: Vec::new(), ..of.clone() };
    all_but_steps(a) == Cell { steps: a.steps, ..all_but_steps(b) }
}

/// The words that all these names have in one place, or the last name.
fn common_name(names: &[&str]) -> String {
    let Some((first, rest)) = names.split_first() else { return String::new() };
    let shared = |place: usize, word: &str| rest.iter().all(|name| name.split(' ').nth(place) == Some(word));
    let words = first.split(' ').enumerate().filter(|(place, word)| shared(*place, word));
    let words: Vec<&str> = words.map(|(_, word)| word).collect();
    if words.is_empty() { names.last().copied().unwrap_or_default().to_owned() } else { words.join(" ") }
}

impl Chart<'_> {
    /// What can be drawn on logarithmic axes, sampler by sampler: those with the highest ends first.
    fn lines(&self) -> Vec<Line<'_>> {
        let mut samplers: Vec<(Option<&Cell>, Vec<Dot<'_>>)> = Vec::new();
        for result in &self.results.cells {
            let Some(dot) = self.dot(result) else { continue };
            let cell = self.results.comparison.cells.iter().find(|cell| cell.name == result.name);
            let alike = |known: &Option<&Cell>| known.zip(cell).is_some_and(|(a, b)| is_one_sampler(a, b));
            match samplers.iter_mut().find(|(known, _)| alike(known)) {
                Some((_, dots)) => dots.push(dot),
                None => samplers.push((cell, vec![dot])),
            }
        }
        let mut lines: Vec<Line<'_>> = samplers.into_iter().map(|(_, dots)| Line::of(dots)).collect();
        lines.sort_by(|a, b| b.end().1.total_cmp(&a.end().1));
        lines
    }

    fn dot<'a>(&self, cell: &'a CellResult) -> Option<Dot<'a>> {
        let figure = cell.distance.filter(|figure| figure.value > 0.0)?;
        let cost = Some(self.cost.of(cell)).filter(|&cost| cost > 0.0)?;
        let best = self.cost.is_best(cell);
        Some(Dot { at: (cost, figure.value), interval: figure.interval, best, name: &cell.name })
    }

    fn draw<Backend: DrawingBackend>(&self, area: &DrawingArea<Backend, Shift>) -> Result<(), CompareError>
    where
        Backend::ErrorType: 'static,
    {
        let failed = |error: DrawingAreaErrorKind<Backend::ErrorType>| CompareError::Chart(error.to_string());
        register_font(FAMILY, FontStyle::Normal, self.font.0)
            .map_err(|_| CompareError::Chart("the font is damaged".into()))?;
        area.fill(&WHITE).map_err(failed)?;
        let lines = self.lines();
        let dots: Vec<Dot<'_>> = lines.iter().flat_map(|line| line.dots.iter().copied()).collect();
        let others: Vec<(f64, f64)> = match self.published && self.cost == Cost::Evaluations {
            true => published().iter().map(|figure| (figure.evaluations, figure.fid)).collect(),
            false => Vec::new(),
        };
        let of_dots = dots
            .iter()
            .flat_map(|dot| [Some(dot.at.1), dot.interval.map(|[low, _]| low), dot.interval.map(|[_, high]| high)]);
        let across = spread(dots.iter().map(|dot| dot.at.0).chain(others.iter().map(|other| other.0)));
        let up = spread(of_dots.flatten().chain(others.iter().map(|other| other.1)));
        let mut chart = ChartBuilder::on(area)
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(66)
            .build_cartesian_2d(axis(across), axis(up))
            .map_err(failed)?;
        let text = |size: i32| (FAMILY, size).into_font().color(&INK);
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(228, 228, 232))
            .axis_style(INK)
            .x_desc(self.cost.title())
            .y_desc(self.results.metric.as_str())
            .x_label_formatter(&|value| plain(*value))
            .y_label_formatter(&|value| plain(*value))
            .label_style(text(14))
            .axis_desc_style(text(16))
            .draw()
            .map_err(failed)?;
        self.draw_layers(&mut chart, &lines, &others).map_err(failed)?;
        area.present().map_err(failed)
    }

    /// What was published, then the front, then the lines of samplers with their names.
    fn draw_layers<Backend: DrawingBackend>(
        &self,
        chart: &mut ChartContext<'_, Backend, Plane>,
        lines: &[Line<'_>],
        others: &[(f64, f64)],
    ) -> Result<(), DrawingAreaErrorKind<Backend::ErrorType>> {
        chart.draw_series(others.iter().map(|&at| TriangleMarker::new(at, 4, OTHERS)))?;
        let dots = || lines.iter().flat_map(|line| &line.dots);
        let mut front: Vec<(f64, f64)> = dots().filter(|dot| dot.best).map(|dot| dot.at).collect();
        front.sort_by(|a, b| a.0.total_cmp(&b.0));
        chart.draw_series(LineSeries::new(front, BEST.mix(0.3).stroke_width(7)))?;
        let bottom = chart.y_range().start;
        let coloured = || lines.iter().zip(COLOURS.into_iter().cycle());
        for (line, colour) in coloured() {
            chart.draw_series(LineSeries::new(line.dots.iter().map(|dot| dot.at), colour.stroke_width(1)))?;
            let bars = line.dots.iter().filter_map(|dot| {
                let [low, high] = dot.interval.filter(|[low, high]| low <= high && *high > 0.0)?;
                // What reaches down to 0 leaves the axis.
                Some(ErrorBar::new_vertical(dot.at.0, low.max(bottom), dot.at.1, high, colour.mix(0.4).filled(), 6))
            });
            chart.draw_series(bars)?;
            chart.draw_series(line.dots.iter().map(|dot| Circle::new(dot.at, 3, colour.filled())))?;
        }
        let ends: Vec<(i32, i32)> = lines.iter().map(|line| chart.backend_coord(&line.end())).collect();
        let all: Vec<(i32, i32)> = dots().map(|dot| chart.backend_coord(&dot.at)).collect();
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        for ((line, colour), shift) in coloured().zip(shifts(&ends, &names, &all)) {
            let label = (FAMILY, 12).into_font().color(&colour);
            let element = EmptyElement::at(line.end())
                + PathElement::new([(0, 0), (BESIDE, shift)], colour.mix(0.6))
                + Text::new(line.name.clone(), (BESIDE, shift - NAME / 2), label);
            chart.draw_series(std::iter::once(element))?;
        }
        Ok(())
    }
}

/// Height of a name in pixels, and the widest of its letters.
const NAME: i32 = 12;
const LETTER: i32 = 7;
/// How far right of its dot a name begins.
const BESIDE: i32 = 14;

/// How far down or up the name at each place moves so that it lies on no other name and on no dot: as little as is possible,
/// the highest first.
fn shifts(places: &[(i32, i32)], names: &[&str], dots: &[(i32, i32)]) -> Vec<i32> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|&dot| places[dot].1);
    let mut taken: Vec<[i32; 4]> = Vec::new();
    let mut shifts = vec![0; places.len()];
    for dot in order {
        let ((x, y), width) = (places[dot], LETTER * names[dot].chars().count() as i32);
        let area = |shift: i32| [x + BESIDE, y + shift - NAME / 2, x + BESIDE + width, y + shift + NAME / 2];
        let meets = |a: [i32; 4], b: [i32; 4]| a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
        let is_free = |shift: &i32| {
            let area = area(*shift);
            let of_dot = |&(x, y): &(i32, i32)| [x - 4, y - 4, x + 4, y + 4];
            !taken.iter().any(|other| meets(area, *other)) && !dots.iter().any(|dot| meets(area, of_dot(dot)))
        };
        let nearest = (0..200).flat_map(|step| [2 * step, -2 * step]).find(is_free).unwrap_or_default();
        taken.push(area(nearest));
        shifts[dot] = nearest;
    }
    shifts
}

/// A range around positive values, with some room on both sides.
fn spread(values: impl Iterator<Item = f64>) -> Range<f64> {
    let of = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let (low, high) = values.filter(|value| *value > 0.0 && value.is_finite()).fold((f64::INFINITY, 0.0), of);
    if low > high {
        return 1.0..10.0;
    }
    let room = (high / low).powf(0.12).max(1.15);
    // Names lie on the right of their dots.
    low / room..high * room * room
}

/// A logarithmic axis over a range, with round numbers on it.
fn axis(range: Range<f64>) -> Axis {
    let ticks = ticks(&range);
    range.log_scale().with_key_points(ticks)
}

/// Some four to ten round numbers in a range.
fn ticks(range: &Range<f64>) -> Vec<f64> {
    let decades = range.start.log10().floor() as i32..=range.end.log10().floor() as i32;
    let of = |steps: &[u32]| -> Vec<f64> {
        let all = decades.clone().flat_map(|decade| {
            steps.iter().map(move |&step| {
                // In tenths, so that what is shown has no digits of rounding.
                let exponent = decade - 1;
                if exponent < 0 {
                    f64::from(step) / 10f64.powi(-exponent)
                } else {
                    f64::from(step) * 10f64.powi(exponent)
                }
            })
        });
        all.filter(|tick| range.contains(tick)).collect()
    };
    let finest: Vec<u32> = (10..100).collect();
    let all = [of(&[10]), of(&[10, 20, 50]), of(&[10, 15, 20, 30, 40, 50, 60, 80]), of(&finest)];
    all.iter().find(|ticks| ticks.len() >= 4).unwrap_or(&all[3]).clone()
}

fn plain(value: f64) -> String {
    if (1e-3..1e6).contains(&value) { format!("{value}") } else { format!("{value:e}") }
}

/// The chart as SVG.
///
/// # Errors
/// If it cannot be drawn.
pub fn chart_svg(chart: &Chart<'_>) -> Result<String, CompareError> {
    let mut text = String::new();
    chart.draw(&SVGBackend::with_string(&mut text, SIZE).into_drawing_area())?;
    Ok(text)
}

/// The chart as an image: width, height, and red, green and blue of each pixel.
///
/// # Errors
/// If it cannot be drawn.
pub fn chart_png(chart: &Chart<'_>) -> Result<image::RgbImage, CompareError> {
    let (width, height) = SIZE;
    let mut bytes = vec![0; 3 * (width * height) as usize];
    chart.draw(&BitMapBackend::with_buffer(&mut bytes, SIZE).into_drawing_area())?;
    image::RgbImage::from_raw(width, height, bytes).ok_or_else(|| CompareError::Chart("its size is wrong".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_some_round_numbers() {
        assert_eq!(ticks(&(13.0..60.0)), [15.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(ticks(&(0.5..2000.0)), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(ticks(&(0.0021..0.0024)), [0.0021, 0.0022, 0.0023]);
        assert!(spread([3.0, f64::NAN, -1.0].into_iter()).contains(&3.0));
    }

    #[test]
    fn cells_that_differ_in_their_steps_alone_are_one_sampler() {
        let words = ["unipc-5", "unipc-20", "unipc-bh1-5", "unipc-5@mixture:ring"].map(str::to_owned);
        let [few, many, other, of_another] = &super::super::find(&words).unwrap()[..] else { panic!("four presets") };
        assert!(is_one_sampler(few, many) && !is_one_sampler(few, other) && !is_one_sampler(few, of_another));
        assert_eq!(common_name(&[&few.name, &many.name]), "unipc");
        assert_eq!(common_name(&["unipc 5 of ring", "unipc 20 of ring"]), "unipc of ring");
        assert_eq!(common_name(&["a 1", "b 2"]), "b 2");
    }

    #[test]
    fn names_lie_on_no_other_name_and_on_no_dot() {
        let places: Vec<(i32, i32)> = (0..20).map(|i| (100 + i % 3 * 9, 200 + i * 7 % 11)).collect();
        let names = ["sde-dpm++2m 20"; 20];
        let shifts = shifts(&places, &names, &places);
        let box_of = |i: usize| {
            let (x, y) = (places[i].0 + BESIDE, places[i].1 + shifts[i]);
            [x, y - NAME / 2, x + LETTER * 14, y + NAME / 2]
        };
        for i in 0..20 {
            for (j, &(x, y)) in places.iter().enumerate() {
                let [a, b, c, d] = box_of(i);
                assert!(x + 4 <= a || x - 4 >= c || y + 4 <= b || y - 4 >= d, "name {i} lies on dot {j}");
                let [e, f, g, h] = box_of(j);
                assert!(i == j || c <= e || g <= a || d <= f || h <= b, "names {i} and {j} meet");
            }
        }
        // Where there is room, nothing moves.
        let apart = [(0, 0), (0, 50)];
        assert_eq!(super::shifts(&apart, &["a", "b"], &apart), [0, 0]);
    }
}
