// Features as they are read: normalised, if they are, and activated.
fn feature(place: u32, image: u32, quad: u32, quads: u32) -> vec4f {
    let value = unpack(source[place]);
    if !NORMALISED { return activate(value); }
    let at = 2 * (image * quads + quad);
    return activate(fma(value, affine[at], affine[at + 1]));
}
