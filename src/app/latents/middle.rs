//! The picture in the middle: decoded by few steps while the slider moves, by the chosen solver when it stops.

use super::board::Board;
use super::draft::{LatentsDraft, Mix};
use super::original::PictureKey;
use super::strip::{Strip, ends};
use crate::Pixels;
use crate::engine::{Decode, TaskHandle};
use crate::task::{Flow, combine, linear, spherical, temper};
use std::time::{Duration, Instant};

/// A hand that has not moved for this long rests.
pub const REST: Duration = Duration::from_millis(250);
/// Time between two frames of the loop.
const FRAME: Duration = Duration::from_millis(120);

/// What decides the picture in the middle.
#[derive(Clone, Debug, PartialEq)]
pub struct MiddleKey {
    parts: Vec<(PictureKey, f64)>,
    pub flow: Flow,
    mix: Mix,
    spherical: bool,
    keep_norm: bool,
    temperature: f64,
    place: f64,
}

/// A picture in the middle.
#[derive(Clone, Debug)]
pub struct Shown {
    pub key: MiddleKey,
    /// 1×C×H×W.
    pub picture: Pixels<f32>,
    pub fine: bool,
    pub nfe: usize,
    /// From the change to the picture.
    pub after: Duration,
}

/// A picture on its way. Another one in its place ends it.
#[derive(Debug)]
pub struct Asked {
    pub task: TaskHandle<Decode>,
    pub key: MiddleKey,
    pub fine: bool,
    /// When the slider moved.
    pub since: Instant,
}

/// The place that is looked at, and what is known of it.
#[derive(Debug)]
pub struct Middle {
    /// From A (0) to B (1).
    pub place: f64,
    key: Option<MiddleKey>,
    changed: Instant,
    pub shown: Option<Shown>,
    pub asked: Option<Asked>,
    /// When the loop began to play, and the frame it began at.
    playing: Option<(Instant, usize)>,
}

impl Default for Middle {
    fn default() -> Self {
        Middle { place: 0.5, key: None, changed: Instant::now(), shown: None, asked: None, playing: None }
    }
}

/// What to do for the picture in the middle.
pub enum Next {
    Nothing,
    /// Middle again after this long.
    Wait(Duration),
    /// Decode this; by few steps, or as was asked.
    Decode {
        key: MiddleKey,
        fine: bool,
        since: Instant,
    },
}

impl Middle {
    /// What is looked at now.
    pub fn wanted(&self, board: &Board, draft: &LatentsDraft) -> Option<MiddleKey> {
        let (parts, flow) = match draft.mix {
            Mix::Between => {
                let [(a, first), (_, last)] = ends(board)?;
                (vec![(first, 1.0 - self.place), (last, self.place)], a.latents.flow.clone())
            }
            Mix::Weights => {
                let weighted = |index: usize| {
                    let key = board.key(index)?;
                    board.encoding(&key).map(|encoding| (key, board.slots[index].weight, &encoding.latents.flow))
                };
                let all: Vec<_> = (0..board.slots.len()).filter_map(weighted).collect();
                let flow = all.first()?.2.clone();
                let same = all.iter().all(|part| *part.2 == flow);
                let some = all.iter().any(|part| part.1 != 0.0);
                (same && some).then_some((all.iter().map(|part| (part.0, part.1)).collect(), flow))?
            }
        };
        let LatentsDraft { mix, spherical, keep_norm, temperature, .. } = *draft;
        let place = if mix == Mix::Between { self.place } else { 0.0 };
        Some(MiddleKey { parts, flow, mix, spherical, keep_norm, temperature, place })
    }

