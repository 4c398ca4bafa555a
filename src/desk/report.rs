//! `check --report FILE`: one HTML page that holds everything, pictures included, and needs nothing else.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use super::draw::{Canvas, Place};
use super::scale::scaled;
use super::seen::word;
use crate::geometry::Rect;
use crate::version::VERSION;
use crate::vision::{Face, Thresholds};

/// Longest side of a picture on the page, in pixels: labels can be read, and a thousand photos are a hundred megabytes.
const LONGEST_SIDE: usize = 960;

/// JPEG quality of the pictures on the page, 1 to 100.
const QUALITY: u8 = 82;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The report would take the place of something else.
    #[error("--report {}: that would overwrite a file that is no such report; choose another name, or remove it", .0.display())]
    Overwrite(PathBuf),
    /// The system or the encoder refuses.
    #[error("{}: the report cannot be written: {cause}", path.display())]
    Write {
        /// The report.
        path: PathBuf,
        /// What the system or the encoder says.
        cause: Box<dyn std::error::Error>,
    },
}

/// A report that is being written, picture by picture.
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
    file: BufWriter<File>,
    thresholds: Thresholds,
}

impl Report {
    /// Starts the report `path`, in which faces are judged by `thresholds`.
    ///
    /// # Errors
    ///
    /// [`ReportError`] if the file cannot be made, or is there already and no report.
    pub fn start(path: &Path, thresholds: Thresholds) -> Result<Self, ReportError> {
        // Who writes `--report *.jpg` forgets its name and gives the first picture's.
        if !may_overwrite(path) {
            return Err(ReportError::Overwrite(path.to_owned()));
        }
        let write = |cause: io::Error| ReportError::Write { path: path.to_owned(), cause: cause.into() };
        let mut file = BufWriter::new(File::create(path).map_err(write)?);
        // A clock before 1970 is none.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let title = format!(
            "<header><h1>What maskbell sees</h1><p>{}, version {VERSION}</p></header>\n<main>\n",
            date(now)
        );
        [BEGIN, HEAD, &title].iter().try_for_each(|part| file.write_all(part.as_bytes())).map_err(write)?;
        Ok(Self { path: path.to_owned(), file, thresholds })
    }

    /// Adds a picture of `size` (width, height) in packed `rgb` with the `faces` in it.
    ///
    /// # Errors
    ///
    /// [`ReportError`] if it cannot be written.
    pub fn add(
        &mut self,
        name: &str,
        rgb: &[u8],
        size: (usize, usize),
        faces: &[Face],
    ) -> Result<(), ReportError> {
        let picture = picture(rgb, size, faces, &self.thresholds).map_err(|cause| self.error(cause))?;
        let mut verdicts: Vec<_> = faces.iter().map(|face| word(face.verdict)).collect();
        verdicts.dedup();
        let verdicts = if verdicts.is_empty() { "none".to_owned() } else { verdicts.join(" ") };
        let whole = Rect::new(0.0, 0.0, size.0 as f32, size.1 as f32);
        let mut lines = String::new();
        for face in faces {
            let why = self.thresholds.doubt(face, &whole).map_or(String::new(), |why| format!(": {why}"));
            let Face { verdict, mouth, nose, score, .. } = face;
            // A string takes whatever is written to it.
            let _ = write!(
                lines,
                "<br><b class=\"{}\">{verdict}{why}</b> mouth {mouth:.2}, nose {nose:.2}, face {score:.2}",
                word(*verdict)
            );
        }
        if faces.is_empty() {
            lines.push_str("<br>no face");
        }
        let name = escaped(name);
        let figure = format!(
            "<figure data-is=\"{verdicts}\"><img alt=\"{name}\" loading=\"lazy\" src=\"data:image/jpeg;base64,{}\">\
             <figcaption>{name}{lines}</figcaption></figure>\n",
            base64(&picture)
        );
        self.file.write_all(figure.as_bytes()).map_err(|cause| self.error(cause))
    }

    /// Adds what could not be checked, and why.
    ///
    /// # Errors
    ///
    /// [`ReportError`] if it cannot be written.
    pub fn tell(&mut self, trouble: &str) -> Result<(), ReportError> {
        let figure =
            format!("<figure data-is=\"unread\"><figcaption>{}</figcaption></figure>\n", escaped(trouble));
        self.file.write_all(figure.as_bytes()).map_err(|cause| self.error(cause))
    }

    /// Ends the report with `totals`.
    ///
    /// # Errors
    ///
    /// [`ReportError`] if it cannot be written.
    pub fn end(mut self, totals: &str) -> Result<(), ReportError> {
        let end = format!("</main>\n<p id=\"totals\">{}</p>\n{SCRIPT}", escaped(totals));
        let written = self.file.write_all(end.as_bytes()).and_then(|()| self.file.flush());
        written.map_err(|cause| self.error(cause))
    }

    fn error(&self, cause: impl Into<Box<dyn std::error::Error>>) -> ReportError {
        ReportError::Write { path: self.path.clone(), cause: cause.into() }
    }
}

