// InstanceNorm++ (Song and Ermon 2019, appendix A): the scale and the shift that it makes of each channel, from the means
// and variances of moments.wgsl and a row γ, α, β of each image's noise level. A workgroup for each image.

struct Params {
    channels: u32,
    quads: u32,
    // From image to image; 0 where one level is for all.
    rows_stride: u32,
    epsilon: f32,
}

const THREADS = 64;

var<workgroup> sums: array<f32, THREADS>;

// The sum of what all threads give.
fn total(value: f32, thread: u32) -> f32 {
    workgroupBarrier();
    sums[thread] = value;
    for (var half = THREADS / 2u; half > 0; half /= 2) {
        workgroupBarrier();
        if thread < half { sums[thread] += sums[thread + half]; }
    }
    workgroupBarrier();
    return sums[0];
}

fn is_there(quad: u32) -> vec4f {
    let channel = vec4u(4 * quad) + vec4u(0, 1, 2, 3);
    return select(vec4f(), vec4f(1.0), channel < vec4u(params.channels));
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let image = group.x;
    let first = image * params.quads;
    var sum = 0.0;
    for (var i = thread; i < params.quads; i += THREADS) { sum += dot(source[2 * (first + i)], is_there(i)); }
    let middle = total(sum, thread) / f32(params.channels);
    var square = 0.0;
    for (var i = thread; i < params.quads; i += THREADS) {
        let apart = (source[2 * (first + i)] - middle) * is_there(i);
        square += dot(apart, apart);
    }
    let spread = total(square, thread) / f32(params.channels - 1);
    let factor = inverseSqrt(spread + params.epsilon);
    let row = u32(rows[image * params.rows_stride].x) * 3 * params.quads;
    for (var i = thread; i < params.quads; i += THREADS) {
        let mean = source[2 * (first + i)];
        let inverse = inverseSqrt(source[2 * (first + i) + 1] + params.epsilon);
        let gamma = weights[row + i];
        let alpha = weights[row + params.quads + i];
        let beta = weights[row + 2 * params.quads + i];
        output[2 * (first + i)] = inverse * gamma;
        output[2 * (first + i) + 1] = ((mean - middle) * factor * alpha - mean * inverse) * gamma + beta;
    }
}
