// Images, plane by plane, to features: a pixel's four channels for each thread.

struct Params {
    pixels: u32,
    channels: u32,
    quads: u32,
}

fn plane(image: u32, channel: u32, pixel: u32) -> f32 {
    if channel >= params.channels { return 0.0; }
    return source[(image * params.channels + channel) * params.pixels + pixel];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let thread = thread_of(id);
    let quad = thread % params.quads;
    let pixel = thread / params.quads;
    let image = id.y;
    if pixel >= params.pixels { return; }
    let first = 4 * quad;
    let value = vec4f(
        plane(image, first, pixel), plane(image, first + 1, pixel), plane(image, first + 2, pixel), plane(image, first + 3, pixel),
    );
    output[(image * params.pixels + pixel) * params.quads + quad] = pack(value);
}
