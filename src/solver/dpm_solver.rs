use super::adams::order;
use super::estimate::{PREDICTION, Prediction};
use super::multistep::{EULER_LAST, FORM, Multistep, Third, is_heun, lower};
use super::{Group, LogSnr, Observer, Preset, Process, Solver};
use crate::Image;
use crate::registry::{About, Choice, Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::Family;

const ORDER: Parameter = order(2, 2);
const LOWER: Parameter = lower(0);
const LOWER_OF_THREE: Parameter = lower(15);

/// How the second difference enters the third order.
pub const DIFFERENCES: Parameter = Parameter::choice("differences", "published", || vec![&PUBLISHED, &EXACT])
    .named(
        "Differences",
        "Differences",
        "Second difference: halved as published (second order), or exact (third order)",
    )
    .optional();

pub(super) static PUBLISHED: About = About {
    slug: "published",
    name: "As published",
    summary: "The published second difference, which lacks a factor 2: of second order",
    source: "",
    parameters: &[],
};
pub(super) static EXACT: About = About {
    slug: "exact",
    name: "Exact",
    summary: "The integral of the parabola: of third order",
    source: "",
    parameters: &[],
};

entry! {
    /// DPM-Solver++(2M): the exponential integrator in λ = log α/σ, with x̂(0) extrapolated from its last two
    /// values (Lu et al. 2022, algorithm 2). Second order; the first step and the one that arrives at clean
    /// data, where λ is infinite, are of first order. On the noise estimate it is DPM-Solver-2 in its multistep form.
    DpmSolverPlusPlus {
        slug: "dpm++",
        name: "DPM++",
        summary: "Deterministic, second order, one evaluation per step: DPM-Solver++(2M)",
        source: "Lu et al. 2022",
        parameters: [&ORDER, &PREDICTION, &FORM, &LOWER, &EULER_LAST],
    }
}

impl Solver for DpmSolverPlusPlus {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let multistep = Multistep {
            order: settings.whole(&ORDER) as usize,
            prediction: Prediction::of(settings),
            eta: 0.0,
            heun: is_heun(settings),
            third: Third::Published,
            lower: &LOWER,
        };
        multistep.solve(settings, process, x, observer)
    }

    fn is_invertible(&self) -> bool {
        true
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        Some(settings.number(&ORDER))
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = [
            "λ = log(α/σ),  h = λ₋ − λ,  r = h₊/h",
            "D = (1 + 1/(2r)) x̂₀ − 1/(2r) x̂₀₊",
            "x ← (σ₋/σ) x − α₋ (exp(−h) − 1) D",
        ];
        vec![Equation::new("DPM-Solver++(2M) step", lines)]
    }

    fn presets(&self) -> Vec<Preset> {
        vec![Preset {
            name: "ODE 20".into(),
            summary: "Probability-flow ODE with DPM-Solver++(2M), x̂₀ clipped to the data range".into(),
            group: Group::Flow,
            solver: Choice::new(&DpmSolverPlusPlus),
            grid: Choice::new(&LogSnr),
            steps: 20,
            clip: true,
        }]
    }
}

entry! {
    /// DPM-Solver++(3M): x̂(0) continued by a parabola through its last three values. All published programs halve its
    /// second difference, which makes it of second order; the exact one is of third. Short runs end with lower orders.
    DpmSolverPlusPlus3M {
        slug: "dpm++3m",
        name: "DPM++ 3M",
        summary: "Deterministic, from three values of x̂₀, one evaluation per step: DPM-Solver++(3M)",
        source: "Lu et al. 2022",
        parameters: [&PREDICTION, &DIFFERENCES, &LOWER_OF_THREE, &EULER_LAST],
    }
}

impl Solver for DpmSolverPlusPlus3M {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let exact = settings.option(&DIFFERENCES) == EXACT.slug;
        let multistep = Multistep {
            order: 3,
            prediction: Prediction::of(settings),
            eta: 0.0,
            heun: false,
            third: if exact { Third::Exact } else { Third::Published },
            lower: &LOWER_OF_THREE,
        };
        multistep.solve(settings, process, x, observer)
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        Some(if settings.option(&DIFFERENCES) == EXACT.slug { 3.0 } else { 2.0 })
    }

    fn equations(&self, settings: &Settings, _family: &Family) -> Vec<Equation> {
        let factor = if settings.option(&DIFFERENCES) == EXACT.slug { "2 " } else { "" };
        let lines = [
            "λ = log(α/σ),  h = λ₋ − λ,  D₁, D₂: differences of x̂₀ over steps of length h".into(),
            "φ₁ = 1 − exp(−h),  φ₂ = 1 − φ₁/h,  φ₃ = φ₂/h − ½".into(),
            format!("x ← (σ₋/σ) x + α₋ (φ₁ x̂₀ + φ₂ D₁ − {factor}φ₃ D₂)"),
        ];
        vec![Equation::new("DPM-Solver++(3M) step", lines)]
    }
}
