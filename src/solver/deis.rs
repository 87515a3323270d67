use super::adams::{ANALYTIC_FIRST, adams, evaluations, order};
use super::multistep::{lower, order_of};
use super::polynomial::{lagrange, weights};
use super::{Destination, Grid, LogSnr, Observer, Process, Solver};
use crate::Image;
use crate::registry::{About, Choice, Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::{Family, Sde};

const ORDER: Parameter = order(3, 4);
const LOWER: Parameter = lower(15);

/// In which variable the slopes are continued.
pub const POLYNOMIAL: Parameter = Parameter::choice("polynomial", "log-rho", || vec![&LOG_RHO, &TIME, &SUMS])
    .named("Polynomial", "Polynomial", "Variable of the polynomial through past noise estimates: log σ/α or t")
    .optional();

static LOG_RHO: About =
    About {
        slug: "log-rho", name: "log σ/α", summary: "In log σ/α, as diffusers has it", source: "", parameters: &[]
    };
static TIME: About = About { slug: "time", name: "t", summary: "In t: tAB-DEIS, exactly", source: "", parameters: &[] };
static SUMS: About = About {
    slug: "time-sums",
    name: "t, by sums",
    summary: "In t with the sums over 10 000 points of the published code for integrals",
    source: "",
    parameters: &[],
};

entry! {
    /// The diffusion exponential integrator with an Adams–Bashforth polynomial through the last noise estimates (Zhang
    /// and Chen 2023, DEIS-AB), in log σ/α or in t.
    Deis {
        slug: "deis",
        name: "DEIS",
        summary: "Exponential integrator on a polynomial of noise estimates, one evaluation per step",
        source: "Zhang and Chen 2023",
        parameters: [&ORDER, &POLYNOMIAL, &LOWER, &ANALYTIC_FIRST],
    }
}

impl Solver for Deis {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let (most, steps) = (settings.whole(&ORDER) as usize, process.steps.len());
        let order = |known: usize, done: usize| order_of(settings, &LOWER, most, known - 1, steps, done);
        let kind = settings.option(&POLYNOMIAL);
        adams(settings, process, x, observer, order, |ratios, next| match ratios {
            // One slope is constant in whatever variable; clean data have no logarithm.
            [ratio] => vec![next - ratio],
            _ if next == 0.0 => [vec![next - ratios[0]], vec![0.0; ratios.len() - 1]].concat(),
            _ => coefficients(kind, process.sde, ratios, next),
        })
    }

    fn evaluations(&self, settings: &Settings, steps: usize, _to: Destination) -> Option<usize> {
        Some(evaluations(settings, steps))
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        Some(settings.number(&ORDER))
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&LogSnr)
    }

    fn equations(&self, settings: &Settings, _family: &Family) -> Vec<Equation> {
        let variable = if settings.option(&POLYNOMIAL) == LOG_RHO.slug { "log κ" } else { "t" };
        let lines = [
            "y = x/α,  κ = σ/α,  ε̂_i = (y_i − x̂₀) / κ_i".into(),
            format!("w_i = ∫_κ^(κ₋) ℓ_i(κ′) dκ′,  ℓ_i polynomials in {variable}"),
            "y ← y + Σ w_i ε̂_i,  the last estimates i".into(),
        ];
        vec![Equation::new("DEIS step", lines)]
    }
}

/// ∫ ℓ dρ of each noise estimate.
fn coefficients(kind: &str, sde: &dyn Sde, ratios: &[f64], next: f64) -> Vec<f64> {
    if kind == LOG_RHO.slug {
        let nodes: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
        return weights(&nodes, nodes[0], next.ln(), f64::exp);
    }
    let times: Vec<f64> = ratios.iter().map(|&ratio| sde.time_of_ratio(ratio)).collect();
    let (from, to) = (times[0], sde.time_of_ratio(next));
    // dρ/dt = g²/(2ασ): of ρ² = σ²/α² the derivative is g²/α².
    let slope = |t: f64| {
        let level = sde.level(t);
        sde.diffusion(t).powi(2) / (2.0 * level.alpha * level.sigma)
    };
    if kind == TIME.slug {
        return weights(&times, from, to, slope);
    }
    let points = 10_000;
    let at = |point: usize| from + (to - from) * point as f64 / (points - 1) as f64;
    let sum = |k: usize| (0..points).map(|point| slope(at(point)) * lagrange(&times, k, at(point))).sum::<f64>();
    (0..times.len()).map(|k| sum(k) * (to - from) / points as f64).collect()
}
