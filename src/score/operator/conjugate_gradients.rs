use crate::Image;

/// Most iterations: with singular values between 0.01 and 1 the error falls below a thousandth long before.
const MOST: usize = 250;
/// Iterations between looks at the residual, each of which waits for the device.
const LOOK_EVERY: usize = 10;
/// Keeps a sample that has arrived from dividing 0 by 0.
const TINY: f64 = 1e-30;

/// Solves M·u = r for a symmetric positive definite M, each sample of the batch on its own
/// (Hestenes and Stiefel 1952), until every residual is below `tolerance`·‖r‖.
///
/// `r`: N×c×h×w.
pub(in crate::score) fn conjugate_gradients(multiply: impl Fn(&Image) -> Image, r: &Image, tolerance: f64) -> Image {
    let mut u = r.zeros_like();
    let mut residual = r.clone();
    let mut direction = r.clone();
    let mut squares = dot(&residual, &residual);
    let goal = squares.clone() * (tolerance * tolerance) + TINY;
    for iteration in 1..=MOST {
        let image = multiply(&direction);
        let length = squares.clone() / (dot(&direction, &image) + TINY);
        u = u + direction.clone() * length.clone();
        residual = residual - image * length;
        let after = dot(&residual, &residual);
        direction = residual.clone() + direction * (after.clone() / (squares + TINY));
        squares = after;
        if iteration % LOOK_EVERY == 0 && arrived(&squares, &goal) {
            break;
        }
    }
    u
}

/// Products of samples: N×1×1×1.
fn dot(a: &Image, b: &Image) -> Image {
    let count = a.dims()[0];
    (a.clone() * b.clone()).reshape([count as i64, -1]).sum_dim(1).reshape([count, 1, 1, 1])
}

/// Whether all residuals are small enough. A device that fails says so at the next evaluation.
fn arrived(squares: &Image, goal: &Image) -> bool {
    let worst = (squares.clone() / goal.clone()).max();
    worst.try_into_vec_as::<f32>().is_ok_and(|worst| worst.iter().all(|&worst| worst <= 1.0))
}