    /// Decides what to decode. A picture that the strip has is taken from there.
    pub fn advance(&mut self, wanted: Option<MiddleKey>, strip: Option<&Strip>) -> Next {
        let Some(key) = wanted else {
            (self.key, self.shown) = (None, None);
            return Next::Nothing;
        };
        if self.key.as_ref() != Some(&key) {
            self.key = Some(key.clone());
            self.changed = Instant::now();
        }
        if key.mix == Mix::Between
            && let Some((picture, fine)) = strip.and_then(|strip| on_frame(strip, self.place))
        {
            let better = self.shown.as_ref().is_none_or(|shown| shown.key != key || fine && !shown.fine);
            if better {
                let picture = picture.clone();
                self.shown = Some(Shown { key: key.clone(), picture, fine, nfe: 0, after: Duration::ZERO });
            }
        }
        if self.playing.is_some() {
            return Next::Nothing;
        }
        let on_strip = key.mix == Mix::Between && strip.is_some_and(|strip| strip.frame_at(self.place).is_some());
        let shown = self.shown.as_ref().filter(|shown| shown.key == key);
        let rested = self.changed.elapsed();
        match (shown, &self.asked) {
            (Some(shown), _) if shown.fine => Next::Nothing,
            (Some(_), Some(asked)) if asked.key == key => Next::Nothing,
            // The strip decodes its own frames, that which is looked at first.
            (Some(_), _) if on_strip => Next::Nothing,
            (Some(_), _) if rested < REST => Next::Wait(REST - rested),
            (Some(_), _) => Next::Decode { key, fine: true, since: self.changed },
            // A quick one under way is let finish, or a hand that never rests would see nothing.
            (None, Some(asked)) if !asked.fine || asked.key == key => Next::Nothing,
            (None, _) => Next::Decode { key, fine: false, since: self.changed },
        }
    }

    /// Takes in a decoded picture.
    pub fn take(&mut self, asked: Asked, picture: Pixels<f32>, nfe: usize) {
        let after = asked.since.elapsed();
        self.shown = Some(Shown { key: asked.key, picture, fine: asked.fine, nfe, after });
    }

    /// Whether the loop plays.
    pub fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// Plays or holds.
    pub fn play_or_hold(&mut self, strip: Option<&Strip>) {
        self.playing = match (self.playing, strip.filter(|strip| strip.pictures().is_some())) {
            (None, Some(strip)) => Some((Instant::now(), (self.place * (strip.len() - 1) as f64).round() as usize)),
            _ => None,
        };
    }

    /// Holds.
    pub fn hold(&mut self) {
        self.playing = None;
    }

    /// Moves on while playing: to the end, back again, and so on. How long until the next frame.
    pub fn play(&mut self, strip: Option<&Strip>) -> Option<Duration> {
        let (since, first) = self.playing?;
        let Some(strip) = strip.filter(|strip| strip.pictures().is_some()) else {
            self.playing = None;
            return None;
        };
        let last = strip.len() - 1;
        let turn = (first + (since.elapsed().as_millis() / FRAME.as_millis()) as usize) % (2 * last);
        let frame = if turn > last { 2 * last - turn } else { turn };
        self.place = frame as f64 / last as f64;
        Some(FRAME / 2)
    }

    /// Moves by whole frames.
    pub fn step(&mut self, frames: i32, count: usize) {
        let last = count.max(2) as f64 - 1.0;
        self.hold();
        self.place = ((self.place * last).round() + f64::from(frames)).clamp(0.0, last) / last;
    }
}

/// The strip's picture at a place, where a frame lies there.
fn on_frame(strip: &Strip, place: f64) -> Option<(&Pixels<f32>, bool)> {
    strip.best(strip.frame_at(place)?)
}

impl MiddleKey {
    /// The latent, 1×C×H×W.
    pub fn latent(&self, board: &Board) -> Option<Pixels<f32>> {
        let values = |key| board.encoding(key).map(|encoding| encoding.latents.pixels.sample(0));
        let mixed = match (self.mix, self.parts.as_slice()) {
            (Mix::Between, [(a, _), (b, _)]) => {
                let way = if self.spherical { spherical } else { linear };
                way(values(a)?, values(b)?, self.place)
            }
            _ => {
                let parts: Vec<(f64, &[f32])> =
                    self.parts.iter().filter_map(|(key, weight)| Some((*weight, values(key)?))).collect();
                combine(&parts, self.keep_norm)
            }
        };
        let [c, h, w] = self.parts.first()?.0.shape;
        Some(Pixels { shape: [1, c, h, w], values: temper(&mixed, self.temperature).into() })
    }
}
