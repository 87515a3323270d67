use super::adams::order;
use super::estimate::{Estimate, Exponential, PREDICTION, Prediction};
use super::multistep::{lower, order_of};
use super::polynomial::solve;
use super::{Grid, LogSnr, Observer, Process, Solver};
use crate::Image;
use crate::registry::{About, Choice, Equation, Parameter, Settings, entry};
use crate::score::ScoreError;
use crate::sde::Family;

const ORDER: Parameter = order(2, 3);
const LOWER: Parameter = lower(100_000);

/// The function B(h).
pub const B: Parameter = Parameter::choice("b", "bh2", || vec![&BH1, &BH2, &VARY, &VARY_PUBLISHED])
    .named("B(h)", "B(h)", "B(h): h or exp(h) − 1 as in the paper, or coefficients that vary with the order's terms")
    .optional();

static BH1: About = About { slug: "bh1", name: "h", summary: "B(h) = h", source: "", parameters: &[] };
static BH2: About =
    About { slug: "bh2", name: "exp(h) − 1", summary: "B(h) = exp(h) − 1", source: "", parameters: &[] };
static VARY: About = About {
    slug: "vary",
    name: "Varying",
    summary: "Varying coefficients: the exact integral of the polynomial",
    source: "",
    parameters: &[],
};
static VARY_PUBLISHED: About = About {
    slug: "vary-published",
    name: "Varying, as published",
    summary: "Varying coefficients with the published corrector, which is of first order",
    source: "",
    parameters: &[],
};

/// How many of the first corrections are left out.
pub const UNCORRECTED: Parameter = Parameter::whole("uncorrected", 0, 0, 100_000)
    .named("Uncorrected", "Uncorrected", "Uncorrected: how many of the first steps have no corrector")
    .rare();

entry! {
    /// The unified predictor–corrector: a multistep step and, once the next estimate is known, its correction, at no more
    /// evaluations (Zhao et al. 2023, algorithms 1 to 4; of one order more than its predictor).
    UniPc {
        slug: "unipc",
        name: "UniPC",
        summary: "Multistep predictor and corrector with one evaluation per step",
        source: "Zhao et al. 2023",
        parameters: [&ORDER, &PREDICTION, &B, &LOWER, &UNCORRECTED],
    }
}

/// The step from one estimate to a level, with the differences to others.
struct Step<'a> {
    exact: Exponential,
    kind: &'a str,
    x: &'a Image,
    start: &'a Image,
    /// Where the others lie, in units of the step.
    others: Vec<(f64, &'a Image)>,
}

