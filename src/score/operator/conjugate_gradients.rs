use crate::Image;

/// Most iterations: with a fair preconditioner a few do.
const MOST: usize = 200;
/// Iterations between looks at the residual, each of which waits for the device.
const LOOK_EVERY: usize = 4;
/// Keeps a sample that has arrived from dividing 0 by 0.
const TINY: f64 = 1e-30;

/// Solves M·u = r for a symmetric positive definite M, each sample of the batch on its own, by conjugate gradients
/// (Hestenes and Stiefel 1952), until every residual is below `tolerance`·‖r‖. `precondition` is about M⁻¹,
/// symmetric and positive definite as well.
///
/// `r`: N×c×h×w.
pub(in crate::score) fn conjugate_gradients(
    multiply: impl Fn(&Image) -> Image,
    precondition: impl Fn(&Image) -> Image,
    r: &Image,
    tolerance: f64,
) -> Image {
    let mut u = r.zeros_like();
    let mut residual = r.clone();
    let mut direction = precondition(r);
    let mut product = dot(&residual, &direction);
    let goal = dot(r, r) * (tolerance * tolerance) + TINY;
    for iteration in 1..=MOST {
        let image = multiply(&direction);
        let length = product.clone() / (dot(&direction, &image) + TINY);
        u = u + direction.clone() * length.clone();
        residual = residual - image * length;
        // The first look is an early one: where the preconditioner is exact, one iteration is enough.
        if (iteration == 1 || iteration % LOOK_EVERY == 0) && arrived(&residual, &goal) {
            break;
        }
        let conditioned = precondition(&residual);
        let after = dot(&residual, &conditioned);
        direction = conditioned + direction * (after.clone() / (product + TINY));
        product = after;
    }
    u
}

/// Products of samples: N×1×1×1.
fn dot(a: &Image, b: &Image) -> Image {
    let count = a.dims()[0];
    (a.clone() * b.clone()).reshape([count as i64, -1]).sum_dim(1).reshape([count, 1, 1, 1])
}

/// Whether all residuals are small enough. A device that fails says so at the next evaluation.
fn arrived(residual: &Image, goal: &Image) -> bool {
    let worst = (dot(residual, residual) / goal.clone()).max();
    worst.try_into_vec_as::<f32>().is_ok_and(|worst| worst.iter().all(|&worst| worst <= 1.0))
}
