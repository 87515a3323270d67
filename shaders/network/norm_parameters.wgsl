// Adds the gradients of a normalisation's scales and shifts, sums over images. A workgroup for four channels.

struct Params {
    images: u32,
    quads: u32,
    output_first: u32,
    // What the noise level scales by, in fours.
    rows_first: u32,
    rows_stride: u32,
}

const THREADS = 64;

var<workgroup> scales: array<vec4f, THREADS>;
var<workgroup> shifts: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let quad = group.x;
    var scale = vec4f();
    var shift = vec4f();
    for (var image = thread; image < params.images; image += THREADS) {
        var gain = vec4f(1.0);
        if ROWS { gain += rows[params.rows_first + image * params.rows_stride + quad]; }
        let at = 2 * (image * params.quads + quad);
        shift = fma(gain, source[at], shift);
        scale = fma(gain, source[at + 1], scale);
    }
    scales[thread] = scale;
    shifts[thread] = shift;
    for (var half = THREADS / 2u; half > 0; half /= 2) {
        workgroupBarrier();
        if thread < half {
            scales[thread] += scales[thread + half];
            shifts[thread] += shifts[thread + half];
        }
    }
    if thread != 0 { return; }
    output[params.output_first + quad] += scales[0];
    output[params.output_first + params.quads + quad] += shifts[0];
}
