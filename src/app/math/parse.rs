//! From a line of plain text to the parts of a formula.

use crate::registry::TERM;

/// How a symbol's neighbours stand off from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Ordinary,
    /// + − · ×
    Binary,
    /// = ← ≤ ∼
    Relation,
    /// , :
    Punctuation,
    /// Σ ∫ ∇
    Operator,
    /// Letters that are read as a word.
    Word,
}

/// A part of a formula.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A letter, a number, a word or a sign; `hat` if it has one.
    Symbol {
        text: String,
        hat: bool,
        class: Class,
    },
    /// Room between parts; wide between statements.
    Space {
        wide: bool,
    },
    /// What brackets or bars hold.
    Group {
        open: char,
        close: char,
        body: Vec<Node>,
    },
    Fraction {
        over: Vec<Node>,
        under: Vec<Node>,
    },
    Root(Vec<Node>),
    Scripts {
        base: Box<Node>,
        sub: Vec<Node>,
        sup: Vec<Node>,
    },
    /// Parts that are one operand: a function with its arguments, a differential.
    Unit(Vec<Node>),
    /// Parts that have a name.
    Term {
        name: String,
        body: Vec<Node>,
    },
}

const SUBSCRIPTS: [(char, char); 16] = [
    ('₀', '0'),
    ('₁', '1'),
    ('₂', '2'),
    ('₃', '3'),
    ('₄', '4'),
    ('₅', '5'),
    ('₆', '6'),
    ('₇', '7'),
    ('₈', '8'),
    ('₉', '9'),
    ('₊', '+'),
    ('₋', '−'),
    ('ₓ', 'x'),
    ('ₜ', 't'),
    ('↑', '↑'),
    ('↓', '↓'),
];
const SUPERSCRIPTS: [(char, char); 13] = [
    ('⁰', '0'),
    ('¹', '1'),
    ('²', '2'),
    ('³', '3'),
    ('⁴', '4'),
    ('⁵', '5'),
    ('⁶', '6'),
    ('⁷', '7'),
    ('⁸', '8'),
    ('⁹', '9'),
    ('⁺', '+'),
    ('⁻', '−'),
    ('′', '′'),
];
const HAT: char = '\u{302}';
/// Letters with a hat that Unicode has.
const HATTED: [(char, char); 3] = [('ŷ', 'y'), ('ĥ', 'h'), ('ŵ', 'w')];
const HALVES: [(char, &str, &str); 3] = [('½', "1", "2"), ('¼', "1", "4"), ('¾', "3", "4")];

fn among(table: &[(char, char)], letter: char) -> Option<char> {
    table.iter().find(|(from, _)| *from == letter).map(|(_, to)| *to)
}

/// The parts of a line.
pub fn parse(line: &str) -> Vec<Node> {
    let letters: Vec<char> = line.trim().chars().collect();
    Parser { letters: &letters, at: 0, depth: 0 }.row(&[])
}

/// Parts within parts; more are read as signs.
const DEEPEST: usize = 24;

struct Parser<'a> {
    letters: &'a [char],
    at: usize,
    depth: usize,
}

fn symbol(text: impl Into<String>, class: Class) -> Node {
    Node::Symbol { text: text.into(), hat: false, class }
}

