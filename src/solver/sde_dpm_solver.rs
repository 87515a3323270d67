use super::adams::order;
use super::dpm_solver::{EXACT, PUBLISHED};
use super::estimate::{PREDICTION, Prediction};
use super::multistep::{EULER_LAST, FORM, Multistep, Third, is_heun, lower};
use super::stochastic::eta;
use super::{Observer, Process, Solver};
use crate::Image;
use crate::registry::{About, Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::Family;

const ORDER: Parameter = order(2, 2);
const ETA: Parameter = eta(1.0);
const LOWER: Parameter = lower(0);

/// How the second difference enters the third order of the SDE.
pub const SDE_DIFFERENCES: Parameter =
    Parameter::choice("differences", "published", || vec![&PUBLISHED, &DIFFUSERS, &EXACT])
        .named("Differences", "Differences", "Second difference: halved as published, with diffusers' sign, or exact")
        .optional();

static DIFFUSERS: About = About {
    slug: "diffusers",
    name: "As in diffusers",
    summary: "With the sign that diffusers has: of first order",
    source: "",
    parameters: &[],
};

entry! {
    /// SDE-DPM-Solver++(2M): DPM-Solver++(2M) for the reverse SDE, of which η is the share: 0 is the ODE, 1 the SDE (Lu
    /// et al. 2022, section 5; k-diffusion's DPM++ 2M SDE).
    SdeDpmSolverPlusPlus {
        slug: "sde-dpm++2m",
        name: "DPM++ 2M SDE",
        summary: "Reverse SDE, from two values of x̂₀, one evaluation per step: SDE-DPM-Solver++(2M)",
        source: "Lu et al. 2022",
        parameters: [&ETA, &ORDER, &PREDICTION, &FORM, &LOWER, &EULER_LAST],
    }
}

impl Solver for SdeDpmSolverPlusPlus {
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
            eta: settings.number(&ETA),
            heun: is_heun(settings),
            third: Third::Published,
            lower: &LOWER,
        };
        multistep.solve(settings, process, x, observer)
    }

    fn is_stochastic(&self, settings: &Settings) -> bool {
        settings.number(&ETA) > 0.0
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        (!self.is_stochastic(settings)).then(|| settings.number(&ORDER))
    }

    fn equations(&self, _settings: &Settings, _family: &Family) -> Vec<Equation> {
        let lines = [
            "λ = log(α/σ),  h = λ₋ − λ,  H = (1 + η) h,  r = h₊/h",
            "D = x̂₀ + 1/(2r) (x̂₀ − x̂₀₊)",
            "x ← (σ₋/σ) exp(−η h) x + α₋ (1 − exp(−H)) D + σ₋ √(1 − exp(−2η h)) z",
        ];
        vec![Equation::new("SDE-DPM-Solver++(2M) step", lines)]
    }
}

entry! {
    /// SDE-DPM-Solver++(3M): x̂(0) continued by a parabola, for the reverse SDE (k-diffusion's DPM++ 3M SDE). As published
    /// its second difference is halved (second order); diffusers has another sign besides (first order).
    SdeDpmSolverPlusPlus3M {
        slug: "sde-dpm++3m",
        name: "DPM++ 3M SDE",
        summary: "Reverse SDE, from three values of x̂₀, one evaluation per step: SDE-DPM-Solver++(3M)",
        source: "Lu et al. 2022; k-diffusion",
        parameters: [&ETA, &SDE_DIFFERENCES, &LOWER, &EULER_LAST],
    }
}

impl Solver for SdeDpmSolverPlusPlus3M {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let multistep = Multistep {
            order: 3,
            prediction: Prediction::Data,
            eta: settings.number(&ETA),
            // diffusers has the midpoint's form in the steps of second order.
            heun: third(settings) != Third::Diffusers,
            third: third(settings),
            lower: &LOWER,
        };
        multistep.solve(settings, process, x, observer)
    }

    fn is_stochastic(&self, settings: &Settings) -> bool {
        settings.number(&ETA) > 0.0
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        let order = match third(settings) {
            Third::Published => 2.0,
            Third::Exact => 3.0,
            Third::Diffusers => 1.0,
        };
        (!self.is_stochastic(settings)).then_some(order)
    }

    fn equations(&self, settings: &Settings, _family: &Family) -> Vec<Equation> {
        let second = match third(settings) {
            Third::Published => "− φ₃ D₂",
            Third::Exact => "− 2 φ₃ D₂",
            Third::Diffusers => "− (φ₃ + 1) D₂",
        };
        let lines = [
            "λ = log(α/σ),  h = λ₋ − λ,  H = (1 + η) h".into(),
            "φ₁ = 1 − exp(−H),  φ₂ = 1 − φ₁/H,  φ₃ = φ₂/H − ½".into(),
            format!("x ← (σ₋/σ) exp(−η h) x + α₋ (φ₁ x̂₀ + φ₂ D₁ {second}) + σ₋ √(1 − exp(−2η h)) z"),
        ];
        vec![Equation::new("SDE-DPM-Solver++(3M) step", lines)]
    }
}

fn third(settings: &Settings) -> Third {
    match settings.option(&SDE_DIFFERENCES) {
        "exact" => Third::Exact,
        "diffusers" => Third::Diffusers,
        _ => Third::Published,
    }
}
