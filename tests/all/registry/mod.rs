//! What choices say of themselves, and that they come back from text and from files as they were.

use crate::choices::{corrector, grid, solver};
use score_explorer::registry::{About, Category, Choice, Kind, Parameter, Settings, Value, whole};
use score_explorer::score::Operator;
use score_explorer::sde::FamilyKind;
use score_explorer::solver::{
    CORRECTOR, CORRECTOR_STEPS, Corrector, Grid, Heun, LEAPFROG, Method, NORMS, PREDICTOR, Predictor, Preset, SNR,
    Solver,
};
use score_explorer::task::{Flow, Restoration, Run};
use score_explorer::train::{Average, Objective, Optimizer, Schedule, Times};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::mem::discriminant;

/// Asks the same of every category.
macro_rules! in_every_category {
    ($ask:ident) => {
        $ask::<dyn Solver>();
        $ask::<dyn Predictor>();
        $ask::<dyn Corrector>();
        $ask::<dyn Grid>();
        $ask::<dyn Method>();
        $ask::<dyn Operator>();
        $ask::<dyn Objective>();
        $ask::<dyn Times>();
        $ask::<dyn Optimizer>();
        $ask::<dyn Schedule>();
        $ask::<dyn Average>();
    };
}

fn abouts<E: ?Sized + Category>() -> Vec<&'static About> {
    E::all().iter().map(|entry| entry.about()).collect()
}

/// Values of a parameter other than its default, the extremes among them.
fn others(parameter: &Parameter) -> Vec<Value> {
    let mut all: Vec<Value> = match &parameter.kind {
        Kind::Number { default, possible: (low, high), .. } => {
            // As short as people write them: JSON is read to a unit in the last place.
            let round = |value: f64| format!("{value:.3e}").parse().unwrap_or(value);
            let more = (1.1 * default).min(*high);
            [*low, 0.3 * low + 0.7 * default, more, *high].map(|value| Value::Number(round(value))).into()
        }
        Kind::Whole { default, possible: (low, high) } => [*low, default + 1, *high].map(Value::Whole).into(),
        Kind::Levels { levels, .. } => levels.iter().copied().map(Value::Whole).collect(),
        Kind::Flag { default } => vec![Value::Flag(!default)],
        Kind::Choice { .. } => parameter.options().iter().map(|about| Value::Option(about.slug)).collect(),
        Kind::Numbers => vec![
            vec![0.3].into(),
            vec![0.0, 1.5, 1e-7, 1e20, 4.0, -0.1, 0.0, 1.0, 0.0].into(),
            vec![0.9, 0.25, 1e-7].into(),
            vec![3.0, 2.0, 0.06, 0.3].into(),
        ],
    };
    all.retain(|value| *value != parameter.default() && parameter.admit(value.clone()).is_ok());
    all.dedup();
    all
}

/// Every entry with every combination of other values for all its parameters, but for options, which are all there.
fn combinations<E: ?Sized + Category>() -> Vec<Choice<E>> {
    let (mut open, mut done) = (E::all().iter().map(|entry| (Choice::new(*entry), 0)).collect::<Vec<_>>(), Vec::new());
    while let Some((choice, place)) = open.pop() {
        let Some(parameter) = choice.parameters().get(place).copied() else {
            done.push(choice);
            continue;
        };
        let mut values = others(parameter);
        if let Kind::Choice { .. } = parameter.kind {
            values.push(parameter.default());
        }
        open.extend(values.into_iter().map(|value| (choice.clone().with(parameter, value), place + 1)));
    }
    // Some values do not fit together: a kernel needs as many weights as its size says.
    done.retain(|choice| choice.check().is_ok());
    assert!(abouts::<E>().iter().all(|about| done.iter().any(|choice| choice.about().slug == about.slug)));
    done
}

