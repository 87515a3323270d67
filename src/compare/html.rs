//! A report of one file, which needs nothing else to be read.

use super::{Chart, CompareError, Comparison, Cost, Font, Reading, Results, chart_svg, published};
use crate::Pixels;
use crate::checkpoint::grid_image;
use crate::sde::Range;
use image::ImageFormat;
use std::fmt::Write;
use std::io::Cursor;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#223}\
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .7em;border-bottom:1px solid #dde;text-align:right}\
td:first-child,th:first-child{text-align:left}tr.best{background:#fdf0e8}\
pre{background:#f3f4f7;padding:.8em;overflow-x:auto;white-space:pre-wrap}figure{display:inline-block;margin:.5em}\
img{image-rendering:pixelated}figcaption,.note{color:#667;font-size:13px}svg{max-width:100%;height:auto}\
details{margin:1em 0}";

/// The report, with the first images of each cell where there are any.
///
/// # Errors
/// If a chart or an image cannot be drawn.
pub fn html(results: &Results, images: &[Option<Pixels<f32>>], font: Font) -> Result<String, CompareError> {
    let Results { comparison, .. } = results;
    let mut page = String::new();
    let title = format!("{} of {}", results.metric, results.model);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title><style>{STYLE}</style></head>\
         <body>\n<h1>{0}</h1>\n",
        escaped(&title)
    );
    let _ = write!(page, "{}", about(results));
    for cost in [Cost::Evaluations, Cost::Seconds] {
        let chart = Chart { results, cost, published: false, font };
        let _ = writeln!(page, "{}", chart_svg(&chart)?);
    }
    let _ = write!(page, "<h2>Figures</h2>\n{}", table(results));
    let _ =
        write!(page, "<h2>Samples</h2>\n<p class=\"note\">The first {} of each, from equal noise.</p>\n", super::FIRST);
    for (cell, images) in results.cells.iter().zip(images) {
        if let Some(image) = images.as_ref().map(data_uri).transpose()?.flatten() {
            let name = escaped(&cell.name);
            let _ = writeln!(
                page,
                "<figure><img src=\"{image}\" alt=\"Samples of {name}\"><figcaption>{name}</figcaption></figure>"
            );
        }
    }
    let _ = write!(page, "{}{}", agreements(results), others());
    let file = serde_json::to_string_pretty(comparison).unwrap_or_default();
    let _ = write!(
        page,
        "<h2>Make it again</h2>\n<pre>{}</pre>\n<details><summary>comparison.json</summary><pre>{}</pre></details>\n\
         </body></html>\n",
        escaped(&comparison.command("report.html")),
        escaped(&with_version(&file))
    );
    Ok(page)
}

/// The comparison's file, as `--config` reads it.
fn with_version(json: &str) -> String {
    json.replacen('{', "{\n  \"score-explorer-comparison\": 1,", 1)
}

/// How many samples, of what, with which features, where.
fn about(results: &Results) -> String {
    let Results { comparison: Comparison { count, seed, .. }, .. } = results;
    let of = results.reference_count.map_or(String::new(), |count| format!(", {count} images"));
    let mut page = format!(
        "<p>{} samples of each preset, seed {seed}. Features: {}. Reference: {}{of}. Computed on {}.</p>\n",
        count.get(),
        escaped(&results.features),
        escaped(&results.reference),
        escaped(&results.machine)
    );
    if let Some(few) = results.few() {
        let _ = writeln!(page, "<p class=\"note\">{}.</p>", escaped(&few));
    }
    page
}

fn table(results: &Results) -> String {
    let measures = results.measures();
    let heads: String = measures.iter().map(|name| format!("<th>{}</th>", escaped(name))).collect();
    let mut page =
        format!("<table><tr><th>Preset</th><th>Samples</th><th>Evaluations</th><th>Seconds</th>{heads}</tr>\n");
    for cell in &results.cells {
        let class = if cell.best_by_evaluations { " class=\"best\"" } else { "" };
        let _ = write!(
            page,
            "<tr{class}><td>{}</td><td>{}</td><td>{:.1}</td><td>{:.3}</td>",
            escaped(&cell.name),
            cell.count,
            cell.evaluations,
            cell.seconds
        );
        let _ = match &cell.failure {
            Some(failure) => write!(page, "<td colspan=\"{}\">{}</td>", measures.len(), escaped(failure)),
            None => measures.iter().try_for_each(|name| {
                write!(page, "<td>{}</td>", results.reading(cell, name).map_or("–".into(), Reading::words))
            }),
        };
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n<p class=\"note\">Shaded: no other preset is as cheap in evaluations and as near. In brackets: 95% of resampled sets.</p>\n");
    page
}

/// How much presets' images differ from equal noise.
fn agreements(results: &Results) -> String {
    if results.agreement.iter().flatten().all(Option::is_none) {
        return String::new();
    }
    let head: String = (1..=results.cells.len()).map(|number| format!("<th>{number}</th>")).collect();
    let rows: String = results
        .cells
        .iter()
        .zip(&results.agreement)
        .enumerate()
        .map(|(index, (cell, row))| {
            let figures: String = row
                .iter()
                .map(|value| format!("<td>{}</td>", value.map_or("–".into(), |value| format!("{value:.4}"))))
                .collect();
            format!("<tr><td>{} {}</td>{figures}</tr>\n", index + 1, escaped(&cell.name))
        })
        .collect();
    format!(
        "<h2>Agreement</h2>\n<p class=\"note\">Mean squared difference of the first {} samples from equal noise, of \
         images in [0, 1].</p>\n<table><tr><th></th>{head}</tr>\n{rows}</table>\n",
        super::FIRST
    )
}

/// What others published, apart from what was measured here.
fn others() -> String {
    let rows: String = published()
        .iter()
        .map(|figure| {
            let std = figure.std.map_or(String::new(), |std| format!(" ± {std}"));
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}{std}</td><td>{}</td></tr>\n",
                escaped(&figure.name),
                figure.evaluations,
                figure.fid,
                escaped(&figure.source)
            )
        })
        .collect();
    format!(
        "<details><summary>Published figures, of other models and features: FID of 50,000 samples of CIFAR-10</summary>\n\
         <table><tr><th>Sampler</th><th>Evaluations</th><th>FID</th><th>Source</th></tr>\n{rows}</table></details>\n"
    )
}

