//! The predictor–corrector sampler (Song et al. 2021, algorithm 1).

use super::{
    Ancestral, Arrival, BATCH, CORRECTOR_STEPS, Correction, Corrector, Destination, Dynamics, EulerMaruyama,
    Evaluation, Grid, Group, LogSnr, NORMS, Observer, Predictor, Preset, ProbabilityFlow, Process, Purpose,
    ReverseDiffusion, Solver, Stage, Uniform, Update, corrector_only, show,
};
use crate::Image;
use crate::registry::{Choice, Equation, Parameter, Settings, abouts, entry};
use crate::score::{ScoreError, denoised};
use crate::sde::{Family, Step};

/// The predictor.
pub const PREDICTOR: Parameter = Parameter::choice("predictor", "reverse-diffusion", abouts::<dyn Predictor>)
    .named("Predictor", "Predictor", "Predictor: the numerical step from t to the next t")
    .optional();

/// The corrector.
pub const CORRECTOR: Parameter = Parameter::choice("corrector", "none", abouts::<dyn Corrector>)
    .named("Corrector", "Corrector", "Corrector: Markov chain steps at each t that leave p_t(x) unchanged")
    .optional();

entry! {
    /// At each level the corrector, then the predictor, as published; without a predictor the corrector alone.
    PredictorCorrector {
        slug: "pc",
        name: "PC",
        summary: "Predictor–corrector on the reverse SDE",
        source: "Song et al. 2021, algorithm 1",
        parameters: [&PREDICTOR, &CORRECTOR],
        check: check,
    }
}

/// Whether the values fit together.
fn check(settings: &Settings) -> Result<(), String> {
    if predicts(settings) || corrects(settings) {
        return Ok(());
    }
    Err("predictor None with corrector None does nothing; choose a predictor or a corrector".into())
}

fn predictor(settings: &Settings) -> &'static dyn Predictor {
    settings.entry(&PREDICTOR)
}

fn corrector(settings: &Settings) -> &'static dyn Corrector {
    settings.entry(&CORRECTOR)
}

fn predicts(settings: &Settings) -> bool {
    settings.option(&PREDICTOR) != "none"
}

fn corrects(settings: &Settings) -> bool {
    settings.option(&CORRECTOR) != "none"
}

impl Solver for PredictorCorrector {
    fn solve(
        &self,
        settings: &Settings,
        process: &Process<'_>,
        mut x: Image,
        observer: &mut dyn Observer,
    ) -> Result<Image, ScoreError> {
        let (predictor, corrector) = (predictor(settings), corrector(settings));
        if !predicts(settings) {
            return corrector_only(corrector, settings, process, x, observer);
        }
        for step in process.steps {
            let level = [process.sde.start(step)];
            let correction = corrector.correct(settings, process, &x, step)?;
            if let Some(correction) = &correction {
                x = process.corrected(step, correction)?;
            }
            let score = process.model.score(&x, &level)?;
            let seen = Evaluation { x, score };
            let update = predictor.step(process.sde, step);
            x = process.arrive(step, process.updated(step, &update, &seen))?;
            if process.show(observer, step, &x, &seen, correction.as_ref()).is_break() {
                break;
            }
        }
        Ok(x)
    }

    fn evaluations(&self, settings: &Settings, steps: usize, to: Destination) -> Option<usize> {
        let predicts = predicts(settings);
        let last = usize::from(!predicts && corrects(settings) && to == Destination::Denoised);
        Some(steps * (usize::from(predicts) + corrector(settings).evaluations(settings)) + last)
    }

    fn dynamics(&self, settings: &Settings) -> Dynamics {
        match predictor(settings) {
            _ if !predicts(settings) => Dynamics::MarkovChains,
            predictor if predictor.is_deterministic() => Dynamics::ProbabilityFlow,
            _ => Dynamics::ReverseSde,
        }
    }

    fn is_stochastic(&self, settings: &Settings) -> bool {
        corrects(settings) || !predictor(settings).is_deterministic()
    }

    fn couples_samples(&self, settings: &Settings) -> bool {
        let has_norms = corrector(settings).about().parameters.iter().any(|own| own.key == NORMS.key);
        has_norms && settings.option(&NORMS) == BATCH.slug
    }

    fn is_linear(&self, settings: &Settings) -> bool {
        !corrects(settings)
    }

    fn order(&self, settings: &Settings) -> Option<f64> {
        (!self.is_stochastic(settings)).then_some(1.0)
    }

