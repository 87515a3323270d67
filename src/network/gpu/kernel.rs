//! The kernels, and their sources for what they are to do.

use super::matrix_tiling::MatrixShape;
use super::tiling::Shape;
use crate::network::Nonlinearity;
use std::fmt::Write;

/// Threads of a row, where an image has so many that rows lie one behind another: their workgroups, of 64, are half of those
/// that every device allows along one axis.
pub(super) const ROW_OF_THREADS: u32 = 1 << 21;

/// What a kernel does with features as it reads them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Reading {
    /// They are scaled and shifted.
    pub normalised: bool,
    pub activation: Option<Nonlinearity>,
}

/// What a kernel does with a sum of products before it writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Writing {
    /// What the noise level says is added, or is a factor.
    pub rows: bool,
    pub gates: bool,
    pub residual: bool,
}

/// A step from pixel to pixel, or inserted zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stride {
    pub stride: u32,
    /// 2 where a zero follows each pixel.
    pub inserted: u32,
}

/// A kernel: the files of `shaders/network` by their names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    /// `own`: each image has its own weights, and all is of single precision. `dilation`: pixels from tap to tap.
    Convolution {
        shape: Shape,
        reading: Reading,
        writing: Writing,
        own: bool,
        dilation: u32,
    },
    /// By products of matrices.
    MatrixConvolution {
        shape: MatrixShape,
        reading: Reading,
        writing: Writing,
        dilation: u32,
    },
    WinogradInput {
        reading: Reading,
        dilation: u32,
    },
    WinogradOutput {
        writing: Writing,
        dilation: u32,
    },
    Resample {
        filter: Filter,
        reading: Reading,
        biased: bool,
        residual: bool,
    },
    /// Means of windows of so many pixels a side, or the largest of each.
    Window {
        side: u32,
        largest: bool,
        reading: Reading,
    },
    /// Bilinear.
    Enlarge {
        residual: bool,
    },
    /// Of each token by itself.
    TokenNorm,
    /// Means and variances of each channel.
    Moments,
    /// Scales and shifts of these.
    Styles,
    /// `learns`: it also writes what the way back needs.
    Norm {
        whole_quads: bool,
        rows: bool,
        learns: bool,
    },
    /// Of heads of so many fours of channels.
    Attention {
        head: u32,
        learns: bool,
    },
    Linear {
        activation: Option<Nonlinearity>,
    },
    Enter,
    Leave,
    Pool {
        reading: Reading,
    },
    Copy {
        reading: Reading,
        residual: bool,
    },
    Mask {
        reading: Reading,
    },
    Spread,
    Gather,
    /// Of filters of this side.
    FiltersGradient {
        side: u32,
    },
    /// With so many threads for four values.
    Sum {
        lanes: u32,
    },
    /// Filters of 3×3 as those that a [`Kernel::WinogradInput`] wants.
    Points,
    NormSums {
        activation: Option<Nonlinearity>,
    },
    NormMeans,
    NormBack {
        reading: Reading,
        residual: bool,
    },
    NormParameters {
        rows: bool,
    },
    NormRows,
    AttentionSums {
        head: u32,
    },
    AttentionQueries {
        head: u32,
    },
    AttentionKeys {
        head: u32,
    },
    /// Arithmetic in registers, to see how much there can be.
    Fma,
}

/// A filter in each direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Filter {
    /// The bits of each tap.
    pub taps: Vec<u32>,
    pub stride: Stride,
}

/// Of [`Kernel::Fma`]: the threads of a workgroup, the sums of four values of each, and the steps of a round.
pub(super) const FMA: [u32; 3] = [256, 8, 8];

