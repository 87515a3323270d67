//! What `bench` measures, as far as it is not only a matter of speed.

use super::{Place, reference};
use score_explorer::checkpoint::open_network;
use serde_json::Value;

#[test]
fn a_graphics_device_is_compared_with_what_it_can_do() {
    let place = Place::new();
    let net = reference("ddpmpp-subvp-cifar10", "checkpoint.pth");
    let line = |device| format!("bench --model {} --evaluations 1 --quick --device {device} --json", net.display());
    let told = |device| -> Value { serde_json::from_str(&place.succeeds(&line(device)).stdout).expect("JSON") };
    assert!(told("cpu")["card"].is_null());

    let figures = told("gpu");
    let card = &figures["card"];
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{figures:#}"));
    let loads = card["loads"].as_array().unwrap_or_else(|| panic!("{figures:#}"));
    let (whole, layers) = loads.split_first().expect("the evaluation");
    assert!(whole["kind"] == "evaluation" && card["batch"] == 1, "{card:#}");
    for load in loads {
        let [seconds, read, written, operations] =
            ["seconds", "read", "written", "operations"].map(|name| number(&load[name]));
        let [of_copying, of_arithmetic] = ["of_copying", "of_arithmetic"].map(|name| number(&load[name]));
        let shares = [(read + written) / number(&card["copying"]), operations / number(&card["arithmetic"])];
        for (share, told) in shares.map(|share| share / seconds).into_iter().zip([of_copying, of_arithmetic]) {
            assert!((share - told).abs() <= 1e-9 * share, "{card:#}");
        }
        // What fits into a cache may be faster than copies; no arithmetic is faster than in registers.
        assert!(of_copying > 0.0 && (0.0..1.2).contains(&of_arithmetic), "{card:#}");
    }
    for name in ["read", "written", "operations"] {
        let of_layers: f64 = layers.iter().map(|load| number(&load[name])).sum();
        assert!(of_layers > 0.0 && of_layers <= number(&whole[name]), "{card:#}");
    }
    // All parameters are read, of four bytes each.
    let parameters = open_network(&net, None).expect("a checkpoint").description.config.count();
    assert!(number(&whole["read"]) > 4.0 * parameters as f64, "{parameters} parameters, {card:#}");
}
