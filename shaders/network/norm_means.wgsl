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

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quad = id.x;
    if quad >= params.quads { return; }
    let first_quad = id.y * params.quads;
    var plain = vec4f();
    var products = vec4f();
    for (var i = 0u; i < 4; i++) {
        let channel = 4 * quad + i;
        if channel >= params.channels { break; }
        let first = channel / params.members * params.members;
        var sums = vec2f();
        for (var other = first; other < first + params.members; other++) {
            let at = 2 * (first_quad + other / 4);
            let part = other % 4;
            sums = fma(vec2f(affine[at][part]), vec2f(source[at][part], source[at + 1][part]), sums);
        }
        plain[i] = sums.x * params.factor;
        products[i] = sums.y * params.factor;
    }
    output[2 * (first_quad + quad)] = plain;
    output[2 * (first_quad + quad) + 1] = products;
}
