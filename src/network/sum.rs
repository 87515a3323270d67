//! Weighted sums of images, and the squares of samples: on a GPU one kernel for each, tensor operations elsewhere.

use super::gpu::{BUFFERS, Source, THREADS, is_known, launch};
use burn::tensor::{Device, Tensor, TensorData};

/// Most images of one kernel, with the weights that are tensors: besides them it has the sum and what it is told.
const MOST: usize = BUFFERS - 2;

/// What multiplies an image.
#[derive(Clone, Debug)]
pub enum Weight<'a> {
    /// The same for all samples.
    One(f64),
    /// One for each sample, or one for all.
    Each(Vec<f64>),
    /// The same, as the device has computed it: of length N or 1.
    Computed(&'a Tensor<1>),
}

impl Weight<'_> {
    /// Whether it is this number for all samples, for all that the host knows.
    pub fn is(&self, number: f64) -> bool {
        match self {
            Weight::One(weight) => *weight == number,
            Weight::Each(weights) => weights.iter().all(|weight| *weight == number),
            Weight::Computed(_) => false,
        }
    }
}

impl From<f64> for Weight<'_> {
    fn from(weight: f64) -> Self {
        Weight::One(weight)
    }
}

impl From<Vec<f64>> for Weight<'_> {
    fn from(weights: Vec<f64>) -> Self {
        match weights[..] {
            [weight] => Weight::One(weight),
            _ => Weight::Each(weights),
        }
    }
}

impl<'a> From<&'a Tensor<1>> for Weight<'a> {
    fn from(weights: &'a Tensor<1>) -> Self {
        Weight::Computed(weights)
    }
}

/// A weighted sum of images (N×…, all of the same dimensions), written down from left to right:
/// `Sum::of(a, &x).plus(b, &score).times(c).tensor()` is (a·x + b·score)·c.
#[derive(Clone, Debug)]
pub struct Sum<'a, const D: usize = 4> {
    first: (Weight<'a>, &'a Tensor<D>),
    then: Vec<Operation<'a, D>>,
}

/// What is done to a sum so far.
#[derive(Clone, Debug)]
enum Operation<'a, const D: usize> {
    Plus(Weight<'a>, &'a Tensor<D>),
    Times(Weight<'a>),
    Shift(Weight<'a>),
}

impl<'a, const D: usize> Sum<'a, D> {
    /// weight·x.
    pub fn of(weight: impl Into<Weight<'a>>, x: &'a Tensor<D>) -> Self {
        Sum { first: (weight.into(), x), then: Vec::new() }
    }

    /// With weight·x more.
    #[must_use]
    pub fn plus(self, weight: impl Into<Weight<'a>>, x: &'a Tensor<D>) -> Self {
        self.and(Operation::Plus(weight.into(), x))
    }

    /// With all of these.
    #[must_use]
    pub fn plus_all<W: Into<Weight<'a>>>(self, terms: impl IntoIterator<Item = (W, &'a Tensor<D>)>) -> Self {
        terms.into_iter().fold(self, |sum, (weight, x)| sum.plus(weight, x))
    }

    /// All so far by a factor.
    #[must_use]
    pub fn times(self, factor: impl Into<Weight<'a>>) -> Self {
        self.and(Operation::Times(factor.into()))
    }

    /// With a constant more.
    #[must_use]
    pub fn shifted(self, by: impl Into<Weight<'a>>) -> Self {
        self.and(Operation::Shift(by.into()))
    }

    fn and(mut self, operation: Operation<'a, D>) -> Self {
        self.then.push(operation);
        self
    }

    /// The sum: in the order in which it is written, or on a GPU by one kernel where all is of single precision.
    pub fn tensor(self) -> Tensor<D> {
        if self.then.is_empty() && self.first.0.is(1.0) {
            return self.first.1.clone();
        }
        self.by_kernel().unwrap_or_else(|| self.by_tensors())
    }

    fn by_tensors(&self) -> Tensor<D> {
        let scaled = |weight: &Weight, x: Tensor<D>| match weight {
            weight if weight.is(1.0) => x,
            Weight::One(weight) => x * *weight,
            weight => {
                let weights = column(weight, &x);
                x * weights
            }
        };
        let (weight, first) = &self.first;
        self.then.iter().fold(scaled(weight, (*first).clone()), |sum, operation| match operation {
            Operation::Plus(Weight::One(-1.0), x) => sum - (*x).clone(),
            Operation::Plus(weight, x) => sum + scaled(weight, (*x).clone()),
            Operation::Times(factor) => scaled(factor, sum),
            Operation::Shift(Weight::One(by)) => sum + *by,
            Operation::Shift(by) => {
                let by = column(by, &sum);
                sum + by
            }
        })
    }

    fn by_kernel(&self) -> Option<Tensor<D>> {
        let dims = self.first.1.dims();
        let device = self.first.1.device();
        if !is_known(&device) {
            return None;
        }
        let values: usize = dims.iter().product();
        let weighed = Weighed::new(self, dims)?;
        let (plain, scaled): (Vec<_>, Vec<_>) = weighed.terms.iter().partition(|term| term.factor.is_none());
        let factors: Vec<&Tensor<1>> = scaled.iter().filter_map(|term| term.factor).collect();
        let factor_stride = match factors.first().map_or(1, |factor| factor.dims()[0]) {
            count if factors.iter().any(|factor| factor.dims()[0] != count) => return None,
            count => usize::from(count > 1),
        };
        if values == 0 || weighed.terms.len() + factors.len() > MOST {
            return None;
        }
        let flat = |x: &Tensor<D>| x.clone().reshape([values]);
        let named = |name: &str, tensors: Vec<Tensor<1>>| {
            tensors.into_iter().enumerate().map(|(k, x)| (format!("{name}{k}"), x)).collect::<Vec<_>>()
        };
        let inputs = [
            named("plain", plain.iter().map(|term| flat(term.x)).collect()),
            named("scaled", scaled.iter().map(|term| flat(term.x)).collect()),
            named("factor", factors.into_iter().cloned().collect()),
        ];
        let width = if weighed.shift.len() > 1 { weighed.terms.len() + 1 } else { 0 };
        let mut told = [values, values / dims[0], width, factor_stride].map(|number| number as u32).to_vec();
        for row in 0..weighed.shift.len() {
            let own = plain.iter().chain(&scaled).map(|term| &term.weights).chain([&weighed.shift]);
            told.extend(own.map(|weights| (weights[row] as f32).to_bits()));
        }
        let source = Source {
            name: "sum",
            text: include_str!("../../shaders/image/sum.wgsl"),
            constants: vec![("PLAIN", plain.len() as u32), ("SCALED", scaled.len() as u32)],
        };
        let sum = Tensor::empty(dims, &device);
        launch(source, &inputs.concat(), &sum, &told, (values as u32).div_ceil(THREADS))?;
        Some(sum)
    }
}