impl Kernel {
    pub fn name(&self) -> &'static str {
        self.file().0
    }

    /// Its name and its file, with what is read by it.
    fn file(&self) -> (&'static str, &'static str) {
        macro_rules! shader {
            ($name:literal) => {
                ($name, include_str!(concat!("../../../shaders/network/", $name, ".wgsl")))
            };
        }
        match self {
            Kernel::Convolution { .. } => shader!("convolution"),
            Kernel::MatrixConvolution { .. } => shader!("convolution_matrix"),
            Kernel::WinogradInput { .. } => shader!("winograd_input"),
            Kernel::WinogradOutput { .. } => shader!("winograd_output"),
            Kernel::Resample { .. } => shader!("resample"),
            Kernel::Window { .. } => shader!("window"),
            Kernel::Enlarge { .. } => shader!("enlarge"),
            Kernel::TokenNorm => shader!("token_norm"),
            Kernel::Moments => shader!("moments"),
            Kernel::Styles => shader!("styles"),
            Kernel::Norm { .. } => shader!("norm"),
            Kernel::Attention { .. } => shader!("attention"),
            Kernel::Linear { .. } => shader!("linear"),
            Kernel::Enter => shader!("enter"),
            Kernel::Leave => shader!("leave"),
            Kernel::Pool { .. } => shader!("pool"),
            Kernel::Copy { .. } => shader!("copy"),
            Kernel::Mask { .. } => shader!("mask"),
            Kernel::Spread => shader!("spread"),
            Kernel::Gather => shader!("gather"),
            Kernel::FiltersGradient { .. } => shader!("filters_gradient"),
            Kernel::Sum { .. } => shader!("sum"),
            Kernel::Points => shader!("points"),
            Kernel::NormSums { .. } => shader!("norm_sums"),
            Kernel::NormMeans => shader!("norm_means"),
            Kernel::NormBack { .. } => shader!("norm_back"),
            Kernel::NormParameters { .. } => shader!("norm_parameters"),
            Kernel::NormRows => shader!("norm_rows"),
            Kernel::AttentionSums { .. } => shader!("attention_sums"),
            Kernel::AttentionQueries { .. } => shader!("attention_queries"),
            Kernel::AttentionKeys { .. } => shader!("attention_keys"),
            Kernel::Fma => shader!("fma"),
        }
    }

    /// Its source, for features of single precision or half.
    pub fn source(&self, half: bool) -> String {
        let single = matches!(self, Kernel::Convolution { own: true, .. });
        let (four, pack, unpack) = match half && !single {
            false => ("vec4f", "return value", "value"),
            true => (
                "vec2u",
                // The language leaves open whether what lies between is rounded or cut off.
                "let near = nearest(value); return vec2u(pack2x16float(near.xy), pack2x16float(near.zw))",
                "vec4f(unpack2x16float(value.x), unpack2x16float(value.y))",
            ),
        };
        // What is not a feature is of single precision: a norm's parameters and outcome, images, and rows.
        let (source, weight, target) = match self {
            Kernel::Norm { .. } => ("Four", "vec4f", "f32"),
            Kernel::Moments => ("Four", "Four", "vec4f"),
            Kernel::Styles => ("vec4f", "vec4f", "vec4f"),
            Kernel::Linear { .. } => ("vec4f", "vec4f", "vec4f"),
            Kernel::MatrixConvolution { .. } => ("Four", "f16", "Four"),
            Kernel::WinogradInput { .. } => ("Four", "Four", "vec4f"),
            Kernel::WinogradOutput { .. } => ("vec4f", "vec4f", "Four"),
            Kernel::Enter => ("f32", "Four", "Four"),
            Kernel::Leave => ("Four", "Four", "f32"),
            Kernel::Gather => ("f32", "u32", "f32"),
            _ => ("Four", "Four", "Four"),
        };
        let mut text = self.matrices();
        let _ = writeln!(
            text,
            "alias Four = {four};\nalias Source = {source};\nalias Weight = {weight};\nalias Target = {target};\n\
             const ROW_OF_THREADS = {ROW_OF_THREADS}u;\n\
             fn pack(value: vec4f) -> Four {{ {pack}; }}\n\
             fn unpack(value: Four) -> vec4f {{ return {unpack}; }}"
        );
        let (reading, constants) = self.constants();
        let activation = match reading.activation {
            None => "NONE",
            Some(Nonlinearity::Swish) => "SWISH",
            Some(Nonlinearity::Elu) => "ELU",
            Some(Nonlinearity::Relu) => "RELU",
            Some(Nonlinearity::LeakyRelu) => "LEAKY_RELU",
            Some(Nonlinearity::Gelu) => "GELU",
        };
        for (index, name) in ["NONE", "SWISH", "ELU", "RELU", "LEAKY_RELU", "GELU"].iter().enumerate() {
            // Writing to a string never fails.
            let _ = writeln!(text, "const {name} = {index};");
        }
        let _ = writeln!(text, "const ACTIVATION = {activation};");
        let _ = writeln!(text, "const NORMALISED = {};", reading.normalised);
        for (name, value) in &constants {
            let _ = writeln!(text, "const {name} = {value};");
        }
        text.push_str(include_str!("../../../shaders/network/common.wgsl"));
        if half {
            text.push_str(include_str!("../../../shaders/network/nearest.wgsl"));
        }
        match self {
            Kernel::Convolution { .. }
            | Kernel::MatrixConvolution { .. }
            | Kernel::WinogradInput { .. }
            | Kernel::Resample { .. }
            | Kernel::Window { .. }
            | Kernel::Pool { .. }
            | Kernel::Copy { .. }
            | Kernel::Mask { .. } => text.push_str(include_str!("../../../shaders/network/feature.wgsl")),
            Kernel::NormSums { .. } | Kernel::NormBack { .. } => {
                text.push_str(include_str!("../../../shaders/network/slope.wgsl"));
            }
            Kernel::AttentionQueries { .. } | Kernel::AttentionKeys { .. } => {
                text.push_str(include_str!("../../../shaders/network/attention_back.wgsl"));
            }
            _ => {}
        }
        let number =
            |name: &str| constants.iter().find(|(known, _)| *known == name)?.1.trim_end_matches('u').parse().ok();
        text + &repeated(&mut self.file().1.lines(), &number)
    }

    /// The extensions and the types of matrices that subgroups multiply, where it does: these stand before all else.
    fn matrices(&self) -> String {
        let Kernel::MatrixConvolution { shape, .. } = self else { return String::new() };
        let side = shape.fragment;
        let aliases = [("Left", "f16", "A"), ("Right", "f16", "B"), ("Sums", "f32", "C")]
            .map(|(name, scalar, role)| format!("alias {name} = coop_mat{side}x{side}<{scalar}, {role}>;\n"));
        format!("enable f16;\nenable wgpu_cooperative_matrix;\n{}", aliases.concat())
    }

    /// What stands in front of its file.
    fn constants(&self) -> (Reading, Vec<(&'static str, String)>) {
        let number = |value: u32| format!("{value}u");
        let plain = Reading::default();
        match self {
            &Kernel::Convolution { shape, reading, writing, own, dilation } => {
                let Shape { side, span, quads, parts, strips, chunk, places, split } = shape;
                let numbers = [
                    ("KERNEL", side),
                    ("SPAN", span),
                    ("REACH", span + side - 1),
                    ("QUADS", quads),
                    ("PARTS", parts),
                    ("STRIPS", strips),
                    ("CHUNK", chunk),
                    ("PLACES", places),
                    ("SPLIT", split),
                    ("SHARES", shape.shares()),
                    ("DILATION", dilation),
                ];
                let numbers = numbers.map(|(name, value)| (name, number(value))).into_iter();
                (reading, numbers.chain([("OWN", own.to_string())]).chain(writing.constants()).collect())
            }
            &Kernel::MatrixConvolution { shape, reading, writing, dilation } => {
                let numbers = shape.constants().into_iter().chain([("DILATION", dilation)]);
                (reading, numbers.map(|(name, value)| (name, number(value))).chain(writing.constants()).collect())
            }
            &Kernel::WinogradInput { reading, dilation } => {
                (reading, vec![("SIX", number(6)), ("DILATION", number(dilation))])
            }
            &Kernel::WinogradOutput { writing, dilation } => {
                let numbers = [("SIX", 6), ("FOUR", 4), ("DILATION", dilation)];
                let numbers = numbers.map(|(name, value)| (name, number(value))).into_iter();
                (plain, numbers.chain(writing.constants()).collect())
            }
            &Kernel::Window { side, largest, reading } => {
                (reading, vec![("SIDE", number(side)), ("LARGEST", largest.to_string())])
            }
            &Kernel::Enlarge { residual } => (plain, vec![("RESIDUAL", residual.to_string())]),
            Kernel::Resample { filter, reading, biased, residual } => {
                let taps: Vec<String> = filter.taps.iter().map(|&tap| format!("{:?}f", f32::from_bits(tap))).collect();
                let of_filter = [
                    ("TAPS", number(taps.len() as u32)),
                    ("FILTER", format!("array({})", taps.join(", "))),
                    ("BIASED", biased.to_string()),
                    ("RESIDUAL", residual.to_string()),
                ];
                (*reading, of_filter.into_iter().chain(filter.stride.constants()).collect())
            }
            Kernel::Norm { whole_quads, rows, learns } => {
                let flags = [("WHOLE_QUADS", whole_quads), ("ROWS", rows), ("LEARNS", learns)];
                (plain, flags.map(|(name, flag)| (name, flag.to_string())).into())
            }
            &Kernel::Attention { head, learns } => {
                let mut constants = of_head(head);
                constants.push(("LEARNS", learns.to_string()));
                (plain, constants)
            }
            &Kernel::AttentionSums { head } | &Kernel::AttentionQueries { head } | &Kernel::AttentionKeys { head } => {
                (plain, of_head(head))
            }
            &Kernel::Linear { activation } => (Reading { normalised: false, activation }, Vec::new()),
            &Kernel::NormSums { activation } => (Reading { normalised: true, activation }, Vec::new()),
            &Kernel::Pool { reading } | &Kernel::Mask { reading } => (reading, Vec::new()),
            Kernel::Fma => (plain, vec![("SUMS", number(FMA[1])), ("TIMES", number(FMA[2]))]),
            &Kernel::Copy { reading, residual } | &Kernel::NormBack { reading, residual } => {
                (reading, vec![("RESIDUAL", residual.to_string())])
            }
            &Kernel::FiltersGradient { side } => {
                let [lines, fours] = if side == 1 { [4, 4] } else { [side, 1] };
                let numbers =
                    [("KERNEL", side), ("BEFORE", side.saturating_sub(1)), ("LINES", lines), ("FOURS", fours)];
                (plain, numbers.map(|(name, value)| (name, number(value))).into())
            }
            &Kernel::Sum { lanes } => (plain, vec![("LANES", number(lanes))]),
            Kernel::Points => (plain, vec![("THREE", number(3)), ("SIX", number(6))]),
            Kernel::NormParameters { rows } => (plain, vec![("ROWS", rows.to_string())]),
            Kernel::Enter
            | Kernel::Leave
            | Kernel::Spread
            | Kernel::Gather
            | Kernel::NormMeans
            | Kernel::NormRows
            | Kernel::TokenNorm
            | Kernel::Moments
            | Kernel::Styles => (plain, Vec::new()),
        }
    }
}

