// A filter of TAPS×TAPS on each channel, with a stride or over inserted zeros: four channels of a pixel for each thread.

struct Params {
    images: u32,
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
    padding: u32,
    scale: f32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    var taps = FILTER;
    let quad = id.x % params.quads;
    let x = id.x / params.quads;
    let y = id.y;
    let image = id.z;
    if x >= params.output_width { return; }
    var sum = vec4f();
    for (var i = 0u; i < TAPS; i++) {
        // Those before the first wrap around to be very large.
        let from_y = y * STRIDE + i - params.padding;
        if from_y % INSERTED != 0 || from_y / INSERTED >= params.height { continue; }
        for (var j = 0u; j < TAPS; j++) {
            let from_x = x * STRIDE + j - params.padding;
            if from_x % INSERTED != 0 || from_x / INSERTED >= params.width { continue; }
            let pixel = (image * params.height + from_y / INSERTED) * params.width + from_x / INSERTED;
            let value = feature(params.source_first + pixel * params.source_stride + quad, image, quad, params.quads);
            sum = fma(vec4f(taps[i] * taps[j]), value, sum);
        }
    }
    let place = (image * params.output_height + y) * params.output_width + x;
    if BIASED { sum += unpack(weights[quad]); }
    if RESIDUAL { sum += unpack(residual[params.residual_first + place * params.residual_stride + quad]); }
    output[params.output_first + place * params.output_stride + quad] = pack(sum * params.scale);
}
