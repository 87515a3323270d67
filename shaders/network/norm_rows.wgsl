// The gradient of what the noise level scales and shifts normalised values by: four channels of an image for each thread.

struct Params {
    quads: u32,
    // In fours.
    rows_first: u32,
    rows_stride: u32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x;
    if quad >= params.quads { return; }
    let at = 2 * (id.y * params.quads + quad);
    let to = params.rows_first + id.y * params.rows_stride + quad;
    output[to] = weights[quad] * source[at + 1] + weights[params.quads + quad] * source[at];
    output[to + params.quads] = source[at];
}
