use super::heun::heun_step;
use super::stochastic::{CHURN_MAX, CHURN_MIN, CHURN_NOISE, raised};
use super::{Destination, Edm, Grid, Observer, Process, Purpose, Solver};
use crate::Image;
use crate::network::Sum;
use crate::registry::{Choice, Equation, Parameter, Scale, Settings, entry};
use crate::score::ScoreError;
use crate::sde::{Family, Level, Step};

/// The intervals that are walked again.
pub const RESTARTS: Parameter = Parameter::numbers("restarts")
    .named(
        "Restarts",
        "Restarts",
        "Intervals walked again, four numbers each: points of its grid, repetitions, and σ/α from and to, such as \
         3,2,0.06,0.3",
    )
    .optional();

/// Noise that is renewed in these intervals.
pub const RESTART_CHURN: Parameter = Parameter::number("restart_churn", 0.0, 0.0, 0.4)
    .usual(0.0, 0.4, Scale::Linear(2))
    .named("Restart churn", "Restart γ", "γ: noise renewed before each step inside the intervals (published: 0.05)")
    .optional();

entry! {
    /// Heun's method with restarts: at some levels noise leads up again by a long way, which the ODE then walks again, so
    /// that errors contract (Xu et al. 2023, algorithm 1). Without intervals: that of CIFAR-10 there.
    Restart {
        slug: "restart",
        name: "Restart",
        summary: "Heun's method, with noise added and walked down again in some intervals",
        source: "Xu et al. 2023",
        parameters: [&RESTARTS, &RESTART_CHURN, &CHURN_MIN, &CHURN_MAX, &CHURN_NOISE],
        check: check,
    }
}

/// One interval: a grid of `points` levels between two σ/α, and how often it is walked.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Interval {
    points: usize,
    repeats: usize,
    low: f64,
    high: f64,
}

/// Where no interval is named.
const USUAL: Interval = Interval { points: 3, repeats: 2, low: 0.06, high: 0.3 };

/// Points and repetitions of an interval are at most this.
const MOST: f64 = 1000.0;

fn intervals(settings: &Settings) -> Vec<Interval> {
    let numbers = settings.numbers(&RESTARTS);
    if numbers.is_empty() {
        return vec![USUAL];
    }
    let interval = |four: &[f64]| match *four {
        [points, repeats, low, high] => {
            Some(Interval { points: points as usize, repeats: repeats as usize, low, high })
        }
        _ => None,
    };
    numbers.chunks(4).filter_map(interval).collect()
}

fn check(settings: &Settings) -> Result<(), String> {
    let numbers = settings.numbers(&RESTARTS);
    let fits = |four: &[f64]| match *four {
        [points, repeats, low, high] => {
            let count = |n: f64, least: f64| n.fract() == 0.0 && (least..=MOST).contains(&n);
            count(points, 2.0) && count(repeats, 0.0) && 0.0 < low && low < high && high.is_finite()
        }
        _ => false,
    };
    if numbers.chunks(4).all(fits) {
        return Ok(());
    }
    Err("the restarts are not intervals; give four numbers each: points (2 or more), repetitions, σ/α from and to, such \
         as 3,2,0.06,0.3"
        .into())
}

/// ρ of the grids inside intervals.
const RHO: f64 = 7.0;

impl Restart {
    /// Walks an interval above `low` as often as it says.
    fn walk(
        settings: &Settings,
        process: &Process<'_>,
        step: &Step,
        mut x: Image,
        low: Level,
        interval: Interval,
    ) -> Result<Image, ScoreError> {
        let root = |ratio: f64| ratio.powf(1.0 / RHO);
        let (last, noise) = (interval.points - 1, settings.number(&CHURN_NOISE));
        let ratio = |place: usize| match place {
            0 => interval.high,
            _ if place == last => low.ratio(),
            _ => {
                (root(interval.high) + place as f64 / last as f64 * (root(low.ratio()) - root(interval.high))).powf(RHO)
            }
        };
        for repeat in 0..interval.repeats {
            let z = |place: usize| {
                let number = repeat * interval.points + place;
                process.noise.normal(step.index, Purpose::Corrector(number as u32))
            };
            let top = process.sde.at_ratio(ratio(0));
            let added = (ratio(0).powi(2) - low.ratio().powi(2)).max(0.0).sqrt();
            x = Sum::of(top.alpha / low.alpha, &x).plus(top.alpha * added * noise, &z(0)).tensor();
            for place in 0..last {
                let level = process.sde.at_ratio(ratio(place));
                let target = if place + 1 == last { low } else { process.sde.at_ratio(ratio(place + 1)) };
                let gamma = settings.number(&RESTART_CHURN);
                let (noisy, level) = raised(settings, process.sde, level, x, gamma, &|| z(place + 1));
                x = heun_step(process, &noisy, level, target)?.0;
            }
        }
        Ok(x)
    }
}

impl Solver for Restart {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        // Each interval begins at the step that ends nearest to it.
        let ends: Vec<f64> = process.steps.iter().map(|step| process.sde.target(step).ratio()).collect();
        let distance = |low: f64, place: usize| (ends[place] - low).abs();
        let nearest = |interval: &Interval| {
            (0..ends.len())
                .filter(|&at| ends[at] > 0.0)
                .min_by(|&a, &b| distance(interval.low, a).total_cmp(&distance(interval.low, b)))
        };
        let intervals: Vec<_> =
            intervals(settings).into_iter().map(|interval| (nearest(&interval), interval)).collect();
        for (done, step) in process.steps.iter().enumerate() {
            let (level, target) = process.ends(step);
            let (next, estimate) = heun_step(process, &x, level, target)?;
            x = next;
            for (_, interval) in intervals.iter().filter(|(at, _)| *at == Some(done)) {
                if interval.high > target.ratio() {
                    x = Restart::walk(settings, process, step, x, target, *interval)?;
                }
            }
            x = process.arrive(step, x)?;
            if estimate.show(observer, step, &x).is_break() {
                break;
            }
        }
        Ok(x)
    }

    fn evaluations(&self, _settings: &Settings, _steps: usize, _to: Destination) -> Option<usize> {
        None
    }

    fn is_stochastic(&self, _settings: &Settings) -> bool {
        true
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Edm)
    }

    fn equations(&self, settings: &Settings, _family: &Family) -> Vec<Equation> {
        let mut lines = vec!["y = x/α,  κ = σ/α: Heun steps; then, at the lower end of an interval".to_owned()];
        lines.extend(intervals(settings).iter().map(|Interval { points, repeats, low, high }| {
            format!("κ from {low} to {high}, {repeats} times: y ← y + √(κ↑² − κ↓²) z, {} Heun steps", points - 1)
        }));
        vec![Equation::new("Restart", lines)]
    }
}
