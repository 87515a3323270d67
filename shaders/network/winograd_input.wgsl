// The first part of a convolution of 3×3 by 36 products of matrices (Winograd 1980, Lavin and Gray 2016: F(4×4, 3×3)):
// the input of each tile of 4×4 outputs, 6×6 pixels, at 36 points. Four channels of a tile for each thread.

struct Params {
    // Those of a dilation count by themselves (convolution.wgsl).
    images: u32,
    height: u32,
    width: u32,
    quads: u32,
    source_first: u32,
    source_stride: u32,
    tiles_across: u32,
    tiles_down: u32,
}

fn pixel(phase: u32, phase_y: u32, phase_x: u32, quad: u32) -> vec4f {
    let image = phase / (DILATION * DILATION);
    let y = phase_y * DILATION + phase / DILATION % DILATION;
    let x = phase_x * DILATION + phase % DILATION;
    // Before the first row or column, these wrap around to be very large.
    if y >= params.height || x >= params.width { return vec4f(); }
    let place = (image * params.height + y) * params.width + x;
    return feature(params.source_first + place * params.source_stride + quad, image, quad, params.quads);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x % params.quads;
    let in_image = id.x / params.quads;
    let tiles = params.tiles_across * params.tiles_down;
    if in_image >= tiles { return; }
    let image = id.y;
    let x = in_image % params.tiles_across * 4 - 1;
    let y = in_image / params.tiles_across * 4 - 1;
//# repeat j SIX
    let a$j = pixel(image, y, x + $j, quad);
    let b$j = pixel(image, y + 1, x + $j, quad);
    let c$j = pixel(image, y + 2, x + $j, quad);
    let d$j = pixel(image, y + 3, x + $j, quad);
    let e$j = pixel(image, y + 4, x + $j, quad);
    let f$j = pixel(image, y + 5, x + $j, quad);
    let u0_$j = 4.0 * a$j - 5.0 * c$j + e$j;
    let u1_$j = (d$j + e$j) - 4.0 * (b$j + c$j);
    let u2_$j = (e$j - d$j) + 4.0 * (b$j - c$j);
    let u3_$j = 2.0 * (d$j - b$j) + (e$j - c$j);
    let u4_$j = 2.0 * (b$j - d$j) + (e$j - c$j);
    let u5_$j = 4.0 * b$j - 5.0 * d$j + f$j;
//# end
    let next = params.images * tiles * params.quads;
    let to = (image * tiles + in_image) * params.quads + quad;
//# repeat i SIX
    output[to + (6 * $i + 0) * next] = 4.0 * u$i_0 - 5.0 * u$i_2 + u$i_4;
    output[to + (6 * $i + 1) * next] = (u$i_3 + u$i_4) - 4.0 * (u$i_1 + u$i_2);
    output[to + (6 * $i + 2) * next] = (u$i_4 - u$i_3) + 4.0 * (u$i_1 - u$i_2);
    output[to + (6 * $i + 3) * next] = 2.0 * (u$i_3 - u$i_1) + (u$i_4 - u$i_2);
    output[to + (6 * $i + 4) * next] = 2.0 * (u$i_1 - u$i_3) + (u$i_4 - u$i_2);
    output[to + (6 * $i + 5) * next] = 4.0 * u$i_1 - 5.0 * u$i_3 + u$i_5;
//# end
}
