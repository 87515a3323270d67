// The mean and the variance of each channel of each image: a workgroup for four channels of an image.

struct Params {
    pixels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
}

const THREADS = 64;

var<workgroup> sums: array<vec4f, THREADS>;
var<workgroup> squares: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let quad = group.x;
    let image = group.y;
    let first = params.source_first + image * params.pixels * params.source_stride + quad;
    // Sums around one of the values lose no digits where the mean is far from zero.
    let pivot = unpack(source[first]);
    var sum = vec4f();
    var square = vec4f();
    for (var i = thread; i < params.pixels; i += THREADS) {
        let x = unpack(source[first + i * params.source_stride]) - pivot;
        sum += x;
        square = fma(x, x, square);
    }
    sums[thread] = sum;
    squares[thread] = square;
    for (var half = THREADS / 2u; half > 0; half /= 2) {
        workgroupBarrier();
        if thread < half {
            sums[thread] += sums[thread + half];
            squares[thread] += squares[thread + half];
        }
    }
    if thread != 0 { return; }
    let mean = sums[0] / f32(params.pixels);
    let at = 2 * (image * params.quads + quad);
    output[at] = mean + pivot;
    output[at + 1] = max(squares[0] / f32(params.pixels) - mean * mean, vec4f());
}
