//! Web addresses, read and written as browsers do (WHATWG URL §4.4), or not at all.
//!
//! Only what reaches the gateway: `http` and `https`, hosts in ASCII. The runtime hands on a request's address as the client
//! wrote it, so dot segments, backslashes and capitals are resolved here. A host in another script is no host of ours in any
//! reading, and browsers write it in ASCII: refusing it saves the tables of all scripts.

use crate::percent;

/// An absolute `http` or `https` address without user info, in the browser's spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: String,
    /// Where the path begins.
    path_at: usize,
}

impl Address {
    /// Reads an absolute address. Scheme and host come out in small letters, without the default port; the rest as
    /// [`resolve`] says. `None` for control characters, user info and a host that is not in ASCII. An IPv6 host stays as
    /// written, and so does `xn--…`: whether there is one is not asked.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return None;
        }
        let (scheme, rest) = split_scheme(text)?;
        let (authority, rest) = split_authority(rest.strip_prefix("//")?);
        let (host, port) = split_port(authority)?;
        let host = host.to_ascii_lowercase();
        if !is_host(&host) {
            return None;
        }
        let port = port.filter(|port| *port != if scheme == HTTPS { 443 } else { 80 });
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let mut address = String::with_capacity(text.len());
        address.extend([scheme, "//", &host, &port]);
        let path_at = address.len();
        push_resolved(&mut address, rest);
        Some(Self { text: address, path_at })
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, as browsers send them in `Origin`.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.text.get(..self.path_at).unwrap_or_default()
    }

    /// Host and port as in a `Host` header.
    #[must_use]
    pub fn host(&self) -> &str {
        self.origin().split_once("//").map_or("", |(_, host)| host)
    }

    /// Path, query and fragment.
    #[must_use]
    pub fn reference(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or_default()
    }

    /// Path and query.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        cut(self.reference(), b'#').0
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        path_of(self.reference())
    }

    /// The query, without the question mark.
    #[must_use]
    pub fn query(&self) -> &str {
        cut(self.path_and_query(), b'?').1.unwrap_or_default()
    }
}

/// The path of a path, query and fragment.
#[must_use]
pub fn path_of(reference: &str) -> &str {
    cut(cut(reference, b'#').0, b'?').0
}

/// Path, query and fragment as a browser at the root of an origin writes them: from the first `/`, dot segments resolved,
/// backslashes as slashes, odd characters encoded. `text` names no scheme and no host.
#[must_use]
pub fn resolve(text: &str) -> String {
    let mut resolved = String::with_capacity(text.len());
    push_resolved(&mut resolved, text);
    resolved
}

/// What a `Location` on a page of `own` (`https://host`) leads to on that very host, whatever the port; `None` if it leads to
/// another one, or names none.
#[must_use]
pub fn named_on_host(location: &str, own: &str) -> Option<String> {
    let location: String = location.trim_matches(|c| c <= ' ').chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let (own_scheme, own_host) = split_scheme(own)?;
    let (scheme, rest) = split_scheme(&location).map_or((None, location.as_str()), |(scheme, rest)| (Some(scheme), rest));
    let after = rest.trim_start_matches(SLASHES);
    let slashes = rest.len().saturating_sub(after.len());
    if slashes < 2 && scheme.is_none_or(|scheme| scheme == own_scheme) {
        // `https:page` has a scheme, but names no host.
        return scheme.map(|_| resolve(rest));
    }
    let (authority, reference) = split_authority(after);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = percent::decode(split_port(host)?.0.as_bytes()).to_ascii_lowercase();
    let (own_host, _) = split_port(own_host.trim_start_matches('/'))?;
    (host == own_host.as_bytes()).then(|| resolve(reference))
}

/// The scheme with its colon, in small letters, and what follows.
fn split_scheme(text: &str) -> Option<(&'static str, &str)> {
    [HTTPS, "http:"].into_iter().find_map(|scheme| {
        let (written, rest) = text.split_at_checked(scheme.len())?;
        written.eq_ignore_ascii_case(scheme).then_some((scheme, rest))
    })
}

/// User info, host and port, and what follows.
fn split_authority(text: &str) -> (&str, &str) {
    text.split_at_checked(text.find(['/', '\\', '?', '#']).unwrap_or(text.len())).unwrap_or((text, ""))
}

/// Host and port. `None` if what stands there is no port.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        Some((host, "")) => Some((host, None)),
        Some((host, port)) if !port.ends_with(']') => {
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            port.parse().ok().filter(|_| digits).map(|port| (host, Some(port)))
        }
        _ => Some((authority, None)),
    }
}

