/// One equation with the name of what it is.
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
}
