//! Pictures on the host: batches of them, and what is done with masks and photos of any size.

mod area;
pub mod filter;
mod inlay;

pub use area::Area;
pub use inlay::Inlay;

use std::sync::Arc;

/// The luma of a colour (Rec. 709), which is what a model of grey images sees of it.
pub fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

impl Pixels<f32> {
    /// As a model of so many channels sees it: of colours, one of grey images sees the luma. Else as it is.
    pub fn seen_by(&self, channels: usize) -> Pixels<f32> {
        let [count, 3, height, width] = self.shape else { return self.clone() };
        if channels != 1 {
            return self.clone();
        }
        let plane = height * width;
        let grey = |sample: usize| {
            let values = self.sample(sample);
            (0..plane).map(move |place| luma([0, 1, 2].map(|channel| values[channel * plane + place])))
        };
        Pixels { shape: [count, 1, height, width], values: (0..count).flat_map(grey).collect() }
    }

    /// The middle of each, of this size or as much of it as there is.
    pub fn middle(&self, height: usize, width: usize) -> Pixels<f32> {
        let [count, channels, h, w] = self.shape;
        let (height, width) = (height.min(h), width.min(w));
        let (top, left) = ((h - height) / 2, (w - width) / 2);
        let rows =
            (0..count * channels).flat_map(|plane| (top..top + height).map(move |row| (plane * h + row) * w + left));
        let values = rows.flat_map(|start| self.values.get(start..start + width).unwrap_or_default().iter().copied());
        Pixels { shape: [count, channels, height, width], values: values.collect() }
    }
}

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
