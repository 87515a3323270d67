//! What a file is that is not what was expected: said by its first bytes, with what to do.

/// Bytes that are enough to tell.
pub(super) const START: u64 = 512;

/// What a file is, and what to do if that is not simply to choose another.
type Kind = (&'static str, Option<&'static str>);

const JSON: &str = "JSON text, such as a configuration or the error message of a server";
const PLAIN: &str = "plain text";
const EMPTY: &str = "it is empty; download or write it again";
const UNPACK: Option<&str> = Some("unpack it, and choose the file inside");

/// Files that begin so.
const SIGNATURES: [(&[u8], Kind); 27] = [
    (
        b"version https://git-lfs.github.com/spec",
        (
            "a Git LFS pointer, which stands for a file that was not downloaded",
            Some("run `git lfs pull` in its repository, or download the file from its page"),
        ),
    ),
    (b"\x89PNG", ("a PNG image", None)),
    (b"\xff\xd8\xff", ("a JPEG image", None)),
    (b"GIF8", ("a GIF image", None)),
    (b"BM", ("a BMP image", None)),
    (b"II*\0", ("a TIFF image", None)),
    (b"MM\0*", ("a TIFF image", None)),
    (b"\0\0\0\x0cjP  ", ("a JPEG 2000 image", None)),
    (b"\0\0\0\x0cJXL ", ("a JPEG XL image", None)),
    (b"\xff\x0a", ("a JPEG XL image", None)),
    (b"8BPS", ("a Photoshop image", None)),
    (b"%PDF", ("a PDF document", None)),
    (b"PK\x03\x04", ("a zip archive", None)),
    (b"\x1f\x8b", ("a gzip archive", UNPACK)),
    (b"BZh", ("a bzip2 archive", UNPACK)),
    (b"\xfd7zXZ", ("an xz archive", UNPACK)),
    (b"\x28\xb5\x2f\xfd", ("a zstd archive", UNPACK)),
    (b"7z\xbc\xaf", ("a 7-Zip archive", UNPACK)),
    (b"Rar!", ("a RAR archive", UNPACK)),
    (b"\x89HDF", ("an HDF5 file, as Keras writes", None)),
    (b"GGUF", ("a GGUF file", None)),
    (b"\x93NUMPY", ("a NumPy array", None)),
    (b"\x80\x02", ("a Python pickle", None)),
    (b"\x80\x03", ("a Python pickle", None)),
    (b"\x80\x04", ("a Python pickle", None)),
    (b"\x80\x05", ("a Python pickle", None)),
    (b"\x7fELF", ("a program", None)),
];

/// Whether a file that begins so is a tar archive (POSIX ustar, or GNU's).
pub(super) fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar")
}

/// What a file that begins so is; `None` where that is not known.
fn kind(start: &[u8]) -> Option<Kind> {
    let signed = SIGNATURES.iter().find(|(signature, _)| start.starts_with(signature)).map(|(_, kind)| *kind);
    let inside = |place: std::ops::Range<usize>, bytes: &[u8]| start.get(place) == Some(bytes);
    if signed.is_some() {
        signed
    } else if is_tar(start) {
        Some(("a tar archive", UNPACK))
    } else if inside(8..12, b"WEBP") {
        Some(("a WebP image", None))
    } else if inside(4..8, b"ftyp") {
        match start.get(8..12) {
            Some(b"avif" | b"avis") => Some(("an AVIF image", None)),
            Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1") => Some(("a HEIC image", None)),
            _ => Some(("a video", None)),
        }
    } else if matches!(start, [0, 0, 1, 0, count, 0, ..] if *count > 0) {
        Some(("an ICO image", None))
    } else if matches!(start, [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..]) {
        Some(("a PPM image", None))
    } else {
        text(start)
    }
}

/// What a text is.
fn text(start: &[u8]) -> Option<Kind> {
    // The end may be within a letter.
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(start.get(..error.valid_up_to())?).ok()?,
        Err(_) => return None,
    };
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).to_ascii_lowercase();
    let again = Some("download the file itself, and log in first where its page asks for it");
    if text.starts_with("<!doctype html") || ["<html", "<head", "<!--"].iter().any(|tag| text.starts_with(tag)) {
        Some(("a web page, such as one for a login or of an error", again))
    } else if text.starts_with('<') && text.contains("<svg") {
        Some(("an SVG image", None))
    } else if text.starts_with('<') {
        Some(("an XML document, such as the error message of a server", again))
    } else if text.starts_with(['{', '[']) {
        Some((JSON, None))
    } else {
        let plain = |letter: char| !letter.is_control() || letter.is_whitespace();
        (!text.is_empty() && text.chars().all(plain)).then_some((PLAIN, None))
    }
}

/// Says what a file is, else that it is `other`, and what to do, else what `usual` says.
pub(super) fn sentence(start: &[u8], other: &str, usual: &str) -> String {
    if start.is_empty() {
        return EMPTY.into();
    }
    let (what, remedy) = kind(start).unwrap_or((other, None));
    format!("it is {what}; {}", remedy.unwrap_or(usual))
}

/// What a file is that nobody who wants another kind can use, as [`sentence`] says it.
pub(super) fn named(start: &[u8], usual: &str) -> Option<String> {
    kind(start).map(|_| sentence(start, "", usual))
}

/// Why a file is not read as a picture, and what to do.
pub(super) fn no_picture(start: &[u8]) -> String {
    match kind(start) {
        Some((what, _)) if what.ends_with(" image") => {
            format!("it is {what}, which is not read; save it as PNG or JPEG")
        }
        _ => sentence(start, "not an image of a known kind", "choose a PNG, JPEG, GIF, BMP or WebP image"),
    }
}

/// Why a file that should hold settings as text (JSON or YAML) does not, and what to do; `None` where it may.
pub(super) fn no_settings(bytes: &[u8]) -> Option<String> {
    let start = bytes.get(..START as usize).unwrap_or(bytes);
    match kind(start) {
        _ if bytes.trim_ascii().is_empty() => Some(EMPTY.into()),
        None | Some((JSON | PLAIN, _)) => None,
        Some(_) => Some(sentence(start, "", "choose the text file that holds it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_their_first_bytes() {
        let page = format!("\u{feff}\r\n <!DOCTYPE HTML><title>{}", "é".repeat(300));
        let mut tar = vec![b'x'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (start, what) in [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:".as_slice(), "Git LFS pointer"),
            (page.as_bytes(), "web page"),
            (&page.as_bytes()[..511], "web page"),
            (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied", "XML document"),
            (b" {\"error\": \"gated\"}", "JSON text"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "WebP image"),
            (b"<!-- saved --><html>", "web page"),
            (b"<?xml version=\"1.0\"?><svg xmlns=", "SVG image"),
            (b"\0\0\0\x18ftypheic", "a HEIC image"),
            (b"\0\0\0\x1cftypavif", "an AVIF image"),
            (b"\0\0\0\x18ftypmp42", "a video"),
            (b"\0\0\x01\0\x01\0\x10\x10", "an ICO image"),
            (b"P6\n8 8\n255\n", "a PPM image"),
            (b"", "empty"),
            (&tar, "tar archive"),
            (b"access denied\n", "plain text"),
        ] {
            let said = sentence(start, "other", "choose another");
            assert!(said.contains(what) && said.contains("; "), "{said}");
        }
        assert_eq!(sentence(b"\x01\x02\x03", "other", "choose another"), "it is other; choose another");
        assert_eq!(kind(b""), None);
    }
}