#[test]
fn every_entry_has_a_slug_of_its_own_a_name_and_a_summary() {
    fn ask<E: ?Sized + Category>() {
        check(E::NAME, &abouts::<E>());
    }
    fn check(category: &str, all: &[&About]) {
        let slugs: BTreeSet<_> = all.iter().map(|about| about.slug).collect();
        let names: BTreeSet<_> = all.iter().map(|about| about.name).collect();
        assert_eq!((slugs.len(), names.len()), (all.len(), all.len()), "{category}: {slugs:?}, {names:?}");
        for about in all {
            let place = format!("{category} {}", about.slug);
            let words = |text: &str| !text.is_empty() && text.trim() == text && !text.ends_with('.');
            let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-+:".contains(letter);
            assert!(words(about.slug) && about.slug.chars().all(plain), "{place}");
            assert!(words(about.name) && words(about.summary), "{place}: {about:?}");
            assert_eq!(about.source.trim_end_matches('.').trim(), about.source, "{place}");
            assert!(about.line().starts_with(about.summary) && about.line().contains(about.source), "{place}");
            let every = whole::every(about.parameters);
            for parameter in &every {
                let place = format!("{place}, {}", parameter.key);
                let texts = [parameter.name, parameter.label, parameter.tip];
                assert!(texts.into_iter().all(words), "{place}: {texts:?}");
                assert_eq!(parameter.admit(parameter.default()), Ok(parameter.default()), "{place}");
                if let Kind::Number { possible, usual, .. } = parameter.kind {
                    assert!(possible.0 <= usual.0 && usual.0 < usual.1 && usual.1 <= possible.1, "{place}");
                }
                check(&place, &parameter.options());
            }
        }
    }
    in_every_category!(ask);
    check("family", &FamilyKind::ALL.iter().map(|kind| kind.about()).collect::<Vec<_>>());
}

#[test]
fn parameters_of_one_key_are_the_same_parameter_and_no_field_of_a_run() {
    let fields = [
        "score-explorer-run",
        "model",
        "family",
        "steps",
        "denoise",
        "clip",
        "seed",
        "count",
        "origin",
        "until",
        "end",
        <dyn Solver>::NAME,
        <dyn Grid>::NAME,
    ];
    let families = FamilyKind::ALL.iter().map(|kind| kind.about());
    let runs = abouts::<dyn Solver>().into_iter().chain(abouts::<dyn Grid>());
    let trainings = abouts::<dyn Objective>().into_iter().chain(abouts::<dyn Times>());
    let trainings = trainings.chain(abouts::<dyn Optimizer>()).chain(abouts::<dyn Schedule>());
    let all = runs.chain(trainings).chain(abouts::<dyn Average>()).chain(families);
    let parameters: Vec<_> = all.flat_map(|about| whole::every(about.parameters)).collect();
    for one in &parameters {
        assert!(!fields.contains(&one.key), "{}", one.key);
        for other in &parameters {
            // Ranges and usual values may be an entry's own.
            let same = discriminant(&one.kind) == discriminant(&other.kind);
            assert!(one.key != other.key || one.name == other.name && same, "{}", one.key);
            assert!(one.key == other.key || one.option() != other.option(), "{} {}", one.key, other.key);
        }
    }
}

#[test]
fn every_choice_comes_back_from_its_text() {
    fn ask<E: ?Sized + Category>() {
        let mut texts = BTreeSet::new();
        let all = combinations::<E>();
        for choice in &all {
            let text = choice.to_string();
            let read: Choice<E> = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(read, *choice, "{text}");
            for parameter in choice.parameters() {
                assert_eq!(read.settings().value(parameter), choice.settings().value(parameter), "{text}");
            }
            texts.insert(text);
        }
        assert_eq!(texts.len(), all.len(), "no two choices are written alike");
    }
    in_every_category!(ask);
}

