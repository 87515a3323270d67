use super::runge_kutta::{Derivative, State, Stepping, Tolerance, runge_kutta_45};
use super::{Destination, Grid, Observer, Process, Solver, Uniform, show};
use crate::Image;
use crate::network::Sum;
use crate::registry::{About, Choice, Equation, Parameter, Scale, Settings, entry, number, term};
use crate::score::{ScoreError, ScoreModel, denoised};
use crate::sde::{Family, Level, Sde};
use burn::tensor::{Device, TensorData};
use std::ops::ControlFlow;

/// Relative tolerance of a step's error.
pub const RTOL: Parameter = Parameter::number("rtol", 1e-5, Tolerance::MIN, Tolerance::MAX)
    .usual(Tolerance::MIN, Tolerance::MAX, Scale::Exponent)
    .named("rtol", "rtol", "Relative error tolerance per step, 1e-7 to 1; 1e-5 in Song et al. 2021")
    .optional();

/// Absolute tolerance of a step's error.
pub const ATOL: Parameter = Parameter::number("atol", 1e-5, Tolerance::MIN, Tolerance::MAX)
    .usual(Tolerance::MIN, Tolerance::MAX, Scale::Exponent)
    .named("atol", "atol", "Absolute error tolerance per step, 1e-7 to 1; 1e-5 in Song et al. 2021")
    .optional();

/// Whether samples share a step size.
pub const STEPPING: Parameter = Parameter::choice("stepping", "sample", || vec![&OWN, &SHARED])
    .named("Step sizes", "Step sizes", "One step size per sample, or one per batch as in Song et al. 2021")
    .optional();

static OWN: About =
    About { slug: "sample", name: "Per sample", summary: "One step size per sample", source: "", parameters: &[] };
static SHARED: About = About {
    slug: "batch",
    name: "Batch",
    summary: "One step size per batch, as in Song et al. 2021",
    source: "",
    parameters: &[],
};

/// The tolerance that is set.
pub fn tolerance(settings: &Settings) -> Tolerance {
    Tolerance::new(settings.number(&RTOL), settings.number(&ATOL)).unwrap_or_default()
}

/// Whether the samples share a step size.
pub fn stepping(settings: &Settings) -> Stepping {
    if settings.option(&STEPPING) == SHARED.slug { Stepping::Batch } else { Stepping::Sample }
}

entry! {
    /// Dormand–Prince 5(4) on the probability-flow ODE, with controlled step sizes, as published.
    ///
    /// On a grid it arrives at each of its times, however many steps of its own lie between; clean data are reached by
    /// the published last step, the denoised estimate.
    Adaptive {
        slug: "adaptive",
        name: "Adaptive",
        summary: "Dormand–Prince 5(4) with error-controlled step sizes",
        source: "Dormand and Prince 1980",
        parameters: [&RTOL, &ATOL, &STEPPING],
    }
}

impl Solver for Adaptive {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let &Process { model, sde, .. } = process;
        for step in process.steps {
            let mut level = sde.level(step.t);
            if step.next > 0.0 {
                let mut ode = ProbabilityFlowOde {
                    model,
                    sde,
                    way: [step.t, step.next],
                    progress: &mut |_, _| ControlFlow::Continue(()),
                };
                (x, _) = ode.integrate(settings, x)?;
                level = sde.target(step);
            }
            let score = model.score(&x, &[level])?;
            let clean = denoised(&x, &score, &[level]);
            if step.next == 0.0 {
                x = clean.clone();
            }
            x = process.arrive(step, x)?;
            if show(observer, step, &x, &clean, &score, None).is_break() {
                break;
            }
        }
        Ok(x)
    }

    fn integrate(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        x: Image,
        progress: OnProgress<'_>,
    ) -> Result<(Image, Vec<usize>), ScoreError> {
        let (Some(first), Some(last)) = (process.steps.first(), process.steps.last()) else {
            return Ok((x.clone(), vec![0; x.dims()[0]]));
        };
        let way = [first.t, last.next];
        ProbabilityFlowOde { model: process.model, sde: process.sde, way, progress }.integrate(settings, x)
    }

    fn evaluations(&self, _settings: &Settings, _steps: usize, _to: Destination) -> Option<usize> {
        None
    }

    fn couples_samples(&self, settings: &Settings) -> bool {
        stepping(settings) == Stepping::Batch
    }

    fn is_invertible(&self) -> bool {
        true
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Uniform)
    }

    fn equations(&self, settings: &Settings, _family: &Family) -> Vec<Equation> {
        let (rtol, atol) = (number(settings.number(&RTOL)), number(settings.number(&ATOL)));
        let lines = [
            "k_i = f(t + c_i h, x + h Σ a_ij k_j)".into(),
            "x ← x + h Σ b_i k_i".into(),
            format!(
                "h so that the error stays below {} + {} |x|",
                term(ATOL.symbol(), &atol),
                term(RTOL.symbol(), &rtol)
            ),
        ];
        vec![Equation::new("Dormand–Prince step", lines)]
    }
}

