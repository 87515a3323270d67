// The gradients of the keys and values of self-attention: 16 of them for one head, from all queries (Dao et al. 2022,
// appendix B).

var<workgroup> mixed: array<f32, SIDE * SIDE>;
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
    let key = group.x * SIDE + row;
    let first = params.source_first + image * params.source_stride + head;
    let gradient = params.gradient_first + image * params.gradient_stride + head;
    let first_stats = (group.z * groups.y + group.y) * params.pixels;
//# repeat p PARTS
    var key$p = vec4f();
    var value$p = vec4f();
//# end
    for (var query = 0u; query < params.pixels; query += SIDE) {
        var score = 0.0;
        var product = 0.0;
        for (var chunk = 0u; chunk < HEAD; chunk += CHUNK) {
            workgroupBarrier();
            own[thread] = value(key, chunk + column, first, 1);
            others[row * ROW + column] = value(query + row, chunk + column, first, 0);
            workgroupBarrier();
            for (var i = 0u; i < CHUNK; i++) { score += dot(own[row * CHUNK + i], others[column * ROW + i]); }
            workgroupBarrier();
            own[thread] = value(key, chunk + column, first, 2);
            others[row * ROW + column] = above(query + row, chunk + column, gradient);
            workgroupBarrier();
            for (var i = 0u; i < CHUNK; i++) { product += dot(own[row * CHUNK + i], others[column * ROW + i]); }
        }
        let stats = rows[first_stats + min(query + column, params.pixels - 1)];
        let weight = select(0.0, exp(score * params.scale - stats.x), query + column < params.pixels);
        mixed[thread] = weight;
        slopes[thread] = weight * (product - stats.y) * params.scale;
//# repeat p PARTS
        workgroupBarrier();
        others[row * ROW + column] = value(query + row, column + $p * SIDE, first, 0);
        workgroupBarrier();
        for (var i = 0u; i < SIDE; i++) {
            key$p = fma(vec4f(slopes[row * SIDE + i]), others[i * ROW + column], key$p);
        }
        workgroupBarrier();
        others[row * ROW + column] = above(query + row, column + $p * SIDE, gradient);
        workgroupBarrier();
        for (var i = 0u; i < SIDE; i++) {
            value$p = fma(vec4f(mixed[row * SIDE + i]), others[i * ROW + column], value$p);
        }
//# end
    }
    if key >= params.pixels { return; }
    let to = params.output_first + (image + key) * params.output_stride + params.quads + head + column;
//# repeat p PARTS
    if column + $p * SIDE < HEAD {
        output[to + $p * SIDE] = key$p;
        output[to + params.quads + $p * SIDE] = value$p;
    }
//# end
}
