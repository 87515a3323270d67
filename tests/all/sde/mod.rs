//! The families against the published figures and against calculus.

use score_explorer::sde::{
    Cosine, Family, FamilyKind, Flow, Level, Range, ScaledLinear, Sde, Step, SubVp, Transition, Ve, Vp,
};
use serde_json::Value;

fn families() -> Vec<Family> {
    FamilyKind::ALL.iter().map(|kind| kind.published()).collect()
}

fn step(t: f64, next: f64, table: Option<usize>) -> Step {
    Step { index: 0, t, next, table }
}

/// |found − expected| ≤ relative·|expected| + absolute.
#[track_caller]
fn assert_near(found: f64, expected: f64, relative: f64, absolute: f64, what: &str) {
    let allowed = relative * expected.abs() + absolute;
    assert!((found - expected).abs() <= allowed, "{what}: {found} is not {expected} within {allowed:.1e}");
}

#[test]
fn families_match_the_published_figures() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sde.json");
    let figures: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let families = [
        ("ve-cifar10", Family::Ve(Ve::new(0.01, 50.0).unwrap())),
        ("ve-celebahq256", Family::Ve(Ve::new(0.01, 348.0).unwrap())),
        ("vp", Family::Vp(Vp::new(0.1, 20.0).unwrap())),
        ("sub-vp", Family::SubVp(SubVp::new(0.1, 20.0).unwrap())),
    ];
    for (name, family) in families {
        let (sde, figures) = (family.sde(), &figures[name]);
        let x = figures["x"].as_f64().unwrap();
        let n = figures["N"].as_u64().unwrap() as usize;
        // The figures are in single precision: where they come from a difference, they carry the rounding of its
        // terms, which is that of 1 in VP's 1 − α² and sub-VP's 1 − α⁴, of x in f, and of σ² in VE's G².
        let rounding = f64::from(f32::EPSILON);
        for (i, t) in figures["t"].as_array().unwrap().iter().map(|t| t.as_f64().unwrap()).enumerate() {
            let check = |key: &str, found: f64, absolute: f64| {
                let expected = figures[key][i].as_f64().unwrap();
                assert_near(found, expected, 1e-5, absolute, &format!("{name} {key} at {t}"));
            };
            check("mean", sde.alpha(t) * x, 0.0);
            let (sigma, g) = (sde.sigma(t), sde.diffusion(t));
            let std_rounding = match family.kind() {
                FamilyKind::Ve => 0.0,
                FamilyKind::Vp => rounding / (2.0 * sigma),
                _ => rounding,
            };
            check("std", sigma, std_rounding);
            check("drift", sde.drift(t) * x, 0.0);
            let sub_vp = f64::from(family.kind() == FamilyKind::SubVp);
            check("diffusion", g, sub_vp * sde.beta(t) * rounding / (2.0 * g));
            let increment = sde.increment(&step(t, 0.0, Some(n)));
            check("discretize_f", increment.f * x, rounding * x);
            let squares = match family.kind() {
                FamilyKind::Ve => sigma * sigma,
                FamilyKind::Vp => 0.0,
                _ => sde.beta(t) / n as f64 / 2.0,
            };
            check("discretize_G", increment.g, rounding * squares / increment.g);
            let z = (0..12).map(|j| -2.0 + 4.0 * (12 * i + j) as f64 / 107.0);
            check("prior_logp_of_z", sde.prior_log_density(z.map(|z| z * z).sum(), 12), 0.0);
        }
    }
}

#[test]
fn drift_and_diffusion_are_the_derivatives_of_the_path() {
    for family in families() {
        let sde = family.sde();
        for t in [0.01, 0.1, 0.35, 0.6, 0.95] {
            // The central difference errs by h²/6 of a third derivative, at most 20³ of the value, and by rounding/h.
            let h = 1e-5;
            let derivative = |f: &dyn Fn(f64) -> f64| (f(t + h) - f(t - h)) / (2.0 * h);
            let drift = derivative(&|t| sde.alpha(t)) / sde.alpha(t);
            assert_near(sde.drift(t), drift, 1e-6, 1e-9, &format!("{} drift at {t}", family.kind()));
            let growth = derivative(&|t| sde.sigma(t).powi(2)) - 2.0 * drift * sde.sigma(t).powi(2);
            assert_near(sde.diffusion(t).powi(2), growth, 1e-6, 1e-9, &format!("{} g² at {t}", family.kind()));
        }
    }
}

