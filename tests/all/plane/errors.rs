//! The error of a solver against the exact flow, and against its cost.

use super::{famous, gaussian};
use score_explorer::plane::{Drive, Errors, Known, Pane, Plane, Quality, View, errors, sweep};
use score_explorer::sde::{Family, FamilyKind};
use score_explorer::task::Steps;

fn vp() -> Family {
    FamilyKind::Vp.published()
}

fn pane(solver: &str, grid: &str, steps: usize) -> Pane {
    Pane { grid: grid.parse().unwrap(), ..Pane::new(solver.parse().unwrap(), Steps::new(steps).unwrap()) }
}

fn measured(plane: &Plane, pane: &Pane, known: Option<&Known>) -> Option<Errors> {
    let (family, go_on) = (vp(), || Ok(()));
    let drive = Drive { pane, family: &family, plane, model: plane, known, seed: 1, gate: &go_on };
    errors(&drive, &View { centre: [0.0; 2], half: 2.0 }.cells(5)).unwrap()
}

/// The flow of a Gaussian N(m, s²) is linear: x(t) = α(t)·m + c·std(t), with the same c at every time. The last step of all
/// solvers leads from there to the mean of x(0).
#[test]
fn exact_ends_are_those_of_the_linear_flow_of_a_gaussian() {
    let (mean, std) = ([0.2, -0.1], 0.3);
    let plane = gaussian(mean, std);
    let pane = pane("heun", "edm", 20);
    let found = measured(&plane, &pane, None).unwrap();
    let (family, steps) = (vp(), pane.plan(&vp(), &plane).steps);
    let sde = family.sde();
    let (first, last) = (sde.level(1.0), sde.level(steps.last().unwrap().t));
    for (start, end) in found.starts.iter().zip(&found.exact) {
        for axis in 0..2 {
            let apart = (f64::from(start[axis]) - first.alpha * mean[axis]) / first.marginal_std(std);
            let x = last.alpha * mean[axis] + apart * last.marginal_std(std);
            let clean =
                mean[axis] + last.alpha * std * std / last.marginal_std(std).powi(2) * (x - last.alpha * mean[axis]);
            // A hundred controlled steps, each within 1e-6.
            assert!((f64::from(end[axis]) - clean).abs() < 1e-4, "{start:?}: {end:?}, not {clean}");
        }
    }
    assert!(found.rms() < 0.1 * std && found.rms() > 1e-4, "{}", found.rms());
}

/// Heun's method is of second order: twice the steps, a quarter of the error, about.
#[test]
fn errors_fall_with_the_order_of_the_solver() {
    let plane = gaussian([0.2, -0.1], 0.3);
    let rms = |steps: usize| measured(&plane, &pane("heun", "edm", steps), None).unwrap().rms();
    let order = (rms(12) / rms(24)).log2();
    assert!((1.6..2.6).contains(&order), "{order}");
    // What has noise of its own has no such error, nor what is held to a measurement.
    assert_eq!(measured(&plane, &pane("ddim:1", "log-snr", 10), None), None);
    let mut held = pane("heun", "edm", 10);
    held.method = Some("exact".parse().unwrap());
    assert_eq!(measured(&plane, &held, Some(&Known::Point { at: [0.0; 2], noise: 0.1 })), None);
}

#[test]
fn more_evaluations_come_nearer_to_the_data() {
    let (plane, family, go_on) = (famous("two-moons"), vp(), || Ok(()));
    let pane = pane("heun", "edm", 1);
    let drive =
        Drive { pane: &pane, family: &family, plane: &plane, model: &plane, known: None, seed: 1, gate: &go_on };
    let reference = plane.sample(&score_explorer::plane::noise(99, 4_000));
    let steps = [3, 6, 24].map(|steps| Steps::new(steps).unwrap());
    let mut rows: Vec<Quality> = Vec::new();
    sweep(&drive, 1_000, &reference, &steps, &mut |row| rows.push(row)).unwrap();
    assert_eq!(rows.iter().map(|row| (row.steps, row.nfe)).collect::<Vec<_>>(), [(3, 5.0), (6, 11.0), (24, 47.0)]);
    let distances: Vec<f64> = rows.iter().map(|row| row.distance.unwrap()).collect();
    assert!(distances[0] > 2.0 * distances[1] && distances[1] > distances[2], "{distances:?}");
}
