// Values by their places among others, 0 where they have none: a value for each thread.

struct Params {
    count: u32,
    // Threads of a row of workgroups.
    across: u32,
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let index = id.y * params.across + id.x;
    if id.x >= params.across || index >= params.count { return; }
    let place = weights[index];
    var value = 0.0;
    if place != 0xffffffffu { value = source[place]; }
    output[index] = value;
}
