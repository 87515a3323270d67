//! Text of strangers (names, cards, fields of files) on its way to a terminal or a window.

use std::borrow::Cow;

/// A number of things: 1 image, 2 images.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Characters that a name is shown with; longer ones are cut.
pub const LONGEST_NAME: usize = 80;
/// Characters of a line. No sentence of the program's own comes near.
const LONGEST_LINE: usize = 4000;

/// Whether a character does something else than to be seen: control characters steer terminals, format and bidirectional
/// ones hide or turn round what stands beside them (Unicode categories Cc, Cf, Zl, Zp).
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// The text with such characters written out (`\u{1b}`), its names cut, see [`line`]. Line breaks stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    match text.contains('\n') {
        true => Cow::Owned(text.split('\n').map(line).collect::<Vec<_>>().join("\n")),
        false => line(text),
    }
}

/// The same in one line: line breaks are written out, too. Each word is cut at [`LONGEST_NAME`] characters unless it is a
/// path, the whole at some thousand.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_NAME && !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let word = |word: &str| escaped(word, if word.contains(['/', '\\']) { LONGEST_LINE } else { LONGEST_NAME });
    Cow::Owned(cut(&text.split(' ').map(word).collect::<Vec<_>>().join(" "), LONGEST_LINE))
}

/// A name in one line: escaped, and cut at [`LONGEST_NAME`] characters.
pub fn name(text: &str) -> String {
    escaped(text, LONGEST_NAME)
}

/// At most `most` characters of a text, with an ellipsis where it goes on, and the hidden ones written out.
fn escaped(text: &str, most: usize) -> String {
    let mut out = String::new();
    for letter in cut(text, most).chars() {
        if is_hidden(letter) { out.extend(letter.escape_unicode()) } else { out.push(letter) }
    }
    out
}

/// At most `most` characters of a text, with an ellipsis where it goes on.
fn cut(text: &str, most: usize) -> String {
    let mut letters = text.chars();
    let mut out: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_turns_text_round_is_written_out() {
        assert_eq!(printable("a\x1b]0;t\x07b\r\u{202e}c\u{200b}"), r"a\u{1b}]0;t\u{7}b\u{d}\u{202e}c\u{200b}");
        assert_eq!(printable("ä∇ₓ\nέ 画像"), "ä∇ₓ\nέ 画像");
        assert_eq!(line("one\ntwo"), r"one\u{a}two");
        assert_eq!(name("one\ntwo\u{85}"), r"one\u{a}two\u{85}");
    }

    #[test]
    fn names_are_cut_by_characters() {
        let long = "ä".repeat(81);
        assert_eq!(name(&long), format!("{}…", "ä".repeat(80)));
        assert_eq!(name(&"ä".repeat(80)), "ä".repeat(80));
        assert_eq!(printable(&format!("a {long} b")), format!("a {}… b", "ä".repeat(80)));
        let path = format!("/{}", "x/".repeat(100));
        assert_eq!(printable(&path), path, "a path is of use only as a whole");
        assert!(printable(&"/x".repeat(15 << 20)).chars().count() <= LONGEST_LINE + 1);
    }
}
