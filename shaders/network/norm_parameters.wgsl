// Adds the gradients of a normalisation's scales and shifts, sums over images. Four channels for each thread.

struct Params {
    images: u32,
    quads: u32,
    output_first: u32,
    // What the noise level scales by, in fours.
    rows_first: u32,
    rows_stride: u32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x;
    if quad >= params.quads { return; }
    var scales = vec4f();
    var shifts = vec4f();
    for (var image = 0u; image < params.images; image++) {
        var gain = vec4f(1.0);
        if ROWS { gain += rows[params.rows_first + image * params.rows_stride + quad]; }
        let at = 2 * (image * params.quads + quad);
        shifts = fma(gain, source[at], shifts);
        scales = fma(gain, source[at + 1], scales);
    }
    output[params.output_first + quad] += scales;
    output[params.output_first + params.quads + quad] += shifts;
}
