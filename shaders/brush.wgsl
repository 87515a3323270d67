// Draws a photo with its mask: the tint where it is painted, a crisp line along its edge, checks around the photo,
// and a shade on what lies outside the square that the model sees.
//
// The same rules in Rust are in src/app/inpaint/look.rs, which also lays out `Look`.

struct Look {
    origin: vec2f,   // top left of the photo, in target pixels
    size: vec2f,     // of the photo, in its own pixels
    square: vec4f,   // left, top, right, bottom of what the model sees, in pixels of the photo
    tint: vec4f,     // sRGB, and its strength where all is painted
    checks: vec3f,   // the two greys, and the side of a check in target pixels
    shade: f32,      // what the photo is multiplied by outside the square
    scale: f32,      // target pixels per pixel of the photo
    flags: u32,      // NEAREST | LINEAR_TARGET
}

const NEAREST: u32 = 1u;
const LINEAR_TARGET: u32 = 2u;

@group(0) @binding(0) var<uniform> look: Look;
@group(0) @binding(1) var photo: texture_2d<f32>;
@group(0) @binding(2) var mask: texture_2d<f32>;
@group(0) @binding(3) var between: sampler;

// One triangle that covers the viewport.
@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4f {
    let corner = vec2f(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4f(corner * 2.0 - 1.0, 0.0, 1.0);
}

fn linear_from_srgb(encoded: vec3f) -> vec3f {
    let high = pow((encoded + 0.055) / 1.055, vec3f(2.4));
    return select(high, encoded / 12.92, encoded <= vec3f(0.04045));
}

// How often the photo is halved before it is sampled.
fn level() -> f32 {
    return max(-log2(look.scale), 0.0);
}

fn pixel(place: vec2f) -> vec2i {
    return vec2i(clamp(floor(place), vec2f(0.0), look.size - 1.0));
}

fn colour(place: vec2f) -> vec3f {
    if (look.flags & NEAREST) != 0u {
        return textureLoad(photo, pixel(place), 0).rgb;
    }
    return textureSampleLevel(photo, between, place / look.size, level()).rgb;
}

// Between pixels, also where they are shown as squares: so the edge is a line, not stairs.
fn smooth_coverage(place: vec2f) -> f32 {
    return textureSampleLevel(mask, between, place / look.size, level()).r;
}

fn coverage(place: vec2f) -> f32 {
    if (look.flags & NEAREST) != 0u {
        return textureLoad(mask, pixel(place), 0).r;
    }
    return smooth_coverage(place);
}

// Distance to where the coverage is one half, in target pixels.
fn edge_distance(place: vec2f) -> f32 {
    let half = 0.5 / look.scale;
    let slope = vec2f(
        smooth_coverage(place + vec2f(half, 0.0)) - smooth_coverage(place - vec2f(half, 0.0)),
        smooth_coverage(place + vec2f(0.0, half)) - smooth_coverage(place - vec2f(0.0, half)),
    );
    return abs(smooth_coverage(place) - 0.5) / max(length(slope), 0.001);
}

@fragment
fn fragment(@builtin(position) at: vec4f) -> @location(0) vec4f {
    let place = (at.xy - look.origin) / look.scale;
    var shown: vec3f;
    if any(place < vec2f(0.0)) || any(place >= look.size) {
        let check = vec2i(floor(at.xy / look.checks.z));
        shown = vec3f(select(look.checks.x, look.checks.y, ((check.x + check.y) & 1) != 0));
    } else {
        let outside = any(place < look.square.xy) || any(place >= look.square.zw);
        let here = coverage(place);
        let edge = edge_distance(place);
        shown = colour(place) * select(1.0, look.shade, outside);
        shown = mix(shown, look.tint.rgb, look.tint.a * here);
        shown = mix(shown, vec3f(0.0), 0.55 * clamp(2.25 - edge, 0.0, 1.0));
        shown = mix(shown, vec3f(1.0), clamp(1.25 - edge, 0.0, 1.0));
    }
    // egui's own convention: sRGB values go as they are to a plain target, linear light to an sRGB one.
    if (look.flags & LINEAR_TARGET) != 0u {
        shown = linear_from_srgb(shown);
    }
    return vec4f(shown, 1.0);
}
