//! Solver settings by name: those of the paper's table 1, and fast ones for a CPU.

use crate::solver::{Corrector, Grid, Norms, Predictor, PredictorCorrector, Snr, Solver};
use crate::task::{ModelRef, Run, Steps};
use std::num::NonZeroU32;

/// A named set of solver, grid and steps. Model and family stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preset {
    /// The ancestral sampler in 10 steps of equal log-SNR, clipped.
    Fast10,
    /// The same in 20 steps.
    Fast20,
    /// The same in 50 steps.
    Fast50,
    /// The probability-flow ODE by DPM-Solver++(2M) in 20 evaluations, clipped.
    Ode20,
    /// The predictor alone, 1000 steps.
    P1000(Predictor),
    /// The predictor alone, 2000 steps.
    P2000(Predictor),
    /// The Langevin corrector alone, 2000 steps.
    C2000,
    /// 1000 steps of the predictor, each after one Langevin step.
    Pc1000(Predictor),
}

impl Preset {
    /// All presets, in the order in which they are offered.
    pub fn all() -> Vec<Preset> {
        let predictors =
            [Predictor::Ancestral, Predictor::ReverseDiffusion, Predictor::EulerMaruyama, Predictor::ProbabilityFlow];
        let mut all = vec![Preset::Fast10, Preset::Fast20, Preset::Fast50, Preset::Ode20];
        all.extend(predictors.map(Preset::P1000));
        all.extend(predictors.map(Preset::P2000));
        all.push(Preset::C2000);
        all.extend(predictors.map(Preset::Pc1000));
        all
    }

    /// The name people read.
    pub fn name(self) -> String {
        match self {
            Preset::Fast10 => "Fast 10".into(),
            Preset::Fast20 => "Fast 20".into(),
            Preset::Fast50 => "Fast 50".into(),
            Preset::Ode20 => "ODE 20".into(),
            Preset::P1000(predictor) => format!("P1000 {}", predictor.name()),
            Preset::P2000(predictor) => format!("P2000 {}", predictor.name()),
            Preset::C2000 => "C2000 Langevin".into(),
            Preset::Pc1000(predictor) => format!("PC1000 {}", predictor.name()),
        }
    }

    /// Sets solver, grid, steps, last-step denoising and clipping of `run`. The published ones do not clip.
    pub fn apply(self, run: &mut Run) {
        // In the few dimensions of a mixture, a sample's own norms would widen the distribution.
        let norms = if matches!(run.model, ModelRef::Mixture(_)) { Norms::Batch } else { Norms::Sample };
        let pc = |predictor, corrector| {
            Solver::Pc(PredictorCorrector {
                predictor,
                corrector,
                snr: Snr::default(),
                corrector_steps: NonZeroU32::MIN,
                norms,
            })
        };
        // Its noise washes out the errors of an imperfect network, which an ODE keeps to the end.
        let fast = pc(Predictor::Ancestral, Corrector::None);
        let (solver, grid, steps) = match self {
            Preset::Fast10 => (fast, Grid::LogSnr, 10),
            Preset::Fast20 => (fast, Grid::LogSnr, 20),
            Preset::Fast50 => (fast, Grid::LogSnr, 50),
            Preset::Ode20 => (Solver::DpmPlusPlus, Grid::LogSnr, 20),
            Preset::P1000(predictor) => (pc(predictor, Corrector::None), Grid::Uniform, 1000),
            Preset::P2000(predictor) => (pc(predictor, Corrector::None), Grid::Uniform, 2000),
            Preset::C2000 => (pc(Predictor::None, Corrector::Langevin), Grid::Uniform, 2000),
            Preset::Pc1000(predictor) => (pc(predictor, Corrector::Langevin), Grid::Uniform, 1000),
        };
        run.solver = solver;
        run.grid = grid;
        run.denoise = true;
        run.clip = matches!(self, Preset::Fast10 | Preset::Fast20 | Preset::Fast50 | Preset::Ode20);
        if let Ok(steps) = Steps::new(steps) {
            run.steps = steps;
        }
    }

    /// The preset that `run` follows, if any.
    pub fn of(run: &Run) -> Option<Preset> {
        Preset::all().into_iter().find(|preset| {
            let mut same = run.clone();
            preset.apply(&mut same);
            if let (Solver::Pc(same), Solver::Pc(run)) = (&mut same.solver, &run.solver)
                && run.corrector == Corrector::None
            {
                // Norms are the corrector's; without one they say nothing.
                same.norms = run.norms;
            }
            same == *run
        })
    }
}