/// A sum whose weights are multiplied out: a row of them for each sample, or one for all.
struct Weighed<'a, const D: usize> {
    terms: Vec<Term<'a, D>>,
    shift: Vec<f64>,
}

struct Term<'a, const D: usize> {
    weights: Vec<f64>,
    factor: Option<&'a Tensor<1>>,
    x: &'a Tensor<D>,
}

impl<'a, const D: usize> Weighed<'a, D> {
    /// `None` where something is to be broadcast, or a factor of all is a tensor.
    fn new(sum: &Sum<'a, D>, dims: [usize; D]) -> Option<Self> {
        let rows = sum.rows();
        let each = |weight: &Weight| match weight {
            Weight::One(weight) => Some(vec![*weight; rows]),
            Weight::Each(weights) => (weights.len() == rows && rows == dims[0]).then(|| weights.clone()),
            Weight::Computed(_) => None,
        };
        let term = |weight: &Weight<'a>, x: &'a Tensor<D>| {
            let factor = if let Weight::Computed(factor) = weight { Some(*factor) } else { None };
            let weights = if factor.is_some() { vec![1.0; rows] } else { each(weight)? };
            (x.dims() == dims).then_some(Term { weights, factor, x })
        };
        let mut weighed = Weighed { terms: vec![term(&sum.first.0, sum.first.1)?], shift: vec![0.0; rows] };
        for operation in &sum.then {
            match operation {
                Operation::Plus(weight, x) => weighed.terms.push(term(weight, x)?),
                Operation::Times(factor) => {
                    let factors = each(factor)?;
                    let all = weighed.terms.iter_mut().map(|term| &mut term.weights).chain([&mut weighed.shift]);
                    all.for_each(|weights| weights.iter_mut().zip(&factors).for_each(|(weight, by)| *weight *= by));
                }
                Operation::Shift(by) => weighed.shift.iter_mut().zip(each(by)?).for_each(|(shift, by)| *shift += by),
            }
        }
        Some(weighed)
    }
}

impl<const D: usize> Sum<'_, D> {
    /// How many rows of weights there are.
    fn rows(&self) -> usize {
        let weights = self.then.iter().map(|operation| match operation {
            Operation::Plus(weight, _) | Operation::Times(weight) | Operation::Shift(weight) => weight,
        });
        let length = |weight: &Weight| if let Weight::Each(weights) = weight { weights.len() } else { 1 };
        weights.chain([&self.first.0]).map(length).max().unwrap_or(1)
    }
}

/// A weight of each sample as a tensor, to broadcast.
fn column<const D: usize>(weight: &Weight, like: &Tensor<D>) -> Tensor<D> {
    let weights = match weight {
        Weight::One(weight) => row(&[*weight], &like.device()),
        Weight::Each(weights) => row(weights, &like.device()),
        Weight::Computed(weights) => (*weights).clone(),
    };
    let mut dims = [1; D];
    dims[0] = weights.dims()[0];
    weights.reshape(dims).cast(like.dtype())
}

fn row(values: &[f64], device: &Device) -> Tensor<1> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// Σ x² of each sample of a batch (N×…): N.
pub fn sample_squares<const D: usize>(x: &Tensor<D>) -> Tensor<1> {
    let (samples, values) = (x.dims()[0], x.dims().iter().product::<usize>());
    let by_kernel = || {
        let sums = Tensor::empty([samples], &x.device());
        let text = include_str!("../../shaders/image/squares.wgsl");
        let source = Source { name: "squares", text, constants: Vec::new() };
        let told = [samples as u32, (values / samples.max(1)) as u32];
        launch(source, &[("image".into(), x.clone().reshape([values]))], &sums, &told, samples as u32)?;
        Some(sums)
    };
    let known = if is_known(&x.device()) { by_kernel() } else { None };
    known.unwrap_or_else(|| x.clone().square().reshape([samples as i64, -1]).sum_dim(1).reshape([samples]))
}
