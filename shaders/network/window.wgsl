// The mean or the LARGEST of the SIDE×SIDE pixels around each, which keeps the size; to means, pixels beyond the border
// count as 0. Four channels of a pixel for each thread.

struct Params {
    height: u32,
    width: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    output_first: u32,
    output_stride: u32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x % params.quads;
    let x = id.x / params.quads;
    let y = id.y;
    let image = id.z;
    if x >= params.width { return; }
    var sum = vec4f();
    var largest = vec4f(-3.0e38);
    for (var i = 0u; i < SIDE; i++) {
        // Those before the first wrap around to be very large.
        let from_y = y + i - SIDE / 2;
        if from_y >= params.height { continue; }
        for (var j = 0u; j < SIDE; j++) {
            let from_x = x + j - SIDE / 2;
            if from_x >= params.width { continue; }
            let pixel = (image * params.height + from_y) * params.width + from_x;
            let value = feature(params.source_first + pixel * params.source_stride + quad, image, quad, params.quads);
            sum += value;
            largest = max(largest, value);
        }
    }
    let place = (image * params.height + y) * params.width + x;
    let value = select(sum / f32(SIDE * SIDE), largest, LARGEST);
    output[params.output_first + place * params.output_stride + quad] = pack(value);
}
