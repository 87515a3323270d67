//! As much of YAML as configurations use: sections of plain fields.

use super::foreign;
use serde_json::{Map, Value};

/// The same fields as JSON. Tags (`!!python/object:argparse.Namespace`, as PyYAML writes them), comments, lists and what
/// lies deeper than a section's fields are passed over.
///
/// # Errors
/// The first line that is neither; the sentence continues from the file.
pub(super) fn to_json(text: &str) -> Result<String, String> {
    if let Some(reason) = foreign::no_settings(text.as_bytes()) {
        return Err(reason);
    }
    let mut root = Map::new();
    // The section that is being read, and how far its fields are set in.
    let mut section: Option<(String, usize)> = None;
    for (number, line) in text.lines().enumerate() {
        let line = without_comment(line).trim_end();
        let content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with(['-', '%', '!']) || content == "..." {
            continue;
        }
        let Some((name, value)) = content.split_once(':') else {
            return Err(format!("line {} is not `name: value`; give the configuration as published", number + 1));
        };
        let (name, value) = (unquoted(name.trim()), untagged(value.trim()));
        match (line.len() - content.len(), &mut section) {
            (0, _) if value.is_empty() => {
                root.insert(name.to_owned(), Value::Object(Map::new()));
                section = Some((name.to_owned(), 0));
            }
            (0, section) => {
                root.insert(name.to_owned(), scalar(value));
                *section = None;
            }
            (inset, Some((section, known))) => {
                *known = if *known == 0 { inset } else { *known };
                if let Some(Value::Object(fields)) = root.get_mut(section.as_str()).filter(|_| inset == *known) {
                    fields.insert(name.to_owned(), scalar(value));
                }
            }
            (_, None) => {}
        }
    }
    Ok(Value::Object(root).to_string())
}

/// What stands before a `#` that begins a line or follows a space, outside of quotes.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (place, letter) in line.char_indices() {
        match quote {
            Some(opened) if letter == opened => quote = None,
            Some(_) => {}
            None if letter == '#' && before.is_whitespace() => return &line[..place],
            None if matches!(letter, '"' | '\'') && before.is_whitespace() => quote = Some(letter),
            None => {}
        }
        before = letter;
    }
    line
}

/// A value without the tag before it.
fn untagged(value: &str) -> &str {
    match value.strip_prefix('!') {
        Some(tagged) => tagged.split_once(' ').map_or("", |(_, value)| value.trim_start()),
        None => value,
    }
}

fn unquoted(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

/// A number, a truth value, nothing, or text.
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" => return Value::Null,
        "true" | "True" => return Value::Bool(true),
        "false" | "False" => return Value::Bool(false),
        _ => {}
    }
    let whole = text.parse::<i64>().ok().map(Value::from);
    let number = || text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from);
    whole.or_else(number).unwrap_or_else(|| unquoted(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sections_of_plain_fields_are_read_as_yaml_means_them() {
        let text = "--- # a configuration\n\
                    !!python/object:argparse.Namespace\n\
                    data: !!python/object:argparse.Namespace\n\
                    \x20 dataset: \"LSUN\"\n\
                    ## celeba\n\
                    #  image_size: 32\n\
                    \x20 image_size: 96   # pixels\n\
                    \x20 colour: 'a #1'\n\
                    \n\
                    model:\r\n\
                    \x20   sigma_end: 0.01\r\n\
                    \x20   eps: 1e-8\n\
                    \x20   deep:\n\
                    \x20     sigma_end: 3\n\
                    \x20   ema: True\n\
                    \x20   name:\n\
                    device: !!python/object/apply:torch.device\n\
                    - cuda\n\
                    seed: -42\n";
        let expected = json!({
            "data": { "dataset": "LSUN", "image_size": 96, "colour": "a #1" },
            "model": { "sigma_end": 0.01, "eps": 1e-8, "deep": null, "ema": true, "name": null },
            "device": {},
            "seed": -42,
        });
        let read: Value = serde_json::from_str(&to_json(text).unwrap()).unwrap();
        assert_eq!(read, expected);
        for (text, reason) in [
            ("data:\n  some words", "line 2 is not"),
            (" \n", "it is empty; "),
            ("<!DOCTYPE html>\n<a href='x:y'>", "it is a web page"),
            ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a Git LFS pointer"),
        ] {
            assert!(to_json(text).unwrap_err().starts_with(reason), "{text}");
        }
    }
}
