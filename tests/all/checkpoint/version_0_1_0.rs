//! Files that version 0.1.0 wrote still open to the same runs, flows and restorations: `tests/data/runs`.

use crate::choices::{grid, method, operator, solver};
use burn::tensor::Device;
use score_explorer::Image;
use score_explorer::checkpoint::read_run;
use score_explorer::score::{Clipped, InRange, Mixture, ScoreModel};
use score_explorer::sde::{Family, FamilyKind, Ve};
use score_explorer::solver::{Dynamics, Noise, Observer, StepState, Unobserved};
use score_explorer::task::{Count, Flow, ModelRef, Origin, Plan, Resampling, Restoration, Run, Steps, sample};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/runs").join(format!("{name}.json"))
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// Two samples of a mixture in six steps.
fn run(model: &str, solver_and_grid: [&str; 2]) -> Run {
    Run {
        model: ModelRef::Mixture(model.into()),
        family: FamilyKind::Vp.published(),
        solver: solver(solver_and_grid[0]),
        grid: grid(solver_and_grid[1]),
        steps: Steps::new(6).unwrap(),
        denoise: true,
        clip: false,
        guidance: None,
        seed: 0,
        count: Count::new(2).unwrap(),
        origin: Origin::Prior,
    }
}

fn runs() -> Vec<(&'static str, Run)> {
    let moons = |solver, grid| run("two-moons", [solver, grid]);
    let wider = Family::Ve(Ve::new(0.01, 40.0).unwrap());
    let one = Steps::new(1).unwrap();
    let langevin = run("blocks", ["pc:euler-maruyama:langevin:0.2:3:batch", "uniform"]);
    let at = |parent: &Run, step| Origin::Branch { parent: Box::new(parent.clone()), step };
    let branch = Run { seed: 99, origin: at(&langevin, 2), ..run("blocks", ["heun", "uniform"]) };
    vec![
        ("run-preset-fast", Run { clip: true, ..moons("pc:ancestral", "log-snr") }),
        ("run-preset-pc", Run { seed: u64::MAX, ..moons("pc:ancestral:langevin:0.16:1:batch", "uniform") }),
        ("run-preset-c", Run { denoise: false, ..moons("pc:none:langevin:0.16:1:batch", "uniform") }),
        ("run-langevin", langevin.clone()),
        (
            "run-annealed-langevin",
            Run { family: wider, ..run("ring", ["pc:reverse-diffusion:ald:1.5e-5", "quadratic"]) },
        ),
        (
            "run-hmc",
            Run {
                family: FamilyKind::SubVp.published(),
                clip: true,
                ..run("grid", ["pc:ancestral:hmc:0.16:1:5:true", "edm:3.5"])
            },
        ),
        ("run-hmc-alone", Run { steps: one, ..moons("pc:none:hmc:0.02:1100:3:false", "uniform") }),
        ("run-hmc-long", Run { steps: one, ..moons("pc:none:hmc:0.002:1:1200:false", "uniform") }),
        ("run-probability-flow", moons("pc:probability-flow", "uniform")),
        ("run-ddim", Run { clip: true, ..moons("ddim", "uniform") }),
        ("run-heun", Run { clip: true, ..moons("heun", "edm:7") }),
        ("run-dpm", Run { clip: true, ..moons("dpm++", "log-snr") }),
        ("run-branch", branch.clone()),
        ("run-branch-of-branch", Run { seed: 7, origin: at(&branch, 2), ..langevin }),
    ]
}

#[test]
fn run_files_open_to_the_same_runs() {
    for (name, expected) in runs() {
        assert_eq!(read_run(&path(name)).unwrap(), expected, "{name}");
    }
}

/// Lets a solver go on for a number of steps.
struct Until(usize);

