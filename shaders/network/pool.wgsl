// The sum over pixels, times a factor: a workgroup for four channels of an image.

struct Params {
    pixels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    output_first: u32,
    output_stride: u32,
    factor: f32,
}

const THREADS = 64;

var<workgroup> sums: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let quad = group.x;
    let image = group.y;
    var sum = vec4f();
    for (var i = thread; i < params.pixels; i += THREADS) {
        let place = params.source_first + (image * params.pixels + i) * params.source_stride + quad;
        sum += feature(place, image, quad, params.quads);
    }
    sums[thread] = sum;
    for (var half = THREADS / 2u; half > 0; half /= 2) {
        workgroupBarrier();
        if thread < half { sums[thread] += sums[thread + half]; }
    }
    if thread == 0 { output[params.output_first + image * params.output_stride + quad] = pack(sums[0] * params.factor); }
}
