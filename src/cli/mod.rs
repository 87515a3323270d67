//! The command line: one file a command, over the same engine as the window.

/// Prints a line for people. What it says may come from a stranger's file: see [`crate::text::line`].
macro_rules! say {
    () => { println!() };
    ($($line:tt)*) => { println!("{}", $crate::text::line(&format!($($line)*))) };
}

/// The same on stderr, beside what a command is asked for.
macro_rules! remark {
    ($($line:tt)*) => { eprintln!("{}", $crate::text::line(&format!($($line)*))) };
}

mod average;
mod bench;
mod choices;
mod classifier;
mod colorize;
mod compare;
mod convergence;
mod decode;
mod devices;
mod drive;
mod edit;
mod encode;
mod eval_inpaint;
mod export;
mod failure;
mod finetune;
mod flow_options;
mod import;
mod inpaint;
mod interpolate;
mod library;
mod likelihood;
mod loss_gradients;
mod metric;
mod models;
mod options;
mod output;
mod plane;
mod progress;
mod restore;
mod restoring;
mod run;
mod sample;
mod scatter;
mod schedule;
mod score;
mod stopping;
mod trace;
mod train;
mod training;
mod window;

pub use failure::Failure;
pub use library::{library, painting, statistics};

use crate::engine;
use crate::text;
use clap::{Parser, Subcommand};
use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

const CODES: &str = "\
Exit codes:
  0  success
  1  a failure while running
  2  invalid usage or value
  3  a file or model that cannot be read, or is not what was expected
  4  a file that cannot be written";

/// Watch, steer and measure score-based diffusion models. Without a command, opens the window.
#[derive(Debug, Parser)]
#[command(name = "score-explorer", version, max_term_width = 100, after_help = CODES)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    /// File to open in the window: a run file, checkpoint, latents, photo, or folder of images
    file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sample a model and save images, an animation, tensors or a run file
    Sample(sample::Args),
    /// Replay a run file, pixel for pixel
    Run(run::Args),
    /// Encode images to latents with the probability-flow ODE
    Encode(encode::Args),
    /// Decode latents to images
    Decode(decode::Args),
    /// Interpolate between two images through their latents
    Interpolate(interpolate::Args),
    /// Compute the likelihood of images under a model, in bits per dimension
    Likelihood(likelihood::Args),
    /// Fill in the masked part of a photo, several samples at once
    Inpaint(inpaint::Args),
    /// Compare inpainting methods by PSNR on hidden regions
    #[command(alias = "measure-fills")]
    EvalInpaint(eval_inpaint::Args),
    /// Colourise a greyscale photo
    Colorize(colorize::Args),
    /// Restore a degraded image: super-resolution, deblurring, compressed sensing, denoising
    Restore(restore::Args),
    /// Edit an image by partial noising and denoising (SDEdit)
    Edit(edit::Args),
    /// Compare sampler presets: distance to a reference against evaluations and seconds
    Compare(Box<compare::Args>),
    /// Train or measure a classifier of images
    Classifier(classifier::Args),
    /// Find the steps that suit a model best, for any solver
    Schedule(schedule::Args),
    /// Evaluate a network at given x and t
    Score(score::Args),
    /// Train a score model on your own images, or go on with a training
    Train(Box<train::Args>),
    /// Train further from a checkpoint, on your own images
    Finetune(Box<finetune::Args>),
    /// Make an average of any length from those that a training stored
    Average(average::Args),
    /// Import a published checkpoint into the model library
    Import(import::Args),
    /// Write a network as score_sde or diffusers have it
    Export(export::Args),
    /// List available models, or show one in detail
    Models(models::Args),
    /// Measure how far two sets of images are apart: FID, KID, precision and others
    Metric(metric::Args),
    /// Render a scene in two dimensions, where density and score are exact: data sets, lessons, your own points
    Plane(Box<plane::Args>),
    /// Measure the order of solvers: error against steps on an exact mixture
    Convergence(convergence::Args),
    /// List compute devices, and which one `auto` selects
    Devices(devices::Args),
    /// Measure sampling speed, and where the time goes
    Bench(bench::Args),
}

