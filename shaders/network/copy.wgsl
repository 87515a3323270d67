// Features as they are read, plus others, times a factor, to another place: four channels of a pixel for each thread.

struct Params {
    pixels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    output_first: u32,
    output_stride: u32,
    residual_first: u32,
    residual_stride: u32,
    // Pixels from image to image; 0 where those of one image are for all.
    residual_pixels: u32,
    scale: f32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let thread = thread_of(id);
    let quad = thread % params.quads;
    let pixel = thread / params.quads;
    if pixel >= params.pixels { return; }
    let place = id.y * params.pixels + pixel;
    var value = feature(params.source_first + place * params.source_stride + quad, id.y, quad, params.quads);
    if RESIDUAL {
        let beside = id.y * params.residual_pixels + pixel;
        value += unpack(residual[params.residual_first + beside * params.residual_stride + quad]);
    }
    output[params.output_first + place * params.output_stride + quad] = pack(value * params.scale);
}
