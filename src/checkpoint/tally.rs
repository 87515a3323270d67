//! What is to be said of many files: one line for each kind.

use std::fmt::Write;

/// Names that a line gives.
const NAMED: usize = 3;

/// Files by what is to be said of them.
#[derive(Debug, Default)]
pub(super) struct Tally(Vec<Kind>);

#[derive(Debug)]
struct Kind {
    /// What is said of one file, and of several.
    said: [String; 2],
    count: usize,
    /// Of the first few.
    names: Vec<String>,
    /// What stands between the names and that.
    joint: &'static str,
    /// Why, of the first one.
    reason: String,
}

impl Tally {
    /// One more file of which this is to be said; `reason` is given where it is the only one.
    pub fn add(&mut self, said: [&str; 2], name: &str, reason: &str) {
        self.count(said, " ", name, reason);
    }

    /// One more file with this remark on it.
    pub fn note(&mut self, note: &str, name: &str) {
        self.count([note; 2], ": ", name, "");
    }

    fn count(&mut self, said: [&str; 2], joint: &'static str, name: &str, reason: &str) {
        if let Some(kind) = self.0.iter_mut().find(|kind| kind.said == said) {
            kind.count += 1;
            if kind.names.len() < NAMED {
                kind.names.push(name.into());
            }
            return;
        }
        let (said, names) = (said.map(str::to_owned), vec![name.into()]);
        self.0.push(Kind { said, count: 1, names, joint, reason: reason.into() });
    }

    /// One line for each kind, in the order of their first files.
    pub fn lines(&self) -> Vec<String> {
        self.0.iter().map(Kind::line).collect()
    }
}

impl Kind {
    fn line(&self) -> String {
        let names = self.names.join(", ");
        let [one, many] = &self.said;
        let mut line = match self.count {
            1 => format!("{names}{}{one}", self.joint),
            count if count > self.names.len() => format!("{count} files ({names}, …){}{many}", self.joint),
            count => format!("{count} files ({names}){}{many}", self.joint),
        };
        if self.count == 1 && !self.reason.is_empty() {
            let _ = write!(line, ": {}", self.reason);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_named_with_its_reason_and_many_are_counted() {
        let mut tally = Tally::default();
        let (damaged, hidden) = (["is damaged", "are damaged"], ["is hidden", "are hidden"]);
        tally.add(damaged, "a.png", "no end");
        assert_eq!(tally.lines(), ["a.png is damaged: no end"]);
        tally.add(hidden, ".b", "");
        tally.add(damaged, "c.png", "no start");
        assert_eq!(tally.lines(), ["2 files (a.png, c.png) are damaged", ".b is hidden"]);
        ["d", "e"].iter().for_each(|name| tally.add(damaged, name, ""));
        tally.note("It is cut.", "f");
        assert_eq!(tally.lines()[2], "f: It is cut.");
        assert_eq!(tally.lines()[0], "4 files (a.png, c.png, d, …) are damaged");
    }
}
