use super::Failure;
use super::options::FamilyOptions;
use super::training::{RecipeOptions, SizeOptions, TrainingOptions};
use crate::checkpoint::ReadProgress;
use crate::data::Data;
use crate::registry::{Category, Choice};
use crate::train::{Recipe, Size, Small, Training, read_training};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer train --data worlds:32 --output worlds
  score-explorer train --data photos --image-size 32 --output photos-32 \\
      --family ve --size tiny
  score-explorer train --data cifar-10-binary.tar.gz --output cifar \\
      --recipe edm --optimizer muon --images 20000000
  score-explorer train --data worlds:32 --output worlds --dry-run
  score-explorer train --config worlds/training.json --output again
  score-explorer train --output worlds

The same command goes on where the training in the folder was, to the same bits, and so does one that gives the folder \
alone: it is saved every few minutes, on Ctrl-C and when the system ends it. The folder's model.safetensors is the \
network with averaged weights, for every other command and for the window; metrics.jsonl has the loss of each step.")]
pub(super) struct Args {
    #[command(flatten)]
    training: TrainingOptions,
    /// The file of a training (training.json of its folder), which other options override
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    size: SizeOptions,
    #[command(flatten)]
    recipe: RecipeOptions,
    #[command(flatten)]
    family: FamilyOptions,
}

impl Args {
    /// The training, on data that are opened if the network must be made for them.
    fn training(&self) -> Result<(Training, Option<Data>), Failure> {
        let base = match &self.config {
            Some(file) => Some(read_training(file)?),
            // The same command goes on.
            None => self.training.held()?,
        };
        let named = self.size.0.is_given() || self.recipe.0.is_given() || self.family.is_given();
        let (base, data) = match base {
            Some(base) if !named && self.training.is_of(&base) => {
                if !self.training.is_shaped_as(&base) {
                    let [channels, height, width] = base.network.config.shape();
                    return Err(Failure::Usage(format!(
                        "the network of that training has images of {height}×{width} in {channels} channels; leave out \
                         --image-size and --channels, or choose a network with --size"
                    )));
                }
                (base, None)
            }
            base => {
                let source = self.training.source(base.as_ref().map(|base| &base.source))?;
                let data = source.open(&ReadProgress::default())?;
                let size = self.size.over(&Choice::<dyn Size>::new(&Small))?;
                let recipe = self.recipe.over(&Choice::<dyn Recipe>::new(<dyn Recipe>::all()[0]))?;
                let family = self.family.given()?;
                let network = recipe.description(&size, family, data.shape());
                (Training::usual(source, network), Some(data))
            }
        };
        Ok((self.training.over(base)?, data))
    }
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let (training, data) = args.training()?;
    args.training.perform(training, data)
}
