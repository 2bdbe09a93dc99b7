//! One user's day before the real gate: a sign-in, page loads with what follows each of them, a sign-out. Several isolates are
//! several memories over one location; several locations are several views of one KV, which lags as the real one does.

use std::rc::Rc;

use futures_executor::block_on;
use futures_util::future::{join, join_all};

use super::draws::Draws;
use crate::support::{Browser, Counts, START, World, config};

/// When pages are loaded while the user is active.
#[derive(Clone, Copy, Debug)]
pub enum Pages {
    /// One in so many seconds exactly.
    Every(u64),
    /// At random, so many a minute on average (Poisson).
    PerMinute(f64),
}

#[derive(Clone, Copy, Debug)]
pub struct Day {
    pub active_secs: u64,
    pub pages: Pages,
    /// Gated requests that follow each page, all at one time.
    pub gated: usize,
    /// Public ones.
    pub public: usize,
    /// Of each location. Each request comes to one of them by chance; they live all day.
    pub isolates: usize,
    /// Each page with all that follows it comes to one of them by chance.
    pub locations: usize,
    pub access_life_secs: u64,
    pub strict: bool,
    pub signs_out: bool,
    /// KV takes no write after the sign-in, as on the free plan when the day's are spent.
    pub writes_are_spent: bool,
    pub seed: u64,
}

/// The plainest day: eight hours, a page a minute, one isolate.
pub const DAY: Day = Day {
    active_secs: 8 * 3600,
    pages: Pages::Every(60),
    gated: 0,
    public: 0,
    isolates: 1,
    locations: 1,
    access_life_secs: 3600,
    strict: false,
    signs_out: true,
    writes_are_spent: false,
    seed: 1,
};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    pub pages: u32,
    /// Requests to the Worker: pages, what follows them, sign-in and sign-out.
    pub requests: u32,
    pub counts: Counts,
}

/// A page that asks for a sign-in, the login, the callback.
pub const SIGN_IN_REQUESTS: u32 = 3;

impl Day {
    /// Pages a second.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn rate(&self) -> f64 {
        match self.pages {
            Pages::Every(secs) => 1.0 / secs as f64,
            Pages::PerMinute(pages) => pages / 60.0,
        }
    }

    /// When pages are loaded, in milliseconds after the sign-in. The first is the return path.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a day in milliseconds")]
    fn arrivals_ms(&self, draws: &mut Draws) -> Vec<u64> {
        let mut arrivals = Vec::new();
        let mut at_ms = 0;
        while at_ms < self.active_secs * 1000 {
            arrivals.push(at_ms);
            at_ms += match self.pages {
                Pages::Every(secs) => secs * 1000,
                Pages::PerMinute(pages) => (draws.wait_secs(pages / 60.0) * 1000.0) as u64,
            };
        }
        arrivals
    }

    pub fn live(&self) -> Spent {
        let (mut draws, mut public_draws) = (Draws::new(self.seed), Draws::new(self.seed + 1));
        let places = self.places();
        let first = &places[0][0];
        assert_eq!(first.open("/app/").status, 302);
        assert_eq!(first.sign_in("/app/").status, 303);
        let cookies = first.cookies.borrow().clone();
        for browser in places.iter().flatten() {
            browser.cookies.replace(cookies.clone());
        }
        let mut spent = Spent { pages: 0, requests: SIGN_IN_REQUESTS, counts: Counts::default() };
        for at_ms in self.arrivals_ms(&mut draws) {
            let now_ms = (START * 1000 + at_ms).max(first.world.time.now_ms());
            first.world.time.set_ms(now_ms);
            if self.writes_are_spent {
                first.world.kv.take_no_more_writes();
            }
            // A session is not seen at another location before KV shows it there.
            let locations = if at_ms < KV_SECS * 2000 { 1 } else { self.locations };
            self.load(&places[draws.below(locations)], &mut draws, &mut public_draws);
            spent.pages += 1;
        }
        let follow = u32::try_from(1 + self.gated + self.public).expect("few");
        spent.requests += spent.pages * follow;
        if self.signs_out {
            assert_eq!(first.post("/auth/logout", "").status, 200);
            first.world.finish_background();
            spent.requests += 1;
        }
        spent.counts = Counts::of(&first.world);
        spent
    }

    /// The browser before each isolate of each location.
    fn places(&self) -> Vec<Vec<Browser>> {
        let world = if self.strict { World::guarded() } else { World::new() };
        world.cognito.access_life_secs.set(self.access_life_secs);
        let rules = r#"[{"path":"/assets/*","allow":"public"},{"path":"/*","allow":"signed-in"}]"#;
        let first = Browser::with(&world, config(&[("RULES", rules)]));
        let place = |number: usize| {
            let world = if number == 0 { world.clone() } else { world.location() };
            if self.locations > 1 {
                world.view.lag(READ_CACHE_SECS, KV_SECS);
            }
            (0..self.isolates).map(|_| first.elsewhere(&world)).collect()
        };
        (0..self.locations).map(place).collect()
    }

    /// The page is answered; then all that follows it comes at once, while a renewal beside the page is under way.
    fn load(&self, isolates: &[Browser], draws: &mut Draws, public_draws: &mut Draws) {
        let pick = |draws: &mut Draws| &isolates[draws.below(isolates.len())];
        assert!(pick(draws).open("/app/").site);
        let gated: Vec<&Browser> = (0..self.gated).map(|_| pick(draws)).collect();
        let public: Vec<&Browser> = (0..self.public).map(|_| pick(public_draws)).collect();
        let world: &Rc<World> = &isolates[0].world;
        let replies = block_on(async {
            let requests = gated.iter().map(|browser| browser.fetch_async("/app/data.json"));
            let (replies, _) = join(join_all(requests), join_all(world.take_background())).await;
            replies
        });
        assert!(replies.iter().all(|reply| reply.site));
        assert!(public.iter().all(|browser| browser.get("/assets/app.css").site));
        loop {
            let work = world.take_background();
            if work.is_empty() {
                break;
            }
            block_on(join_all(work));
        }
        world.forget_logs();
    }
}

/// How long a location goes on with what it has read, and how long a change needs to come to it.
const READ_CACHE_SECS: u64 = 30;
const KV_SECS: u64 = 60;
