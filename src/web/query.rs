//! Query strings (`application/x-www-form-urlencoded`), decoded exactly once.

use std::borrow::Cow;

/// A parameter stood there more than once (RFC 6749 §3.1 forbids it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parameter repeated")]
pub struct Repeated;

/// A query string.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// The query of a URL, without the question mark.
    #[must_use]
    pub fn new(raw: &'a str) -> Self {
        Self(raw)
    }

    /// The one value of `name`; absent is `None`.
    ///
    /// # Errors
    /// It stands there more than once: neither the first nor the last is the right one.
    pub fn one(&self, name: &str) -> Result<Option<Cow<'a, str>>, Repeated> {
        let mut values = url::form_urlencoded::parse(self.0.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value);
        let first = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(first) }
    }
}

/// Encodes one value for a query or a form body.
#[must_use]
pub fn encode(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_decoded_once() {
        let query = Query::new("a=1%2B2&b=x%2526y&c&d=+");
        assert_eq!(query.one("a"), Ok(Some("1+2".into())));
        assert_eq!(query.one("b"), Ok(Some("x%26y".into())));
        assert_eq!(query.one("c"), Ok(Some("".into())));
        assert_eq!(query.one("d"), Ok(Some(" ".into())));
        assert_eq!(query.one("e"), Ok(None));
    }

    #[test]
    fn a_repeated_parameter_is_refused_in_every_spelling() {
        assert_eq!(Query::new("code=1&code=2").one("code"), Err(Repeated));
        assert_eq!(Query::new("code=1&c%6fde=1").one("code"), Err(Repeated));
    }
}
