//! A day's counts on paper. Exact where pages come like clockwork, expected values where they come at random.

use super::day::{Day, Pages};

/// How long an isolate remembers a record.
const RECORD_SECS: u64 = 30;
/// The same for requests at random: clocks are whole seconds, so half a second less on average.
const RECORD_MEAN_SECS: f64 = 29.5;
/// How long the guard's word counts, likewise.
const GUARD_MEAN_SECS: f64 = 9.5;
/// How long a key set is fresh.
const KEYS_SECS: u64 = 300;

/// From how long before a token's end it may be renewed: 300 s, or half its life.
pub fn margin_secs(access_life_secs: u64) -> u64 {
    (access_life_secs / 2).min(300)
}

/// By session it is three quarters of that to the whole: this on average.
#[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
pub fn mean_margin_secs(access_life_secs: u64) -> f64 {
    margin_secs(access_life_secs) as f64 * 7.0 / 8.0
}

/// Like clockwork, one isolate: a renewal comes with the first page within the margin, so never sooner than a life less the
/// margin after the last one, and with the first page at the latest that is a life less three quarters of it after. Fewest and most.
pub fn renewals(active_secs: u64, every_secs: u64, access_life_secs: u64) -> (u64, u64) {
    let margin = margin_secs(access_life_secs);
    let last_page = (active_secs - 1) / every_secs * every_secs;
    let soonest = (access_life_secs - margin).next_multiple_of(every_secs);
    let latest = (access_life_secs - margin + margin / 4).next_multiple_of(every_secs);
    (last_page / latest, last_page / soonest)
}

/// Like clockwork, one isolate: a page reads if the last thing that was read or saved is 30 s old. Each sign-in or renewal saves
/// one read at most. Fewest and most.
pub fn cold_reads(active_secs: u64, every_secs: u64, renewals: u64) -> (u64, u64) {
    let pages = active_secs.div_ceil(every_secs);
    let pages_a_read = RECORD_SECS.div_ceil(every_secs);
    let most = (pages - 1) / pages_a_read;
    // Slower pages than that all read, but for the one that comes with the sign-in.
    (if pages_a_read == 1 { most } else { most.saturating_sub(renewals) }, most)
}

/// At random: the isolates of `isolates` that a page meets with all that follows it.
pub fn isolates_met(isolates: usize, requests: usize) -> f64 {
    let isolates = number(isolates);
    isolates * (1.0 - (1.0 - 1.0 / isolates).powf(number(requests)))
}

/// How many pages a second one isolate sees something of.
fn seen_by_one(day: &Day) -> f64 {
    day.rate() / number(day.locations) * isolates_met(day.isolates, 1 + day.gated) / number(day.isolates)
}

/// The share of its pages that find an isolate cold: what comes at random and opens a dead time of 30 s each time.
fn cold_share(day: &Day) -> f64 {
    1.0 / (1.0 + RECORD_MEAN_SECS * seen_by_one(day))
}

/// At random: a cold page reads; so does each request that follows it to a cold isolate, but for those that go where the page
/// went. Of one isolate, it is the pages' number over one and what they are in 30 s, whatever follows them.
pub fn cold_reads_at_random(day: &Day) -> f64 {
    let elsewhere = number(day.gated) * (1.0 - 1.0 / number(day.isolates));
    day.rate() * seconds(day) * cold_share(day) * (1.0 + elsewhere)
}

/// What it would be if requests that come to a cold isolate at once read once: a read for each isolate met.
pub fn cold_reads_if_shared(day: &Day) -> f64 {
    day.rate() * seconds(day) * cold_share(day) * isolates_met(day.isolates, 1 + day.gated)
}

/// At random: a token's life less the margin, and the wait for the next page.
pub fn renewal_spacing_secs(day: &Day) -> f64 {
    life(day) - mean_margin_secs(day.access_life_secs) + 1.0 / day.rate()
}

/// At random: how often a token runs near its end. Renewal theory's second term is there because the day begins with a fresh one.
pub fn rounds_at_random(day: &Day) -> f64 {
    let mean = renewal_spacing_secs(day);
    let variance = day.rate().powi(-2);
    seconds(day) / mean - 0.5 + variance / (2.0 * mean * mean)
}

/// Token requests each time: one for each isolate that a page meets, if a page comes within the margin (what follows it comes
/// while the first one asks), and one for each other isolate that goes on with the old record. After the token's end the page
/// waits, and what follows it finds the new one.
pub fn requests_a_round(day: &Day) -> f64 {
    if day.strict || day.isolates == 1 {
        return 1.0;
    }
    let met = isolates_met(day.isolates, 1 + day.gated);
    let late = (number(day.isolates) - met) * goes_on_with_the_old_record(day);
    let in_time = 1.0 - (-day.rate() * mean_margin_secs(day.access_life_secs)).exp();
    1.0 + (met - 1.0 + late) * in_time
}

/// How likely it is that an isolate was warm when the margin began, and that after the renewal elsewhere a page comes to it
/// before it forgets. What is left of its memory then is anything up to 30 s, less the wait for the page that renews.
fn goes_on_with_the_old_record(day: &Day) -> f64 {
    let (all, one) = (day.rate(), seen_by_one(day));
    let mean_decay = |rate: f64| (1.0 - (-rate * RECORD_MEAN_SECS).exp()) / (rate * RECORD_MEAN_SECS);
    let (all_gone, one_gone) = (mean_decay(all), mean_decay(one));
    let asked_in_time = 1.0 - all_gone - all / (all - one) * (one_gone - all_gone);
    (1.0 - cold_share(day)) * asked_in_time
}

/// Sign-in and renewals. With several locations, KV shows one of them what another has renewed only after a while.
pub fn token_requests_at_random(day: &Day) -> f64 {
    1.0 + rounds_at_random(day) * requests_a_round(day)
}

/// A location fetches the key set for a token if it has none of the last five minutes.
pub fn most_key_fetches(day: &Day, token_requests: u64) -> u64 {
    token_requests.min(u64::try_from(day.locations).expect("few") * (1 + day.active_secs / KEYS_SECS))
}

/// Strict mode: a look for each isolate that a page meets and that has not asked for 10 s; two questions for a renewal; one for the
/// sign-in, two for the sign-out.
pub fn questions_at_random(day: &Day) -> f64 {
    let seen = seen_by_one(day);
    let looks = number(day.isolates * day.locations) * seen * seconds(day) / (1.0 + GUARD_MEAN_SECS * seen);
    looks + 2.0 * rounds_at_random(day) + 3.0
}

/// Users active at once, at `limit` refreshes a second.
pub fn users_at_once(day: &Day, limit: f64) -> f64 {
    limit * renewal_spacing_secs(day) / requests_a_round(day)
}

/// The time between two pages, for those that come like clockwork.
pub fn every(day: &Day) -> u64 {
    match day.pages {
        Pages::Every(secs) => secs,
        Pages::PerMinute(_) => panic!("like clockwork"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "few")]
fn number(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
fn seconds(day: &Day) -> f64 {
    day.active_secs as f64
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
fn life(day: &Day) -> f64 {
    day.access_life_secs as f64
}
