//! What leads samples: the second models of a run and of its parents, opened.

use super::loader::Loaded;
use super::watched::Watched;
use super::{Context, Ending, Failure, Task};
use crate::score::{
    ByClassifier, Clipped, Contrast, Guided, InRange, NetworkClassifier, ScoreModel, Second, class_called,
};
use crate::sde::Range;
use crate::task::{Guidance, ModelRef, Run};
use std::sync::Arc;

/// A model whose samples are led, in the runs of a task.
pub(super) struct Guides {
    model: Arc<Loaded>,
    guides: Vec<(Guidance, Guide)>,
}

/// What one guidance leads by.
enum Guide {
    /// A class of a classifier.
    Classifier(Arc<NetworkClassifier>, usize),
    /// A class of the model, if one is wanted, and the model to be led away from, with its class.
    Contrast { to: Option<usize>, from: Arc<Loaded>, of: Option<usize> },
}

impl Guides {
    /// Opens those of a run of a model.
    ///
    /// # Errors
    /// If one cannot be opened, or does not fit the model.
    pub(super) fn open<T: Task>(context: &Context<T>, run: &Run, model: &Arc<Loaded>) -> Result<Self, Ending> {
        let open = |guidance: &Guidance| -> Result<(Guidance, Guide), Ending> {
            let guide = match (guidance.kind.entry().takes(), &guidance.guide_model) {
                (Second::Classifier, Some(classifier)) => by_classifier(context, guidance, classifier, model)?,
                (_, second) => contrast(context, guidance, second.as_ref(), model)?,
            };
            Ok((guidance.clone(), guide))
        };
        let guides = run.guidances().into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Guides { model: model.clone(), guides })
    }

    /// The model that one of these runs samples, which takes the task's turns with so many samples at once.
    pub(super) fn model<'a, T: Task>(
        &'a self,
        run: &Run,
        context: &'a Context<T>,
        batch: usize,
    ) -> Box<dyn ScoreModel + 'a> {
        let watched = |loaded: &'a Loaded, class: Option<usize>| -> Box<dyn ScoreModel + 'a> {
            let of_class = class.and_then(|class| loaded.model.of_class(class));
            let model: Box<dyn ScoreModel + 'a> = of_class.unwrap_or_else(|| Box::new(&*loaded.model));
            Box::new(Watched::new(model, context, batch))
        };
        // Guides see images in this range.
        let symmetric = |model| -> Box<dyn ScoreModel + 'a> { Box::new(InRange::new(model, Range::Symmetric)) };
        let guide = run.guidance.as_ref().and_then(|wanted| self.guides.iter().find(|(known, _)| known == wanted));
        let Some((guidance, guide)) = guide else { return in_run(watched(&self.model, None), run) };
        let strength = guidance.strength();
        let guided: Box<dyn ScoreModel + 'a> = match guide {
            Guide::Classifier(classifier, class) => {
                let lead = ByClassifier::new(symmetric(watched(&self.model, None)), &**classifier, *class);
                Box::new(Guided::new(lead, strength))
            }
            Guide::Contrast { to, from, of } => {
                let lead = Contrast::new(symmetric(watched(from, *of)), symmetric(watched(&self.model, *to)));
                Box::new(Guided::new(lead, strength))
            }
        };
        in_run(guided, run)
    }
}

/// A model in the range of a run's data, clipped as the run says.
pub(super) fn in_run<'a>(model: impl ScoreModel + 'a, run: &Run) -> Box<dyn ScoreModel + 'a> {
    Box::new(Clipped::new(InRange::new(model, run.family.facts().range), run.clip))
}

/// A classifier of noised images that reads those of the model, with this class.
fn by_classifier<T: Task>(
    context: &Context<T>,
    guidance: &Guidance,
    classifier: &ModelRef,
    model: &Loaded,
) -> Result<Guide, Ending> {
    let classifier = context.classifier(classifier)?;
    let description = classifier.description();
    let (own, shape) = (description.config.shape(), model.model.shape());
    if description.shrinks(shape).is_none() {
        let what = format!("The classifier is one of images of the shape {own:?}, and the model of {shape:?}.");
        return Err(Failure {
            what,
            remedy: "Choose a classifier of such images, or of ones a whole number of times smaller.".into(),
        }
        .into());
    }
    if !description.config.conditional {
        let what = "The classifier was trained on clean images, and samples are noise at first.".into();
        let remedy = "Choose one that `classifier train --noisy` wrote.".into();
        return Err(Failure { what, remedy }.into());
    }
    let class = class(guidance, &description.classes, "The classifier")?.unwrap_or(0);
    Ok(Guide::Classifier(classifier, class))
}

/// A class of the model, and a model to be led away from: another of the same class in autoguidance, else one of no class.
fn contrast<T: Task>(
    context: &Context<T>,
    guidance: &Guidance,
    second: Option<&ModelRef>,
    model: &Arc<Loaded>,
) -> Result<Guide, Ending> {
    if guidance.class.is_some() && model.report.classes.is_empty() {
        let what = "The model has no classes.".into();
        let remedy = "Choose a class-conditional one, leave the class out, or let a classifier lead.".into();
        return Err(Failure { what, remedy }.into());
    }
    let to = class(guidance, &model.report.classes, "The model")?;
    let Some(second) = second else { return Ok(Guide::Contrast { to, from: model.clone(), of: None }) };
    let from = context.open(second, false)?;
    let (own, shape) = (from.model.shape(), model.model.shape());
    if own != shape {
        let what = format!("The second model is one of the shape {own:?}, and the model of {shape:?}.");
        return Err(Failure { what, remedy: "Choose one of the same shape.".into() }.into());
    }
    let same = !guidance.kind.entry().needs_class() && !from.report.classes.is_empty();
    let of = if same { class(guidance, &from.report.classes, "The second model")? } else { None };
    Ok(Guide::Contrast { to, from, of })
}

/// The class of a guidance among those of `who`.
fn class(guidance: &Guidance, classes: &[String], who: &str) -> Result<Option<usize>, Failure> {
    let Some(name) = &guidance.class else { return Ok(None) };
    let known = || {
        let most = 20.min(classes.len());
        let more = if classes.len() > most { format!(" … {}", classes[classes.len() - 1]) } else { String::new() };
        format!("Choose one of {}{more}.", classes[..most].join(", "))
    };
    let found = class_called(name, classes);
    found.map(Some).ok_or_else(|| Failure { what: format!("{who} knows no class {name:?}."), remedy: known() })
}
