//! Published samplers, step by step: `tests/data/samplers` holds runs of k-diffusion, EDM, Restart, diffusers,
//! diff-sampler and the original DPM-Solver and UniPC on mixtures of Gaussians, in double precision and with the noise
//! that they drew. Solvers are run in double precision, too.

use crate::recorded::figures;
use burn::tensor::{DType, Device, Tensor, TensorData};
use score_explorer::Image;
use score_explorer::score::{ScoreError, ScoreModel};
use score_explorer::sde::{Family, FamilyKind, Increment, LabelConvention, Level, Moments, Range, Sde, Step};
use score_explorer::solver::{NoiseSource, Observer, Process, Purpose, StepState};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::LazyLock;

/// All that was recorded.
pub static RECORDED: LazyLock<Value> =
    LazyLock::new(|| figures(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/samplers/samplers.json").as_ref()));

/// Each case that a solver claims, and how it is called there.
const CLAIMS: &[(&str, &str)] = &[
    ("k-diffusion/euler-churn", "euler:0:6:0.2:12:1.003"),
    ("k-diffusion/heun-churn", "edm-stochastic:4:0.05:20:1.007"),
    ("k-diffusion/heun", "heun"),
    ("k-diffusion/dpm_2", "dpm-2"),
    ("k-diffusion/dpm_2-churn", "dpm-2:0:2:0.1:8:1.01"),
    ("k-diffusion/dpm_2_ancestral", "dpm-2:1"),
    ("k-diffusion/euler_ancestral", "euler:1"),
    ("k-diffusion/euler_ancestral-eight", "euler:0.6"),
    ("k-diffusion/lms-4", "lms"),
    ("k-diffusion/lms-low", "lms:2"),
    ("k-diffusion/dpmpp_2m", "dpm++"),
    ("k-diffusion/dpmpp_2m-eight", "dpm++"),
    ("k-diffusion/dpmpp_2m_sde-midpoint-eta1", "sde-dpm++2m"),
    ("k-diffusion/dpmpp_2m_sde-midpoint-eta0.5", "sde-dpm++2m:0.5"),
    ("k-diffusion/dpmpp_2m_sde-heun-eta1", "sde-dpm++2m:1:2:data:heun"),
    ("k-diffusion/dpmpp_2m_sde-heun-eta0.5", "sde-dpm++2m:0.5:2:data:heun"),
    ("k-diffusion/dpmpp_3m_sde", "sde-dpm++3m"),
    ("k-diffusion/dpmpp_3m_sde-eta0", "sde-dpm++3m:0"),
    ("k-diffusion/dpmpp_2s_ancestral", "dpm++2s-a"),
    ("k-diffusion/dpmpp_sde", "dpm++sde"),
    ("k-diffusion/dpmpp_sde-brownian", "dpm++sde"),
    ("k-diffusion/dpmpp_2m_sde-brownian", "sde-dpm++2m"),
    ("k-diffusion/dpm_adaptive-23", "dpm-adaptive"),
    ("k-diffusion/dpm_adaptive-12", "dpm-adaptive:2:0.03:0.0078:0.4"),
    ("k-diffusion/dpm_adaptive-sde", "dpm-adaptive:3:0.05:0.0078:0.05:1"),
    ("k-diffusion/dpm_fast", "dpm++s:3:noise:midpoint:between:12"),
    ("k-diffusion/dpm_fast-sde", "dpm++s:3:noise:midpoint:between:10:100000:1"),
    ("edm/deterministic", "heun"),
    ("edm/deterministic-eight", "heun"),
    ("edm/stochastic", "edm-stochastic:4:0.05:50:1.003"),
    ("edm/stochastic-capped", "edm-stochastic:40:0.1:10:1.007"),
    ("restart/two-intervals", "restart:4,2,0.1,0.8,3,1,1.5,6:0.05:0.01:1:1.003"),
    ("diffusers/ddim-eta0", "ddim"),
    ("diffusers/ddim-eta", "ddim:0.5"),
    ("diffusers/ddim-eta1", "ddim:1"),
    ("diffusers/ddim-offset", "ddim"),
    ("diffusers/ddim-linspace", "ddim"),
    ("diffusers/ddim-scaled-linear-v", "ddim"),
    ("diffusers/ddim-cosine-sample", "ddim"),
    ("diffusers/ddim-cosine-epsilon", "ddim"),
    ("diffusers/ddim-zero-snr", "ddim"),
    ("diffusers/ddim-clip", "ddim:0:posterior:true"),
    ("diffusers/pndm-plms", "pndm"),
    ("diffusers/pndm-plms-offset", "pndm"),
    ("diffusers/pndm-prk", "pndm:prk-levels"),
    ("diffusers/pndm-v", "pndm:plms:velocity"),
    ("diffusers/deis-1", "deis:1"),
    ("diffusers/deis-2", "deis:2"),
    ("diffusers/deis-3", "deis:3"),
    ("diffusers/deis-3-long", "deis:3"),
    ("diffusers/deis-karras", "deis:2"),
    ("diffusers/deis-sample", "deis:3"),
    ("diffusers/unipc-1-bh1-x0", "unipc:1:data:bh1"),
    ("diffusers/unipc-1-bh1-eps", "unipc:1:noise:bh1"),
    ("diffusers/unipc-1-bh2-x0", "unipc:1:data:bh2"),
    ("diffusers/unipc-1-bh2-eps", "unipc:1:noise:bh2"),
    ("diffusers/unipc-2-bh1-x0", "unipc:2:data:bh1"),
    ("diffusers/unipc-2-bh1-eps", "unipc:2:noise:bh1"),
    ("diffusers/unipc-2-bh2-x0", "unipc:2:data:bh2"),
    ("diffusers/unipc-2-bh2-eps", "unipc:2:noise:bh2"),
    ("diffusers/unipc-3-bh1-x0", "unipc:3:data:bh1"),
    ("diffusers/unipc-3-bh1-eps", "unipc:3:noise:bh1"),
    ("diffusers/unipc-3-bh2-x0", "unipc:3:data:bh2"),
    ("diffusers/unipc-3-bh2-eps", "unipc:3:noise:bh2"),
    ("diffusers/unipc-default", "unipc"),
    ("diffusers/unipc-3-zero", "unipc:3"),
    ("diffusers/unipc-no-corrector", "unipc:3:data:bh2:100000:3"),
    ("diffusers/unipc-karras", "unipc"),
    ("diffusers/unipc-flow", "unipc"),
    ("diffusers/unipc-zero-snr", "unipc"),
    ("diffusers/dpmpp-1", "dpm++:1"),
    ("diffusers/dpmpp-2m-midpoint", "dpm++:2:data:midpoint:15"),
    ("diffusers/dpmpp-2m-heun", "dpm++:2:data:heun:15"),
    ("diffusers/dpmpp-2m-sigma-min", "dpm++:2:data:midpoint:15"),
    ("diffusers/dpmpp-2m-euler-at-final", "dpm++:2:data:midpoint:15:true"),
    ("diffusers/dpmpp-3m", "dpm++3m"),
    ("diffusers/dpmpp-3m-long", "dpm++3m"),
    ("diffusers/dpm-2m-midpoint", "dpm++:2:noise:midpoint:15"),
    ("diffusers/dpm-2m-heun", "dpm++:2:noise:heun:15"),
    ("diffusers/dpm-3m", "dpm++3m:noise"),
    ("diffusers/sde-dpmpp-2m-midpoint", "sde-dpm++2m:1:2:data:midpoint:15"),
    ("diffusers/sde-dpmpp-2m-heun", "sde-dpm++2m:1:2:data:heun:15"),
    ("diffusers/sde-dpmpp-3m", "sde-dpm++3m:1:diffusers:15"),
    ("diffusers/sde-dpmpp-1", "sde-dpm++2m:1:1"),
    ("diffusers/sde-dpm-2m", "sde-dpm++2m:1:2:noise:midpoint:15"),
    ("diffusers/dpmpp-2m-karras", "dpm++:2:data:midpoint:15"),
    ("diffusers/dpmpp-2m-lu", "dpm++:2:data:midpoint:15"),
    ("diffusers/dpmpp-2m-exponential", "dpm++:2:data:midpoint:15"),
    ("diffusers/dpmpp-2m-beta", "dpm++:2:data:midpoint:15"),
    ("diffusers/dpmpp-2m-cosine", "dpm++:2:data:midpoint:15"),
    ("diffusers/dpmpp-2m-scaled-linear-v", "dpm++:2:data:midpoint:15"),
    ("diffusers/dpmpp-3m-sample", "dpm++3m"),
    ("diffusers/dpm-2m-v", "dpm++:2:noise:midpoint:15"),
    ("diffusers/dpmpp-2m-zero-snr", "dpm++:2:data:midpoint:15"),
    ("diffusers/dpmpp-2m-flow", "dpm++:2:data:midpoint:15"),
    ("diffusers/dpmpp-2s-midpoint", "dpm++s:2:data:midpoint:grid"),
    ("diffusers/dpmpp-2s-heun", "dpm++s:2:data:heun:grid"),
    ("diffusers/sde-dpmpp-2s", "dpm++s:2:data:midpoint:grid:0:100000:1"),
    ("diffusers/dpmpp-3s-midpoint", "dpm++s:3:data:midpoint:grid:0:0"),
    ("diffusers/dpmpp-3s-heun", "dpm++s:3:data:heun:grid"),
    ("diffusers/dpmpp-3s-full", "dpm++s:3:data:midpoint:grid:0:0"),
    ("diffusers/dpm-2s", "dpm++s:2:noise:midpoint:grid:0:0"),
    ("diffusers/dpm-3s", "dpm++s:3:noise:midpoint:grid"),
    ("diffusers/lms", "lms"),
    ("diffusers/lms-karras", "lms:3"),
    ("diffusers/lms-leading", "lms:2"),
    ("diffusers/heun", "heun"),
    ("diffusers/heun-karras", "heun"),
    ("diffusers/heun-trailing", "heun"),
    ("diffusers/euler-ancestral", "euler:1"),
    ("diffusers/euler-ancestral-zero-snr", "euler:1"),
    ("diffusers/ipndm", "ipndm"),
    ("diffusers/sa-default", "sa-solver:2:2:1:TAU"),
    ("diffusers/sa-high", "sa-solver:3:3:1:TAU"),
    ("diffusers/sa-noise-prediction", "sa-solver:2:1:0.5:TAU:noise"),
    ("diffusers/sa-ode", "sa-solver:3:2:0"),
    ("diffusers/sa-one", "sa-solver:1:1:1:0:1000000000:data:0"),
    ("diffusers/flow-euler-shift1", "ddim"),
    ("diffusers/flow-heun-shift1", "heun:path"),
    ("diffusers/flow-euler-shift3", "ddim"),
    ("diffusers/flow-heun-shift3", "heun:path"),
    ("diffusers/flow-euler-sigmas", "ddim"),
    ("diffusers/flow-euler-dynamic", "ddim"),
    ("diffusers/flow-euler-stochastic", "ddim:1000000"),
    ("diff-sampler/euler", "euler"),
    ("diff-sampler/ipndm-2", "ipndm:2"),
    ("diff-sampler/ipndm-3", "ipndm:3"),
    ("diff-sampler/ipndm-4", "ipndm:4"),
    ("diff-sampler/ipndm-4-afs", "ipndm:4:equal:true"),
    ("diff-sampler/ipndm_v-2", "ipndm:2:variable"),
    ("diff-sampler/ipndm_v-3", "ipndm:3:variable"),
    ("diff-sampler/ipndm_v-4", "ipndm:4:variable"),
    ("diff-sampler/ipndm-3-to-zero", "ipndm:3"),
    ("diff-sampler/ipndm_v-2-logsnr", "ipndm:2:variable"),
    ("diff-sampler/deis-tab-2", "deis:2:time-sums:0"),
    ("diff-sampler/deis-tab-3", "deis:3:time-sums:0"),
    ("diff-sampler/deis-tab-4", "deis:4:time-sums:0"),
    ("diff-sampler/deis-tab-4-exact", "deis:4:time:0"),
    ("diff-sampler/deis-tab-4-polynomial", "deis:4:time-sums:0"),
    ("diff-sampler/deis-rhoab-3", "lms:3"),
    ("dpm-solver/pp-multistep-2", "dpm++"),
    ("dpm-solver/pp-multistep-3", "dpm++3m:data:published:10"),
    ("dpm-solver/multistep-3", "dpm++3m:noise:published:10"),
    ("dpm-solver/multistep-2-taylor", "dpm++:2:noise:heun"),
    ("dpm-solver/fast-3", "dpm++s:3:noise:midpoint:between:12"),
    ("dpm-solver/pp-fast-2", "dpm++s:2:data:midpoint:grid"),
    ("dpm-solver/pp-fast-3", "dpm++s:3:data:heun:grid"),
    ("dpm-solver/fixed-3", "dpm++s:3:noise"),
    ("dpm-solver/adaptive-12", "dpm-adaptive:2:0.05:0.0078:0.05:0:worst"),
    ("dpm-solver/adaptive-23", "dpm-adaptive:3:0.05:0.0078:0.05:0:worst"),
    ("unipc/bh1-3-noise", "unipc:3:noise:bh1"),
    ("unipc/bh2-2-data", "unipc:2:data:bh2"),
    ("unipc/bh2-3-data", "unipc:3:data:bh2:0"),
    ("unipc/vary-3-data", "unipc:3:data:vary-published"),
    ("unipc/vary-2-noise", "unipc:2:noise:vary-published"),
];

pub fn numbers(json: &Value) -> Vec<f64> {
    match json {
        Value::Array(all) => all.iter().flat_map(numbers).collect(),
        Value::Number(number) => vec![number.as_f64().unwrap()],
        other => panic!("{other} is no number"),
    }
}

pub fn list(json: &Value) -> &[Value] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn level(json: &Value) -> Level {
    let both = numbers(json);
    Level::new(both[0], both[1])
}

fn double(values: Vec<f64>, shape: [usize; 4]) -> Image {
    Tensor::from_data(TensorData::new(values, shape), (&Device::flex(), DType::F64))
}

fn read(image: &Image) -> Vec<f64> {
    image.to_data().try_to_vec::<f64>().unwrap()
}

/// σ/α of the levels of the linear table.
static TABLE: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let table = numbers(&RECORDED["tables"]["vp-linear-0.0001-0.02"]);
    table.iter().map(|alphas| ((1.0 - alphas) / alphas).sqrt()).collect()
});

