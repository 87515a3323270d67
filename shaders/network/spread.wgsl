// One pixel's features of each image, times a factor, to many pixels: four channels of a pixel for each thread.

struct Params {
    pixels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    factor: f32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let thread = thread_of(id);
    let quad = thread % params.quads;
    let pixel = thread / params.quads;
    if pixel >= params.pixels { return; }
    let value = unpack(source[params.source_first + id.y * params.source_stride + quad]) * params.factor;
    output[(id.y * params.pixels + pixel) * params.quads + quad] = pack(value);
}
