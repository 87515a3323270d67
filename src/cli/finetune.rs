use super::Failure;
use super::library::network;
use super::training::TrainingOptions;
use crate::data::DataSource;
use crate::task::ModelRef;
use crate::train::Training;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer finetune --model worlds-vp-small --data photos --output mine
  score-explorer finetune --model google-ddpm-church-256/ --data towers.zip \\
      --output towers --images 200000 --learning-rate 1e-5
  score-explorer finetune --model worlds/model.safetensors --data worlds:32 \\
      --output longer --weighting likelihood
  score-explorer finetune --model worlds-vp-small --data photos --image-size 64 \\
      --output larger --learning-rate 1e-3

The network, its family and how it is told its noise level are the checkpoint's, and images are brought to its size; a \
U-Net also learns images 2, 3 or 4 times as large (--image-size), of which its layers see patches. A training checkpoint \
gives its averaged weights. The same command goes on where the training in the folder was.")]
pub(super) struct Args {
    /// Network to begin with: a name from `models` or a checkpoint
    #[arg(long, short)]
    model: ModelRef,
    #[command(flatten)]
    training: TrainingOptions,
}

impl Args {
    fn training(&self) -> Result<Training, Failure> {
        let start = self.model.absolute();
        // The same command goes on.
        let held =
            self.training.held()?.filter(|held| held.start.as_ref() == Some(&start) && self.training.is_of(held));
        let base = match held {
            Some(held) => held,
            None => {
                let mut description = network(&self.model, None)?.description;
                let source = self.training.source(None)?;
                let [channels, height, _] = description.config.shape();
                let size = source.size.or(source.place.size()).or(Some(height));
                let channels = source.channels.or(Some(channels));
                if let Some(larger) = size.and_then(|side| description.config.enlarged([side, side])) {
                    description.config = larger;
                }
                // It becomes another model, which its folder names.
                description.name.clear();
                Training::further(start, DataSource { size, channels, ..source }, description)
            }
        };
        self.training.over(base)
    }
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    args.training.perform(args.training()?, None)
}
