//! What a GPU, here a software one, is asked for.

use super::{Place, reference};
use std::path::Path;

/// Two evaluations make a step of the predictor–corrector. Besides them it draws twice, takes the sums of squares of
/// score and noise, makes two step sizes of these by four operations on a number a sample, moves twice, and shows x̂₀. Where
/// a network of another family is brought to the run's, this takes four more for each evaluation. Nothing is waited for.
#[test]
fn a_step_is_little_more_than_its_evaluations_and_waits_for_nothing() {
    for (net, brought) in [("ddpmpp-vp-cifar10", 0.0), ("ncsnpp-ve-cifar10-discrete", 4.0)] {
        let model = reference(net, "checkpoint.pth");
        let line = format!("bench --model {} --device gpu --evaluations 1 --quick --json", model.display());
        let said: serde_json::Value = serde_json::from_str(&Place::new().succeeds(&line).stdout).expect("JSON");
        let [evaluation, step] = [&said["asked"], &said["asked"]["step"]]
            .map(|calls| ["dispatches", "submissions", "readbacks"].map(|of| calls[of].as_f64().expect("a number")));
        assert!(evaluation[0] > 50.0 && evaluation[1] >= 1.0, "{net}: {evaluation:?}");
        let own = 2.0 + 2.0 + 4.0 + 2.0 + 1.0;
        assert!(step[0] <= 2.0 * (evaluation[0] + brought) + own, "{net}: {step:?} after {evaluation:?}");
        assert!(step[1] <= 2.0 * evaluation[1], "{net}: {step:?} after {evaluation:?}");
        assert_eq!([evaluation[2], step[2]], [0.0; 2], "{net}");
    }
}

/// Kernels of one's own for a RefineNet, too, recorded once: by tensor operations it is some 2,700 dispatches.
#[test]
fn a_refinenet_is_one_list_of_dispatches() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ncsn/ncsn/checkpoint.pth");
    let line = format!("bench --model {} --device gpu --evaluations 1 --quick --json", model.display());
    let said: serde_json::Value = serde_json::from_str(&Place::new().succeeds(&line).stdout).expect("JSON");
    let of = |call: &str| said["asked"][call].as_f64().expect("a number");
    assert!(of("dispatches") <= 250.0 && of("submissions") <= 3.0, "{}", said["asked"]);
}
