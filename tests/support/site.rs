//! The site, faked: it keeps what it is asked for, and answers as a test says.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use edgegate::ports::{UpstreamAnswer, UpstreamError, UpstreamRequest};
use url::Url;

/// An answer of the site.
#[derive(Clone, Debug)]
pub struct SiteAnswer {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub set_cookies: Vec<String>,
    pub discarded: Rc<Cell<usize>>,
}

impl SiteAnswer {
    pub fn of(status: u16, headers: &[(&'static str, &'static str)]) -> Self {
        Self { status, headers: headers.to_vec(), ..Self::default() }
    }
}

impl Default for SiteAnswer {
    fn default() -> Self {
        Self { status: 200, headers: Vec::new(), set_cookies: Vec::new(), discarded: Rc::default() }
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

    fn discard(self) {
        self.discarded.set(self.discarded.get() + 1);
    }
}

/// A site that has every page, unless a test says otherwise.
#[derive(Default)]
pub struct FakeSite {
    pub failure: RefCell<Option<UpstreamError>>,
    pub next: RefCell<SiteAnswer>,
    /// The answers for some paths, in place of `next`.
    pub pages: RefCell<BTreeMap<&'static str, SiteAnswer>>,
    /// The next answers, before all others.
    pub first: RefCell<VecDeque<SiteAnswer>>,
    pub asked: RefCell<Vec<UpstreamRequest>>,
    /// How many bodies were cancelled.
    pub discarded: Rc<Cell<usize>>,
}

impl FakeSite {
    /// `client_url` is the client's own, for requests that do not name another.
    pub fn answer(&self, client_url: &str, request: UpstreamRequest) -> Result<SiteAnswer, UpstreamError> {
        let url = match &request {
            UpstreamRequest::Assets { url, .. } => url.clone().unwrap_or_else(|| client_url.to_owned()),
            UpstreamRequest::Origin(wanted) => wanted.url.clone(),
        };
        self.asked.borrow_mut().push(request);
        let url = Url::parse(&url).expect("an absolute URL");
        let first = self.first.borrow_mut().pop_front();
        let page = || self.pages.borrow().get(url.path()).cloned();
        let answer = first.or_else(page).unwrap_or_else(|| self.next.borrow().clone());
        match *self.failure.borrow() {
            Some(error) => Err(error),
            None => Ok(SiteAnswer { discarded: self.discarded.clone(), ..answer }),
        }
    }

    /// The paths that it was asked for since the last call.
    pub fn asked_paths(&self) -> Vec<String> {
        let path = |request| match request {
            UpstreamRequest::Assets { url, .. } => url.unwrap_or_default(),
            UpstreamRequest::Origin(wanted) => wanted.url,
        };
        let paths = self.asked.take().into_iter().map(path);
        paths.map(|url| Url::parse(&url).map_or(url, |url| url.path().to_owned())).collect()
    }
}
