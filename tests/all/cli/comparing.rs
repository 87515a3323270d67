//! The same data, levels and first state as another program's, and every state back.

use super::Place;
use crate::solver::published::{RECORDED, list, numbers};
use score_explorer::checkpoint::{read_tensors, write_tensors};
use score_explorer::network::{Array, Weights};
use serde_json::Value;

fn recorded(name: &str) -> &'static Value {
    list(&RECORDED["cases"]).iter().find(|case| case["name"] == name).unwrap()
}

/// Runs a recorded case by the command line; its states, and those that were recorded.
fn compared(place: &Place, name: &str, options: &str) -> Vec<(Vec<f64>, Vec<f64>)> {
    let case = recorded(name);
    let mixture = case["mixture"].as_str().unwrap();
    std::fs::write(place.path("mixture.json"), RECORDED["mixtures"][mixture].to_string()).unwrap();
    let rows = list(&case["x"]);
    let (count, width) = (rows.len(), list(&rows[0]).len());
    let values = numbers(&case["x"]).into_iter().map(|x| x as f32).collect();
    let x = Array { shape: vec![count, width, 1, 1], values };
    write_tensors(&place.path("x.safetensors"), &Weights::from([("x".into(), x)])).unwrap();
    let ratio = |level: &Value| numbers(level)[1] / numbers(level)[0];
    let levels = std::iter::once(&case["start"]).chain(list(&case["levels"]));
    let sigmas: Vec<String> = levels.map(|level| ratio(level).to_string()).collect();
    place.succeeds(&format!(
        "sample --model mixture:mixture.json --start x.safetensors --trace states.safetensors --device cpu {options} \
         --sigmas {}",
        sigmas.join(",")
    ));
    let states = read_tensors(&place.path("states.safetensors")).unwrap().remove("x").unwrap();
    assert_eq!(states.shape, [list(&case["states"]).len() + 1, count, width, 1, 1], "{name}");
    let states = states.values.chunks(count * width).skip(1);
    let states = states.map(|state| state.iter().map(|&x| f64::from(x)).collect());
    // Solvers with a corrector show the corrected state.
    let corrected = list(&case["corrected"]);
    let expected = list(&case["states"]).iter().enumerate();
    let expected = expected.map(|(step, state)| numbers(corrected.get(step + 1).unwrap_or(state)));
    states.zip(expected).collect()
}

#[test]
fn states_of_recorded_runs_are_those_of_the_published_code() {
    let place = Place::new();
    let ve = "--family ve --sigma-min 0.001 --sigma-max 100";
    for (name, options) in [
        ("k-diffusion/heun", format!("{ve} --solver heun")),
        ("k-diffusion/dpm_2", format!("{ve} --solver dpm-2")),
        ("k-diffusion/lms-4", format!("{ve} --solver lms")),
        ("k-diffusion/dpmpp_2m", format!("{ve} --solver dpm++")),
        ("k-diffusion/dpmpp_3m_sde-eta0", format!("{ve} --solver sde-dpm++3m --eta 0")),
        ("diff-sampler/ipndm-3", format!("{ve} --solver ipndm --order 3")),
        ("dpm-solver/pp-multistep-2", "--family vp --solver dpm++".into()),
        ("dpm-solver/fixed-3", "--family vp --solver dpm++s --prediction noise".into()),
        ("unipc/bh2-2-data", "--family vp --solver unipc".into()),
        ("diffusers/flow-euler-shift1", "--family flow --solver ddim".into()),
        ("diffusers/flow-euler-shift3", "--family flow --shift 3 --solver euler".into()),
        ("diffusers/unipc-flow", "--family flow --solver unipc".into()),
        ("diffusers/unipc-zero-snr", "--family scaled-linear --zero-snr --solver unipc".into()),
    ] {
        let states = compared(&place, name, &options);
        let largest = states.iter().flat_map(|(_, expected)| expected).fold(0.0f64, |a, x| a.max(x.abs()));
        let deviation = recorded(name)["float32_deviation"].as_f64().unwrap_or_default();
        let bound = (10.0 * deviation).max(1e-4) * largest;
        for (step, (found, expected)) in states.iter().enumerate() {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() <= bound, "{name} step {step}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn what_is_no_mixture_no_start_and_no_list_is_refused() {
    let place = Place::new();
    std::fs::write(place.path("torn.json"), "{\"weights\": [1]}").unwrap();
    std::fs::write(place.path("odd.json"), "{\"weights\": [1, 2], \"means\": [[0, 0]], \"stds\": [1]}").unwrap();
    std::fs::write(place.path("flat.json"), "{\"weights\": [1], \"means\": [[0, 0]], \"stds\": [0]}").unwrap();
    place.fails("sample --model mixture:torn.json", 3, "missing field");
    place.fails("sample --model mixture:odd.json", 3, "2 weights, 1 means and 1 stds");
    place.fails("sample --model mixture:flat.json", 3, "standard deviation 0");
    place.fails("sample --model mixture:none.json", 3, "cannot be read");
    let x = Array { shape: vec![2, 3, 1, 1], values: vec![0.0; 6] };
    write_tensors(&place.path("x.safetensors"), &Weights::from([("x".into(), x)])).unwrap();
    place.fails("sample --model mixture:ring --start x.safetensors", 3, "x has the shape [2, 3, 1, 1]; give N×2×1×1");
    place.fails("sample --model mixture:ring --sigmas 500,1,0", 2, "not on this family's path");
    place.fails("sample --model mixture:ring --sigmas inf,1,0", 2, "not on this family's path");
    assert_eq!(place.run("sample --model mixture:ring --sigmas 1,2").code, Some(2));
    assert_eq!(place.run("sample --model mixture:ring --sigmas 1,0 --steps 3").code, Some(2));
}

#[test]
fn orders_are_told_in_tables_and_as_json() {
    let place = Place::new();
    let table = place.succeeds("convergence --solver heun --counts 20,40").stdout;
    assert!(table.lines().count() == 5 && table.contains("promised: 2"), "{table}");
    let json = place.succeeds("convergence --solver dpm++3m --differences exact --counts 40,80 --json").stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let order = json[0]["measured"].as_f64().unwrap();
    assert!((2.8..3.6).contains(&order) && json[0]["promised"] == 3.0, "{json}");
    place.fails("convergence --solver adaptive", 2, "chooses its own steps");
    place.fails("convergence --order 2", 2, "--solver");
    place.fails("convergence --model worlds-vp-small", 2, "is not an exact mixture");
}