#[test]
fn the_usual_values_need_not_be_written() {
    for text in ["heun", "adaptive", "pc", "pc:ancestral", "pc:none:hmc", "pc:ancestral:langevin:0.2"] {
        assert_eq!(solver(text).to_string(), text);
    }
    assert_eq!(solver("pc:reverse-diffusion:none"), solver("pc"));
    assert_eq!(solver("pc:ancestral:hmc:0.16:1:3:false").to_string(), "pc:ancestral:hmc");
    assert_eq!(solver("adaptive:0.00001:1e-5:sample").to_string(), "adaptive");
    assert_eq!(solver("adaptive:1e-3").to_string(), "adaptive:0.001");
    assert_eq!(grid("edm:7").to_string(), "edm");
    assert_eq!(solver("pc:ancestral:ald:1e-7").to_string(), "pc:ancestral:ald:1e-7");
}

#[test]
fn every_choice_comes_back_from_files() {
    fn ask<E: ?Sized + Category>() {
        for choice in combinations::<E>() {
            let json = serde_json::to_value(&choice).unwrap();
            assert_eq!(json[E::NAME], choice.about().slug);
            assert_eq!(serde_json::from_value::<Choice<E>>(json.clone()).unwrap(), choice, "{json}");
            let all = whole::serialize(&choice, serde_json::value::Serializer).unwrap();
            assert_eq!(whole::deserialize::<E, _>(all.clone()).unwrap(), choice, "{all}");
            // By way of text, as files have it.
            let text = serde_json::to_string(&choice).unwrap();
            assert_eq!(serde_json::from_str::<Choice<E>>(&text).unwrap(), choice, "{text}");
        }
    }
    in_every_category!(ask);
}

#[test]
fn every_solver_and_grid_comes_back_flattened_in_what_holds_it() {
    let grids = combinations::<dyn Grid>();
    for (i, solver) in combinations::<dyn Solver>().into_iter().enumerate() {
        let run = Run { solver: solver.clone(), grid: grids[i % grids.len()].clone(), ..Run::default() };
        let json = serde_json::to_value(&run).unwrap();
        assert!(json["corrector"].is_null() || json["corrector"].is_string(), "{json}");
        assert_eq!(serde_json::from_value::<Run>(json.clone()).unwrap(), run, "{json}");
        let restoration = Restoration { run, ..Restoration::default() };
        let text = serde_json::to_string(&restoration).unwrap();
        assert_eq!(serde_json::from_str::<Restoration>(&text).unwrap(), restoration, "{text}");
        let flow = Flow::default().by(solver, restoration.run.steps);
        let text = serde_json::to_string(&flow).unwrap();
        assert_eq!(serde_json::from_str::<Flow>(&text).unwrap(), flow, "{text}");
    }
}

#[test]
fn settings_keep_what_does_not_matter_now() {
    let mut choice = solver("pc:ancestral:hmc:0.3:2:7:true");
    choice.choose(&Heun);
    assert_eq!(
        (choice.to_string().as_str(), serde_json::to_value(&choice).unwrap()),
        ("heun", json!({"solver": "heun", "along": "ratio"}))
    );
    assert_eq!(choice, solver("heun"));
    let kept = whole::serialize(&choice, serde_json::value::Serializer).unwrap();
    let mut back = whole::deserialize::<dyn Solver, _>(kept).unwrap();
    back.choose(solver("pc").entry());
    assert_eq!(back, solver("pc:ancestral:hmc:0.3:2:7:true"));
    // A value that is not possible is left out, an entry that is not known is refused.
    let odd = json!({"solver": "pc", "corrector": "hmc", "snr": -1.0, "leapfrog": "many", "norms": "batch"});
    let read = whole::deserialize::<dyn Solver, _>(odd).unwrap();
    let values = [&SNR, &LEAPFROG].map(|parameter| read.settings().value(parameter));
    assert_eq!(values, [SNR.default(), LEAPFROG.default()]);
    assert_eq!((read.settings().option(&CORRECTOR), read.settings().option(&NORMS)), ("hmc", "batch"));
    assert!(whole::deserialize::<dyn Solver, _>(json!({"solver": "magic"})).is_err());
    assert!(whole::deserialize::<dyn Solver, _>(json!({})).is_err());
}

