use super::adams::order;
use super::estimate::{Estimate, Exponential, Prediction, between};
use super::stochastic::{Detour, ETA};
use super::{Destination, Grid, Observer, Process, Purpose, Solver, Uniform};
use crate::Image;
use crate::network::{Sum, read, sample_squares};
use crate::registry::{About, Choice, Equation, Parameter, Scale, Settings, entry};
use crate::score::ScoreError;
use crate::sde::{Family, Level};

const ORDER: Parameter = order(3, 3);
const RTOL: Parameter = Parameter::number("rtol", 0.05, 1e-7, 1.0)
    .usual(1e-7, 1.0, Scale::Exponent)
    .named("rtol", "rtol", "Relative error tolerance per step, 1e-7 to 1")
    .optional();
const ATOL: Parameter = Parameter::number("atol", 0.0078, 1e-7, 1.0)
    .usual(1e-7, 1.0, Scale::Exponent)
    .named("atol", "atol", "Absolute error tolerance per step, 1e-7 to 1")
    .optional();

/// The first step in λ.
pub const FIRST: Parameter = Parameter::number("h_init", 0.05, 1e-4, 10.0)
    .usual(0.01, 1.0, Scale::Logarithmic)
    .named("First step", "First h", "Length of the first step in λ = log α/σ")
    .rare();

/// Who says how long the next step is.
pub const CONTROL: Parameter = Parameter::choice("control", "pid", || vec![&PID, &WORST])
    .named("Step control", "Control", "Step control: of the batch's mean error (k-diffusion), or of its worst sample")
    .rare();

static PID: About = About {
    slug: "pid",
    name: "Mean error",
    summary: "k-diffusion's controller, of the mean error of the batch",
    source: "",
    parameters: &[],
};
static WORST: About = About {
    slug: "worst",
    name: "Worst sample",
    summary: "The controller of the original code, of the worst sample of the batch",
    source: "",
    parameters: &[],
};

entry! {
    /// DPM-Solver-12 and -23: two singlestep updates of neighbouring orders, whose difference sets the steps' lengths (Lu
    /// et al. 2022a, appendix C; k-diffusion's DPM adaptive). One length for the whole batch.
    DpmAdaptive {
        slug: "dpm-adaptive",
        name: "DPM adaptive",
        summary: "DPM-Solver of two orders with error-controlled steps; with η stochastic",
        source: "Lu et al. 2022a, appendix C",
        parameters: [&ORDER, &RTOL, &ATOL, &FIRST, &ETA, &CONTROL],
    }
}

/// k-diffusion's bound below which a proposed step is refused.
const ACCEPT: f64 = 0.81;
/// The original code's safety factor.
const SAFETY: f64 = 0.9;
/// What is left of λ where the way is over.
const OVER: f64 = 1e-5;
/// What takes more steps than this has no end that anybody would wait for.
const MOST_STEPS: usize = 20_000;

/// Length of the next step, and what is remembered of errors.
struct Control {
    pid: bool,
    order: f64,
    length: f64,
}

impl Control {
    /// Whether a step with this error is taken; sets the length of the next.
    fn accepts(&mut self, error: f64) -> bool {
        if self.pid {
            let factor = 1.0 + ((1.0 / (1e-8 + error)).powf(1.0 / self.order) - 1.0).atan();
            self.length *= factor;
            return factor >= ACCEPT;
        }
        self.length *= SAFETY * error.powf(-1.0 / self.order);
        error <= 1.0
    }
}