/// Whether a browser takes this for a host and leaves it as it is. What ends in a number is an IPv4 address to browsers,
/// in spellings like `0x7f.1` too: only the common one is taken. Of an IPv6 address only the characters are looked at.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let plain = |address: &str| address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        return address.strip_suffix(']').is_some_and(plain);
    }
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let number = hex || !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let named = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    named && (!number || is_ipv4(host))
}

/// Four numbers up to 255, without leading zeros.
fn is_ipv4(host: &str) -> bool {
    let plain = |part: &str| part.len() == 1 || !part.starts_with('0');
    let fits =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u16>().is_ok_and(|number| number < 256);
    host.split('.').count() == 4 && host.split('.').all(|part| plain(part) && fits(part))
}

/// See [`resolve`].
fn push_resolved(resolved: &mut String, text: &str) {
    // Browsers drop blanks at the end of an address.
    let (text, fragment) = cut(text.trim_end_matches(' '), b'#');
    let (path, query) = cut(text, b'?');
    push_path(resolved, path);
    if let Some(query) = query {
        resolved.push('?');
        push(resolved, query, b"\"<>'");
    }
    if let Some(fragment) = fragment {
        resolved.push('#');
        push(resolved, fragment, b"\"<>`");
    }
}

fn push_path(resolved: &mut String, path: &str) {
    let start = resolved.len();
    let mut segments = path.strip_prefix(SLASHES).unwrap_or(path).split(SLASHES).peekable();
    while let Some(segment) = segments.next() {
        let parent = matches!(segment, ".." | ".%2e" | ".%2E" | "%2e." | "%2E." | "%2e%2e" | "%2e%2E" | "%2E%2e" | "%2E%2E");
        if parent {
            let slash = resolved.get(start..).and_then(|path| path.rfind('/')).unwrap_or_default();
            resolved.truncate(start.saturating_add(slash));
        }
        if !parent && !matches!(segment, "." | "%2e" | "%2E") {
            resolved.push('/');
            push(resolved, segment, b"\"<>`{}");
        } else if segments.peek().is_none() {
            // Without the segment itself, its folder is left.
            resolved.push('/');
        }
    }
}

/// Writes text whose `odd` characters, blanks, control characters and all beyond ASCII are encoded.
fn push(resolved: &mut String, text: &str, odd: &[u8]) {
    let plain = |byte: u8| byte.is_ascii_graphic() && !odd.contains(&byte);
    if text.bytes().all(plain) {
        resolved.push_str(text);
        return;
    }
    for byte in text.bytes() {
        if plain(byte) {
            resolved.push(char::from(byte));
        } else {
            percent::push_encoded(resolved, byte);
        }
    }
}

/// What stands before the mark, an ASCII character, and what behind it if it is there.
fn cut(text: &str, mark: u8) -> (&str, Option<&str>) {
    let at = text.bytes().position(|byte| byte == mark).unwrap_or(text.len());
    (text.get(..at).unwrap_or_default(), text.get(at.saturating_add(1)..))
}

