// Adds the sum of parts, times a factor: four values for each thread.

struct Params {
    count: u32,
    parts: u32,
    output_first: u32,
    factor: f32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= params.count { return; }
    var sum = vec4f();
    for (var part = 0u; part < params.parts; part++) { sum += source[part * params.count + id.x]; }
    output[params.output_first + id.x] += sum * params.factor;
}
