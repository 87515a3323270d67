//! Where the newest run stands, for the status bar and the tabs.

use super::{Entry, Runs};
use crate::app::RunState;
use crate::app::status::Standing;
use crate::app::theme::Theme;
use crate::app::widgets::human_time;
use crate::engine::Progress;

/// The run in progress, else the one that is looked at; nothing before the first.
pub fn standing(runs: &Runs, theme: &Theme) -> Option<Standing> {
    let entry = runs.active().or_else(|| runs.current());
    let active = runs.active().is_some() || runs.pending.is_some();
    let (color, word) = match (&runs.pending, entry) {
        (Some(pending), _) => (theme.warning, format!("starting {}", pending.name)),
        (None, Some(entry)) => (entry.view.state.color(theme), word(entry)),
        (None, None) => return None,
    };
    let progress = entry.and_then(|entry| entry.view.snapshot.as_ref()).map(|snapshot| snapshot.progress);
    Some(Standing {
        color,
        word,
        about: entry.map_or_else(|| "Nothing has run yet. Press Run or Space.".into(), about),
        share: progress.filter(|p| p.steps > 0).map(|p| p.step as f32 / p.steps as f32),
        figures: progress.map(|progress| figures(&progress, active)).unwrap_or_default(),
        active,
        device: runs.active().map(|entry| entry.view.report.device.name.clone()),
        recorded: runs.bytes(),
    })
}

fn word(entry: &Entry) -> String {
    let state = match &entry.view.state {
        RunState::Running => "sampling",
        RunState::Paused => "paused",
        RunState::Finished => "finished",
        RunState::Stopped => "stopped",
        RunState::Failed(_) => "failed",
    };
    format!("{} · {state}", entry.name)
}

fn about(entry: &Entry) -> String {
    match &entry.view.state {
        RunState::Failed(failure) => format!("{} {}", failure.what, failure.remedy),
        _ => format!("{} on {}", entry.view.report.model.name, entry.view.report.device.name),
    }
}

/// Figures, each with what it means.
fn figures(progress: &Progress, active: bool) -> Vec<(String, &'static str)> {
    let mut figures = vec![
        (format!("step {}/{}", progress.step, progress.steps), "Steps of the time grid done so far"),
        (format!("{} NFE", progress.nfe), "Number of function evaluations (NFE): score evaluations per sample so far"),
    ];
    if progress.evaluations_per_second > 0.0 {
        let speed = format!("{} evaluations/s", rate(progress.evaluations_per_second));
        figures.push((speed, "Recent score evaluations per second, over all samples"));
    }
    figures.push(if active && progress.step < progress.steps {
        let left = format!("{} left", human_time(progress.left.as_secs_f64()));
        (left, "Estimated from the recent speed, without pauses")
    } else {
        (human_time(progress.elapsed.as_secs_f64()), "Computing time, without pauses")
    });
    figures
}

/// A speed with two or three digits.
fn rate(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}
