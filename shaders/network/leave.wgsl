// Features to images, plane by plane: a value for each thread.

struct Params {
    pixels: u32,
    channels: u32,
    source_first: u32,
    source_stride: u32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let thread = thread_of(id);
    let pixel = thread % params.pixels;
    let channel = thread / params.pixels;
    let image = id.y;
    if channel >= params.channels { return; }
    let place = params.source_first + (image * params.pixels + pixel) * params.source_stride + channel / 4;
    output[(image * params.channels + channel) * params.pixels + pixel] = unpack(source[place])[channel % 4];
}
