// Random numbers by their addresses, four for each thread: the words of `src/solver/random.rs`, and its normals to within
// rounding. Logarithm, sine and cosine are written out, because a device's own may be as coarse as 2⁻¹¹.
//
// told: the key (two words), purpose, step, first sample, values of a sample, fours of them, samples.

const NORMAL = 0u;
const UNIFORM = 1u;

// The high and low word of a product.
fn product(a: u32, b: u32) -> vec2u {
    let low = vec2u(a & 0xffffu, a >> 16u);
    let high = vec2u(b & 0xffffu, b >> 16u);
    let cross = vec2u(low.x * high.y, low.y * high.x);
    let middle = ((low.x * high.x) >> 16u) + (cross.x & 0xffffu) + (cross.y & 0xffffu);
    return vec2u(low.y * high.y + (cross.x >> 16u) + (cross.y >> 16u) + (middle >> 16u), a * b);
}

// Philox4x32 with ten rounds (Salmon et al. 2011).
fn philox(first: vec4u, key: vec2u) -> vec4u {
    var counter = first;
    var own = key;
    for (var round = 0; round < 10; round++) {
        let a = product(counter.x, 0xD2511F53u);
        let b = product(counter.z, 0xCD9E8D57u);
        counter = vec4u(b.x ^ counter.y ^ own.x, b.y, a.x ^ counter.w ^ own.y, a.y);
        own += vec2u(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}

// −ln x for x = (word + ½)/2³²: x = 2ᵏ·m with m from √½ to √2, and ln m = 2·artanh(f/(2 + f)), f = m − 1. From √½ on, f
// is x − 1 by the words that are left to 1, which x itself would round away.
fn minus_ln(word: u32) -> f32 {
    var f = -(f32(~word) + 0.5) * 2.3283064365386963e-10;
    var k = 0.0;
    if word < 0xB504F333u {
        let bits = bitcast<u32>(f32(word) + 0.5);
        // From ½ to 1, and twice that below √½.
        let half = bitcast<f32>((bits & 0x007fffffu) | 0x3f000000u);
        let is_low = half < 0.70710678;
        f = select(half, 2.0 * half, is_low) - 1.0;
        k = f32(bits >> 23u) - select(126.0, 127.0, is_low) - 32.0;
    }
    let s = f / (2.0 + f);
    let q = s * s;
    let series = q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0))));
    return -(k * 0.69314718 + (2.0 * s + 2.0 * s * series));
}

// √x by a step of Newton's from the device's own.
fn root(x: f32) -> f32 {
    let near = sqrt(x);
    return near - (near * near - x) / (2.0 * near);
}

// cos 2πx and sin 2πx for x = (word + ½)/2³²: a quarter turn and an angle of at most an eighth beside it, by Taylor's
// series.
fn cos_sin(word: u32) -> vec2f {
    let turned = word + 0x20000000u;
    let angle = (f32(i32(turned & 0x3fffffffu) - 0x20000000) + 0.5) * (6.2831853 * 2.3283064365386963e-10);
    let q = angle * angle;
    let sin_tail = 1.0 - q * (1.0 / 20.0) * (1.0 - q * (1.0 / 42.0) * (1.0 - q * (1.0 / 72.0)));
    let cos_tail = 1.0 - q * (1.0 / 12.0) * (1.0 - q * (1.0 / 30.0) * (1.0 - q * (1.0 / 56.0) * (1.0 - q * (1.0 / 90.0))));
    let sin = angle - angle * q * (1.0 / 6.0) * sin_tail;
    let cos = 1.0 - q * 0.5 * cos_tail;
    switch turned >> 30u {
        case 0u: { return vec2f(cos, sin); }
        case 1u: { return vec2f(-sin, cos); }
        case 2u: { return vec2f(-cos, -sin); }
        default: { return vec2f(sin, -cos); }
    }
}

fn drawn(words: vec4u) -> vec4f {
    switch LAW {
        case NORMAL: {
            let radii = vec2f(root(2.0 * minus_ln(words.x)), root(2.0 * minus_ln(words.z)));
            return vec4f(radii.x * cos_sin(words.y), radii.y * cos_sin(words.w));
        }
        case UNIFORM: { return (vec4f(words >> vec4u(9u)) + 0.5) * 1.1920928955078125e-7; }
        default: { return 1.0 - 2.0 * vec4f(words >> vec4u(31u)); }
    }
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let place = id.x + id.y * groups.x * 256u;
    let size = told[5];
    let sample = place / told[6];
    let block = place % told[6];
    if sample >= told[7] { return; }
    let values = drawn(philox(vec4u(block, told[2], told[3], told[4] + sample), vec2u(told[0], told[1])));
    for (var i = 0u; i < 4u; i++) {
        if 4u * block + i < size { output[sample * size + 4u * block + i] = values[i]; }
    }
}
