// Features to a place beside others: four channels of a pixel for each thread.

struct Params {
    pixels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    output_first: u32,
    output_stride: u32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x % params.quads;
    let pixel = id.x / params.quads;
    if pixel >= params.pixels { return; }
    let place = id.y * params.pixels + pixel;
    output[params.output_first + place * params.output_stride + quad] =
        source[params.source_first + place * params.source_stride + quad];
}
