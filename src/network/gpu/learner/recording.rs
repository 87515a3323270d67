//! What a network that learns records: the way forwards and back.

use super::Learner;
use crate::network::gpu::back::Back;
use crate::network::gpu::kernel::Reading;
use crate::network::gpu::layers::{Convolution, Read, Write, activated, deactivate, enter, gather, leave};
use crate::network::gpu::parameters::{FOUND, GRADIENTS, PACKED, PUBLISHED, TURNED};
use crate::network::gpu::program::Doors;
use crate::network::gpu::recorder::{Bound, Recorder, Slot, View};
use crate::network::gpu::walk::{Kept, Walk};
use crate::network::{Joins, Nonlinearity};

/// What makes of sines and cosines of the noise level what all blocks are told.
#[derive(Debug)]
pub(super) struct Embedding {
    pub dense: [Convolution; 2],
    pub levels: Convolution,
    /// Sines and cosines.
    pub width: u32,
    pub nonlinearity: Nonlinearity,
    /// What the rows of classes join.
    pub joins: Option<Joins>,
}

/// What came of a noise level on the way.
struct Embedded {
    features: View,
    /// What joins the embedding.
    extra: Option<View>,
    /// Before the nonlinearity.
    hidden: [View; 2],
    levels: View,
}

/// Where the parts of a program end: what packs parameters, the way forwards, the way back, and what publishes gradients.
pub(super) type Parts = [usize; 4];

/// What was recorded.
pub(super) struct Recorded {
    pub recorder: Recorder,
    pub doors: Doors,
    pub places: Places,
    /// Values of the output of an image, and of what the row of its class joined.
    pub sizes: [usize; 2],
}

/// Where in a program what happens, and where what lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub parts: Parts,
    /// Where the gradient of the output comes in.
    pub gradient: usize,
    /// Of what the rows of classes joined.
    pub joined: Option<usize>,
    pub masks: Option<usize>,
}

impl Learner {
    /// `drops`: features are dropped. `None` where an operation cannot be taught.
    pub(super) fn record(&self, images: u32, drops: bool) -> Option<Recorded> {
        let mut recorder = Recorder::new(images, false, self.gpu.workgroup_bytes());
        let [count, packed, turned] = self.counts;
        // They are held to the end.
        let held: Vec<_> = [count, packed, turned, packed, count].map(|count| recorder.slot(4 * count as u64)).into();
        let from_places = |index: usize| Bound::Buffer(self.places[index].clone());
        gather(&mut recorder, PUBLISHED, from_places(0), PACKED, packed as u32);
        gather(&mut recorder, PUBLISHED, from_places(1), TURNED, turned as u32);
        let packed_end = recorder.dispatches.len();

        let size = self.body.config.inside().map(|size| size as u32);
        let input = recorder.image(size);
        let embedded = self.embedding.as_ref().map(|embedding| embedding.record(&mut recorder));
        let x = enter(&mut recorder, &input, size);
        let masks = drops.then(|| recorder.slot(u64::from(images) * self.body.layers.len() as u64 * 16));
        let walk = Walk {
            network: &self.body,
            recorder: &mut recorder,
            levels: embedded.as_ref().map(|embedded| embedded.levels.slot.clone()),
            stride: embedded.as_ref().map_or(0, |embedded| 4 * embedded.levels.stride),
            kept: Vec::new(),
            input: x.clone(),
            h: x,
            output: None,
            tape: Some(Vec::new()),
            masks: masks.clone(),
        };
        let (h, tape) = walk.through(self.body.layers.len());
        let output = leave(&mut recorder, &h);
        let forwards = recorder.dispatches.len();

        let (gradient, joined) = self.back(&mut recorder, &h, tape, embedded.as_ref(), masks.as_ref())?;
        let back_end = recorder.dispatches.len();
        gather(&mut recorder, GRADIENTS, from_places(2), FOUND, count as u32);
        drop(held);
        let features = embedded.as_ref().map(|embedded| embedded.features.slot.place());
        let extra = embedded.as_ref().and_then(|embedded| Some(embedded.extra.as_ref()?.slot.place()));
        let doors = Doors { input: input.place(), output: output.place(), told: [features, extra] };
        let places = Places {
            parts: [packed_end, forwards, back_end, recorder.dispatches.len()],
            gradient: gradient.place(),
            joined: joined.as_ref().map(|view| view.slot.place()),
            masks: masks.map(|slot| slot.place()),
        };
        let values = (h.channels * h.pixels()) as usize;
        let sizes = [values, joined.map_or(0, |view| 4 * view.quads() as usize)];
        Some(Recorded { recorder, doors, places, sizes })
    }

    /// From where the gradient of the output h comes in, which is said, to those of all parameters, and to that of what the
    /// rows of classes joined.
    fn back(
        &self,
        recorder: &mut Recorder,
        h: &View,
        tape: Vec<Kept>,
        embedded: Option<&Embedded>,
        masks: Option<&Slot>,
    ) -> Option<(Slot, Option<View>)> {
        let size = [h.channels, h.height, h.width];
        let gradient = recorder.image(size);
        let above = enter(recorder, &gradient, size);
        let levels = embedded.map(|Embedded { levels, .. }| {
            let to = recorder.features(levels.channels, 1, 1);
            [levels.clone(), to]
        });
        let back = Back {
            network: &self.body,
            recorder,
            levels: levels.clone(),
            masks: masks.cloned(),
            h: Some(above),
            kept: Vec::new(),
            input: None,
            output: None,
        };
        back.through(tape)?;
        let joined = match (&self.embedding, embedded, &levels) {
            (Some(embedding), Some(embedded), Some([_, above])) => embedding.back(recorder, embedded, above)?,
            _ => None,
        };
        Some((gradient, joined))
    }
}

impl Embedding {
    fn read<'a>(&self, x: &'a View) -> Read<'a> {
        Read { x, affine: None, activation: Some(self.nonlinearity) }
    }

    fn record(&self, recorder: &mut Recorder) -> Embedded {
        let [first, second] = &self.dense;
        let features = recorder.features(self.width, 1, 1);
        let hidden = first.record(recorder, Read::plain(&features), Write::default());
        let extra = (self.joins == Some(Joins::Embedding)).then(|| recorder.features(second.channels(), 1, 1));
        let write = Write { residual: extra.as_ref(), ..Write::default() };
        let embedding = second.record(recorder, self.read(&hidden), write);
        let levels = self.levels.record(recorder, self.read(&embedding), Write::default());
        Embedded { features, extra, hidden: [hidden, embedding], levels }
    }

    /// From the gradient of what blocks are told, to that of what the rows of classes joined, if they joined anything.
    fn back(&self, recorder: &mut Recorder, embedded: &Embedded, gradient: &View) -> Option<Option<View>> {
        let [first, second] = &self.dense;
        let [hidden, embedding] = &embedded.hidden;
        let reading = Reading { normalised: false, activation: Some(self.nonlinearity) };
        let mut above = gradient.clone();
        let mut joined = None;
        for (map, x) in [(&self.levels, embedding), (second, hidden)] {
            let read = activated(recorder, self.read(x));
            map.learn(recorder, &read, &above, 1.0);
            let below = map.back(recorder, &above, x.channels, Write::default())?;
            above = deactivate(recorder, x, &below, reading, None, None);
            if self.joins == Some(Joins::Embedding) {
                joined.get_or_insert_with(|| above.clone());
            }
        }
        first.learn(recorder, &embedded.features, &above, 1.0);
        if self.joins == Some(Joins::Features) {
            joined = Some(first.back(recorder, &above, self.width, Write::default())?);
        }
        Some(joined)
    }
}
