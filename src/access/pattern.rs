//! The paths of a rule, compared with normal paths (see `web::path`), case-sensitively.

/// The paths of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// This path alone. For the page of a folder, both `/docs/` and `/docs/index.html`.
    Exact(String),
    /// `/admin/*`: `/admin` and everything below; stored as `/admin`. `/*` is stored as the empty string.
    Below(String),
    /// `/*.png`: every path, at any depth, whose last segment ends with `.png` and is longer; stored as `.png`.
    Ending(String),
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(ending) = text.strip_prefix("/*").filter(|rest| rest.starts_with('.')) {
            let named = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let whole = ending.split('.').skip(1).all(named);
            return whole.then(|| Self::Ending(ending.to_owned()));
        }
        let (path, below) = text.strip_suffix("/*").map_or((text, false), |path| (path, true));
        let rooted = path.starts_with('/') || (below && path.is_empty());
        // A pattern with characters that no normal path has would never match. `*` and `%` look like something they are not. S3
        // reads `+` in a path as a space, and a rule must not depend on which of the two it is.
        let odd = |c: char| c.is_control() || matches!(c, '*' | '%' | '\\' | ';' | '?' | '#' | '+' | ' ');
        let dots = path.split('/').any(|segment| segment == "." || segment == "..");
        if !rooted || dots || path.contains(odd) || text.contains("//") {
            return None;
        }
        Some(if below { Self::Below(path.to_owned()) } else { Self::Exact(path.to_owned()) })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => page(path) == page(exact),
            Self::Below(folder) => {
                path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Ending(ending) => path.strip_suffix(ending.as_str()).is_some_and(|start| !start.ends_with('/')),
        }
    }
}

/// One name for the page of a folder, which the site serves under two: a rule for one of them must not leave the other open. The
/// start page is an exception: `/` and `/index.html` have a rule each.
fn page(path: &str) -> &str {
    path.strip_suffix("index.html").filter(|folder| folder.len() > 1 && folder.ends_with('/')).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_for_files_at_any_depth() {
        for (pattern, path, covered) in [
            ("/*.png", "/a.png", true),
            ("/*.png", "/a/b/c.png", true),
            ("/*.png", "/a.b.png", true),
            ("/*.png", "/..png", true),
            ("/*.png", "/.png", false),
            ("/*.png", "/a/.png", false),
            ("/*.png", "/a.png/", false),
            ("/*.png", "/a.png/b", false),
            ("/*.png", "/a.png.html", false),
            ("/*.png", "/a.PNG", false),
            ("/*.png", "/apng", false),
            ("/*.png", "/a.png ", false),
            ("/*.png", "/", false),
            ("/*.png", "/*.png", true),
            ("/*.tar.gz", "/a.tar.gz", true),
            ("/*.tar.gz", "/a.gz", false),
            ("/*.tar.gz", "/.tar.gz", false),
            // A folder's page is covered under its file's name alone.
            ("/*.html", "/docs/index.html", true),
            ("/*.html", "/docs/", false),
        ] {
            assert_eq!(Pattern::parse(pattern).expect(pattern).matches(path), covered, "{pattern} {path}");
        }
    }

    #[test]
    fn an_ending_is_dots_letters_and_digits_at_the_root() {
        for pattern in [
            "/*.", "/*..", "/*.a.", "/*..a", "/*.a..b", "/*.a/b", "/*.a/*", "/*.*", "/*.%70ng", "/*.é", "/*.a b", "/*.a+b",
            "/*a", "/*png", "*.png", ".png", "/a/*.png", "/a*.png", "//*.png",
        ] {
            assert_eq!(Pattern::parse(pattern), None, "{pattern}");
        }
        assert_eq!(Pattern::parse("/*.mp3"), Some(Pattern::Ending(".mp3".to_owned())));
    }
}
