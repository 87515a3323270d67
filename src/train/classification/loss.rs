/// The cross-entropy of the softmax of `logits` (N×classes) and `labels` (N), in nats, and whether each is right. Turns the
/// logits into the gradient of their sum divided by `images`, the size of the whole batch. With `smoothing` s, the target
/// gives the label 1 − s and s to all classes alike (Szegedy et al. 2016).
pub fn cross_entropy(logits: &mut [f32], labels: &[u32], smoothing: f64, images: usize) -> Vec<(f64, bool)> {
    let classes = logits.len() / labels.len().max(1);
    let share = 1.0 / images.max(1) as f64;
    let of_row = |(row, &label): (&mut [f32], &u32)| {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let right = row.iter().position(|&logit| logit == highest) == Some(label as usize);
        let highest = f64::from(highest);
        let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - highest).exp()).sum();
        let mut loss = 0.0;
        for (class, logit) in row.iter_mut().enumerate() {
            let log = f64::from(*logit) - highest - sum.ln();
            let known = if class == label as usize { 1.0 - smoothing } else { 0.0 };
            let target = known + smoothing / classes as f64;
            loss -= target * log;
            *logit = (share * (log.exp() - target)) as f32;
        }
        (loss, right)
    };
    logits.chunks_mut(classes.max(1)).zip(labels).map(of_row).collect()
}