/// The path of a case: its levels in turn, at the times 1, 2, …, and between them the curve that they lie on.
#[derive(Debug)]
struct Path {
    levels: Vec<Level>,
    coordinates: String,
}

/// VP's path with the rate that diff-sampler derives for σ from 0.002 to 80: at t = 0 it is below 0.
#[derive(Debug)]
struct Rate {
    least: f64,
    slope: f64,
}

impl Rate {
    fn published() -> Rate {
        let log = |sigma: f64| (sigma * sigma + 1.0).ln();
        let first = 1e-3;
        let slope = 2.0 * (log(0.002) / first - log(80.0)) / (first - 1.0);
        Rate { least: log(80.0) - 0.5 * slope, slope }
    }
}

/// What no solver of these cases asks of a path.
macro_rules! not_asked {
    () => {
        fn family(&self) -> Family {
            FamilyKind::Ve.published()
        }
        fn settings(&self) -> score_explorer::registry::Settings {
            self.family().sde().settings()
        }
        fn forward(&self) -> Vec<String> {
            Vec::new()
        }
        fn drift(&self, _t: f64) -> f64 {
            unreachable!("not recorded")
        }
        fn prior_std(&self) -> f64 {
            unreachable!("not recorded")
        }
        fn epsilon(&self) -> f64 {
            unreachable!("not recorded")
        }
        fn increment(&self, _step: &Step) -> Increment {
            unreachable!("not recorded")
        }
        fn corrector_scale(&self, _step: &Step) -> f64 {
            unreachable!("not recorded")
        }
        fn label_convention(&self, _continuous: bool) -> LabelConvention {
            unreachable!("not recorded")
        }
    };
}

