//! A fast hand on a large photo. What it takes is printed; asserted is only that it is painted, and that no frame is
//! so slow that something must be wrong.

use super::{canvas, hard};
use score_explorer::app::inpaint::Brush;
use std::time::{Duration, Instant};

/// Events of the pointer in a second, and frames.
const EVENTS: usize = 1000;
const FRAMES: usize = 60;

#[test]
fn a_stroke_of_a_thousand_events_a_second_keeps_up_on_twelve_megapixels() {
    let mut canvas = canvas(4000, 3000);
    canvas.observation(32);
    for (hardness, colour) in [(1.0, None), (0.5, None), (0.5, Some([200, 40, 30]))] {
        // 200 pixels wide, round and round for five seconds, faster and faster.
        let brush = Brush { hardness, opacity: 0.9, colour, ..hard(100.0) };
        let place = |event: usize| {
            let time = event as f32 / EVENTS as f32;
            let (angle, radius) = (4.0 * time + 0.8 * time * time, 300.0 + 200.0 * time);
            [2000.0 + 1.3 * radius * angle.cos(), 1500.0 + radius * angle.sin()]
        };
        canvas.press(brush, place(0), false);
        let (mut frames, mut averages) = (Vec::new(), Vec::new());
        let events: Vec<[f32; 2]> = (1..5 * EVENTS).map(place).collect();
        for path in events.chunks(EVENTS / FRAMES) {
            let began = Instant::now();
            canvas.drag(path);
            frames.push(began.elapsed());
            let began = Instant::now();
            canvas.observation(32);
            averages.push(began.elapsed());
            let [x, y] = path[path.len() - 1];
            let [x, y] = [x as usize, y as usize];
            let cover = if colour.is_some() { canvas.hints().at([x, y])[3] } else { canvas.mask().row(y, x, x + 1)[0] };
            assert_eq!(cover, 230);
        }
        let began = Instant::now();
        canvas.lift();
        let lifted = began.elapsed();
        println!(
            "200 px brush of colour {colour:?}, hardness {hardness} at {EVENTS} events/s on 12 MP: {} to paint a frame, {} for all \
             observation, {lifted:.2?} to lift",
            quantiles(&mut frames),
            quantiles(&mut averages)
        );
        assert!(frames[frames.len() / 2] < Duration::from_millis(100));
        canvas.undo();
    }
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort();
    let part = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    format!("p50 {:.2?}, p99 {:.2?}, largest {:.2?}", part(0.5), part(0.99), part(1.0))
}
