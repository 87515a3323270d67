// A convolution of KERNEL×KERNEL that keeps the size, by products of matrices of FRAGMENT×FRAGMENT that the threads of a
// subgroup work out together: of half precision, with sums of single. A tile's input, with its margin, comes chunk by chunk
// into the workgroup's memory, normalised on the way, once for all taps: a place is a pixel of it, and a matrix is FRAGMENT
// places, one behind another, of FRAGMENT channels, so that a tap is the same matrix some places on. Where matrices run
// past the end of a row, they work out places of the margin too, which are not written. Weights lie tap by tap, channel in
// by channel in, channel out by channel out, both in whole matrices, and the biases behind them.

struct Params {
    // Those of a dilation count by themselves (convolution.wgsl); height and width are whole.
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
    // Matrices of a tile, along a row, over rows, and over images.
    across: u32,
    down: u32,
    deep: u32,
    // Pixels of a tile.
    tile_width: u32,
    tile_height: u32,
    // Tiles of an image.
    tiles_across: u32,
    tiles_down: u32,
    scale: f32,
}

const MARGIN = KERNEL / 2;
const PHASES = DILATION * DILATION;
// Halves from place to place: whole sixteens of bytes, an odd number of them, so that rows lie in different banks.
const STRIDE = CHUNK + 8;
const CHUNK_QUADS = CHUNK / 4;
const SLOTS = SLOTS_M * SLOTS_N;
// Channels out of a slot.
const SLOT_CHANNELS = PARTS_N * FRAGMENT;
const SLOT_QUADS = SLOT_CHANNELS / 4;
const THREADS = LANES * SLOTS;
// Places that all threads bring in at a time.
const AT_ONCE = THREADS / CHUNK_QUADS;
const NOWHERE = 0xffffffffu;

var<workgroup> tile: array<f16, PLACES * STRIDE>;
// One row of matrices of sums of each slot.
var<workgroup> shares: array<f32, SLOTS * FRAGMENT * SLOT_CHANNELS>;

// Places from row to row of a tile, and from image to image.
fn row_places() -> u32 { return params.tile_width + 2 * MARGIN; }
fn layer_places() -> u32 { return row_places() * (params.tile_height + 2 * MARGIN); }
// Channels in and out of the weights.
fn whole(quads: u32) -> u32 { return (4 * quads + FRAGMENT - 1) / FRAGMENT * FRAGMENT; }
// The first pixel of a workgroup's tile, across and down, and its first image.
fn tile_of(group: vec3u) -> vec3u {
    let x = group.x % params.tiles_across * params.tile_width;
    let y = group.x / params.tiles_across % params.tiles_down * params.tile_height;
    return vec3u(x, y, group.x / (params.tiles_across * params.tiles_down) * params.deep);
}
// The image of a tile in which a matrix lies, and its first place there.
fn matrix_at(index: u32) -> vec2u {
    let y = index / params.across % params.down;
    let layer = index / (params.across * params.down);
    return vec2u(layer, y * row_places() + index % params.across * FRAGMENT);
}

// A slot is a part of a tile for one subgroup. Where there are fewer subgroups than slots, all is done again for the rest.
// Whole subgroups do the same, which the language's rules cannot see.
@diagnostic(off, derivative_uniformity)
@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let first = tile_of(group);
    let first_channel = group.y * SLOTS_N * SLOT_CHANNELS;
    let inputs = whole(params.input_quads);
    let outputs = whole(params.output_quads);
    let row_stride = row_places();
    let layer_stride = layer_places();

    // What a thread brings in comes from the same pixels for each chunk.
    let own_quad = thread % CHUNK_QUADS;
    let own_place = thread / CHUNK_QUADS;
//# repeat s STAGES
    var image$s = 0u;
    var from$s = NOWHERE;
    {
        let place = own_place + $s * AT_ONCE;
        let layer = place / layer_stride;
        let phase = first.z + layer;
        image$s = phase / PHASES;
        // Beyond the first row or column, these wrap around to be very large.
        let x = (first.x + place % row_stride - MARGIN) * DILATION + phase % DILATION;
        let y = (first.y + place % layer_stride / row_stride - MARGIN) * DILATION + phase / DILATION % DILATION;
        if layer < params.deep && phase < params.images && x < params.width && y < params.height {
            let pixel = (image$s * params.height + y) * params.width + x;
            from$s = params.source_first + pixel * params.source_stride + own_quad;
        }
    }
