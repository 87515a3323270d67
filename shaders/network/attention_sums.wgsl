// For the way back through self-attention, of each query of each head: what turns its scores into weights, and the product
// of what was mixed with its gradient. A query for each thread.

struct Params {
    pixels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    gradient_first: u32,
    gradient_stride: u32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    if id.x >= params.pixels { return; }
    let place = id.z * params.pixels + id.x;
    let first = params.source_first + place * params.source_stride;
    let gradient = params.gradient_first + place * params.gradient_stride + id.y * HEAD;
    var sum = 0.0;
    for (var i = 0u; i < HEAD; i++) { sum += dot(source[first + id.y * HEAD + i], residual[gradient + i]); }
    output[(id.z * groups.y + id.y) * params.pixels + id.x] = vec4f(source[first + params.quads + id.y].x, sum, 0.0, 0.0);
}
