// A convolution of KERNEL×KERNEL that keeps the size: SPAN pixels in a row times PARTS fours of channels out for each
// thread. A tile's input, with its margin, and its weights come chunk by chunk into the workgroup's memory, normalised on
// the way. SPLIT groups of threads share the channels of a chunk. Where the weights are OWN, each image has others, and
// there are no biases. Where there is a DILATION, each image goes as several smaller ones, of every so many pixels.

struct Params {
    // Those of a dilation count by themselves; height and width are whole.
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
const COLUMNS = QUADS / PARTS;
const GROUP = STRIPS * COLUMNS;
const THREADS = GROUP * SPLIT;
const PHASES = DILATION * DILATION;

var<workgroup> tile: array<vec4f, PLACES * CHUNK>;
var<workgroup> filters: array<vec4f, KERNEL * KERNEL * CHUNK * 4 * QUADS>;
var<workgroup> shares: array<vec4f, SHARES>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let tile_x = group.x % params.tiles_across * params.across * SPAN;
    let tile_y = group.x / params.tiles_across % params.tiles_down * params.down;
    let first_image = group.x / (params.tiles_across * params.tiles_down) * params.deep;
    let first_quad = group.y * QUADS;
    let tile_width = params.across * SPAN + 2 * MARGIN;
    let tile_height = params.down + 2 * MARGIN;
    let places = params.deep * tile_height * tile_width;

    let column = thread % COLUMNS;
    let strip = thread / COLUMNS % STRIPS;
    let split = thread / GROUP;
    let strip_x = strip % params.across;
    let strip_y = strip / params.across % params.down;
    let layer = strip / (params.across * params.down);
    // Strips that are too many do the work of the last, for nothing.
    let own = (min(layer, params.deep - 1) * tile_height + strip_y) * tile_width + strip_x * SPAN;

//# repeat o PARTS
//# repeat p SPAN
    var sum$o_$p = vec4f();
//# end
//# end
    var filters_first = 0u;
    if OWN { filters_first = first_image * params.input_quads * 4 * params.output_quads; }
    for (var chunk = 0u; chunk < params.input_quads; chunk += CHUNK) {
        workgroupBarrier();
        for (var i = thread; i < places * CHUNK; i += THREADS) {
            let part = chunk + i % CHUNK;
            let place = i / CHUNK;
            // Beyond the first row or column, these wrap around to be very large.
            let phase = first_image + place / (tile_width * tile_height);
            let image = phase / PHASES;
            let x = (tile_x + place % tile_width - MARGIN) * DILATION + phase % DILATION;
            let y = (tile_y + place / tile_width % tile_height - MARGIN) * DILATION + phase / DILATION % DILATION;
            var value = vec4f();
            if part < params.input_quads && x < params.width && y < params.height && phase < params.images {
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
                let row = tap * 4 * params.input_quads + channel;
                value = unpack(weights[filters_first + row * params.output_quads + out]);
            }
            filters[i] = value;
        }
        workgroupBarrier();
        for (var part = split; part < CHUNK; part += SPLIT) {
            for (var row = 0u; row < KERNEL; row++) {
                let at = (own + row * tile_width) * CHUNK + part;
                var weight_at = ((row * KERNEL) * CHUNK + part) * 4 * QUADS + column;
//# repeat j REACH
                let x$j = tile[at + $j * CHUNK];
//# end
//# repeat k KERNEL
//# repeat o PARTS
                {
                    let at = weight_at + $o * COLUMNS;
                    let w0 = filters[at];
                    let w1 = filters[at + QUADS];
                    let w2 = filters[at + 2 * QUADS];
                    let w3 = filters[at + 3 * QUADS];
//# repeat p SPAN
                    sum$o_$p = fma(vec4f(x$(p+k).x), w0, sum$o_$p);
                    sum$o_$p = fma(vec4f(x$(p+k).y), w1, sum$o_$p);
                    sum$o_$p = fma(vec4f(x$(p+k).z), w2, sum$o_$p);
                    sum$o_$p = fma(vec4f(x$(p+k).w), w3, sum$o_$p);
//# end
                }
//# end
                weight_at += CHUNK * 4 * QUADS;
//# end
            }
        }
    }

    for (var other = 1u; other < SPLIT; other++) {
        workgroupBarrier();
        if split == other {
//# repeat o PARTS
//# repeat p SPAN
            shares[($o * SPAN + $p) * GROUP + thread % GROUP] = sum$o_$p;
//# end
//# end
        }
        workgroupBarrier();
        if split == 0 {
//# repeat o PARTS
//# repeat p SPAN
            sum$o_$p += shares[($o * SPAN + $p) * GROUP + thread];
//# end
//# end
        }
    }

    let phase = first_image + layer;
    let image = phase / PHASES;
    let y = (tile_y + strip_y) * DILATION + phase / DILATION % DILATION;
    if split != 0 { return; }
    if layer >= params.deep || phase >= params.images || y >= params.height { return; }
    let first_x = (tile_x + strip_x * SPAN) * DILATION + phase % DILATION;
    let first = (image * params.height + y) * params.width + first_x;
//# repeat o PARTS
    {
        let out = first_quad + column + $o * COLUMNS;
        if out < params.output_quads {
            var offset = vec4f();
            if !OWN { offset = unpack(weights[KERNEL * KERNEL * 4 * params.input_quads * params.output_quads + out]); }
            var gate = vec4f(1.0);
            if ROWS { offset += rows[params.rows_first + image * params.rows_stride + out]; }
            if GATES { gate = rows[params.rows_first + image * params.rows_stride + out]; }
//# repeat p SPAN
            if first_x + $p * DILATION < params.width {
                var value = sum$o_$p + offset;
                if GATES { value *= gate; }
                let place = first + $p * DILATION;
                if RESIDUAL { value += unpack(residual[params.residual_first + place * params.residual_stride + out]); }
                output[params.output_first + place * params.output_stride + out] = pack(value * params.scale);
            }
//# end
        }
    }
//# end
}
