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

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x % params.quads;
    let pixel = id.x / params.quads;
    if pixel >= params.pixels { return; }
    let place = id.y * params.pixels + pixel;
    var value = feature(params.source_first + place * params.source_stride + quad, id.y, quad, params.quads);
    let mask = bitcast<vec4u>(rows[params.rows_first + id.y]);
    for (var i = 0u; i < 4; i++) {
        let number = mixed(mixed(((4 * quad + i) * params.pixels + pixel) ^ mask.x) + mask.y);
        value[i] *= select(bitcast<f32>(mask.w), 0.0, number < mask.z);
    }
    output[place * params.quads + quad] = pack(value);
}
