//! The language of the gateway's own pages.

/// A language of the gateway's own pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, the default.
    English,
    /// Korean.
    Korean,
}

impl Language {
    /// The best supported language for an `Accept-Language` header (RFC 9110 §12.5.4).
    #[must_use]
    pub fn negotiate(accept_language: Option<&str>) -> Self {
        let mut best = (Self::English, 0);
        for item in accept_language.unwrap_or_default().split(',').take(MAX_ITEMS) {
            let (range, weight) = item.split_once(';').map_or((item, 1000), |(range, parameter)| (range, thousandths(parameter)));
            let primary = range.trim().split('-').next().unwrap_or_default();
            let language = match primary.to_ascii_lowercase().as_str() {
                "ko" => Self::Korean,
                "en" => Self::English,
                _ => continue,
            };
            if weight > best.1 {
                best = (language, weight);
            }
        }
        best.0
    }

    /// The language tag for `lang` attributes.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }
}

/// `q=0.8` as 800. An invalid value is 0.
fn thousandths(parameter: &str) -> u32 {
    let Some(value) = parameter.trim().strip_prefix("q=") else { return 0 };
    match value.split_once('.') {
        None => {
            if value == "1" {
                1000
            } else {
                0
            }
        }
        Some(("1", _)) => 1000,
        Some(("0", digits)) if digits.len() <= 3 => format!("{digits:0<3}").parse().unwrap_or(0),
        Some(_) => 0,
    }
}

/// Browsers send a handful.
const MAX_ITEMS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_of_our_languages_wins() {
        for (header, language) in [
            (None, Language::English),
            (Some("ko"), Language::Korean),
            (Some("ko-KR,ko;q=0.9,en;q=0.8"), Language::Korean),
            (Some("en-US,en;q=0.9,ko;q=0.8"), Language::English),
            (Some("fr,ko;q=0.5,en;q=0.7"), Language::English),
            (Some("fr,de"), Language::English),
            (Some("ko;q=0"), Language::English),
            (Some(";;;,q=,ko;q=x"), Language::English),
        ] {
            assert_eq!(Language::negotiate(header), language, "{header:?}");
        }
    }
}
