// A convolution of KERNEL×KERNEL that keeps the size: SPAN pixels in a row times four channels out for each thread. A
// tile's input, with its margin, and its weights come chunk by chunk into the workgroup's memory, normalised on the way.

struct Params {
    images: u32,
    height: u32,
    width: u32,
    input_quads: u32,
    output_quads: u32,
    source_first: u32,
    source_stride: u32,
    output_first: u32,
    output_stride: u32,
    residual_first: u32,
    residual_stride: u32,
    rows_first: u32,
    rows_stride: u32,
    // Strips of pixels of a tile, along a row, over rows, and over images.
    across: u32,
    down: u32,
    deep: u32,
    // Tiles of an image.
    tiles_across: u32,
    tiles_down: u32,
    scale: f32,
}

const MARGIN = KERNEL / 2;
const THREADS = STRIPS * QUADS;

var<workgroup> tile: array<vec4f, PLACES * CHUNK>;
var<workgroup> filters: array<vec4f, KERNEL * KERNEL * CHUNK * 4 * QUADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let tile_x = group.x % params.tiles_across * params.across * SPAN;
    let tile_y = group.x / params.tiles_across % params.tiles_down * params.down;
    let first_image = group.x / (params.tiles_across * params.tiles_down) * params.deep;
    let first_quad = group.y * QUADS;
    let tile_width = params.across * SPAN + 2 * MARGIN;
    let tile_height = params.down + 2 * MARGIN;
    let places = params.deep * tile_height * tile_width;

    let quad = thread % QUADS;
    let strip = thread / QUADS;
    let strip_x = strip % params.across;
    let strip_y = strip / params.across % params.down;
    let layer = strip / (params.across * params.down);
    // Strips that are too many do the work of the last, for nothing.
    let own = (min(layer, params.deep - 1) * tile_height + strip_y) * tile_width + strip_x * SPAN;

//# repeat p SPAN
    var sum$p = vec4f();
//# end
    for (var chunk = 0u; chunk < params.input_quads; chunk += CHUNK) {
        workgroupBarrier();
        for (var i = thread; i < places * CHUNK; i += THREADS) {
            let part = chunk + i % CHUNK;
            let place = i / CHUNK;
            // Beyond the first row or column, these wrap around to be very large.
            let x = tile_x + place % tile_width - MARGIN;
            let y = tile_y + place / tile_width % tile_height - MARGIN;
            let image = first_image + place / (tile_width * tile_height);
            var value = vec4f();
            if part < params.input_quads && x < params.width && y < params.height && image < params.images {
                let pixel = (image * params.height + y) * params.width + x;
                value = feature(params.source_first + pixel * params.source_stride + part, image, part, params.input_quads);
            }
            tile[i] = value;
        }
        for (var i = thread; i < KERNEL * KERNEL * CHUNK * 4 * QUADS; i += THREADS) {
            let out = first_quad + i % QUADS;
            let channel = i / QUADS % (4 * CHUNK) + 4 * chunk;
            let tap = i / (QUADS * 4 * CHUNK);
            var value = vec4f();
            if out < params.output_quads && channel < 4 * params.input_quads {
                value = unpack(weights[(tap * 4 * params.input_quads + channel) * params.output_quads + out]);
            }
            filters[i] = value;
        }
        workgroupBarrier();
        for (var part = 0u; part < CHUNK; part++) {
            for (var row = 0u; row < KERNEL; row++) {
                let at = (own + row * tile_width) * CHUNK + part;
                var weight_at = ((row * KERNEL) * CHUNK + part) * 4 * QUADS + quad;
//# repeat j REACH
                let x$j = tile[at + $j * CHUNK];
//# end
//# repeat k KERNEL
                {
                    let w0 = filters[weight_at];
                    let w1 = filters[weight_at + QUADS];
                    let w2 = filters[weight_at + 2 * QUADS];
                    let w3 = filters[weight_at + 3 * QUADS];
//# repeat p SPAN
                    sum$p = fma(vec4f(x$(p+k).x), w0, sum$p);
                    sum$p = fma(vec4f(x$(p+k).y), w1, sum$p);
                    sum$p = fma(vec4f(x$(p+k).z), w2, sum$p);
                    sum$p = fma(vec4f(x$(p+k).w), w3, sum$p);
//# end
                    weight_at += CHUNK * 4 * QUADS;
                }
//# end
            }
        }
    }

    let image = first_image + layer;
    let y = tile_y + strip_y;
    let out = first_quad + quad;
    if layer >= params.deep || image >= params.images || y >= params.height || out >= params.output_quads { return; }
    var offset = unpack(weights[KERNEL * KERNEL * 4 * params.input_quads * params.output_quads + out]);
    if ROWS { offset += rows[params.rows_first + image * params.rows_stride + out]; }
    let first_x = tile_x + strip_x * SPAN;
    let first = (image * params.height + y) * params.width + first_x;
//# repeat p SPAN
    if first_x + $p < params.width {
        var value = sum$p + offset;
        if RESIDUAL { value += unpack(residual[params.residual_first + (first + $p) * params.residual_stride + out]); }
        output[params.output_first + (first + $p) * params.output_stride + out] = pack(value * params.scale);
    }
//# end
}