#[test]
fn time_of_ratio_inverts_the_ratio() {
    for family in families() {
        let sde = family.sde();
        for t in [1e-4, 0.01, 0.2, 0.5, 0.8, 1.0] {
            let found = sde.time_of_ratio(sde.level(t).ratio());
            assert_near(found, t, 1e-9, 1e-12, &format!("{} time", family.kind()));
        }
        let ends = [0.0, 1e-12, 1e12, f64::INFINITY].map(|ratio| sde.time_of_ratio(ratio));
        assert!(ends.iter().all(|t| (0.0..=1.0).contains(t)), "{}: {ends:?}", family.kind());
    }
}

#[test]
fn sub_vp_shares_its_mean_with_vp_and_has_less_noise() {
    let (vp, sub_vp) = (Vp::default(), SubVp::default());
    for t in [0.01, 0.3, 0.7] {
        assert_eq!(vp.alpha(t), sub_vp.alpha(t));
        assert_near(sub_vp.sigma(t), vp.sigma(t).powi(2), 1e-12, 0.0, "σ of sub-VP is σ² of VP");
    }
}

#[test]
fn transitions_carry_one_marginal_to_the_next() {
    for family in families() {
        let sde = family.sde();
        for (t, next) in [(1.0, 0.9), (0.5, 0.49), (0.3, 0.001), (0.01, 0.0)] {
            let step = step(t, next, None);
            let (from, to) = (sde.target(&step), sde.level(t));
            let Transition { scale, std, posterior_std } = sde.transition(&step);
            let name = family.kind();
            assert_near(scale * from.alpha, to.alpha, 1e-12, 0.0, &format!("{name} α"));
            assert_near((scale * from.sigma).hypot(std), to.sigma, 1e-9, 0.0, &format!("{name} σ"));
            // Precisions add: 1/posterior² = 1/σ_s² + scale²/std².
            let posterior = 1.0 / (1.0 / from.sigma.powi(2) + (scale / std).powi(2)).sqrt();
            assert_near(posterior_std, posterior, 1e-9, 1e-15, &format!("{name} posterior"));
        }
    }
}

#[test]
fn increments_outside_the_tables_are_the_exact_transitions() {
    for family in [FamilyKind::Ve.published(), FamilyKind::Vp.published()] {
        let step = step(0.4, 0.33, None);
        let (increment, exact) = (family.sde().increment(&step), family.sde().transition(&step));
        assert_near(1.0 + increment.f, exact.scale, 1e-12, 0.0, "scale");
        assert_near(increment.g, exact.std, 1e-9, 0.0, "std");
    }
}

#[test]
fn steps_without_a_next_time_arrive_at_clean_data() {
    for family in families() {
        assert_eq!(family.sde().target(&step(1e-3, 0.0, None)), Level::CLEAN);
        assert_eq!(family.sde().target(&step(0.5, 0.4, None)), family.sde().level(0.4));
    }
}

#[test]
fn impossible_parameters_are_refused_in_one_sentence() {
    let sigma = |min, max| Ve::new(min, max).unwrap_err().to_string();
    assert_eq!(sigma(50.0, 0.01), "σ_min is 50 and σ_max is 0.01; choose 0 < σ_min < σ_max");
    assert_eq!(sigma(f64::NAN, 1.0), "σ_min is NaN and σ_max is 1; choose 0 < σ_min < σ_max");
    for (min, max) in [(0.0, 1.0), (-1.0, 1.0), (1.0, 1.0), (1.0, f64::INFINITY), (0.1, f64::NAN)] {
        assert!(Ve::new(min, max).is_err(), "σ from {min} to {max}");
    }
    let beta = Vp::new(20.0, 0.1).unwrap_err().to_string();
    assert_eq!(beta, "β_min is 20 and β_max is 0.1; choose 0 ≤ β_min < β_max");
    for (min, max) in [(-0.1, 1.0), (1.0, 1.0), (0.1, f64::INFINITY), (f64::NAN, 1.0)] {
        assert!(Vp::new(min, max).is_err() && SubVp::new(min, max).is_err(), "β from {min} to {max}");
    }
    // In order, but beyond what single precision or any process has.
    assert_eq!(sigma(1e-300, 1.0), "σ_min is 1e-300; choose 1e-6 to 1000000.0");
    assert_eq!(sigma(1.0, 1e300), "σ_max is 1e300; choose 1e-6 to 1000000.0");
    assert_eq!(Vp::new(0.1, 1e308).unwrap_err().to_string(), "β_max is 1e308; choose 0.0 to 1000.0");
    for text in [
        r#"{"family": "ve", "sigma_min": 2.0, "sigma_max": 1.0}"#,
        r#"{"family": "vp", "beta_min": 2.0, "beta_max": 1.0}"#,
        r#"{"family": "sub-vp", "beta_min": 2.0, "beta_max": 1.0}"#,
    ] {
        let error = serde_json::from_str::<Family>(text).unwrap_err().to_string();
        assert!(error.contains("choose 0"), "{error}");
    }
}

