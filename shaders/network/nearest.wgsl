// The nearest number of half precision, as one of single: of two as near, the even one. What is not finite stays as it is.
fn nearest(value: vec4f) -> vec4f {
    let bits = bitcast<vec4u>(value);
    let rounded = (bits + 0xfffu + ((bits >> vec4u(13)) & vec4u(1))) & vec4u(0xffffe000u);
    let is_finite = (bits & vec4u(0x7fffffffu)) < vec4u(0x7f800000u);
    return bitcast<vec4f>(select(bits, rounded, is_finite));
}
