//! The paths of a rule, compared with normal paths (see `web::path`), case-sensitively.

/// The paths of a rule or of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This path alone. For the page of a folder, both `/docs/` and `/docs/index.html`.
    Exact(String),
    /// `/admin/*`: `/admin` and everything below; stored as `/admin`. `/*` is stored as the empty string.
    Below(String),
    /// `/*.png`: every path, at any depth, whose last segment ends with `.png` and is longer; stored as `.png`.
    Ending(String),
}

impl Pattern {
    /// Parses `/about`, `/admin/*` or `/*.png`; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
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

    /// Whether a normal path is one of these.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => page(path) == page(exact),
            Self::Below(folder) => {
                path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Ending(ending) => path.strip_suffix(ending.as_str()).is_some_and(|start| !start.ends_with('/')),
        }
    }
}

impl Pattern {
    /// Whether all of `others` are among these paths.
    pub(super) fn covers(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::Ending(ending), Self::Ending(other)) => other.ends_with(ending.as_str()),
            (Self::Below(folder), Self::Ending(_)) => folder.is_empty(),
            (Self::Exact(_), Self::Below(_) | Self::Ending(_)) | (Self::Ending(_), Self::Below(_)) => false,
            (_, Self::Exact(other) | Self::Below(other)) => self.matches(other),
        }
    }

    /// Whether some of `others` are among these paths.
    pub(super) fn overlaps(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::Exact(path), _) => others.matches(path),
            (_, Self::Exact(path)) => self.matches(path),
            (Self::Below(folder), Self::Below(other)) => self.matches(other) || others.matches(folder),
            // Any folder may have such a file.
            (Self::Ending(_), Self::Below(_)) | (Self::Below(_), Self::Ending(_)) => true,
            (Self::Ending(_), Self::Ending(_)) => self.covers(others) || others.covers(self),
        }
    }
}

/// Whether a text is an exact path, in the one spelling that rules, site and origin share.
#[must_use]
pub fn is_exact_path(text: &str) -> bool {
    matches!(Pattern::parse(text), Some(Pattern::Exact(_)))
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
