// The second part: what all gradients of a group lose, alone and with the normalised values. Four channels of an image for
// each thread.

struct Params {
    images: u32,
    quads: u32,
    channels: u32,
    // Channels of a group, and one over their values.
    members: u32,
    factor: f32,
}

// Of a channel: the sums over its group.
fn sums_of(channel: u32, first_quad: u32) -> vec2f {
    var sums = vec2f();
    if channel >= params.channels { return sums; }
    let first = channel / params.members * params.members;
    for (var other = first; other < first + params.members; other++) {
        let at = 2 * (first_quad + other / 4);
        let part = other % 4;
        sums = fma(vec2f(affine[at][part]), vec2f(source[at][part], source[at + 1][part]), sums);
    }
    return sums * params.factor;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x;
    if quad >= params.quads { return; }
    let first_quad = id.y * params.quads;
    let a = sums_of(4 * quad, first_quad);
    let b = sums_of(4 * quad + 1, first_quad);
    let c = sums_of(4 * quad + 2, first_quad);
    let d = sums_of(4 * quad + 3, first_quad);
    output[2 * (first_quad + quad)] = vec4f(a.x, b.x, c.x, d.x);
    output[2 * (first_quad + quad) + 1] = vec4f(a.y, b.y, c.y, d.y);
}
