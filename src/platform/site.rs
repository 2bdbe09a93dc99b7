//! Requests to the site: the Worker's assets, or its origin. Bodies stream through unread. An answer without changes is the
//! site's own object.

use std::cell::OnceCell;

use js_sys::{Array, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Request, RequestCache, RequestInit, RequestRedirect, Response};
use worker::Env;

use crate::gate::ANSWER_HEADERS;
use crate::ports::{ForwardedBody, HeaderEdits, OriginRequest, UpstreamAnswer, UpstreamError, UpstreamRequest};

use super::env::ASSETS;
use super::http::is_timeout;
use super::native;
use super::request::NativeRequest;

/// An answer of the site: its head, read in one crossing, and the runtime object.
pub(super) struct SiteAnswer {
    status: u16,
    /// The values of [`ANSWER_HEADERS`].
    headers: Vec<Option<String>>,
    set_cookies: Vec<String>,
    response: Response,
}

impl SiteAnswer {
    fn new(response: Response) -> Result<Self, UpstreamError> {
        let head = ANSWER_NAMES.with(|names| native::answer_head(&response, names));
        let (status, headers, set_cookies) = serde_json::from_str(&head).map_err(|_| UpstreamError::Unreachable)?;
        Ok(Self { status, headers, set_cookies, response })
    }

    /// The answer with these changes: a copy around the same body, or the same object if there are none.
    pub(super) fn edited(self, edits: &HeaderEdits) -> Result<Response, JsValue> {
        if edits.is_empty() { Ok(self.response) } else { native::edited(&self.response, &json(edits)?) }
    }
}

impl UpstreamAnswer for SiteAnswer {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<String> {
        match ANSWER_HEADERS.iter().position(|it| *it == name) {
            Some(index) => self.headers.get(index)?.clone(),
            None => self.response.headers().get(name).ok().flatten(),
        }
    }

    fn set_cookies(&self) -> &[String] {
        &self.set_cookies
    }

    fn discard(self) {
        if let Some(body) = self.response.body() {
            // Whether the stream was closed in order matters to nobody.
            spawn_local(async move { drop(JsFuture::from(body.cancel()).await) });
        }
    }
}

/// Sends one request to the site.
pub(super) async fn send(env: &Env, client: &NativeRequest, request: UpstreamRequest) -> Result<SiteAnswer, UpstreamError> {
    let asked = match request {
        UpstreamRequest::Assets { url, without } => ask_assets(env, client.native(), url, without),
        UpstreamRequest::Origin(wanted) => ask_origin(client.native(), &wanted),
    };
    let answered = match asked {
        Ok(promise) => JsFuture::from(promise).await,
        Err(error) => Err(error),
    };
    SiteAnswer::new(answered.map_err(|error| classify(&error))?.unchecked_into())
}

#[wasm_bindgen]
extern "C" {
    /// The assets binding. `worker`'s own method would wrap its answer in an object that is rebuilt on the way out.
    type Assets;
    #[wasm_bindgen(method, catch)]
    fn fetch(this: &Assets, request: &Request) -> Result<Promise, JsValue>;
}

fn ask_assets(env: &Env, client: &Request, url: Option<String>, without: &[&str]) -> Result<Promise, JsValue> {
    let ask = |assets: &Assets| match url {
        None => assets.fetch(client),
        Some(url) => {
            let request = Request::new_with_str_and_init(&url, client.unchecked_ref::<RequestInit>())?;
            without.iter().try_for_each(|name| request.headers().delete(name))?;
            assets.fetch(&request)
        }
    };
    ASSETS_BINDING.with(|known| {
        if let Some(assets) = known.get() {
            return ask(assets);
        }
        let assets: Assets = env.assets(ASSETS).map_err(JsValue::from)?.into_rpc();
        ask(known.get_or_init(|| assets))
    })
}

fn ask_origin(client: &Request, wanted: &OriginRequest) -> Result<Promise, JsValue> {
    let edits = json(&wanted.headers)?;
    let body: JsValue = match &wanted.body {
        ForwardedBody::Empty => JsValue::UNDEFINED,
        ForwardedBody::Streamed => client.body().into(),
        ForwardedBody::Whole(bytes) => Uint8Array::from(&**bytes).into(),
    };
    let passes = wanted.passes;
    let new = || {
        Closure::new(move |names: Array| -> Array {
            names.iter().filter(|name| !name.as_string().is_some_and(|name| passes(&name))).collect()
        })
    };
    let init = if wanted.may_be_cached { &CACHED } else { &NOT_CACHED };
    STOPPED.with(|stopped| {
        let stopped = stopped.get_or_init(new);
        init.with(|init| native::pass(client, &wanted.url, init, stopped, &edits, &body, wanted.timeout_ms))
    })
}

fn json(edits: &HeaderEdits) -> Result<String, JsValue> {
    serde_json::to_string(edits).map_err(|error| error.to_string().into())
}

fn classify(error: &JsValue) -> UpstreamError {
    let name = Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string());
    if name.as_deref().is_some_and(is_timeout) { UpstreamError::TimedOut } else { UpstreamError::Unreachable }
}

thread_local! {
    /// Looked up once, because a look-up takes several crossings.
    static ASSETS_BINDING: OnceCell<Assets> = const { OnceCell::new() };
    /// Picks the headers that do not pass. The same for each request.
    static STOPPED: OnceCell<Closure<dyn Fn(Array) -> Array>> = const { OnceCell::new() };
    static ANSWER_NAMES: Array = native::names(&ANSWER_HEADERS);
    static CACHED: RequestInit = not_followed();
    static NOT_CACHED: RequestInit = {
        let init = not_followed();
        init.set_cache(RequestCache::NoStore);
        init
    };
}

fn not_followed() -> RequestInit {
    let init = RequestInit::new();
    init.set_redirect(RequestRedirect::Manual);
    init
}
