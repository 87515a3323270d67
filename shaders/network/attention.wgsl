// Self-attention of 16 pixels to all pixels, for one head: weights of 16 pixels at a time, which are summed as they come
// and are never stored (Milakov and Gimelshein 2018, Dao et al. 2022).

struct Params {
    pixels: u32,
    // Fours of all channels.
    quads: u32,
    source_first: u32,
    source_stride: u32,
    output_first: u32,
    output_stride: u32,
    // Of scores.
    scale: f32,
}

const SIDE = 16u;
// Fours of a head that are compared at a time.
const CHUNK = 16u;

var<workgroup> queries: array<vec4f, SIDE * CHUNK>;
// Of keys, and then of values.
var<workgroup> others: array<vec4f, SIDE * (CHUNK + 1)>;
var<workgroup> scores: array<f32, SIDE * SIDE>;

@compute @workgroup_size(SIDE * SIDE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let column = thread % SIDE;
    let row = thread / SIDE;
    let head = group.y * HEAD;
    let first = group.z * params.pixels;
    let query = group.x * SIDE + row;
    let head_first = params.source_first + head;
    var largest = -3.0e38;
    var total = 0.0;
//# repeat p PARTS
    var sum$p = vec4f();
//# end
    for (var key = 0u; key < params.pixels; key += SIDE) {
        var score = 0.0;
        for (var chunk = 0u; chunk < HEAD; chunk += CHUNK) {
            workgroupBarrier();
            // Here a row of threads brings a pixel, and each thread one four of it.
            let part = chunk + column;
            var q = vec4f();
            var k = vec4f();
            if part < HEAD && query < params.pixels { q = unpack(source[head_first + (first + query) * params.source_stride + part]); }
            if part < HEAD && key + row < params.pixels {
                k = unpack(source[head_first + (first + key + row) * params.source_stride + params.quads + part]);
            }
            queries[thread] = q;
            others[row * (CHUNK + 1) + column] = k;
            workgroupBarrier();
            for (var i = 0u; i < min(CHUNK, HEAD - chunk); i++) {
                score += dot(queries[row * CHUNK + i], others[column * (CHUNK + 1) + i]);
            }
        }
        scores[thread] = select(-3.0e38, score * params.scale, key + column < params.pixels);
        workgroupBarrier();
        var peak = largest;
        for (var i = 0u; i < SIDE; i++) { peak = max(peak, scores[row * SIDE + i]); }
        let fade = exp(largest - peak);
        largest = peak;
        total *= fade;
//# repeat p PARTS
        sum$p *= fade;
//# end
        workgroupBarrier();
        scores[thread] = exp(scores[thread] - peak);
        workgroupBarrier();
        for (var i = 0u; i < SIDE; i++) { total += scores[row * SIDE + i]; }
//# repeat p PARTS
        {
            let part = column + $p * SIDE;
            var value = vec4f();
            if part < HEAD && key + row < params.pixels {
                value = unpack(source[head_first + (first + key + row) * params.source_stride + 2 * params.quads + part]);
            }
            workgroupBarrier();
            others[row * (CHUNK + 1) + column] = value;
            workgroupBarrier();
            for (var i = 0u; i < SIDE; i++) {
                sum$p = fma(vec4f(scores[row * SIDE + i]), others[i * (CHUNK + 1) + column], sum$p);
            }
        }
//# end
    }
    if query >= params.pixels { return; }
    if LEARNS && column == 0 {
        // After the features of a pixel, for each head what turns its scores into weights.
        let after = params.output_first + (first + query) * params.output_stride + params.quads + group.y;
        output[after] = pack(vec4f(largest + log(total), 0.0, 0.0, 0.0));
    }
    let to = params.output_first + (first + query) * params.output_stride + head + column;
//# repeat p PARTS
    if column + $p * SIDE < HEAD { output[to + $p * SIDE] = pack(sum$p / total); }
//# end
}
