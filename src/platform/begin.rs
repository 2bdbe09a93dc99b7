//! Answering at once where nothing has to be waited for: a promise and two microtasks cost a warm request more than all that is decided.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

/// What `future` comes to, if that is known at once, else a promise of it.
pub(super) fn begin(future: impl Future<Output = String> + 'static) -> JsValue {
    let mut begun = Begun { future: Box::pin(future), relay: Arc::default() };
    match Pin::new(&mut begun).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(text) => text.into(),
        Poll::Pending => future_to_promise(async move { Ok(begun.await.into()) }).into(),
    }
}

/// A future that is polled by two tasks, one after the other. It sees the same waker both times, since some futures (the runtime's timers)
/// keep the one of their first poll.
struct Begun {
    future: Pin<Box<dyn Future<Output = String>>>,
    relay: Arc<Relay>,
}

impl Future for Begun {
    type Output = String;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.relay.lead_to(context.waker());
        let waker = Waker::from(self.relay.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

/// A waker that wakes whoever polled last.
#[derive(Default)]
struct Relay(Mutex<Option<Waker>>);

impl Relay {
    fn lead_to(&self, waker: &Waker) {
        let mut led = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !led.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *led = Some(waker.clone());
        }
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        let led = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = led {
            waker.wake();
        }
    }
}