impl Step<'_> {
    /// The state with these others.
    fn state(&self, corrects: bool) -> Image {
        let slopes = self.weights(corrects).into_iter().zip(&self.others).map(|(weight, &(r, part))| (weight, r, part));
        self.exact.flow(self.x, self.exact.along(self.start, slopes)).tensor()
    }

    /// Weights of the slopes to the others: Σ w·rᵏ⁻¹ = k!·φ_{k+1} for each k, as exactly as so many differences can.
    fn weights(&self, corrects: bool) -> Vec<f64> {
        let (count, h) = (self.others.len(), -self.exact.length);
        let b = if self.kind == BH1.slug { h } else { h.exp_m1() };
        let scale = -self.exact.scale;
        // ψ₁ = exp(h) − 1, ψ_{k+1} = ψ_k/h − 1/k!.
        let mut psi = vec![h.exp_m1()];
        let mut factorial = 1.0;
        for k in 1..=count {
            psi.push(psi[k - 1] / h - 1.0 / factorial);
            factorial *= (k + 1) as f64;
        }
        if self.kind.starts_with(VARY.slug) {
            return self.varying(&psi, corrects).into_iter().map(|weight| scale * weight).collect();
        }
        // One difference is weighed by ½ whatever B(h) is.
        if count == 1 {
            return vec![0.5 * scale * b];
        }
        let rows = (0..count as i32).map(|k| self.others.iter().map(|(r, _)| r.powi(k)).collect()).collect();
        let mut factorial = 1.0;
        let right = (0..count).map(|k| {
            factorial *= (k + 1) as f64;
            psi[k + 1] * factorial / b
        });
        let right = right.collect();
        solve(rows, right).into_iter().map(|weight| scale * b * weight).collect()
    }

    /// The weights with which ψ_{k+1} multiplies the k-th derivative that the differences imply.
    fn varying(&self, psi: &[f64], corrects: bool) -> Vec<f64> {
        let count = self.others.len();
        // Columns of C are rᵏ⁻¹/k!; its inverse leads from differences to derivatives.
        let mut factorial = 1.0;
        let columns: Vec<Vec<f64>> = (0..count)
            .map(|k| {
                factorial *= (k + 1) as f64;
                self.others.iter().map(|(r, _)| r.powi(k as i32) / factorial).collect()
            })
            .collect();
        let derivative = |difference: usize| {
            let rows = (0..count).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
            solve(rows, (0..count).map(|row| f64::from(u8::from(row == difference))).collect())
        };
        let published = corrects && self.kind == VARY_PUBLISHED.slug;
        (0..count)
            .map(|difference| {
                let inverse = derivative(difference);
                match published && count > 1 {
                    // The published corrector leaves the last derivative to the new difference alone, and gives that
                    // no part in the others.
                    true if difference + 1 == count => psi[count] * inverse[count - 2],
                    true => (0..count - 1).map(|k| psi[k + 1] * inverse[k]).sum(),
                    false => (0..count).map(|k| psi[k + 1] * inverse[k]).sum(),
                }
            })
            .collect()
    }
}

impl Solver for UniPc {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let (prediction, most, steps) = (Prediction::of(settings), settings.whole(&ORDER) as usize, process.steps);
        // The estimates of the states so far, newest first.
        let mut past: Vec<Estimate> = Vec::new();
        for (done, step) in steps.iter().enumerate() {
            let (level, target) = process.ends(step);
            if past.is_empty() {
                past.push(process.estimate(&x, level)?);
            }
            let order = order_of(settings, &LOWER, most, past.len() - 1, steps.len(), done);
            let order = if target.sigma > 0.0 { order } else { 1 };
            let exact = Exponential::new(prediction, level, target, 0.0);
            let start = past[0].part(prediction);
            let place = |estimate: &Estimate| (estimate.level.lambda() - level.lambda()) / exact.h;
            let others = past[1..order].iter().map(|other| (place(other), other.part(prediction))).collect();
            let mut taken = Step { exact, kind: settings.option(&B), x: &x, start, others };
            let mut next = taken.state(false);
            let mut last = past[0].clone();
            if done + 1 < steps.len() {
                last = process.estimate(&next, target)?;
                if done as u64 >= settings.whole(&UNCORRECTED) && exact.h.is_finite() {
                    taken.others.push((place(&last), last.part(prediction)));
                    next = taken.state(true);
                }
            }
            x = process.arrive(step, next)?;
            if last.show(observer, step, &x).is_break() {
                break;
            }
            past.insert(0, last);
            past.truncate(most);
            // Where all is noise λ is infinite.
            past.retain(|at| at.level.alpha > 0.0);
        }
        Ok(x)
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        match settings.option(&B) {
            "vary-published" => Some(1.0),
            _ => Some(settings.number(&ORDER) + 1.0),
        }
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&LogSnr)
    }

    fn equations(&self, settings: &Settings, _family: &Family) -> Vec<Equation> {
        let b = if settings.option(&B) == BH1.slug { "h" } else { "1 − exp(−h)" };
        let lines = [
            "λ = log(α/σ),  h = λ₋ − λ,  D_m = (x̂₀(λ_m) − x̂₀) / r_m,  r_m = (λ_m − λ)/h".into(),
            format!("x′ = (σ₋/σ) x + α₋ (1 − exp(−h)) x̂₀ + α₋ B Σ a_m D_m,  B = {b}"),
            "x ← the same with x̂₀(x′, λ₋) among the D_m".into(),
        ];
        vec![Equation::new("UniPC step", lines)]
    }
}