impl Sde for Path {
    not_asked!();
    fn alpha(&self, t: f64) -> f64 {
        self.levels[t as usize - 1].alpha
    }
    fn sigma(&self, t: f64) -> f64 {
        self.levels[t as usize - 1].sigma
    }
    fn at_ratio(&self, ratio: f64) -> Level {
        match self.coordinates.as_str() {
            _ if ratio == 0.0 => Level::CLEAN,
            "ve" => Level::new(1.0, ratio),
            "vp" => Level::new(1.0 / ratio.hypot(1.0), ratio / ratio.hypot(1.0)),
            _ => Level::new(1.0 / (1.0 + ratio), ratio / (1.0 + ratio)),
        }
    }
    fn time_of_ratio(&self, _ratio: f64) -> f64 {
        unreachable!("times were not recorded")
    }
    fn table_ratio(&self, index: usize, _levels: usize) -> f64 {
        TABLE[index]
    }
    fn diffusion(&self, _t: f64) -> f64 {
        unreachable!("times were not recorded")
    }
    fn beta(&self, _t: f64) -> f64 {
        unreachable!("times were not recorded")
    }
}

impl Sde for Rate {
    not_asked!();
    fn alpha(&self, t: f64) -> f64 {
        (-0.5 * (self.least * t + 0.5 * self.slope * t * t)).exp()
    }
    fn sigma(&self, t: f64) -> f64 {
        (-(-(self.least * t + 0.5 * self.slope * t * t)).exp_m1()).sqrt()
    }
    fn beta(&self, t: f64) -> f64 {
        self.least + self.slope * t
    }
    fn diffusion(&self, t: f64) -> f64 {
        self.beta(t).sqrt()
    }
    fn time_of_ratio(&self, ratio: f64) -> f64 {
        let integral = (ratio * ratio).ln_1p();
        ((self.least * self.least + 2.0 * self.slope * integral).sqrt() - self.least) / self.slope
    }
}

