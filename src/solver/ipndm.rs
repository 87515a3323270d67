use super::adams::{ANALYTIC_FIRST, ORDER, adams, evaluations, order_of};
use super::polynomial::weights;
use super::{Destination, Edm, Grid, Observer, Process, Solver};
use crate::Image;
use crate::registry::{About, Choice, Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::Family;

/// The weights of the slopes.
pub const WEIGHTS: Parameter = Parameter::choice("slope_weights", "equal", || vec![&EQUAL, &VARIABLE, &CORRECT])
    .named("Slope weights", "Weights", "Weights of past slopes: for equal steps, or for unequal ones (iPNDM_v)")
    .optional();

static EQUAL: About = About {
    slug: "equal",
    name: "Equal steps",
    summary: "Those of equal steps: iPNDM",
    source: "Liu et al. 2022",
    parameters: &[],
};
static VARIABLE: About = About {
    slug: "variable",
    name: "iPNDM_v as published",
    summary: "iPNDM_v with its published slips: of second order whatever the number of slopes",
    source: "",
    parameters: &[],
};
static CORRECT: About = About {
    slug: "variable-correct",
    name: "iPNDM_v corrected",
    summary: "iPNDM_v as meant, which is LMS",
    source: "",
    parameters: &[],
};

entry! {
    /// The improved pseudo numerical method: Adams–Bashforth's weights of equal steps, whatever the steps are (Liu et al.
    /// 2022 without the Runge–Kutta start; Zhang and Chen 2023). Exact in its order for equal steps of σ/α alone.
    Ipndm {
        slug: "ipndm",
        name: "iPNDM",
        summary: "Adams–Bashforth with the weights of equal steps, one evaluation per step",
        source: "Liu et al. 2022; Zhang and Chen 2023",
        parameters: [&ORDER, &WEIGHTS, &ANALYTIC_FIRST],
    }
}

impl Solver for Ipndm {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let order = order_of(settings, &ORDER);
        let kind = settings.option(&WEIGHTS);
        let of = |ratios: &[f64], next: f64| match kind {
            "variable" => variable(ratios, next),
            "variable-correct" => weights(ratios, ratios[0], next, |_| 1.0),
            _ => equal(ratios.len()).iter().map(|weight| weight * (next - ratios[0])).collect(),
        };
        adams(settings, process, x, observer, |known, _| known.min(order), of)
    }

    fn evaluations(&self, settings: &Settings, steps: usize, _to: Destination) -> Option<usize> {
        Some(evaluations(settings, steps))
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        match settings.option(&WEIGHTS) {
            "variable-correct" => Some(settings.number(&ORDER)),
            _ => Some(settings.number(&ORDER).min(2.0)),
        }
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Edm)
    }

    fn equations(&self, settings: &Settings, _family: &Family) -> Vec<Equation> {
        let order = order_of(settings, &ORDER);
        let weights: Vec<String> =
            equal(order).iter().map(|&weight| crate::registry::number(weight).replace('-', "−")).collect();
        let lines = [
            "y = x/α,  κ = σ/α,  d_i = (y_i − x̂₀) / κ_i".into(),
            "y ← y + (κ₋ − κ) Σ w_i d_i,  the last slopes i".into(),
            format!("w = {}", weights.join(", ")),
        ];
        vec![Equation::new("iPNDM step", lines)]
    }
}

/// Adams' and Bashforth's weights of so many slopes (1 to 4) at equal steps, newest first.
pub(super) fn equal(slopes: usize) -> &'static [f64] {
    match slopes {
        0 | 1 => &[1.0],
        2 => &[1.5, -0.5],
        3 => &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
        _ => &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
    }
}

/// iPNDM_v's weights as diff-sampler has them: right for two slopes; for three a bracket is misplaced, and for four a sign
/// is wrong, too.
fn variable(ratios: &[f64], next: f64) -> Vec<f64> {
    let h = next - ratios[0];
    let before: Vec<f64> = ratios.windows(2).map(|pair| pair[0] - pair[1]).collect();
    let weights = match before[..] {
        [] => vec![1.0],
        [h1] => vec![1.0 + h / (2.0 * h1), -h / (2.0 * h1)],
        [h1, h2] => {
            let second = half(h, h1, h2);
            vec![1.0 + h / (2.0 * h1) + second, -h / (2.0 * h1) - (1.0 + h1 / h2) * second, second * h1 / h2]
        }
        [h1, h2, h3, ..] => {
            let second = half(h, h1, h2);
            let third = ((1.0 - h / (3.0 * (h + h1))) / 2.0 + (1.0 - h / (2.0 * (h + h1))) * h / (6.0 * (h + h1 + h2)))
                * (h * (h + h1) * (h + h1 + h2))
                / (h1 * (h1 + h2) * (h1 + h2 + h3));
            let far = h1 * (h1 + h2) / (h2 * (h2 + h3));
            vec![
                1.0 + h / (2.0 * h1) + second + third,
                -h / (2.0 * h1) - (1.0 + h1 / h2) * second - (1.0 + h1 / h2 + far) * third,
                second * h1 / h2 + (h1 / h2 + far * (1.0 + h2 / h3)) * third,
                -third * far * h1 / h2,
            ]
        }
    };
    weights.into_iter().map(|weight| weight * h).collect()
}

/// The weight of the second difference as published.
fn half(h: f64, h1: f64, h2: f64) -> f64 {
    (1.0 - h / (3.0 * (h + h1)) * (h * (h + h1)) / (h1 * (h1 + h2))) / 2.0
}
