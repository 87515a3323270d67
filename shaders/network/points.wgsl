// Filters of 3×3 at 36 points (winograd_input.wgsl): G g Gᵀ (Lavin and Gray 2016). Four filters for each thread.

struct Params {
    count: u32,
}

fn points(a: vec4f, b: vec4f, c: vec4f) -> array<vec4f, 6> {
    let sixth = (a + c) / 6.0;
    let more = a / 24.0 + c / 6.0;
    return array(a / 4.0, -sixth - b / 6.0, b / 6.0 - sixth, more + b / 12.0, more - b / 12.0, c);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= params.count { return; }
//# repeat j THREE
    let at$j = $j * params.count + id.x;
    let t$j = points(source[at$j], source[at$j + 3 * params.count], source[at$j + 6 * params.count]);
//# end
//# repeat i SIX
    {
        let row = points(t0[$i], t1[$i], t2[$i]);
//# repeat j SIX
        output[(6 * $i + $j) * params.count + id.x] = row[$j];
//# end
    }
//# end
}