const HTTPS: &str = "https:";
/// To browsers the same.
const SLASHES: [char; 2] = ['/', '\\'];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<String> {
        Address::parse(text).map(|address| address.text)
    }

    #[test]
    fn an_address_is_taken_apart() {
        let address = Address::parse("https://app.example.com:8443/a/b?c?d#e?f#g").expect("an address");
        assert_eq!(address.as_str(), "https://app.example.com:8443/a/b?c?d#e?f#g");
        assert_eq!((address.origin(), address.host()), ("https://app.example.com:8443", "app.example.com:8443"));
        assert_eq!((address.path(), address.query()), ("/a/b", "c?d"));
        assert_eq!((address.path_and_query(), address.reference()), ("/a/b?c?d", "/a/b?c?d#e?f#g"));
        let bare = Address::parse("http://localhost").expect("an address");
        assert_eq!((bare.as_str(), bare.path_and_query(), bare.query()), ("http://localhost/", "/", ""));
    }

    #[test]
    fn an_address_comes_out_as_a_browser_writes_it() {
        for (text, written) in [
            ("HTTPS://APP.Example.com:443/A", "https://app.example.com/A"),
            ("http://a.example:80/", "http://a.example/"),
            ("https://a.example:80/", "https://a.example:80/"),
            ("http://a.example:0443/", "http://a.example:443/"),
            ("http://a.example:/", "http://a.example/"),
            ("http://a.example:65535", "http://a.example:65535/"),
            ("https://a.example?b", "https://a.example/?b"),
            ("https://a.example#b", "https://a.example/#b"),
            ("https://a.example\\b", "https://a.example/b"),
            ("https://a_b.example./", "https://a_b.example./"),
            ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
            ("https://127.0.0.1/", "https://127.0.0.1/"),
            ("https://127.0.0.example/", "https://127.0.0.example/"),
            ("https://[::1]:443/", "https://[::1]/"),
            ("https://[FE80::1]:80/", "https://[fe80::1]:80/"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(written), "{text}");
        }
    }

    #[test]
    fn what_browsers_never_send_is_no_address() {
        for text in [
            "",
            "/a",
            "//a.example/",
            "a.example",
            "https:",
            "https:a.example",
            "https:/a.example",
            "https://",
            "https:///a.example/",
            "https:\\\\a.example",
            " https://a.example",
            "https, http://a.example/",
            "ftp://a.example/",
            "javascript://a.example/",
            "https://u@a.example/",
            "https://u:p@a.example/",
            "https://@a.example/",
            "https://a b/",
            "https://a.example /",
            "https://a.example*/",
            "https://a.example, b.example/",
            "https://%61.example/",
            "https://ä.example/",
            "https://ａ.example/",
            "https://a.example:65536/",
            "https://a.example:+80/",
            "https://a.example:x/",
            "https://a.example:80:80/",
            "https://127.1/",
            "https://0x7f.0.0.1/",
            "https://127.0.0.1./",
            "https://127.0.0.01/",
            "https://256.0.0.1/",
            "https://1/",
            "https://a.0x7f/",
            "https://1.2.3.0x/",
            "https://::1/",
            "https://[::1/",
            "https://[::1]x/",
            "https://[::1%25eth0]/",
            "https://[a.example]/",
            "https://[::1.2.3.4]/",
            "https://1.2.3/",
            "https://1.2.3.4.5/",
            "https://1.2.3.+4/",
            "https://1..3.4/",
            "https://a.example/\t",
            "https://a.example/\u{7f}",
            "ht\ntps://a.example/",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_path_is_resolved_as_at_the_root() {
        for (text, resolved) in [
            ("", "/"),
            ("a", "/a"),
            ("/", "/"),
            ("//a", "//a"),
            ("\\a\\b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/.", "/a/"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/../../a", "/a"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/%2E/b", "/b"),
            ("/a//../b", "/a/b"),
            ("/.//a", "//a"),
            ("/...", "/..."),
            ("/%2e%2e%2e", "/%2e%2e%2e"),
            ("/a?/../b", "/a?/../b"),
            ("/a?b\\c", "/a?b\\c"),
            ("/a b\"<>`{}'|^[]", "/a%20b%22%3C%3E%60%7B%7D'|^[]"),
            ("/?b \"<>`{}'|^[]", "/?b%20%22%3C%3E`{}%27|^[]"),
            ("/#b \"<>`{}'|^[]", "/#b%20%22%3C%3E%60{}'|^[]"),
            ("/ü?ü#ü", "/%C3%BC?%C3%BC#%C3%BC"),
            ("/%zz%", "/%zz%"),
            ("/a  ", "/a"),
            ("/a #b ", "/a%20#b"),
            ("/a?#", "/a?#"),
        ] {
            assert_eq!(resolve(text), resolved, "{text:?}");
        }
    }

    #[test]
    fn a_location_is_on_the_host_in_every_spelling_of_it() {
        for (location, page) in [
            ("https://own.example/a?b#c", "/a?b#c"),
            ("http://own.example:8080", "/"),
            ("HTTP:own.example/a", "/a"),
            ("http:/\\/own.example/a", "/a"),
            ("//own.example/a", "/a"),
            ("\\\\Own.Example\\a", "/a"),
            ("/\\own.example/a", "/a"),
            (" \u{1}//own.example/a\u{1f} ", "/a"),
            ("ht\ttps://own.exa\nmple/a", "/a"),
            ("https://u:p@x@own.example/a", "/a"),
            ("https://%6f%57n.example/a", "/a"),
            ("https://own.example//elsewhere.example", "//elsewhere.example"),
            ("https:a", "/a"),
            ("https:/a", "/a"),
            ("https:\\a/..", "/"),
        ] {
            assert_eq!(named_on_host(location, "https://own.example").as_deref(), Some(page), "{location:?}");
        }
        for location in [
            "/a",
            "a",
            "",
            "?https://own.example/",
            "https://own.example.elsewhere.example/",
            "https://own.example@elsewhere.example/",
            "https://elsewhere.example/https://own.example/",
            "https://own.example:65536/",
            "https://own.example:x/",
            "http:elsewhere.example",
            "mailto:a@own.example",
        ] {
            assert_eq!(named_on_host(location, "https://own.example"), None, "{location:?}");
        }
        assert_eq!(named_on_host("https://[::1]/a", "http://[::1]:8080").as_deref(), Some("/a"));
    }
}