/// E[x(0) | x] of a mixture of round Gaussians, in double precision.
struct Exact {
    weights: Vec<f64>,
    means: Vec<Vec<f64>>,
    stds: Vec<f64>,
    calls: Cell<usize>,
}

impl Exact {
    fn named(name: &str) -> Exact {
        let mixture = &RECORDED["mixtures"][name];
        Exact {
            weights: numbers(&mixture["weights"]),
            means: list(&mixture["means"]).iter().map(numbers).collect(),
            stds: numbers(&mixture["stds"]),
            calls: Cell::new(0),
        }
    }

    fn clean(&self, x: &[f64], at: Level) -> Vec<f64> {
        let variance = |k: usize| (at.alpha * self.stds[k]).powi(2) + at.sigma.powi(2);
        let apart = |k: usize| x.iter().zip(&self.means[k]).map(move |(x, mean)| x - at.alpha * mean);
        let log = |k: usize| {
            self.weights[k].ln()
                - 0.5 * x.len() as f64 * variance(k).ln()
                - 0.5 * apart(k).map(|d| d * d).sum::<f64>() / variance(k)
        };
        let logs: Vec<f64> = (0..self.weights.len()).map(log).collect();
        let highest = logs.iter().copied().fold(f64::MIN, f64::max);
        let shares: Vec<f64> = logs.iter().map(|log| (log - highest).exp()).collect();
        let total: f64 = shares.iter().sum();
        (0..x.len())
            .map(|i| {
                let mean = |k: usize| {
                    let gain = at.alpha * self.stds[k].powi(2) / variance(k);
                    self.means[k][i] + gain * (x[i] - at.alpha * self.means[k][i])
                };
                (0..shares.len()).map(|k| shares[k] / total * mean(k)).sum()
            })
            .collect()
    }
}

