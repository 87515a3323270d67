//! Steps that are found for a model.

use super::{engine, finish, quick};
use crate::choices::{grid, solver};
use score_explorer::engine::{DeviceChoice, End, FindSteps, Options};
use score_explorer::registry::Choice;
use score_explorer::solver::{Grid, SIGMAS, Sigmas};
use score_explorer::task::{Count, ModelRef, Run, StepSearch, Steps};

/// The root of the mean square of what two runs of equal noise differ by.
fn apart(engine: &score_explorer::engine::Engine, run: Run, exact: &[f32]) -> f64 {
    let end = finish(engine, run).newest.x.clone();
    let sum: f64 = end.values.iter().zip(exact).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (sum / exact.len() as f64).sqrt()
}

/// DDIM at the levels that were found ends nearer to the exact flow than on any grid that knows nothing of the data.
#[test]
fn found_steps_lose_less_of_the_flow() {
    let engine = engine();
    let run = Run {
        model: ModelRef::Mixture("two-moons".into()),
        solver: solver("ddim"),
        count: Count::new(256).unwrap(),
        ..quick(200)
    };
    let exact = finish(&engine, Run { solver: solver("heun"), grid: grid("log-snr"), ..run.clone() }).newest.x.clone();
    let search = StepSearch { run: run.clone(), wanted: vec![5, 10] };
    let End::Finished(found) = engine.start(FindSteps(search), Options::on(DeviceChoice::Cpu)).end() else {
        panic!("not found");
    };
    for (steps, ratios) in found {
        assert_eq!((ratios.len(), ratios[steps]), (steps + 1, 0.0));
        assert!(ratios.windows(2).all(|two| two[0] > two[1]), "{ratios:?}");
        let of = |grid: Choice<dyn Grid>| Run { grid, steps: Steps::new(steps).unwrap(), ..run.clone() };
        let here = apart(&engine, of(Choice::<dyn Grid>::new(&Sigmas).with(&SIGMAS, ratios)), &exact.values);
        for other in ["uniform", "quadratic", "log-snr", "edm"] {
            let there = apart(&engine, of(grid(other)), &exact.values);
            assert!(here < there, "{steps} steps: {here:.4}, {other} {there:.4}");
        }
    }
    let too_many = StepSearch { run, wanted: vec![31] }.check().unwrap_err().to_string();
    assert!(too_many.contains("not for 31") && !too_many.contains('\n'), "{too_many}");
}
