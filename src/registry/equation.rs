use std::borrow::Cow;

/// One equation with the name of what it is.
///
/// Its lines are plain text that reads as mathematics: `a/b` is a fraction, `√(…)` a root, `_i`, `₀`, `^t` and `²` are
/// scripts, a letter by itself is a symbol, two or more are a word. Two spaces separate statements. A part may have the
/// name of a term, by [`term`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equation {
    pub title: String,
    pub lines: Vec<String>,
}

impl Equation {
    /// An equation of these lines.
    pub fn new<L: Into<String>>(title: impl Into<String>, lines: impl IntoIterator<Item = L>) -> Self {
        Equation { title: title.into(), lines: lines.into_iter().map(Into::into).collect() }
    }

    /// The lines as text, without names of terms.
    pub fn text(&self) -> String {
        let lines: Vec<Cow<'_, str>> = self.lines.iter().map(|line| without_terms(line)).collect();
        lines.join("\n")
    }
}

/// What opens a term in a line, parts its name from its text, and closes it.
pub const TERM: [char; 3] = ['⟦', '┊', '⟧'];

/// A part of a line with a name, such as `drift`.
pub fn term(name: &str, text: &str) -> String {
    let [open, part, close] = TERM;
    format!("{open}{name}{part}{text}{close}")
}

/// A line without names of terms.
pub fn without_terms(line: &str) -> Cow<'_, str> {
    let [open, part, close] = TERM;
    if !line.contains(open) {
        return Cow::Borrowed(line);
    }
    let mut naming = false;
    let shown = |letter: &char| {
        let is_mark = [open, part, close].contains(letter);
        naming = (naming || *letter == open) && *letter != part;
        !naming && !is_mark
    };
    Cow::Owned(line.chars().filter(shown).collect())
}

/// What symbols of equations mean, by the names of their terms.
const MEANINGS: [(&str, &str); 24] = [
    ("score", "s(x, t): the score model, s ≈ ∇ log p_t(x)"),
    ("drift", "f(x, t): the drift, α′/α · x"),
    ("noise", "z: standard normal noise; dw: its continuous-time increment"),
    ("denoised", "x̂₀: the denoised estimate E[x(0) | x(t)]"),
    ("x", "x: the sample at time t; x₋ at the end of the step, x₊ at the previous one"),
    ("α", "α: how much of the data is left in x(t) = α x(0) + σ z"),
    ("σ", "σ: standard deviation of the noise in x(t) = α x(0) + σ z"),
    ("β", "β: rate at which noise is added"),
    ("g", "g: the diffusion coefficient"),
    ("t", "t: time, from 0 (data) to 1 (noise)"),
    ("κ", "κ = σ/α: the noise-to-signal ratio"),
    ("λ", "λ = log(α/σ): half the log signal-to-noise ratio"),
    ("h", "h: length of the step"),
    ("ε̂", "ε̂ = (x − α x̂₀) / σ: the noise that the model predicts"),
    ("ε", "ε: step size of the corrector"),
    ("y", "y = x/α: the sample in units of the data"),
    ("d", "d: slope of the probability flow in κ"),
    ("η", "η: share of ancestral noise; 0 is deterministic"),
    ("τ", "τ: how much noise is added; 0 is deterministic"),
    ("γ", "γ: by how much a step raises the noise first"),
    ("ℓ", "ℓ: Lagrange polynomials through past evaluations"),
    ("φ", "φ: weights of the exponential integrator"),
    ("w", "w: weights; of guidance, its strength"),
    ("r", "r: the signal-to-noise ratio of a corrector, or a ratio of two steps"),
];

/// What a term or a symbol of equations means, where that is known.
pub fn meaning(name: &str) -> Option<&'static str> {
    MEANINGS.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
}

/// A number with as many digits as it needs, at most four after the point.
pub fn number(value: f64) -> String {
    if value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e5) {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_the_digits_they_have() {
        let shown = [0.1, 19.9, 50.0, 5000.0, 1e-5, 0.0, 0.16, 1.0 / 3.0].map(number);
        assert_eq!(shown, ["0.1", "19.9", "50", "5000", "1.0e-5", "0", "0.16", "0.3333"]);
    }

    #[test]
    fn names_of_terms_are_no_part_of_the_text() {
        let drift = term("drift", &format!("−½ {} x", term("β", "β(t)")));
        let equation = Equation::new("Reverse SDE", [format!("dx = [{drift} − g² s] dt")]);
        assert_eq!(equation.text(), "dx = [−½ β(t) x − g² s] dt");
    }
}