/// Whether a letter stands in words.
fn in_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '–')
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.letters.get(self.at + ahead).copied()
    }

    fn takes(&mut self, letter: char) -> bool {
        let found = self.peek(0) == Some(letter);
        self.at += usize::from(found);
        found
    }

    /// Parts until one of `ends`, which is left.
    fn row(&mut self, ends: &[char]) -> Vec<Node> {
        let mut row: Vec<Node> = Vec::new();
        while let Some(letter) = self.peek(0) {
            if ends.contains(&letter) {
                break;
            }
            if letter == ' ' {
                self.space(&mut row);
            } else if letter == '/' && row.iter().any(|node| !matches!(node, Node::Space { .. })) {
                self.at += 1;
                self.fraction(&mut row);
            } else {
                let part = self.operand();
                row.push(part);
            }
        }
        while matches!(row.last(), Some(Node::Space { .. })) {
            row.pop();
        }
        row
    }

    fn space(&mut self, row: &mut Vec<Node>) {
        let mut count = 0;
        while self.takes(' ') {
            count += 1;
        }
        // The spaces around a bar of a fraction are none of the formula's.
        if self.peek(0) != Some('/') && !row.is_empty() {
            row.push(Node::Space { wide: count > 1 });
        }
    }

    /// What was read last, over what comes next.
    fn fraction(&mut self, row: &mut Vec<Node>) {
        while self.takes(' ') {}
        let mut over: Vec<Node> = row.pop().into_iter().collect();
        // 2h/3: a number that stands at a letter belongs to it.
        let number =
            |node: &Node| matches!(node, Node::Symbol { text, .. } if text.starts_with(|c: char| c.is_ascii_digit()));
        if row.last().is_some_and(number) && !over.iter().any(number) {
            over.splice(0..0, row.pop());
        }
        let under = self.operand();
        let (over, under) = (without_brackets(over), without_brackets(vec![under]));
        row.push(Node::Fraction { over, under });
    }

    /// One part with its scripts.
    fn operand(&mut self) -> Node {
        let Some(letter) = self.peek(0) else { return Node::Unit(Vec::new()) };
        if self.depth == DEEPEST {
            return self.sign(letter);
        }
        self.depth += 1;
        let base = self.base(letter);
        let whole = self.scripted(base);
        self.depth -= 1;
        whole
    }

    /// One part without them.
    fn base(&mut self, letter: char) -> Node {
        match letter {
            '(' => self.group('(', ')'),
            '[' => self.group('[', ']'),
            '‖' => self.group('‖', '‖'),
            '|' if self.peek(1) != Some(' ') => self.group('|', '|'),
            '√' => {
                self.at += 1;
                Node::Root(without_brackets(vec![self.operand()]))
            }
            open if open == TERM[0] => self.term(),
            _ if letter.is_ascii_digit() => self.number(),
            'Δ' if self.peek(1).is_some_and(char::is_alphabetic) => self.differential(),
            'd' if self.is_differential() => self.differential(),
            _ if self.is_word() => self.word(),
            _ => self.sign(letter),
        }
    }

    fn group(&mut self, open: char, close: char) -> Node {
        self.at += 1;
        let body = self.row(&[close]);
        if self.takes(close) {
            return Node::Group { open, close, body };
        }
        // It is not closed: a sign like others.
        Node::Unit(std::iter::once(symbol(open, Class::Ordinary)).chain(body).collect())
    }

    fn term(&mut self) -> Node {
        self.at += 1;
        let mut name = String::new();
        while let Some(letter) = self.peek(0) {
            self.at += 1;
            if letter == TERM[1] {
                break;
            }
            name.push(letter);
        }
        let body = self.row(&[TERM[2]]);
        self.takes(TERM[2]);
        Node::Term { name, body }
    }

    /// 0.02, 1,000, 1.0e-5
    fn number(&mut self) -> Node {
        let mut text = String::new();
        while let Some(letter) = self.peek(0) {
            let digit_next = self.peek(1).is_some_and(|next| next.is_ascii_digit());
            let exponent = letter == 'e' && matches!(self.peek(1), Some('-' | '0'..='9'));
            let sign = letter == '-' && text.ends_with('e') && digit_next;
            if !(letter.is_ascii_digit() || letter == '.' && digit_next || exponent || sign) {
                break;
            }
            text.push(letter);
            self.at += 1;
        }
        match text.split_once('e') {
            Some((mantissa, exponent)) => power_of_ten(mantissa, exponent),
            None => symbol(text, Class::Ordinary),
        }
    }

    /// dx, dt, dw, dκ, dσ: an upright d and one letter that ends there.
    fn is_differential(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.letters.get(at));
        let alone = before.is_none_or(|letter| !letter.is_alphanumeric());
        let next = self.peek(1).is_some_and(|next| next.is_alphabetic() && next != HAT);
        alone && next && self.peek(2).is_none_or(|after| !in_word(after))
    }

    fn differential(&mut self) -> Node {
        let Some(sign) = self.peek(0) else { return Node::Unit(Vec::new()) };
        self.at += 1;
        // The d is upright, as Δ is: it is no symbol of its own.
        let sign = if sign == 'd' { symbol("d", Class::Word) } else { symbol(sign, Class::Ordinary) };
        Node::Unit(vec![sign, self.operand()])
    }

    /// Two ASCII letters or more in a row.
    fn is_word(&self) -> bool {
        let letter = |ahead| self.peek(ahead).is_some_and(|letter: char| letter.is_ascii_alphabetic());
        letter(0) && letter(1)
    }

    fn word(&mut self) -> Node {
        let mut text = String::new();
        while let Some(letter) = self.peek(0).filter(|letter| in_word(*letter)) {
            text.push(letter);
            self.at += 1;
        }
        self.applied(symbol(text, Class::Word))
    }

    /// A letter or a sign.
    fn sign(&mut self, letter: char) -> Node {
        self.at += 1;
        if let Some((_, over, under)) = HALVES.iter().find(|(half, ..)| *half == letter) {
            let part = |text: &str| vec![symbol(text, Class::Ordinary)];
            return Node::Fraction { over: part(over), under: part(under) };
        }
        let class = match letter {
            '+' | '−' | '·' | '×' => Class::Binary,
            '=' | '←' | '≤' | '≥' | '<' | '>' | '≈' | '∼' | '|' | '→' => Class::Relation,
            ',' | ';' | ':' => Class::Punctuation,
            'Σ' | '∫' | '∇' => Class::Operator,
            _ => Class::Ordinary,
        };
        let (letter, own) = among(&HATTED, letter).map_or((letter, false), |plain| (plain, true));
        let hat = self.takes(HAT) || own;
        Node::Symbol { text: letter.into(), hat, class }
    }

    /// A function with its arguments, which follow at once.
    fn applied(&mut self, function: Node) -> Node {
        if self.peek(0) != Some('(') {
            return function;
        }
        let arguments = self.operand();
        Node::Unit(vec![function, arguments])
    }

    /// Subscripts and superscripts of what was read, and its arguments.
    fn scripted(&mut self, base: Node) -> Node {
        let (mut sub, mut sup) = (Vec::new(), Vec::new());
        while let Some(letter) = self.peek(0) {
            if let Some(low) = among(&SUBSCRIPTS, letter) {
                self.at += 1;
                sub.push(script(low));
            } else if letter == '″' {
                self.at += 1;
                sup.extend([script('′'), script('′')]);
            } else if let Some(high) = among(&SUPERSCRIPTS, letter) {
                self.at += 1;
                sup.push(script(high));
            } else if (letter == '_' || letter == '^') && self.peek(1).is_some_and(|next| next != ' ') {
                self.at += 1;
                let into = if letter == '_' { &mut sub } else { &mut sup };
                // x̂₀_i: two indices.
                if !into.is_empty() {
                    into.push(Node::Space { wide: false });
                }
                into.extend(without_brackets(vec![self.index()]));
            } else {
                break;
            }
        }
        let applies =
            matches!(&base, Node::Symbol { text, class: Class::Ordinary, .. } if text.chars().all(char::is_alphabetic));
        let whole = match (sub.is_empty(), sup.is_empty()) {
            (true, true) => base,
            _ => Node::Scripts { base: Box::new(base), sub, sup },
        };
        if applies { self.applied(whole) } else { whole }
    }

    /// What follows _ or ^: a group, a word, or one sign.
    fn index(&mut self) -> Node {
        match self.peek(0) {
            Some('(') => self.group('(', ')'),
            Some(letter) if letter.is_ascii_digit() => self.number(),
            Some(_) if self.is_word() => {
                let mut text = String::new();
                while let Some(letter) = self.peek(0).filter(char::is_ascii_alphabetic) {
                    text.push(letter);
                    self.at += 1;
                }
                match text.len() {
                    // Two letters are two indices.
                    2 => Node::Unit(text.chars().map(|letter| symbol(letter, Class::Ordinary)).collect()),
                    _ => symbol(text, Class::Word),
                }
            }
            Some(letter) => self.sign(letter),
            None => Node::Unit(Vec::new()),
        }
    }
}