/// A grid of images as part of a page; `None` of samples that are not images.
fn data_uri(images: &Pixels<f32>) -> Result<Option<String>, CompareError> {
    if images.shape[0] == 0 || ![1, 3].contains(&images.shape[1]) {
        return Ok(None);
    }
    let zoom = (64 / images.shape[2].max(1)).clamp(1, 4);
    let mut bytes = Cursor::new(Vec::new());
    let image = grid_image(images, Range::Unit, zoom);
    image.write_to(&mut bytes, ImageFormat::Png).map_err(|error| CompareError::Chart(error.to_string()))?;
    Ok(Some(format!("data:image/png;base64,{}", base64(bytes.get_ref()))))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(DIGITS[(bits & 63) as usize]);
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        let digits = [18, 12, 6, 0].map(|shift| digit(bits >> shift));
        text.extend(digits.iter().take(group.len() + 1));
        text.extend(std::iter::repeat_n('=', 3 - group.len()));
    }
    text
}

/// Text as a page has it: it may be a stranger's.
fn escaped(text: &str) -> String {
    let line = crate::text::line(text);
    if text.contains('\n') {
        return text.lines().map(escaped).collect::<Vec<_>>().join("\n");
    }
    line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10.
    #[test]
    fn bytes_are_written_as_published() {
        let written = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(written, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn names_of_strangers_are_no_markup() {
        assert_eq!(escaped("<script>\"a\" & b"), "&lt;script&gt;&quot;a&quot; &amp; b");
    }
}