impl ScoreModel for Exact {
    fn shape(&self) -> [usize; 3] {
        [self.means[0].len(), 1, 1]
    }
    fn range(&self) -> Option<Range> {
        Some(Range::Symmetric)
    }
    fn ratios(&self) -> Option<(f64, f64)> {
        None
    }
    fn moments(&self) -> Option<Moments> {
        None
    }
    fn score(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        let clean = self.denoised(x, at)?;
        Ok((clean * at[0].alpha - x.clone()) * at[0].sigma.powi(-2))
    }
    fn denoised(&self, x: &Image, at: &[Level]) -> Result<Image, ScoreError> {
        self.calls.set(self.calls.get() + 1);
        let rows = read(x);
        let clean = rows.chunks(self.means[0].len()).flat_map(|row| self.clean(row, at[0])).collect();
        Ok(double(clean, x.dims()))
    }
}

/// The recorded draws: by step and purpose, or one after the other where steps are tried.
struct Draws {
    at: HashMap<(usize, Option<u32>), Image>,
    in_turn: RefCell<VecDeque<Image>>,
}

impl NoiseSource for Draws {
    fn normal(&self, step: usize, purpose: Purpose) -> Image {
        let number = if let Purpose::Corrector(number) = purpose { Some(number) } else { None };
        match self.at.get(&(step, number)) {
            Some(z) => z.clone(),
            None => self.in_turn.borrow_mut().pop_front().unwrap(),
        }
    }
    fn uniform(&self, _step: usize, purpose: Purpose) -> Tensor<1> {
        panic!("{purpose:?} was not recorded")
    }
}

