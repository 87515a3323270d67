// What all kernels of a network share. Features lie image by image, row by row, pixel by pixel, and at each pixel in
// fours of channels; a view of them is a first four and a stride from pixel to pixel, so that features side by side in
// one buffer are joined already. Constants in capitals are written in front of this file.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<Source>;
@group(0) @binding(2) var<storage, read> weights: array<Weight>;
@group(0) @binding(3) var<storage, read_write> output: array<Target>;
// Scale and shift of each four of channels of each image.
@group(0) @binding(4) var<storage, read> affine: array<vec4f>;
// What the noise level adds: a row for all images or one for each.
@group(0) @binding(5) var<storage, read> rows: array<vec4f>;
@group(0) @binding(6) var<storage, read> residual: array<Four>;

// The number of a thread among those of an image, whose rows of ROW_OF_THREADS lie one behind another.
fn thread_of(id: vec3u) -> u32 { return id.z * ROW_OF_THREADS + id.x; }

fn activate(x: vec4f) -> vec4f {
    switch ACTIVATION {
        case SWISH: { return x / (1.0 + exp(-x)); }
        case ELU: { return select(exp(min(x, vec4f())) - 1.0, x, x > vec4f()); }
        case RELU: { return max(x, vec4f()); }
        case LEAKY_RELU: { return select(0.2 * x, x, x > vec4f()); }
        case GELU: { return x / (1.0 + exp(-1.5957691 * fma(0.044715 * x * x, x, x))); }
        default: { return x; }
    }
}
