// The last part of a convolution by products at 36 points (winograd_input.wgsl): the 4×4 outputs of each tile. Four
// channels of a tile for each thread.

struct Params {
    // Those of a dilation count by themselves (convolution.wgsl).
    images: u32,
    height: u32,
    width: u32,
    quads: u32,
    output_first: u32,
    output_stride: u32,
    residual_first: u32,
    residual_stride: u32,
    rows_first: u32,
    rows_stride: u32,
    tiles_across: u32,
    tiles_down: u32,
    scale: f32,
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x % params.quads;
    let in_image = id.x / params.quads;
    let tiles = params.tiles_across * params.tiles_down;
    if in_image >= tiles { return; }
    let phase = id.y;
    let image = phase / (DILATION * DILATION);
    let next = params.images * tiles * params.quads;
    let at = (phase * tiles + in_image) * params.quads + quad;
//# repeat j SIX
    let a$j = source[at + $j * next];
    let b$j = source[at + ($j + 6) * next];
    let c$j = source[at + ($j + 12) * next];
    let d$j = source[at + ($j + 18) * next];
    let e$j = source[at + ($j + 24) * next];
    let f$j = source[at + ($j + 30) * next];
    let u0_$j = a$j + (b$j + c$j) + (d$j + e$j);
    let u1_$j = (b$j - c$j) + 2.0 * (d$j - e$j);
    let u2_$j = (b$j + c$j) + 4.0 * (d$j + e$j);
    let u3_$j = (b$j - c$j) + 8.0 * (d$j - e$j) + f$j;
//# end
    var offset = weights[quad];
    if ROWS { offset += rows[params.rows_first + image * params.rows_stride + quad]; }
    let x = in_image % params.tiles_across * 4 * DILATION + phase % DILATION;
    let y = in_image / params.tiles_across * 4 * DILATION + phase / DILATION % DILATION;
//# repeat i FOUR
    write(image, y + $i * DILATION, x, quad, offset + u$i_0 + (u$i_1 + u$i_2) + (u$i_3 + u$i_4));
    write(image, y + $i * DILATION, x + DILATION, quad, offset + (u$i_1 - u$i_2) + 2.0 * (u$i_3 - u$i_4));
    write(image, y + $i * DILATION, x + 2 * DILATION, quad, offset + (u$i_1 + u$i_2) + 4.0 * (u$i_3 + u$i_4));
    write(image, y + $i * DILATION, x + 3 * DILATION, quad, offset + (u$i_1 - u$i_2) + 8.0 * (u$i_3 - u$i_4) + u$i_5);
//# end
}

fn write(image: u32, y: u32, x: u32, quad: u32, sum: vec4f) {
    if y >= params.height || x >= params.width { return; }
    let place = (image * params.height + y) * params.width + x;
    var value = sum;
    if RESIDUAL { value += unpack(residual[params.residual_first + place * params.residual_stride + quad]); }
    output[params.output_first + place * params.output_stride + quad] = pack(value * params.scale);
}