/// All states after each step.
#[derive(Default)]
struct States(Vec<Vec<f64>>);

impl Observer for States {
    fn observe(&mut self, state: &StepState<'_>) -> ControlFlow<()> {
        self.0.push(read(state.x));
        ControlFlow::Continue(())
    }
}

/// A recorded run.
struct Case {
    json: &'static Value,
    name: &'static str,
    shape: [usize; 4],
}

impl Case {
    fn named(name: &str) -> Case {
        let json = list(&RECORDED["cases"]).iter().find(|case| case["name"] == name).unwrap();
        let rows = list(&json["x"]);
        let shape = [rows.len(), list(&rows[0]).len(), 1, 1];
        Case { json, name: json["name"].as_str().unwrap(), shape }
    }

    fn image(&self, json: &Value) -> Image {
        double(numbers(json), self.shape)
    }

    /// Indices of the states that end a step.
    fn ends(&self) -> Vec<usize> {
        let count = list(&self.json["states"]).len();
        if self.json["events"].is_array() {
            let inner = self.inner();
            return (0..count).filter(|&at| at + 1 == count || !inner[at + 1]).collect();
        }
        match self.json["ends"].as_array() {
            Some(ends) => ends.iter().map(|end| end.as_u64().unwrap() as usize).collect(),
            None if self.is_tried() => vec![count - 1],
            None => (0..count).collect(),
        }
    }

    /// Whether each event of a run with restarts belongs to a restart: from new noise until the level where it began.
    fn inner(&self) -> Vec<bool> {
        let mut low = None;
        let event = |event: &Value| {
            let level = |key: &str| event[key].as_f64().unwrap();
            if event["do"] == "renoise" {
                low = Some(level("from"));
                return true;
            }
            let inner = low.is_some();
            low = low.filter(|low| level("to") > low * (1.0 + 1e-9));
            inner
        };
        list(&self.json["events"]).iter().map(event).collect()
    }

    /// Whether steps are tried.
    fn is_tried(&self) -> bool {
        self.name.contains("adaptive")
    }

