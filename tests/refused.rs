//! Requests that no handler sees: what cannot be read, or is too long.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::rc::Rc;

use edgegate::auth::{Gateway, Isolate};
use edgegate::gate::{Outcome, Response, handle};
use edgegate::ports::{BodyError, IncomingRequest};
use futures_executor::block_on;
use serde_json::Value;
use support::world::Ports;
use support::{PUBLIC_URL, World, config};

struct Request {
    url: String,
    headers: Vec<(&'static str, String)>,
}

impl IncomingRequest for Request {
    fn method(&self) -> &'static str {
        "GET"
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
    }

    fn has_body(&self) -> bool {
        false
    }

    async fn body(&self, _: usize) -> Result<Vec<u8>, BodyError> {
        Ok(Vec::new())
    }
}

/// The answer, and the log's line.
fn refused(request: &Request) -> (Response, String) {
    let world = World::new();
    let gate = Gateway::new(config(&[]), Ports(world.clone()), Rc::<Isolate>::default());
    let Outcome::Respond(answer) = block_on(handle(&gate, request)) else { panic!("{} was let through", request.url) };
    let lines = world.logs.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    (answer, lines[0].clone())
}

fn navigation() -> Vec<(&'static str, String)> {
    vec![("sec-fetch-mode", "navigate".to_owned()), ("sec-fetch-dest", "document".to_owned())]
}

fn code(answer: &Response) -> Value {
    serde_json::from_str::<Value>(&answer.body).expect("JSON")["error"].clone()
}

#[test]
fn a_request_whose_url_cannot_be_read_has_no_route_and_no_page_to_return_to() {
    for url in [
        "",
        "/app/",
        "app.example.com/app/",
        "https://",
        "https://app.example.com:65536/",
        "https://[::1/",
        "https://user@app.example.com/app/",
        "https://user:password@app.example.com/app/",
        "https://app.example.com/app/\r\n",
        "https://app.exam\tple.com/app/",
        "ftp://app.example.com/app/",
        "javascript:alert(1)",
    ] {
        let (answer, line) = refused(&Request { url: url.to_owned(), headers: Vec::new() });
        assert_eq!((answer.status, code(&answer)), (400, "invalid_request".into()), "{url:?}");
        assert!(line.contains(r#"("route", "unknown")"#) && line.contains(r#"("reason", "url_malformed")"#), "{url:?}: {line}");

        let (page, _) = refused(&Request { url: url.to_owned(), headers: navigation() });
        assert_eq!((page.status, page.header("content-type")), (400, Some("text/html; charset=utf-8")), "{url:?}");
        assert!(page.body.contains("invalid_request") && !page.body.contains("/auth/"), "{url:?}");
        assert_eq!(page.header("location"), None, "{url:?}");
    }
}

#[test]
fn what_is_too_long_for_a_json_route_is_refused_in_json() {
    let cookie = ("cookie", "a".repeat(32 * 1024 + 1));
    for (path, headers, status, error) in [
        ("/user-info".to_owned(), vec![cookie.clone()], 431, "headers_too_large"),
        (format!("/user-info?{}", "a".repeat(8192)), Vec::new(), 414, "uri_too_long"),
    ] {
        let request = Request { url: format!("{PUBLIC_URL}{path}"), headers: [headers, navigation()].concat() };
        let (answer, line) = refused(&request);
        assert_eq!((answer.status, code(&answer)), (status, error.into()));
        assert!(line.contains(r#"("route", "user-info")"#), "{line}");
    }
    let (page, _) = refused(&Request { url: format!("{PUBLIC_URL}/app/"), headers: [vec![cookie], navigation()].concat() });
    assert_eq!((page.status, page.header("content-type")), (431, Some("text/html; charset=utf-8")));
}
