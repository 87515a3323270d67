/// Losses under a learned uncertainty of each noise level.
#[derive(Clone, Debug, PartialEq)]
pub struct Uncertain {
    /// loss/eᵘ + u of each image.
    pub losses: Vec<f64>,
    /// The factor of the gradient by the network's output, of each image.
    pub factors: Vec<f64>,
    /// The derivative of the mean of all by each image's u.
    pub slopes: Vec<f64>,
}

/// Divides each image's loss by its uncertainty eᵘ and adds u, where u is the network's second output, the logarithm of
/// a variance (Karras et al. 2024, eq. 21): all levels then weigh the same at any time of the training. `values` is how many
/// values of an image the loss sums over: 1 where it is their mean.
pub fn uncertain(losses: &[f64], log_variances: &[f64], values: f64) -> Uncertain {
    let count = losses.len() as f64;
    let factors: Vec<f64> = log_variances.iter().map(|u| (-u).exp()).collect();
    let scaled = losses.iter().zip(&factors).map(|(loss, factor)| loss * factor);
    Uncertain {
        losses: scaled.clone().zip(log_variances).map(|(loss, u)| loss + values * u).collect(),
        slopes: scaled.map(|loss| (values - loss) / count).collect(),
        factors,
    }
}