/// Whether nothing is lost with the file `path`: there is none, it is empty, or it is a report.
fn may_overwrite(path: &Path) -> bool {
    // A terminal or a pipe keeps nothing, and reading from it might never end.
    if !fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() > 0) {
        return true;
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BEGIN.len() as u64).read_to_end(&mut head));
    read.is_ok() && head == BEGIN.as_bytes()
}

/// The picture with its faces as a JPEG file, small enough for a page.
fn picture(
    rgb: &[u8],
    size: (usize, usize),
    faces: &[Face],
    thresholds: &Thresholds,
) -> image::ImageResult<Vec<u8>> {
    let zoom = (LONGEST_SIDE as f32 / size.0.max(size.1) as f32).min(1.0);
    let side = |pixels: usize| ((pixels as f32 * zoom).round() as usize).max(1);
    let (width, height) = (side(size.0), side(size.1));
    let mut pixels = scaled(rgb, size, (width, height));
    let place = Place { zoom, ..Place::whole(width, height) };
    Canvas::new(&mut pixels, width, height).faces(faces, &place, thresholds);
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, QUALITY).encode(
        &pixels,
        width as u32,
        height as u32,
        ExtendedColorType::Rgb8,
    )?;
    Ok(file)
}

/// The moment, so long after the start of 1970, as date and time of UTC.  Days to civil date as in Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms" (`civil_from_days`).
fn date(since_epoch: Duration) -> String {
    let minutes = since_epoch.as_secs() / 60;
    let days = minutes / (24 * 60) + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March is the first.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + year_of_era + era * 400;
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60 % 24, minutes % 60)
}

/// Text for HTML, in quotes or not.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Bytes in base64 (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let mut word = 0;
        for at in 0..3 {
            word = word << 8 | u32::from(three.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            let letter = ALPHABET[(word >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= three.len() { letter.into() } else { '=' });
        }
    }
    text
}

/// By which a report is known, of whatever version.
const BEGIN: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>maskbell check</title>
"#;

const HEAD: &str = r#"<style>
  body { font: 15px/1.4 "DejaVu Sans", sans-serif; margin: 0 1em 2em; background: #202226; color: #eee }
  header { position: sticky; top: 0; background: #202226; padding: .7em 0; z-index: 1 }
  label { margin-right: 1.2em; white-space: nowrap }
  main { display: grid; grid-template-columns: repeat(auto-fill, minmax(22em, 1fr)); gap: 1em }
  figure { margin: 0; background: #2b2e34; border-radius: 4px; overflow: hidden }
  figure.off { display: none }
  img { display: block; width: 100% }
  figcaption { padding: .5em .7em; overflow-wrap: anywhere }
  b { color: #000; padding: 0 .3em; border-radius: 2px }
  .covered { background: #2ecc40 } .bare { background: #ff483c } .nose_out { background: #ffa01c } .unsure { background: #b0b0b0 }
  h1 { font-size: 1.3em; margin: 0; display: inline } h1 + p { display: inline; margin-left: 1em; color: #b0b0b0 }
</style>
"#;

/// Without it everything is shown.
const SCRIPT: &str = r#"<script>
const words = { covered: "covered", nose_out: "nose out", bare: "bare", unsure: "unsure", none: "no face", unread: "not read" }
const figures = [...document.querySelectorAll("figure")].map(element => ({ element, is: element.dataset.is.split(" ") }))
const header = document.querySelector("header"), on = new Set(Object.keys(words))
header.append(document.getElementById("totals"))
for (const [is, word] of Object.entries(words)) {
  const count = figures.filter(figure => figure.is.includes(is)).length
  if (!count) continue
  const label = document.createElement("label"), box = document.createElement("input"), name = document.createElement("b")
  box.type = "checkbox"; box.checked = true; box.id = "show-" + is
  name.textContent = word; name.className = is
  if (is == "none" || is == "unread") name.style.color = "inherit"
  label.append(box, " ", name, " " + count)
  header.append(label)
  box.addEventListener("change", () => {
    box.checked ? on.add(is) : on.delete(is)
    for (const figure of figures) figure.element.classList.toggle("off", !figure.is.some(is => on.has(is)))
  })
}
</script>
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::Verdict;

    #[test]
    fn base64_is_that_of_the_standard() {
        // RFC 4648, section 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn a_report_says_when_it_was_made() {
        // As `date -u -d @…` says.
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59 UTC"),
        ] {
            assert_eq!(date(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn names_are_no_markup() {
        assert_eq!(escaped("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }

    #[test]
    fn pictures_on_the_page_are_no_larger_than_a_page() {
        let face = |bounds| Face {
            bounds,
            score: 0.9,
            mouth: 0.9,
            nose: 0.9,
            presence: 0.9,
            mouth_bounds: None,
            nose_bounds: None,
            verdict: Verdict::Bare,
        };
        let faces = [face(Rect::new(1000.0, 600.0, 1800.0, 1400.0))];
        let file =
            picture(&vec![255; 4000 * 2000 * 3], (4000, 2000), &faces, &Thresholds::default()).unwrap();
        let page = image::load_from_memory(&file).unwrap().into_rgb8();
        assert_eq!(page.dimensions(), (960, 480));
        let [red, green, _] = page.get_pixel(240, 240).0;
        assert!(red > 200 && green < 150, "the box's edge");
    }
}
