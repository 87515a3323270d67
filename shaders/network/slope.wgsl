// The derivative of the nonlinearity.
fn slope(x: vec4f) -> vec4f {
    switch ACTIVATION {
        case SWISH: {
            let s = 1.0 / (1.0 + exp(-x));
            return s * (1.0 + x * (1.0 - s));
        }
        case ELU: { return exp(min(x, vec4f())); }
        case RELU: { return select(vec4f(), vec4f(1.0), x > vec4f()); }
        case LEAKY_RELU: { return select(vec4f(0.2), vec4f(1.0), x > vec4f()); }
        case GELU: {
            let s = 1.0 / (1.0 + exp(-1.5957691 * fma(0.044715 * x * x, x, x)));
            return s * (1.0 + x * (1.0 - s) * 1.5957691 * fma(vec4f(0.134145), x * x, vec4f(1.0)));
        }
        default: { return vec4f(1.0); }
    }
}
