// What the ways back to queries, keys and values share: 16 threads by 16, of one head of an image.

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

// Queries, keys and values are told apart by `which`.
fn value(pixel: u32, part: u32, first: u32, which: u32) -> vec4f {
    if part >= HEAD || pixel >= params.pixels { return vec4f(); }
    return source[first + pixel * params.source_stride + which * params.quads + part];
}

fn above(pixel: u32, part: u32, first: u32) -> vec4f {
    if part >= HEAD || pixel >= params.pixels { return vec4f(); }
    return residual[first + pixel * params.gradient_stride + part];
}
