use super::{Place, reference};
use serde_json::Value;

#[test]
fn help_names_every_command_and_every_exit_code() {
    let help = Place::new().succeeds("--help").stdout;
    for command in ["sample", "run", "score", "import", "models", "devices", "bench"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command} is not in {help}");
        let own = Place::new().succeeds(&format!("{command} --help")).stdout;
        assert!(own.contains("Examples:") && own.contains(&format!("score-explorer {command}")), "{own}");
    }
    for code in 0..=4 {
        assert!(help.contains(&format!("\n  {code}  ")), "exit code {code} is not in {help}");
    }
}

#[test]
fn models_are_listed_as_json_with_what_the_model_option_takes() {
    let place = Place::new();
    let listed: Value = serde_json::from_str(&place.succeeds("models --json").stdout).expect("JSON");
    let names: Vec<&str> =
        listed.as_array().expect("a list").iter().filter_map(|entry| entry["model"].as_str()).collect();
    assert!(names.contains(&"worlds-vp-small") && names.contains(&"exact:worlds"), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("mixture:")), "{names:?}");
    let table = place.succeeds("models").stdout;
    assert!(names.iter().all(|name| table.contains(name)), "{table}");
}

#[test]
fn devices_say_which_one_auto_takes_and_why() {
    let told: Value = serde_json::from_str(&Place::new().succeeds("devices --json").stdout).expect("JSON");
    assert!(told["cpu"].as_str().is_some_and(|name| name.starts_with("CPU")), "{told}");
    let auto = told["auto"]["device"].as_str().expect("a device");
    let real = told["adapters"].as_array().expect("a list").iter().any(|adapter| adapter["software"] == false);
    assert_eq!(auto.starts_with("CPU"), !real, "a software adapter is never chosen: {told}");
}

#[test]
fn drivers_that_miss_a_session_write_nothing_to_stderr() {
    let place = Place::new();
    let sample = "sample --model mixture:ring --steps 2 --count 2 --output a.png";
    for line in ["devices", "models", sample, &format!("{sample} --device gpu"), "run none.json"] {
        for variables in [&[][..], &[("XDG_RUNTIME_DIR", "")], &[("XDG_RUNTIME_DIR", "run")]] {
            let said = place.run_with(line, variables).stderr;
            // On a busy machine a run may tell how far it is.
            let ours = |line: &str| {
                ["step ", "opening ", "error: no usable GPU", "error: \"none.json\""]
                    .iter()
                    .any(|ours| line.starts_with(ours))
            };
            assert!(said.lines().all(ours), "{line} {variables:?}: {said}");
        }
    }
}

#[test]
fn an_imported_checkpoint_is_listed_and_sampled_by_its_name() {
    let place = Place::new();
    std::fs::write(place.path("card.txt"), "Painted at random.").expect("a file");
    let net = "ncsnpp-vp-cifar10";
    let (source, config) = (reference(net, "checkpoint.pth"), reference(net, "config.json"));
    let import =
        format!("import {} --config {} --name Random --card-file card.txt", source.display(), config.display());
    place.succeeds(&import);
    assert!(place.succeeds("models").stdout.contains("random"));
    // What is there is not replaced by accident.
    place.fails(&import, 2, "already");
    place.succeeds("sample --model random --count 1 --steps 1 --device cpu --output one.png");
    assert_eq!(&place.bytes("one.png")[1..4], b"PNG");
}

#[test]
fn a_checkpoint_without_configuration_is_imported_as_assumed_or_as_told() {
    let place = Place::new();
    std::fs::copy(reference("ddpmpp-subvp-cifar10", "checkpoint.pth"), place.path("alone.pth")).expect("a file");
    let shown = place.succeeds("import alone.pth --name assumed").stdout;
    assert!(shown.contains("\n  model.nf = 16\n  model.ch_mult = [1,2]\n"), "{shown}");
    assert!(shown.contains("\n  training.sde = vpsde (as most DDPM++"), "{shown}");
    let shown = place.succeeds("import alone.pth --name told --set training.sde=subvpsde").stdout;
    assert!(shown.contains("\n  data.centered = true (") && !shown.contains("training.sde"), "{shown}");
    place.succeeds("import alone.pth --name live --set training.sde=subvpsde --weights raw");
    let model = |name: &str| place.bytes(&format!("data/score-explorer/models/{name}.safetensors"));
    assert!(model("told") != model("live") && model("told") != model("assumed"));
    place.succeeds("sample --model told --count 1 --steps 1 --device cpu --output one.png");
    let said = place.succeeds("sample --model ./alone.pth --count 1 --steps 1 --device cpu --output one.png").stderr;
    assert!(said.contains("warning: ") && said.contains("training.sde = vpsde"), "{said}");
    // EDM's names tell the size, too.
    let edm = reference("../edm", "edm-ncsnpp.safetensors");
    let shown = place.succeeds(&format!("import {} --name edm --set edm.sigma_data=0.5", edm.display())).stdout;
    assert!(shown.contains("\n  data.image_size = 16\n") && !shown.contains("edm.sigma_data"), "{shown}");
    place.fails("import alone.pth --name x --set model.sde=vpsde", 3, "unknown field model.sde");
    place.fails("import alone.pth --name x --set centred", 2, "is not FIELD=VALUE");
    place.fails("import alone.pth --name x --weights best", 2, "--weights");
}

#[test]
fn without_a_display_the_window_points_to_the_command_line() {
    let sentence = Place::new().fails("", 1, "display");
    assert!(sentence.contains("score-explorer sample --help"), "{sentence}");
}

/// The original releases' checkpoints, by annealed Langevin dynamics at as many steps as they have levels.
#[test]
fn ncsn_of_either_release_is_imported_listed_and_sampled() {
    let place = Place::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ncsn");
    for (net, steps) in [("ncsn", 10), ("ncsnv2", 20)] {
        let file = folder.join(net).join("checkpoint.pth");
        let langevin =
            format!("--predictor none --corrector ald --snr 0.1 --corrector-steps 2 --steps {steps} --count 1");
        place.succeeds(&format!("sample --model {} {langevin} --device cpu --output direct.png", file.display()));
        place.succeeds(&format!("import {} --name {net}", file.display()));
        assert!(place.succeeds("models").stdout.contains(net));
        place.succeeds(&format!("sample --model {net} {langevin} --device cpu --output named.png"));
        assert!(place.bytes("direct.png") == place.bytes("named.png"), "{net}");
        // And in the family of other networks.
        place.succeeds(&format!("sample --model {net} --family vp --steps 3 --count 1 --device cpu --output vp.png"));
    }
}