#[test]
fn families_survive_being_saved() {
    for family in families() {
        let text = serde_json::to_string(&family).unwrap();
        assert_eq!(serde_json::from_str::<Family>(&text).unwrap(), family, "{text}");
    }
}

#[test]
fn published_constants_are_as_published() {
    // score_sde, `sampling_eps` and `sde_lib.py`.
    let published = [FamilyKind::Ve, FamilyKind::Vp, FamilyKind::SubVp];
    let ends: Vec<f64> = published.iter().map(|kind| kind.published().sde().epsilon()).collect();
    assert_eq!(ends, [1e-5, 1e-3, 1e-3]);
    let ranges: Vec<Range> = published.iter().map(|kind| kind.facts().range).collect();
    assert_eq!(ranges, [Range::Unit, Range::Symmetric, Range::Symmetric]);
}

/// ᾱ of a thousand levels, as diffusers has them, of the families whose tables these are.
#[test]
fn tables_are_those_of_published_schedules() {
    let figures = &crate::solver::published::RECORDED;
    let linear = Vp::new(0.1, 20.0).unwrap();
    let scaled = ScaledLinear::default();
    let families = [
        ("vp-linear-0.0001-0.02", Family::Vp(linear)),
        ("vp-linear-0.0001-0.02-zero-snr-floored", Family::Vp(linear.ending_in_noise(true))),
        ("scaled-linear-0.00085-0.012", Family::ScaledLinear(scaled)),
        ("scaled-linear-0.00085-0.012-zero-snr-floored", Family::ScaledLinear(scaled.ending_in_noise(true))),
        ("cosine", Family::Cosine(Cosine::default())),
    ];
    for (name, family) in families {
        let table = figures["tables"][name].as_array().unwrap_or_else(|| panic!("no table {name}"));
        for (index, bar) in table.iter().map(|bar| bar.as_f64().unwrap()).enumerate().step_by(37) {
            let ratio = family.sde().table_ratio(index, table.len());
            assert_near(1.0 / (1.0 + ratio * ratio), bar, 1e-9, 0.0, &format!("{name} {index}"));
        }
    }
}

/// The straight path by hand, and its shift.
#[test]
fn flows_are_straight_and_shifted_as_published() {
    let straight = Flow::default();
    for t in [0.1, 0.5, 0.9] {
        let Level { alpha, sigma, .. } = straight.level(t);
        assert_near(alpha, 1.0 - t, 1e-12, 0.0, "α");
        assert_near(sigma, t, 1e-12, 0.0, "σ");
        // Esser et al. 2024, eq. 23: σ/α is three times as large with a shift of 3.
        assert_near(Flow::new(3.0).unwrap().level(t).ratio(), 3.0 * t / (1.0 - t), 1e-12, 0.0, "shift");
    }
    // A step of the flow is Euler's, exact where every sample has one origin.
    let (clean, noise) = (0.3, -1.2);
    let at = |t: f64| (1.0 - t) * clean + t * noise;
    let step = step(0.8, 0.3, None);
    let score = -noise / 0.8;
    let [a, b] = straight.flow_increment(&step);
    assert_near((1.0 - a) * at(0.8) + b * score, at(0.3), 1e-12, 0.0, "flow");
}
