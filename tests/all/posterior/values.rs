//! Restorations as values: saved, read, refused.

use super::{observation, pixels, restoration};
use crate::choices::{method, operator, slugs};
use burn::tensor::Device;
use score_explorer::registry::{Choice, ChoiceError, ParameterError};
use score_explorer::score::{Mixture, OperatorError};
use score_explorer::sde::FamilyKind;
use score_explorer::solver::{GUIDANCE_WEIGHT, Method, ZETA};
use score_explorer::task::{Count, Observation, Origin, Resampling, Restoration, RestorationError, Run, Shows};

const SHAPE: [usize; 3] = [3, 4, 4];

fn heun(method: &str) -> Restoration {
    restoration("inpainting", 0.0, method, FamilyKind::Vp, "heun")
}

#[test]
fn restorations_come_back_from_their_files() {
    for slug in slugs::<dyn Method>() {
        let mut all = vec![Restoration::default_for(method(slug))];
        all.push(Restoration {
            operator: operator("blur:motion:9:30"),
            noise: 0.05,
            method: method(slug).with(&GUIDANCE_WEIGHT, 0.25).with(&ZETA, 0.25),
            resampling: Some(Resampling::new(10, 5).unwrap()),
            strength: 0.6,
            ..heun(slug)
        });
        for restoration in all {
            assert_eq!(restoration.check(), Ok(()));
            let saved = serde_json::to_string(&restoration).unwrap();
            assert_eq!(serde_json::from_str::<Restoration>(&saved).unwrap(), restoration, "{saved}");
        }
    }
}

#[test]
fn methods_are_written_as_they_are_read() {
    for text in ["projection", "null-space", "pigdm", "pigdm:0.5", "dps", "dps:0.3", "exact"] {
        assert_eq!(method(text).to_string(), text);
    }
    let error = |text: &str| text.parse::<Choice<dyn Method>>().unwrap_err();
    for text in ["", "ddnm"] {
        assert!(matches!(error(text), ChoiceError::Unknown { found, .. } if found == text));
        let all = "choose projection, null-space, pigdm[:weight], dps[:zeta] or exact";
        assert_eq!(error(text).to_string(), format!("unknown method {text:?}; {all}"));
    }
    for text in ["exact:1", "projection:2"] {
        assert!(matches!(error(text), ChoiceError::Form { found, .. } if found == text));
    }
    for text in ["dps:", "dps:x"] {
        let value = &text[4..];
        assert_eq!(error(text).to_string(), format!("Weight ζ = {value:?} is not a number; choose one such as 3"));
    }
    assert_eq!(error("pigdm:-1").to_string(), "Weight = -1 is out of range; choose 0 to 100");
    assert!(matches!(error("dps:NaN"), ChoiceError::Parameter(ParameterError::Range { .. })));
}

#[test]
fn impossible_restorations_are_refused() {
    let valid = heun("null-space");
    let check = |change: fn(&mut Restoration)| {
        let mut restoration = valid.clone();
        change(&mut restoration);
        restoration.check()
    };
    assert_eq!(check(|r| r.noise = -0.1), Err(RestorationError::Noise(-0.1)));
    assert!(matches!(check(|r| r.noise = f64::NAN), Err(RestorationError::Noise(_))));
    assert_eq!(check(|r| r.strength = 0.0), Err(RestorationError::Strength(0.0)));
    assert_eq!(check(|r| r.strength = 1.5), Err(RestorationError::Strength(1.5)));
    assert!(matches!(check(|r| r.strength = f64::NAN), Err(RestorationError::Strength(_))));
    assert_eq!(
        check(|r| r.run.origin =
            Origin::Branch { parent: Box::new(Run { origin: Origin::Prior, ..r.run.clone() }), step: 3 }),
        Err(RestorationError::Branch)
    );
    assert_eq!(Resampling::new(0, 5), Err(RestorationError::Resampling { jump: 0, times: 5 }));
    assert_eq!(Resampling::new(5, 101), Err(RestorationError::Resampling { jump: 5, times: 101 }));
    assert!(serde_json::from_str::<Resampling>(r#"{"jump":0,"times":1}"#).is_err());
}

#[test]
fn evidence_that_does_not_fit_is_refused() {
    let model = Mixture::named("blocks").unwrap();
    let mut restoration = heun("null-space");
    restoration.run.count = Count::new(4).unwrap();
    let good = observation(&[0.5; 48], SHAPE);
    let refused = |restoration: &Restoration, observation: Observation| {
        let error = observation.measure(restoration, &model, &Device::flex()).err();
        assert_eq!(
            observation.guide(restoration, &model, &Device::flex()).err().is_some(),
            !matches!(error, Some(RestorationError::Operator(_))) && observation.confidence == good.confidence
        );
        error
    };
    let with = |picture: &[f64], shape| Observation { picture: pixels(picture, shape), ..good.clone() };
    assert_eq!(
        refused(&restoration, with(&[0.5; 27], [3, 3, 3])),
        Some(RestorationError::Picture { expected: SHAPE, found: [1, 3, 3, 3] })
    );
    assert_eq!(refused(&restoration, with(&[0.5; 96], SHAPE)), Some(RestorationError::Pictures(2)));
    for value in [f64::NAN, f64::INFINITY] {
        let mut picture = [0.5; 48];
        picture[7] = value;
        assert_eq!(refused(&restoration, with(&picture, SHAPE)), Some(RestorationError::Values));
    }
    let mut short = with(&[0.5; 48], SHAPE);
    short.picture.values = vec![0.5; 40].into();
    assert!(matches!(refused(&restoration, short), Some(RestorationError::Picture { .. })));

    let trusting =
        |confidence: &[f64], shape| Observation { confidence: Some(pixels(confidence, shape)), ..good.clone() };
    for value in [f64::NAN, -0.1, 1.1] {
        assert_eq!(refused(&restoration, trusting(&[value; 16], [1, 4, 4])), Some(RestorationError::Values));
    }
    let misfit = OperatorError::Confidence { expected: SHAPE, found: [1, 1, 3, 3] };
    assert_eq!(refused(&restoration, trusting(&[1.0; 9], [1, 3, 3])), Some(RestorationError::Operator(misfit)));
    // A map for each channel, and none at all.
    assert_eq!(refused(&restoration, trusting(&[1.0; 48], SHAPE)), None);
    assert!(Observation { confidence: None, ..good.clone() }.measure(&restoration, &model, &Device::flex()).is_ok());

    restoration.operator = operator("super-resolution:8");
    assert!(matches!(
        good.measure(&restoration, &model, &Device::flex()).err(),
        Some(RestorationError::Operator(OperatorError::Shape { .. }))
    ));
    let plane = Mixture::named("ring").unwrap();
    restoration.operator = operator("colourisation");
    let point = Observation { picture: pixels(&[0.1, 0.2], [2, 1, 1]), confidence: None, shows: Shows::Original };
    assert!(matches!(
        point.measure(&restoration, &plane, &Device::flex()).err(),
        Some(RestorationError::Operator(OperatorError::Shape { .. }))
    ));
}
