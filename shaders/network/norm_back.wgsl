// The way back through a nonlinearity, and the normalisation before it if there is one, plus others: four channels of a
// pixel for each thread. The gradient comes as rows.

struct Params {
    images: u32,
    pixels: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    gradient_first: u32,
    gradient_stride: u32,
    output_first: u32,
    output_stride: u32,
    residual_first: u32,
    residual_stride: u32,
    // Of the others.
    scale: f32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let thread = thread_of(id);
    let quad = thread % params.quads;
    let pixel = thread / params.quads;
    if pixel >= params.pixels { return; }
    let image = id.y;
    let place = image * params.pixels + pixel;
    let x = source[params.source_first + place * params.source_stride + quad];
    var value = rows[params.gradient_first + place * params.gradient_stride + quad];
    if NORMALISED {
        let at = 2 * (image * params.quads + quad);
        let after = at + 2 * params.images * params.quads;
        let scale = affine[at];
        let normal = (x - affine[after]) * affine[after + 1];
        value *= slope(fma(x, scale, affine[at + 1]));
        value = scale * value - weights[at] - normal * weights[at + 1];
    } else {
        value *= slope(x);
    }
    if RESIDUAL { value += params.scale * residual[params.residual_first + place * params.residual_stride + quad]; }
    output[params.output_first + place * params.output_stride + quad] = value;
}
