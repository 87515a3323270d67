// A convolution of 3×3 with a stride, or over inserted zeros: four channels of a pixel for each thread.

struct Params {
    images: u32,
    height: u32,
    width: u32,
    input_quads: u32,
    output_quads: u32,
    source_first: u32,
    source_stride: u32,
    output_first: u32,
    output_stride: u32,
    residual_first: u32,
    residual_stride: u32,
    output_height: u32,
    output_width: u32,
    // Zeros before each row and column.
    padding: u32,
    scale: f32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let out = id.x % params.output_quads;
    let x = id.x / params.output_quads;
    let y = id.y;
    let image = id.z;
    if x >= params.output_width { return; }
    var sum = unpack(weights[9 * 4 * params.input_quads * params.output_quads + out]);
    for (var tap = 0u; tap < 9; tap++) {
        // Those before the first wrap around to be very large.
        let from_y = y * STRIDE + tap / 3 - params.padding;
        let from_x = x * STRIDE + tap % 3 - params.padding;
        if from_y % INSERTED != 0 || from_x % INSERTED != 0 { continue; }
        if from_y / INSERTED >= params.height || from_x / INSERTED >= params.width { continue; }
        let pixel = (image * params.height + from_y / INSERTED) * params.width + from_x / INSERTED;
        for (var part = 0u; part < params.input_quads; part++) {
            let value = unpack(source[params.source_first + pixel * params.source_stride + part]);
            let weight_at = (tap * params.input_quads + part) * 4 * params.output_quads + out;
            sum = fma(vec4f(value.x), unpack(weights[weight_at]), sum);
            sum = fma(vec4f(value.y), unpack(weights[weight_at + params.output_quads]), sum);
            sum = fma(vec4f(value.z), unpack(weights[weight_at + 2 * params.output_quads]), sum);
            sum = fma(vec4f(value.w), unpack(weights[weight_at + 3 * params.output_quads]), sum);
        }
    }
    let place = (image * params.output_height + y) * params.output_width + x;
    if RESIDUAL { sum += unpack(residual[params.residual_first + place * params.residual_stride + out]); }
    output[params.output_first + place * params.output_stride + out] = pack(sum * params.scale);
}