/// Values that a parameter does not take: as a value where there is one, as text, and as JSON where there is some.
fn impossible(parameter: &Parameter) -> Vec<(Option<Value>, String, Option<Json>)> {
    let number = |value: f64| (Some(Value::Number(value)), format!("{value:?}"), Some(json!(value)));
    let whole = |value: u64| (Some(Value::Whole(value)), value.to_string(), Some(json!(value)));
    let word = |text: &str| (None, text.to_owned(), Some(json!(text)));
    let mut all = vec![word("many"), word("")];
    match &parameter.kind {
        Kind::Number { possible: (low, high), .. } => {
            let below = if *low > 0.0 { low / 1.01 } else { low - 0.01 };
            all.extend([below, 1.01 * high, -1e300, 1e300].map(number));
            // JSON has no such numbers.
            let no_number = |value: f64| (Some(Value::Number(value)), value.to_string(), None);
            all.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(no_number));
        }
        Kind::Whole { possible: (low, high), .. } => {
            all.extend(low.checked_sub(1).map(whole));
            all.extend(high.checked_add(1).map(whole));
            all.extend([(None, "-1".into(), Some(json!(-1))), (None, "1.5".into(), Some(json!(1.5)))]);
        }
        Kind::Levels { .. } => all.extend([whole(0), whole(3), (None, "2.5".into(), Some(json!(2.5)))]),
        Kind::Flag { .. } => all.extend([(Some(Value::Whole(1)), "1".into(), Some(json!(1)))]),
        Kind::Choice { .. } => {
            all.push((Some(Value::Option("magic")), "magic".into(), Some(json!("magic"))));
            all.push((Some(Value::Number(1.0)), "1".into(), Some(json!(1))));
        }
        Kind::Numbers => all.extend([word("1,x"), (Some(Value::Flag(true)), "true".into(), Some(json!([true])))]),
    }
    all
}

#[test]
fn what_a_parameter_does_not_take_is_refused_everywhere_in_a_sentence_that_says_what_it_takes() {
    fn ask<E: ?Sized + Category>() {
        for choice in combinations::<E>() {
            let parameters = choice.parameters();
            for (place, parameter) in parameters.iter().enumerate() {
                let known: Vec<String> = match &parameter.kind {
                    Kind::Number { possible: (low, high), .. } => {
                        [*low, *high].map(|end| Value::Number(end).to_string()).into()
                    }
                    Kind::Whole { possible: (low, high), .. } => [low, high].map(u64::to_string).into(),
                    Kind::Levels { levels, .. } => levels.iter().map(u64::to_string).collect(),
                    Kind::Flag { .. } => ["true", "false"].map(str::to_owned).into(),
                    Kind::Choice { .. } => parameter.options().iter().map(|about| about.slug.to_owned()).collect(),
                    Kind::Numbers => vec!["such as".into()],
                };
                let sentence = |error: String, value: &str| {
                    let named = format!("{} = ", parameter.label);
                    assert!(error.contains(&named) && error.contains("; choose "), "{error}");
                    let of_another_kind = error.contains("is not a ") && error.contains("choose one such as ");
                    assert!(of_another_kind || known.iter().all(|word| error.contains(word.as_str())), "{error}");
                    assert!(!value.starts_with(char::is_alphabetic) || error.contains(value), "{value}: {error}");
                };
                for (value, text, json) in impossible(parameter) {
                    let place_name = format!("{} {} = {text:?}", choice.about().slug, parameter.key);
                    if let Some(value) = value {
                        let mut settings = choice.settings().clone();
                        let refused = settings.set(parameter, value).expect_err(&place_name);
                        assert_eq!(settings, *choice.settings(), "{place_name}");
                        sentence(refused.to_string(), &text);
                    }
                    sentence(parameter.parse(&text).expect_err(&place_name).to_string(), &text);
                    let before = parameters[..place].iter().map(|before| choice.settings().value(before).to_string());
                    let words: Vec<String> =
                        std::iter::once(choice.about().slug.into()).chain(before).chain([text.clone()]).collect();
                    sentence(words.join(":").parse::<Choice<E>>().expect_err(&place_name).to_string(), &text);
                    if let Some(json) = json {
                        let mut map = serde_json::to_value(&choice).unwrap();
                        map[parameter.key] = json;
                        let refused = serde_json::from_value::<Choice<E>>(map).expect_err(&place_name);
                        sentence(refused.to_string(), &text);
                    }
                }
            }
        }
    }
    in_every_category!(ask);
}

