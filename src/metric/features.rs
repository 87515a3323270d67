use super::MetricError;

/// Features of images, N×D, row by row. All are finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    dims: usize,
    values: Vec<f32>,
}

impl Features {
    /// Rows of `dims` values.
    ///
    /// # Errors
    /// If the values are not whole rows, or one is not finite.
    pub fn new(dims: usize, values: Vec<f32>) -> Result<Self, MetricError> {
        if dims == 0 || !values.len().is_multiple_of(dims) {
            return Err(MetricError::Ragged { dims, values: values.len() });
        }
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            return Err(MetricError::NotFinite { image: (place / dims) as u64, feature: place % dims });
        }
        Ok(Features { dims, values })
    }

    /// No rows yet.
    pub fn none(dims: usize) -> Self {
        Features { dims: dims.max(1), values: Vec::new() }
    }

    /// D.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// N.
    pub fn len(&self) -> usize {
        self.values.len() / self.dims
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether there are so many rows.
    ///
    /// # Errors
    /// If there are not.
    pub(super) fn at_least(&self, least: u64) -> Result<(), MetricError> {
        match self.len() as u64 {
            0 => Err(MetricError::Nothing(least)),
            found if found < least => Err(MetricError::TooFew { found, least }),
            _ => Ok(()),
        }
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The features of one image after the other.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.dims)
    }

    /// Those of one image; nothing where there is no such image.
    pub fn row(&self, index: usize) -> &[f32] {
        self.values.get(index * self.dims..(index + 1) * self.dims).unwrap_or_default()
    }

    /// These rows, in this order, as often as they are named; numbers beyond the last are left out.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Features {
        Features { dims: self.dims, values: rows.iter().flat_map(|&row| self.row(row)).copied().collect() }
    }

    /// The first rows, at most `count`.
    #[must_use]
    pub fn first(&self, count: usize) -> Features {
        Features { dims: self.dims, values: self.values[..count.min(self.len()) * self.dims].to_vec() }
    }

    /// Adds rows behind the others.
    ///
    /// # Errors
    /// If they have another number of features.
    pub fn append(&mut self, more: &Features) -> Result<(), MetricError> {
        same_dims(self.dims, more.dims)?;
        self.values.extend_from_slice(&more.values);
        Ok(())
    }
}

/// Whether two sets have the same number of features.
pub(super) fn same_dims(a: usize, b: usize) -> Result<(), MetricError> {
    if a == b { Ok(()) } else { Err(MetricError::Dimensions { a, b }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_set_of_finite_rows_is_refused() {
        assert_eq!(Features::new(3, vec![0.0; 4]), Err(MetricError::Ragged { dims: 3, values: 4 }));
        assert!(Features::new(0, Vec::new()).is_err());
        let with_nan = Features::new(2, vec![0.0, 1.0, 2.0, f32::NAN]);
        assert_eq!(with_nan, Err(MetricError::NotFinite { image: 1, feature: 1 }));
    }
}
