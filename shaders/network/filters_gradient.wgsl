// Sums of the gradient of the filters and biases of a convolution of KERNEL×KERNEL, from what was read and the
// gradient of what was written. Each thread has four channels out and walks along the rows of some of the images; it
// has all taps of four channels in, or of filters of 1×1 sixteen channels in. Each part of the images and rows gives a
// sum of its own.

struct Params {
    images: u32,
    height: u32,
    width: u32,
    input_quads: u32,
    output_quads: u32,
    source_first: u32,
    source_stride: u32,
    gradient_first: u32,
    gradient_stride: u32,
    // Images and rows of a part, and parts of an image.
    deep: u32,
    rows: u32,
    bands: u32,
}

const MARGIN = KERNEL / 2;

// Of a line of a thread: a row of pixels beside its own, or other channels.
fn pixel(image: u32, row: u32, x: u32, input: u32, line: u32) -> vec4f {
    let y = select(row, row + line - MARGIN, KERNEL == 3);
    let quad = select(input + line, input, KERNEL == 3);
    // Before the first row or column, these wrap around to be very large.
    if y >= params.height || x >= params.width || quad >= params.input_quads { return vec4f(); }
    let place = (image * params.height + y) * params.width + x;
    return source[params.source_first + place * params.source_stride + quad];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
    let out = id.x % params.output_quads;
    let input = id.x / params.output_quads * FOURS;
    if input >= params.input_quads { return; }
    let part = group.y;
    let first_image = part / params.bands * params.deep;
    let first_row = part % params.bands * params.rows;
    var biases = vec4f();
//# repeat r LINES
//# repeat k KERNEL
    var s$r_$k_0 = vec4f();
    var s$r_$k_1 = vec4f();
    var s$r_$k_2 = vec4f();
    var s$r_$k_3 = vec4f();
//# end
//# end
    for (var image = first_image; image < min(first_image + params.deep, params.images); image++) {
        for (var y = first_row; y < min(first_row + params.rows, params.height); y++) {
            // What has been read last is the first.
//# repeat r LINES
//# repeat k KERNEL
            var x$r_$k = vec4f();
//# end
            if MARGIN == 1 { x$r_0 = pixel(image, y, 0, input, $r); }
//# end
            for (var x = 0u; x < params.width; x++) {
//# repeat r LINES
//# repeat k BEFORE
                let y$r_$k = x$r_$k;
//# end
//# repeat k BEFORE
                x$r_$(k+1) = y$r_$k;
//# end
                x$r_0 = pixel(image, y, x + MARGIN, input, $r);
//# end
                let place = (image * params.height + y) * params.width + x;
                let slope = residual[params.gradient_first + place * params.gradient_stride + out];
                biases += slope;
//# repeat r LINES
//# repeat k KERNEL
                s$r_$k_0 = fma(vec4f(x$r_$k.x), slope, s$r_$k_0);
                s$r_$k_1 = fma(vec4f(x$r_$k.y), slope, s$r_$k_1);
                s$r_$k_2 = fma(vec4f(x$r_$k.z), slope, s$r_$k_2);
                s$r_$k_3 = fma(vec4f(x$r_$k.w), slope, s$r_$k_3);
//# end
//# end
            }
        }
    }
    let rows = 4 * KERNEL * KERNEL * params.input_quads;
    let to = part * (rows + 1) * params.output_quads + out;
//# repeat r LINES
//# repeat k KERNEL
    if KERNEL == 3 || input + $r < params.input_quads {
        let place = select(input + $r, ($r * KERNEL + KERNEL - 1 - $k) * params.input_quads + input, KERNEL == 3);
        let at = to + 4 * place * params.output_quads;
        output[at] = s$r_$k_0;
        output[at + params.output_quads] = s$r_$k_1;
        output[at + 2 * params.output_quads] = s$r_$k_2;
        output[at + 3 * params.output_quads] = s$r_$k_3;
    }
//# end
//# end
    if input == 0 { output[to + rows * params.output_quads] = biases; }
}
