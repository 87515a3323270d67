// Adds the sum of parts, times a factor: LANES threads for four values.

struct Params {
    count: u32,
    parts: u32,
    output_first: u32,
    factor: f32,
}

const THREADS = 64u;
const OWN = THREADS / LANES;

var<workgroup> sums: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let index = group.x * OWN + thread % OWN;
    let lane = thread / OWN;
    var sum = vec4f();
    if index < params.count {
        for (var part = lane; part < params.parts; part += LANES) { sum += source[part * params.count + index]; }
    }
    sums[thread] = sum;
    workgroupBarrier();
    if lane != 0 || index >= params.count { return; }
    for (var other = 1u; other < LANES; other++) { sum += sums[other * OWN + thread]; }
    output[params.output_first + index] += sum * params.factor;
}
