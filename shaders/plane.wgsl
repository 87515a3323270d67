// Draws a picture of the plane: a ground with a picture on a part of it, and over these dots and lines with soft edges.
//
// src/app/plane/ink.rs lays out what is bound and what a mark is. Software rasterisers run both sides of every branch, so
// fragments have none; colours are converted before.

struct Sheet {
    origin: vec2f,   // top left, in target pixels
    size: vec2f,     // in target pixels
    picture: vec4f,  // left, top, right, bottom of the picture, in target pixels
    ground: vec4f,   // as the target takes it
    scale: f32,      // target pixels per point
    linear: u32,     // 1 where the target takes linear light, as the texture then gives it
}

@group(0) @binding(0) var<uniform> sheet: Sheet;
@group(0) @binding(1) var picture: texture_2d<f32>;
@group(0) @binding(2) var between: sampler;

// One triangle that covers the viewport.
@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4f {
    let corner = vec2f(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4f(corner * 2.0 - 1.0, 0.0, 1.0);
}

@fragment
fn fragment(@builtin(position) at: vec4f) -> @location(0) vec4f {
    let place = (at.xy - sheet.picture.xy) / (sheet.picture.zw - sheet.picture.xy);
    let inside = all(place >= vec2f(0.0)) && all(place <= vec2f(1.0));
    return select(sheet.ground, textureSampleLevel(picture, between, place, 0.0), inside);
}

// All that is within a distance of a line from one end to another; of a dot both are its middle.
struct Mark {
    @location(0) ends: vec4f,   // in points of the window
    @location(1) radius: f32,   // in points
    @location(2) begin: vec4f,  // colours of its ends, sRGB, multiplied by their opacity
    @location(3) end: vec4f,
}

struct Inked {
    @builtin(position) position: vec4f,
    @location(0) place: vec2f,  // along the line from its first end, and across it, in target pixels
    @location(1) @interpolate(flat) length: f32,
    @location(2) @interpolate(flat) radius: f32,
    @location(3) colour: vec4f,
}

// egui's own convention: sRGB values go as they are to a plain target, linear light to an sRGB one.
fn for_target(colour: vec4f) -> vec4f {
    let high = pow((colour.rgb + 0.055) / 1.055, vec3f(2.4));
    let light = select(high, colour.rgb / 12.92, colour.rgb <= vec3f(0.04045));
    return vec4f(select(colour.rgb, light, sheet.linear == 1u), colour.a);
}

// The corners of a rectangle around a mark, as a strip.
@vertex
fn mark(@builtin(vertex_index) index: u32, mark: Mark) -> Inked {
    let span = (mark.ends.zw - mark.ends.xy) * sheet.scale;
    let length = length(span);
    let along = select(vec2f(1.0, 0.0), span / max(length, 1e-9), length > 0.0);
    let radius = mark.radius * sheet.scale;
    // Half a pixel more is soft.
    let reach = radius + 0.5;
    let far = f32(index & 1u);
    let place = vec2f(mix(-reach, length + reach, far), mix(-reach, reach, f32(index >> 1u)));
    let at = mark.ends.xy * sheet.scale + along * place.x + vec2f(-along.y, along.x) * place.y;
    let share = (at - sheet.origin) / sheet.size;
    let position = vec4f(2.0 * share.x - 1.0, 1.0 - 2.0 * share.y, 0.0, 1.0);
    return Inked(position, place, length, radius, for_target(mix(mark.begin, mark.end, far)));
}

@fragment
fn ink(inked: Inked) -> @location(0) vec4f {
    let nearest = vec2f(clamp(inked.place.x, 0.0, inked.length), 0.0);
    let covered = clamp(inked.radius + 0.5 - distance(inked.place, nearest), 0.0, 1.0);
    return inked.colour * covered;
}