/// 1.0e-5 as 10⁻⁵.
fn power_of_ten(mantissa: &str, exponent: &str) -> Node {
    let number = |text: &str| symbol(text.replace('-', "−"), Class::Ordinary);
    let sup = vec![number(exponent)];
    let power = Node::Scripts { base: Box::new(number("10")), sub: Vec::new(), sup };
    match mantissa.strip_suffix(".0").unwrap_or(mantissa) {
        "1" => power,
        mantissa => Node::Unit(vec![number(mantissa), symbol("·", Class::Ordinary), power]),
    }
}

/// A sign of a script, where + and − are no operations.
fn script(letter: char) -> Node {
    symbol(letter, Class::Ordinary)
}

/// What one pair of brackets holds, where a bar or a vinculum says as much as they do.
fn without_brackets(nodes: Vec<Node>) -> Vec<Node> {
    match <[Node; 1]>::try_from(nodes) {
        Ok([Node::Group { open: '(', body, .. }]) => body,
        Ok([node]) => vec![node],
        Err(nodes) => nodes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A formula written out, with every part in its own brackets.
    fn written(nodes: &[Node]) -> String {
        nodes.iter().map(one).collect()
    }

    fn one(node: &Node) -> String {
        match node {
            Node::Symbol { text, hat, .. } => {
                if *hat {
                    format!("hat({text})")
                } else {
                    text.clone()
                }
            }
            Node::Space { wide } => {
                if *wide {
                    "  ".into()
                } else {
                    " ".into()
                }
            }
            Node::Group { open, close, body } => format!("{open}{}{close}", written(body)),
            Node::Fraction { over, under } => format!("frac{{{}}}{{{}}}", written(over), written(under)),
            Node::Root(body) => format!("sqrt{{{}}}", written(body)),
            Node::Scripts { base, sub, sup } => {
                let low = if sub.is_empty() { String::new() } else { format!("_{{{}}}", written(sub)) };
                let high = if sup.is_empty() { String::new() } else { format!("^{{{}}}", written(sup)) };
                format!("{}{low}{high}", one(base))
            }
            Node::Unit(body) => format!("<{}>", written(body)),
            Node::Term { name, body } => format!("{name}:{{{}}}", written(body)),
        }
    }

    #[track_caller]
    fn reads(line: &str, as_written: &str) {
        assert_eq!(written(&parse(line)), as_written, "{line}");
    }

    #[test]
    fn fractions_take_the_operands_at_their_bar() {
        reads("(σ₋/σ) x", "(frac{σ_{−}}{σ}) x");
        reads("(y − x̂₀) / κ", "frac{y − hat(x)_{0}}{κ}");
        reads("1/(2r) x", "frac{1}{2r} x");
        reads("λ + 2h/3", "λ + frac{2h}{3}");
        reads("√(dσ²/dt) dw", "sqrt{frac{<dσ^{2}>}{<dt>}} <dw>");
        reads("‖e‖ / max(a, b)", "frac{‖e‖}{<max(a, b)>}");
        reads("x ← (x + β_i s) / √(1 − β_i)", "x ← frac{x + β_{i} s}{sqrt{1 − β_{i}}}");
    }

    #[test]
    fn scripts_hats_and_primes_belong_to_their_letter() {
        reads("x̂₀′ ε̂ ŷ κ̂²", "hat(x)_{0}^{′} hat(ε) hat(y) hat(κ)^{2}");
        reads("σ_i² x̂₀_i S_churn", "σ_{i}^{2} hat(x)_{0 i} S_{churn}");
        reads("4500^t e^(−1/2) κ↑²", "4500^{t} e^{−frac{1}{2}} κ_{↑}^{2}");
        reads("x″ h₊", "x^{′′} h_{+}");
    }

    #[test]
    fn roots_cover_one_operand() {
        reads("√β_i z", "sqrt{β_{i}} z");
        reads("√Δt z", "sqrt{<Δt>} z");
        reads("√β(t) dw", "sqrt{<β(t)>} <dw>");
        reads("√(κ κ↓)", "sqrt{κ κ_{↓}}");
    }

    #[test]
    fn words_functions_and_numbers_are_whole() {
        reads("the last state, SDE-DPM", "the last state, SDE-DPM");
        reads("exp(−h) s(x, t) β(t)", "<exp(−h)> <s(x, t)> <β(t)>");
        reads("1.0e-5 2.5e-7 a_ij", "10^{−5} <2.5·10^{−7}> a_{<ij>}");
        reads("g(t)² s", "<g(t)^{2}> s");
        reads("(a)(b)", "(a)(b)");
        reads("p(x₋ | x, x̂₀) |x₁|", "<p(x_{−} | x, hat(x)_{0})> |x_{1}|");
    }

    #[test]
    fn terms_hold_what_they_name() {
        reads("dx = ⟦drift┊−½ β x⟧ dt", "<dx> = drift:{−frac{1}{2} β x} <dt>");
    }

    #[test]
    fn nothing_that_is_not_closed_breaks() {
        for line in ["(x", "√", "_", "a/", "/", "x_", "⟦drift", "‖", "^", "|x", "((((", ""] {
            let _ = parse(line);
        }
        reads("(x", "<(x>");
        for deep in ["(", "√", "a/", "x^", "f("] {
            let _ = parse(&deep.repeat(5000));
        }
    }
}
