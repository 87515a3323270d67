use std::process::ExitCode;

fn main() -> ExitCode {
    score_explorer::cli::main(std::env::args_os())
}
