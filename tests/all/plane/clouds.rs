//! Clouds against exact laws, within what a sample allows.

use super::{famous, gaussian};
use score_explorer::plane::{
    Cloud, Drive, Frame, Gaussian, Guide, Known, Pane, Plane, Scene, Start, forward, fresh, integrate, reference,
    sliced_wasserstein,
};
use score_explorer::registry::Choice;
use score_explorer::score::ScoreError;
use score_explorer::sde::{Family, FamilyKind, Ve};
use score_explorer::solver::Solver;
use score_explorer::task::Steps;
use std::ops::ControlFlow;

const COUNT: usize = 4_000;

fn pane(solver: &str, grid: Option<&str>, steps: usize) -> Pane {
    let solver: Choice<dyn Solver> = solver.parse().unwrap();
    let mut pane = Pane::new(solver, Steps::new(steps).unwrap());
    if let Some(grid) = grid {
        pane.grid = grid.parse().unwrap();
    }
    pane
}

fn run(plane: &Plane, family: &Family, pane: &Pane, known: Option<&Known>) -> Cloud {
    let go_on = || Ok(());
    let drive = Drive { pane, family, plane, model: plane, known, seed: 5, gate: &go_on };
    integrate(&drive, COUNT, None, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// VE with noise that is large against the plane but not enormous.
fn families() -> Vec<Family> {
    let mut all: Vec<Family> = FamilyKind::ALL.iter().map(|kind| kind.published()).collect();
    all.push(Family::Ve(Ve::new(0.005, 20.0).unwrap()));
    all
}

/// Means and standard deviations of both coordinates.
fn moments(cloud: &Cloud) -> [[f64; 2]; 2] {
    let count = cloud.last().len() as f64;
    [0, 1].map(|axis| {
        let values = cloud.last().iter().map(|point| f64::from(point[axis]));
        let mean = values.clone().sum::<f64>() / count;
        [mean, (values.map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt()]
    })
}

/// Of Gaussian data N(m, s²) solvers that are near the exact flow or SDE end at N(m, s²): mean and standard deviation
/// within five standard errors, s/√N and s/√(2N), and the solver's own error, 0.01·s at these steps. Five standard errors
/// of the standard deviation are 0.056·s, so that a wrong scale by a tenth would be seen.
#[test]
fn exact_solvers_end_at_gaussian_data() {
    let ([x, y], std) = ([0.2, -0.1], 0.3);
    let plane = gaussian([x, y], std);
    for family in families() {
        for (solver, grid, steps) in [
            ("heun", "edm", 160),
            ("dpm++", "log-snr", 60),
            ("adaptive:1e-5:1e-5", "uniform", 4),
            ("ddim:1", "log-snr", 400),
            ("sde-dpm++2m", "log-snr", 100),
        ] {
            let cloud = run(&plane, &family, &pane(solver, Some(grid), steps), None);
            let error = std * (5.0 / (COUNT as f64).sqrt() + 0.01);
            let spread = std * (5.0 / (2.0 * COUNT as f64).sqrt() + 0.01);
            assert!(spread < 0.1 * std, "a wrong scale by a tenth is seen");
            for ([mean, found], known) in moments(&cloud).into_iter().zip([x, y]) {
                assert!((mean - known).abs() < error, "{solver} in {family:?}: mean {mean}, not {known}");
                assert!((found - std).abs() < spread, "{solver} in {family:?}: std {found}, not {std}");
            }
        }
    }
}

/// Of two modes with a fifth in one, the share that ends there has the standard error √(p(1 − p)/N).
#[test]
fn modes_keep_their_shares() {
    let plane = famous("pair");
    let family = FamilyKind::Vp.published();
    for (solver, grid, steps) in [("heun", "edm", 40), ("ddim:1", "log-snr", 300), ("adaptive:1e-4:1e-4", "uniform", 2)]
    {
        let cloud = run(&plane, &family, &pane(solver, Some(grid), steps), None);
        let share = cloud.last().iter().filter(|[x, y]| x + y < 0.0).count() as f64 / COUNT as f64;
        assert!((share - 0.2).abs() < 5.0 * (0.16 / COUNT as f64).sqrt() + 0.005, "{solver}: {share}");
    }
    // Led to the second class, all end there.
    let mut led = pane("heun", Some("edm"), 20);
    led.guidance = Some(Guide { class: Some(1), weight: 1.0 });
    let cloud = run(&plane, &family, &led, None);
    assert!(cloud.last().iter().all(|[x, y]| x + y < 0.0));
}

/// With the exact method particles of a Gaussian end at its posterior, whose moments are in every textbook; of a half
/// plane at a truncated Gaussian.
#[test]
fn the_exact_method_ends_at_the_posterior() {
    let (std, noise) = (0.3, 0.2);
    let plane = gaussian([0.2, -0.1], std);
    let mut exact = pane("heun", Some("edm"), 40);
    exact.method = Some("exact".parse().unwrap());
    let family = FamilyKind::Vp.published();
    let kept = 1.0 / (1.0 + (std / noise).powi(2));
    let root = (COUNT as f64).sqrt();
    let cloud = run(&plane, &family, &exact, Some(&Known::Line { direction: [1.0, 0.0], value: 0.8, noise }));
    let known = [[0.8 + kept * (0.2 - 0.8), std * kept.sqrt()], [-0.1, std]];
    for ([mean, found], [known, spread]) in moments(&cloud).into_iter().zip(known) {
        assert!((mean - known).abs() < spread * (5.0 / root + 0.01), "{mean}, not {known}");
        assert!((found / spread - 1.0).abs() < 5.0 / (root * 2f64.sqrt()) + 0.01, "{found}, not {spread}");
    }
    // Above its own mean, half of a Gaussian is left: mean s·√(2/π), standard deviation s·√(1 − 2/π).
    let above = Known::HalfPlane { direction: [1.0, 0.0], value: 0.2, noise: 0.0 };
    let cloud = run(&plane, &family, &exact, Some(&above));
    let share = std::f64::consts::FRAC_2_PI;
    let [[mean, found], _] = moments(&cloud);
    assert!((mean - 0.2 - std * share.sqrt()).abs() < std * (5.0 / root + 0.02), "{mean}");
    assert!((found - std * (1.0 - share).sqrt()).abs() < std * (5.0 / root + 0.02), "{found}");
}

/// Of a Gaussian N(0, s²) and a measured point with the posterior variance v, guidance with the weight w follows scores that
/// are linear, so that the flow of VE is x ∝ (s² + σ²)^((1 − w)/2)·(v + σ²)^(w/2): narrower than the posterior above 1.
#[test]
fn guidance_to_a_measurement_sharpens_its_posterior() {
    let (std, noise, most) = (0.5, 0.4, 20.0);
    let plane = gaussian([0.0, 0.0], std);
    let family = Family::Ve(Ve::new(0.002, most).unwrap());
    let known = Known::Point { at: [0.3, -0.2], noise };
    let variance = 1.0 / (1.0 / (std * std) + 1.0 / (noise * noise));
    let starts = [[-20.0, 0.0], [20.0, 0.0]];
    for weight in [0.0, 1.0, 3.0] {
        let mut led = pane("heun", Some("edm"), 120);
        led.guidance = Some(Guide { class: None, weight });
        led.check(&family, Some(&known), &[0]).unwrap();
        let go_on = || Ok(());
        let drive = Drive {
            pane: &led,
            family: &family,
            plane: &plane,
            model: &plane,
            known: Some(&known),
            seed: 5,
            gate: &go_on,
        };
        let cloud = integrate(&drive, 2, Some(&starts), &mut |_| ControlFlow::Continue(())).unwrap();
        let narrowed = |of: f64| (of / (of + most * most)).sqrt();
        let scale = narrowed(std * std).powf(1.0 - weight) * narrowed(variance).powf(weight);
        let found = f64::from(cloud.last()[1][0] - cloud.last()[0][0]) / 40.0;
        assert!((found / scale - 1.0).abs() < 0.01, "w = {weight}: {found}, not {scale}");
    }
}

/// With the weight 1 guidance to a half-plane is its exact posterior; with more, fewer are left below its edge.
#[test]
fn guidance_to_a_half_plane_goes_beyond_its_posterior() {
    let (plane, family) = (famous("two-moons"), FamilyKind::Vp.published());
    let known = Known::HalfPlane { direction: [0.0, 1.0], value: 0.2, noise: 0.3 };
    let led = |weight: f64| {
        let guidance = Some(Guide { class: None, weight });
        run(&plane, &family, &Pane { guidance, ..pane("heun", Some("edm"), 20) }, Some(&known))
    };
    let exact = Pane { method: Some("exact".parse().unwrap()), ..pane("heun", Some("edm"), 20) };
    let exact = run(&plane, &family, &exact, Some(&known));
    let apart = |(a, b): (&[f32; 2], &[f32; 2])| (a[0] - b[0]).hypot(a[1] - b[1]);
    let one = led(1.0);
    let most = one.last().iter().zip(exact.last()).map(apart).fold(0.0, f32::max);
    assert!(most < 1e-3, "{most}");
    let below = |cloud: &Cloud| cloud.last().iter().filter(|[_, y]| *y < 0.2).count();
    let (prior, posterior, sharper) = (below(&led(0.0)), below(&one), below(&led(4.0)));
    assert!(prior > 3 * posterior / 2 && posterior > 2 * sharper, "{prior}, {posterior}, {sharper}");
}

/// Two classes that reach into each other.
fn two_classes() -> (Scene, Plane) {
    let gaussian = |at: f64, class: usize| Gaussian { at: [at, 0.0], std: 0.5, weight: 1.0 + class as f64, class };
    let gaussians = [gaussian(-0.4, 0), gaussian(0.4, 1)];
    (Scene { seed: 3, count: COUNT, ..Scene::default() }, Plane::new(&gaussians))
}

/// What guidance is measured by is p(x)·p(c | x)ʷ: its mean, by a sum over a line, within five standard errors.
#[test]
fn guidance_is_measured_by_the_tilted_density() {
    let (scene, plane) = two_classes();
    let normal = |x: f64, at: f64| (-0.5 * ((x - at) / 0.5).powi(2)).exp();
    for weight in [0.0, 0.5, 1.0, 3.0] {
        let guidance = Some(Guide { class: Some(0), weight });
        let sample = reference(&scene, &plane, &Pane { guidance, ..pane("heun", Some("edm"), 10) });
        let [mut mass, mut first, mut second] = [0.0; 3];
        for x in (-4000..4000).map(|place| f64::from(place) / 1000.0) {
            let [own, other] = [normal(x, -0.4) / 3.0, 2.0 * normal(x, 0.4) / 3.0];
            let tilted = (own + other) * (own / (own + other)).powf(weight);
            (mass, first, second) = (mass + tilted, first + tilted * x, second + tilted * x * x);
        }
        let (mean, std) = (first / mass, (second / mass - (first / mass).powi(2)).sqrt());
        let found = sample.iter().map(|point| f64::from(point[0])).sum::<f64>() / sample.len() as f64;
        // Twenty thousand points, chosen among twenty times as many.
        assert!((found - mean).abs() < 5.0 * std / 20_000_f64.sqrt(), "w = {weight}: {found}, not {mean}");
    }
}

/// With many steps guidance by 1 comes to its class within what a sample allows; by more it does not come to the density
/// that each p_t is tilted to.
#[test]
fn guidance_beyond_its_class_has_a_bias() {
    let ((scene, plane), family) = (two_classes(), FamilyKind::Vp.published());
    let distances = |weight: f64| {
        let guidance = Some(Guide { class: Some(0), weight });
        let led = Pane { guidance, ..pane("heun", Some("edm"), 40) };
        let exact = reference(&scene, &plane, &led);
        let found = sliced_wasserstein(run(&plane, &family, &led, None).last(), &exact, 64);
        [found, sliced_wasserstein(&fresh(&scene, &plane, &led), &exact, 64)]
    };
    let [found, floor] = distances(1.0);
    assert!(found < 2.0 * floor, "{found} where a sample has {floor}");
    let [found, floor] = distances(4.0);
    assert!(found > 5.0 * floor, "{found} where a sample has {floor}");
}

/// At every frame of the forward SDE the points are a sample of p_t.
#[test]
fn forward_paths_have_the_law_of_every_time() {
    let plane = gaussian([0.2, -0.1], 0.3);
    for family in families() {
        let sde = family.sde();
        let cloud = forward(&plane, sde, 1.0, 50, 3, COUNT);
        for frame in [0, 7, 25, 50].map(|k| cloud.frames[k].clone()) {
            let level = sde.level(frame.t);
            let std = level.marginal_std(0.3);
            let mean = frame.points.iter().map(|point| f64::from(point[0])).sum::<f64>() / COUNT as f64;
            let known = 0.2 * level.alpha;
            let square =
                frame.points.iter().map(|point| (f64::from(point[0]) - known).powi(2)).sum::<f64>() / COUNT as f64;
            assert!((mean - known).abs() < 5.0 * std / (COUNT as f64).sqrt(), "{family:?} at {}", frame.t);
            assert!(
                (square / std.powi(2) - 1.0).abs() < 5.0 * (2.0 / COUNT as f64).sqrt(),
                "{family:?} at {}",
                frame.t
            );
        }
    }
}

/// Bits of a cloud with so many threads.
fn bits(threads: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (plane, family) = (famous("spirals"), FamilyKind::Vp.published());
    let cloud = pool.install(|| run(&plane, &family, &pane("sde-dpm++2m", None, 10), None));
    cloud.last().iter().flatten().map(|x| x.to_bits()).collect()
}

#[test]
fn clouds_are_the_same_for_any_number_of_threads() {
    let one = bits(1);
    assert!(one == bits(2) && one == bits(5));
}

#[test]
fn frames_of_many_steps_are_bounded_and_end_where_the_solver_does() {
    let (plane, family) = (famous("pair"), FamilyKind::Vp.published());
    let mut seen = 0;
    let many = pane("pc", None, 1000);
    let go_on = || Ok(());
    let drive =
        Drive { pane: &many, family: &family, plane: &plane, model: &plane, known: None, seed: 5, gate: &go_on };
    let cloud = integrate(&drive, 50, None, &mut |_| {
        seen += 1;
        ControlFlow::Continue(())
    });
    let cloud = cloud.unwrap();
    assert!(cloud.frames.len() <= Cloud::MOST_FRAMES + 2 && seen == cloud.frames.len());
    let ends = |frame: &Frame| (frame.step, frame.t);
    assert_eq!(ends(&cloud.frames[0]), (0, 1.0));
    assert_eq!(ends(cloud.frames.last().unwrap()), (1000, 0.0));
    assert!(cloud.frames.windows(2).all(|two| two[0].t > two[1].t && two[0].step < two[1].step));
}

#[test]
fn whoever_watches_may_break_off_and_a_gate_may_stop() {
    let (plane, family, pane) = (famous("pair"), FamilyKind::Vp.published(), pane("heun", None, 30));
    let go_on = || Ok(());
    let drive =
        Drive { pane: &pane, family: &family, plane: &plane, model: &plane, known: None, seed: 5, gate: &go_on };
    let cloud = integrate(&drive, 20, None, &mut |frame| {
        if frame.step == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(cloud.unwrap().frames.last().unwrap().step, 3);
    let stop = || Err(ScoreError::Stopped);
    let stopped = integrate(&Drive { gate: &stop, ..drive }, 20, None, &mut |_| ControlFlow::Continue(()));
    assert_eq!(stopped.unwrap_err(), ScoreError::Stopped);
}

/// A bridge starts where the data were led.
#[test]
fn a_bridge_starts_at_the_end_of_the_forward_paths() {
    let mut scene = Scene { count: 100, start: Start::Forward, ..Scene::default() };
    let plane = scene.plane().unwrap();
    let starts = scene.starts(&plane, &scene.panes[0]).unwrap();
    let sde = scene.family.sde();
    assert_eq!(starts, forward(&plane, sde, 1.0, Scene::FORWARD_STEPS, scene.seed, 100).last());
    scene.start = Start::Points(vec![[1.0, -0.5]]);
    assert_eq!(scene.starts(&plane, &scene.panes[0]).unwrap(), [[1.0, -0.5]]);
}