//# end

    for (var first_slot = 0u; first_slot < SLOTS; first_slot += subgroups) {
        let slot = first_slot + subgroup;
        let matrices = params.across * params.down * params.deep;
        // Matrices that are too many do the work of the last, for nothing.
//# repeat m PARTS_M
        let at$m = matrix_at(min(slot % SLOTS_M * PARTS_M + $m, matrices - 1));
        let place$m = (at$m.x * layer_stride + at$m.y) * STRIDE;
//# end
//# repeat n PARTS_N
        let channel$n = min(first_channel + slot / SLOTS_M * SLOT_CHANNELS + $n * FRAGMENT, outputs - FRAGMENT);
//# end
        // Not every language that this is translated to says what a matrix without a value holds.
        for (var i = thread; i < FRAGMENT * FRAGMENT; i += THREADS) { shares[i] = 0.0; }
        workgroupBarrier();
        let zeros = coopLoadT<Sums>(&shares[0], FRAGMENT);
//# repeat m PARTS_M
//# repeat n PARTS_N
        var sum$m_$n = zeros;
//# end
//# end
        for (var chunk = 0u; chunk < inputs; chunk += CHUNK) {
            workgroupBarrier();
            let quad = chunk / 4 + own_quad;
//# repeat s STAGES
            if own_place + $s * AT_ONCE < PLACES {
                var value = vec4f();
                if from$s != NOWHERE && quad < params.input_quads {
                    value = feature(from$s + chunk / 4, image$s, quad, params.input_quads);
                    if NORMALISED || ACTIVATION != NONE { value = nearest(value); }
                }
                let at = (own_place + $s * AT_ONCE) * STRIDE + 4 * own_quad;
                tile[at] = f16(value.x);
                tile[at + 1] = f16(value.y);
                tile[at + 2] = f16(value.z);
                tile[at + 3] = f16(value.w);
            }
//# end
            workgroupBarrier();
            if slot < SLOTS {
                let end = min(CHUNK, inputs - chunk);
                for (var row = 0u; row < KERNEL; row++) {
                    for (var channel = 0u; channel < end; channel += FRAGMENT) {
                        let at = row * row_stride * STRIDE + channel;
                        let weights_at = (row * KERNEL * inputs + chunk + channel) * outputs;
//# repeat k KERNEL
                        {
//# repeat n PARTS_N
                            let weights$n = coopLoadT<Right>(&weights[weights_at + $k * inputs * outputs + channel$n], outputs);
//# end
//# repeat m PARTS_M
                            {
                                let pixels = coopLoadT<Left>(&tile[place$m + at + $k * STRIDE], STRIDE);
//# repeat n PARTS_N
                                sum$m_$n = coopMultiplyAdd(pixels, weights$n, sum$m_$n);
//# end
                            }
//# end
                        }
//# end
                    }
                }
            }
        }

//# repeat m PARTS_M
        workgroupBarrier();
        if slot < SLOTS {
//# repeat n PARTS_N
            coopStoreT(sum$m_$n, &shares[slot * FRAGMENT * SLOT_CHANNELS + $n * FRAGMENT], SLOT_CHANNELS);
//# end
        }
        workgroupBarrier();
        write(group, thread, first_slot, subgroups, $m);
//# end
        workgroupBarrier();
    }
}

// Writes one row of matrices of each slot that has been worked out.
fn write(group: vec3u, thread: u32, first_slot: u32, slots: u32, part: u32) {
    let first = tile_of(group);
    let first_bias = KERNEL * KERNEL * whole(params.input_quads) * whole(params.output_quads);
    for (var i = thread; i < SLOTS * FRAGMENT * SLOT_QUADS; i += THREADS) {
        let slot = i / (FRAGMENT * SLOT_QUADS);
        let at = matrix_at(slot % SLOTS_M * PARTS_M + part);
        let place = at.y + i / SLOT_QUADS % FRAGMENT;
        let column = place % row_places();
        let row = place / row_places();
        let phase = first.z + at.x;
        let image = phase / PHASES;
        let x = (first.x + column) * DILATION + phase % DILATION;
        let y = (first.y + row) * DILATION + phase / DILATION % DILATION;
        let out = (group.y * SLOTS_N + slot / SLOTS_M) * SLOT_QUADS + i % SLOT_QUADS;
        // Slots before the first wrap around to be very many after it.
        if slot - first_slot < slots && out < params.output_quads && at.x < params.deep && phase < params.images
            && column < params.tile_width && row < params.tile_height
            && x < params.width && y < params.height {
            let pixel = (image * params.height + y) * params.width + x;
            let bias = first_bias + 4 * out;
            var value = vec4f(shares[4 * i], shares[4 * i + 1], shares[4 * i + 2], shares[4 * i + 3]);
            value += vec4f(f32(weights[bias]), f32(weights[bias + 1]), f32(weights[bias + 2]), f32(weights[bias + 3]));
            if ROWS { value += rows[params.rows_first + image * params.rows_stride + out]; }
            if GATES { value *= rows[params.rows_first + image * params.rows_stride + out]; }
            if RESIDUAL { value += unpack(residual[params.residual_first + pixel * params.residual_stride + out]); }
            output[params.output_first + pixel * params.output_stride + out] = pack(value * params.scale);
        }
    }
}