#[test]
fn unknown_and_misshapen_choices_are_refused_with_what_there_is() {
    fn ask<E: ?Sized + Category>() {
        for text in ["magic", "", ":", "1"] {
            let refused = text.parse::<Choice<E>>().unwrap_err().to_string();
            assert!(refused.starts_with(&format!("unknown {} {text:?}; choose ", E::NAME)), "{refused}");
            assert!(abouts::<E>().iter().all(|about| refused.contains(about.slug)), "{refused}");
            let file = json!({ E::NAME: text });
            assert_eq!(serde_json::from_value::<Choice<E>>(file).unwrap_err().to_string(), refused);
        }
        for choice in combinations::<E>() {
            let text = format!("{choice}:1:1:1:1:1:1:1:1:1");
            assert!(text.parse::<Choice<E>>().is_err(), "{text}");
        }
        for file in [json!({}), json!({ E::NAME: 3 }), json!([E::NAME]), json!(null)] {
            assert!(serde_json::from_value::<Choice<E>>(file).is_err());
        }
    }
    in_every_category!(ask);
}

#[test]
fn the_nearest_possible_value_is_taken_where_a_control_asks_for_more() {
    let snr = |value: f64| corrector("langevin").with(&SNR, value).settings().number(&SNR);
    assert_eq!([-1.0, 0.0, 0.3, 1e300, f64::INFINITY, f64::NAN].map(snr), [1e-20, 1e-20, 0.3, 1e20, 1e20, 0.16]);
    let steps = |value: u64| corrector("hmc").with(&LEAPFROG, value).settings().whole(&LEAPFROG);
    assert_eq!([0, 7, u64::MAX].map(steps), [1, 7, 100_000]);
    assert_eq!(corrector("langevin").with(&NORMS, "magic"), corrector("langevin"));
    assert_eq!(Settings::default(), *corrector("langevin").settings());
}

#[test]
fn every_preset_has_a_slug_of_its_own_and_is_known_again() {
    let all = Preset::all();
    let slugs: BTreeSet<String> = all.iter().map(Preset::slug).collect();
    assert_eq!(slugs.len(), all.len());
    for preset in all {
        assert!(!preset.summary.is_empty() && !preset.summary.ends_with('.'), "{preset:?}");
        assert_eq!(Preset::find(&preset.slug()), Some(preset));
        for model in ["worlds-vp-small", "mixture:ring"] {
            let mut run = Run { model: model.parse().unwrap(), ..Run::default() };
            run.apply(preset);
            assert_eq!((run.check(), run.preset()), (Ok(()), Some(preset)));
        }
    }
}

#[test]
fn the_presets_of_table_1_are_as_published() {
    // Song et al. 2021, table 1, with the SNR of CIFAR-10 (appendix G).
    for predictor in ["ancestral", "reverse-diffusion", "euler-maruyama", "probability-flow"] {
        for (name, steps, corrector) in [("p1000", 1000, "none"), ("p2000", 2000, "none"), ("pc1000", 1000, "langevin")]
        {
            let preset = Preset::find(&format!("{name}-{predictor}")).unwrap();
            let settings = preset.solver.settings();
            let chosen = (settings.option(&PREDICTOR), settings.option(&CORRECTOR));
            assert_eq!((chosen, preset.steps), ((predictor, corrector), steps));
            assert_eq!((settings.number(&SNR), settings.whole(&CORRECTOR_STEPS)), (0.16, 1));
            assert_eq!((preset.grid.to_string().as_str(), preset.clip), ("uniform", false));
        }
    }
    let corrector = Preset::find("c2000-langevin").unwrap();
    assert_eq!((corrector.solver.settings().option(&PREDICTOR), corrector.steps), ("none", 2000));
}
