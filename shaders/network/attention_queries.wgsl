// The gradient of the queries of self-attention: 16 of them for one head, to all keys (Dao et al. 2022, appendix B).

var<workgroup> slopes: array<f32, SIDE * SIDE>;

@compute @workgroup_size(SIDE * SIDE)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let column = thread % SIDE;
    let row = thread / SIDE;
    let head = group.y * HEAD;
    let image = group.z * params.pixels;
    let query = group.x * SIDE + row;
    let first = params.source_first + image * params.source_stride + head;
    let gradient = params.gradient_first + image * params.gradient_stride + head;
    let stats = rows[(group.z * groups.y + group.y) * params.pixels + min(query, params.pixels - 1)];
//# repeat p PARTS
    var sum$p = vec4f();
//# end
    for (var key = 0u; key < params.pixels; key += SIDE) {
        var score = 0.0;
        var product = 0.0;
        for (var chunk = 0u; chunk < HEAD; chunk += CHUNK) {
            workgroupBarrier();
            own[thread] = value(query, chunk + column, first, 0);
            others[row * ROW + column] = value(key + row, chunk + column, first, 1);
            workgroupBarrier();
            for (var i = 0u; i < CHUNK; i++) { score += dot(own[row * CHUNK + i], others[column * ROW + i]); }
            workgroupBarrier();
            own[thread] = above(query, chunk + column, gradient);
            others[row * ROW + column] = value(key + row, chunk + column, first, 2);
            workgroupBarrier();
            for (var i = 0u; i < CHUNK; i++) { product += dot(own[row * CHUNK + i], others[column * ROW + i]); }
        }
        let weight = exp(score * params.scale - stats.x);
        slopes[thread] = select(0.0, weight * (product - stats.y) * params.scale, key + column < params.pixels);
//# repeat p PARTS
        workgroupBarrier();
        others[row * ROW + column] = value(key + row, column + $p * SIDE, first, 1);
        workgroupBarrier();
        for (var i = 0u; i < SIDE; i++) {
            sum$p = fma(vec4f(slopes[row * SIDE + i]), others[i * ROW + column], sum$p);
        }
//# end
    }
    if query >= params.pixels { return; }
    let to = params.output_first + (image + query) * params.output_stride + head + column;
//# repeat p PARTS
    if column + $p * SIDE < HEAD { output[to + $p * SIDE] = sum$p; }
//# end
}
