//! `Warning` headers: code 299, no agent, and a text that is kept short where there are many, as clients limit headers.

use actix_web::http::header::HeaderValue;

/// Characters of all texts together up to which they are sent whole.
const WHOLE_MAX_CHARS: usize = 4 << 10;
/// Characters of one text where they are more.
const CUT_CHARS: usize = 256;

/// One header for each warning, in order; where texts had to be cut, those that come after enough are left out.
pub(crate) fn headers(warnings: Vec<String>) -> impl Iterator<Item = HeaderValue> {
    fitting(warnings).into_iter().filter_map(|text| header(&text))
}

/// As the reference, a text with control characters is not sent.
fn header(text: &str) -> Option<HeaderValue> {
    if text.chars().any(char::is_control) {
        return None;
    }
    HeaderValue::from_bytes(format!("299 - \"{}\"", quoted(text)).as_bytes()).ok()
}

fn quoted(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"")
}

/// The texts as they are if they fit. If not, those up to the first that did not fit are cut and kept, and those after it as
/// long as what is kept of them all still fits.
fn fitting(warnings: Vec<String>) -> Vec<String> {
    let mut chars = 0;
    let too_many = warnings.iter().position(|text| {
        chars += text.chars().count();
        chars > WHOLE_MAX_CHARS
    });
    let Some(too_many) = too_many else { return warnings };
    let mut kept = Vec::with_capacity(warnings.len());
    let mut chars = 0;
    for (at, text) in warnings.into_iter().enumerate() {
        if at > too_many && chars >= WHOLE_MAX_CHARS {
            break;
        }
        let cut: String = text.chars().take(CUT_CHARS).collect();
        chars += cut.chars().count();
        kept.push(cut);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(warnings: &[usize]) -> Vec<usize> {
        fitting(warnings.iter().map(|chars| "x".repeat(*chars)).collect()).iter().map(String::len).collect()
    }

    #[test]
    fn texts_that_fit_together_are_sent_whole() {
        assert_eq!(lengths(&[4000, 96]), [4000, 96]);
    }

    #[test]
    fn texts_that_do_not_fit_are_cut_and_then_left_out() {
        assert_eq!(lengths(&[4000, 97, 300]), [256, 97, 256]);
        assert_eq!(lengths(&[300; 40]), [256; 16]);
    }

    #[test]
    fn quotes_do_not_leave_the_text_and_what_controls_is_not_sent() {
        let sent = header("say \"é\\b\"").unwrap();
        assert_eq!(sent.as_bytes(), r#"299 - "say \"é\\b\"""#.as_bytes());
        assert!(header("two\nlines").is_none());
    }
}
