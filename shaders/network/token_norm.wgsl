// Normalisation of each token by itself, then scaled and shifted by the noise level (adaLN, Peebles and Xie 2023): a
// workgroup for each token.

struct Params {
    // Tokens of an image.
    pixels: u32,
    channels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    output_first: u32,
    output_stride: u32,
    // Shifts, and after all of them scales.
    rows_first: u32,
    rows_stride: u32,
    epsilon: f32,
}

const THREADS = 64;

var<workgroup> sums: array<vec2f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let token = group.y * params.pixels + group.x;
    let first = params.source_first + token * params.source_stride;
    // Sums around one of the values lose no digits where the mean is far from zero.
    let pivot = unpack(source[first]).x;
    var sum = vec2f();
    for (var i = thread; i < params.quads; i += THREADS) {
        let x = unpack(source[first + i]) - pivot;
        sum += vec2f(dot(x, vec4f(1.0)), dot(x, x));
    }
    sums[thread] = sum;
    for (var half = THREADS / 2u; half > 0; half /= 2) {
        workgroupBarrier();
        if thread < half { sums[thread] += sums[thread + half]; }
    }
    workgroupBarrier();
    let mean = sums[0].x / f32(params.channels);
    let variance = max(sums[0].y / f32(params.channels) - mean * mean, 0.0);
    let factor = inverseSqrt(variance + params.epsilon);
    let row = params.rows_first + group.y * params.rows_stride;
    for (var i = thread; i < params.quads; i += THREADS) {
        let x = (unpack(source[first + i]) - pivot - mean) * factor;
        let value = fma(x, 1.0 + rows[row + params.quads + i], rows[row + i]);
        output[params.output_first + token * params.output_stride + i] = pack(value);
    }
}
