//! Time grids: where they begin and end, and what they space evenly.

use super::published::{RECORDED, list, numbers};
use crate::choices::grid;
use score_explorer::registry::{Category, Choice};
use score_explorer::sde::{Family, FamilyKind, Step, Ve};
use score_explorer::solver::{Grid, RHO};

/// The slugs of grids without times of their own.
fn free() -> impl Iterator<Item = &'static str> {
    <dyn Grid>::all().iter().filter(|grid| grid.is_free()).map(|grid| grid.about().slug)
}

/// EDM's with the extremes of ρ, and all others.
fn grids() -> Vec<Choice<dyn Grid>> {
    let others = free().filter(|slug| *slug != "edm");
    others.chain(["edm:0.1", "edm:1", "edm:7", "edm:100"]).map(grid).collect()
}

/// Second differences of a function of the grid's times, relative to the whole stretch.
fn unevenness(steps: &[Step], place: impl Fn(f64) -> f64) -> f64 {
    let places: Vec<f64> = steps.iter().map(|step| place(step.t)).collect();
    let whole = places[places.len() - 1] - places[0];
    places.windows(3).map(|p| ((p[2] - 2.0 * p[1] + p[0]) / whole).abs()).fold(0.0, f64::max)
}

#[test]
fn grids_fall_strictly_from_start_to_end_and_then_to_zero() {
    for &kind in FamilyKind::ALL {
        let family = kind.published();
        let sde = family.sde();
        for grid in grids() {
            for n in [1, 2, 3, 10, 1000] {
                for (start, end) in [(1.0, sde.epsilon()), (0.9, 0.2), (0.5, 0.5), (0.5, 0.5 - 1e-16), (0.3, 0.6)] {
                    let steps = grid.steps(sde, n, start, end);
                    let place = format!("{kind} {grid:?} {n} {start} {end}");
                    assert!((1..=n).contains(&steps.len()), "{place}: {} steps", steps.len());
                    assert_eq!(steps[0].t, start, "{place}");
                    assert_eq!(steps[steps.len() - 1].next, 0.0, "{place}");
                    assert!(n == 1 || steps[steps.len() - 1].t == end.min(start), "{place}");
                    assert!(steps.iter().all(|step| step.t > step.next && step.t <= 1.0), "{place}");
                    assert!(steps.windows(2).all(|two| two[0].next == two[1].t), "{place}");
                    assert!(steps.iter().enumerate().all(|(i, step)| step.index == i), "{place}");
                }
            }
        }
    }
}

#[test]
fn whole_grids_have_as_many_steps_as_asked() {
    for &kind in FamilyKind::ALL {
        let family = kind.published();
        for grid in free().map(grid) {
            let steps = grid.steps(family.sde(), 2000, 1.0, family.sde().epsilon());
            assert_eq!(steps.len(), 2000, "{kind} {grid:?}");
        }
    }
}

#[test]
fn each_grid_spaces_its_own_quantity_evenly() {
    // Inverting σ/α is good to about 1e-9 of the stretch.
    let even = |found: f64| assert!(found < 1e-6, "{found}");
    for &kind in FamilyKind::ALL {
        let family = kind.published();
        let sde = family.sde();
        let steps = |name: &str| grid(name).steps(sde, 50, 1.0, sde.epsilon());
        even(unevenness(&steps("uniform"), |t| t));
        even(unevenness(&steps("quadratic"), f64::sqrt));
        even(unevenness(&steps("log-snr"), |t| sde.level(t).log_snr()));
        even(unevenness(&steps("edm"), |t| sde.level(t).ratio().powf(1.0 / 7.0)));
    }
}

#[test]
fn only_the_published_grid_reads_the_published_tables() {
    let family = FamilyKind::Vp.published();
    let sde = family.sde();
    let table = |name: &str, n, start, end| grid(name).steps(sde, n, start, end)[0].table;
    assert_eq!(table("uniform", 1000, 1.0, sde.epsilon()), Some(1000));
    assert_eq!(table("uniform", 1000, 0.9, sde.epsilon()), None);
    assert_eq!(table("uniform", 1000, 1.0, 0.02), None);
    assert_eq!(table("uniform", 1, 1.0, sde.epsilon()), None);
    assert_eq!(table("log-snr", 1000, 1.0, sde.epsilon()), None);
}

