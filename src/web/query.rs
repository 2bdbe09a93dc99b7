//! Query strings (`application/x-www-form-urlencoded`), decoded exactly once.

use std::borrow::Cow;

use url::form_urlencoded;

/// A parameter is repeated (RFC 6749 §3.1 forbids it).
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
    /// The parameter is repeated: neither the first nor the last value can be trusted.
    pub fn one(&self, name: &str) -> Result<Option<Cow<'a, str>>, Repeated> {
        let mut values = form_urlencoded::parse(self.0.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value);
        let first = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(first) }
    }
}

/// The query without the parameters of this name; the others stay as they are written.
#[must_use]
pub fn without(query: &str, name: &str) -> String {
    let is_other = |pair: &&str| form_urlencoded::parse(pair.as_bytes()).all(|(key, _)| key != name);
    query.split('&').filter(is_other).collect::<Vec<_>>().join("&")
}

/// Encodes one value for a query or a form body.
#[must_use]
pub fn encode(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
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
    fn a_parameter_is_found_by_its_exact_name() {
        let query = Query::new("&&Code=1&codes=2&xcode=3&code%00=4&=5&code%20=6&a=code&b;code=7&code[]=8");
        assert_eq!(query.one("code"), Ok(None));
        assert_eq!(query.one("Code"), Ok(Some("1".into())));
        assert_eq!(query.one(""), Ok(Some("5".into())));
        assert_eq!(Query::new("%63ode=1").one("code"), Ok(Some("1".into())));
        assert_eq!(Query::new("").one("code"), Ok(None));
    }

    #[test]
    fn broken_encoding_stays_what_it_is() {
        let query = Query::new("a=%&b=%4&c=%zz&d=%ff&e=1=2&f=a;b");
        for (name, value) in [("a", "%"), ("b", "%4"), ("c", "%zz"), ("d", "\u{fffd}"), ("e", "1=2"), ("f", "a;b")] {
            assert_eq!(query.one(name), Ok(Some(value.into())), "{name}");
        }
    }

    #[test]
    fn a_repeated_parameter_is_refused_in_every_spelling() {
        for raw in [
            "code=1&code=2",
            "code=1&code=1",
            "code=1&c%6fde=1",
            "code=1&%63%6F%64%65=",
            "code&code",
            "code=&state=s&code=1",
            "code=1&code",
            "code=1&code=2&code=3",
        ] {
            assert_eq!(Query::new(raw).one("code"), Err(Repeated), "{raw}");
        }
        assert_eq!(Query::new("state=1&code=2&state=3").one("code"), Ok(Some("2".into())), "another one is no matter");
    }

    #[test]
    fn a_parameter_is_removed_in_every_spelling_and_the_rest_stays_as_written() {
        for (query, rest) in [
            ("", ""),
            ("token=x", ""),
            ("a=%7E&token=x&b=+&token", "a=%7E&b=+"),
            ("%74oken=x&Token=y&tokens=z", "Token=y&tokens=z"),
            ("a=token&token=", "a=token"),
        ] {
            assert_eq!(without(query, "token"), rest, "{query}");
        }
    }

    #[test]
    fn an_encoded_value_cannot_leave_its_place() {
        for (value, encoded) in [
            ("", ""),
            ("aZ09-._*", "aZ09-._*"),
            ("a b", "a+b"),
            ("a&b=c#d?e+f%", "a%26b%3Dc%23d%3Fe%2Bf%25"),
            ("ü", "%C3%BC"),
            ("\r\n", "%0D%0A"),
        ] {
            assert_eq!(encode(value), encoded, "{value:?}");
            assert_eq!(Query::new(&format!("v={encoded}&w=1")).one("v"), Ok(Some(value.into())), "{value:?}");
        }
    }
}