/// Is told the share of the way that is covered and all states, and says whether to go on.
pub type OnProgress<'a> = &'a mut dyn FnMut(f64, &Image) -> ControlFlow<()>;

/// dx/dt = f(t)·x − ½g(t)²·∇ log p_t(x) of rows of a batch, each at its own time (Song et al. 2021, eq. 13).
struct ProbabilityFlowOde<'a, 'b> {
    model: &'a dyn ScoreModel,
    sde: &'a dyn Sde,
    /// First and last time.
    way: [f64; 2],
    progress: OnProgress<'b>,
}

impl ProbabilityFlowOde<'_, '_> {
    /// The states at the last time, and the evaluations of each sample.
    fn integrate(&mut self, settings: &Settings, x: Image) -> Result<(Image, Vec<usize>), ScoreError> {
        let ([n, c, h, w], [from, to]) = (x.dims(), self.way);
        let y = x.reshape([n, c * h * w]);
        let solution = runge_kutta_45(self, y, from, to, tolerance(settings), stepping(settings))?;
        Ok((solution.y.reshape([n, c, h, w]), solution.evaluations))
    }
}

impl Derivative for ProbabilityFlowOde<'_, '_> {
    fn derivative(&mut self, y: &State, times: &[f64], _samples: &[usize]) -> Result<State, ScoreError> {
        let x = images(y, self.model.shape());
        let score = self.model.score(&x, &levels(self.sde, times))?;
        Ok(drift(self.sde, &x, &score, times).reshape(y.dims()))
    }

    fn progress(&mut self, t: f64, y: &State) -> ControlFlow<()> {
        (self.progress)(covered(self.sde, self.way, t), &images(y, self.model.shape()))
    }
}

/// The share of the way between two times that is covered at `t`: in log σ/α, over which controlled steps are spread more
/// evenly than over time, most of which lies far from the data.
pub(crate) fn covered(sde: &dyn Sde, [from, to]: [f64; 2], t: f64) -> f64 {
    let place = |t: f64| sde.level(t).ratio().ln();
    let share = (place(t) - place(from)) / (place(to) - place(from));
    if share.is_finite() { share.clamp(0.0, 1.0) } else { (t - from) / (to - from) }
}

/// The right-hand side, given the score.
pub(crate) fn drift(sde: &dyn Sde, x: &Image, score: &Image, times: &[f64]) -> Image {
    let each = |coefficient: &dyn Fn(f64) -> f64| times.iter().map(|&t| coefficient(t)).collect::<Vec<_>>();
    let (drift, half_square) = (each(&|t| sde.drift(t)), each(&|t| -0.5 * sde.diffusion(t).powi(2)));
    Sum::of(drift, x).plus(half_square, score).tensor()
}

/// A coefficient of each row's time, N×1×1×1.
pub(crate) fn at_times(times: &[f64], device: &Device, coefficient: impl Fn(f64) -> f64) -> Image {
    let values: Vec<f32> = times.iter().map(|&t| coefficient(t) as f32).collect();
    Image::from_data(TensorData::new(values, [times.len(), 1, 1, 1]), device)
}

/// The level of each row, or the one of all.
pub(crate) fn levels(sde: &dyn Sde, times: &[f64]) -> Vec<Level> {
    let all_at_once = times.windows(2).all(|pair| pair[0] == pair[1]);
    let distinct = if all_at_once { &times[..times.len().min(1)] } else { times };
    distinct.iter().map(|&t| sde.level(t)).collect()
}

/// Rows of a batch as images of this shape.
pub(crate) fn images(y: &State, [c, h, w]: [usize; 3]) -> Image {
    y.clone().reshape([y.dims()[0], c, h, w])
}
