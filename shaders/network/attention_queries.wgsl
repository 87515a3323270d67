// The gradient of the queries of self-attention: 16 of them for one head, to all keys (Dao et al. 2022, appendix B).

struct Params {
    pixels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    gradient_first: u32,
    gradient_stride: u32,
    output_first: u32,
    output_stride: u32,
    scale: f32,
}

const SIDE = 16u;
// Fours of a head that are compared at a time.
const CHUNK = 16u;
const ROW = CHUNK + 1;

var<workgroup> own: array<vec4f, SIDE * CHUNK>;
var<workgroup> others: array<vec4f, SIDE * ROW>;
var<workgroup> slopes: array<f32, SIDE * SIDE>;

// Queries, keys and values are told apart by `which`.
fn value(pixel: u32, part: u32, first: u32, which: u32) -> vec4f {
    if part >= HEAD || pixel >= params.pixels { return vec4f(); }
    return source[first + pixel * params.source_stride + which * params.quads + part];
}

fn above(pixel: u32, part: u32, first: u32) -> vec4f {
    if part >= HEAD || pixel >= params.pixels { return vec4f(); }
    return residual[first + pixel * params.gradient_stride + part];
}

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
