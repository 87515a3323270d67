// Features as they are read, of which some are dropped, as their places say: see the host's `Mask`. Four channels of a pixel
// for each thread.

struct Params {
    pixels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    // The first image's two keys, how many of all numbers drop a value, and what the others are multiplied with.
    rows_first: u32,
}

fn mixed(number: u32) -> u32 {
    var x = (number ^ (number >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

// What a value is multiplied with.
fn factor(place: u32, mask: vec4u) -> f32 {
    return select(bitcast<f32>(mask.w), 0.0, mixed(mixed(place ^ mask.x) + mask.y) < mask.z);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let thread = thread_of(id);
    let quad = thread % params.quads;
    let pixel = thread / params.quads;
    if pixel >= params.pixels { return; }
    let place = id.y * params.pixels + pixel;
    let value = feature(params.source_first + place * params.source_stride + quad, id.y, quad, params.quads);
    let mask = bitcast<vec4u>(rows[params.rows_first + id.y]);
    let first = 4 * quad * params.pixels + pixel;
    let factors = vec4f(
        factor(first, mask),
        factor(first + params.pixels, mask),
        factor(first + 2 * params.pixels, mask),
        factor(first + 3 * params.pixels, mask),
    );
    output[place * params.quads + quad] = pack(value * factors);
}
