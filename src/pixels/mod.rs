//! Pictures on the host: batches of them, and what is done with masks and photos of any size.

mod area;
pub mod filter;
mod inlay;

pub use area::Area;
pub use inlay::Inlay;

use std::sync::Arc;

/// Values of a batch of images on the host: N×C×H×W, in that order.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels<T> {
    /// N, C, H, W.
    pub shape: [usize; 4],
    pub values: Arc<[T]>,
}

impl<T> Pixels<T> {
    /// Bytes that the values take.
    pub fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.values)
    }

    /// The values of one sample, C×H×W, or nothing where there is no such sample.
    pub fn sample(&self, index: usize) -> &[T] {
        let size = self.shape[1..].iter().product::<usize>();
        self.values.get(index * size..(index + 1) * size).unwrap_or_default()
    }

    /// The same as a batch of one.
    pub fn one(&self, index: usize) -> Pixels<T>
    where
        T: Copy,
    {
        let [_, channels, height, width] = self.shape;
        Pixels { shape: [1, channels, height, width], values: self.sample(index).into() }
    }

    /// Batches of one shape one after the other, as one batch; nothing where one lacks.
    pub fn together<'a>(all: impl IntoIterator<Item = Option<&'a Pixels<T>>>) -> Option<Pixels<T>>
    where
        T: Copy + 'a,
    {
        let all: Vec<&Pixels<T>> = all.into_iter().collect::<Option<_>>()?;
        let [_, channels, height, width] = all.first()?.shape;
        let count = all.iter().map(|pixels| pixels.shape[0]).sum();
        let values: Vec<T> = all.iter().flat_map(|pixels| pixels.values.iter().copied()).collect();
        Some(Pixels { shape: [count, channels, height, width], values: values.into() })
    }
}