#[test]
fn an_impossible_rho_is_refused_in_one_sentence() {
    for rho in [0.0, 0.05, 101.0, -7.0, f64::NAN, f64::INFINITY] {
        let mut grid = grid("edm");
        assert!(grid.settings_mut().set(&RHO, rho).is_err(), "{rho}");
        assert!(format!("edm:{rho}").parse::<Choice<dyn Grid>>().is_err(), "{rho}");
    }
    let sentence = "ρ = 0 is out of range; choose 0.1 to 100";
    assert_eq!("edm:0".parse::<Choice<dyn Grid>>().unwrap_err().to_string(), sentence);
    let read = |text: &str| serde_json::from_str::<Choice<dyn Grid>>(text);
    let error = read(r#"{"grid": "edm", "rho": 0.0}"#).unwrap_err().to_string();
    assert!(error.contains(sentence), "{error}");
    let grid = grid("edm");
    assert_eq!(read(&serde_json::to_string(&grid).unwrap()).unwrap(), grid);
}

/// σ/α where the steps of a grid begin.
fn ratios(grid: &Choice<dyn Grid>, family: Family, n: usize) -> Vec<f64> {
    let sde = family.sde();
    grid.steps(sde, n, 1.0, sde.epsilon()).iter().map(|step| sde.level(step.t).ratio()).collect()
}

#[test]
fn discrete_spacings_are_those_of_diffusers() {
    let family = FamilyKind::Vp.published();
    let table = numbers(&RECORDED["tables"]["vp-linear-0.0001-0.02"]);
    let ratio = |level: f64| ((1.0 - table[level as usize]) / table[level as usize]).sqrt();
    let mut compared = 0;
    for recorded in list(&RECORDED["spacings"]) {
        let (scheduler, spacing) =
            (recorded["scheduler"].as_str().unwrap(), recorded["timestep_spacing"].as_str().unwrap());
        // The others interpolate between levels, or have no such grid.
        let spare = match scheduler {
            "DDIMScheduler" => 0,
            "DPMSolverMultistepScheduler" => 1,
            _ => continue,
        };
        let timesteps = numbers(&recorded["timesteps"]);
        let offset = if spacing == "leading" { recorded["steps_offset"].as_u64().unwrap_or(0) } else { 0 };
        let found = ratios(&grid(&format!("{spacing}:{offset}:{spare}")), family, timesteps.len());
        assert_eq!(found.len(), timesteps.len(), "{recorded}");
        for (found, level) in found.iter().zip(&timesteps) {
            // The last level of the table lies beyond the path's end.
            let expected = ratio(*level).min(family.sde().level(1.0).ratio());
            assert!((found / expected - 1.0).abs() < 1e-9, "{scheduler} {spacing}: {found} at level {level}");
        }
        compared += 1;
    }
    assert!(compared >= 10, "{compared}");
}

#[test]
fn align_your_steps_is_the_published_table_on_its_own_stretch() {
    // Sabour et al. 2024: ten steps of Stable Diffusion 1.5 from 14.615 to 0.029.
    let family = Family::Ve(Ve::new(0.029, 14.615).unwrap());
    let found: Vec<f64> =
        grid("ays").steps(family.sde(), 11, 1.0, 0.0).iter().map(|step| family.sde().level(step.t).ratio()).collect();
    let table = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152];
    for (found, expected) in found.iter().zip(table) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
    }
}

#[test]
fn lists_are_the_grid_and_what_is_no_list_is_refused() {
    let family = FamilyKind::Vp.published();
    let levels = [40.0, 10.0, 2.0, 0.5, 0.1];
    for (grid, found) in [
        ("sigmas:40,10,2,0.5,0.1,0", ratios(&grid("sigmas:40,10,2,0.5,0.1,0"), family, 1)),
        ("sigmas:40,10,2,0.5,0.1", ratios(&grid("sigmas:40,10,2,0.5,0.1"), family, 1)),
    ] {
        let expected = if grid.ends_with(",0") { &levels[..] } else { &levels[..4] };
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a / b - 1.0).abs() < 1e-9), "{found:?}");
    }
    let steps = grid("times:0.9,0.5,0.2").steps(family.sde(), 7, 1.0, 1e-3);
    assert_eq!(steps.iter().map(|step| (step.t, step.next)).collect::<Vec<_>>(), [(0.9, 0.5), (0.5, 0.2)]);
    for text in ["sigmas:1", "sigmas:1,2", "sigmas:1,-1", "times:0.5,0.5", "sigmas:nan,0"] {
        assert!(text.parse::<Choice<dyn Grid>>().unwrap_err().to_string().contains("must fall"), "{text}");
    }
    let off = grid("sigmas:500,1,0");
    assert!(off.entry().fits(off.settings(), family.sde()).unwrap_err().contains("not on this family's path"));
}
