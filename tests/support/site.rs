//! The site, faked: it keeps what it is asked for, and answers as a test says.

use std::cell::RefCell;

use edgegate::ports::{UpstreamAnswer, UpstreamError, UpstreamRequest};

/// An answer of the site.
#[derive(Clone, Debug)]
pub struct SiteAnswer {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub set_cookies: Vec<String>,
}

impl Default for SiteAnswer {
    fn default() -> Self {
        Self { status: 200, headers: Vec::new(), set_cookies: Vec::new() }
    }
}

impl UpstreamAnswer for SiteAnswer {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    fn set_cookies(&self) -> &[String] {
        &self.set_cookies
    }
}

/// A site that has every page, unless a test says otherwise.
#[derive(Default)]
pub struct FakeSite {
    pub failure: RefCell<Option<UpstreamError>>,
    pub next: RefCell<SiteAnswer>,
    pub asked: RefCell<Vec<UpstreamRequest>>,
}

impl FakeSite {
    pub fn answer(&self, request: UpstreamRequest) -> Result<SiteAnswer, UpstreamError> {
        self.asked.borrow_mut().push(request);
        match *self.failure.borrow() {
            Some(error) => Err(error),
            None => Ok(self.next.borrow().clone()),
        }
    }
}
