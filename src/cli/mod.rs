//! The command line: one file a command, over the same engine as the window.

mod bench;
mod choices;
mod colorize;
mod decode;
mod devices;
mod drive;
mod edit;
mod encode;
mod failure;
mod flow_options;
mod import;
mod inpaint;
mod interpolate;
mod library;
mod likelihood;
mod measure_fills;
mod models;
mod options;
mod output;
mod progress;
mod restore;
mod restoring;
mod run;
mod sample;
mod scatter;
mod score;
mod window;

pub use failure::Failure;
pub use library::{library, painting};

use crate::engine;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

const CODES: &str = "\
Exit codes:
  0  done
  1  something failed while running
  2  wrong usage, or a value that is not possible
  3  a file or model could not be read, or is not what was expected
  4  a file could not be written";

/// See, steer and measure score-based diffusion. Without a command, opens the window.
#[derive(Debug, Parser)]
#[command(name = "score-explorer", version, max_term_width = 100, after_help = CODES)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    /// Open the window with this: a run file, checkpoint, latents, photo, or folder of pictures
    file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sample a model and save pictures, an animation, tensors or a run file
    Sample(sample::Args),
    /// Run a run file again, to the same pixels
    Run(run::Args),
    /// Carry pictures to their latents by the probability-flow ODE
    Encode(encode::Args),
    /// Carry latents back to pictures
    Decode(decode::Args),
    /// Walk from one picture to another through their latents
    Interpolate(interpolate::Args),
    /// Measure how likely a model finds pictures, in bits per dimension
    Likelihood(likelihood::Args),
    /// Fill in a part of a photo, several ways at once
    Inpaint(inpaint::Args),
    /// Measure how well hidden parts of pictures are filled in, method by method
    MeasureFills(measure_fills::Args),
    /// Colour a grey photo
    Colorize(colorize::Args),
    /// Undo a loss: super-resolution, deblurring, compressed sensing, denoising
    Restore(restore::Args),
    /// Noise a picture part of the way and bring it back (SDEdit)
    Edit(edit::Args),
    /// Evaluate a network on given x and t
    Score(score::Args),
    /// Bring a published checkpoint into the library
    Import(import::Args),
    /// List the models at hand
    Models(models::Args),
    /// List the devices to compute on, and which one `auto` chooses
    Devices(devices::Args),
    /// Measure how fast this machine samples, and where the time goes
    Bench(bench::Args),
}

/// Runs the program with these arguments, the program's name first. Errors go to stderr as
/// one sentence; the exit code says of which kind they are.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    leave_panics_of_tasks_to_the_engine();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with 0, wrong usage to stderr with 2. A closed pipe is no news.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(Failure::USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match cli.command.map_or_else(|| window::open(cli.file), Command::execute) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// The engine tells a panic of a task as a failure in one sentence; the trace would say it twice.
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
            Command::MeasureFills(args) => measure_fills::execute(&args),
            Command::Colorize(args) => colorize::execute(&args),
            Command::Restore(args) => restore::execute(&args),
            Command::Edit(args) => edit::execute(&args),
            Command::Score(args) => score::execute(&args),
            Command::Import(args) => import::execute(&args),
            Command::Models(args) => models::execute(&args),
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
        }
    }
}
