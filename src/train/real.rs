use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// Single or double precision.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Div<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + Sub<Output = Self>
    + 'static
{
    /// The nearest number.
    fn of(value: f64) -> Self;

    /// The same number in double precision.
    fn wide(self) -> f64;

    #[must_use]
    fn sqrt(self) -> Self;
}

macro_rules! real {
    ($($real:ident),*) => {
        $(impl Real for $real {
            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $real
            }

            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
        })*
    };
}
real!(f32, f64);

/// The sum of squares in double precision, in a fixed order: eight sums side by side fill wide registers.
pub(super) fn squares<F: Real>(values: &[F]) -> f64 {
    let mut sums = [0.0; 8];
    let mut eights = values.chunks_exact(sums.len());
    for eight in &mut eights {
        sums.iter_mut().zip(eight).for_each(|(sum, x)| *sum += x.wide() * x.wide());
    }
    let rest: f64 = eights.remainder().iter().map(|x| x.wide() * x.wide()).sum();
    sums.iter().sum::<f64>() + rest
}
