// Group normalisation: the scale and the shift that it makes of each channel, from the mean and variance of the group.
// A workgroup for each group of each image.

struct Params {
    pixels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    // Channels of a group.
    members: u32,
    // Scale and shift by the noise level, in values.
    rows_first: u32,
    rows_stride: u32,
    epsilon: f32,
    images: u32,
}

const THREADS = 256;

var<workgroup> sums: array<vec2f, THREADS>;

fn value(index: u32, first: u32, pixel: u32) -> f32 {
    let channel = first + index;
    return unpack(source[params.source_first + pixel * params.source_stride + channel / 4])[channel % 4];
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let image = group.y;
    let first = group.x * params.members;
    let first_pixel = image * params.pixels;
    // Sums around one of the values lose no digits where the mean is far from zero.
    let pivot = value(0, first, first_pixel);
    var sum = vec2f();
    if WHOLE_QUADS {
        let quads = params.members / 4;
        for (var i = thread; i < quads * params.pixels; i += THREADS) {
            let place = (first_pixel + i / quads) * params.source_stride + first / 4 + i % quads;
            let x = unpack(source[params.source_first + place]) - pivot;
            sum += vec2f(dot(x, vec4f(1.0)), dot(x, x));
        }
    } else {
        for (var i = thread; i < params.members * params.pixels; i += THREADS) {
            let x = value(i % params.members, first, first_pixel + i / params.members) - pivot;
            sum += vec2f(x, x * x);
        }
    }
    sums[thread] = sum;
    for (var half = THREADS / 2u; half > 0; half /= 2) {
        workgroupBarrier();
        if thread < half { sums[thread] += sums[thread + half]; }
    }
    workgroupBarrier();
    let count = f32(params.members * params.pixels);
    let mean = sums[0].x / count;
    let variance = max(sums[0].y / count - mean * mean, 0.0);
    let factor = inverseSqrt(variance + params.epsilon);
    for (var i = thread; i < params.members; i += THREADS) {
        let channel = first + i;
        var scale = factor * weights[channel / 4][channel % 4];
        var shift = weights[params.quads + channel / 4][channel % 4] - (mean + pivot) * scale;
        if ROWS {
            let at = params.rows_first + image * params.rows_stride + channel;
            let gain = 1.0 + rows[at / 4][at % 4];
            let after = at + 4 * params.quads;
            shift = fma(shift, gain, rows[after / 4][after % 4]);
            scale *= gain;
        }
        let at = 8 * (image * params.quads + channel / 4) + channel % 4;
        output[at] = scale;
        output[at + 4] = shift;
        if LEARNS {
            let after = 8 * params.images * params.quads;
            output[at + after] = mean + pivot;
            output[at + after + 4] = factor;
        }
    }
}
