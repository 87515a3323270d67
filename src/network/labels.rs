//! What a network is told of images.

use std::ops::Range;

/// What a network is told of each image: the published label of its noise level, and its class, if it is told one.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// One for all images, or one for each.
    pub levels: &'a [f64],
    /// The number of a class from 0; one for all images, or one for each. Empty where no image has one. Networks without
    /// classes ignore it.
    pub classes: &'a [Option<usize>],
}

/// What layers are told of images, a row for all of them or one for each.
pub(super) struct Told {
    /// Sines and cosines of the labels of their noise levels.
    pub features: Vec<f32>,
    /// One for each row.
    pub classes: Vec<Option<usize>>,
}

/// Noise levels alone.
impl<'a, L: AsRef<[f64]> + ?Sized> From<&'a L> for Labels<'a> {
    fn from(levels: &'a L) -> Self {
        Labels { levels: levels.as_ref(), classes: &[] }
    }
}

impl<'a> Labels<'a> {
    /// The labels of some of the images, where there is one for each.
    pub fn of(self, images: Range<usize>) -> Labels<'a> {
        Labels { levels: part(self.levels, &images), classes: part(self.classes, &images) }
    }

    /// The classes, as many as there are levels, or one for each image where the levels are one for all.
    pub(super) fn classes(&self) -> Vec<Option<usize>> {
        let rows = self.levels.len().max(self.classes.len());
        (0..rows).map(|row| at(self.classes, row).flatten()).collect()
    }

    /// The levels, as many as there are classes.
    pub(super) fn levels(&self) -> impl Iterator<Item = f64> {
        let rows = self.levels.len().max(self.classes.len());
        (0..rows).filter_map(|row| at(self.levels, row))
    }
}

/// The label of an image; the only one is that of all.
fn at<T: Copy>(labels: &[T], row: usize) -> Option<T> {
    labels.get(if labels.len() == 1 { 0 } else { row }).copied()
}

fn part<'a, T>(labels: &'a [T], images: &Range<usize>) -> &'a [T] {
    if labels.len() > 1 { labels.get(images.clone()).unwrap_or_default() } else { labels }
}