/// Two states of neighbouring orders at `to`, from one estimate.
fn pair(
    process: &Process<'_>,
    x: &Image,
    first: &Estimate,
    to: Level,
    order: usize,
) -> Result<([Image; 2], Estimate), ScoreError> {
    let exact = |to| Exponential::new(Prediction::Noise, first.level, to, 0.0);
    let go = |to, other: Option<(f64, &Estimate)>| {
        let (exact, change) = (exact(to), other.map(|(weight, at)| (weight, 1.0, &at.noise)));
        exact.flow(x, exact.along(&first.noise, change)).tensor()
    };
    let at = |share| between(process.sde, first.level, to, share);
    let whole = exact(to);
    if order == 2 {
        let middle = process.estimate(&go(at(0.5), None), at(0.5))?;
        return Ok(([go(to, None), go(to, Some((whole.weight, &middle)))], middle));
    }
    let near = process.estimate(&go(at(1.0 / 3.0), None), at(1.0 / 3.0))?;
    let part = exact(at(2.0 / 3.0));
    let far = process.estimate(&go(at(2.0 / 3.0), Some((2.0 * part.scale * part.phi2(), &near))), at(2.0 / 3.0))?;
    let low = go(to, Some((1.5 * whole.weight, &near)));
    Ok(([low, go(to, Some((1.5 * whole.scale * whole.phi2(), &far)))], far))
}

impl Solver for DpmAdaptive {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let (order, eta) = ((settings.whole(&ORDER) as usize).max(2), settings.number(&ETA));
        let pid = settings.option(&CONTROL) == PID.slug;
        let mut control =
            Control { pid, order: if eta > 0.0 && pid { 1.5 } else { order as f64 }, length: settings.number(&FIRST) };
        let (mut before, mut tried) = (x.clone(), 0);
        for step in process.steps {
            let (mut level, target) = process.ends(step);
            let mut estimate = process.estimate(&x, level)?;
            if target.sigma == 0.0 {
                x = process.arrive(step, estimate.clean.clone())?;
                let _ = estimate.show(observer, step, &x);
                break;
            }
            while level.lambda() < target.lambda() - OVER {
                tried += 1;
                if tried > MOST_STEPS {
                    return Err(ScoreError::Stiff { t: step.t, evaluations: MOST_STEPS * order });
                }
                if !pid {
                    control.length = control.length.min(target.lambda() - level.lambda());
                }
                let end = match level.lambda() + control.length < target.lambda() {
                    true => process.sde.at_ratio((-(level.lambda() + control.length)).exp()),
                    false => target,
                };
                let detour = Detour::above(process.sde, level, end, eta, target.ratio());
                let ([low, high], last) = pair(process, &x, &estimate, detour.down, order)?;
                let error = error(settings, [&low, &high, &before], pid)?;
                if !control.accepts(error) {
                    continue;
                }
                let z = || process.noise.normal(step.index, Purpose::Corrector(tried as u32));
                (before, level) = (low, end);
                x = detour.arrive(Sum::of(1.0, &high), &z);
                let arrived = level.lambda() >= target.lambda() - OVER;
                estimate = if arrived { last } else { process.estimate(&x, level)? };
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

    fn is_stochastic(&self, settings: &Settings) -> bool {
        settings.number(&ETA) > 0.0
    }

    fn couples_samples(&self, _settings: &Settings) -> bool {
        true
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Uniform)
    }

    fn equations(&self, settings: &Settings, _family: &Family) -> Vec<Equation> {
        let order = settings.whole(&ORDER).max(2);
        let lines = [
            format!("x₁, x₂: DPM-Solver of order {} and {order} over h in λ = log(α/σ)", order - 1),
            "e = ‖(x₁ − x₂) / max(atol, rtol |x₁|, rtol |x₊|)‖".into(),
            format!("x ← x₂ where e is small enough,  h ← h · f(e^(−1/{order}))"),
        ];
        vec![Equation::new("Adaptive DPM-Solver step", lines)]
    }
}

/// The size of the difference of two states, in units of the tolerance: the root mean square of the batch, or of its worst
/// sample.
fn error(settings: &Settings, [low, high, before]: [&Image; 3], mean: bool) -> Result<f64, ScoreError> {
    let allowed =
        (low.clone().abs().max_pair(before.clone().abs()) * settings.number(&RTOL)).clamp_min(settings.number(&ATOL));
    let values = low.dims().iter().skip(1).product::<usize>() as f64;
    let squares = sample_squares(&((low.clone() - high.clone()) / allowed)) / values;
    let square = if mean { squares.mean() } else { squares.max() };
    let square = read::<f64>(square)?.first().copied().unwrap_or(f64::NAN);
    if square.is_finite() { Ok(square.sqrt()) } else { Err(ScoreError::NotFinite { ratio: f64::NAN }) }
}