    fn title(&self, settings: &Settings) -> String {
        format!("{} + {}", predictor(settings).about().name, corrector(settings).about().name)
    }

    fn grid(&self) -> Choice<dyn Grid> {
        Choice::new(&Uniform)
    }

    fn equations(&self, settings: &Settings, family: &Family) -> Vec<Equation> {
        let facts = family.facts();
        let mut all: Vec<Equation> = corrector(settings)
            .equation(settings, facts)
            .into_iter()
            .map(|mut equation| {
                if let steps @ 2.. = settings.whole(&CORRECTOR_STEPS) {
                    equation.title += &format!(", {steps} times");
                }
                equation
            })
            .collect();
        if predicts(settings) {
            let predictor = predictor(settings);
            all.push(Equation::new(format!("{} step", predictor.about().name), [predictor.equation(facts)]));
        }
        all
    }

    /// Fast ones with little noise, and the grid of Song et al. 2021, table 1.
    fn presets(&self) -> Vec<Preset> {
        let preset = |name: String, summary: String, predictor: &dyn Predictor, corrector, steps| {
            let (solver, grid, group) = (pc(predictor, corrector), Choice::new(&Uniform as _), Group::Published);
            Preset { name, summary, group, solver, grid, steps, clip: false }
        };
        let alone = |predictor: &&dyn Predictor, steps| {
            let name = predictor.about().name;
            preset(format!("P{steps} {name}"), format!("{name} alone, {steps} steps"), *predictor, "none", steps)
        };
        let both = |predictor: &&dyn Predictor| {
            let name = predictor.about().name;
            let summary = format!("A Langevin step, then {name}, at each of 1000 time steps");
            preset(format!("PC1000 {name}"), summary, *predictor, "langevin", 1000)
        };
        let predictors: [&dyn Predictor; 4] = [&Ancestral, &ReverseDiffusion, &EulerMaruyama, &ProbabilityFlow];
        let corrector = "The Langevin corrector alone, 2000 steps".into();
        let corrector = preset("C2000 Langevin".into(), corrector, &super::NoPredictor, "langevin", 2000);
        let mut all: Vec<Preset> = [10, 20, 50].map(Preset::fast).into();
        all.extend(predictors.iter().map(|predictor| alone(predictor, 1000)));
        all.extend(predictors.iter().map(|predictor| alone(predictor, 2000)));
        all.push(corrector);
        all.extend(predictors.iter().map(both));
        all
    }
}

fn pc(predictor: &dyn Predictor, corrector: &'static str) -> Choice<dyn Solver> {
    let solver: Choice<dyn Solver> = Choice::new(&PredictorCorrector);
    solver.with(&PREDICTOR, predictor.about().slug).with(&CORRECTOR, corrector)
}

impl Preset {
    /// Few ancestral steps, whose noise washes out the errors of an imperfect network, which an ODE keeps to the end.
    pub fn fast(steps: usize) -> Preset {
        let summary = "Ancestral sampling on equal steps in log-SNR, x̂₀ clipped to the data range".into();
        let (name, solver, grid) = (format!("Fast {steps}"), pc(&Ancestral, "none"), Choice::new(&LogSnr as _));
        Preset { name, summary, group: Group::Fast, solver, grid, steps, clip: true }
    }
}

impl Process<'_> {
    /// The state after a correction, as the constraint will have it.
    pub(super) fn corrected(&self, step: &Step, correction: &Correction) -> Result<Image, ScoreError> {
        let level = self.sde.level(step.t);
        self.constraint.apply(correction.next.clone(), Arrival { step: *step, stage: Stage::Corrector, level })
    }

    /// The state that an update leads to: without its noise at the end of a process that leaves the last noise out.
    fn updated(&self, step: &Step, update: &Update, seen: &Evaluation) -> Image {
        match update.noise == 0.0 || self.denoise && step.next == 0.0 {
            true => update.mean(seen).tensor(),
            false => update.next(seen, &self.noise.normal(step.index, Purpose::Predictor)),
        }
    }

    /// Shows `observer` a step with what was last evaluated in it.
    pub(super) fn show(
        &self,
        observer: &mut dyn Observer,
        step: &Step,
        x: &Image,
        seen: &Evaluation,
        correction: Option<&Correction>,
    ) -> std::ops::ControlFlow<()> {
        let clean = denoised(&seen.x, &seen.score, &[self.sde.level(step.t)]);
        show(observer, step, x, &clean, &seen.score, correction.map(|correction| &correction.diagnostics))
    }
}