/// Of a head of so many fours of channels.
fn of_head(head: u32) -> Vec<(&'static str, String)> {
    vec![("HEAD", format!("{head}u")), ("PARTS", format!("{}u", head.div_ceil(16)))]
}

impl Writing {
    fn constants(self) -> [(&'static str, String); 3] {
        let Writing { rows, gates, residual } = self;
        [("ROWS", rows), ("GATES", gates), ("RESIDUAL", residual)].map(|(name, flag)| (name, flag.to_string()))
    }
}

impl Stride {
    fn constants(self) -> [(&'static str, String); 2] {
        [("STRIDE", format!("{}u", self.stride)), ("INSERTED", format!("{}u", self.inserted))]
    }
}

/// Writes out the lines between `//# repeat v NUMBER` and its `//# end` once for each v, with `$v` and `$(v+w)` in
/// numbers, so that what a thread keeps stays in registers, whatever the driver does with loops.
pub(super) fn repeated<'a>(lines: &mut impl Iterator<Item = &'a str>, number: &impl Fn(&str) -> Option<u32>) -> String {
    let mut text = String::new();
    while let Some(line) = lines.next() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("//#"), Some("end")) => break,
            (Some("//#"), Some("repeat")) => {
                let (name, count) = (words.next().unwrap_or_default(), words.next().and_then(number).unwrap_or(0));
                let body = repeated(lines, number);
                (0..count).for_each(|value| text.push_str(&with(&body, name, value)));
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// The text with a value for a name, and sums of values in numbers.
fn with(text: &str, name: &str, value: u32) -> String {
    let text = text.replace(&format!("${name}"), &value.to_string());
    let mut parts = text.split("$(");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inner, after) = part.split_once(')').unwrap_or((part, ""));
        let terms = inner.split('+').map(|term| if term == name { value.to_string() } else { term.to_owned() });
        let terms: Vec<String> = terms.collect();
        match terms.iter().map(|term| term.parse::<u32>()).sum::<Result<u32, _>>() {
            Ok(sum) => whole.push_str(&sum.to_string()),
            Err(_) => whole.push_str(&format!("$({})", terms.join("+"))),
        }
        whole.push_str(after);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_are_written_out_with_numbers_for_names() {
        let number = |name: &str| (name == "TWO").then_some(2);
        let source = "a;\n//# repeat p TWO\n//# repeat k TWO\nx$(p+k) = y$p_$k + $p * z;\n//# end\nb$p;\n//# end\nc;";
        let expected =
            "a;\nx0 = y0_0 + 0 * z;\nx1 = y0_1 + 0 * z;\nb0;\nx1 = y1_0 + 1 * z;\nx2 = y1_1 + 1 * z;\nb1;\nc;\n";
        assert_eq!(repeated(&mut source.lines(), &number), expected);
    }
}
