// Multiplications and additions in registers: sums of four values that do not wait for each other, in each thread.

struct Params {
    rounds: u32,
    factor: f32,
    term: f32,
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let factor = vec4f(params.factor);
    let term = vec4f(params.term);
    var total = vec4f();
//# repeat i SUMS
    var sum$i = vec4f(f32(id.x), f32(id.y), 0.0, $i);
//# end
    for (var round = 0u; round < params.rounds; round++) {
//# repeat t TIMES
//# repeat i SUMS
        sum$i = fma(sum$i, factor, term);
//# end
//# end
    }
//# repeat i SUMS
    total += sum$i;
//# end
    // No sum is negative, but a compiler cannot know, and leaves nothing out.
    if any(total < vec4f()) { output[id.x] = total; }
}
