//! How far a command has come, on stderr: a bar on a terminal, otherwise plain lines.

use crate::engine;
use crate::text;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Plain lines come at most this often.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// From this percentage of a task on, the time left is shown.
const FORESEEN: u64 = 5;

/// Shows how far things are. Dropping it removes the bar.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            bar.set_style(style());
            bar
        });
        Progress { bar, last_line: Instant::now() }
    }

    /// A model is being opened.
    pub(super) fn loading(&mut self, what: &str, fraction: Option<f32>) {
        match fraction {
            Some(fraction) => self.show((fraction * 100.0) as u64, 100, format!("opening {what}")),
            None => self.show(0, 0, format!("opening {what}")),
        }
    }

    /// A run continues.
    pub(super) fn sampling(&mut self, progress: &engine::Progress) {
        let text = format!(
            "step {}/{} · {:.0} evaluations/s · {} left",
            progress.step,
            progress.steps,
            progress.evaluations_per_second,
            // Before the first step nothing foretells it.
            if progress.step > 0 { human(progress.left) } else { "–".into() }
        );
        self.show(progress.step as u64, progress.steps as u64, text);
    }

    /// Another task continues.
    pub(super) fn travelling(&mut self, progress: &engine::Progress) {
        let percent = (progress.share * 100.0) as u64;
        let left = human(progress.left);
        // Adaptive steps begin small: the first ones do not predict the time left.
        let left = if percent < FORESEEN { String::new() } else { format!(" · {left} left") };
        self.show(percent, 100, format!("{percent}% · {} score evaluations{left}", progress.nfe));
    }

    /// The training of a classifier continues, of which so many images are seen.
    pub(super) fn classifying(&mut self, images: u64, of: u64, text: String) {
        self.show(images, of, text);
    }

    /// Features are taken, of so many images of so many.
    pub(super) fn featuring(&mut self, name: &str, done: usize, of: usize, elapsed: Duration) {
        let speed = done as f64 / elapsed.as_secs_f64().max(1e-9);
        let left = human(foretold(of.saturating_sub(done) as u64, speed));
        self.show(done as u64, of as u64, format!("{name}: {done} of {of} images · {speed:.1} images/s · {left} left"));
    }

    /// Features are known, and something is computed of them.
    pub(super) fn computing(&mut self, what: &str) {
        self.show(0, 0, format!("computing {what}"));
    }

    /// A training continues.
    pub(super) fn training(&mut self, shown: &engine::Shown, progress: &engine::Progress) {
        let Some(last) = shown.history.points.last() else { return };
        let text = format!(
            "{} images · loss {:.4} · {:.0} images/s · {} left",
            shown.images,
            last.mean_loss(),
            shown.images_per_second,
            human(progress.left)
        );
        self.show(progress.step as u64, progress.steps as u64, text);
    }

    /// A comparison continues.
    pub(super) fn comparing(&mut self, standing: &engine::Standing, progress: &engine::Progress) {
        if progress.steps == 0 {
            return;
        }
        if standing.measuring {
            return self.show(1000, 1000, "measuring".into());
        }
        let nearest =
            standing.cells.iter().filter_map(|cell| cell.distance).min_by(|a, b| a.1.value.total_cmp(&b.1.value));
        let nearest =
            nearest.map_or(String::new(), |(count, figure)| format!(" · nearest {:.4} at {count}", figure.value));
        let text = format!(
            "{}/{} samples · {:.0} evaluations/s{nearest} · {} left",
            progress.step,
            progress.steps,
            progress.evaluations_per_second,
            human(progress.left)
        );
        self.show((1000.0 * progress.share) as u64, 1000, text);
    }

    /// An animation is being written.
    pub(super) fn writing(&mut self, share: f32) {
        self.show((share * 100.0) as u64, 100, format!("writing the animation, {:.0}%", share * 100.0));
    }

    /// A line that stays, such as a warning.
    pub(super) fn say(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| remark!("{line}")),
            None => remark!("{line}"),
        }
    }

    fn show(&mut self, done: u64, of: u64, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_length(of);
            bar.set_position(done);
            bar.set_message(text::line(&text).into_owned());
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            remark!("{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// How long so many more take at a speed by the second. Of endless data any number may be asked for.
pub(super) fn foretold(left: u64, speed: f64) -> Duration {
    Duration::try_from_secs_f64(left as f64 / speed.max(1e-9)).unwrap_or(Duration::MAX)
}

/// A time in words: "0.4 s", "17 s", "3 min 20 s", "2 h 5 min".
pub(super) fn human(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_words() {
        let said = [0.42, 9.4, 17.2, 200.0, 7500.0].map(|seconds| human(Duration::from_secs_f64(seconds)));
        assert_eq!(said, ["0.4 s", "9.4 s", "17 s", "3 min 20 s", "2 h 5 min"]);
    }

    #[test]
    fn no_number_of_images_takes_longer_than_can_be_said() {
        assert_eq!(foretold(30, 10.0), Duration::from_secs(3));
        Progress::new().featuring("worlds:32", 1, usize::MAX, Duration::from_secs(2));
    }
}