impl Observer for Until {
    fn observe(&mut self, _state: &StepState<'_>) -> ControlFlow<()> {
        self.0 -= 1;
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The samples of a run, or its state after some steps.
fn samples(run: &Run, model: &dyn ScoreModel, observer: &mut dyn Observer) -> Image {
    let noise =
        Noise { seed: run.seed, first: 0, count: run.count.get(), shape: model.shape(), device: Device::flex() };
    let start = match &run.origin {
        Origin::Prior => None,
        Origin::Branch { parent, step } => Some(samples(parent, model, &mut Until(*step))),
    };
    sample(run, &Plan::new(run, model), model, start, &noise, observer).unwrap()
}

#[test]
fn they_run_to_the_same_numbers() {
    let recorded: BTreeMap<String, Vec<f32>> = serde_json::from_str(&text("samples")).unwrap();
    assert_eq!(recorded.len(), runs().len());
    for (name, mut run) in runs() {
        // The last state of correctors alone was not denoised then.
        run.denoise &= run.solver.entry().dynamics(run.solver.settings()) != Dynamics::MarkovChains;
        let ModelRef::Mixture(mixture) = &run.model else { panic!("{name}") };
        let mixture = Mixture::named(mixture).unwrap();
        let model = Clipped::new(InRange::new(&mixture, run.family.facts().range), run.clip);
        let found = samples(&run, &model, &mut Unobserved).try_into_vec_as::<f32>().unwrap();
        for (found, expected) in found.iter().zip(&recorded[name]) {
            // Processors round differently.
            assert!((found - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{name}: {found} for {expected}");
        }
    }
}

#[test]
fn latents_lead_back_by_the_same_flow() {
    let family = FamilyKind::Vp.published();
    let worlds = |family| Flow::new("exact:worlds".parse().unwrap(), family);
    let steps = |steps| Steps::new(steps).unwrap();
    let wider = Family::Ve(Ve::new(0.01, 40.0).unwrap());
    for (name, expected) in [
        ("flow-adaptive", Flow { end: 0.01, ..worlds(family) }),
        ("flow-adaptive-batch", Flow { end: 0.01, solver: solver("adaptive:1e-3:0.02:batch"), ..worlds(family) }),
        ("flow-heun", worlds(family).by(solver("heun"), steps(18))),
        ("flow-dpm", Flow { until: 0.5, end: 1e-3, ..worlds(wider) }.by(solver("dpm++"), steps(12))),
    ] {
        let found: Flow = serde_json::from_str(&text(name)).unwrap();
        assert_eq!((found.check(), found), (Ok(()), expected), "{name}");
    }
}

#[test]
fn restorations_are_the_same() {
    let made = |texts: [&str; 2], solver_and_grid: [&str; 2]| {
        let (model, count, steps) = ("exact:worlds".parse().unwrap(), Count::new(1).unwrap(), Steps::new(4).unwrap());
        Restoration {
            run: Run { model, count, steps, clip: true, ..run("", solver_and_grid) },
            operator: operator(texts[0]),
            noise: 0.0,
            method: method(texts[1]),
            resampling: None,
            strength: 1.0,
            fork: None,
        }
    };
    let (ancestral, thrice) = (["pc:ancestral", "edm"], Some(Resampling::new(2, 3).unwrap()));
    let mut published = made(["blur:gaussian:1.5", "dps:0.25"], ["pc:ancestral:hmc:0.16:1:2:false", "uniform"]);
    published.run.clip = false;
    for (name, expected) in [
        (
            "restoration-pigdm",
            Restoration { noise: 0.02, ..made(["super-resolution:4", "pigdm:0.5"], ["ddim", "log-snr"]) },
        ),
        ("restoration-dps", made(["blur:motion:7:-30", "dps"], ancestral)),
        (
            "restoration-kernel",
            Restoration { resampling: thrice, ..made(["blur:own:3:0,1,0,1,4,1,0,1,0", "null-space"], ancestral) },
        ),
        (
            "restoration-sensing",
            Restoration { resampling: thrice, ..made(["compressed-sensing:0.3:12", "projection"], ancestral) },
        ),
        ("restoration-edit", Restoration { strength: 0.4, ..made(["inpainting", "null-space"], ancestral) }),
        ("restoration-colour", made(["colourisation", "exact"], ["heun", "edm"])),
        ("restoration-gaussian", published),
    ] {
        let found: Restoration = serde_json::from_str(&text(name)).unwrap();
        assert_eq!((found.check(), &found), (Ok(()), &expected), "{name}");
    }
}
