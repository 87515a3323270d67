// A weighted sum of images, a value for each thread.
//
// told: values, values of a sample, weights from sample to sample, factors from sample to sample; then the weights: of
// the plain images, of those with a factor of the device's own, and what is added to all.

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let place = id.x + id.y * groups.x * 256u;
    if place >= told[0] { return; }
    let sample = place / told[1];
    let first = 4u + sample * told[2];
    let factor = sample * told[3];
    var sum = bitcast<f32>(told[first + PLAIN + SCALED]);
    //# repeat k PLAIN
    sum += bitcast<f32>(told[first + $ku]) * plain$k[place];
    //# end
    //# repeat k SCALED
    sum += bitcast<f32>(told[first + PLAIN + $ku]) * factor$k[factor] * scaled$k[place];
    //# end
    output[place] = sum;
}