    /// Whether both evaluations of a step have a state of their own.
    fn is_heun(&self) -> bool {
        self.name.contains("heun") && !self.name.contains("dpmpp")
    }

    /// Whether what follows the last step is not one of the method's.
    fn ends_apart(&self) -> bool {
        ["diff-sampler/ipndm-3-to-zero", "unipc/bh2-3-data"].contains(&self.name)
    }

    /// The levels between which each step of the grid goes.
    fn steps(&self) -> Vec<[Level; 2]> {
        let levels: Vec<Level> = list(&self.json["levels"]).iter().map(level).collect();
        let evaluations: Vec<Level> = list(&self.json["evaluations"]).iter().map(level).collect();
        let start = level(&self.json["start"]);
        if self.is_tried() {
            return vec![[start, levels[levels.len() - 1]]];
        }
        if self.name.contains("ddim") {
            return evaluations.into_iter().zip(levels).map(|(from, to)| [from, to]).collect();
        }
        if self.name.contains("pndm") && !self.name.contains("ipndm") {
            let ends = self.ends();
            let starts = std::iter::once(0).chain(ends.iter().map(|end| end + 1));
            return starts.zip(&ends).map(|(start, &end)| [evaluations[start], levels[end]]).collect();
        }
        // diffusers' singlestep solvers, and the original's on other grids than those of log-SNR, name the inner nodes.
        let ends: Vec<Level> = if self.name.contains("pp-fast") {
            evaluations[1..].iter().chain(levels.last()).copied().collect()
        } else if list(&self.json["levels"]).len() > self.ends().len()
            && self.json["events"].is_null()
            && !self.is_heun()
        {
            levels
        } else {
            self.ends().into_iter().map(|end| levels[end]).collect()
        };
        // A last evaluation beyond the method itself: the denoised estimate.
        let ends = if self.ends_apart() { &ends[..ends.len() - 1] } else { &ends };
        let starts = std::iter::once(start).chain(ends.iter().copied());
        starts.zip(ends.iter().copied()).map(|(from, to)| [from, to]).collect()
    }

    fn draws(&self) -> Draws {
        let noise = list(&self.json["noise"]);
        let mut at = HashMap::new();
        let mut in_turn = VecDeque::new();
        if self.json["events"].is_array() {
            let (mut step, mut number) = (0, 0);
            for (inner, draw) in self.inner().into_iter().zip(noise) {
                (step, number) = if inner { (step, number + 1) } else { (step + 1, 0) };
                if inner {
                    at.insert((step - 1, Some(number - 1)), self.image(&draw["z"]));
                }
            }
            return Draws { at, in_turn: RefCell::new(in_turn) };
        }
        for draw in noise.iter().filter(|draw| draw["unused"] != true) {
            if self.is_tried() {
                in_turn.push_back(self.image(&draw["z"]));
                continue;
            }
            let step = draw["step"].as_u64().unwrap() as usize;
            if let Some(first) = at.insert((step, None), self.image(&draw["z"])) {
                at.insert((step, Some(0)), first);
            }
        }
        Draws { at, in_turn: RefCell::new(in_turn) }
    }

    /// What the states after each step are.
    fn expected(&self) -> Vec<Vec<f64>> {
        let states = list(&self.json["states"]);
        let corrected = list(&self.json["corrected"]);
        // Solvers with a corrector show the corrected state: it is what the next step leaves from.
        let of = |&end: &usize| numbers(corrected.get(end + 1).unwrap_or(&states[end]));
        let ends = self.ends();
        let ends = if self.ends_apart() { &ends[..ends.len() - 1] } else { &ends };
        ends.iter().map(of).collect()
    }

