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
}
