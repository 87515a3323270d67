// Draws a batch of pictures straight from the values of a tensor: f32, N×C×H×W.
//
// The same rules in Rust are in src/app/picture/frame.rs, which also lays out `Frame`.

struct Frame {
    origin: vec2f,      // top left of the first picture, in target pixels
    pitch: vec2f,       // from one picture to the next, in target pixels
    zoom: f32,          // target pixels per picture pixel
    low: f32,           // the value that shows as black, or as the map's first colour
    high: f32,          // the value that shows as white, or as the map's last colour
    first: u32,         // place of the first value in `values`
    columns: u32,
    samples: u32,       // pictures shown
    first_sample: u32,  // the picture shown in the first cell
    channels: u32,
    width: u32,
    height: u32,
    flags: u32,         // SMOOTH | MAPPED | LINEAR_TARGET
    taps: u32,          // samples along each axis of a target pixel, where the picture is shrunk
    map: array<vec4f, 9>,
}

const SMOOTH: u32 = 1u;
const MAPPED: u32 = 2u;
const LINEAR_TARGET: u32 = 4u;

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> values: array<f32>;

// One triangle that covers the viewport.
@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4f {
    let corner = vec2f(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4f(corner * 2.0 - 1.0, 0.0, 1.0);
}

fn has(flag: u32) -> bool {
    return (frame.flags & flag) != 0u;
}

fn linear_from_srgb(encoded: vec3f) -> vec3f {
    let high = pow((encoded + 0.055) / 1.055, vec3f(2.4));
    return select(high, encoded / 12.92, encoded <= vec3f(0.04045));
}

fn srgb_from_linear(light: vec3f) -> vec3f {
    let high = 1.055 * pow(light, vec3f(1.0 / 2.4)) - 0.055;
    return select(high, light * 12.92, light <= vec3f(0.0031308));
}

// The value of one channel of one pixel, 0 at `low` and 1 at `high`.
fn unit(picture: u32, channel: u32, x: u32, y: u32) -> f32 {
    let plane = picture * frame.channels + min(channel, frame.channels - 1u);
    let value = values[frame.first + (plane * frame.height + y) * frame.width + x];
    return clamp((value - frame.low) / (frame.high - frame.low), 0.0, 1.0);
}

// A pixel's sRGB channels, or the value of a colour map three times.
fn texel(picture: u32, pixel: vec2i) -> vec3f {
    let inside = vec2u(clamp(pixel, vec2i(0), vec2i(i32(frame.width), i32(frame.height)) - 1));
    if has(MAPPED) {
        return vec3f(unit(picture, 0u, inside.x, inside.y));
    }
    return vec3f(
        unit(picture, 0u, inside.x, inside.y),
        unit(picture, 1u, inside.x, inside.y),
        unit(picture, 2u, inside.x, inside.y),
    );
}

// A pixel as it is interpolated: linear light, or the value of a colour map.
fn light(picture: u32, pixel: vec2i) -> vec3f {
    let found = texel(picture, pixel);
    if has(MAPPED) {
        return found;
    }
    return linear_from_srgb(found);
}

fn bilinear(picture: u32, place: vec2f) -> vec3f {
    let corner = floor(place - 0.5);
    let part = place - 0.5 - corner;
    let pixel = vec2i(corner);
    let upper = mix(light(picture, pixel), light(picture, pixel + vec2i(1, 0)), part.x);
    let lower = mix(light(picture, pixel + vec2i(0, 1)), light(picture, pixel + vec2i(1, 1)), part.x);
    return mix(upper, lower, part.y);
}

fn smooth_light(picture: u32, place: vec2f) -> vec3f {
    var sum = vec3f(0.0);
    for (var j = 0u; j < frame.taps; j++) {
        for (var i = 0u; i < frame.taps; i++) {
            let within = (vec2f(f32(i), f32(j)) + 0.5) / f32(frame.taps) - 0.5;
            sum += bilinear(picture, place + within / frame.zoom);
        }
    }
    return sum / f32(frame.taps * frame.taps);
}

fn mapped(place: f32) -> vec3f {
    let scaled = clamp(place, 0.0, 1.0) * 8.0;
    let below = min(u32(scaled), 7u);
    return mix(frame.map[below].rgb, frame.map[below + 1u].rgb, scaled - f32(below));
}

@fragment
fn fragment(@builtin(position) at: vec4f) -> @location(0) vec4f {
    let from_origin = at.xy - frame.origin;
    let cell = floor(from_origin / frame.pitch);
    let place = (from_origin - cell * frame.pitch) / frame.zoom;
    if any(cell < vec2f(0.0)) || cell.x >= f32(frame.columns)
        || any(place >= vec2f(f32(frame.width), f32(frame.height))) {
        discard;
    }
    let index = u32(cell.y) * frame.columns + u32(cell.x);
    if index >= frame.samples {
        discard;
    }
    let picture = frame.first_sample + index;
    var encoded: vec3f;
    if !has(SMOOTH) {
        encoded = texel(picture, vec2i(floor(place)));
    } else if has(MAPPED) {
        encoded = smooth_light(picture, place);
    } else {
        encoded = srgb_from_linear(smooth_light(picture, place));
    }
    if has(MAPPED) {
        encoded = mapped(encoded.x);
    }
    // egui's own convention: sRGB values go as they are to a plain target, linear light to an sRGB one.
    if has(LINEAR_TARGET) {
        encoded = linear_from_srgb(encoded);
    }
    return vec4f(encoded, 1.0);
}