    /// The largest difference from what was recorded, as a share of the largest state.
    fn difference(&self, solver: &str) -> f64 {
        let between = self.steps();
        let mut levels = Vec::new();
        let mut time = |level: Level| {
            levels.push(level);
            levels.len() as f64
        };
        let steps: Vec<Step> = between
            .iter()
            .enumerate()
            .map(|(index, &[from, to])| Step {
                index,
                t: time(from),
                next: if to.sigma == 0.0 { 0.0 } else { time(to) },
                table: None,
            })
            .collect();
        let path = Path { levels, coordinates: self.json["coordinates"].as_str().unwrap().into() };
        let (model, draws) = (Exact::named(self.json["mixture"].as_str().unwrap()), self.draws());
        let process = Process::free(&model, &path, &steps, false, &draws);
        self.compare(&process, solver, 1.0, |_| 1.0)
    }

    /// The same of a process whose states are `start` times the recorded ones, and `scale` times after each step.
    fn compare(&self, process: &Process<'_>, solver: &str, start: f64, scale: impl Fn(usize) -> f64) -> f64 {
        let mut states = States::default();
        let x = self.image(&self.json["x"]) * start;
        crate::choices::solver(&self.solver(solver)).solve(process, x, &mut states).unwrap();
        let expected = self.expected();
        assert_eq!(states.0.len(), expected.len(), "{}: states", self.name);
        let largest = expected.iter().flatten().fold(0.0f64, |a, x| a.max(x.abs()));
        let worst = |(step, (found, expected)): (usize, (&Vec<f64>, &Vec<f64>))| {
            let scale = scale(step);
            found
                .iter()
                .zip(expected)
                .map(|(a, b)| (a / scale - b).abs())
                .fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
        };
        let differences = states.0.iter().zip(&expected).enumerate().map(worst);
        differences.fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a }) / largest
    }

    /// SA-Solver's noise between the timesteps 200 and 800, as σ/α.
    fn solver(&self, text: &str) -> String {
        text.replace("TAU", &format!("{}:{}", TABLE[200], TABLE[800]))
    }

    /// The same in the time and with the states of VP.
    fn in_time(&self, solver: &str) -> f64 {
        let sde = &Rate::published();
        let ratios: Vec<[f64; 2]> = self.steps().iter().map(|ends| ends.map(Level::ratio)).collect();
        let time = |ratio: f64| if ratio == 0.0 { 0.0 } else { sde.time_of_ratio(ratio) };
        let steps: Vec<Step> = ratios
            .iter()
            .enumerate()
            .map(|(index, ends)| Step { index, t: time(ends[0]), next: time(ends[1]), table: None })
            .collect();
        let model = Exact::named(self.json["mixture"].as_str().unwrap());
        let draws = self.draws();
        let process = Process::free(&model, sde, &steps, false, &draws);
        self.compare(&process, solver, sde.alpha(steps[0].t), |step| sde.target(&steps[step]).alpha)
    }
}

/// How close a case is to be: as close as doubles are, unless the published code is less exact itself.
fn bound(name: &str) -> f64 {
    match name {
        // The published code rounds the factor of a step's length to single precision.
        "dpm-solver/adaptive-12" | "dpm-solver/adaptive-23" => 1e-4,
        // Sums over 10,000 points, some of whose times are in single precision.
        _ if name.contains("deis-tab") => 1e-6,
        _ => 1e-8,
    }
}

#[test]
fn every_step_is_the_published_one() {
    let mut wrong = Vec::new();
    for &(name, solver) in CLAIMS {
        let case = Case::named(name);
        let difference = if name.contains("deis-tab") { case.in_time(solver) } else { case.difference(solver) };
        if difference.is_nan() || difference > bound(name) {
            wrong.push(format!("{name} by {solver}: off by {difference:.1e} of the largest state"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CLAIMS.len(), wrong.join("\n"));
}

#[test]
fn every_recorded_case_is_claimed() {
    let known: Vec<&str> = CLAIMS.iter().map(|(name, _)| *name).collect();
    let cases = list(&RECORDED["cases"]);
    let missing: Vec<&str> =
        cases.iter().map(|case| case["name"].as_str().unwrap()).filter(|name| !known.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(known.len(), cases.len());
}
