// The sum of each sample's squares, by a workgroup for each.
//
// told: samples, values of a sample.

var<workgroup> shares: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let sample = group.x + group.y * groups.x;
    if sample >= told[0] { return; }
    var sum = 0.0;
    for (var i = thread; i < told[1]; i += 256u) {
        let value = image[sample * told[1] + i];
        sum += value * value;
    }
    shares[thread] = sum;
    for (var half = 128u; half > 0u; half >>= 1u) {
        workgroupBarrier();
        if thread < half { shares[thread] += shares[thread + half]; }
    }
    if thread == 0u { output[sample] = shares[0]; }
}
