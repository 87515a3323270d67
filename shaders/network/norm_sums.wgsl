// The first part of the way back through a normalisation and the nonlinearity after it: sums over the pixels of an image of
// the gradient before the nonlinearity, and of its products with the normalised values. A workgroup for four channels of an
// image.

struct Params {
    images: u32,
    pixels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    gradient_first: u32,
    gradient_stride: u32,
}

const THREADS = 64;

var<workgroup> plain: array<vec4f, THREADS>;
var<workgroup> products: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let quad = group.x;
    let image = group.y;
    let at = 2 * (image * params.quads + quad);
    let after = at + 2 * params.images * params.quads;
    let mean = affine[after];
    var sum = vec4f();
    var product = vec4f();
    for (var i = thread; i < params.pixels; i += THREADS) {
        let place = image * params.pixels + i;
        let x = source[params.source_first + place * params.source_stride + quad];
        let above = residual[params.gradient_first + place * params.gradient_stride + quad];
        let gradient = above * slope(fma(x, affine[at], affine[at + 1]));
        sum += gradient;
        product = fma(gradient, x - mean, product);
    }
    plain[thread] = sum;
    products[thread] = product;
    for (var half = THREADS / 2u; half > 0; half /= 2) {
        workgroupBarrier();
        if thread < half {
            plain[thread] += plain[thread + half];
            products[thread] += products[thread + half];
        }
    }
    if thread == 0 {
        output[at] = plain[0];
        output[at + 1] = products[0] * affine[after + 1];
    }
}
