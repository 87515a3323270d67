// Bilinear interpolation to another size, corners on corners, plus others: four channels of a pixel for each thread.

struct Params {
    height: u32,
    width: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    output_first: u32,
    output_stride: u32,
    residual_first: u32,
    residual_stride: u32,
    output_height: u32,
    output_width: u32,
}

// The pixel below a place on one side, and how far it is to the next.
struct Between {
    below: u32,
    part: f32,
}

fn between(place: u32, size: u32, source_size: u32) -> Between {
    let steps = max(size, 2u) - 1;
    let whole = place * (source_size - 1);
    return Between(whole / steps, f32(whole % steps) / f32(steps));
}

fn pixel(image: u32, y: u32, x: u32, quad: u32) -> vec4f {
    let place = (image * params.height + min(y, params.height - 1)) * params.width + min(x, params.width - 1);
    return unpack(source[params.source_first + place * params.source_stride + quad]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x % params.quads;
    let x = id.x / params.quads;
    let image = id.z;
    if x >= params.output_width { return; }
    let along = between(x, params.output_width, params.width);
    let down = between(id.y, params.output_height, params.height);
    let above = mix(
        pixel(image, down.below, along.below, quad),
        pixel(image, down.below, along.below + 1, quad),
        along.part,
    );
    let below = mix(
        pixel(image, down.below + 1, along.below, quad),
        pixel(image, down.below + 1, along.below + 1, quad),
        along.part,
    );
    var value = mix(above, below, down.part);
    let place = (image * params.output_height + id.y) * params.output_width + x;
    if RESIDUAL { value += unpack(residual[params.residual_first + place * params.residual_stride + quad]); }
    output[params.output_first + place * params.output_stride + quad] = pack(value);
}
