use super::{Failure, library};
use crate::checkpoint::{Entry, catalogue};
use serde_json::json;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer models
  score-explorer models --json
  score-explorer sample --model mixture:two-moons

Any checkpoint file, any folder of diffusers (./FOLDER) and any folder of pictures (exact:FOLDER) is a model too.")]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let library = library();
    let entries = catalogue(library.as_deref());
    if args.json {
        let models: Vec<_> = entries.iter().map(as_json).collect();
        println!("{}", serde_json::to_string_pretty(&models)?);
        return Ok(());
    }
    let width = entries.iter().map(|entry| entry.reference.chars().count()).max().unwrap_or(0);
    for entry in &entries {
        println!("{:width$}  {}", entry.reference, entry.summary);
    }
    if let Some(folder) = library {
        println!("\nImported models lie in {}", folder.display());
    }
    Ok(())
}

fn as_json(entry: &Entry) -> serde_json::Value {
    json!({
        "model": entry.reference,
        "title": entry.title,
        "summary": entry.summary,
        "path": entry.path,
    })
}