/// Runs the program with these arguments, the program's name first. Errors go to stderr as
/// one sentence; the exit code is that of their kind.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    leave_panics_of_tasks_to_the_engine();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with 0, invalid usage to stderr with 2. A closed pipe does not matter.
            show_usage(&error);
            return if error.use_stderr() { ExitCode::from(Failure::USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let command = |command: Command| {
        end_with_the_pipe();
        command.execute()
    };
    match cli.command.map_or_else(|| window::open(cli.file), command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            remark!("error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// Whoever reads the output may have enough of it, as `head` has: the command ends then, without complaint.
fn end_with_the_pipe() {
    #[cfg(unix)]
    // SAFETY: what every program has unless it asks for something else.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

/// Prints help, or what is wrong with the arguments: these may be names of a stranger's files.
fn show_usage(error: &clap::Error) {
    let plain = error.render().to_string();
    match text::printable(&plain) {
        Cow::Owned(escaped) if error.use_stderr() && escaped != plain => eprintln!("{escaped}"),
        _ => drop(error.print()),
    }
}

/// The engine reports a panic of a task as a failure in one sentence; the trace would repeat it.
fn leave_panics_of_tasks_to_the_engine() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !engine::is_task_thread() {
            default(panic);
        }
    }));
}

impl Command {
    fn execute(self) -> Result<(), Failure> {
        match self {
            Command::Sample(args) => sample::execute(&args),
            Command::Run(args) => run::execute(&args),
            Command::Encode(args) => encode::execute(&args),
            Command::Decode(args) => decode::execute(&args),
            Command::Interpolate(args) => interpolate::execute(&args),
            Command::Likelihood(args) => likelihood::execute(&args),
            Command::Inpaint(args) => inpaint::execute(&args),
            Command::EvalInpaint(args) => eval_inpaint::execute(&args),
            Command::Colorize(args) => colorize::execute(&args),
            Command::Restore(args) => restore::execute(&args),
            Command::Edit(args) => edit::execute(&args),
            Command::Compare(args) => compare::execute(&args),
            Command::Classifier(args) => classifier::execute(&args),
            Command::Schedule(args) => schedule::execute(&args),
            Command::Score(args) => score::execute(&args),
            Command::Train(args) => train::execute(&args),
            Command::Finetune(args) => finetune::execute(&args),
            Command::Average(args) => average::execute(&args),
            Command::Import(args) => import::execute(&args),
            Command::Export(args) => export::execute(&args),
            Command::Models(args) => models::execute(&args),
            Command::Metric(args) => metric::execute(&args),
            Command::Plane(args) => plane::execute(&args),
            Command::Convergence(args) => convergence::execute(&args),
            Command::Devices(args) => devices::execute(&args),
            Command::Bench(args) => bench::execute(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declared_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in Cli::command().get_subcommands() {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains(&format!("score-explorer {}", command.get_name())), "{}", command.get_name());
            let fits = |line: &str| !line.starts_with(' ') || line.chars().count() <= 80;
            assert!(examples.lines().all(fits), "an example of {} is too wide for a terminal", command.get_name());
        }
    }

    #[test]
    fn older_spellings_are_understood_and_hidden() {
        let parsed = |line: &str| {
            let words = std::iter::once("score-explorer").chain(line.split_whitespace());
            Cli::try_parse_from(words).map(|cli| format!("{:?}", cli.command)).unwrap_or_else(|error| panic!("{error}"))
        };
        for (command, older, newer) in [
            ("", "measure-fills a.png", "eval-inpaint a.png"),
            ("eval-inpaint a.png", "--pictures 3", "--limit 3"),
            ("score --input x --output y", "--checkpoint a.pth", "--model a.pth"),
            ("sample", "--record run.json", "--save-run run.json"),
            ("sample --corrector hmc", "--leapfrog 2", "--leapfrog-steps 2"),
            ("sample --corrector hmc", "--adjusted", "--metropolis"),
            ("encode a.png", "--until 0.5", "--t-max 0.5"),
            ("encode a.png", "--end 0.01", "--t-min 0.01"),
            ("encode a.png", "--first 3", "--limit 3"),
            ("interpolate a.png b.png", "--until 0.5", "--t-max 0.5"),
            ("likelihood a.png", "--first 3", "--limit 3"),
            ("likelihood a.png", "--gaussian", "--gaussian-probes"),
            ("likelihood a.png", "--estimate", "--force-probes"),
            ("likelihood a.png", "--no-dequantise", "--no-dequantize"),
            ("import a.pth", "--weights average", "--weights ema"),
            ("import a.pth", "--weights live", "--weights raw"),
            ("restore --image a.png", "--operator colourisation", "--operator colorization"),
            ("restore --image a.png", "--operator blur:own:1:1", "--operator blur:kernel:1:1"),
        ] {
            assert_eq!(parsed(&format!("{command} {older}")), parsed(&format!("{command} {newer}")), "{older}");
            let mut cli = Cli::command();
            let help = match cli.find_subcommand_mut(command.split(' ').next().unwrap_or_default()) {
                Some(command) => command.render_long_help().to_string(),
                None => cli.render_long_help().to_string(),
            };
            // The commands and options themselves; values may be words of other texts.
            let shown = |line: &str| help.split_whitespace().any(|word| line.split(' ').next() == Some(word));
            assert!(
                shown(newer) && (!shown(older) || older.starts_with("--weights") || older.starts_with("--operator"))
            );
        }
    }
}
