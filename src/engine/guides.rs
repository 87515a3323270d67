//! What leads samples to classes: the classifiers of a run and of its parents, opened.

use super::{Context, Ending, Failure, Task};
use crate::score::{Clipped, Guided, InRange, NetworkClassifier, ScoreModel};
use crate::sde::Range;
use crate::task::{Guidance, Run};
use std::sync::Arc;

/// The classifiers that a run and its parents are led by.
pub(super) struct Guides(Vec<(Guidance, Guide)>);

/// A class of a classifier.
struct Guide {
    classifier: Arc<NetworkClassifier>,
    class: usize,
}

impl Guides {
    /// Of runs that are led by nothing.
    pub(super) fn none() -> Self {
        Guides(Vec::new())
    }

    /// Opens those of a run, for images of this shape.
    ///
    /// # Errors
    /// If one cannot be opened, or is not one of noised images of this shape and with this class.
    pub(super) fn open<T: Task>(context: &Context<T>, run: &Run, shape: [usize; 3]) -> Result<Self, Ending> {
        let open = |guidance: &Guidance| -> Result<(Guidance, Guide), Ending> {
            let classifier = context.classifier(&guidance.classifier)?;
            let description = classifier.description();
            let own = description.config.shape();
            if own != shape {
                let what = format!("The classifier is one of images of the shape {own:?}, and the model of {shape:?}.");
                return Err(Failure { what, remedy: "Choose a classifier of such images.".into() }.into());
            }
            if !description.config.conditional {
                let what = "The classifier was trained on clean images, and samples are noise at first.".into();
                let remedy = "Choose one that `classifier train --noisy` wrote.".into();
                return Err(Failure { what, remedy }.into());
            }
            let class = description.class(&guidance.class).ok_or_else(|| {
                let what = format!("The classifier knows no class {:?}.", guidance.class);
                Failure { what, remedy: format!("Choose one of {}.", description.classes.join(", ")) }
            })?;
            Ok((guidance.clone(), Guide { classifier: classifier.clone(), class }))
        };
        run.guidances().into_iter().map(open).collect::<Result<_, _>>().map(Guides)
    }

    /// The model that one of these runs samples, of `model` in its own range.
    pub(super) fn model<'a>(&'a self, model: impl ScoreModel + 'a, run: &Run) -> Box<dyn ScoreModel + 'a> {
        let range = run.family.facts().range;
        let guide = run.guidance.as_ref().and_then(|wanted| self.0.iter().find(|(guidance, _)| guidance == wanted));
        match guide {
            None => Box::new(Clipped::new(InRange::new(model, range), run.clip)),
            Some((guidance, Guide { classifier, class })) => {
                // Classifiers see images in this range.
                let symmetric = InRange::new(model, Range::Symmetric);
                let guided = Guided::new(symmetric, &**classifier, *class, guidance.weight);
                Box::new(Clipped::new(InRange::new(guided, range), run.clip))
            }
        }
    }
}
