// Images, plane by plane, to features: a pixel's four channels for each thread.

struct Params {
    pixels: u32,
    channels: u32,
    quads: u32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x % params.quads;
    let pixel = id.x / params.quads;
    let image = id.y;
    if pixel >= params.pixels { return; }
    var value = vec4f();
    for (var i = 0u; i < 4; i++) {
        let channel = 4 * quad + i;
        if channel < params.channels { value[i] = source[(image * params.channels + channel) * params.pixels + pixel]; }
    }
    output[(image * params.pixels + pixel) * params.quads + quad] = pack(value);
}
