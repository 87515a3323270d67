// An affine map of rows, activated if it is to be: eight threads for four values out.

struct Params {
    input_quads: u32,
    output_quads: u32,
    // Something is added to each row before the activation, of as many values.
    extra: u32,
}

const PARTS = 8u;

var<workgroup> sums: array<vec4f, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let part = thread % PARTS;
    let out = group.x * 8 + thread / PARTS;
    let row = group.y;
    var sum = vec4f();
    if out < params.output_quads {
        for (var i = part; i < params.input_quads; i += PARTS) {
            let value = source[row * params.input_quads + i];
            let weight_at = 4 * i * params.output_quads + out;
            sum = fma(vec4f(value.x), weights[weight_at], sum);
            sum = fma(vec4f(value.y), weights[weight_at + params.output_quads], sum);
            sum = fma(vec4f(value.z), weights[weight_at + 2 * params.output_quads], sum);
            sum = fma(vec4f(value.w), weights[weight_at + 3 * params.output_quads], sum);
        }
    }
    sums[thread] = sum;
    workgroupBarrier();
    if part != 0 || out >= params.output_quads { return; }
    for (var i = 1u; i < PARTS; i++) { sum += sums[thread + i]; }
    sum += weights[4 * params.input_quads * params.output_quads + out];
    if params.extra != 0 { sum += rows[row * params.output_quads + out]; }
    output[row * params.output_quads + out] = activate(sum);
}
